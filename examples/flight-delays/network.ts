import * as tf from '@tensorflow/tfjs'
import { FEATURE_COUNT } from './features.js'
import { normalise, type Normalisation } from './normalisation.js'
import type { RandomNumbers } from './training-rows.js'

/** Makes tfjs ready: its plain JavaScript backend, which needs nothing native, and without its advice to install another. */
export const readyTf = async (): Promise<typeof tf> => {
  tf.enableProdMode()
  await tf.setBackend('cpu')
  return tf
}

/** A network of two small hidden layers that takes normalised rows and gives the chance of being late. */
export const flightNetwork = (random: RandomNumbers): tf.Sequential => {
  const seed = (): number => Math.floor(random.next() * 2 ** 31)
  const initial = (): ReturnType<typeof tf.initializers.glorotUniform> => tf.initializers.glorotUniform({ seed: seed() })
  return tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [FEATURE_COUNT], units: 16, activation: 'relu', kernelInitializer: initial() }),
      tf.layers.dense({ units: 8, activation: 'relu', kernelInitializer: initial() }),
      tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: initial() }),
    ],
  })
}

/** The chances of being late of many rows (not normalised, end to end), for scoring outside of the service. */
export const scoreRows = (
  model: tf.LayersModel,
  normalisation: Normalisation,
  features: Float32Array,
  rowsAtOnce = 8192,
): Float32Array => {
  const count = features.length / FEATURE_COUNT
  const scores = new Float32Array(count)
  for (let row = 0; row < count; row += rowsAtOnce) {
    const end = Math.min(count, row + rowsAtOnce)
    const part = normalise(features.subarray(row * FEATURE_COUNT, end * FEATURE_COUNT), normalisation)
    tf.tidy(() => {
      const output = model.predictOnBatch(tf.tensor2d(part, [end - row, FEATURE_COUNT])) as tf.Tensor
      scores.set(output.dataSync(), row)
    })
  }
  return scores
}
