import { pooledPair } from './pooled-values.js'
import { normalSurvival } from './normal.js'
import { exactRoom, isExact, type TwoSampleOptions, type TwoSampleResult } from './two-sample-result.js'

/** What the Mann–Whitney test found. */
export interface MannWhitneyResult extends TwoSampleResult {
  /** U: in how many pairs the value of the first sample is the larger one, a tie counting one half. */
  readonly statistic: number
  /** U / (n m), the probability that a value of the first sample exceeds one of the second: .5 is no effect. The same as an AUC. */
  readonly effect: number
}

/** Up to this n·m, `auto` is exact: some ten milliseconds. */
const smallProduct = 1000

/**
 * The Mann–Whitney (Wilcoxon rank-sum) test from raw values, two-sided: whether one sample tends to have larger values.
 *
 * U is the number of pairs with first > second, ties counting ½. **Exact while n·m ≤ 1000**, also with ties: the share of all
 * splits of the pooled values whose U is as far from n m / 2. Beyond, z = (|U − n m / 2| − ½) / σ, with σ corrected for ties
 * and ½ for continuity, is taken as normal. O((n + m) log(n + m)), and O((n + m) n² m) where exact, n the smaller.
 *
 * A test of tendency: two samples with equal medians and different spreads pass it.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a sample is empty or has a value that is not finite
 * @throws ERR_OUTRIGGER_INVALID_OPTION for a method that is none, and for `exact` where it would take more than a gigabyte
 *
 * Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947); Lehmann, Nonparametrics (1975), 1.4, for ties.
 *
 * @example
 * ```ts
 * import { mannWhitney } from 'outrigger/stats'
 * const { statistic, effect, pValue } = mannWhitney([1, 2, 3], [4, 5, 6, 7])
 * assert.deepEqual([statistic, effect], [0, 0])
 * assert.ok(Math.abs(pValue - 2 / 35) < 1e-15)
 * ```
 */
export const mannWhitney = (first: ArrayLike<number>, second: ArrayLike<number>, options: TwoSampleOptions = {}): MannWhitneyResult => {
  const owner = 'a Mann-Whitney test'
  const { counts: [a, b], ties, n, m } = pooledPair(owner, first, second)
  const exact = isExact(owner, options, n * m <= smallProduct)
  let below = 0
  let statistic = 0
  let tied = 0
  for (let value = 0; value < a.length; value++) {
    const here = b[value] as number
    const together = ties[value] as number
    statistic += (a[value] as number) * (below + here / 2)
    below += here
    tied += together * (together - 1) * (together + 1)
  }
  const all = n + m
  const off = Math.abs(statistic - (n * m) / 2)
  const deviation = Math.sqrt(((n * m) / 12) * (all + 1 - tied / all / (all - 1)))
  // Without a difference at all (deviation 0) off is 0 as well.
  const pValue = exact ? shareAsFar(owner, Math.min(n, m), Math.max(n, m), ties, 2 * off) : off <= 0.5 ? 1 : 2 * normalSurvival((off - 0.5) / deviation)
  return { statistic, pValue, effect: statistic / n / m, exact }
}

/**
 * The share of all splits of the pooled values whose 2U is at least `off` from n·m.
 *
 * Splits are counted by how many of the smaller sample, n, have come and by 2U, one run of ties after the other: either
 * sample's 2U is as far from n·m.
 */
const shareAsFar = (owner: string, n: number, m: number, ties: ArrayLike<number>, off: number): number => {
  const width = 2 * n * m + 1
  exactRoom(owner, 2 * (n + 1) * width)
  const empty = (): Float64Array[] => Array.from({ length: n + 1 }, () => new Float64Array(width))
  let splits = empty()
  ;(splits[0] as Float64Array)[0] = 1
  let next = empty()
  let taken = 0
  for (let group = 0; group < ties.length; group++) {
    const size = ties[group] as number
    for (const row of next) row.fill(0)
    for (let i = Math.max(0, taken - m); i <= Math.min(n, taken); i++) {
      const j = taken - i
      const from = splits[i] as Float64Array
      let ways = 1
      for (let k = 0; k <= Math.min(size, n - i); ways = (ways * (size - k)) / (k + 1), k++) {
        if (size - k > m - j) continue
        const to = next[i + k] as Float64Array
        const gained = k * (2 * j + size - k)
        for (let u = 0, end = Math.min(width - gained, 2 * i * m + 1); u < end; u++) to[u + gained] = (to[u + gained] as number) + (from[u] as number) * ways
      }
    }
    ;[splits, next] = [next, splits]
    taken += size
  }
  let all = 0
  let far = 0
  ;(splits[n] as Float64Array).forEach((count, u) => {
    all += count
    if (Math.abs(u - n * m) >= off) far += count
  })
  return far / all
}
