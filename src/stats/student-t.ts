import { betaKernel, betaTails, type BetaPoint } from './_beta-tails.js'
import { parameter, share } from './_parameters.js'
import { positiveQuantile } from './_quantile.js'
import { logGamma } from './log-gamma.js'
import { normalDensity, normalQuantile, normalSurvival } from './normal.js'

const halfLogPi = 0.5723649429247001

const checked = (degreesOfFreedom: number): number =>
  parameter('a probability of Student\'s t', 'degreesOfFreedom', degreesOfFreedom, 'a number above 0', degreesOfFreedom > 0)

/** The point of the beta distribution of ν / 2 and ½ that t ≥ 0 is, with ratio = t² / ν. */
const betaPoint = (t: number, nu: number, ratio: number): BetaPoint => ({ a: nu / 2, b: 0.5, x: 1 / (1 + ratio), y: ratio / (1 + ratio), excess: (0.5 * (1 - t) * (1 + t)) / (1 + ratio) })

/** P(T > t) for t ≥ 0: ½ I_x(ν/2, ½) with x = ν / (ν + t²). */
const upperTail = (t: number, nu: number): number => {
  const a = nu / 2
  const ratio = (t / nu) * t
  // So far out that x is ν / t² to the last digit; t² itself may be no double.
  if (ratio > 1e17) return Math.exp(a * (Math.log(nu) - 2 * Math.log(t)) + logGamma(a + 0.5) - logGamma(a + 1) - halfLogPi) / 2
  if (ratio < 1e-300) return 0.5
  return betaTails(betaPoint(t, nu, ratio)).lower / 2
}

/**
 * The probability that a variable of Student's t distribution with `degreesOfFreedom` exceeds `t`.
 *
 * Any `degreesOfFreedom` > 0, whole or not; `Infinity` is the normal distribution. Accurate in the upper tail: a relative
 * error below 1e-12 or 8 |ln p| ε, whichever is larger. `NaN` gives `NaN`. O(√df) steps up to 2e10, then O(1).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a number above 0
 *
 * Source: Abramowitz and Stegun (1964), 26.7.1.
 *
 * @example
 * ```ts
 * import { studentTSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(studentTSurvival(1, 1) - 0.25) < 1e-15)
 * assert.ok(Math.abs(studentTSurvival(2.2281388519862744, 10) - 0.025) < 1e-15)
 * ```
 */
export const studentTSurvival = (t: number, degreesOfFreedom: number): number => {
  const nu = checked(degreesOfFreedom)
  if (Number.isNaN(t)) return NaN
  if (nu === Infinity) return normalSurvival(t)
  if (Math.abs(t) === Infinity) return t > 0 ? 0 : 1
  return t < 0 ? 1 - upperTail(-t, nu) : upperTail(t, nu)
}

/**
 * The probability that a variable of Student's t distribution is at most `t`, accurate in the lower tail. All else as
 * {@link studentTSurvival}.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a number above 0
 *
 * @example
 * ```ts
 * import { studentTCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(studentTCumulative(-1e10, 1) / 3.183098861837907e-11 - 1) < 1e-14)
 * ```
 */
export const studentTCumulative = (t: number, degreesOfFreedom: number): number => studentTSurvival(-t, degreesOfFreedom)

/**
 * The density of Student's t distribution at `t`. `NaN` gives `NaN`. O(1).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `degreesOfFreedom` is not a number above 0 (`Infinity` is the normal distribution)
 *
 * @example
 * ```ts
 * import { studentTDensity } from 'outrigger/stats'
 * assert.ok(Math.abs(studentTDensity(0, 1) - 1 / Math.PI) < 1e-15)
 * ```
 */
export const studentTDensity = (t: number, degreesOfFreedom: number): number => {
  const nu = checked(degreesOfFreedom)
  if (Number.isNaN(t)) return NaN
  if (nu === Infinity) return normalDensity(t)
  if (Math.abs(t) === Infinity) return 0
  // So near to 0 that the density is flat.
  const away = Math.max(Math.abs(t), 1e-9 * Math.min(1, Math.sqrt(nu)))
  const ratio = (away / nu) * away
  return ratio > 1e17 ? (nu / away) * upperTail(away, nu) : betaKernel(betaPoint(away, nu, ratio)) / away
}

/**
 * The quantile of Student's t distribution: what a variable of it is at most with probability `p` in [0, 1].
 *
 * −∞ at 0 and ∞ at 1, and beyond 1e300. A relative error below 1e-12, also next to 0. For an upper tail q take
 * −studentTQuantile(q). `NaN` gives `NaN`.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `p` is outside [0, 1] or `degreesOfFreedom` not a number above 0
 *
 * @example
 * ```ts
 * import { studentTQuantile } from 'outrigger/stats'
 * assert.ok(Math.abs(studentTQuantile(0.975, 10) - 2.2281388519862744) < 1e-14)
 * ```
 */
export const studentTQuantile = (p: number, degreesOfFreedom: number): number => {
  const nu = checked(degreesOfFreedom)
  if (Number.isNaN(p)) return NaN
  share('a quantile of Student\'s t', 'p', p)
  if (nu === Infinity) return normalQuantile(p)
  if (p === 0.5) return 0
  const rest = p < 0.5 ? p : 1 - p
  // Of |T|, whose lower tail is computed as itself.
  const size = positiveQuantile(
    { lower: (t) => centre(t, nu), upper: (t) => 2 * upperTail(t, nu), density: (t) => 2 * studentTDensity(t, nu) },
    2 * Math.abs(p - 0.5),
    2 * rest,
  )
  return p < 0.5 ? -size : size
}

/** P(|T| ≤ t). */
const centre = (t: number, nu: number): number => {
  const ratio = (t / nu) * t
  return ratio > 1e17 ? 1 - 2 * upperTail(t, nu) : ratio < 1e-300 ? 2 * t * studentTDensity(0, nu) : betaTails(betaPoint(t, nu, ratio)).upper
}
