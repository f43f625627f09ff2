/** Whether who was written for one signature is served by another. Pure. */
import type { ModelSignature, TensorSpec } from './manifest.js'

type Size = number | null

const shapeText = (shape: readonly Size[]): string => `[${shape.map((size) => size ?? 'any').join(', ')}]`

/** The first dimension is the batch: rows do not show it, and the engine sees to it. */
const rowSizes = ({ shape }: TensorSpec): readonly Size[] => shape.slice(1)

const isNarrowed = (wanted: Size, offered: Size): boolean => offered !== null && wanted !== offered
const isOtherSize = (wanted: Size, offered: Size): boolean => offered !== null && wanted !== null && wanted !== offered

const tensorFaults = (place: string, wanted: TensorSpec, offered: TensorSpec, isFault: (wanted: Size, offered: Size) => boolean): string[] => {
  const faults: string[] = []
  if (wanted.dtype !== offered.dtype) faults.push(`${place} must be ${wanted.dtype}, but is ${offered.dtype}`)
  const [sizes, others] = [rowSizes(wanted), rowSizes(offered)]
  if (wanted.shape.length !== offered.shape.length || sizes.some((size, at) => isFault(size, others[at] as Size))) {
    faults.push(`${place} must have the shape ${shapeText(wanted.shape)}, but has ${shapeText(offered.shape)}`)
  }
  return faults
}

const labelFaults = (place: string, some: readonly string[] | undefined, all: readonly string[] | undefined, what: (label: string) => string): string[] => {
  if (some === undefined) return []
  if (all === undefined) return [`${place} must have categories, but has none`]
  const known = new Set(all)
  return some.filter((label) => !known.has(label)).slice(0, 3).map(what)
}

/** Callers send these fields and labels; the other one has to know them. */
const inputFaults = (place: string, wanted: TensorSpec, offered: TensorSpec): string[] => {
  const faults = labelFaults(place, wanted.categories, offered.categories, (label) => `${place} must know the label ${JSON.stringify(label)}, but does not`)
  if (wanted.fields === undefined) return faults
  const names = wanted.fields.map(({ name }) => name).join(', ')
  const others = offered.fields?.map(({ name }) => name).join(', ')
  // The order counts: who sends a row as an array sends it in this one.
  if (names !== others) return [...faults, `${place} must have the fields ${names}, but has ${others ?? 'none'}`]
  return [...faults, ...wanted.fields.flatMap((field, at) => {
    const where = `field \`${field.name}\` of ${place}`
    return labelFaults(where, field.categories, offered.fields?.[at]?.categories, (label) => `${where} must know the label ${JSON.stringify(label)}, but does not`)
  })]
}

/** Callers read these labels; a new one is a surprise to them. */
const outputFaults = (place: string, wanted: TensorSpec, offered: TensorSpec): string[] => {
  if (wanted.categories === undefined) return offered.categories === undefined ? [] : [`${place} must have no categories, but has them`]
  if (offered.categories === undefined) return [`${place} must have categories, but has none`]
  return labelFaults(place, offered.categories, wanted.categories, (label) => `${place} must not give the label ${JSON.stringify(label)}, but may`)
}

/**
 * Why callers who were written for the signature `wanted` would not be served by a model of the signature `offered`:
 * one sentence per fault, none if they would.
 *
 * - Every input and every output that is wanted is there, of the same type and number of dimensions. An input that
 *   nobody was asked for is a fault; an output more is none.
 * - The first dimension, the batch, does not count. An input's size may be left open where it was fixed, not fixed
 *   where it was open. Of an output, sizes that both know must agree.
 * - Fields are the same, in the same order. An input's labels may become more and stand in another order (who sends
 *   numbers in place of labels has to know), an output's may become fewer.
 *
 * @example
 * ```ts
 * import { signatureFaults, type ModelSignature } from 'outrigger/models'
 * const live: ModelSignature = { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }] }
 * assert.deepEqual(signatureFaults(live, live), [])
 * const next: ModelSignature = { ...live, inputs: [{ name: 'x', dtype: 'float32', shape: [null, 5] }] }
 * assert.deepEqual(signatureFaults(live, next), ['input `x` must have the shape [any, 4], but has [any, 5]'])
 * ```
 */
export const signatureFaults = (wanted: ModelSignature, offered: ModelSignature): string[] => {
  const faults: string[] = []
  for (const input of wanted.inputs) {
    const place = `input \`${input.name}\``
    const other = offered.inputs.find(({ name }) => name === input.name)
    if (other === undefined) faults.push(`${place} must be there, but there are ${namesOf(offered.inputs)}`)
    else faults.push(...tensorFaults(place, input, other, isNarrowed), ...inputFaults(place, input, other))
  }
  for (const { name } of offered.inputs) if (!wanted.inputs.some((input) => input.name === name)) faults.push(`there must be no input \`${name}\`, which nobody gives`)
  for (const output of wanted.outputs) {
    const place = `output \`${output.name}\``
    const other = offered.outputs.find(({ name }) => name === output.name)
    if (other === undefined) faults.push(`${place} must be there, but there are ${namesOf(offered.outputs)}`)
    else faults.push(...tensorFaults(place, output, other, isOtherSize), ...outputFaults(place, output, other))
  }
  return faults
}

const namesOf = (specs: readonly TensorSpec[]): string => specs.map(({ name }) => `\`${name}\``).join(', ') || 'none'
