import { numberOption, optionsObject } from '../core/options.js'
import { isCount, opened, refusedInput, refusedState, sealed, type SketchState } from './_sketch-state.js'
import { LogBuckets } from './_log-buckets.js'

/** Options of {@link DDSketch}. */
export interface DDSketchOptions {
  /** A quantile is off by at most this share of itself; [1e-5, 0.5]. @default 0.01 */
  readonly relativeAccuracy?: number
  /** The most buckets, for positive and for negative values each; 16 to 65 536. @default 2048 */
  readonly maxBuckets?: number
}

/** Buckets from number `from` on. */
export interface LogBucketsState {
  readonly from: number
  readonly counts: readonly number[]
}

/** The state of a {@link DDSketch} as plain data. */
export interface DDSketchState extends SketchState {
  readonly relativeAccuracy: number
  readonly maxBuckets: number
  readonly zeros: number
  readonly positive: LogBucketsState
  readonly negative: LogBucketsState
  readonly min: number | null
  readonly max: number | null
}

const owner = 'a DDSketch'
const smallestNormal = 2 ** -1022

/**
 * Quantiles of a stream within a relative error, from counts that merge exactly.
 *
 * Bucket i counts values x with γ^(i−1) < |x| ≤ γ^i, γ = (1 + a) / (1 − a), so that its middle is off by at most a · |x|. The logarithm is
 * replaced by a cubic in the mantissa, which costs 1 % more buckets and gives the same bucket on every machine. Zeros (and subnormals) have
 * a count of their own. When the buckets of one sign reach over more than `maxBuckets`, the smallest |x| share the last one: the default
 * covers 17 decades at 1 %, and only quantiles that fall into that bucket lose their bound.
 *
 * `merge` gives to the byte what one pass would have, in any order, also where buckets were collapsed. About 25 ns per value, at most
 * 16 bytes per bucket. Not for values around an offset (1e9 ± 1): the error is relative to the whole value.
 *
 * Source: Masson, Rim and Lee, DDSketch, VLDB 12 (2019).
 *
 * @example
 * ```ts
 * import { DDSketch } from 'outrigger/stats'
 * const [first, second] = [new DDSketch(), new DDSketch()]
 * for (let ms = 1; ms <= 1000; ms++) (ms % 2 === 0 ? first : second).add(ms)
 * first.merge(second)
 * assert.ok(Math.abs(first.quantile(0.99) - 990) <= 0.01 * 991)
 * ```
 */
export class DDSketch {
  readonly relativeAccuracy: number
  readonly maxBuckets: number
  readonly #positive: LogBuckets
  readonly #negative: LogBuckets
  #zeros = 0
  #min = Infinity
  #max = -Infinity

  /**
   * @param options - or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
   * @throws ERR_OUTRIGGER_PROFILE for a state that is none, or was changed
   */
  constructor(options: DDSketchOptions | DDSketchState = {}) {
    const isState = typeof options === 'object' && options !== null && 'sketch' in options
    const state = isState ? opened('ddsketch', owner, options) : {}
    if (!isState) optionsObject(owner, options, ['relativeAccuracy', 'maxBuckets'])
    const { relativeAccuracy = 0.01, maxBuckets = 2048 } = options
    this.relativeAccuracy = numberOption(owner, 'relativeAccuracy', relativeAccuracy, { min: 1e-5, max: 0.5 })
    this.maxBuckets = numberOption(owner, 'maxBuckets', maxBuckets, { min: 16, max: 65_536, integer: true })
    this.#positive = new LogBuckets(relativeAccuracy, maxBuckets)
    this.#negative = new LogBuckets(relativeAccuracy, maxBuckets)
    if (isState) this.#restore(state)
  }

  /** How many values were added. */
  get count(): number {
    return this.#zeros + this.#positive.total + this.#negative.total
  }

  /** The least value, exactly; `NaN` of nothing. */
  get min(): number {
    return this.count === 0 ? NaN : this.#min
  }

  /** The greatest value, exactly; `NaN` of nothing. */
  get max(): number {
    return this.count === 0 ? NaN : this.#max
  }

  /** @throws ERR_OUTRIGGER_INVALID_INPUT if it is not finite. Nothing changes then. */
  add(value: number): void {
    if (!Number.isFinite(value)) throw refusedInput(`add to ${owner}`, 'a value must be a finite number', value)
    if (value >= smallestNormal) this.#positive.add(value)
    else if (value <= -smallestNormal) this.#negative.add(-value)
    else this.#zeros += 1
    if (value < this.#min) this.#min = value + 0
    if (value > this.#max) this.#max = value + 0
  }

  /**
   * Adds all that another one has seen.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if its options are others
   */
  merge(other: DDSketch): void {
    if (other.relativeAccuracy !== this.relativeAccuracy || other.maxBuckets !== this.maxBuckets) {
      throw refusedInput('merge two DDSketches', `both must have relativeAccuracy ${this.relativeAccuracy} and maxBuckets ${this.maxBuckets}`, `${other.relativeAccuracy} and ${other.maxBuckets}`)
    }
    this.#positive.merge(other.#positive)
    this.#negative.merge(other.#negative)
    this.#zeros += other.#zeros
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
  }

  /**
   * The value of rank ⌊q (n − 1)⌋, counted from 0 upwards, within the relative accuracy; `NaN` of nothing.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if q is not in [0, 1]
   */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) throw refusedInput('ask for a quantile', '`q` must be in [0, 1]', q)
    const { count } = this
    if (count === 0) return NaN
    const rank = Math.floor(q * (count - 1))
    const below = this.#negative.total
    // The extremes are known, and no bucket reaches beyond them.
    const value = rank < below ? -this.#negative.valueAt(below - 1 - rank) : rank < below + this.#zeros ? 0 : this.#positive.valueAt(rank - below - this.#zeros)
    return Math.min(this.#max, Math.max(this.#min, value))
  }

  /** The state: the same text for the same values, in whatever order they came. */
  toJSON(): DDSketchState {
    const isEmpty = this.count === 0
    return sealed('ddsketch', {
      relativeAccuracy: this.relativeAccuracy,
      maxBuckets: this.maxBuckets,
      zeros: this.#zeros,
      positive: this.#positive.toJSON(),
      negative: this.#negative.toJSON(),
      min: isEmpty ? null : this.#min,
      max: isEmpty ? null : this.#max,
    })
  }

  #restore({ zeros, positive, negative, min, max }: Readonly<Record<string, unknown>>): void {
    if (!isCount(zeros)) throw refusedState(owner, '`zeros` must be a count', zeros)
    if (!this.#positive.restore(positive) || !this.#negative.restore(negative)) throw refusedState(owner, 'its buckets must be counts', positive)
    this.#zeros = zeros
    if (this.count === 0) return
    if (!Number.isFinite(min) || !Number.isFinite(max)) throw refusedState(owner, '`min` and `max` must be numbers', min)
    this.#min = min as number
    this.#max = max as number
  }
}
