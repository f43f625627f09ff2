import { totals } from './_counts.js'
import { kolmogorovSurvival } from './kolmogorov.js'

/** What the Kolmogorov–Smirnov test found. */
export interface KolmogorovSmirnovResult {
  /** The largest distance between the two distribution functions, at the cells' upper edges; in [0, 1]. */
  readonly statistic: number
  readonly pValue: number
}

/**
 * The two-sample Kolmogorov–Smirnov test from counts over the same ordered cells.
 *
 * D = max |F(edge) − G(edge)|; p = K(√(n m / (n + m)) · D) with the Kolmogorov distribution K, asymptotic in both
 * sizes. **Conservative with cells or ties**: D looks only at the edges, so p is too large, never too small; 64 quantile
 * cells lose about a hundredth of the power of the raw test. With an empty sample p is 1.
 *
 * It finds shifts best, and misses a narrow spike that chi-square sees. O(k).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite
 *
 * Source: Smirnov, Bulletin of Moscow University 2 (1939); Noether, Annals of Mathematical Statistics 34 (1963), for ties.
 *
 * @example
 * ```ts
 * import { kolmogorovSmirnovCounts } from 'outrigger/stats'
 * const { statistic, pValue } = kolmogorovSmirnovCounts([100, 100, 100, 100], [50, 90, 120, 140])
 * assert.ok(Math.abs(statistic - 0.15) < 1e-12 && pValue < 0.001)
 * ```
 */
export const kolmogorovSmirnovCounts = (first: ArrayLike<number>, second: ArrayLike<number>): KolmogorovSmirnovResult => {
  const { n, m } = totals('a Kolmogorov-Smirnov test', first, second)
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 }
  let a = 0
  let b = 0
  let statistic = 0
  for (let cell = 0; cell < first.length; cell++) {
    a += first[cell] as number
    b += second[cell] as number
    statistic = Math.max(statistic, Math.abs(a / n - b / m))
  }
  return { statistic, pValue: kolmogorovSurvival(Math.sqrt((n / (n + m)) * m) * statistic) }
}
