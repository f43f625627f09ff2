import { betaKernel } from './_beta-tails.js'
import { exactExcess } from './_exact-excess.js'
import { positive } from './_parameters.js'
import { fQuantile } from './f-distribution.js'
import { incompleteBetaLower, incompleteBetaUpper, type BetaShape } from './incomplete-beta.js'

const check = ({ a, b }: BetaShape): void => {
  positive('a beta distribution', 'a', a)
  positive('a beta distribution', 'b', b)
}

/** Outside [0, 1] nothing lies: the nearer end. */
const clamped = (x: number): number => Math.max(0, Math.min(1, x))

/**
 * The probability that a variable of the beta distribution is at most `x`: I_x(a, b), with 0 below 0 and 1 above 1.
 *
 * What is believed of a rate after s hits and f misses is beta with a = s + ½, b = f + ½ (Jeffreys). Accurate where it
 * is small, as {@link incompleteBetaLower}. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `a` or `b` is not a finite number above 0
 *
 * @example
 * ```ts
 * import { betaCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(betaCumulative(0.1, { a: 2, b: 1 }) - 0.01) < 1e-16)
 * ```
 */
export const betaCumulative = (x: number, shape: BetaShape): number => {
  check(shape)
  return incompleteBetaLower(clamped(x), shape)
}

/**
 * The probability that a variable of the beta distribution exceeds `x`, accurate where it is small. All else as
 * {@link betaCumulative}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `a` or `b` is not a finite number above 0
 *
 * @example
 * ```ts
 * import { betaSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(betaSurvival(0.9, { a: 1, b: 2 }) - 0.01) < 1e-16)
 * ```
 */
export const betaSurvival = (x: number, shape: BetaShape): number => {
  check(shape)
  return incompleteBetaUpper(clamped(x), shape)
}

/**
 * The density of the beta distribution at `x`: x^(a−1) (1 − x)^(b−1) / B(a, b); 0 outside [0, 1].
 *
 * At the ends it is the limit, which is `Infinity` for a shape below 1. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `a` or `b` is not a finite number above 0
 *
 * Source: Loader (2000), for an exponent in which nothing cancels.
 *
 * @example
 * ```ts
 * import { betaDensity } from 'outrigger/stats'
 * assert.ok(Math.abs(betaDensity(0.5, { a: 2, b: 2 }) - 1.5) < 1e-14)
 * ```
 */
export const betaDensity = (x: number, shape: BetaShape): number => {
  check(shape)
  const { a, b } = shape
  if (Number.isNaN(x)) return NaN
  if (x < 0 || x > 1) return 0
  if (x === 0) return a < 1 ? Infinity : a > 1 ? 0 : b
  if (x === 1) return b < 1 ? Infinity : b > 1 ? 0 : a
  return betaKernel({ a, b, x, y: 1 - x, excess: exactExcess(a, b, x) }) / x / (1 - x)
}

/**
 * The quantile of the beta distribution: what a variable of it is at most with probability `p` in [0, 1]. The ends of an
 * interval for a rate after s hits and f misses are those at .025 and .975 for a = s + ½, b = f + ½ (Jeffreys).
 *
 * A relative error below 1e-12. `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `p` is outside [0, 1] or `a` or `b` is not a finite number above 0
 *
 * @example
 * ```ts
 * import { betaQuantile } from 'outrigger/stats'
 * assert.ok(Math.abs(betaQuantile(0.01, { a: 2, b: 1 }) - 0.1) < 1e-14)
 * ```
 */
export const betaQuantile = (p: number, shape: BetaShape): number => {
  check(shape)
  const odds = (shape.a / shape.b) * fQuantile(p, { numerator: 2 * shape.a, denominator: 2 * shape.b })
  return odds === Infinity ? 1 : odds / (1 + odds)
}
