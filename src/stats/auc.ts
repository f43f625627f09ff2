import { totals } from './totals.js'
import { positives } from './_labelled.js'

/**
 * The area under the ROC curve: the probability that a positive row scores above a negative one; .5 is chance.
 *
 * Exact, a tie counting one half: (R − n₁(n₁ + 1)/2) / (n₁ n₀), with R the sum of mid-ranks of the n₁ positives. Any real
 * scores. O(n log n).
 *
 * @param scores - larger means "more likely positive"; not `NaN`
 * @param labels - 0, 1, `true` or `false`
 * @returns `NaN` when one of the labels does not occur
 * @throws ERR_OUTRIGGER_INVALID_INPUT if lengths differ, a score is `NaN`, or a label is none
 *
 * Source: Hanley and McNeil, Radiology 143 (1982).
 *
 * @example
 * ```ts
 * import { auc } from 'outrigger/stats'
 * assert.equal(auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75)
 * assert.equal(auc([0.5, 0.5], [0, 1]), 0.5)
 * ```
 */
export const auc = (scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): number => {
  const positive = positives('an AUC', scores, labels)
  const up = sorted(scores, positive, 1)
  const down = sorted(scores, positive, 0)
  if (up.length === 0 || down.length === 0) return NaN
  let below = 0
  let upTo = 0
  let pairs = 0
  for (const score of up) {
    while (below < down.length && (down[below] as number) < score) below += 1
    upTo = Math.max(upTo, below)
    while (upTo < down.length && (down[upTo] as number) === score) upTo += 1
    pairs += (below + upTo) / 2
  }
  return pairs / up.length / down.length
}

/** The scores of one side, in increasing order. */
const sorted = (scores: ArrayLike<number>, positive: Uint8Array, side: 0 | 1): Float64Array => {
  const picked = new Float64Array(positive.reduce((sum, one) => sum + (one === side ? 1 : 0), 0))
  let filled = 0
  for (let row = 0; row < positive.length; row++) if (positive[row] === side) picked[filled++] = scores[row] as number
  return picked.sort()
}

/**
 * The area under the ROC curve from counts of positive and negative rows over the same cells of score, in increasing order.
 *
 * Rows of one cell count as ties, so with k cells it differs from {@link auc} by at most half the share of pairs that meet in a cell. Counts
 * add up, so it merges over workers exactly. O(k).
 *
 * @returns `NaN` when one side is empty
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite
 *
 * Source: Hanley and McNeil, Radiology 143 (1982).
 *
 * @example
 * ```ts
 * import { aucCounts } from 'outrigger/stats'
 * assert.equal(aucCounts([0, 10], [10, 0]), 1)
 * assert.equal(aucCounts([5, 5], [5, 5]), 0.5)
 * ```
 */
export const aucCounts = (positive: ArrayLike<number>, negative: ArrayLike<number>): number => {
  const { n, m } = totals('an AUC', positive, negative)
  if (n === 0 || m === 0) return NaN
  let below = 0
  let pairs = 0
  for (let cell = 0; cell < positive.length; cell++) {
    const here = negative[cell] as number
    pairs += (positive[cell] as number) * (below + here / 2)
    below += here
  }
  return pairs / n / m
}
