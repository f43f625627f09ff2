/** An engine in plain JavaScript that passes every check, and can be made to fail them one by one. */
import { OutriggerError } from 'outrigger'
import type { ModelFiles, TensorCall, TensorEngine, TensorModel, TensorSpec } from 'outrigger/models'
import type { Tensor, Tensors } from 'outrigger/schema'
import type { EngineTestModels } from 'outrigger/testing'

interface Json { readonly kind: 'affine' | 'twoByTwo' | 'sequence' | 'identity'; readonly batch: number | null; readonly dtype: string; readonly weights: readonly (readonly number[])[] }

const weights = [[1, 2], [3, 4], [5, 6], [0.5, -0.5]]
const json = (model: Partial<Json>): Record<string, string> => ({ 'model.json': JSON.stringify({ kind: 'affine', batch: null, dtype: 'float32', weights, ...model }), 'check.txt': 'whole' })

/** The models of the suite, as this engine writes them down. */
export const plainModels: EngineTestModels = {
  affine: json({}),
  fixedBatch: json({ batch: 4 }),
  twoByTwo: json({ kind: 'twoByTwo' }),
  sequence: json({ kind: 'sequence' }),
  identity: Object.fromEntries(['float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string'].map((dtype) => [dtype, json({ kind: 'identity', dtype })])),
}

const spec = (name: string, shape: readonly (number | null)[], dtype = 'float32'): TensorSpec => ({ name, dtype, shape })
const signatures = ({ kind, batch, dtype }: Json): { readonly inputs: TensorSpec[]; readonly outputs: TensorSpec[] } => ({
  affine: { inputs: [spec('x', [batch, 3])], outputs: [spec('y', [batch, 2])] },
  twoByTwo: { inputs: [spec('a', [batch, 2]), spec('b', [batch, 2])], outputs: [spec('sum', [batch, 2]), spec('difference', [batch, 2])] },
  sequence: { inputs: [spec('x', [batch, null, 2])], outputs: [spec('y', [batch, 2])] },
  identity: { inputs: [spec('x', [batch, 2], dtype)], outputs: [spec('y', [batch, 2], dtype)] },
})[kind]

const floats = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float32', shape, data })
const dataOf = (inputs: Tensors, name: string): Float32Array => inputs[name]?.data as Float32Array

const compute = ({ kind, weights: [first, second, third, bias] }: Json, inputs: Tensors): Tensors => {
  if (kind === 'identity') return { y: { ...inputs['x'], data: inputs['x']?.data.slice() } as Tensor }
  if (kind === 'twoByTwo') {
    const [a, b] = [dataOf(inputs, 'a'), dataOf(inputs, 'b')]
    const shape = inputs['a']?.shape ?? []
    return { sum: floats(shape, a.map((value, at) => value + (b[at] as number))), difference: floats(shape, a.map((value, at) => value - (b[at] as number))) }
  }
  const x = dataOf(inputs, 'x')
  const [count = 0, length = 0] = inputs['x']?.shape ?? []
  const y = new Float32Array(count * 2)
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < 2; column += 1) {
      if (kind === 'affine') y[row * 2 + column] = [first, second, third].reduce((sum, factors, at) => sum + (factors?.[column] as number) * (x[row * 3 + at] as number), bias?.[column] as number)
      else for (let at = 0; at < length; at += 1) (y[row * 2 + column] as number) += x[(row * length + at) * 2 + column] as number
    }
  }
  return { y: floats([count, 2], y) }
}

const check = (specs: readonly TensorSpec[], inputs: Tensors): void => {
  for (const { name, dtype, shape } of specs) {
    const input = inputs[name]
    if (input === undefined || input.dtype !== dtype || input.shape.length !== shape.length || shape.some((size, at) => size !== null && size !== input.shape[at]) || input.data.length !== input.shape.reduce((product, size) => product * size, 1)) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run as input ${name} must be ${dtype} [${shape.join()}]: current value is ${input?.dtype} [${input?.shape.join()}]`)
    }
  }
}

/** How the engine goes wrong. */
export interface Fault {
  readonly load?: (files: ModelFiles, next: () => Promise<TensorModel>) => Promise<TensorModel>
  readonly model?: (model: TensorModel, held: { count: number }) => Partial<TensorModel>
}

/** The engine, and what it holds. */
export const plainEngine = (fault: Fault = {}): { readonly engine: TensorEngine; readonly held: { count: number } } => {
  const held = { count: 0 }
  const load = async (files: ModelFiles): Promise<TensorModel> => {
    const model = files.json('model.json') as Json
    if (files.text('check.txt') !== 'whole') throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', 'Cannot load')
    const signature = signatures(model)
    let disposed = false
    held.count += 1
    const good: TensorModel = {
      describe: () => ({ signature, batchable: true, bytes: 32, device: 'plain', ...(model.batch === null ? {} : { batchSize: model.batch }) }),
      run: async (inputs: Tensors, _call: TensorCall) => {
        await Promise.resolve()
        if (disposed) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot run as it is disposed')
        check(signature.inputs, inputs)
        return compute(model, inputs)
      },
      dispose: () => {
        if (!disposed) held.count -= 1
        disposed = true
      },
    }
    return { ...good, ...fault.model?.(good, held) }
  }
  return { held, engine: { name: 'plain', load: (files) => (fault.load === undefined ? load(files) : fault.load(files, () => load(files))) } }
}
