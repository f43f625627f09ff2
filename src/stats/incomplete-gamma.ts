import { continuedFraction } from './_continued-fraction.js'
import { halfDeviance, stirlingRemainder } from './_stirling.js'
import { logGammaNearOne } from './log-gamma.js'

/** x^a e^−x / Γ(a), written around x = a, where the three factors would cancel to nothing. */
export const gammaKernel = (a: number, x: number, excess: number = x - a): number => Math.sqrt(a / (2 * Math.PI)) * Math.exp(-halfDeviance(a, x, excess) - stirlingRemainder(a))

/** P by its power series, for 1 ≤ a and x < a + 1, where P stays below 0.87. */
const lowerBySeries = (a: number, x: number, excess: number): number => {
  let term = 1 / a
  let sum = term
  for (let k = 1; term > (sum * Number.EPSILON) / 16; k++) {
    term *= x / (a + k)
    sum += term
  }
  return sum * gammaKernel(a, x, excess)
}

/**
 * ln P for a < 1 and x < a + 1, where P may be next to 1 and Q as small as a: every summand is of the order of a, so
 * that 1 − P keeps its digits as −expm1(ln P).
 */
const logLowerOfSmall = (a: number, x: number): number => {
  let sum = 0
  let power = 1
  for (let k = 1; Math.abs(power) > 1e-18; k++) {
    power *= -x / k
    sum += power / (a + k)
  }
  // ln Γ(1 + a), whose series is meant for |a| ≤ ½.
  const logGammaAfter = a <= 0.5 ? logGammaNearOne(a) : logGammaNearOne(a - 1) + Math.log(a)
  return a * Math.log(x) - logGammaAfter + Math.log1p(a * sum)
}

/** Q by its continued fraction, for x ≥ a + 1. */
const upperByFraction = (a: number, x: number, excess: number): number => {
  const start = excess + 1
  return (
    gammaKernel(a, x, excess) /
    continuedFraction(
      (n) => -n * (n - a),
      (n) => start + 2 * n,
    )
  )
}

const outside = (a: number, x: number): boolean => !(a > 0) || !(x >= 0) || a === Infinity

/** Both tails of a distribution. */
export interface Tails {
  readonly lower: number
  readonly upper: number
}

/** A point of a distribution with a large parameter, as Temme's expansion wants it. */
export interface UniformPoint {
  /** The exponent of the density: from the mean D = 0, −D. */
  readonly depth: number
  /** How far above the mean the point is: only its sign counts. */
  readonly excess: number
  /** e^D times the first term of the tail's asymptotic series, with the sign of the excess. */
  readonly slope: number
  /** √2π times the limit of what is added to the normal tail at D = 0, and its growth with ±√2D. */
  readonly atMean: readonly [value: number, growth: number]
}

/**
 * Tails of a gamma or beta distribution whose parameters are at least 3e7: the normal tail at √2D, and one term more, the first of a uniform expansion. The
 * next one is beyond the digits promised. O(1). (Temme, SIAM Journal on Mathematical Analysis 10 (1979) and 13 (1982); DLMF 8.12 and 8.18.)
 */
export const uniformTails = ({ depth, excess, slope, atMean }: UniformPoint): Tails => {
  const sign = excess < 0 ? -1 : 1
  const half = gammaQ(0.5, depth) / 2
  // Near the mean the two poles cancel, and their difference is written out.
  const added = depth < 1e-4 ? (atMean[0] + atMean[1] * sign * Math.sqrt(2 * depth)) / Math.sqrt(2 * Math.PI) : slope - sign / (2 * Math.sqrt(Math.PI * depth))
  const small = half + sign * Math.exp(-depth) * added
  return sign > 0 ? { lower: 1 - small, upper: small } : { lower: small, upper: 1 - small }
}

/** From here up by {@link uniformTails}: until there the series and the fraction take some √a terms. */
export const large = 3e7

/** P and Q at x = a + excess, for a ≥ 1 and an excess that the caller may know to its own last digits. */
export const gammaTails = (a: number, x: number, excess: number): Tails => {
  if (a >= large) {
    const root = 1 / Math.sqrt(a)
    return uniformTails({ depth: halfDeviance(a, x, excess), excess, slope: Math.sqrt(a / (2 * Math.PI)) / excess, atMean: [-root / 3, root * root / 12] })
  }
  if (excess >= 1) {
    const upper = upperByFraction(a, x, excess)
    return { lower: 1 - upper, upper }
  }
  const lower = lowerBySeries(a, x, excess)
  return { lower, upper: 1 - lower }
}

/**
 * The regularised lower incomplete gamma function P(a, x) = γ(a, x) / Γ(a), for a > 0 and x ≥ 0.
 *
 * `NaN` outside that domain. Small values keep their relative accuracy, as in {@link gammaQ}, which gives the upper tail.
 * O(√a) steps up to 3e7, then O(1).
 *
 * Source: Abramowitz and Stegun (1964), 6.5.29; Gautschi, ACM TOMS 5 (1979), for the split at x = a + 1.
 *
 * @example
 * ```ts
 * import { gammaP } from 'outrigger/stats'
 * assert.ok(Math.abs(gammaP(1, 2) - (1 - Math.exp(-2))) < 1e-15)
 * ```
 */
export const gammaP = (a: number, x: number): number => {
  if (outside(a, x)) return NaN
  if (x === 0) return 0
  if (x === Infinity) return 1
  if (a < 1 && x < a + 1) return Math.exp(logLowerOfSmall(a, x))
  return a < 1 ? 1 - upperByFraction(a, x, x - a) : gammaTails(a, x, x - a).lower
}

/**
 * The regularised upper incomplete gamma function Q(a, x) = 1 − P(a, x), for a > 0 and x ≥ 0.
 *
 * It is computed as itself wherever it is small, so that a tail of 1e-280 keeps its digits: the relative error stays
 * below 1e-12 or 8 |ln Q| ε, whichever is larger (held against 40 digits for a from 1e-6 to 1e30). `NaN` outside its
 * domain. O(√a) steps up to 3e7, then O(1).
 *
 * Source: Abramowitz and Stegun (1964), 6.5.29 and 6.5.31; Gautschi, ACM TOMS 5 (1979), for a < 1; Temme (1979), for large a.
 *
 * @example
 * ```ts
 * import { gammaQ } from 'outrigger/stats'
 * assert.ok(Math.abs(gammaQ(1, 600) / Math.exp(-600) - 1) < 1e-12)
 * ```
 */
export const gammaQ = (a: number, x: number): number => {
  if (outside(a, x)) return NaN
  if (x === 0) return 1
  if (x === Infinity) return 0
  if (a < 1 && x < a + 1) return -Math.expm1(logLowerOfSmall(a, x))
  return a < 1 ? upperByFraction(a, x, x - a) : gammaTails(a, x, x - a).upper
}
