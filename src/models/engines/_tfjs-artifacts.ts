/** Between the files of a version and what TensorFlow.js loads: `model.json` with its weights manifest, and the weights. */
import { OutriggerError } from '../../core/errors.js'
import type { ModelFiles } from '../store/model-files.js'
import type { TfjsArtifacts, TfjsWeightSpec } from './_tfjs-types.js'

/** Artifacts that are whole. */
export interface TfjsModelFiles {
  readonly kind: 'graph' | 'layers'
  readonly artifacts: TfjsArtifacts & { modelTopology: object; weightSpecs: TfjsWeightSpec[]; weightData: ArrayBuffer }
  /** What the weights hold in memory. */
  readonly bytes: number
}

const passedOn = ['modelTopology', 'format', 'generatedBy', 'convertedBy', 'signature', 'userDefinedMetadata', 'modelInitializer', 'initializerSignature'] as const

const corrupt = (constraint: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the TensorFlow.js model as ${constraint}: current value is ${typeof value === 'string' ? value : JSON.stringify(value)}`)

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

const concatenate = (parts: readonly Uint8Array[]): ArrayBuffer => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes.buffer
}

/** Which kind of model it is, by `format`, or in older files by what the topology looks like. */
const kindOf = ({ format, modelTopology }: Readonly<Record<string, unknown>>): 'graph' | 'layers' | undefined => {
  if (!isFields(modelTopology)) return undefined
  if (format === 'graph-model') return 'graph'
  if (format === 'layers-model') return 'layers'
  if (format !== undefined) return undefined
  return 'node' in modelTopology ? 'graph' : 'layers'
}

const elementBytes: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, complex64: 8, uint8: 1, uint16: 2, float16: 2 }

const isSpec = (value: unknown): value is TfjsWeightSpec => {
  if (!isFields(value)) return false
  const { name, shape, dtype, quantization } = value
  if (typeof name !== 'string' || !Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return false
  return (dtype === 'string' || (typeof dtype === 'string' && dtype in elementBytes)) && (quantization === undefined || (isFields(quantization) && String(quantization['dtype']) in elementBytes))
}

/** The bytes of the weights, in the file and in memory. Strings stand there with their lengths before them. */
const sizesOf = (specs: readonly TfjsWeightSpec[], data: ArrayBuffer): { readonly stored: number; readonly held: number } => {
  let stored = 0
  let held = 0
  for (const { shape, dtype, quantization } of specs) {
    const count = shape.reduce((product, size) => product * size, 1)
    if (dtype === 'string') {
      const start = stored
      const view = new DataView(data)
      for (let index = 0; index < count && stored + 4 <= data.byteLength; index += 1) stored += 4 + view.getUint32(stored, true)
      held += stored - start
    } else {
      stored += count * (elementBytes[quantization?.dtype ?? dtype] as number)
      held += count * (elementBytes[dtype] as number)
    }
  }
  return { stored, held }
}

/** Reads the files as artifacts. @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if they are not those of a whole TensorFlow.js model */
export const artifactsOf = (files: ModelFiles): TfjsModelFiles => {
  const json = files.json('model.json')
  const kind = isFields(json) ? kindOf(json) : undefined
  if (!isFields(json) || kind === undefined) throw corrupt('model.json must have a `modelTopology`, and the `format` "layers-model" or "graph-model"', isFields(json) ? json['format'] ?? 'neither' : json)
  const groups = json['weightsManifest'] ?? []
  if (!Array.isArray(groups)) throw corrupt('`weightsManifest` must be an array', groups)
  const specs: TfjsWeightSpec[] = []
  const parts: Uint8Array[] = []
  for (const group of groups as unknown[]) {
    if (!isFields(group) || !Array.isArray(group['paths']) || !Array.isArray(group['weights'])) throw corrupt('each group of `weightsManifest` must have `paths` and `weights`', group)
    for (const path of group['paths']) parts.push(files.bytes(String(path)))
    for (const spec of group['weights'] as unknown[]) {
      if (!isSpec(spec)) throw corrupt('each weight must have a name, a shape and a type', spec)
      specs.push(spec)
    }
  }
  const weightData = concatenate(parts)
  const { stored, held } = sizesOf(specs, weightData)
  // TensorFlow.js would take what is too long, and leave behind what it has read by then of what is too short.
  if (stored !== weightData.byteLength) throw corrupt(`its weights must be ${stored} bytes`, `${weightData.byteLength} bytes`)
  const artifacts = { modelTopology: json['modelTopology'] as object, weightSpecs: specs, weightData }
  // `trainingConfig` stays behind: it would compile the model for training.
  for (const key of passedOn) if (json[key] !== undefined) Object.assign(artifacts, { [key]: json[key] })
  return { kind, artifacts, bytes: held }
}

/** Writes artifacts as files. */
export const filesOf = (artifacts: TfjsArtifacts): Record<string, Uint8Array | string> => {
  const { weightSpecs = [], weightData = new ArrayBuffer(0) } = artifacts
  const json: Record<string, unknown> = {}
  for (const key of passedOn) if (artifacts[key] !== undefined && artifacts[key] !== null) json[key] = artifacts[key]
  json['weightsManifest'] = [{ paths: ['weights.bin'], weights: weightSpecs }]
  const parts = (Array.isArray(weightData) ? weightData : [weightData]).map((part) => new Uint8Array(part))
  return { 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(concatenate(parts)) }
}
