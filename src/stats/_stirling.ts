import { logGamma } from './log-gamma.js'
import { stirlingCoefficients, stirlingSeries } from './_stirling-series.js'

const halfLogTwoPi = 0.9189385332046728

/** What Stirling's formula lacks: ln Γ(a) − [(a − ½) ln a − a + ½ ln 2π], for every a > 0, to an absolute few ε. */
export const stirlingRemainder = (a: number): number =>
  a >= 10 ? stirlingSeries(a) : logGamma(a) - ((a - 0.5) * Math.log(a) - a + halfLogTwoPi)

/**
 * ln Γ(b + a) − ln Γ(b) − a ln(b), for b ≥ 10 and 0 < a < 1, good to an absolute few ε·a however small a is: each term
 * of Stirling's series is subtracted by hand.
 */
export const logGammaStep = (b: number, a: number): number => {
  const growth = Math.log1p(a / b)
  let sum = (b + a - 0.5) * growth - a
  for (let k = 0, power = 1 / b; k < stirlingCoefficients.length; k++, power /= b * b) {
    sum += (stirlingCoefficients[k] as number) * power * Math.expm1(-(2 * k + 1) * growth)
  }
  return sum
}

/** ln(1 + x) − x for −½ ≤ x ≤ 1 without the cancellation near 0: 2 artanh(r) with r = x / (2 + x), first term by hand. */
const log1pMinus = (x: number): number => {
  const r = x / (2 + x)
  const r2 = r * r
  let sum = 0
  let power = 1
  for (let k = 3; ; k += 2) {
    const term = power / k
    sum += term
    if (term < 1e-17) break
    power *= r2
  }
  return 2 * r * r2 * sum - x * r
}

/**
 * Half the deviance of `x` from `mean`: x ln(x / mean) − x + mean ≥ 0, for x > 0 and mean > 0.
 *
 * The exponents of the gamma, beta, binomial and Poisson kernels are sums of it; written so, nothing large cancels. The
 * caller that knows mean − x better than the two rounded numbers do gives it as `excess`.
 *
 * Source: Loader, Fast and Accurate Computation of Binomial Probabilities (2000).
 */
export const halfDeviance = (x: number, mean: number, excess: number = mean - x): number => {
  const relative = excess / x
  if (relative >= -0.5 && relative <= 1) return -x * log1pMinus(relative)
  const ratio = mean / x
  const logRatio = ratio > 0 && ratio < Infinity ? Math.log(ratio) : Math.log(mean) - Math.log(x)
  return excess - x * logRatio
}
