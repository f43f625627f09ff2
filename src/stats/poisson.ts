import { parameter } from './_parameters.js'
import { halfDeviance, stirlingRemainder } from './_stirling.js'
import { gammaP, gammaQ } from './incomplete-gamma.js'

const checked = (mean: number): number => parameter('a Poisson probability', 'mean', mean, 'a finite number of at least 0', mean >= 0 && mean < Infinity)

/**
 * The probability that a Poisson variable with `mean` is at most `count`: Q(count + 1, mean).
 *
 * Accurate where it is small: a relative error below 1e-12 or 8 |ln p| ε, whichever is larger. A count between whole
 * numbers is taken as the one below; `NaN` gives `NaN`. O(√mean) steps up to 3e7, then O(1).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `mean` is negative or not finite
 *
 * Source: Abramowitz and Stegun (1964), 26.4.21.
 *
 * @example
 * ```ts
 * import { poissonCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(poissonCumulative(1, 2) - 3 * Math.exp(-2)) < 1e-15)
 * ```
 */
export const poissonCumulative = (count: number, mean: number): number => {
  const lambda = checked(mean)
  if (count < 0) return 0
  return count === Infinity ? 1 : gammaQ(Math.floor(count) + 1, lambda)
}

/**
 * The probability that a Poisson variable exceeds `count`: P(count + 1, mean), accurate where it is small. All else as
 * {@link poissonCumulative}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `mean` is negative or not finite
 *
 * @example
 * ```ts
 * import { poissonSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(poissonSurvival(1, 1e-9) / 5e-19 - 1) < 1e-9)
 * ```
 */
export const poissonSurvival = (count: number, mean: number): number => {
  const lambda = checked(mean)
  if (count < 0) return 1
  return count === Infinity ? 0 : gammaP(Math.floor(count) + 1, lambda)
}

/**
 * The probability that a Poisson variable with `mean` is exactly `count`; 0 for what is no whole number of at least 0,
 * `NaN` for `NaN`. O(1).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `mean` is negative or not finite
 *
 * Source: Loader, Fast and Accurate Computation of Binomial Probabilities (2000).
 *
 * @example
 * ```ts
 * import { poissonMass } from 'outrigger/stats'
 * assert.ok(Math.abs(poissonMass(3, 2) - (4 / 3) * Math.exp(-2)) < 1e-15)
 * ```
 */
export const poissonMass = (count: number, mean: number): number => {
  const lambda = checked(mean)
  if (Number.isNaN(count)) return NaN
  if (!Number.isInteger(count) || count < 0) return 0
  if (count === 0) return Math.exp(-lambda)
  if (lambda === 0) return 0
  return Math.exp(-halfDeviance(count, lambda) - stirlingRemainder(count)) / Math.sqrt(2 * Math.PI * count)
}
