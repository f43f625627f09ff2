import { normalCumulative, normalQuantile } from './normal.js'

/** The p-quantile of sorted values, straight between neighbours (type 7 of Hyndman and Fan, 1996). */
export const sortedQuantile = (sorted: Float64Array, p: number): number => {
  const at = p * (sorted.length - 1)
  const below = Math.floor(at)
  const value = sorted[below] as number
  return at === below ? value : value + (at - below) * ((sorted[below + 1] as number) - value)
}

/**
 * The probabilities at which the sorted replicates are to be read for a bias-corrected and accelerated interval.
 *
 * @param left - the statistic with each row left out in turn
 */
export const bcaProbabilities = (sorted: Float64Array, estimate: number, left: Float64Array, level: number): readonly [number, number] => {
  let below = 0
  for (const replicate of sorted) below += replicate < estimate ? 1 : replicate === estimate ? 0.5 : 0
  const bias = normalQuantile(below / sorted.length)
  const mean = left.reduce((sum, value) => sum + value, 0) / left.length
  let squares = 0
  let cubes = 0
  for (const value of left) {
    squares += (mean - value) ** 2
    cubes += (mean - value) ** 3
  }
  const acceleration = squares === 0 ? 0 : cubes / (6 * squares ** 1.5)
  const corrected = (z: number): number => normalCumulative(bias + (bias + z) / (1 - acceleration * (bias + z)))
  const z = normalQuantile((1 - level) / 2)
  // All replicates on one side of the estimate: no correction is defined, and the plain interval is the answer.
  return Number.isFinite(bias) ? [corrected(z), corrected(-z)] : [(1 - level) / 2, (1 + level) / 2]
}
