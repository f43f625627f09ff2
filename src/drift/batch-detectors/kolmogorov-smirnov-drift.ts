import { kolmogorovSmirnov, kolmogorovSmirnovCounts } from '../../stats/kolmogorov-smirnov.js'
import { kolmogorovSurvival } from '../../stats/kolmogorov.js'
import { normalQuantile } from '../../stats/normal.js'
import { judged, liveRowsFor, power, readBatchOptions, type BatchDetectorOptions, type BatchVerdict } from './batch-detector.js'
import { countsOf, numbersOf, type CountedSample } from './sample-cells.js'

const name = 'a Kolmogorov-Smirnov detector'

/**
 * Kolmogorov–Smirnov: whether numbers have moved, by the largest distance D of the two distribution functions.
 *
 * p: exact while n·m ≤ 4·10⁶, else by the limit in both sizes. The effect is D itself (about .87 √(1/n + 1/m) by chance), the interval D ± k √(1/n + 1/m), k the
 * quantile of the Kolmogorov distribution: it covers at least at its level, mostly at 99 %. By default `tolerance` is .05, a shift of
 * .125 standard deviations, and `detect` .15. `rowsNeeded` is where D̂, taken as normal with a deviation of ½ √(1/n + 1/m), passes both
 * bounds in 80 % of cases. O((n + m) log(n + m)), and O(n·m) where exact; counts (over ordered cells) O(k).
 *
 * **Misleads**: it looks at the largest gap only, and misses a narrow spike; with counts or ties beyond the exact sizes p is too large.
 *
 * Source: Smirnov, Bulletin of Moscow University 2 (1939); Raghavachari, Annals of Statistics 1 (1973), for D where it is not 0.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values that are not finite numbers, or samples of two kinds
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { kolmogorovSmirnovDrift } from 'outrigger/drift'
 * const reference = Array.from({ length: 1000 }, (_, i) => i / 1000)
 * const live = Array.from({ length: 500 }, (_, i) => i / 500 + 0.3)
 * const { state, effect, pValue } = kolmogorovSmirnovDrift(reference, live)
 * assert.ok(state === 'drifted' && pValue < 1e-9 && effect.low < 0.3 && effect.high > 0.3)
 * assert.equal(kolmogorovSmirnovDrift(reference, live.slice(0, 10)).state, 'too-few-rows')
 * ```
 */
export const kolmogorovSmirnovDrift = (reference: ArrayLike<number> | CountedSample, live: ArrayLike<number> | CountedSample, options: BatchDetectorOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.05, detect: 0.15, most: 1 }, options)
  const { alpha, tolerance, detect, level } = read
  const counted = countsOf(name, reference, live)
  const [before, after] = counted === undefined ? [numbersOf(name, reference), numbersOf(name, live)] : [counted.reference, counted.live]
  const [n, m] = counted === undefined ? [before.length, after.length] : [counted.n, counted.m]
  const margin = normalQuantile(power) / 2
  const spread = Math.min(detect / (quantile(1 - alpha) + margin), tolerance === 0 ? Infinity : (detect - tolerance) / (quantile(level) + margin))
  const rest = { measure: 'kolmogorov-smirnov-distance', reference: n, live: m, rowsNeeded: liveRowsFor(spread * spread, n) } as const
  if (n === 0 || m === 0) return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN }, read)
  const { statistic, pValue } = counted === undefined ? kolmogorovSmirnov(before, after) : kolmogorovSmirnovCounts(before, after)
  const width = quantile(level) * Math.sqrt(1 / n + 1 / m)
  return judged({ ...rest, value: statistic, low: Math.max(0, statistic - width), high: Math.min(1, statistic + width), pValue }, read)
}

/** Of the Kolmogorov distribution, by halving. */
const quantile = (p: number): number => {
  let [low, high] = [0, 8]
  for (let turn = 0; turn < 50; turn++) {
    const middle = (low + high) / 2
    if (kolmogorovSurvival(middle) > 1 - p) low = middle
    else high = middle
  }
  return high
}
