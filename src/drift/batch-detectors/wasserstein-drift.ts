import { OutriggerError } from '../../core/errors.js'
import { mergeSparseCells, mergedCounts } from '../../stats/merge-cells.js'
import { pooledValues } from '../../stats/pooled-values.js'
import { wassersteinCounts } from '../../stats/wasserstein.js'
import { readBatchOptions, type BatchVerdict, type ShuffledDetectorOptions } from './batch-detector.js'
import { divergenceVerdict, shuffledDivergence, type Divergence } from './_divergence-drift.js'
import { countsOf, numbersOf, type CountedSample } from './sample-cells.js'

/** Options of {@link wassersteinDrift}. */
export interface WassersteinDriftOptions extends ShuffledDetectorOptions {
  /** With counts: a position for each cell, in increasing order. */
  readonly positions?: ArrayLike<number>
}

const name = 'a Wasserstein detector'
/** How far from the pooled median values count, in robust standard deviations. */
const reach = 4
const mostCells = 256

/**
 * Wasserstein-1: how far numbers have moved on average, in standard deviations of the reference.
 *
 * The deviation is a **robust** one, the interquartile range / 1.349 (where that is 0, a wider range), and values count as at most 4 pooled deviations from the pooled
 * median: one outlier of 1e6 among 200 rows moves the effect by .02. The effect is √(W² − its mean over shuffles). p by shuffling rows between the samples over at most 256
 * cells; interval: scaled noncentral chi-square with the shuffles' mean and variance of W², widened to the delta method's with the error of the unit. `tolerance` .1, `detect` .3; `rowsNeeded` is for
 * a shift of everything, and a fifth more. O((n + m) log(n + m)) and some 20 ms for 999 shuffles.
 *
 * **Misleads**: beyond 4 deviations a shift is understated (it is found all the same); where 98 % of all rows are one value it sees none of the rest.
 *
 * Source: Vallender, Theory of Probability and its Applications 18 (1974); Huber, Robust Statistics (1981), for the scale.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values that are not finite numbers, samples of two kinds, or counts without a position each
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { wassersteinDrift } from 'outrigger/drift'
 * const reference = Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10)
 * const { state, effect } = wassersteinDrift(reference, reference.slice(0, 400).map((x) => x + 6))
 * assert.ok(state === 'drifted' && effect.low > 0.1)
 * assert.equal(wassersteinDrift(reference, [...reference.slice(0, 400), 1e6]).state, 'ok')
 * ```
 */
export const wassersteinDrift = (reference: ArrayLike<number> | CountedSample, live: ArrayLike<number> | CountedSample, options: WassersteinDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.1, detect: 0.3, most: Infinity, permutations: 999 }, options, ['positions'])
  const placed = placedCounts(reference, live, options.positions)
  const pooled = placed.reference.map((count, index) => count + (placed.live[index] as number))
  const wide = deviation(placed.values, pooled)
  const scale = deviation(placed.values, placed.reference) || wide || 1
  const centre = quantile(placed.values, pooled, 0.5)
  const clipped = placed.values.map((value) => Math.max(centre - reach * wide, Math.min(centre + reach * wide, value)))
  const groups = mergeSparseCells(placed.reference, placed.live, { ordered: true, minimumExpected: 0, maximumCells: mostCells })
  const sums = mergedCounts(clipped.map((value, index) => value * (pooled[index] as number)), groups)
  const [before, after] = [mergedCounts(placed.reference, groups), mergedCounts(placed.live, groups)]
  const positions = sums.map((sum, cell) => sum / ((before[cell] as number) + (after[cell] as number)))
  // A mean of equal values may differ from them by rounding.
  for (let cell = 1; cell < positions.length; cell++) positions[cell] = Math.max(positions[cell] as number, positions[cell - 1] as number)
  const cells = { reference: before, live: after, n: placed.n, m: placed.m, ordered: true }
  const slopes: Divergence['slopes'] = (p, q) => {
    const slope = new Float64Array(p.length)
    const signs = new Float64Array(p.length)
    let gap = 0
    let distance = 0
    for (let cell = 0; cell + 1 < p.length; cell++) {
      gap += (p[cell] as number) - (q[cell] as number)
      const width = ((positions[cell + 1] as number) - (positions[cell] as number)) / scale
      distance += Math.abs(gap) * width
      signs[cell] = Math.sign(gap) * width
    }
    for (let cell = p.length - 2; cell >= 0; cell--) slope[cell] = (slope[cell + 1] as number) + (signs[cell] as number)
    const left = slope.map((sum) => 2 * distance * sum)
    return [left, left.map((sum) => -sum)]
  }
  const squared = (first: ArrayLike<number>, second: ArrayLike<number>): number => wassersteinCounts(first, second, { positions, scale }) ** 2
  return divergenceVerdict({ measure: 'wasserstein-distance', slopes, order: 2, noise: 1.2, degreesOfFreedom: 1, most: Infinity, unitError: 1.17 / Math.sqrt(cells.n) }, cells, shuffledDivergence(squared, cells, read), read)
}

interface PlacedCounts {
  readonly values: readonly number[]
  readonly reference: readonly number[]
  readonly live: readonly number[]
  readonly n: number
  readonly m: number
}

const placedCounts = (reference: ArrayLike<number> | CountedSample, live: ArrayLike<number> | CountedSample, positions: ArrayLike<number> | undefined): PlacedCounts => {
  const counted = countsOf(name, reference, live)
  if (counted !== undefined) {
    const values = positions === undefined ? [] : Array.from(positions)
    if (values.length !== counted.reference.length || values.some((value, cell) => !Number.isFinite(value) || (cell > 0 && !(value > (values[cell - 1] as number))))) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${name} as counts need increasing finite \`positions\`, one for each of ${counted.reference.length} cells: current value is ${positions === undefined ? 'undefined' : values.join(', ')}`)
    }
    return { ...counted, values }
  }
  const samples = [numbersOf(name, reference), numbersOf(name, live)] as const
  const filled = samples.filter((sample) => sample.length > 0)
  const { values, counts } = filled.length === 0 ? { values: new Float64Array(0), counts: [] } : pooledValues(name, filled)
  const side = (index: 0 | 1): number[] => (samples[index].length === 0 ? Array.from(values, () => 0) : Array.from(counts[index === 0 ? 0 : counts.length - 1] as Uint32Array))
  return { values: Array.from(values), reference: side(0), live: side(1), n: samples[0].length, m: samples[1].length }
}

const quantile = (values: readonly number[], counts: readonly number[], p: number): number => {
  const wanted = p * counts.reduce((sum, count) => sum + count, 0)
  let before = 0
  for (let index = 0; index < values.length; index++) if ((before += counts[index] as number) >= wanted && before > 0) return values[index] as number
  return 0
}

/** The range of the middle half, or of more where that is one value, over that of a standard normal distribution. */
const deviation = (values: readonly number[], counts: readonly number[]): number => {
  for (const [tail, width] of [[0.25, 1.349], [0.1, 2.563], [0.05, 3.29], [0.01, 4.653]] as const) {
    const range = quantile(values, counts, 1 - tail) - quantile(values, counts, tail)
    if (range > 0) return range / width
  }
  return 0
}
