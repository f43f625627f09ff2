import { refusedInput, refusedState } from './_sketch-state.js'

/** Two means, two variances and a covariance: what CUPED and ratios need of a sample of pairs. */
export interface PairedSummary {
  readonly count: number
  readonly meanX: number
  readonly meanY: number
  /** Sample variances and covariance, divided by count − 1. */
  readonly varianceX: number
  readonly varianceY: number
  readonly covariance: number
}

/** The state of {@link PairedMoments} as plain data: sums of squares and products around the means. */
export interface PairedMomentsState {
  readonly count: number
  readonly meanX: number
  readonly meanY: number
  readonly xx: number
  readonly yy: number
  readonly xy: number
}

/**
 * Means, variances and the covariance of a stream of pairs (x, y), without keeping them.
 *
 * As `Moments`, with the products of both deviations. O(1) in time and memory. `merge` equals one pass up to rounding.
 *
 * Source: Welford (1962); Chan, Golub and LeVeque (1982).
 *
 * @example
 * ```ts
 * import { PairedMoments } from 'outrigger/stats'
 * const pairs = new PairedMoments()
 * for (const [x, y] of [[1, 2], [2, 4], [3, 9]] as const) pairs.push(x, y)
 * assert.deepEqual([pairs.meanX, pairs.meanY, pairs.varianceX, pairs.covariance], [2, 5, 1, 3.5])
 * ```
 */
export class PairedMoments implements PairedSummary {
  #count = 0
  #meanX = 0
  #meanY = 0
  #xx = 0
  #yy = 0
  #xy = 0

  /**
   * @param state - what `toJSON` of another gave; empty without
   * @throws ERR_OUTRIGGER_PROFILE if it is none
   */
  constructor(state?: PairedMomentsState) {
    if (state === undefined) return
    const { count, meanX, meanY, xx, yy, xy } = state
    if (!Number.isSafeInteger(count) || count < 0 || ![meanX, meanY, xx, yy, xy].every(Number.isFinite) || xx < 0 || yy < 0) throw refusedState('paired moments', 'a state must have a count and five finite numbers', JSON.stringify(state))
    ;[this.#count, this.#meanX, this.#meanY, this.#xx, this.#yy, this.#xy] = [count, meanX, meanY, xx, yy, xy]
  }

  /**
   * Takes a pair in.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if one is not finite. Nothing changes then.
   */
  push(x: number, y: number): void {
    if (!Number.isFinite(x) || !Number.isFinite(y)) throw refusedInput('add to paired moments', 'both values must be finite numbers', `${x} and ${y}`)
    this.#count += 1
    const [dx, dy] = [x - this.#meanX, y - this.#meanY]
    this.#meanX += dx / this.#count
    this.#meanY += dy / this.#count
    this.#xx += dx * (x - this.#meanX)
    this.#yy += dy * (y - this.#meanY)
    this.#xy += dx * (y - this.#meanY)
  }

  /** Takes all that another one has seen in. */
  merge(other: PairedMoments): void {
    if (other.#count === 0) return
    const count = this.#count + other.#count
    const [dx, dy] = [other.#meanX - this.#meanX, other.#meanY - this.#meanY]
    const both = (this.#count * other.#count) / count
    this.#xx += other.#xx + dx * dx * both
    this.#yy += other.#yy + dy * dy * both
    this.#xy += other.#xy + dx * dy * both
    this.#meanX += dx * (other.#count / count)
    this.#meanY += dy * (other.#count / count)
    this.#count = count
  }

  /** How many pairs were seen. */
  get count(): number {
    return this.#count
  }

  /** `NaN` before the first pair. */
  get meanX(): number {
    return this.#count === 0 ? NaN : this.#meanX
  }

  /** `NaN` before the first pair. */
  get meanY(): number {
    return this.#count === 0 ? NaN : this.#meanY
  }

  /** `NaN` below two pairs. */
  get varianceX(): number {
    return this.#count < 2 ? NaN : this.#xx / (this.#count - 1)
  }

  /** `NaN` below two pairs. */
  get varianceY(): number {
    return this.#count < 2 ? NaN : this.#yy / (this.#count - 1)
  }

  /** `NaN` below two pairs. */
  get covariance(): number {
    return this.#count < 2 ? NaN : this.#xy / (this.#count - 1)
  }

  /** The state, to be saved or sent. */
  toJSON(): PairedMomentsState {
    return { count: this.#count, meanX: this.#meanX, meanY: this.#meanY, xx: this.#xx, yy: this.#yy, xy: this.#xy }
  }
}
