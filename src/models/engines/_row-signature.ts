/** The signature that rows are read by: the manifest's, held against the model's own. Pure. */
import { OutriggerError } from '../../core/errors.js'
import type { DType } from '../../schema/tensor.js'
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import { signatureFaults } from '../manifest/signature-compatibility.js'
import type { EngineDescription } from './engine.js'
import { isDType } from './_elements.js'

/** What is known of the tensors of a model, agreed upon. */
export interface RowSignature {
  readonly inputs: readonly (TensorSpec & { readonly dtype: DType })[]
  readonly outputs: readonly TensorSpec[]
  /** The number of rows that every run must have, or `undefined`. */
  readonly batchSize: number | undefined
}

const corrupt = (constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the model as ${constraint}: current value is ${value}`)

/** What the model's own signature cannot say. */
const bare = ({ name, dtype, shape }: TensorSpec): TensorSpec => ({ name, dtype, shape })

/** The manifest's words, with the sizes that only the model knows. */
const merged = (spec: TensorSpec, own: TensorSpec | undefined): TensorSpec =>
  own === undefined || own.shape.length !== spec.shape.length ? spec : { ...spec, shape: spec.shape.map((size, at) => size ?? own.shape[at] ?? null) }

const agreed = (manifest: ModelSignature | undefined, own: ModelSignature | undefined): ModelSignature => {
  if (manifest === undefined) {
    if (own === undefined) throw corrupt('its manifest must have a signature where the model itself does not say what it takes', 'none')
    return own
  }
  if (own === undefined) return manifest
  const wanted = { inputs: manifest.inputs.map(bare), outputs: manifest.outputs.map((spec) => unlessUnknown(bare(spec), own)) }
  const faults = signatureFaults(wanted, own)
  if (faults.length > 0) throw corrupt('its tensors must be as its manifest says', faults.join('; '))
  const find = (specs: readonly TensorSpec[], name: string): TensorSpec | undefined => specs.find((spec) => spec.name === name)
  return {
    inputs: manifest.inputs.map((spec) => merged(spec, find(own.inputs, spec.name))),
    outputs: manifest.outputs.map((spec) => merged(spec, find(own.outputs, spec.name))),
  }
}

/** An output of which the model knows not even the number of dimensions says `[null]`. */
const unlessUnknown = (spec: TensorSpec, own: ModelSignature): TensorSpec => {
  const shape = own.outputs.find(({ name }) => name === spec.name)?.shape
  return shape?.length === 1 && shape[0] === null ? { ...spec, shape } : spec
}

/** @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if the two contradict each other, or the rows cannot be made into tensors */
export const rowSignature = (manifest: ModelSignature | undefined, { signature: own, batchSize }: EngineDescription): RowSignature => {
  const { inputs, outputs } = agreed(manifest, own)
  if (outputs.length === 0) throw corrupt('the model must have an output', 'none')
  const sizes = new Set<number>(batchSize === undefined ? [] : [batchSize])
  const typed = inputs.map((spec) => {
    const { name, dtype, shape } = spec
    if (!isDType(dtype)) throw corrupt(`the type of input \`${name}\` must be one that rows can be made into`, dtype)
    const [batch] = shape
    if (batch === undefined) throw corrupt(`input \`${name}\` must have the rows of the batch as its first dimension`, 'a tensor without dimensions')
    if (batch !== null) sizes.add(batch)
    const ownBatch = own?.inputs.find((input) => input.name === name)?.shape[0] ?? null
    if (ownBatch !== null) sizes.add(ownBatch)
    return { ...spec, dtype }
  })
  if (sizes.size > 1 || sizes.has(0)) throw corrupt('its inputs must agree on the number of rows of a run', [...sizes].join(' and '))
  return { inputs: typed, outputs, batchSize: [...sizes][0] }
}
