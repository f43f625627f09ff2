import { gammaP, gammaQ } from './incomplete-gamma.js'
import { positive } from './_parameters.js'

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
