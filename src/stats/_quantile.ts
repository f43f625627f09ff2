/** A distribution on (0, ∞), both tails accurate where they are small. */
export interface PositiveDistribution {
  readonly lower: (x: number) => number
  readonly upper: (x: number) => number
  readonly density: (x: number) => number
}

/**
 * The x with a lower tail of p and an upper tail of q = 1 − p: a bracket by steps that square, then Newton's steps on
 * the logarithm of whichever tail is small against ln x, and halving where they leave the bracket.
 *
 * 0 or `Infinity` where the answer is no double. About ten evaluations.
 */
export const positiveQuantile = ({ lower, upper, density }: PositiveDistribution, p: number, q: number): number => {
  if (p === 0) return 0
  if (q === 0) return Infinity
  const isLower = p <= q
  /** Grows with x, 0 at the quantile. */
  const excess = (x: number): number => (isLower ? Math.log(lower(x) / p) : Math.log(q / upper(x)))
  let x = 1
  let value = excess(x)
  if (Number.isNaN(value)) return NaN
  let low = value <= 0 ? x : 0
  let high = value >= 0 ? x : Infinity
  for (let factor = 2; low === 0 || high === Infinity; factor = Math.min(1e60, factor * factor)) {
    x = low === 0 ? high / factor : low * factor
    if (x < 1e-300) return 0
    if (x > 1e300) return Infinity
    value = excess(x)
    if (value >= 0) high = x
    if (value <= 0) low = x
  }
  for (let turn = 0; turn < 200 && low < high; turn++) {
    const slope = (density(x) * x) / (isLower ? lower(x) : upper(x))
    const step = value / slope
    let next = x * Math.exp(-step)
    if (Math.abs(step) <= 4 * Number.EPSILON) return next
    if (!(next > low && next < high)) next = high / low > 2 ? Math.sqrt(low) * Math.sqrt(high) : low + (high - low) / 2
    if (next === low || next === high || next === x) return next
    x = next
    value = excess(x)
    if (value >= 0) high = x
    if (value <= 0) low = x
  }
  return x
}
