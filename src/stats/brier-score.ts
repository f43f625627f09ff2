import { positives, probability } from './_labelled.js'

/**
 * The Brier score: the mean squared error of predicted probabilities; 0 is perfect, .25 is a coin, 1 is always sure and wrong.
 *
 * (1/n) Σ (p − y)². Unlike the log loss, one bad row costs at most 1/n.
 *
 * @param probabilities - of the positive label, each in [0, 1]
 * @param labels - 0, 1, `true` or `false`
 * @returns `NaN` for no rows
 * @throws ERR_OUTRIGGER_INVALID_INPUT if lengths differ, a score is no probability, or a label is none
 *
 * Source: G. W. Brier, Monthly Weather Review 78 (1950).
 *
 * @example
 * ```ts
 * import { brierScore } from 'outrigger/stats'
 * assert.equal(brierScore([0.5, 1], [0, 1]), 0.125)
 * ```
 */
export const brierScore = (probabilities: ArrayLike<number>, labels: ArrayLike<number | boolean>): number => {
  const positive = positives('a Brier score', probabilities, labels)
  let sum = 0
  for (let row = 0; row < positive.length; row++) {
    const error = probability('a Brier score', probabilities[row] as number) - (positive[row] as number)
    sum += error * error
  }
  return sum / positive.length
}
