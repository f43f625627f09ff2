/** The state of {@link Moments} as plain data. */
export interface MomentsState {
  readonly count: number
  readonly mean: number
  /** The sum of squared deviations from the mean. */
  readonly squares: number
}

/**
 * Mean and variance of a stream of numbers, without keeping them.
 *
 * Each value moves the mean by (x − mean) / n, and adds (x − old mean)(x − new mean) to the sum of squares: no large sums that cancel.
 * O(1) in time and memory. `merge` joins two halves; it equals one pass up to rounding, not to the bit. Values must be
 * finite: one `NaN` makes all that follows `NaN`.
 *
 * Source: Welford, Technometrics 4 (1962); Chan, Golub and LeVeque, COMPSTAT (1982), for merging.
 *
 * @example
 * ```ts
 * import { Moments } from 'outrigger/stats'
 * const moments = new Moments()
 * for (const x of [2, 4, 4, 4, 5, 5, 7, 9]) moments.push(x)
 * assert.equal(moments.mean, 5)
 * assert.equal(moments.variance, 32 / 7)
 * ```
 */
export class Moments {
  #count: number
  #mean: number
  #squares: number

  /** @param state - what `toJSON` of another gave; empty without */
  constructor(state: MomentsState = { count: 0, mean: 0, squares: 0 }) {
    this.#count = state.count
    this.#mean = state.mean
    this.#squares = state.squares
  }

  /** Takes one value in. */
  push(value: number): void {
    this.#count += 1
    const before = value - this.#mean
    this.#mean += before / this.#count
    this.#squares += before * (value - this.#mean)
  }

  /** Takes all that another one has seen in. */
  merge(other: Moments): void {
    if (other.#count === 0) return
    const count = this.#count + other.#count
    const difference = other.#mean - this.#mean
    this.#squares += other.#squares + difference * difference * ((this.#count * other.#count) / count)
    this.#mean += difference * (other.#count / count)
    this.#count = count
  }

  /** How many values were seen. */
  get count(): number {
    return this.#count
  }

  /** Their mean; `NaN` before the first. */
  get mean(): number {
    return this.#count === 0 ? NaN : this.#mean
  }

  /** The sample variance (divided by n − 1); `NaN` below two values. */
  get variance(): number {
    return this.#count < 2 ? NaN : this.#squares / (this.#count - 1)
  }

  /** The square root of the sample variance. */
  get standardDeviation(): number {
    return Math.sqrt(this.variance)
  }

  /** The state, to be saved or sent. */
  toJSON(): MomentsState {
    return { count: this.#count, mean: this.#mean, squares: this.#squares }
  }
}
