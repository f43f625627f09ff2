import { gammaQ } from './incomplete-gamma.js'

/**
 * The probability that a chi-square variable with `degreesOfFreedom` exceeds `statistic`.
 *
 * Q(df / 2, x / 2), accurate in the far tail. `degreesOfFreedom` > 0; a negative statistic gives 1, `NaN` gives `NaN`.
 *
 * Source: Abramowitz and Stegun (1964), 26.4.19.
 *
 * @example
 * ```ts
 * import { chiSquareSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(chiSquareSurvival(3.841458820694124, 1) - 0.05) < 1e-14)
 * ```
 */
export const chiSquareSurvival = (statistic: number, degreesOfFreedom: number): number =>
  statistic < 0 ? 1 : gammaQ(degreesOfFreedom / 2, statistic / 2)
