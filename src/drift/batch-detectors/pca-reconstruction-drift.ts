import { numberOption } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { mannWhitney } from '../../stats/mann-whitney.js'
import { normalQuantile } from '../../stats/normal.js'
import { judged, liveRowsFor, power, readBatchOptions, type BatchDetectorOptions, type BatchVerdict } from './batch-detector.js'
import { dot, drawn, embeddingSamples, robustColumns, type EmbeddingOptions, type EmbeddingSample } from './embedding-sample.js'
import { placements } from './_placements.js'
import { symmetricEigen } from './_symmetric-matrix.js'

/** Options of {@link pcaReconstructionDrift}. */
export interface PcaReconstructionDriftOptions extends BatchDetectorOptions, EmbeddingOptions {
  /** The share of the reference's variance that the components hold, in (0, 1). @default 0.8 */
  readonly explained?: number
}

const name = 'a PCA reconstruction detector'

/**
 * PCA reconstruction: whether the relations between columns still hold. Cheap, and the only one here that is blind to where rows lie along the components.
 *
 * Components that hold 80 % of the variance are fitted on a random half of the reference; what they leave of each row, squared, is compared between the other half and the live
 * rows by Mann–Whitney, of which p is. The effect is Cliff's δ = 2 P(error of a live row is larger) − 1, from −1 to 1; below 0 live rows are reconstructed better. Interval by DeLong. `tolerance` .1 and
 * `detect` .3 are for |δ|; `rowsNeeded` takes δ as normal with variance (1/n + 1/m)/3, n the other half. More than `maximumRows` (2000) rows are drawn from, more than 64 columns are mixed to 64 by random
 * signs. O(N d² + d³ + n m).
 *
 * **Misleads**: a shift along the first components changes nothing. Columns of large variance decide: scale them first. Values count as at most 4 robust deviations from their column's median.
 *
 * Source: Jackson and Mudholkar, Technometrics 21 (1979); Cliff, Psychological Bulletin 114 (1993); DeLong et al., Biometrics 44 (1988).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for rows that are none, of other lengths, or with a number that is not finite
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { pcaReconstructionDrift } from 'outrigger/drift'
 * const reference = Array.from({ length: 600 }, (_, i) => [Math.sin(i), 2 * Math.sin(i) + 0.1 * Math.cos(i * 7)])
 * const broken = Array.from({ length: 300 }, (_, i) => [Math.sin(i), 2 * Math.sin(i * 1.7)])
 * const { state, effect } = pcaReconstructionDrift(reference, broken)
 * assert.ok(state === 'drifted' && effect.low > 0.5)
 * ```
 */
export const pcaReconstructionDrift = (reference: EmbeddingSample, live: EmbeddingSample, options: PcaReconstructionDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.1, detect: 0.3, most: 1 }, options, ['maximumRows', 'explained'])
  const explained = numberOption(name, 'explained', options.explained ?? 0.8, { min: 0, max: 0.999, exclusive: true })
  const [before, after] = embeddingSamples(name, [reference, live], { maximumRows: options.maximumRows ?? 2000, seed: read.seed, mix: true })
  const [n, m] = [before.length, after.length]
  const half = Math.floor(n / 2)
  const z = normalQuantile((1 + read.level) / 2)
  const rowsNeeded = liveRowsFor(3 * ((read.detect - read.tolerance) / (z + normalQuantile(power))) ** 2, n - half)
  const rest = { measure: 'cliffs-delta', reference: n, live: m, rowsNeeded } as const
  if (half < 2 || m === 0) return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN }, read)
  const order = drawn(before.map((_, row) => row), n - 1, seededRandom(read.seed).substream('halves'))
  const fitted = new Set(order.slice(0, half))
  const rows = robustColumns([...before, ...after], false)
  const errorOf = reconstruction(rows.filter((_, row) => fitted.has(row)), explained)
  const errors = [rows.filter((_, row) => row < n && !fitted.has(row)), rows.slice(n)].map((rows) => Float64Array.from(rows, errorOf)) as [Float64Array, Float64Array]
  const { pValue } = mannWhitney(errors[1], errors[0])
  const { auc, variance } = placements([{ up: errors[1], down: errors[0] }])
  const value = 2 * auc - 1
  const error = 2 * z * Math.sqrt(variance)
  return judged({ ...rest, value, low: Math.max(-1, value - error), high: Math.min(1, value + error), pValue }, read)
}

/** What the first components of these rows leave of a row, squared. */
const reconstruction = (rows: readonly Float64Array[], explained: number): ((row: Float64Array) => number) => {
  const width = (rows[0] as Float64Array).length
  const centre = Float64Array.from({ length: width }, (_, column) => rows.reduce((sum, row) => sum + (row[column] as number), 0) / rows.length)
  const covariance = Array.from({ length: width }, () => new Float64Array(width))
  for (const row of rows) {
    const off = row.map((value, column) => value - (centre[column] as number))
    for (let i = 0; i < width; i++) for (let j = 0; j < width; j++) (covariance[i] as Float64Array)[j] = ((covariance[i] as Float64Array)[j] as number) + (off[i] as number) * (off[j] as number)
  }
  const eigen = symmetricEigen(covariance)
  const all = eigen.reduce((sum, { value }) => sum + value, 0)
  let held = 0
  const components = eigen.slice(0, Math.max(1, width - 1)).filter(({ value }) => {
    const isNeeded = held < explained * all
    held += value
    return isNeeded
  })
  return (row) => {
    const off = row.map((value, column) => value - (centre[column] as number))
    const left = Float64Array.from(off)
    for (const { vector } of components) {
      const along = dot(off, vector)
      for (let column = 0; column < width; column++) left[column] = (left[column] as number) - along * (vector[column] as number)
    }
    return dot(left, left)
  }
}
