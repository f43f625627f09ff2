import { betaTails, type BetaTails } from './_beta-tails.js'
import { positive } from './_parameters.js'

/** The degrees of freedom of an F distribution. */
export interface FDegreesOfFreedom {
  /** Above 0 and finite. */
  readonly numerator: number
  /** Above 0 and finite. */
  readonly denominator: number
}

const tails = (f: number, { numerator, denominator }: FDegreesOfFreedom): BetaTails => {
  const a = positive('a probability of F', 'numerator', numerator) / 2
  const b = positive('a probability of F', 'denominator', denominator) / 2
  if (Number.isNaN(f)) return { lower: NaN, upper: NaN }
  if (f <= 0) return { lower: 0, upper: 1 }
  if (f === Infinity) return { lower: 1, upper: 0 }
  // x = d₁f / (d₁f + d₂); b x − a y has f − 1 as a factor, which no rounding touches. Two forms, so that neither overflows.
  const odds = (numerator / denominator) * f
  if (odds < 1) return betaTails({ a, b, x: odds / (1 + odds), y: 1 / (1 + odds), excess: (a * (f - 1)) / (1 + odds) })
  const inverse = denominator / numerator / f
  return betaTails({ a, b, x: 1 / (1 + inverse), y: inverse / (1 + inverse), excess: (b * ((f - 1) / f)) / (1 + inverse) })
}

/**
 * The probability that a variable of the F distribution exceeds `f`.
 *
 * Accurate in the upper tail: a relative error below 1e-12 or 8 |ln p| ε, whichever is larger. A negative `f` gives 1,
 * `NaN` gives `NaN`, and so do degrees of freedom beyond 1e15 unless one of them is at most 200. O(√df) steps at worst.
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
