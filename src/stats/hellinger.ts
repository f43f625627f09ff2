import { totals } from './totals.js'

/**
 * The Hellinger distance of two samples counted over the same cells, from 0 (equal) to 1 (disjoint): a metric.
 *
 * √(½ Σ (√p − √q)²). Finite with empty cells, and more sensitive than total variation to a rare cell that was not there.
 * Two samples of one distribution do not give 0 but about √((k − 1)(1/n + 1/m) / 8) for k cells: judge it by a test, or
 * beside that number. O(k).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite. `NaN` if a sample is empty.
 *
 * Source: Le Cam, Asymptotic Methods in Statistical Decision Theory (1986), chapter 4.
 *
 * @example
 * ```ts
 * import { hellinger } from 'outrigger/stats'
 * assert.equal(hellinger([1, 0], [0, 7]), 1)
 * assert.equal(hellinger([10, 30], [1, 3]), 0)
 * ```
 */
export const hellinger = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const { n, m } = totals('a Hellinger distance', first, second)
  if (n === 0 || m === 0) return NaN
  let sum = 0
  for (let cell = 0; cell < first.length; cell++) sum += (Math.sqrt((first[cell] as number) / n) - Math.sqrt((second[cell] as number) / m)) ** 2
  return Math.min(1, Math.sqrt(sum / 2))
}
