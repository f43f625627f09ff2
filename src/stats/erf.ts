import { gammaP, gammaQ } from './incomplete-gamma.js'

/**
 * The error function, erf(x) = 2/√π ∫₀ˣ e^(−t²) dt, for every real x.
 *
 * Its power series for |x| < ½, so that small values keep their digits; P(½, x²) beyond. `NaN` gives `NaN`.
 *
 * Source: Abramowitz and Stegun (1964), 7.1.5 and 6.5.16.
 *
 * @example
 * ```ts
 * import { erf } from 'outrigger/stats'
 * assert.ok(Math.abs(erf(1) - 0.8427007929497149) < 1e-15)
 * assert.equal(erf(-1), -erf(1))
 * ```
 */
export const erf = (x: number): number => {
  if (!(Math.abs(x) < 0.5)) return Math.sign(x) * gammaP(0.5, x * x)
  let sum = 0
  let power = 1
  for (let k = 0; Math.abs(power) > 1e-18; k++, power *= -(x * x) / k) sum += power / (2 * k + 1)
  return (2 / Math.sqrt(Math.PI)) * x * sum
}

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
