import { betaTails } from './_beta-tails.js'
import { parameter } from './_parameters.js'
import { logGamma } from './log-gamma.js'
import { normalSurvival } from './normal.js'

const halfLogPi = 0.5723649429247001

/** P(T > t) for t ≥ 0: ½ I_x(ν/2, ½) with x = ν / (ν + t²). */
const upperTail = (t: number, nu: number): number => {
  const a = nu / 2
  const ratio = (t / nu) * t
  // So far out that x is ν / t² to the last digit; t² itself may be no double.
  if (ratio > 1e17) return Math.exp(a * (Math.log(nu) - 2 * Math.log(t)) + logGamma(a + 0.5) - logGamma(a + 1) - halfLogPi) / 2
  if (ratio < 1e-300) return 0.5
  return betaTails({ a, b: 0.5, x: 1 / (1 + ratio), y: ratio / (1 + ratio), excess: (0.5 * (1 - t) * (1 + t)) / (1 + ratio) }).lower / 2
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
  const nu = parameter('a probability of Student\'s t', 'degreesOfFreedom', degreesOfFreedom, 'a number above 0', degreesOfFreedom > 0)
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
