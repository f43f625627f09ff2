/** Which of two models means what it says, once labels come. */
import { Moments, type MomentsState } from '../../stats/moments.js'
import { finiteOf, savedMoments } from '../saved.js'

const bins = 10

/** The calibration of both, from the same labelled rows. */
export interface CalibrationSummary {
  readonly rows: number
  /** The expected calibration error of each, and candidate less primary. */
  readonly primary: number
  readonly candidate: number
  readonly gap: number
  /** The Brier score, candidate less primary, row by row: below 0 the candidate is better. */
  readonly brierDifference: number
}

export interface CalibrationState {
  readonly sums: readonly (readonly number[])[]
  readonly brier: MomentsState
}

/**
 * Calibration of two models that scored the same rows, as these get their labels.
 *
 * Ten cells of equal width for each model, with rows, scores and events summed; the expected calibration error is Σ nᵢ/n · |mean score − rate of events|. With few rows it
 * is above 0 for a perfect model, too (about √(1/n) at ten cells): compare both, do not trust one. The paired Brier difference has an interval. O(1) per row.
 */
export class CalibrationGap {
  readonly brier: Moments
  /** Of each model: rows, sums of scores, events, cell after cell. */
  readonly #sums: readonly [Float64Array, Float64Array]

  /** Throws for what is no state. */
  constructor(state?: CalibrationState) {
    const sumsOf = (saved: readonly number[] | undefined): Float64Array => Float64Array.from({ length: 3 * bins }, (_, at) => (state === undefined ? 0 : finiteOf(saved?.[at])))
    this.#sums = [sumsOf(state?.sums[0]), sumsOf(state?.sums[1])]
    this.brier = state === undefined ? new Moments() : savedMoments(state.brier)
  }

  add(primary: number, candidate: number, happened: boolean): void {
    const event = Number(happened)
    ;[primary, candidate].forEach((score, model) => {
      const at = 3 * Math.min(bins - 1, Math.floor(score * bins))
      const sums = this.#sums[model as 0 | 1]
      sums[at]! += 1
      sums[at + 1]! += score
      sums[at + 2]! += event
    })
    this.brier.push((candidate - event) ** 2 - (primary - event) ** 2)
  }

  merge(other: CalibrationGap): void {
    for (const model of [0, 1] as const) other.#sums[model].forEach((sum, at) => (this.#sums[model][at]! += sum))
    this.brier.merge(other.brier)
  }

  summary(): CalibrationSummary {
    const rows = this.brier.count
    const error = (sums: Float64Array): number => {
      let sum = 0
      for (let at = 0; at < sums.length; at += 3) sum += Math.abs((sums[at + 1] as number) - (sums[at + 2] as number))
      return sum / rows
    }
    const [primary, candidate] = [error(this.#sums[0]), error(this.#sums[1])]
    return { rows, primary, candidate, gap: candidate - primary, brierDifference: this.brier.mean }
  }

  toJSON(): CalibrationState {
    return { sums: this.#sums.map((sums) => [...sums]), brier: this.brier.toJSON() }
  }
}
