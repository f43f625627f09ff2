/** Whether the inputs of a run are those that the model takes, for engines that would not notice. */
import { OutriggerError } from '../../core/errors.js'
import type { Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'

const shapeText = (sizes: readonly (number | null)[]): string => `[${sizes.map((size) => size ?? 'any').join(', ')}]`

/** @throws `ERR_OUTRIGGER_INVALID_INPUT` that names the input */
export const checkTensors = (specs: readonly TensorSpec[], inputs: Tensors): void => {
  for (const { name, dtype, shape } of specs) {
    const input = Object.hasOwn(inputs, name) ? inputs[name] : undefined
    if (input === undefined) throw invalid(name, 'be there', Object.keys(inputs).join(', ') || 'nothing')
    const fits = input.dtype === dtype && input.shape.length === shape.length && shape.every((size, at) => size === null || size === input.shape[at])
    if (!fits) throw invalid(name, `be ${dtype} ${shapeText(shape)}`, `${input.dtype} ${shapeText(input.shape)}`)
    const count = input.shape.reduce((product, size) => product * size, 1)
    if (input.data.length !== count) throw invalid(name, `have the ${count} elements that its shape ${shapeText(input.shape)} says`, String(input.data.length))
  }
}

const invalid = (name: string, constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run the model as input \`${name}\` must ${constraint}: current value is ${value}`, { input: name })
