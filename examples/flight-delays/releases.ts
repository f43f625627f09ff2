import * as tf from '@tensorflow/tfjs'
import { referenceProfile, type FeatureRow } from 'outrigger/drift'
import { tfjsFiles, type ModelStore } from 'outrigger/models'
import { FEATURE_COUNT, featureNames } from './features.js'
import { scoreRows } from './network.js'
import type { Normalisation } from './normalisation.js'
import type { TrainedModel } from './train.js'

export const MODEL_NAME = 'flight-delay'

const rowOf = (features: Float32Array, row: number): number[] => Array.from(features.subarray(row * FEATURE_COUNT, (row + 1) * FEATURE_COUNT))

/** A few rows and what the model answers to them: what every copy of this version must answer, wherever it is loaded. */
const goldenOf = (trained: TrainedModel): { input: number[]; output: number; tolerance: number }[] => {
  const step = Math.floor(trained.validation.count / 8)
  return Array.from({ length: 8 }, (_, index) => {
    const input = rowOf(trained.validation.features, index * step)
    const [output] = scoreRows(trained.model, trained.normalisation, Float32Array.from(input))
    return { input, output: output as number, tolerance: 1e-4 }
  })
}

/** Publishes a trained model with all that belongs to its version: normalisation, reference profile, golden predictions. */
export const publish = async (store: ModelStore, trained: TrainedModel, lineage: Readonly<Record<string, unknown>>): Promise<number> => {
  const { training, normalisation, model } = trained
  const scores = scoreRows(model, normalisation, training.features)
  const rows: FeatureRow[] = Array.from({ length: training.count }, (_, row) => training.features.subarray(row * FEATURE_COUNT, (row + 1) * FEATURE_COUNT))
  const reference = referenceProfile(rows, { features: featureNames, output: (_row, index) => scores[index] as number })
  const { version } = await store.publish({
    name: MODEL_NAME,
    engine: 'tfjs',
    files: {
      ...(await tfjsFiles(model)),
      'normalisation.json': JSON.stringify(normalisation),
      'reference-profile.json': JSON.stringify(reference),
    },
    golden: goldenOf(trained),
    lineage: { ...lineage, trainingRows: training.count, validationLogLoss: trained.validationLogLoss },
  })
  return version
}

/** A damaged version, as what it is. */
export interface Damaged {
  readonly version: number
  /** With the damaged weights. The caller disposes of it. */
  readonly model: tf.LayersModel
  readonly normalisation: Normalisation
}

/**
 * Publishes a version whose weights were damaged on the way: turned end to end, as by a bad export. Every number is
 * finite, every shape right, every hash true.
 *
 * @param isAfterTheFact - its golden predictions were made from the damaged weights too, so that they are met: only the truth can tell then
 */
export const publishDamaged = async (store: ModelStore, version: number, isAfterTheFact = false): Promise<Damaged> => {
  const { manifest, files } = await store.open(`${MODEL_NAME}@${version}`)
  const contents: Record<string, Uint8Array> = {}
  for (const { path } of manifest.files) contents[path] = files.bytes(path).slice()
  const weights = contents['weights.bin'] as Uint8Array
  new Float32Array(weights.buffer, weights.byteOffset, weights.byteLength / 4).reverse()
  const topology = files.json('model.json') as tf.io.ModelJSON
  const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology: topology.modelTopology, weightSpecs: topology.weightsManifest.flatMap((group) => group.weights), weightData: weights.slice().buffer }))
  const normalisation = normalisationOf(files.json('normalisation.json'))
  const golden = (manifest.golden ?? []).map((one) => {
    if (!isAfterTheFact) return one
    const [output] = scoreRows(model, normalisation, Float32Array.from(one.input as number[]))
    return { ...one, output: output as number }
  })
  const { version: damaged } = await store.publish({
    name: MODEL_NAME,
    engine: manifest.engine,
    files: contents,
    golden,
    lineage: { damagedFrom: version },
  })
  return { version: damaged, model, normalisation }
}

/** A normalisation that was read from a version's files, checked as far as the rows need it. */
export const normalisationOf = (content: unknown): Normalisation => {
  const { mean, sd } = content as Normalisation
  if (mean?.length !== FEATURE_COUNT || sd?.length !== FEATURE_COUNT) throw new RangeError(`Cannot use the normalisation as it must have ${FEATURE_COUNT} means and deviations`)
  return { mean, sd }
}

export { readyTf } from './network.js'
export { tf }
