import { OutriggerError } from '../../core/errors.js'
import { areCounts, opened, refused, sealed } from './_saved.js'
import { cellOf, type ScoreCells } from './_score-cells.js'
import type { LateCounts } from './_corrected-metrics.js'

/** A window as JSON. */
export interface PerformanceWindowState {
  readonly format: 'outrigger-performance-window'
  readonly version: 1
  /** The checksum of the estimator that it belongs to. */
  readonly estimator: string
  readonly rows: readonly number[]
  readonly positive: readonly number[]
  readonly negative: readonly number[]
  readonly checksum: string
}

const owner = 'a performance window'

/**
 * The scores of a window, and the labels that came for them, as whole numbers per cell of score.
 *
 * Made by `estimator.window()`. Windows of many workers merge exactly, in any order. 3 × 66 counts by default, whatever the traffic.
 */
export class PerformanceWindow {
  readonly #cells: ScoreCells
  readonly #counts: LateCounts
  /** The checksum of the estimator that made it. */
  readonly estimator: string

  /** @internal */
  constructor(cells: ScoreCells, estimator: string, state?: PerformanceWindowState) {
    this.#cells = cells
    this.estimator = estimator
    const length = cells.edges.length + 1
    this.#counts = { rows: new Float64Array(length), positive: new Float64Array(length), negative: new Float64Array(length) }
    if (state !== undefined) this.#restore(state, length)
  }

  #restore(state: unknown, length: number): void {
    const content = opened(owner, 'outrigger-performance-window', state)
    if (content['estimator'] !== this.estimator) throw refused(owner, `it must be of the estimator ${this.estimator}`, content['estimator'])
    for (const name of ['rows', 'positive', 'negative'] as const) {
      const counts = content[name]
      if (!areCounts(counts, length)) throw refused(owner, `\`${name}\` must be ${length} whole numbers`, counts)
      this.#counts[name].set(counts)
    }
  }

  /**
   * Counts the score of a prediction.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is not a finite number
   */
  count(score: number): void {
    const cell = this.#cellOf(score)
    this.#counts.rows[cell] = (this.#counts.rows[cell] as number) + 1
  }

  /**
   * Counts the label of a prediction, whose score was counted before, in this window or in one that it will be merged with.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if the score is not a finite number, or the label not 0, 1, `true` or `false`
   */
  label(score: number, label: number | boolean): void {
    if (label !== true && label !== false && label !== 0 && label !== 1) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a label as it must be 0, 1, true or false: current value is ${String(label)}`)
    const counts = Number(label) === 1 ? this.#counts.positive : this.#counts.negative
    const cell = this.#cellOf(score)
    counts[cell] = (counts[cell] as number) + 1
  }

  /** Counts a row, and gives what its label will need: for a `labelTracker`. */
  place(score: number): unknown {
    this.count(score)
    return score
  }

  /** Whether a JSON value is what `place` gave. */
  isPlace(place: unknown): boolean {
    return Number.isFinite(place)
  }

  /** Counts the label of a row that was placed. */
  settle(place: unknown, label: number | boolean): void {
    this.label(place as number, label)
  }

  #cellOf(score: number): number {
    if (typeof score !== 'number' || !Number.isFinite(score)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a score as it must be a finite number: current value is ${String(score)}`)
    return cellOf(this.#cells, score)
  }

  /**
   * Adds the counts of another window of the same estimator.
   *
   * @throws ERR_OUTRIGGER_PROFILE if it is of another one
   */
  merge(other: PerformanceWindow): void {
    if (other.estimator !== this.estimator) throw refused(owner, `windows that merge must be of one estimator, ${this.estimator}`, other.estimator)
    for (const name of ['rows', 'positive', 'negative'] as const) other.#counts[name].forEach((count, cell) => (this.#counts[name][cell] = (this.#counts[name][cell] as number) + count))
  }

  /** Rows, and how many of them have their label. */
  get size(): { readonly rows: number; readonly labels: number } {
    const { rows, positive, negative } = this.#counts
    const total = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0)
    return { rows: total(rows), labels: total(positive) + total(negative) }
  }

  /** @internal */
  get counts(): LateCounts {
    return this.#counts
  }

  toJSON(): PerformanceWindowState {
    const { rows, positive, negative } = this.#counts
    return sealed({ format: 'outrigger-performance-window', version: 1, estimator: this.estimator, rows: [...rows], positive: [...positive], negative: [...negative] } as const)
  }
}
