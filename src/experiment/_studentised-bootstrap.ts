import { seededRandom } from '../core/random.js'
import { normalQuantile } from '../stats/normal.js'
import { studentTQuantile } from '../stats/student-t.js'

/** How it is drawn. */
export interface Draws {
  readonly level: number
  readonly resamples: number
  readonly seed: number | string
}

/**
 * A studentised bootstrap interval of a weighted mean Σab / Σa (of a plain one, if all weights are 1).
 *
 * Each resample gives t* = (its mean − the mean) / its own standard error, √Σa²(b − mean)² / Σa; the interval is the mean minus the quantiles of t* times the standard error. Skewed
 * values make skewed t*, which a normal interval does not know. What resamples cannot know are the large values that have not come: for these the width is multiplied by t / z, t with as
 * many degrees of freedom as a variance of kurtosis κ has, 2n / (κ − 1). (Without it, log-normal rewards were covered in 93.8 % at 225 effective samples.)
 *
 * Source: Hall, The Bootstrap and Edgeworth Expansion (1992), 3.2; Efron and Tibshirani (1993), 12.5.
 */
export const studentisedBootstrap = (weights: Float64Array, values: Float64Array, { level, resamples, seed }: Draws): { readonly estimate: number; readonly lower: number; readonly upper: number } => {
  const rows = weights.length
  let [whole, product] = [0, 0]
  for (let row = 0; row < rows; row++) {
    whole += weights[row] as number
    product += (weights[row] as number) * (values[row] as number)
  }
  const estimate = product / whole
  // Around the estimate, so that nothing cancels.
  const off = values.map((value, row) => (weights[row] as number) * (value - estimate))
  let [squares, fourths] = [0, 0]
  for (const each of off) {
    squares += each * each
    fourths += each ** 4
  }
  const error = Math.sqrt(squares) / whole
  if (error === 0) return { estimate, lower: estimate, upper: estimate }
  const random = seededRandom(seed)
  const studentised = new Float64Array(resamples)
  for (let round = 0; round < resamples; round++) {
    let [a, ac, aa, aac, aacc] = [0, 0, 0, 0, 0]
    for (let draw = 0; draw < rows; draw++) {
      const row = random.integer(rows)
      const weight = weights[row] as number
      const moved = off[row] as number
      a += weight
      ac += moved
      aa += weight * weight
      aac += weight * moved
      aacc += moved * moved
    }
    const shift = ac / a
    const own = Math.sqrt(Math.max(0, aacc - 2 * shift * aac + shift * shift * aa)) / a
    // A resample without variance or weight says nothing of the scale: the widest answer.
    studentised[round] = own > 0 ? shift / own : shift === 0 ? 0 : Math.sign(shift) * Infinity || 0
  }
  studentised.sort()
  const at = (share: number): number => studentised[Math.min(resamples - 1, Math.max(0, Math.round(share * (resamples + 1)) - 1))] as number
  const kurtosis = (rows * fourths) / squares ** 2
  const tail = (1 + level) / 2
  const wider = (error * studentTQuantile(tail, Math.max(3, (2 * rows) / Math.max(1e-9, kurtosis - 1)))) / normalQuantile(tail)
  return { estimate, lower: estimate - wider * at(tail), upper: estimate - wider * at(1 - tail) }
}
