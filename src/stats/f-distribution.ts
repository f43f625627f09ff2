import { betaKernel, betaTails, type BetaPoint, type BetaTails } from './_beta-tails.js'
import { positive, share } from './_parameters.js'
import { positiveQuantile } from './_quantile.js'

/** The degrees of freedom of an F distribution. */
export interface FDegreesOfFreedom {
  /** Above 0 and finite. */
  readonly numerator: number
  /** Above 0 and finite. */
  readonly denominator: number
}

const check = ({ numerator, denominator }: FDegreesOfFreedom): void => {
  positive('a probability of F', 'numerator', numerator)
  positive('a probability of F', 'denominator', denominator)
}

/** The point of the beta distribution that `f` in (0, ∞) is. */
const betaPoint = (f: number, { numerator, denominator }: FDegreesOfFreedom): BetaPoint => {
  const a = numerator / 2
  const b = denominator / 2
  // x = d₁f / (d₁f + d₂); b x − a y has f − 1 as a factor, which no rounding touches. Two forms, so that neither overflows.
  const odds = (numerator / denominator) * f
  if (odds < 1) return { a, b, x: odds / (1 + odds), y: 1 / (1 + odds), excess: (a * (f - 1)) / (1 + odds) }
  const inverse = denominator / numerator / f
  return { a, b, x: 1 / (1 + inverse), y: inverse / (1 + inverse), excess: (b * ((f - 1) / f)) / (1 + inverse) }
}

const tails = (f: number, degreesOfFreedom: FDegreesOfFreedom): BetaTails => {
  check(degreesOfFreedom)
  if (Number.isNaN(f)) return { lower: NaN, upper: NaN }
  if (f <= 0) return { lower: 0, upper: 1 }
  if (f === Infinity) return { lower: 1, upper: 0 }
  return betaTails(betaPoint(f, degreesOfFreedom))
}

/**
 * The probability that a variable of the F distribution exceeds `f`.
 *
 * Accurate in the upper tail: a relative error below 1e-12 or 8 |ln p| ε, whichever is larger. A negative `f` gives 1,
 * `NaN` gives `NaN`. At most some 10⁴ steps, however many degrees of freedom.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a number of degrees of freedom is not finite or not above 0
 *
 * Source: Abramowitz and Stegun (1964), 26.6.2.
 *
 * @example
 * ```ts
 * import { fSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(fSurvival(1, { numerator: 7, denominator: 7 }) - 0.5) < 1e-15)
 * assert.ok(Math.abs(fSurvival(1e6, { numerator: 2, denominator: 20 }) / (1 + 1e5) ** -10 - 1) < 1e-12)
 * ```
 */
export const fSurvival = (f: number, degreesOfFreedom: FDegreesOfFreedom): number => tails(f, degreesOfFreedom).upper

/**
 * The probability that a variable of the F distribution is at most `f`, accurate in the lower tail. A negative `f` gives
 * 0; all else as {@link fSurvival}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a number of degrees of freedom is not finite or not above 0
 *
 * @example
 * ```ts
 * import { fCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(fCumulative(1e-20, { numerator: 2, denominator: 8 }) / 1e-20 - 1) < 1e-14)
 * ```
 */
export const fCumulative = (f: number, degreesOfFreedom: FDegreesOfFreedom): number => tails(f, degreesOfFreedom).lower

/**
 * The density of the F distribution at `f`; 0 below 0, at 0 the limit. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a number of degrees of freedom is not finite or not above 0
 *
 * @example
 * ```ts
 * import { fDensity } from 'outrigger/stats'
 * assert.ok(Math.abs(fDensity(1, { numerator: 2, denominator: 2 }) - 0.25) < 1e-15)
 * ```
 */
export const fDensity = (f: number, degreesOfFreedom: FDegreesOfFreedom): number => {
  check(degreesOfFreedom)
  const { numerator } = degreesOfFreedom
  if (Number.isNaN(f)) return NaN
  if (f < 0 || f === Infinity) return 0
  if (f === 0) return numerator < 2 ? Infinity : numerator > 2 ? 0 : 1
  return betaKernel(betaPoint(f, degreesOfFreedom)) / f
}

/**
 * The quantile of the F distribution: what a variable of it is at most with probability `p` in [0, 1].
 *
 * 0 at 0 and `Infinity` at 1, and beyond 1e-300 and 1e300. A relative error below 1e-12. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `p` is outside [0, 1] or a number of degrees of freedom not finite or not above 0
 *
 * @example
 * ```ts
 * import { fQuantile } from 'outrigger/stats'
 * assert.ok(Math.abs(fQuantile(0.95, { numerator: 2, denominator: 10 }) - 4.102821015130398) < 1e-13)
 * ```
 */
export const fQuantile = (p: number, degreesOfFreedom: FDegreesOfFreedom): number => {
  check(degreesOfFreedom)
  if (Number.isNaN(p)) return NaN
  share('a quantile of F', 'p', p)
  const at = (f: number): BetaTails => betaTails(betaPoint(f, degreesOfFreedom))
  return positiveQuantile({ lower: (f) => at(f).lower, upper: (f) => at(f).upper, density: (f) => fDensity(f, degreesOfFreedom) }, p, 1 - p)
}
