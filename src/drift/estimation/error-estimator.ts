import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { normalQuantile } from '../../stats/normal.js'
import { growLossTree, leafOf, type LossTree } from './_loss-tree.js'
import { opened, sealed } from './_saved.js'
import type { MetricEstimate } from './performance-estimate.js'

/** What may tell how far off a prediction is. `null` and `undefined` are missing. */
export type ErrorFeatures = Readonly<Record<string, number | string | boolean | null | undefined>>

/** A row of the past whose label is known, and that the model was not trained on. */
export interface LabelledPrediction {
  readonly prediction: number
  readonly label: number
  readonly features?: ErrorFeatures
}

/** Options of {@link errorEstimator}. */
export interface ErrorEstimatorOptions {
  /** At least 200 rows. Required, unless `state` has what they taught. */
  readonly reference?: readonly LabelledPrediction[]
  /** Leaves of the tree at most. @default 32 */
  readonly leaves?: number
  /** The probability with which an interval holds the truth. @default 0.95 */
  readonly confidence?: number
  /** Rows below which an estimate says `too-few-rows`. @default 100 */
  readonly minimumRows?: number
  /** @default 1 */
  readonly seed?: number | string
  /** A saved estimator; the options are its own then. */
  readonly state?: ErrorEstimatorState
}

/** An estimator as JSON. */
export interface ErrorEstimatorState {
  readonly format: 'outrigger-error-estimator'
  readonly version: 1
  readonly options: { readonly leaves: number; readonly confidence: number; readonly minimumRows: number; readonly seed: number | string }
  /** Features in order; those with categories have the rank of each. */
  readonly features: readonly { readonly name: string; readonly ranks: Readonly<Record<string, number>> | null }[]
  readonly tree: LossTree
  /** Per leaf: rows, mean and variance of the absolute error, mean and variance of the squared error. */
  readonly losses: readonly (readonly [number, number, number, number, number])[]
  /** The lowest and the highest prediction. */
  readonly range: readonly [number, number]
  readonly checksum: string
}

/** The errors of a window, estimated without its labels. */
export interface ErrorEstimate {
  readonly state: 'ok' | 'too-few-rows' | 'outside-support'
  readonly rows: number
  /** The share of predictions below or above all of the reference. */
  readonly outsideSupport: number
  readonly meanAbsoluteError: MetricEstimate
  readonly rootMeanSquaredError: MetricEstimate
}

/** A window of predictions, as whole numbers per leaf. */
export interface ErrorWindow {
  /** @throws ERR_OUTRIGGER_INVALID_INPUT if the prediction is not finite, or a feature is of another type than in the reference */
  count(prediction: number, features?: ErrorFeatures): void
  estimate(): ErrorEstimate
}

/** Estimates the errors of a regression model, see {@link errorEstimator}. */
export interface ErrorEstimator {
  window(): ErrorWindow
  toJSON(): ErrorEstimatorState
}

const owner = 'an error estimator'
const bad = (why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot estimate errors as ${why}: current value is ${String(value)}`)

/**
 * Estimates the errors of a regression model before any label comes (direct loss estimation, DLE).
 *
 * **Idea**: how far off a prediction is depends on the prediction and on features. A small regression tree learns the absolute error from a half of the
 * reference; the other half measures the mean and the variance of the errors in each leaf, so that no leaf flatters itself (an honest tree).
 * A window is counted by leaf. The interval (normal) holds the chance of the window's rows and the reference's own.
 *
 * **Misleads**: when errors change for the same prediction and features (concept drift); when rows depend on each other; when a window moves
 * within a leaf. Squared errors with a heavy tail need many rows.
 *
 * Source: NannyML's DLE; Athey and Imbens, PNAS 113 (2016), for honest trees.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT, ERR_OUTRIGGER_TOO_FEW_ROWS, ERR_OUTRIGGER_PROFILE for a `state` that was changed
 * @example
 * ```ts
 * import { errorEstimator } from 'outrigger/drift'
 * // Errors are a tenth of the prediction, to either side.
 * const reference = Array.from({ length: 2000 }, (_, i) => ({ prediction: i % 100, label: (i % 100) * (i % 2 === 0 ? 1.1 : 0.9) }))
 * const window = errorEstimator({ reference }).window()
 * for (let i = 0; i < 1000; i++) window.count(50 + (i % 50))
 * assert.ok(Math.abs(window.estimate().meanAbsoluteError.value - 7.45) < 0.3)
 * ```
 */
export const errorEstimator = (options: ErrorEstimatorOptions): ErrorEstimator => {
  optionsObject(owner, options, ['reference', 'leaves', 'confidence', 'minimumRows', 'seed', 'state'])
  if (options.state !== undefined) {
    opened(owner, 'outrigger-error-estimator', options.state)
    for (const [name, value] of Object.entries(options)) if (name !== 'state' && value !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be left out beside \`state\`, which has its own: current value is given`)
  }
  const state = options.state ?? fitted(options)
  const { features, tree, losses, range } = state
  const { confidence, minimumRows } = state.options
  const z = normalQuantile((1 + confidence) / 2)
  return {
    window: () => {
      const counts = new Float64Array(losses.length)
      let outside = 0
      return {
        count: (prediction, given = {}) => {
          const leaf = leafOf(tree, columnsOf(features, prediction, given))
          counts[leaf] = (counts[leaf] as number) + 1
          if (prediction < range[0] || prediction > range[1]) outside += 1
        },
        estimate: () => {
          const rows = counts.reduce((sum, count) => sum + count, 0)
          const mean = (at: 1 | 3): { readonly value: number; readonly half: number } => {
            let [value, variance] = [0, 0]
            losses.forEach((leaf, index) => {
              const share = (counts[index] as number) / rows
              value += share * leaf[at]
              variance += (share / rows) * leaf[at === 1 ? 2 : 4] + (share * share * leaf[at === 1 ? 2 : 4]) / leaf[0]
            })
            return { value, half: z * Math.sqrt(variance) }
          }
          const [absolute, squared] = [mean(1), mean(3)]
          const outsideSupport = rows === 0 ? 0 : outside / rows
          return {
            state: rows < minimumRows ? 'too-few-rows' : outsideSupport > 0.05 ? 'outside-support' : 'ok',
            rows,
            outsideSupport,
            meanAbsoluteError: { value: absolute.value, low: Math.max(0, absolute.value - absolute.half), high: absolute.value + absolute.half },
            rootMeanSquaredError: { value: Math.sqrt(squared.value), low: Math.sqrt(Math.max(0, squared.value - squared.half)), high: Math.sqrt(squared.value + squared.half) },
          }
        },
      }
    },
    toJSON: () => state,
  }
}

/** A row as numbers: the prediction, then each feature; what is missing or a category never seen is NaN. */
const columnsOf = (features: ErrorEstimatorState['features'], prediction: number, given: ErrorFeatures): number[] => {
  if (typeof prediction !== 'number' || !Number.isFinite(prediction)) throw bad('a prediction must be a finite number', prediction)
  if (typeof given !== 'object' || given === null) throw bad('features must be an object of values by name', given)
  return [
    prediction,
    ...features.map(({ name, ranks }) => {
      const value = given[name]
      if (value === undefined || value === null) return NaN
      if (typeof value === 'object' || typeof value === 'function') throw bad(`the feature ${name} must be a number, a string, a boolean or null`, value)
      if (ranks !== null) return Object.hasOwn(ranks, String(value)) ? (ranks[String(value)] as number) : NaN
      if (typeof value !== 'number') throw bad(`the feature ${name} must be a number, as in the reference`, value)
      return value
    }),
  ]
}

const fitted = (given: ErrorEstimatorOptions): ErrorEstimatorState => {
  const { reference, seed = 1 } = given
  if (typeof seed !== 'string') numberOption(owner, 'seed', seed)
  const leaves = numberOption(owner, 'leaves', given.leaves ?? 32, { min: 1, max: 1000, integer: true })
  const confidence = numberOption(owner, 'confidence', given.confidence ?? 0.95, { min: 0.5, max: 0.999 })
  const minimumRows = numberOption(owner, 'minimumRows', given.minimumRows ?? 100, { min: 1, integer: true })
  if (!Array.isArray(reference)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be an array of labelled predictions: current value is ${String(reference)}`)
  const rows = reference as readonly LabelledPrediction[]
  if (rows.length < 200) throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot create ${owner} as the reference must have at least 200 rows: current value is ${rows.length}`)
  const random = seededRandom(seed).substream('halves')
  const errors = rows.map((row) => {
    if (typeof row !== 'object' || row === null) throw bad('a row of the reference must be an object', row)
    const { prediction, label } = row
    if (!Number.isFinite(label)) throw bad('a label must be a finite number', label)
    return Math.abs(label - prediction)
  })
  const isGrown = rows.map(() => random.next() < 0.5)
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.features ?? {})))].sort()
  const features = names.map((name) => {
    const isNumeric = rows.every(({ features: own }) => own?.[name] === undefined || own[name] === null || typeof own[name] === 'number')
    return { name, ranks: isNumeric ? null : ranksOf(rows, errors, isGrown, name) }
  })
  const columns = rows.map((row) => columnsOf(features, row.prediction, row.features ?? {}))
  const half = [...rows.keys()].filter((row) => isGrown[row])
  const grown = growLossTree(half.map((row) => columns[row] as number[]), half.map((row) => errors[row] as number), leaves, 50)
  const sums = Array.from({ length: grown.leaves }, () => [0, 0, 0, 0, 0] as [number, number, number, number, number])
  columns.forEach((row, index) => {
    if (isGrown[index]) return
    const error = errors[index] as number
    const leaf = sums[leafOf(grown.tree, row)] as [number, number, number, number, number]
    ;[1, error, error ** 2, error ** 2, error ** 4].forEach((term, at) => (leaf[at] = (leaf[at] as number) + term))
  })
  const losses = sums.map(([n, absolute, absolute2, squared, squared2]) => {
    if (n < 2) throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot create ${owner} as each leaf must have two rows to measure: current value is ${n}`)
    const variance = (sum: number, squares: number): number => Math.max(0, squares - (sum * sum) / n) / (n - 1)
    return [n, absolute / n, variance(absolute, absolute2), squared / n, variance(squared, squared2)] as const
  })
  const predictions = rows.map(({ prediction }) => prediction)
  const range = [predictions.reduce((a, b) => Math.min(a, b)), predictions.reduce((a, b) => Math.max(a, b))] as const
  return sealed({ format: 'outrigger-error-estimator', version: 1, options: { leaves, confidence, minimumRows, seed }, features, tree: grown.tree, losses, range } as const)
}

/** The 100 most frequent categories, in the order of their mean error: for one number to predict, no other order of them splits better (Fisher, 1958). */
const ranksOf = (rows: readonly LabelledPrediction[], errors: readonly number[], isGrown: readonly boolean[], name: string): Record<string, number> => {
  const found = new Map<string, { n: number; sum: number }>()
  rows.forEach((row, index) => {
    const value = row.features?.[name]
    if (!isGrown[index] || value === undefined || value === null) return
    const own = found.get(String(value)) ?? { n: 0, sum: 0 }
    found.set(String(value), { n: own.n + 1, sum: own.sum + (errors[index] as number) })
  })
  const frequent = [...found].sort((a, b) => b[1].n - a[1].n || (a[0] < b[0] ? -1 : 1)).slice(0, 100)
  return Object.fromEntries(frequent.sort((a, b) => a[1].sum / a[1].n - b[1].sum / b[1].n).map(([category], rank) => [category, rank]))
}
