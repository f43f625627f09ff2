import { betaTails, type BetaTails } from './_beta-tails.js'
import { exactExcess } from './_exact-excess.js'
import { parameter, share } from './_parameters.js'
import { halfDeviance, stirlingRemainder } from './_stirling.js'

/** What a binomial count is counted from. */
export interface BinomialTrials {
  /** How many trials: a whole number, 0 to 2^53 − 1. */
  readonly trials: number
  /** The chance of a hit in each, in [0, 1]. */
  readonly probability: number
}

const check = ({ trials, probability }: BinomialTrials): void => {
  parameter('a binomial probability', 'trials', trials, 'a whole number of at least 0', Number.isSafeInteger(trials) && trials >= 0)
  share('a binomial probability', 'probability', probability)
}

/** `lower` is P(X > hits) and `upper` P(X ≤ hits): the probability of more hits grows with the chance of one. */
const tails = (hits: number, binomial: BinomialTrials): BetaTails => {
  check(binomial)
  const { trials, probability } = binomial
  const k = Math.floor(hits)
  if (Number.isNaN(k)) return { lower: NaN, upper: NaN }
  if (k < 0) return { lower: 1, upper: 0 }
  if (k >= trials || probability === 0) return { lower: 0, upper: 1 }
  if (probability === 1) return { lower: 1, upper: 0 }
  const a = k + 1
  const b = trials - k
  return betaTails({ a, b, x: probability, y: 1 - probability, excess: exactExcess(a, b, probability) })
}

/**
 * The probability of at most `hits` hits, P(X ≤ hits).
 *
 * Accurate where it is small: a relative error below 1e-12 or 8 |ln p| ε, whichever is larger. Hits between whole numbers
 * count as the one below; `NaN` gives `NaN`. At most some 10⁴ steps, however many trials.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `trials` is not a whole number of at least 0, or `probability` not in [0, 1]
 *
 * Source: Abramowitz and Stegun (1964), 26.5.24.
 *
 * @example
 * ```ts
 * import { binomialCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(binomialCumulative(1, { trials: 3, probability: 0.5 }) - 0.5) < 1e-15)
 * ```
 */
export const binomialCumulative = (hits: number, binomial: BinomialTrials): number => tails(hits, binomial).upper

/**
 * The probability of more than `hits` hits, P(X > hits), accurate where it is small. All else as {@link binomialCumulative}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `trials` is not a whole number of at least 0, or `probability` not in [0, 1]
 *
 * @example
 * ```ts
 * import { binomialSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(binomialSurvival(99, { trials: 100, probability: 0.01 }) / 1e-200 - 1) < 1e-12)
 * ```
 */
export const binomialSurvival = (hits: number, binomial: BinomialTrials): number => tails(hits, binomial).lower

/**
 * The probability of exactly `hits` hits; 0 for what is no whole number from 0 to `trials`, `NaN` for `NaN`. O(1).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `trials` is not a whole number of at least 0, or `probability` not in [0, 1]
 *
 * Source: Loader, Fast and Accurate Computation of Binomial Probabilities (2000).
 *
 * @example
 * ```ts
 * import { binomialMass } from 'outrigger/stats'
 * assert.ok(Math.abs(binomialMass(2, { trials: 4, probability: 0.5 }) - 0.375) < 1e-15)
 * ```
 */
export const binomialMass = (hits: number, binomial: BinomialTrials): number => {
  check(binomial)
  const { trials: n, probability: p } = binomial
  if (Number.isNaN(hits)) return NaN
  if (!Number.isInteger(hits) || hits < 0 || hits > n) return 0
  const misses = n - hits
  if (p === 0 || p === 1) return (p === 0 ? hits : misses) === 0 ? 1 : 0
  if (hits === 0) return Math.exp(n * Math.log1p(-p))
  if (misses === 0) return Math.exp(n * Math.log(p))
  const excess = exactExcess(hits, misses, p)
  const exponent = stirlingRemainder(n) - stirlingRemainder(hits) - stirlingRemainder(misses) - halfDeviance(hits, n * p, excess) - halfDeviance(misses, n * (1 - p), -excess)
  return Math.sqrt(n / hits / (2 * Math.PI * misses)) * Math.exp(exponent)
}
