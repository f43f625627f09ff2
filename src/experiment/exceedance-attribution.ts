import { numberOption, optionsObject } from '../core/options.js'
import { DDSketch, type DDSketchState } from '../stats/ddsketch.js'
import { FailureAttribution, type FailureAttributionOptions, type FailureAttributionState, type UnitFailure } from './failure-attribution.js'
import { isState, openedState, refusedInput, refusedState, type EvidenceState } from './_state.js'

/** Options of {@link ExceedanceAttribution}. */
export interface ExceedanceAttributionOptions extends FailureAttributionOptions {
  /** Of the control's values: what is above is slow. @default 0.95 */
  readonly quantile?: number
  /** How many of the control's values there must be before anything is judged. @default 500 */
  readonly warmUp?: number
}

/** The state of an {@link ExceedanceAttribution} as plain data. */
export interface ExceedanceAttributionState extends EvidenceState {
  readonly kind: 'exceedance-attribution'
  readonly quantile: number
  readonly warmUp: number
  /** `null` before the warm-up is over. */
  readonly threshold: number | null
  readonly control: DDSketchState
  readonly failures: FailureAttributionState
}

/** A value, such as a latency, of a unit in either arm. */
export interface UnitValue extends UnitFailure {
  readonly value: number
}

const owner = 'an exceedance attribution'
const kind = 'exceedance-attribution'

/**
 * Whether the canary is slower (or larger in any other value) than the control in the tail, judged at every value.
 *
 * What exceeds the control's quantile is a failure, and {@link FailureAttribution} judges those. The quantile is learned from the control's values (a
 * sketch within 1 %) and renewed when these have doubled, before they are judged by it; so nothing is assumed about the distribution, and its hours may differ.
 *
 * **Misleads**: after long, each unit has been slow once, and what is new comes from new units only: take a higher quantile for few units with many requests, or the request as the unit where requests are assigned
 * one by one. A shift below the quantile is not seen.
 *
 * @example
 * ```ts
 * import { ExceedanceAttribution } from 'outrigger/experiment'
 * const slow = new ExceedanceAttribution({ quantile: 0.95 })
 * for (let unit = 0; unit < 2000; unit++) {
 *   const isCanary = unit % 10 === 0
 *   slow.push({ unit, isCanary, canaryChance: 0.1, value: (10 + (unit % 97)) * (isCanary ? 1.5 : 1) })
 * }
 * assert.ok(slow.failures.isWorse)
 * ```
 */
export class ExceedanceAttribution {
  readonly quantile: number
  readonly #warmUp: number
  readonly #control: DDSketch
  /** The evidence, counts and merging of what exceeded the quantile. */
  readonly failures: FailureAttribution
  #threshold = Infinity

  /**
   * @param given - options, or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a state that is none
   */
  constructor(given: ExceedanceAttributionOptions | ExceedanceAttributionState = {}) {
    const fields = isState(given) ? (openedState(kind, owner, given) as unknown as ExceedanceAttributionState) : undefined
    const { quantile = 0.95, warmUp = 500, ...rest } = given as ExceedanceAttributionOptions
    this.quantile = numberOption(owner, 'quantile', quantile, { min: 0, max: 1 })
    this.#warmUp = numberOption(owner, 'warmUp', warmUp, { min: 1, integer: true })
    if (fields === undefined) {
      optionsObject(owner, rest, ['alpha', 'odds', 'exactUnits', 'filterBits'])
      this.#control = new DDSketch()
      this.failures = new FailureAttribution(rest)
      return
    }
    const { threshold, control, failures } = fields
    if (threshold !== null && !Number.isFinite(threshold)) throw refusedState(owner, '`threshold` must be a finite number or null', threshold)
    this.#control = new DDSketch(control)
    if (!isState(failures)) throw refusedState(owner, '`failures` must be a state', failures)
    this.failures = new FailureAttribution(failures)
    this.#threshold = threshold ?? Infinity
  }

  /** Above which a value is slow; infinite before the warm-up is over. */
  get threshold(): number {
    return this.#threshold
  }

  /**
   * Takes a value in; whether it was slow, and counted.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if the value is not finite, or as `FailureAttribution.fail`. Nothing changes then.
   */
  push(observed: UnitValue): boolean {
    const { unit, isCanary, canaryChance, value } = observed
    if (!Number.isFinite(value)) throw refusedInput('attribute a value', '`value` must be a finite number', value)
    const isCounted = value > this.#threshold && this.failures.fail({ unit, isCanary, canaryChance })
    if (!isCanary) {
      this.#control.add(value)
      const { count } = this.#control
      // At the warm-up, at twice as many, at four times…
      if (count >= this.#warmUp && Number.isInteger(Math.log2(count / this.#warmUp))) this.#threshold = this.#control.quantile(this.quantile)
    }
    return isCounted
  }

  /** The state, to be saved or sent. */
  toJSON(): ExceedanceAttributionState {
    return { kind, version: 1, quantile: this.quantile, warmUp: this.#warmUp, threshold: this.#threshold === Infinity ? null : this.#threshold, control: this.#control.toJSON(), failures: this.failures.toJSON() }
  }
}
