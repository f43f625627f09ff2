/** Between the files of a version and what TensorFlow.js loads: `model.json` with its weights manifest, and the weights. */
import { OutriggerError } from '../../core/errors.js'
import type { ModelFiles } from '../store/model-files.js'
import type { TfjsArtifacts, TfjsWeightSpec } from './_tfjs-types.js'

interface WeightsGroup { readonly paths: readonly string[]; readonly weights: readonly TfjsWeightSpec[] }
type ModelJson = TfjsArtifacts & { readonly weightsManifest?: readonly WeightsGroup[] }

const concatenate = (parts: readonly Uint8Array[]): ArrayBuffer => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes.buffer
}

const passedOn = ['modelTopology', 'format', 'generatedBy', 'convertedBy', 'signature', 'userDefinedMetadata', 'modelInitializer', 'initializerSignature'] as const

/** Which kind of model it is, by `format`, or in older files by what the topology looks like. */
const kindOf = (json: ModelJson): 'graph' | 'layers' | undefined => {
  if (json.format === 'graph-model') return 'graph'
  if (json.format === 'layers-model') return 'layers'
  const { modelTopology } = json
  if (json.format !== undefined || typeof modelTopology !== 'object' || modelTopology === null) return undefined
  return 'node' in modelTopology ? 'graph' : 'layers'
}

/** Reads the files as artifacts. @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if they are not those of a TensorFlow.js model */
export const artifactsOf = (files: ModelFiles): { readonly kind: 'graph' | 'layers'; readonly artifacts: TfjsArtifacts } => {
  const json = files.json('model.json') as ModelJson | null
  const kind = json === null ? undefined : kindOf(json)
  if (json === null || kind === undefined) {
    throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the TensorFlow.js model as the \`format\` of model.json must be "layers-model" or "graph-model": current value is ${JSON.stringify(json?.format)}`)
  }
  const manifest = json.weightsManifest ?? []
  const artifacts: TfjsArtifacts = {
    weightSpecs: manifest.flatMap((group) => group.weights),
    weightData: concatenate(manifest.flatMap((group) => group.paths).map((path) => files.bytes(path))),
  }
  // `trainingConfig` stays behind: it would compile the model for training.
  for (const key of passedOn) if (json[key] !== undefined) Object.assign(artifacts, { [key]: json[key] })
  return { kind, artifacts }
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
