/** Where the two series need equally few terms. */
const crossing = 1.18

/** F by the theta-function series that converges fast for small λ. */
const cumulativeBelow = (lambda: number): number => {
  // F is below the smallest double there, and λ² may be no double.
  if (lambda < 0.04) return 0
  const base = -(Math.PI * Math.PI) / (8 * lambda * lambda)
  let sum = 0
  for (let k = 9; k >= 1; k -= 2) sum += Math.exp(base * k * k)
  return (Math.sqrt(2 * Math.PI) / lambda) * sum
}

/** 1 − F as 2 Σ (−1)^(k−1) e^(−2 k² λ²), summed from its smallest term. */
const survivalAbove = (lambda: number): number => {
  let sum = 0
  for (let k = 6; k >= 1; k--) sum += (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * lambda * lambda)
  return 2 * sum
}

/**
 * The survival function of the Kolmogorov distribution: the limit of P(√n · D > λ) for the Kolmogorov–Smirnov distance D.
 *
 * Two series, one for either side of λ = 1.18, so that both the body and the far tail are exact to rounding. 1 for λ ≤ 0;
 * `NaN` gives `NaN`. O(1).
 *
 * Source: Kolmogorov (1933); Marsaglia, Tsang and Wang, Journal of Statistical Software 8 (2003), section 1, for both series.
 *
 * @example
 * ```ts
 * import { kolmogorovSurvival } from 'outrigger/stats'
 * assert.ok(Math.abs(kolmogorovSurvival(1.3580986393225507) - 0.05) < 1e-12)
 * ```
 */
export const kolmogorovSurvival = (lambda: number): number => (lambda < crossing ? 1 - cumulativeBelow(lambda) : survivalAbove(lambda))

/**
 * The Kolmogorov distribution function, the limit of P(√n · D ≤ λ), accurate also where it is small: a fit too good to
 * be true. 0 for λ ≤ 0; all else as {@link kolmogorovSurvival}.
 *
 * @example
 * ```ts
 * import { kolmogorovCumulative } from 'outrigger/stats'
 * assert.ok(Math.abs(kolmogorovCumulative(0.1) / 6.609305242245699e-53 - 1) < 1e-12)
 * ```
 */
export const kolmogorovCumulative = (lambda: number): number => (lambda < crossing ? cumulativeBelow(lambda) : 1 - survivalAbove(lambda))
