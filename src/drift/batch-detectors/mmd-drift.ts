import { mmd } from '../../stats/mmd.js'
import { normalQuantile } from '../../stats/normal.js'
import { fewestRows, judged, liveRowsFor, power, readBatchOptions, type BatchVerdict, type ShuffledDetectorOptions } from './batch-detector.js'
import { embeddingSamples, seedOfRows, type EmbeddingOptions, type EmbeddingSample } from './embedding-sample.js'

/** Options of the detectors of embeddings. */
export interface EmbeddingDriftOptions extends ShuffledDetectorOptions, EmbeddingOptions {}

const name = 'an MMD detector'

/**
 * Maximum mean discrepancy: whether embeddings lie elsewhere, in any way a Gaussian kernel sees.
 *
 * p by 199 shuffles ({@link mmd}, bandwidth the median distance). The effect is √max(0, MMD²) of the unbiased estimate, from 0 to √2; its interval is normal about MMD², of the
 * variance of the rows' mean similarities and that of unchanged data. `tolerance` .05, `detect` .2; `rowsNeeded` takes both variances as the kernel's. Of more than
 * `maximumRows` (500) rows in a sample so many are drawn, and `rows` are those compared: O(N² d) for N of both, a second or less.
 *
 * **Misleads**: scale the columns first. In many dimensions all distances are alike, and it sees moved means better than changed shapes.
 *
 * Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola, Journal of Machine Learning Research 13 (2012); Serfling, Approximation Theorems (1980), 5.5, for the variance.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for rows that are none, of other lengths, or with a number that is not finite
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { mmdDrift } from 'outrigger/drift'
 * const row = (i: number) => Float32Array.of(Math.sin(i), Math.cos(i * 1.3), Math.sin(i * 2.1))
 * const reference = Array.from({ length: 200 }, (_, i) => row(i))
 * const live = Array.from({ length: 100 }, (_, i) => row(i * 1.1).map((x) => x + 0.8))
 * assert.equal(mmdDrift(reference, live).state, 'drifted')
 * ```
 */
export const mmdDrift = (reference: EmbeddingSample, live: EmbeddingSample, options: EmbeddingDriftOptions = {}): BatchVerdict => {
  const most = Math.SQRT2
  const read = readBatchOptions({ name, tolerance: 0.05, detect: 0.2, most, permutations: 199 }, options, ['maximumRows'])
  const [before, after] = embeddingSamples(name, [reference, live], { maximumRows: options.maximumRows ?? 500, seed: read.seed })
  const [n, m] = [before.length, after.length]
  const rest = { measure: 'maximum-mean-discrepancy', reference: n, live: m } as const
  const z = normalQuantile((1 + read.level) / 2)
  const neededFor = (squares: number): number => {
    // a s² + b s = c: the variance at 1/n + 1/m = s, and what it may be.
    const a = 2 * squares
    const b = 4 * read.detect ** 2 * Math.sqrt(squares)
    const c = ((read.detect ** 2 - read.tolerance ** 2) / (z + normalQuantile(power))) ** 2
    return liveRowsFor(a === 0 ? 2 : (Math.sqrt(b * b + 4 * a * c) - b) / 2 / a, n)
  }
  if (n < 2 || m < 2) {
    // How rows of the reference differ among themselves says what live ones are needed.
    const halves = [before.slice(0, n >> 1), before.slice(n >> 1)] as const
    const rowsNeeded = n < fewestRows ? Infinity : neededFor(similarities(...halves, mmd(...halves, { permutations: 0 }).bandwidth).squares)
    return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN, rowsNeeded }, read)
  }
  const { statistic, pValue, bandwidth } = mmd(before, after, { permutations: read.permutations, seed: seedOfRows(read.seed, [before, after]) })
  const { projected, squares } = similarities(before, after, bandwidth)
  const spread = 1 / n + 1 / m
  const error = z * Math.sqrt(projected + 2 * spread * spread * squares)
  const effectOf = (squared: number): number => Math.min(most, Math.sqrt(Math.max(0, squared)))
  return judged({ ...rest, value: effectOf(statistic), low: effectOf(statistic - error), high: effectOf(statistic + error), pValue, rowsNeeded: neededFor(squares) }, read)
}

/** The variance of MMD² that comes from the rows' mean similarities, and the mean square of the kernel when it is centred. */
const similarities = (before: readonly Float64Array[], after: readonly Float64Array[], bandwidth: number): { readonly projected: number; readonly squares: number } => {
  const all = [...before, ...after]
  const [n, m] = [before.length, after.length]
  const toBefore = new Float64Array(n + m)
  const toAfter = new Float64Array(n + m)
  let squared = 0
  for (let one = 0; one < all.length; one++) {
    for (let two = 0; two < one; two++) {
      const [x, y] = [all[one] as Float64Array, all[two] as Float64Array]
      let distance = 0
      for (let column = 0; column < x.length; column++) distance += ((x[column] as number) - (y[column] as number)) ** 2
      const similarity = Math.exp(-distance / bandwidth / bandwidth / 2)
      squared += 2 * similarity * similarity
      if (two < n) toBefore[one] = (toBefore[one] as number) + similarity
      else toAfter[one] = (toAfter[one] as number) + similarity
      if (one < n) toBefore[two] = (toBefore[two] as number) + similarity
      else toAfter[two] = (toAfter[two] as number) + similarity
    }
  }
  const size = n + m
  const witness = toBefore.map((sum, row) => (row < n ? sum / (n - 1) - (toAfter[row] as number) / m : sum / n - (toAfter[row] as number) / (m - 1)))
  const rowMeans = toBefore.map((sum, row) => (sum + (toAfter[row] as number)) / (size - 1))
  const mean = rowMeans.reduce((sum, value) => sum + value, 0) / size
  const squares = Math.max(0, squared / size / (size - 1) - (2 * rowMeans.reduce((sum, value) => sum + value * value, 0)) / size + mean * mean)
  return { projected: 4 * (varianceOf(witness.subarray(0, n)) / n + varianceOf(witness.subarray(n)) / m), squares }
}

const varianceOf = (values: Float64Array): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
}
