import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { countField, isState, numberField, openedState, refusedInput, refusedState, type EvidenceState } from './_state.js'

/** Options of {@link BoundedMean}. */
export interface BoundedMeanOptions {
  /** The least value there can be. @default 0 */
  readonly min?: number
  /** The largest value there can be. @default 1 */
  readonly max?: number
  /** The chance that the mean ever leaves the interval. @default 0.05 */
  readonly alpha?: number
}

/** The state of a {@link BoundedMean} as plain data. */
export interface BoundedMeanState extends EvidenceState, Required<BoundedMeanOptions> {
  readonly kind: 'bounded-mean'
  readonly count: number
  /** Of the values, as shares of the range. */
  readonly sum: number
  /** Of the squared distances of each value from the mean of all up to it. */
  readonly squares: number
  /** Of the bets, of bets times values, and of what the bets cost. */
  readonly bets: number
  readonly gains: number
  readonly costs: number
}

const owner = 'a bounded mean'
const kind = 'bounded-mean'

/**
 * A confidence sequence for the mean of values between known bounds, without any assumption on their distribution.
 *
 * **Idea**: empirical Bernstein. Before each value a bet λ is fixed by the variance so far, √(2 ln(2/α) / (σ̂² t ln(1 + t))), at most ½. The centre is Σλx / Σλ, and the half-width
 * (ln(2/α) + Σ 4(x − μ̂)² · (−ln(1 − λ) − λ)/4) / Σλ, in shares of the range. O(1) per value.
 *
 * **Guarantee**: exact for any number of values that are independent, or whose mean given the past is constant. For two arms: each with α/2, and the difference of
 * their bounds ({@link differenceOfBounds}).
 *
 * **Misleads**: the bounds must be real, as one value beyond is refused; and a range that is far wider than the values makes it slow to narrow. It is wider
 * than {@link meanSequence}, which assumes many values.
 *
 * Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B (2024), theorem 2.
 *
 * @example
 * ```ts
 * import { BoundedMean } from 'outrigger/experiment'
 * const stars = new BoundedMean({ min: 1, max: 5 })
 * for (let i = 0; i < 4000; i++) stars.push(3 + (i % 3))
 * assert.ok(stars.lower > 3.8 && stars.lower < 4 && stars.upper > 4 && stars.upper < 4.2)
 * ```
 */
export class BoundedMean {
  readonly min: number
  readonly max: number
  readonly alpha: number
  readonly #log: number
  #count = 0
  #sum = 0
  #squares = 0
  #bets = 0
  #gains = 0
  #costs = 0

  /**
   * @param given - options, or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a state that is none
   */
  constructor(given: BoundedMeanOptions | BoundedMeanState = {}) {
    const fields = isState(given) ? openedState(kind, owner, given) : undefined
    if (fields === undefined) optionsObject(owner, given, ['min', 'max', 'alpha'])
    const { min = 0, max = 1, alpha = 0.05 } = given
    this.min = numberOption(owner, 'min', min)
    this.max = numberOption(owner, 'max', max, { min, exclusive: true })
    this.alpha = numberOption(owner, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
    if (alpha === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`alpha\` must be below 1: current value is 1`)
    this.#log = Math.log(2 / alpha)
    if (fields === undefined) return
    this.#count = countField(owner, fields, 'count')
    ;[this.#sum, this.#squares, this.#bets, this.#gains, this.#costs] = ['sum', 'squares', 'bets', 'gains', 'costs'].map((name) => numberField(owner, fields, name, 0)) as [number, number, number, number, number]
    if (this.#sum > this.#count || this.#gains > this.#bets) throw refusedState(owner, '`sum` must be at most `count`, and `gains` at most `bets`', `${this.#sum} and ${this.#gains}`)
  }

  /**
   * Takes a value in.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is outside the bounds. Nothing changes then.
   */
  push(value: number): void {
    if (!(value >= this.min && value <= this.max)) throw refusedInput('add to a bounded mean', `a value must be in [${this.min}, ${this.max}]`, value)
    const x = (value - this.min) / (this.max - this.min)
    const t = this.#count + 1
    const before = (0.5 + this.#sum) / t
    const variance = (0.25 + this.#squares) / t
    const bet = Math.min(0.5, Math.sqrt((2 * this.#log) / (variance * t * Math.log1p(t))))
    this.#bets += bet
    this.#gains += bet * x
    this.#costs += (x - before) ** 2 * (-Math.log1p(-bet) - bet)
    this.#count = t
    this.#sum += x
    this.#squares += (x - (0.5 + this.#sum) / (t + 1)) ** 2
  }

  /** How many values. */
  get count(): number {
    return this.#count
  }

  /** Their plain mean; `NaN` of nothing. */
  get estimate(): number {
    return this.#count === 0 ? NaN : this.min + (this.max - this.min) * (this.#sum / this.#count)
  }

  /** The lower bound as it stands; `min` of nothing. */
  get lower(): number {
    return Math.max(this.min, this.#at(-1))
  }

  /** The upper bound as it stands; `max` of nothing. */
  get upper(): number {
    return Math.min(this.max, this.#at(1))
  }

  /**
   * Adds the values of another process: valid, and about as narrow as if one had seen them all.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if options differ. Nothing changes then.
   */
  merge(other: BoundedMean): void {
    if (other === this || other.min !== this.min || other.max !== this.max || other.alpha !== this.alpha) throw refusedInput('merge bounded means', `they must be two of [${this.min}, ${this.max}] and alpha ${this.alpha}`, `[${other.min}, ${other.max}] and ${other.alpha}`)
    this.#count += other.#count
    this.#sum += other.#sum
    this.#squares += other.#squares
    this.#bets += other.#bets
    this.#gains += other.#gains
    this.#costs += other.#costs
  }

  /** The state, to be saved or sent. */
  toJSON(): BoundedMeanState {
    return { kind, version: 1, min: this.min, max: this.max, alpha: this.alpha, count: this.#count, sum: this.#sum, squares: this.#squares, bets: this.#bets, gains: this.#gains, costs: this.#costs }
  }

  #at(sign: number): number {
    if (this.#count === 0) return sign < 0 ? this.min : this.max
    return this.min + ((this.max - this.min) * (this.#gains + sign * (this.#log + this.#costs))) / this.#bets
  }
}

/**
 * The bounds of treatment − control from the bounds of both: with α/2 in each of them, it holds at α.
 *
 * @example
 * ```ts
 * import { differenceOfBounds } from 'outrigger/experiment'
 * assert.deepEqual(differenceOfBounds({ lower: 0.1, upper: 0.2 }, { lower: 0.5, upper: 0.75 }), { lower: 0.3, upper: 0.65 })
 * ```
 */
export const differenceOfBounds = (control: { readonly lower: number; readonly upper: number }, treatment: { readonly lower: number; readonly upper: number }): { readonly lower: number; readonly upper: number } => ({ lower: treatment.lower - control.upper, upper: treatment.upper - control.lower })
