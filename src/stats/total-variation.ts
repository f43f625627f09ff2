import { totals } from './totals.js'

/**
 * The total variation distance of two samples counted over the same cells: the share of rows that would have to move, in [0, 1].
 *
 * ½ Σ |p − q|. Easy to explain; like every distance of samples it is above 0 by chance, the more so with many cells.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite. `NaN` if a sample is empty.
 *
 * Source: Levin and Peres, Markov Chains and Mixing Times (2017), section 4.1.
 *
 * @example
 * ```ts
 * import { totalVariation } from 'outrigger/stats'
 * assert.equal(totalVariation([50, 50], [75, 25]), 0.25)
 * ```
 */
export const totalVariation = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const { n, m } = totals('a total variation', first, second)
  if (n === 0 || m === 0) return NaN
  let sum = 0
  for (let cell = 0; cell < first.length; cell++) sum += Math.abs((first[cell] as number) / n - (second[cell] as number) / m)
  return Math.min(1, sum / 2)
}
