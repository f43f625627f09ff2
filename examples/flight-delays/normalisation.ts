import { FEATURE_COUNT } from './features.js'

/** Fitted on the training rows, and so a part of the model's version; plain data. */
export interface Normalisation {
  readonly mean: readonly number[]
  readonly sd: readonly number[]
}

/** Mean and standard deviation of each feature, over rows that lie end to end. */
export const fitNormalisation = (features: Float32Array): Normalisation => {
  const count = features.length / FEATURE_COUNT
  const mean = new Array<number>(FEATURE_COUNT).fill(0)
  const variance = new Array<number>(FEATURE_COUNT).fill(0)
  for (let index = 0; index < features.length; index += 1) mean[index % FEATURE_COUNT]! += features[index]! / count
  for (let index = 0; index < features.length; index += 1) {
    variance[index % FEATURE_COUNT]! += (features[index]! - mean[index % FEATURE_COUNT]!) ** 2 / count
  }
  return { mean, sd: variance.map((value) => Math.sqrt(value) || 1) }
}

/** One row, or several end to end, in units of the training rows' standard deviation. */
export const normalise = (
  features: Float32Array,
  { mean, sd }: Normalisation,
  into: Float32Array = new Float32Array(features.length),
): Float32Array => {
  for (let index = 0; index < features.length; index += 1) {
    const feature = index % FEATURE_COUNT
    into[index] = (features[index]! - mean[feature]!) / sd[feature]!
  }
  return into
}
