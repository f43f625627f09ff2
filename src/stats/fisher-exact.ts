import { totals } from './totals.js'

/**
 * Fisher's exact test of a share: `hits` of `size` in each of two samples; the two-sided p-value.
 *
 * Given the pooled number of hits, the number in the first sample is hypergeometric if the shares are equal; p is the
 * probability of an outcome no more likely than the one seen. Exact for any size, hence for cells too sparse for
 * chi-square, and conservative, as outcomes are whole numbers.
 *
 * The weights come from a recurrence outwards from the mode, so no logarithm of a factorial cancels. O(min(hits, sizes)).
 *
 * @param first - `[hits, size]` of the first sample
 * @param second - `[hits, size]` of the second sample
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a number is negative or not finite, or hits exceed the size
 *
 * Source: R. A. Fisher, Journal of the Royal Statistical Society 98 (1935).
 *
 * @example
 * ```ts
 * import { fisherExact } from 'outrigger/stats'
 * assert.ok(fisherExact([0, 10_000], [10, 1_000]) < 1e-9)
 * assert.equal(fisherExact([0, 1_000], [1, 1_000]), 1)
 * ```
 */
export const fisherExact = (first: readonly [hits: number, size: number], second: readonly [hits: number, size: number]): number => {
  const [x, n] = first
  const [y, m] = second
  totals('Fisher\'s exact test', [x, n - x], [y, m - y])
  const hits = x + y
  const low = Math.max(0, hits - m)
  const high = Math.min(hits, n)
  const mode = Math.min(high, Math.max(low, Math.floor(((hits + 1) * (n + 1)) / (n + m + 2))))
  // Weight of k + 1 over weight of k.
  const ratio = (k: number): number => ((hits - k) * (n - k)) / ((k + 1) * (m - hits + k + 1))
  let seen = 1
  for (let k = mode; k < x; k++) seen *= ratio(k)
  for (let k = mode; k > x; k--) seen /= ratio(k - 1)
  // Weights that ought to be equal differ by rounding.
  const limit = seen * (1 + 1e-7)
  let all = 1
  let asRare = 1 <= limit ? 1 : 0
  const add = (weight: number): void => {
    all += weight
    if (weight <= limit) asRare += weight
  }
  for (let k = mode, weight = 1; k < high && weight > 0; k++) add((weight *= ratio(k)))
  for (let k = mode, weight = 1; k > low && weight > 0; k--) add((weight /= ratio(k - 1)))
  return Math.min(1, asRare / all)
}
