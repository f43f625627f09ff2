import { numberOption, optionsObject } from '../core/options.js'
import { logGamma } from '../stats/log-gamma.js'
import { isState, numberField, openedState, refusedInput, refusedState, type EvidenceState } from './_state.js'

/** Options of {@link SampleRatio}. */
export interface SampleRatioOptions {
  /** How many arms. */
  readonly arms: number
  /** The chance, over the whole life, of an alarm without a mismatch. @default 0.001 */
  readonly alpha?: number
  /** How close to the weights a mismatch is expected: its standard deviation is about √(w(1 − w) / concentration). @default 1000 */
  readonly concentration?: number
  /** How many different weights are kept apart; the first ones are summed up when there are more. @default 64 */
  readonly maxEpochs?: number
}

/** The exposures under one set of weights. */
export interface SampleRatioEpoch {
  readonly weights: readonly number[]
  readonly counts: readonly number[]
}

/** The state of a {@link SampleRatio} as plain data. */
export interface SampleRatioState extends EvidenceState, Required<SampleRatioOptions> {
  readonly kind: 'sample-ratio'
  readonly epochs: readonly SampleRatioEpoch[]
  /** The logarithm of the evidence of epochs that were summed up; `null` if infinite. */
  readonly logPast: number | null
  /** The logarithm of the highest evidence; `null` if infinite. */
  readonly logPeak: number | null
}

interface Epoch {
  readonly weights: readonly number[]
  readonly counts: number[]
  log: number
}

const owner = 'a sample ratio test'
const kind = 'sample-ratio'

/**
 * Sample ratio mismatch (SRM): whether the arms get the shares of units that they should, judged at every exposure.
 *
 * **Idea**: under the weights w, the next unit is arm k's with chance w_k. Against it stands the guess from the units so far, (c·w_k + n_k) / (c + n): a
 * Dirichlet mixture around w with concentration c. The evidence is the product of their ratios, over epochs as well: each set of weights has its own counts.
 * An alarm at 1/α. O(1) per exposure. A unit in an arm of weight 0 alarms at once.
 *
 * **Guarantee**: without a mismatch at most α of the experiments ever alarm, at any number of looks and changes of weights (the fixed chi-square test at .001, looked at every
 * 1000 users, alarmed in 2.4 %). Units must be counted **once each**, when they are first exposed: requests, or a unit in two processes, break it.
 *
 * **Misleads**: a loss that hits all arms alike is not seen. What alarms is not the cause: look by segment for where it comes from.
 *
 * Source: Lindon and Malek, "Anytime-valid inference for multinomial count data" (2022), arXiv 2011.03567.
 *
 * @example
 * ```ts
 * import { SampleRatio } from 'outrigger/experiment'
 * const ratio = new SampleRatio({ arms: 2 })
 * for (let i = 0; i < 5000; i++) ratio.expose(i % 2, [0.5, 0.5])
 * assert.ok(!ratio.isMismatch)
 * for (let i = 0; i < 5000; i++) ratio.expose(i % 5 < 3 ? 0 : 1, [0.5, 0.5]) // 60 to 40
 * assert.ok(ratio.isMismatch)
 * ```
 */
export class SampleRatio {
  readonly arms: number
  readonly alpha: number
  readonly concentration: number
  readonly #maxEpochs: number
  readonly #epochs = new Map<string, Epoch>()
  #recent: Epoch | undefined
  #logPast = 0
  #logEvidence = 0
  #logPeak = 0

  /**
   * @param given - options, or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a state that is none
   */
  constructor(given: SampleRatioOptions | SampleRatioState) {
    const fields = isState(given) ? openedState(kind, owner, given) : undefined
    if (fields === undefined) optionsObject(owner, given, ['arms', 'alpha', 'concentration', 'maxEpochs'])
    const { arms, alpha = 0.001, concentration = 1000, maxEpochs = 64 } = given
    this.arms = numberOption(owner, 'arms', arms, { min: 2, max: 1000, integer: true })
    this.alpha = numberOption(owner, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
    this.concentration = numberOption(owner, 'concentration', concentration, { min: 0, exclusive: true })
    this.#maxEpochs = numberOption(owner, 'maxEpochs', maxEpochs, { min: 1, max: 100_000, integer: true })
    if (fields !== undefined) this.#restore(fields)
  }

  /**
   * Counts a unit that was exposed for the first time.
   *
   * @param arm - its position
   * @param weights - of all arms, with sum 1, by which it was assigned
   * @throws ERR_OUTRIGGER_INVALID_INPUT for an arm or weights that are none. Nothing changes then.
   */
  expose(arm: number, weights: readonly number[]): void {
    if (!Number.isInteger(arm) || arm < 0 || arm >= this.arms) throw refusedInput('count an exposure', `\`arm\` must be an integer from 0 to ${this.arms - 1}`, arm)
    const epoch = this.#epochOf(weights)
    const share = epoch.weights[arm] as number
    const { concentration } = this
    const all = epoch.counts.reduce((sum, count) => sum + count, 0)
    const step = Math.log((concentration * share + (epoch.counts[arm] as number)) / ((concentration + all) * share))
    // In an arm of weight 0 the step is that of 0 / 0 or n / 0.
    this.#add(epoch, share === 0 ? Infinity : step)
    epoch.counts[arm] = (epoch.counts[arm] as number) + 1
  }

  /** How many times more likely the counts are under a mismatch; 1 at the start, infinite once an arm of weight 0 has a unit. */
  get evidence(): number {
    return Math.exp(this.#logEvidence)
  }

  /** 1 / the highest evidence, at most 1: a p-value that may be looked at at any time. */
  get pValue(): number {
    return Math.exp(-this.#logPeak)
  }

  /** Whether the evidence has ever reached 1/α. */
  get isMismatch(): boolean {
    return this.#logPeak >= -Math.log(this.alpha)
  }

  /** By weights: the exposures so far; without those that were summed up. */
  get epochs(): readonly SampleRatioEpoch[] {
    return [...this.#epochs.values()].map(({ weights, counts }) => ({ weights, counts: [...counts] }))
  }

  /**
   * Adds the exposures of another process, which must be of **other units**. Exact: the same evidence as if one had counted them all (but for epochs that were summed up).
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if arms or concentration differ. Nothing changes then.
   */
  merge(other: SampleRatio): void {
    if (other === this || other.arms !== this.arms || other.concentration !== this.concentration) throw refusedInput('merge sample ratio tests', `they must be two with ${this.arms} arms and concentration ${this.concentration}`, `${other.arms} and ${other.concentration}`)
    this.#logPast += other.#logPast
    for (const { weights, counts } of other.#epochs.values()) {
      const epoch = this.#epochOf(weights)
      counts.forEach((count, arm) => (epoch.counts[arm] = (epoch.counts[arm] as number) + count))
      epoch.log = this.#logOf(epoch)
    }
    this.#logEvidence = [...this.#epochs.values()].reduce((sum, { log }) => sum + log, this.#logPast)
    this.#logPeak = Math.max(this.#logPeak, this.#logEvidence)
  }

  /** The state, to be saved or sent. */
  toJSON(): SampleRatioState {
    const finite = (value: number): number | null => (value === Infinity ? null : value)
    return { kind, version: 1, arms: this.arms, alpha: this.alpha, concentration: this.concentration, maxEpochs: this.#maxEpochs, epochs: this.epochs, logPast: finite(this.#logPast), logPeak: finite(this.#logPeak) }
  }

  #add(epoch: Epoch, step: number): void {
    epoch.log += step
    this.#logEvidence += step
    this.#logPeak = Math.max(this.#logPeak, this.#logEvidence)
  }

  #epochOf(weights: readonly number[]): Epoch {
    const { arms } = this
    const recent = this.#recent
    if (recent !== undefined && weights?.length === arms && recent.weights.every((weight, arm) => weight === weights[arm])) return recent
    const sum = Array.isArray(weights) ? weights.reduce((total: number, weight: number) => total + weight, 0) : NaN
    if (weights?.length !== arms || weights.some((weight) => !(weight >= 0 && weight <= 1)) || !(Math.abs(sum - 1) <= 1e-9)) throw refusedInput('count an exposure', `\`weights\` must be ${arms} numbers in [0, 1] with sum 1`, `[${String(weights)}]`)
    const key = weights.join()
    let epoch = this.#epochs.get(key)
    if (epoch === undefined) {
      if (this.#epochs.size >= this.#maxEpochs) {
        const [oldest, { log }] = this.#epochs.entries().next().value as [string, Epoch]
        this.#epochs.delete(oldest)
        this.#logPast += log
      }
      epoch = { weights: [...weights], counts: new Array<number>(arms).fill(0), log: 0 }
      this.#epochs.set(key, epoch)
    }
    this.#recent = epoch
    return epoch
  }

  /** ln Γ(c) / Γ(c + n) + Σ ln Γ(c·w + n_k) / Γ(c·w) − n_k ln w: the product of all steps, in whatever order they came. */
  #logOf({ weights, counts }: Epoch): number {
    const { concentration } = this
    const rising = (from: number, count: number): number => (count === 0 ? 0 : logGamma(from + count) - logGamma(from))
    let all = 0
    let log = 0
    counts.forEach((count, arm) => {
      const share = weights[arm] as number
      all += count
      if (count > 0) log += share === 0 ? Infinity : rising(concentration * share, count) - count * Math.log(share)
    })
    return log - rising(concentration, all)
  }

  #restore(fields: Readonly<Record<string, unknown>>): void {
    const { epochs } = fields
    if (!Array.isArray(epochs) || epochs.length > this.#maxEpochs) throw refusedState(owner, `\`epochs\` must be a list of at most ${this.#maxEpochs}`, epochs)
    this.#logPast = fields['logPast'] === null ? Infinity : numberField(owner, fields, 'logPast')
    this.#logPeak = fields['logPeak'] === null ? Infinity : numberField(owner, fields, 'logPeak', 0)
    for (const epoch of epochs as (Partial<SampleRatioEpoch> | null)[]) {
      const { weights, counts } = epoch ?? {}
      if (!Array.isArray(weights) || !Array.isArray(counts) || counts.length !== this.arms || !counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)) throw refusedState(owner, `the counts of an epoch must be ${this.arms} counts`, counts)
      let made: Epoch
      try {
        made = this.#epochOf(weights as number[])
      } catch {
        throw refusedState(owner, `the weights of an epoch must be ${this.arms} numbers in [0, 1] with sum 1`, weights)
      }
      ;(counts as number[]).forEach((count, arm) => (made.counts[arm] = count))
      made.log = this.#logOf(made)
    }
    this.#logEvidence = [...this.#epochs.values()].reduce((sum, { log }) => sum + log, this.#logPast)
  }
}

