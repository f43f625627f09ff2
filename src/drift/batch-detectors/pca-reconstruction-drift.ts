import { numberOption } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { mannWhitney } from '../../stats/mann-whitney.js'
import { normalQuantile } from '../../stats/normal.js'
import { judged, power, readBatchOptions, type BatchDetectorOptions, type BatchVerdict } from './batch-detector.js'
import { drawn, embeddingSamples, robustColumns, type EmbeddingOptions, type EmbeddingSample } from './embedding-sample.js'
import { placements } from './_placements.js'
import { reconstructionError } from './_reconstruction-error.js'

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
 * `detect` .3 are for |δ|; `rowsNeeded` by the variance of the AUC of two exponential distributions (Hanley and McNeil) at `detect`. More than `maximumRows` (2000) rows are drawn from, more than 64 columns are mixed to 64 by random
 * signs. O(N d² + d³ + n m).
 *
 * **Misleads**: a shift along the first components changes nothing. Columns of large variance decide: scale them first. Values count as at most 4 robust deviations from their column's median.
 *
 * Source: Jackson and Mudholkar, Technometrics 21 (1979); Cliff, Psychological Bulletin 114 (1993); DeLong et al., Biometrics 44 (1988); Hanley and McNeil, Radiology 143 (1982).
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
  // Cliff's δ has 4 times the variance of the AUC, which is about one part over the rows of the other half and one over the live ones.
  const theta = (1 + read.detect) / 2
  const [ofReference, ofLive] = [theta / (2 - theta), (2 * theta * theta) / (1 + theta)].map((pairs) => 4 * (pairs - theta * theta)) as [number, number]
  const left = ((read.detect - read.tolerance) / (z + normalQuantile(power))) ** 2 - ofReference / (n - half)
  const rowsNeeded = left > 0 ? Math.ceil(ofLive / left) : Infinity
  const rest = { measure: 'cliffs-delta', reference: n, live: m, rowsNeeded } as const
  if (half < 2 || m === 0) return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN }, read)
  const order = drawn(before.map((_, row) => row), n - 1, seededRandom(read.seed).substream('halves'))
  const fitted = new Set(order.slice(0, half))
  const rows = robustColumns([...before, ...after], false)
  const errorOf = reconstructionError(rows.filter((_, row) => fitted.has(row)), explained)
  const errors = [rows.filter((_, row) => row < n && !fitted.has(row)), rows.slice(n)].map((rows) => Float64Array.from(rows, errorOf)) as [Float64Array, Float64Array]
  const { pValue } = mannWhitney(errors[1], errors[0])
  const { auc, variance } = placements([{ up: errors[1], down: errors[0] }])
  const value = 2 * auc - 1
  const error = 2 * z * Math.sqrt(variance)
  return judged({ ...rest, value, low: Math.max(-1, value - error), high: Math.min(1, value + error), pValue }, read)
}
