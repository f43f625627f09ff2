import { continuedFraction } from './_continued-fraction.js'
import { halfDeviance, logGammaStep, stirlingRemainder } from './_stirling.js'
import { gammaP, gammaQ, gammaTails, large, uniformTails } from './incomplete-gamma.js'
import { logGammaNearOne } from './log-gamma.js'

/** A point of a beta distribution, with what the caller knows better than x and 1 − x alone tell. */
export interface BetaPoint {
  /** a > 0. */
  readonly a: number
  /** b > 0. */
  readonly b: number
  /** x in (0, 1). */
  readonly x: number
  /** 1 − x, to its own last digits. */
  readonly y: number
  /** (a + b) x − a = b x − a y, to its own last digits. */
  readonly excess: number
}

/** I_x(a, b) and 1 − I_x(a, b). */
export interface BetaTails {
  readonly lower: number
  readonly upper: number
}

/** x^a y^b / B(a, b), written around the mean. */
export const betaKernel = ({ a, b, x, y, excess }: BetaPoint): number => {
  const total = a + b
  const exponent = stirlingRemainder(total) - stirlingRemainder(a) - stirlingRemainder(b) - halfDeviance(a, total * x, excess) - halfDeviance(b, total * y, -excess)
  return Math.sqrt((a / total) * (b / (2 * Math.PI))) * Math.exp(exponent)
}

/** I_x for a ≥ 1 and x up to about the mean, where it stays below 0.87. (DiDonato and Morris, ACM TOMS 18, 1992, formula 9.) */
const lowerByFraction = (point: BetaPoint): number => {
  const { a, b, x, y, excess } = point
  const fraction = continuedFraction(
    (n) => {
      const width = a + 2 * n - 1
      return (((a + n - 1) / width) * ((a + b + n - 1) * x) * n * ((b - n) * x)) / width
    },
    (n) => (n === 0 ? 0 : n + (n * (b - n) * x) / (a + 2 * n - 1)) + ((a + n) / (a + 2 * n + 1)) * (1 - excess + n * (1 + y)),
  )
  return betaKernel(point) / fraction
}

/** ln I_x for a < 1 and x up to about the mean: as for the gamma function, every summand is of the order of a. */
const logLowerOfSmall = ({ a, b, x }: BetaPoint): number => {
  let sum = 0
  let power = 1
  for (let k = 1; Math.abs(power) > 1e-18; k++) {
    power *= (x * (k - b)) / k
    sum += power / (a + k)
  }
  const logGammaAfter = a <= 0.5 ? logGammaNearOne(a) : logGammaNearOne(a - 1) + Math.log(a)
  let value = Math.log1p(a * sum) - logGammaAfter
  // Γ(a + b) / Γ(b) by way of 10 and above.
  let shifted = b
  for (; shifted < 10; shifted++) value -= Math.log1p(a / shifted)
  return value + logGammaStep(shifted, a) + a * Math.log(shifted * x)
}

/** From here up, and with the other parameter up to 100, a beta variable is a gamma variable to 1e-13 of either tail. */
const gammaLike = 1e10

/** Above this a + b, n + a is a to the last digit for the first terms of the fraction, and what it gives is noise. */
const largest = 1e15

/**
 * Both tails at x up to about the mean: the lower one is computed, the upper one is 1 − lower only where that loses less
 * than one digit.
 */
const tailsBelow = (point: BetaPoint): BetaTails => {
  if (point.a < 1) {
    const logLower = logLowerOfSmall(point)
    return { lower: Math.exp(logLower), upper: -Math.expm1(logLower) }
  }
  const lower = lowerByFraction(point)
  return { lower, upper: 1 - lower }
}

const swapped = ({ a, b, x, y, excess }: BetaPoint): BetaPoint => ({ a: b, b: a, x: y, y: x, excess: -excess })

const turned = ({ lower, upper }: BetaTails): BetaTails => ({ lower: upper, upper: lower })

/** −ln of one of x and y by the smaller of the two, which has the digits. */
const minusLog = (x: number, y: number): number => (y < 0.5 ? -Math.log1p(-y) : -Math.log(x))

/** Both parameters large. (DLMF 8.18.9.) */
const uniform = ({ a, b, x, y, excess }: BetaPoint): BetaTails => {
  const total = a + b
  const q = (a / total) * (b / total)
  const scale = 1 / Math.sqrt(total)
  return uniformTails({
    depth: halfDeviance(a, total * x, excess) + halfDeviance(b, total * y, -excess),
    excess,
    slope: (Math.sqrt(a / total) * Math.sqrt(b / (2 * Math.PI))) / excess,
    atMean: [(scale * (a - b)) / total / (3 * Math.sqrt(q)), (scale * scale * (1 - q)) / (12 * q)],
  })
}

/**
 * b up to 3e7 beside an a of nearly 1e15 and more, as a gamma variable: u − b is written so that nothing cancels, and of
 * (b − 1) s² / 24 the part that is linear about the mean s = b / ν goes into ν.
 */
const likeGamma = ({ a, b, x, y, excess }: BetaPoint): BetaTails => {
  const nu = a + (b - 1) / 2
  const s = minusLog(x, y)
  // s − y, whose first terms are y² / 2 + y³ / 3.
  const beyond = y < 1e-4 ? y * y * (0.5 + y * (1 / 3 + y / 4)) : s - y
  const off = -excess - ((b + 1) * y) / 2 + nu * beyond - ((b - 1) * (b / nu) * s) / 12
  const { lower, upper } = gammaTails(b, b + off, off)
  return { lower: upper, upper: lower }
}

/**
 * The regularised incomplete beta function at a point, both tails: whichever is small is computed as itself.
 *
 * A continued fraction below the mean for a ≥ 1, a power series for a < 1; above the mean the same of the mirror image;
 * for one huge and one small parameter the gamma function: ∫ (1 − e^−s)^(b−1) e^(−as) ds is one of s^(b−1) e^(−νs),
 * ν = a + (b − 1) / 2, up to a factor 1 + (b − 1) s² / 24; for two large ones the normal tail and a term more.
 */
export const betaTails = (point: BetaPoint): BetaTails => {
  const { a, b, x, y } = point
  if (a >= gammaLike && b <= 100) {
    const u = (a + (b - 1) / 2) * minusLog(x, y)
    return { lower: gammaQ(b, u), upper: gammaP(b, u) }
  }
  if (b >= gammaLike && a <= 100) return turned(betaTails(swapped(point)))
  if (a >= large && b >= large) return uniform(point)
  if (a + b > largest) return a > b ? likeGamma(point) : turned(likeGamma(swapped(point)))
  return x <= (a + 1) / (a + b + 2) ? tailsBelow(point) : turned(tailsBelow(swapped(point)))
}
