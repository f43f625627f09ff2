import { positive, share } from './_parameters.js'
import { positiveQuantile } from './_quantile.js'
import { gammaKernel, gammaP, gammaQ } from './incomplete-gamma.js'

const halved = (degreesOfFreedom: number): number => positive('a chi-square probability', 'degreesOfFreedom', degreesOfFreedom) / 2

/**
 * The probability that a chi-square variable with `degreesOfFreedom` exceeds `statistic`.
 *
 * Q(df / 2, x / 2), accurate in the far tail. `degreesOfFreedom` > 0; a negative statistic gives 1, `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a finite number above 0
 *
 * Source: Abramowitz and Stegun (1964), 26.4.19.
 *
 * @example
 * ```ts
 * import { chiSquareSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(chiSquareSurvival(3.841458820694124, 1) - 0.05) < 1e-14)
 * ```
 */
export const chiSquareSurvival = (statistic: number, degreesOfFreedom: number): number => {
  const a = halved(degreesOfFreedom)
  return statistic < 0 ? 1 : gammaQ(a, statistic / 2)
}

/**
 * The probability that a chi-square variable with `degreesOfFreedom` is at most `statistic`: P(df / 2, x / 2), accurate
 * where it is small. A negative statistic gives 0; all else as {@link chiSquareSurvival}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a finite number above 0
 *
 * @example
 * ```ts
 * import { chiSquareCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(chiSquareCumulative(1e-20, 2) / 5e-21 - 1) < 1e-14)
 * ```
 */
export const chiSquareCumulative = (statistic: number, degreesOfFreedom: number): number => {
  const a = halved(degreesOfFreedom)
  return statistic < 0 ? 0 : gammaP(a, statistic / 2)
}

/**
 * The density of chi-square with `degreesOfFreedom` at `statistic`; 0 below 0, at 0 the limit. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a finite number above 0
 *
 * Source: Loader (2000), for an exponent in which nothing cancels.
 *
 * @example
 * ```ts
 * import { chiSquareDensity } from 'outrigger/stats'
 * assert.ok(Math.abs(chiSquareDensity(2, 2) - Math.exp(-1) / 2) < 1e-15)
 * ```
 */
export const chiSquareDensity = (statistic: number, degreesOfFreedom: number): number => {
  const a = halved(degreesOfFreedom)
  if (Number.isNaN(statistic)) return NaN
  if (statistic < 0 || statistic === Infinity) return 0
  if (statistic === 0) return a < 1 ? Infinity : a > 1 ? 0 : 0.5
  return gammaKernel(a, statistic / 2) / statistic
}

/**
 * The chi-square quantile: the statistic that a chi-square variable is at most with probability `p` in [0, 1].
 *
 * 0 at 0 and `Infinity` at 1, and where the answer is below 1e-300. A relative error below 1e-12. `NaN` gives `NaN`. About
 * ten evaluations of the distribution function.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `p` is outside [0, 1] or `degreesOfFreedom` not a finite number above 0
 *
 * @example
 * ```ts
 * import { chiSquareQuantile } from 'outrigger/stats'
 * assert.ok(Math.abs(chiSquareQuantile(0.95, 1) - 3.841458820694124) < 1e-13)
 * ```
 */
export const chiSquareQuantile = (p: number, degreesOfFreedom: number): number => {
  const a = halved(degreesOfFreedom)
  if (Number.isNaN(p)) return NaN
  share('a chi-square quantile', 'p', p)
  return 2 * a * positiveQuantile({ lower: (x) => gammaP(a, a * x), upper: (x) => gammaQ(a, a * x), density: (x) => gammaKernel(a, a * x) / x }, p, 1 - p)
}
