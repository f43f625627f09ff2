import { OutriggerError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { normalQuantile } from '../../stats/normal.js'
import { correctedError, type ErrorMean } from './_corrected-errors.js'
import { errorState, type ErrorEstimatorState, type ErrorFeatures } from './_error-state.js'
import { ErrorWindow, type ErrorWindowState } from './error-window.js'
import type { EstimateState, MetricEstimate } from './performance-estimate.js'

export type { ErrorEstimatorState, ErrorFeatures }

/** A row of the past whose label is known, and that the model was not trained on. */
export interface LabelledPrediction {
  readonly prediction: number
  readonly label: number
  readonly features?: ErrorFeatures
  /** What rows share that makes their errors alike: the day, the customer. All rows have one, or none. */
  readonly block?: string | number
}

/** Options of {@link errorEstimator}. */
export interface ErrorEstimatorOptions {
  /** At least 200 rows; with blocks at least 8 of them. Required, unless `state` has what they taught. */
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

/** The errors of a window. */
export interface ErrorEstimate {
  readonly state: EstimateState
  readonly rows: number
  /** Rows whose label was used. */
  readonly labels: number
  /** The share of predictions below or above all of the reference. */
  readonly outsideSupport: number
  readonly meanAbsoluteError: MetricEstimate
  readonly rootMeanSquaredError: MetricEstimate
}

/** Estimates the errors of a regression model, see {@link errorEstimator}. */
export interface ErrorEstimator {
  /** By how much the mean absolute error of one block is a multiple of what its rows promise, beyond chance: a standard deviation; 0 without blocks. */
  readonly blockSpread: number
  /** An empty window, or a saved one. @throws ERR_OUTRIGGER_PROFILE for one of another estimator, or one that was changed */
  window(state?: ErrorWindowState): ErrorWindow
  /**
   * Without labels.
   *
   * @param options.blocks - how many blocks the window spans. @default 1, the widest interval
   * @throws ERR_OUTRIGGER_PROFILE for a window of another estimator
   */
  estimate(window: ErrorWindow, options?: { readonly blocks?: number }): ErrorEstimate
  /**
   * With the labels that have come, which must be a random part of the window. With fewer than 30 it is the uncorrected estimate,
   * and its state `too-few-labels`.
   *
   * @throws ERR_OUTRIGGER_PROFILE for a window of another estimator
   * @throws ERR_OUTRIGGER_INVALID_INPUT if there are more labels than predictions
   */
  corrected(window: ErrorWindow, options?: { readonly blocks?: number }): ErrorEstimate
  toJSON(): ErrorEstimatorState
}

const minimumLabels = 30

/**
 * Estimates the errors of a regression model before any label comes, and corrects them as labels come (direct loss estimation, DLE).
 *
 * **Idea**: how far off a prediction is depends on the prediction and on features. A small regression tree learns the absolute error from a half of the
 * reference; the other half measures the mean and the variance of the errors in each leaf, so that no leaf flatters itself (an honest tree).
 * A window is counted by leaf. The interval (normal) holds the chance of the window's rows, the reference's own and, with blocks, that days differ by a factor.
 *
 * **Misleads**: when errors change for the same prediction and features (concept drift), until labels come; when rows depend on each other and no block
 * says so; when a window moves within a leaf. Squared errors with a heavy tail need many rows.
 *
 * Source: NannyML's DLE; Athey and Imbens, PNAS 113 (2016), for honest trees; Angelopoulos, Duchi and Zrnic, PPI++ (2023), for the correction.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT, ERR_OUTRIGGER_TOO_FEW_ROWS, ERR_OUTRIGGER_PROFILE for a `state` that is none, or was changed
 * @example
 * ```ts
 * import { errorEstimator } from 'outrigger/drift'
 * // Errors are a tenth of the prediction, to either side.
 * const reference = Array.from({ length: 2000 }, (_, i) => ({ prediction: i % 100, label: (i % 100) * (i % 2 === 0 ? 1.1 : 0.9) }))
 * const estimator = errorEstimator({ reference })
 * const window = estimator.window()
 * for (let i = 0; i < 1000; i++) window.count(50 + (i % 50))
 * assert.ok(Math.abs(estimator.estimate(window).meanAbsoluteError.value - 7.45) < 0.3)
 * // Labels show that errors have doubled.
 * for (let i = 0; i < 100; i++) window.label(50 + (i % 50), (50 + (i % 50)) * 1.2)
 * assert.ok(Math.abs(estimator.corrected(window).meanAbsoluteError.value - 14.9) < 0.3)
 * ```
 */
export const errorEstimator = (options: ErrorEstimatorOptions): ErrorEstimator => {
  const state = errorState(options)
  const { losses, blocks: inReference } = state
  const { confidence, minimumRows } = state.options
  const z = normalQuantile((1 + confidence) / 2)

  const judged = (window: ErrorWindow): { readonly rows: number; readonly outsideSupport: number; readonly state: EstimateState } => {
    if (!(window instanceof ErrorWindow) || window.estimator !== state.checksum) throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot estimate errors as the window must be of this estimator, ${state.checksum}: current value is ${String((window as ErrorWindow | undefined)?.estimator)}`)
    const { rows, outside } = window.size
    const outsideSupport = rows === 0 ? 0 : outside / rows
    return { rows, outsideSupport, state: rows < minimumRows ? 'too-few-rows' : outsideSupport > 0.05 ? 'outside-support' : 'ok' }
  }
  const spannedBlocks = ({ blocks = 1 }: { readonly blocks?: number } = {}): number => numberOption('an estimate of errors', 'blocks', blocks, { min: 1 })
  const shown = (absolute: ErrorMean, squared: ErrorMean): Pick<ErrorEstimate, 'meanAbsoluteError' | 'rootMeanSquaredError'> => {
    // On the logarithm: errors have a long tail to one side, and their squares a longer one.
    const bounds = ({ value, variance }: ErrorMean, root: number): MetricEstimate => {
      if (value === 0) return { value, low: 0, high: (z * Math.sqrt(variance)) ** (1 / root) }
      const off = Math.exp((z * Math.sqrt(variance)) / value / root)
      const own = value ** (1 / root)
      return { value: own, low: own / off, high: own * off }
    }
    return { meanAbsoluteError: bounds(absolute, 1), rootMeanSquaredError: bounds(squared, 2) }
  }
  const estimate: ErrorEstimator['estimate'] = (window, given) => {
    const spanned = spannedBlocks(given)
    const found = judged(window)
    const { leaves } = window
    const mean = (of: 'absolute' | 'squared'): ErrorMean => {
      const at = of === 'absolute' ? 1 : 3
      let [value, variance] = [0, 0]
      losses.forEach((leaf, index) => {
        const share = (leaves[index]?.rows as number) / found.rows
        value += share * leaf[at]
        variance += (share / found.rows) * leaf[at === 1 ? 2 : 4] + (share * share * leaf[at === 1 ? 2 : 4]) / leaf[0]
      })
      // Blocks of the window, and those of the reference that measured the leaves.
      if (inReference !== null) variance += (value * inReference[of]) ** 2 * (1 / spanned + 1 / inReference.count)
      return { value, variance }
    }
    return { ...found, labels: 0, ...shown(mean('absolute'), mean('squared')) }
  }
  return {
    blockSpread: inReference?.absolute ?? 0,
    window: (saved) => new ErrorWindow(state, saved),
    estimate,
    corrected: (window, given) => {
      spannedBlocks(given)
      const found = judged(window)
      const { leaves } = window
      const { labels } = window.size
      for (const leaf of leaves) if (leaf.labels > leaf.rows) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot correct an estimate as each label must be of a prediction that was counted: current value is ${leaf.labels} labels for ${leaf.rows} predictions`)
      if (found.rows < minimumRows || (labels < minimumLabels && labels < found.rows)) {
        const uncorrected = estimate(window, given)
        return { ...uncorrected, state: uncorrected.state === 'ok' ? 'too-few-labels' : uncorrected.state }
      }
      return { ...found, labels, state: 'ok', ...shown(correctedError(leaves, losses.map((leaf) => leaf[1]), 'absolute'), correctedError(leaves, losses.map((leaf) => leaf[3]), 'squared')) }
    },
    toJSON: () => state,
  }
}
