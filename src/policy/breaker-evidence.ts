/** Whether so many bad calls of so many are enough to say that a rate is exceeded. Pure. */

/**
 * Whether the calls show a rate above `threshold`: whether a model that is bad exactly that often would show as many, or
 * more, with a probability below 1 − confidence. With a confidence of 0 the plain rate decides, and reaching it is enough.
 *
 * By Chernoff's bound, P(at least `bad` of n) ≤ exp(−n · KL(bad/n ‖ threshold)). It is an inequality and holds for a handful
 * of calls and for low thresholds too, where Wilson's interval promises more than it keeps (one failure of two calls would
 * show a rate above 2 % with 99 %; the truth is 96 %). It asks for a few calls more: 66 of 100 instead of 62 at 50 %. O(1).
 *
 * The judgement is made again after each bad call, so that over a long time it errs more often than once in 1 / (1 − confidence)
 * windows of a model that is bad exactly as often as `threshold`; a healthy one is far below.
 *
 * Source: H. Chernoff, "A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations", Annals of
 * Mathematical Statistics 23 (1952); the form with KL: W. Hoeffding, JASA 58 (1963), theorem 1.
 */
export const showsRate = (bad: number, calls: number, threshold: number, confidence: number): boolean => {
  // A quotient, not a product: 55 / 100 is 0.55, but 0.55 * 100 is above 55.
  const rate = bad / calls
  if (confidence === 0 || !(rate > threshold)) return confidence === 0 && rate >= threshold
  const divergence = rate * Math.log(rate / threshold) + (rate < 1 ? (1 - rate) * Math.log((1 - rate) / (1 - threshold)) : 0)
  return calls * divergence > -Math.log(1 - confidence)
}

/**
 * So many failures one after another say by themselves that the rate is exceeded: a model that fails exactly that often
 * does it with a probability of (1 − confidence)². The square is for the many places in which a run may begin.
 */
export const runThatShows = (rate: number, confidence: number): number => Math.ceil((2 * Math.log(1 - confidence)) / Math.min(Math.log(rate), -0))
