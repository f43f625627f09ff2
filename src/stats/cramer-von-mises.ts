import { cramerVonMisesMoments, limitTail } from './_limit-tail.js'
import { pooledPair } from './pooled-values.js'
import { exactRoom, isExact, type TwoSampleOptions, type TwoSampleResult } from './two-sample-result.js'

/** Up to this (n + m)·lcm(n, m), `auto` is exact: below a tenth of a second. */
const smallProduct = 4000

const greatestDivisor = (n: number, m: number): number => (m === 0 ? n : greatestDivisor(m, n % m))

/**
 * The two-sample Cramér–von Mises test from raw values: the squared distance of the distribution functions, averaged over
 * the pooled values.
 *
 * T = n m / (n + m)² Σ (F(x) − G(x))². **Exact while (n + m)·lcm(n, m) ≤ 4000** (44 × 44 and 12 × 13
 * are, 45 × 46 is not): the share of all orders of the pooled values, ties kept together, that reach T. Beyond, T is brought to
 * the mean and variance of its limit, that of ties included, and p is the tail of the limit (good to 1e-12). O((n + m) log(n + m)).
 *
 * More power than Kolmogorov–Smirnov against shifts spread over the whole range, as little in the tails.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a sample is empty or has a value that is not finite
 * @throws ERR_OUTRIGGER_INVALID_OPTION for a method that is none, and for `exact` where it would take more than a gigabyte
 *
 * Source: Anderson, Annals of Mathematical Statistics 33 (1962).
 *
 * @example
 * ```ts
 * import { cramerVonMises } from 'outrigger/stats'
 * const { statistic, pValue } = cramerVonMises([1, 2, 3], [4, 5, 6])
 * assert.ok(Math.abs(statistic - 19 / 36) < 1e-15 && Math.abs(pValue - 0.1) < 1e-15)
 * ```
 */
export const cramerVonMises = (first: ArrayLike<number>, second: ArrayLike<number>, options: TwoSampleOptions = {}): TwoSampleResult => {
  const owner = 'a Cramér-von Mises test'
  const { ties, n, m, apart } = pooledPair(owner, first, second)
  const all = n + m
  const divisor = greatestDivisor(n, m)
  const exact = isExact(owner, options, (all * n * m) / divisor <= smallProduct)
  const sum = apart.reduce((before, difference, value) => before + (ties[value] as number) * (difference / divisor) ** 2, 0)
  const statistic = ((sum / all / n) * divisor * divisor) / m / all
  if (exact) return { statistic, pValue: shareReaching(owner, Math.min(n, m), Math.max(n, m), ties, sum), exact }
  const { mean, variance } = moments(n, m, ties)
  if (variance === 0) return { statistic, pValue: 1, exact }
  return { statistic, pValue: limitTail(1 / 6 + (statistic - mean) / Math.sqrt(45 * variance), cramerVonMisesMoments, (Math.PI * Math.PI) / 2), exact }
}

/** The mean of T, and its variance, which with ties is that of the limit times what finite samples lack without ties. */
const moments = (n: number, m: number, ties: ArrayLike<number>): { readonly mean: number; readonly variance: number } => {
  const all = n + m
  const untied = ((all + 1) * (4 * m * all - 3 * (n + (m * m) / n) - 2 * m)) / (all * all * 180 * m)
  if (ties.length === all) return { mean: (1 + 1 / all) / 6, variance: untied }
  let below = 0
  let mean = 0
  let cross = 0
  let squares = 0 // Σ w H² of the values before
  for (let value = 0; value < ties.length; value++) {
    const weight = (ties[value] as number) / all
    below += ties[value] as number
    const share = below / all
    mean += weight * share * (1 - share)
    cross += weight * (1 - share) ** 2 * (2 * squares + weight * share * share)
    squares += weight * share * share
  }
  return { mean: (mean * all) / (all - 1), variance: untied * 45 * 2 * cross }
}

/** The share of all orders whose sum of c·(i y − j x)² reaches `limit`, as in the Kolmogorov–Smirnov test: mass by i and by the sum so far. */
const shareReaching = (owner: string, n: number, m: number, ties: ArrayLike<number>, limit: number): number => {
  if (limit === 0) return 1
  exactRoom(owner, (n + 1) * limit)
  const divisor = greatestDivisor(n, m)
  const [x, y] = [n / divisor, m / divisor]
  const mass = Array.from({ length: n + 1 }, () => new Float64Array(limit))
  ;(mass[0] as Float64Array)[0] = 1
  let reached = 0
  let taken = 0
  for (let group = 0; group < ties.length; group++) {
    const size = ties[group] as number
    for (let drawn = size; drawn > 0; drawn--, taken++) {
      const each = 1 / (n + m - taken)
      for (let i = Math.min(n, taken + 1); i >= Math.max(0, taken - m); i--) {
        const row = mass[i] as Float64Array
        const stay = Math.max(0, m - taken + i) * each
        const before = i > 0 ? (mass[i - 1] as Float64Array) : undefined
        const move = (n - i + 1) * each
        if (before === undefined) for (let s = 0; s < limit; s++) row[s] = (row[s] as number) * stay
        else for (let s = 0; s < limit; s++) row[s] = (row[s] as number) * stay + (before[s] as number) * move
      }
    }
    for (let i = Math.max(0, taken - m); i <= Math.min(n, taken); i++) {
      const row = mass[i] as Float64Array
      const added = size * (i * y - (taken - i) * x) ** 2
      for (let s = Math.max(0, limit - added); s < limit; s++) reached += row[s] as number
      if (added >= limit) row.fill(0)
      else if (added > 0) {
        row.copyWithin(added, 0, limit - added)
        row.fill(0, 0, added)
      }
    }
  }
  return Math.min(1, reached)
}
