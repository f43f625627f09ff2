import { OutriggerError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { calibrationOf, type LabelledCells } from './_calibration.js'
import { correctedMetrics, fewestLabels } from './_corrected-metrics.js'
import { estimatorState } from './_estimator-state.js'
import { firstPositiveCell } from './_score-cells.js'
import { estimateMetrics, type EstimateState, type MetricEstimate, type MetricName, type PerformanceEstimate, type ReferenceCells } from './performance-estimate.js'
import { PerformanceWindow, type PerformanceWindowState } from './performance-window.js'

/** A row of the past whose label is known, and that the model was not trained on. */
export interface LabelledScore {
  /** Larger means more likely positive. */
  readonly score: number
  /** Whether the row is positive; for scores of the top class, whether that class was right. */
  readonly label: number | boolean
  /** What rows share that makes them alike: the day, the hospital, the customer. All rows have one, or none. */
  readonly block?: string | number
}

/** Options of {@link performanceEstimator}. */
export interface PerformanceEstimatorOptions {
  /** At least 100 rows with both labels; with blocks at least 8 of them, at most 2000. Required, unless `state` has them. */
  readonly reference?: readonly LabelledScore[]
  /** Scores of at least this are predicted positive. @default 0.5 */
  readonly threshold?: number
  /** What the score is of: `'positive'`, or `'top-class'`, the confidence of the answer of a model with many classes. @default 'positive' */
  readonly scoreOf?: 'positive' | 'top-class'
  /** The probability with which an interval holds the truth. @default 0.95 */
  readonly confidence?: number
  /** Rows below which an estimate says `too-few-rows`. @default 100 */
  readonly minimumRows?: number
  /** Cells of score. @default 64 */
  readonly cells?: number
  /** Maps drawn by the bootstrap; five draws of labels for each. @default 200 */
  readonly maps?: number
  /** @default 1 */
  readonly seed?: number | string
  /** A saved estimator; the options are its own then. */
  readonly state?: PerformanceEstimatorState
}

/** An estimator as JSON: its options and the reference as counts, from which the maps are made again. */
export interface PerformanceEstimatorState {
  readonly format: 'outrigger-performance-estimator'
  readonly version: 1
  readonly options: Required<Omit<PerformanceEstimatorOptions, 'reference' | 'state'>>
  readonly edges: readonly number[]
  /** The mean score of each cell; `null` where there is none. */
  readonly scores: readonly (number | null)[]
  readonly areProbabilities: boolean
  readonly isIsotonic: boolean
  /** Per block, the positive and the negative rows of each cell. */
  readonly blocks: readonly (readonly [readonly number[], readonly number[]])[]
  readonly checksum: string
}

/** Estimates performance from scores, see {@link performanceEstimator}. */
export interface PerformanceEstimator {
  /** Whether scores are taken as they are, or through an isotonic map. */
  readonly calibration: 'isotonic' | 'none'
  /** By how much the log odds differ between blocks beyond chance, a standard deviation; 0 without blocks. */
  readonly blockSpread: number
  /** An empty window, or a saved one. @throws ERR_OUTRIGGER_PROFILE for one of another estimator, or one that was changed */
  window(state?: PerformanceWindowState): PerformanceWindow
  /**
   * From the scores alone. A few milliseconds.
   *
   * @param options.blocks - how many blocks the window spans. @default 1, the widest interval
   * @throws ERR_OUTRIGGER_PROFILE for a window of another estimator
   */
  estimate(window: PerformanceWindow, options?: { readonly blocks?: number }): PerformanceEstimate
  /**
   * From the scores and the labels that have come, which must be a random part of each predicted class. With fewer than 30 labels
   * in a predicted class it is the uncorrected estimate, and its state `too-few-labels`.
   *
   * @throws ERR_OUTRIGGER_PROFILE for a window of another estimator
   * @throws ERR_OUTRIGGER_INVALID_INPUT if there are more labels than scores
   */
  corrected(window: PerformanceWindow, options?: { readonly blocks?: number }): PerformanceEstimate
  toJSON(): PerformanceEstimatorState
}

const minimumLabels = 30

/**
 * Estimates a classifier's performance from its scores, before any label comes, and corrects it as labels come (CBPE).
 *
 * **Idea**: a calibrated score says how likely the row is positive, so also how likely the answer is right. The expected confusion matrix is a
 * sum over rows. Scores are calibrated by isotonic regression on the reference, if that has the lower Brier score on
 * rows it has not seen (5 folds). The interval is of labels drawn from maps of bootstrapped references: it allows for the chance of the window's
 * rows, for the size of the reference and, with blocks, for days that differ.
 *
 * **Misleads**: when p(label | score) is not what it was (concept drift, a changed prevalence), by just as much, with no sign of it in
 * the scores: see docs/detectors/performance-estimator.md for how far off. Scores within a cell are taken as alike.
 *
 * Source: Kivimäki et al., "Performance estimation in binary classification using calibrated confidence" (2025); NannyML's CBPE.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for a row that is none, ERR_OUTRIGGER_TOO_FEW_ROWS,
 * ERR_OUTRIGGER_PROFILE for a `state` that is none, or was changed
 * @example
 * ```ts
 * import { performanceEstimator } from 'outrigger/drift'
 * const estimator = performanceEstimator({ reference: Array.from({ length: 1000 }, (_, i) => ({ score: (i % 10) / 10, label: (i * 7) % 100 < 10 * (i % 10) })) })
 * const window = estimator.window()
 * for (let i = 0; i < 1000; i++) window.count(i % 2 === 0 ? 0.1 : 0.9)
 * const { state, accuracy } = estimator.estimate(window)
 * assert.equal(state, 'ok')
 * assert.ok(accuracy.low < 0.9 && 0.9 < accuracy.high)
 * ```
 */
export const performanceEstimator = (options: PerformanceEstimatorOptions): PerformanceEstimator => {
  const state = estimatorState(options)
  const { threshold, scoreOf, confidence, minimumRows, maps, seed } = state.options
  // The top class is always predicted.
  const cells = { edges: state.edges, threshold: scoreOf === 'top-class' ? -Infinity : threshold }
  const blocks = state.blocks.map(([positive, negative]): LabelledCells => ({ positive: Float64Array.from(positive), negative: Float64Array.from(negative) }))
  const isInside = state.scores.map((score) => score !== null)
  const scores = Float64Array.from(state.scores, (score, cell) => score ?? (state.edges[Math.max(0, cell - 1)] as number))
  const metrics: MetricName[] = [...(scoreOf === 'positive' ? (['accuracy', 'precision', 'recall', 'f1', 'auc'] as const) : (['accuracy'] as const)), ...(state.areProbabilities ? (['brier'] as const) : [])]
  const reference: ReferenceCells = { ...cells, scores, isInside, metrics, calibration: calibrationOf(blocks, { scores, firstPositive: firstPositiveCell(cells), isIsotonic: state.isIsotonic, draws: maps, random: seededRandom(seed).substream('maps') }) }

  const judged = (window: PerformanceWindow): { readonly rows: number; readonly outsideSupport: number; readonly state: EstimateState } => {
    if (!(window instanceof PerformanceWindow) || window.estimator !== state.checksum) throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot estimate performance as the window must be of this estimator, ${state.checksum}: current value is ${String((window as PerformanceWindow | undefined)?.estimator)}`)
    const { rows } = window.size
    const outside = window.counts.rows.reduce((total, count, cell) => total + (isInside[cell] ? 0 : count), 0)
    const outsideSupport = rows === 0 ? 0 : outside / rows
    return { rows, outsideSupport, state: rows < minimumRows ? 'too-few-rows' : outsideSupport > 0.05 ? 'outside-support' : 'ok' }
  }
  const spannedBlocks = ({ blocks = 1 }: { readonly blocks?: number } = {}): number => numberOption('an estimate of performance', 'blocks', blocks, { min: 1 })
  const estimate: PerformanceEstimator['estimate'] = (window, given) => {
    const spanned = spannedBlocks(given)
    return { ...judged(window), labels: 0, ...complete(estimateMetrics(reference, window.counts.rows, { confidence, blocks: spanned, random: seededRandom(seed).substream('labels') })) }
  }
  return {
    calibration: reference.calibration.kind,
    blockSpread: reference.calibration.blockSpread,
    window: (saved) => new PerformanceWindow(cells, state.checksum, saved),
    estimate,
    corrected: (window, given) => {
      spannedBlocks(given)
      const found = judged(window)
      const { counts } = window
      counts.rows.forEach((rows, cell) => {
        const labels = (counts.positive[cell] as number) + (counts.negative[cell] as number)
        if (labels > rows) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot correct an estimate as each label must be of a score that was counted: current value is ${labels} labels for ${rows} scores`)
      })
      if (found.rows < minimumRows || fewestLabels(reference, counts) < minimumLabels) {
        const uncorrected = estimate(window, given)
        return { ...uncorrected, state: uncorrected.state === 'ok' ? 'too-few-labels' : uncorrected.state }
      }
      return { ...found, labels: window.size.labels, state: 'ok', ...complete(correctedMetrics(reference, counts, confidence)) }
    },
    toJSON: () => state,
  }
}

const complete = (metrics: Partial<Record<MetricName, MetricEstimate>>): Pick<PerformanceEstimate, 'accuracy'> & Partial<Record<MetricName, MetricEstimate>> => ({ ...metrics, accuracy: metrics.accuracy as MetricEstimate })
