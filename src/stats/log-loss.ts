import { positives, probability } from './_labelled.js'

/**
 * The mean logarithmic loss of predicted probabilities, in nats; 0 is perfect, ln 2 ≈ .693 is a coin.
 *
 * −(1/n) Σ [y ln p + (1 − y) ln(1 − p)]. Probabilities are kept `floor` away from 0 and 1, so that one sure and wrong
 * prediction costs at most −ln(floor) (34.5 by default) instead of infinity.
 *
 * @param probabilities - of the positive label, each in [0, 1]
 * @param labels - 0, 1, `true` or `false`
 * @param options.floor - @default 1e-15
 * @returns `NaN` for no rows
 * @throws ERR_OUTRIGGER_INVALID_INPUT if lengths differ, a score is no probability, or a label is none
 *
 * Source: Good, Journal of the Royal Statistical Society B 14 (1952).
 *
 * @example
 * ```ts
 * import { logLoss } from 'outrigger/stats'
 * assert.ok(Math.abs(logLoss([0.5, 0.5], [0, 1]) - Math.LN2) < 1e-15)
 * ```
 */
export const logLoss = (probabilities: ArrayLike<number>, labels: ArrayLike<number | boolean>, options: { readonly floor?: number } = {}): number => {
  const { floor = 1e-15 } = options
  const positive = positives('a log loss', probabilities, labels)
  let sum = 0
  for (let row = 0; row < positive.length; row++) {
    const p = probability('a log loss', probabilities[row] as number)
    sum -= positive[row] === 1 ? Math.log(Math.max(floor, p)) : Math.log1p(-Math.min(1 - floor, p))
  }
  return sum / positive.length
}
