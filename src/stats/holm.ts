/**
 * Holm's correction: p-values adjusted so that "reject what is ≤ α" makes any false rejection at all with probability ≤ α.
 *
 * Sorted upwards, the i-th of k is multiplied by k − i (from i = 0), then made to increase, then capped at 1. It holds
 * however the tests depend on each other, and rejects all that Bonferroni's does and more. `NaN` (no test was made) stays
 * `NaN` and does not count. O(k log k).
 *
 * @returns the adjusted p-values, in the order given
 *
 * Source: S. Holm, Scandinavian Journal of Statistics 6 (1979).
 *
 * @example
 * ```ts
 * import { holm } from 'outrigger/stats'
 * assert.deepEqual(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
 * ```
 */
export const holm = (pValues: readonly number[]): number[] => {
  const order = pValues.map((_, index) => index).filter((index) => !Number.isNaN(pValues[index]))
  order.sort((a, b) => (pValues[a] as number) - (pValues[b] as number))
  const adjusted: number[] = pValues.map(() => NaN)
  let highest = 0
  order.forEach((index, rank) => {
    highest = Math.max(highest, Math.min(1, (pValues[index] as number) * (order.length - rank)))
    adjusted[index] = highest
  })
  return adjusted
}
