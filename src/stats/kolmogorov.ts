/** Where the two series need equally few terms. */
const crossing = 1.18

/** 1 − F by the theta-function series that converges fast for small λ. */
const survivalBelow = (lambda: number): number => {
  const base = -(Math.PI * Math.PI) / (8 * lambda * lambda)
  let sum = 0
  for (let k = 1; k <= 9; k += 2) sum += Math.exp(base * k * k)
  return 1 - (Math.sqrt(2 * Math.PI) / lambda) * sum
}

/** 2 Σ (−1)^(k−1) e^(−2 k² λ²), summed from its smallest term. */
const survivalAbove = (lambda: number): number => {
  let sum = 0
  for (let k = 6; k >= 1; k--) sum += (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * lambda * lambda)
  return 2 * sum
}

/**
 * The survival function of the Kolmogorov distribution: the limit of P(√n · D > λ) for the Kolmogorov–Smirnov distance D.
 *
 * Two series, one for either side of λ = 1.18, so that both the body and the far tail are exact to rounding. 1 for λ ≤ 0.
 *
 * Source: Kolmogorov (1933); Marsaglia, Tsang and Wang, Journal of Statistical Software 8 (2003), section 1, for both series.
 *
 * @example
 * ```ts
 * import { kolmogorovSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(kolmogorovSurvival(1.3580986393225507) - 0.05) < 1e-12)
 * ```
 */
export const kolmogorovSurvival = (lambda: number): number => {
  if (Number.isNaN(lambda)) return NaN
  if (lambda < 0.04) return 1
  return lambda < crossing ? survivalBelow(lambda) : survivalAbove(lambda)
}
