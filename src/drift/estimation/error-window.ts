import { OutriggerError } from '../../core/errors.js'
import { ExactSum, type ExactSumState } from '../../stats/exact-sum.js'
import { columnsOf, type ErrorEstimatorState, type ErrorFeatures } from './_error-state.js'
import { leafOf } from './_loss-tree.js'
import { areCounts, opened, refused, sealed } from './_saved.js'

/** A prediction, and what may tell how far off it is. */
export interface PredictedRow {
  readonly prediction: number
  readonly features?: ErrorFeatures
}

/** A window as JSON. */
export interface ErrorWindowState {
  readonly format: 'outrigger-error-window'
  readonly version: 1
  /** The checksum of the estimator that it belongs to. */
  readonly estimator: string
  readonly rows: readonly number[]
  /** Predictions outside of the reference. */
  readonly outside: number
  /** Per leaf the sums of |e|, e² and e⁴ of the rows whose label is known. */
  readonly errors: readonly (readonly [ExactSumState, ExactSumState, ExactSumState])[]
  readonly checksum: string
}

/** Per leaf: its rows, and of those whose label is known how many, and the sums of |e|, e² and e⁴. */
export interface LeafErrors {
  readonly rows: number
  readonly labels: number
  readonly absolute: number
  readonly squared: number
  readonly fourth: number
}

const owner = 'an error window'
/** Of a larger error the fourth power is no double. */
const largest = 1e75

/**
 * The predictions of a window by leaf, and the errors of those whose label came.
 *
 * Made by `estimator.window()`. Sums are exact: windows of many workers merge to the byte, in any order. Some 2 kB for each leaf.
 */
export class ErrorWindow {
  readonly #state: ErrorEstimatorState
  readonly #rows: Float64Array
  readonly #errors: readonly (readonly [ExactSum, ExactSum, ExactSum])[]
  #outside = 0
  /** The checksum of the estimator that made it. */
  readonly estimator: string

  /** @internal */
  constructor(estimator: ErrorEstimatorState, saved?: ErrorWindowState) {
    this.#state = estimator
    this.estimator = estimator.checksum
    const leaves = estimator.losses.length
    if (saved === undefined) {
      this.#rows = new Float64Array(leaves)
      this.#errors = estimator.losses.map(() => [new ExactSum(), new ExactSum(), new ExactSum()])
      return
    }
    const { estimator: of, rows, outside, errors } = opened(owner, 'outrigger-error-window', saved)
    if (of !== this.estimator) throw refused(owner, `it must be of the estimator ${this.estimator}`, of)
    if (!areCounts(rows, leaves)) throw refused(owner, `\`rows\` must be ${leaves} whole numbers`, rows)
    if (!areCounts([outside], 1) || (outside as number) > rows.reduce((sum, count) => sum + count, 0)) throw refused(owner, '`outside` must be a count of its rows', outside)
    if (!Array.isArray(errors) || errors.length !== leaves || !errors.every((sums) => Array.isArray(sums) && sums.length === 3)) throw refused(owner, `\`errors\` must be ${leaves} triples of sums`, errors)
    this.#rows = Float64Array.from(rows)
    this.#outside = outside as number
    this.#errors = (errors as [ExactSumState, ExactSumState, ExactSumState][]).map((sums) => sums.map((sum) => new ExactSum(sum ?? null)) as [ExactSum, ExactSum, ExactSum])
    for (const [leaf, sums] of this.#errors.entries()) {
      if (sums.some(({ count, value }) => count !== sums[0].count || value < 0)) throw refused(owner, '`errors` must be sums over the same rows', `leaf ${leaf}`)
    }
  }

  /**
   * Counts a prediction.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is not finite, or a feature is of another type than in the reference
   */
  count(prediction: number, features: ErrorFeatures = {}): void {
    this.#count(this.#leafOf(prediction, features), prediction)
  }

  /**
   * Counts the label of a prediction that was counted before, in this window or in one that it will be merged with.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT as `count`, or if the label is not finite, or further than 1e75 away
   */
  label(prediction: number, label: number, features: ErrorFeatures = {}): void {
    this.#label(this.#leafOf(prediction, features), prediction, label)
  }

  /** Adds the counts of another window of the same estimator. @throws ERR_OUTRIGGER_PROFILE if it is of another one */
  merge(other: ErrorWindow): void {
    if (other.estimator !== this.estimator) throw refused(owner, `windows that merge must be of one estimator, ${this.estimator}`, other.estimator)
    other.#rows.forEach((count, leaf) => (this.#rows[leaf] = (this.#rows[leaf] as number) + count))
    other.#errors.forEach((sums, leaf) => sums.forEach((sum, at) => this.#errors[leaf]?.[at]?.merge(sum)))
    this.#outside += other.#outside
  }

  /** Rows, how many of them have their label, and how many lie outside of the reference's predictions. */
  get size(): { readonly rows: number; readonly labels: number; readonly outside: number } {
    return { rows: this.#rows.reduce((sum, count) => sum + count, 0), labels: this.#errors.reduce((sum, [{ count }]) => sum + count, 0), outside: this.#outside }
  }

  /** @internal */
  get leaves(): LeafErrors[] {
    return this.#errors.map(([absolute, squared, fourth], leaf) => ({ rows: this.#rows[leaf] as number, labels: absolute.count, absolute: absolute.value, squared: squared.value, fourth: fourth.value }))
  }

  /** Counts a row, and gives what its label will need: for a `labelTracker`. */
  place({ prediction, features = {} }: PredictedRow): unknown {
    const leaf = this.#leafOf(prediction, features)
    this.#count(leaf, prediction)
    return [leaf, prediction]
  }

  /** Whether a JSON value is what `place` gave. */
  isPlace(place: unknown): boolean {
    return Array.isArray(place) && place.length === 2 && Number.isInteger(place[0]) && place[0] >= 0 && place[0] < this.#rows.length && Number.isFinite(place[1])
  }

  /** Counts the label of a row that was placed. */
  settle(place: unknown, label: number): void {
    const [leaf, prediction] = place as [number, number]
    this.#label(leaf, prediction, label)
  }

  toJSON(): ErrorWindowState {
    return sealed({ format: 'outrigger-error-window', version: 1, estimator: this.estimator, rows: [...this.#rows], outside: this.#outside, errors: this.#errors.map((sums) => sums.map((sum) => sum.toJSON()) as unknown as [ExactSumState, ExactSumState, ExactSumState]) } as const)
  }

  #leafOf(prediction: number, features: ErrorFeatures): number {
    return leafOf(this.#state.tree, columnsOf(this.#state.features, prediction, features))
  }

  #count(leaf: number, prediction: number): void {
    this.#rows[leaf] = (this.#rows[leaf] as number) + 1
    if (prediction < this.#state.range[0] || prediction > this.#state.range[1]) this.#outside += 1
  }

  #label(leaf: number, prediction: number, label: number): void {
    const error = typeof label === 'number' ? Math.abs(label - prediction) : NaN
    if (!(error <= largest)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a label as it must be a finite number, at most ${largest} from the prediction: current value is ${String(label)}`)
    const [absolute, squared, fourth] = this.#errors[leaf] as readonly [ExactSum, ExactSum, ExactSum]
    absolute.add(error)
    squared.add(error * error)
    fourth.add(error ** 4)
  }
}
