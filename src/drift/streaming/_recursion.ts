import { InvalidOptionError } from '../../core/errors.js'
import { normalQuantile } from '../../stats/normal.js'

/** How a value follows from those before: a map to normal scores, and an autoregression of these. */
export interface Recursion {
  /** Quantiles of the reference, increasing, and their normal scores; between them the map is linear. */
  readonly knots: number[]
  readonly knotScores: number[]
  /** Of the score one value before, two before, and so on. */
  readonly coefficients: number[]
}

const knotCount = 32
/** Scores beyond these are no larger: an outlier disturbs the values after it no more than that. */
const largestScore = 6

/** Learns the map from quantiles, and the autoregression from autocovariances (Yule–Walker, solved by Levinson and Durbin). */
export const learnRecursion = (kind: string, values: Float64Array, order: number): Recursion => {
  const sorted = values.slice().sort()
  const n = sorted.length
  const knots: number[] = []
  const knotScores: number[] = []
  // Without the very ends, which are what is least known.
  for (let knot = 1; knot < knotCount; knot++) {
    const index = Math.round(((n - 1) * knot) / knotCount)
    if (sorted[index] === knots.at(-1)) continue
    knots.push(sorted[index] as number)
    knotScores.push(normalQuantile((index + 0.5) / n))
  }
  if (knots.length < 8) throw new InvalidOptionError(`Cannot create ${kind} as with an \`order\` its reference must have at least 8 different values among 31 quantiles: current value is ${knots.length}`)
  const recursion = { knots, knotScores, coefficients: [] }
  const scores = values.map((value) => scoreOf(recursion, value))
  const mean = scores.reduce((sum, score) => sum + score, 0) / n
  const covariances = Array.from({ length: order + 1 }, (_, lag) => {
    let sum = 0
    for (let i = lag; i < n; i++) sum += ((scores[i] as number) - mean) * ((scores[i - lag] as number) - mean)
    return sum / n
  })
  return { ...recursion, coefficients: yuleWalker(covariances) }
}

/** What is left of a value's score once those before are taken into account; `undefined` for the first ones. `recent` is moved on. */
export const innovation = (recursion: Recursion, recent: number[], value: number): number | undefined => {
  const { coefficients } = recursion
  const score = scoreOf(recursion, value)
  let left: number | undefined
  if (recent.length === coefficients.length) {
    left = score
    for (let lag = 0; lag < coefficients.length; lag++) left -= (coefficients[lag] as number) * (recent[lag] as number)
    recent.pop()
  }
  recent.unshift(score)
  return left
}

const scoreOf = ({ knots, knotScores }: Recursion, value: number): number => {
  const last = knots.length - 1
  let low = 0
  let high = last
  if (value <= (knots[0] as number) || value >= (knots[last] as number)) high = last
  else
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (value < (knots[middle] as number)) high = middle
      else low = middle
    }
  // Outside of the knots the line through the first and the last goes on.
  const slope = ((knotScores[high] as number) - (knotScores[low] as number)) / ((knots[high] as number) - (knots[low] as number))
  const from = value >= (knots[last] as number) ? last : low
  return Math.max(-largestScore, Math.min(largestScore, (knotScores[from] as number) + (value - (knots[from] as number)) * slope))
}

const yuleWalker = (covariances: readonly number[]): number[] => {
  let coefficients: number[] = []
  let error = covariances[0] as number
  for (let k = 1; k < covariances.length; k++) {
    let rest = covariances[k] as number
    coefficients.forEach((coefficient, lag) => (rest -= coefficient * (covariances[k - 1 - lag] as number)))
    const reflection = error > 0 ? rest / error : 0
    const before = coefficients
    coefficients = [...before.map((coefficient, lag) => coefficient - reflection * (before[before.length - 1 - lag] as number)), reflection]
    error *= 1 - reflection * reflection
  }
  return coefficients
}
