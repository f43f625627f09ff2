import { gammaP, gammaQ } from './incomplete-gamma.js'

/**
 * The complementary error function, erfc(x) = 2/√π ∫ₓ^∞ e^(−t²) dt, for every real x.
 *
 * Q(½, x²) for x ≥ 0 and 1 + P(½, x²) below, so that both tails keep their digits.
 *
 * Source: Abramowitz and Stegun (1964), 6.5.17.
 *
 * @example
 * ```ts
 * import { erfc } from 'outrigger/stats'
 * assert.equal(erfc(0), 1)
 * assert.ok(Math.abs(erfc(5) / 1.5374597944280349e-12 - 1) < 1e-12)
 * ```
 */
export const erfc = (x: number): number => (x < 0 ? 1 + gammaP(0.5, x * x) : gammaQ(0.5, x * x))

/**
 * The probability that a standard normal variable exceeds `z`.
 *
 * ½ erfc(z / √2), accurate in the upper tail down to the smallest double.
 *
 * Source: Abramowitz and Stegun (1964), 26.2.29.
 *
 * @example
 * ```ts
 * import { normalSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(normalSurvival(1.959963984540054) - 0.025) < 1e-15)
 * ```
 */
export const normalSurvival = (z: number): number => {
  const half = (z * z) / 2
  return z < 0 ? (1 + gammaP(0.5, half)) / 2 : gammaQ(0.5, half) / 2
}
