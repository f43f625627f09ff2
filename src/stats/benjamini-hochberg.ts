import { parameter } from './_parameters.js'

/**
 * The correction of Benjamini and Hochberg: p-values adjusted so that of what is rejected at ≤ α, a share of at most α is
 * false on average (the false discovery rate).
 *
 * Sorted upwards, the i-th of k is multiplied by k / i, then made to increase from the end, then capped at 1. It holds for
 * independent and for positively dependent tests; for any dependence, and for tests that may be stopped at any time, see
 * {@link eBenjaminiHochberg}; against any false rejection at all, {@link holm}. `NaN` (no test was made) stays
 * `NaN` and does not count. O(k log k).
 *
 * @returns the adjusted p-values, in the order given
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a p-value is outside [0, 1]
 *
 * Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
 *
 * @example
 * ```ts
 * import { benjaminiHochberg } from 'outrigger/stats'
 * assert.deepEqual(benjaminiHochberg([0.01, 0.04, 0.03, 0.5]), [0.04, 0.04 * (4 / 3), 0.04 * (4 / 3), 0.5])
 * ```
 */
export const benjaminiHochberg = (pValues: readonly number[]): number[] => {
  for (const p of pValues) parameter('a false discovery rate', 'pValues', p, 'in [0, 1]', Number.isNaN(p) || (p >= 0 && p <= 1))
  const order = pValues.map((_, index) => index).filter((index) => !Number.isNaN(pValues[index]))
  order.sort((a, b) => (pValues[a] as number) - (pValues[b] as number))
  const adjusted: number[] = pValues.map(() => NaN)
  let least = 1
  for (let rank = order.length; rank >= 1; rank--) {
    const index = order[rank - 1] as number
    least = Math.min(least, (pValues[index] as number) * (order.length / rank))
    adjusted[index] = least
  }
  return adjusted
}
