import { gammaP, gammaQ } from './incomplete-gamma.js'
import { parameter } from './_parameters.js'

/**
 * The density of the standard normal distribution, e^(−z²/2) / √(2π).
 *
 * @example
 * ```ts
 * import { normalDensity } from 'outrigger/stats'
 * assert.ok(Math.abs(normalDensity(0) - 1 / Math.sqrt(2 * Math.PI)) < 1e-16)
 * ```
 */
export const normalDensity = (z: number): number => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)

/**
 * The probability that a standard normal variable exceeds `z`.
 *
 * ½ erfc(z / √2), accurate in the upper tail down to the smallest double. `NaN` gives `NaN`.
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

/**
 * The probability that a standard normal variable is at most `z`, accurate in the lower tail down to the smallest
 * double. `NaN` gives `NaN`.
 *
 * @example
 * ```ts
 * import { normalCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(normalCumulative(-1.959963984540054) - 0.025) < 1e-15)
 * ```
 */
export const normalCumulative = (z: number): number => normalSurvival(-z)

/** z with an upper tail of p ≤ ¼: from A&S 26.2.22 (good to 0.003) by Halley's steps on ln Q, which is nearly a parabola. */
const farOut = (p: number): number => {
  const t = Math.sqrt(-2 * Math.log(p))
  let z = t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t)
  for (let step = 0; step < 3; step++) {
    const tail = normalSurvival(z)
    const hazard = normalDensity(z) / tail
    const miss = Math.log(tail / p) / hazard
    z += miss / (1 + (miss * (hazard - z)) / 2)
  }
  return z
}

/** z with a share of `rest` ≤ ¼ between 0 and it, by Newton's steps; relative accuracy also next to 0. */
const nearCentre = (rest: number): number => {
  let z = rest * Math.sqrt(2 * Math.PI)
  for (let step = 0; step < 4; step++) {
    const miss = (gammaP(0.5, (z * z) / 2) / 2 - rest) / normalDensity(z)
    z -= miss / (1 - (z * miss) / 2)
  }
  return z
}

/**
 * The standard normal quantile: the z that a standard normal variable is at most with probability `p` in [0, 1].
 *
 * −∞ at 0 and ∞ at 1. Relative error below 1e-14 from 1e-300 up. For an upper tail q take −normalQuantile(q): 1 − q
 * would lose the digits of a small q. `NaN` gives `NaN`. Costs three or four evaluations of the distribution function.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if `p` is outside [0, 1]
 *
 * Source: Abramowitz and Stegun (1964), 26.2.22, for the start; Halley's method.
 *
 * @example
 * ```ts
 * import { normalQuantile } from 'outrigger/stats'
 * assert.ok(Math.abs(normalQuantile(0.975) - 1.959963984540054) < 1e-14)
 * assert.equal(normalQuantile(0.5), 0)
 * ```
 */
export const normalQuantile = (p: number): number => {
  parameter('a normal quantile', 'p', p, 'in [0, 1]', Number.isNaN(p) || (p >= 0 && p <= 1))
  if (p === 0) return -Infinity
  if (p === 1) return Infinity
  if (p < 0.25) return -farOut(p)
  if (p > 0.75) return farOut(1 - p)
  const rest = p - 0.5
  return Math.abs(rest) < 1e-100 ? rest : Math.sign(rest) * nearCentre(Math.abs(rest))
}
