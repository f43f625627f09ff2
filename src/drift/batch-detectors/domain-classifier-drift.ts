import { numberOption } from '../../core/options.js'
import { seededRandom, type Random } from '../../core/random.js'
import { auc } from '../../stats/auc.js'
import { normalQuantile } from '../../stats/normal.js'
import { fewestRows, judged, liveRowsFor, power, readBatchOptions, type BatchVerdict } from './batch-detector.js'
import { dot, embeddingSamples, robustColumns, seedOfRows, type EmbeddingSample } from './embedding-sample.js'
import type { EmbeddingDriftOptions } from './mmd-drift.js'
import { placements } from './_placements.js'
import { solver } from './_symmetric-matrix.js'

/** Options of {@link domainClassifierDrift}. */
export interface DomainClassifierDriftOptions extends EmbeddingDriftOptions {
  /** Weight of the squared coefficients (of columns of deviation 1) against the log-likelihood; above 0. @default 1 */
  readonly penalty?: number
}

const name = 'a domain classifier'
const folds = 5
const newtonSteps = 8

/**
 * Domain classifier: whether a logistic regression can tell live rows from reference rows that it was not fitted on.
 *
 * Five folds, an L2 penalty, columns scaled by the pooled rows' quartiles and cut at 4 deviations. The effect is the AUC on held-out rows: .5 is none. p: labels are shuffled and all folds fitted anew, 199
 * times, by one Newton step, from which the regression hardly differs when there is little to find: exact, as what is seen is fitted so too. Interval: ± z standard errors, the larger of
 * DeLong's and the shuffles'. `tolerance` .55, `detect` .65; `rowsNeeded` takes the shuffles' error as growing with √(1/n + 1/m). More than `maximumRows` (1000) rows are drawn
 * from, more than 64 columns are mixed to 64 by random signs. O(shuffles · N · d): about a second for 2 × 1000 rows of 64.
 *
 * **Misleads**: it is linear: a change of spread about the same mean is not seen, see {@link mmdDrift}. Where all rows of both samples are equal it says `ok`: nothing has changed, and of an encoder
 * that gives one answer to everything it sees nothing; that is for `outputChecked`.
 *
 * Source: Lopez-Paz and Oquab, ICLR (2017); DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for rows that are none, of other lengths, or with a number that is not finite
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { domainClassifierDrift } from 'outrigger/drift'
 * const row = (i: number) => Float32Array.of(Math.sin(i), Math.cos(i * 1.3), Math.sin(i * 2.1))
 * const reference = Array.from({ length: 300 }, (_, i) => row(i))
 * const { state, effect } = domainClassifierDrift(reference, Array.from({ length: 200 }, (_, i) => row(i * 1.1).map((x) => x + 0.8)))
 * assert.ok(state === 'drifted' && effect.low > 0.7)
 * ```
 */
export const domainClassifierDrift = (reference: EmbeddingSample, live: EmbeddingSample, options: DomainClassifierDriftOptions = {}): BatchVerdict => {
  const none = 0.5
  const read = readBatchOptions({ name, tolerance: 0.55, detect: 0.65, none, most: 1, permutations: 199 }, options, ['maximumRows', 'penalty'])
  const penalty = numberOption(name, 'penalty', options.penalty ?? 1, { min: 0, exclusive: true })
  const [before, after] = embeddingSamples(name, [reference, live], { maximumRows: options.maximumRows ?? 1000, seed: read.seed, mix: true })
  const [n, m] = [before.length, after.length]
  const rest = { measure: 'auc', reference: n, live: m } as const
  const z = normalQuantile((1 + read.level) / 2)
  const wanted = ((read.detect - read.tolerance) / (z + normalQuantile(power))) ** 2
  if (n < 2 || m < 2) {
    // What chance shows between the halves of the reference says what live rows are needed.
    const half = n >> 1
    const rowsNeeded = n < fewestRows ? Infinity : liveRowsFor((wanted / fitted(before.slice(0, half), before.slice(half), read, penalty).byChance) * (1 / half + 1 / (n - half)), n)
    return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN, rowsNeeded }, read, none)
  }
  const { rows, labels, parts, pValue, byChance } = fitted(before, after, read, penalty)
  const found = placements(parts.map(({ held, fit }) => {
    const weights = fit(labels)
    const scores = (side: number): Float64Array => Float64Array.from(held.filter((row) => labels[row] === side), (row) => dot(rows[row] as Float64Array, weights))
    return { up: scores(1), down: scores(0) }
  }))
  const error = z * Math.sqrt(Math.max(found.variance, byChance))
  const rowsNeeded = liveRowsFor((wanted / byChance) * (1 / n + 1 / m), n)
  // Below .5 there is only chance: an alarm is for what a classifier can tell apart.
  const high = Math.max(none, Math.min(1, found.auc + error))
  return judged({ ...rest, value: found.auc, low: Math.max(0, found.auc - error), high, pValue, rowsNeeded }, read, none)
}

/** The folds of both samples, and what the AUC of one Newton step is by chance: its p-value, and its variance about .5. */
const fitted = (before: readonly Float64Array[], after: readonly Float64Array[], { seed, permutations }: { readonly seed: number | string; readonly permutations: number }, penalty: number): { readonly rows: readonly Float64Array[]; readonly labels: Uint8Array; readonly parts: readonly FoldPart[]; readonly pValue: number; readonly byChance: number } => {
  const [n, m] = [before.length, after.length]
  const random = seededRandom(seedOfRows(seed, [before, after])).substream('folds')
  const rows = robustColumns([...before, ...after], true)
  const labels = Uint8Array.from(rows, (_, row) => (row < n ? 0 : 1))
  // Folds do not look at labels, so that shuffled labels are as good as any.
  const foldOf = shuffled(Uint8Array.from(rows, (_, row) => row % folds), random)
  const parts = Array.from({ length: folds }, (_, fold) => foldParts(rows, foldOf, fold, { share: m / (n + m), penalty }))
  const oneStep = (of: Uint8Array): number => {
    let [won, pairs] = [0, 0]
    for (const { held, step } of parts) {
      const weights = step(of)
      const sides = Uint8Array.from(held, (row) => of[row] as number)
      const positive = sides.reduce((sum, side) => sum + side, 0)
      const both = positive * (held.length - positive)
      if (both > 0) won += both * auc(Float64Array.from(held, (row) => dot(rows[row] as Float64Array, weights)), sides)
      pairs += both
    }
    return won / pairs
  }
  const seen = oneStep(labels)
  let reached = 0
  let squares = 0
  const dealt = Uint8Array.from(labels)
  for (let round = 0; round < permutations; round++) {
    const value = oneStep(shuffled(dealt, random))
    if (value >= seen - 1e-12) reached += 1
    squares += (value - 0.5) ** 2
  }
  return { rows, labels, parts, pValue: (1 + reached) / (1 + permutations), byChance: squares / permutations }
}

const shuffled = (values: Uint8Array, random: Random): Uint8Array => {
  for (let index = values.length - 1; index > 0; index--) {
    const other = random.integer(index + 1)
    ;[values[index], values[other]] = [values[other] as number, values[index] as number]
  }
  return values
}

interface FoldPart {
  readonly held: readonly number[]
  /** Coefficients after one Newton step from 0. */
  readonly step: (labels: Uint8Array) => Float64Array
  /** Coefficients of the penalised regression. */
  readonly fit: (labels: Uint8Array) => Float64Array
}

const foldParts = (rows: readonly Float64Array[], foldOf: Uint8Array, fold: number, { share, penalty }: { readonly share: number; readonly penalty: number }): FoldPart => {
  const indices = Array.from(rows, (_, row) => row)
  const held = indices.filter((row) => foldOf[row] === fold)
  const used = indices.filter((row) => foldOf[row] !== fold)
  const width = (rows[0] as Float64Array).length
  const hessian = (weightOf: (row: number) => number): Float64Array[] => {
    const matrix = Array.from({ length: width }, (_, at) => new Float64Array(width).fill(penalty, at, at + 1))
    for (const index of used) {
      const row = rows[index] as Float64Array
      const weight = weightOf(index)
      for (let i = 0; i < width; i++) {
        const own = matrix[i] as Float64Array
        const scale = weight * (row[i] as number)
        for (let j = 0; j <= i; j++) own[j] = (own[j] as number) + scale * (row[j] as number)
      }
    }
    return matrix
  }
  const gradient = (residualOf: (row: number) => number): Float64Array => {
    const sum = new Float64Array(width)
    for (const index of used) {
      const row = rows[index] as Float64Array
      const residual = residualOf(index)
      for (let column = 0; column < width; column++) sum[column] = (sum[column] as number) + residual * (row[column] as number)
    }
    return sum
  }
  // The intercept stays at the share of live rows: it moves all scores of a fold alike.
  const atZero = solver(hessian(() => share * (1 - share)))
  const step = (labels: Uint8Array): Float64Array => atZero(gradient((row) => (labels[row] as number) - share))
  const offset = Math.log(share / (1 - share))
  const fit = (labels: Uint8Array): Float64Array => {
    let weights: Float64Array = step(labels)
    for (let turn = 1; turn < newtonSteps; turn++) {
      const chance = rows.map((row) => 1 / (1 + Math.exp(-offset - dot(row, weights))))
      const slope = gradient((row) => (labels[row] as number) - (chance[row] as number)).map((value, column) => value - penalty * (weights[column] as number))
      const move = solver(hessian((row) => (chance[row] as number) * (1 - (chance[row] as number))))(slope)
      weights = weights.map((value, column) => value + (move[column] as number))
      if (move.every((value) => Math.abs(value) < 1e-6)) break
    }
    return weights
  }
  return { held, step, fit }
}
