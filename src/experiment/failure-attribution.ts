import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { UnitFilter, unitHash } from './_seen-units.js'
import { countField, isState, numberField, openedState, refusedInput, refusedState, type EvidenceState } from './_state.js'

/** Options of {@link FailureAttribution}. */
export interface FailureAttributionOptions {
  /** The chance, over the whole life, that a canary that is no worse is called worse. @default 0.01 */
  readonly alpha?: number
  /** How many times the control's odds of failing the canary's may be, each above 1. @default [1.25, 1.5, 2, 3, 5, 10, 20, 50] */
  readonly odds?: readonly number[]
  /** How many failing units are remembered one by one; then a filter remembers them. @default 4096 */
  readonly exactUnits?: number
  /** Bits of the filter, a power of two. 2¹⁹ (64 kB) loses 1 % of new units after 50 000, 8 % after 100 000. @default 524288 */
  readonly filterBits?: number
}

/** A failure of a unit in either arm. */
export interface UnitFailure {
  /** Who failed: the key by which units are assigned; for an assignment per request, the request. */
  readonly unit: string | number
  readonly isCanary: boolean
  /** The chance with which this unit was given to the canary and not to the control: see {@link FailureAttribution}. */
  readonly canaryChance: number
}

/** The state of a {@link FailureAttribution} as plain data. */
export interface FailureAttributionState extends EvidenceState, Required<FailureAttributionOptions> {
  readonly kind: 'failure-attribution'
  readonly canary: number
  readonly control: number
  readonly repeated: number
  /** How many of the counted failures would be the canary's if it were no worse. */
  readonly expected: number
  /** The logarithm of the highest evidence. */
  readonly logPeak: number
  /** By odds: the logarithm of the likelihood ratio. */
  readonly logRatios: readonly number[]
  /** Of each unit: its hash, and the chance, negative for the control. Empty once there is a filter. */
  readonly units: readonly (readonly [hash: number, chance: number])[]
  readonly filter: string | null
}

const owner = 'a failure attribution'
const kind = 'failure-attribution'
const optionNames = ['alpha', 'odds', 'exactUnits', 'filterBits']

/**
 * Whether the canary fails more than the control, judged at every failure, for as long as one likes.
 *
 * **Idea**: if the canary is no worse, each unit that fails for the first time is the canary's with the chance w with which it was assigned to it, whatever the
 * base rate does meanwhile. Were the canary's odds θ times as high, it would be wθ / (1 − w + wθ). The evidence E is the mean over θ of the likelihood ratios; the canary is worse once E ≥ 1/α.
 * O(odds) per failure, nothing per success.
 *
 * **Guarantee**: at most α of the canaries that are no worse are ever called worse (Ville), at any number of looks. It needs that chance hides
 * who is in which arm: random assignment, by unit or by request. **w is the propensity of the unit's own decision**, among canary
 * and control. Assigned by hash: the weight now, as a ramp moves the units along. From a sticky store: the weight when the unit was stored. Not the traffic's share, and no forced
 * variants. Only a unit's first failure counts: later ones of a sticky unit are no new draw.
 *
 * **Misleads**: weights that fall and rise again; few units that fail repeatedly (little counts); failures of both arms together are not its matter.
 * What the filter forgets is lost for both arms alike.
 *
 * Source: Lindon and Malek (2022), arXiv 2011.03567; Ramdas et al., Game-theoretic statistics (2023). Why it holds when the canary is better, and measured: docs/which-test.md.
 *
 * @example
 * ```ts
 * import { FailureAttribution } from 'outrigger/experiment'
 * const failures = new FailureAttribution({ alpha: 0.01 })
 * for (const unit of ['ann', 'bo', 'cy']) failures.fail({ unit, isCanary: true, canaryChance: 0.05 })
 * assert.ok(failures.isWorse && failures.evidence > 100)
 * assert.equal(failures.fail({ unit: 'ann', isCanary: true, canaryChance: 0.05 }), false) // was counted
 * ```
 */
export class FailureAttribution {
  readonly alpha: number
  readonly odds: readonly number[]
  readonly #exactUnits: number
  readonly #filterBits: number
  readonly #logOdds: readonly number[]
  #logRatios: Float64Array
  #units = new Map<number, number>()
  #filter: UnitFilter | undefined
  #canary = 0
  #control = 0
  #repeated = 0
  #expected = 0
  #logPeak = 0

  /**
   * @param given - options, or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a state that is none
   */
  constructor(given: FailureAttributionOptions | FailureAttributionState = {}) {
    const fields = isState(given) ? openedState(kind, owner, given) : undefined
    if (fields === undefined) optionsObject(owner, given, optionNames)
    const { alpha = 0.01, odds = [1.25, 1.5, 2, 3, 5, 10, 20, 50], exactUnits = 4096, filterBits = 2 ** 19 } = given
    this.alpha = numberOption(owner, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
    if (!Array.isArray(odds) || odds.length === 0) throw new InvalidOptionError(`Cannot create ${owner} as \`odds\` must be a list that is not empty: current value is ${String(odds)}`)
    this.odds = odds.map((value) => numberOption(owner, 'odds', value, { min: 1, exclusive: true }))
    this.#exactUnits = numberOption(owner, 'exactUnits', exactUnits, { min: 0, max: 2 ** 24, integer: true })
    this.#filterBits = numberOption(owner, 'filterBits', filterBits, { min: 64, max: 2 ** 30, integer: true })
    if (!Number.isInteger(Math.log2(filterBits))) throw new InvalidOptionError(`Cannot create ${owner} as \`filterBits\` must be a power of two: current value is ${filterBits}`)
    this.#logOdds = this.odds.map(Math.log)
    this.#logRatios = new Float64Array(this.odds.length)
    if (fields !== undefined) this.#restore(fields)
  }

  /**
   * Takes a failure in. Whether it counted: not if the unit has failed before, or if only one arm was possible.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if the chance is not in [0, 1], or the arm was impossible by it. Nothing changes then.
   */
  fail(failure: UnitFailure): boolean {
    const { unit, isCanary, canaryChance: chance } = failure
    if (!(chance >= 0 && chance <= 1)) throw refusedInput('attribute a failure', '`canaryChance` must be in [0, 1]', chance)
    if ((typeof unit !== 'string' && !Number.isFinite(unit)) || unit === '') throw refusedInput('attribute a failure', '`unit` must be a text that is not empty, or a finite number', unit)
    if (typeof isCanary !== 'boolean') throw refusedInput('attribute a failure', '`isCanary` must be true or false', isCanary)
    if (chance === (isCanary ? 0 : 1)) throw refusedInput('attribute a failure', `the ${isCanary ? 'canary' : 'control'} must have had a chance to get the unit`, `a canaryChance of ${chance}`)
    // Both arms must have been possible, or the arm says nothing.
    if (chance === 0 || chance === 1) return false
    if (!this.#isNew(unitHash(unit), isCanary ? chance : -chance)) {
      this.#repeated++
      return false
    }
    this.#count(isCanary, chance)
    this.#logPeak = Math.max(this.#logPeak, this.logEvidence)
    return true
  }

  /** E: how many times more likely what was seen is if the canary is worse; 1 at the start. */
  get evidence(): number {
    return Math.exp(this.logEvidence)
  }

  /** The natural logarithm of {@link evidence}, which may be too large for a number. */
  get logEvidence(): number {
    const most = Math.max(...this.#logRatios)
    return most + Math.log(this.#logRatios.reduce((sum, log) => sum + Math.exp(log - most), 0) / this.odds.length)
  }

  /** The highest {@link evidence} there ever was. */
  get peak(): number {
    return Math.exp(this.#logPeak)
  }

  /** Whether the evidence has ever reached 1/α: roll back. */
  get isWorse(): boolean {
    return this.#logPeak >= -Math.log(this.alpha)
  }

  /** What was counted. `expected`: how many of the failures would be the canary's if it were no worse. */
  get counts(): { readonly canary: number; readonly control: number; readonly expected: number; readonly repeated: number } {
    return { canary: this.#canary, control: this.#control, expected: this.#expected, repeated: this.#repeated }
  }

  /** The chance that a new unit is taken for one that has failed before, and not counted; 0 while units are remembered one by one. */
  get lossShare(): number {
    return this.#filter?.falseShare ?? 0
  }

  /**
   * Adds the evidence of another process that served **other units**: valid at any number of looks.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if the odds differ, or a unit is in both. Nothing changes then.
   */
  mergeSharded(other: FailureAttribution): void {
    this.#fits(other)
    for (const hash of other.#units.keys()) if (this.#units.has(hash)) throw refusedInput('merge failure attributions of separate units', 'no unit must be in both (see `mergeOverlapping`)', `unit hash ${hash}`)
    this.#logRatios.forEach((log, at) => (this.#logRatios[at] = log + (other.#logRatios[at] as number)))
    this.#canary += other.#canary
    this.#control += other.#control
    this.#expected += other.#expected
    this.#repeated += other.#repeated
    for (const [hash, chance] of other.#units) this.#isNew(hash, chance)
    if (other.#filter !== undefined) this.#filtered().merge(other.#filter)
    this.#logPeak = Math.max(this.#logPeak, this.logEvidence)
  }

  /**
   * Adds the failures of another process that may have served **the same units**: a unit that failed in both counts once, by the failure at the lower chance
   * (weights grow, so that was the first), or the control's at the same. Needs both to remember their units one by one. In any order and grouping the same, to the bit.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if the odds differ, or one has more than `exactUnits` units. Nothing changes then.
   */
  mergeOverlapping(other: FailureAttribution): void {
    this.#fits(other)
    for (const { lossShare } of [this, other]) if (lossShare > 0) throw refusedInput('merge failure attributions of the same units', 'both must remember their units one by one (raise `exactUnits`, or use `averageEvidence`)', 'a filter')
    const before = this.#units.size + other.#units.size
    const units = new Map(this.#units)
    for (const [hash, chance] of other.#units) {
      const mine = units.get(hash)
      const isFirst = mine === undefined || Math.abs(chance) < Math.abs(mine) || (Math.abs(chance) === Math.abs(mine) && chance < mine)
      if (isFirst) units.set(hash, chance)
    }
    this.#repeated += other.#repeated + before - units.size
    this.#units = new Map()
    this.#canary = this.#control = this.#expected = 0
    this.#logRatios.fill(0)
    for (const [hash, chance] of [...units].sort(([a], [b]) => a - b)) {
      this.#isNew(hash, chance)
      this.#count(chance > 0, Math.abs(chance))
    }
    this.#logPeak = Math.max(this.#logPeak, this.logEvidence)
  }

  /** The state, to be saved or sent. */
  toJSON(): FailureAttributionState {
    return {
      kind,
      version: 1,
      alpha: this.alpha,
      odds: this.odds,
      exactUnits: this.#exactUnits,
      filterBits: this.#filterBits,
      canary: this.#canary,
      control: this.#control,
      repeated: this.#repeated,
      expected: this.#expected,
      logPeak: this.#logPeak,
      logRatios: [...this.#logRatios],
      units: [...this.#units],
      filter: this.#filter?.toJSON() ?? null,
    }
  }

  #fits(other: FailureAttribution): void {
    if (other.odds.join() !== this.odds.join() || other.#filterBits !== this.#filterBits) throw refusedInput('merge failure attributions', 'both must have the same `odds` and `filterBits`', `${other.odds.join()} and ${other.#filterBits}`)
    if (other === this) throw refusedInput('merge failure attributions', 'they must be two', 'one')
  }

  #count(isCanary: boolean, chance: number): void {
    if (isCanary) this.#canary++
    else this.#control++
    this.#expected += chance
    for (let at = 0; at < this.odds.length; at++) {
      const whole = Math.log1p(chance * ((this.odds[at] as number) - 1))
      this.#logRatios[at] = (this.#logRatios[at] as number) + (isCanary ? (this.#logOdds[at] as number) - whole : -whole)
    }
  }

  /** Remembers a unit; whether it is new. */
  #isNew(hash: number, chance: number): boolean {
    if (this.#filter !== undefined) return this.#filter.add(hash)
    if (this.#units.has(hash)) return false
    if (this.#units.size < this.#exactUnits) {
      this.#units.set(hash, chance)
      return true
    }
    return this.#filtered().add(hash)
  }

  #filtered(): UnitFilter {
    if (this.#filter === undefined) {
      this.#filter = new UnitFilter(this.#filterBits)
      for (const hash of this.#units.keys()) this.#filter.add(hash)
      this.#units.clear()
    }
    return this.#filter
  }

  #restore(fields: Readonly<Record<string, unknown>>): void {
    this.#canary = countField(owner, fields, 'canary')
    this.#control = countField(owner, fields, 'control')
    this.#repeated = countField(owner, fields, 'repeated')
    this.#expected = numberField(owner, fields, 'expected', 0)
    this.#logPeak = numberField(owner, fields, 'logPeak', 0)
    const { logRatios, units, filter } = fields
    if (!Array.isArray(logRatios) || logRatios.length !== this.odds.length || !logRatios.every(Number.isFinite)) throw refusedState(owner, `\`logRatios\` must be ${this.odds.length} finite numbers`, logRatios)
    this.#logRatios = Float64Array.from(logRatios as number[])
    if (!Array.isArray(units) || units.length > this.#exactUnits || !units.every(isUnit)) throw refusedState(owner, `\`units\` must be at most ${this.#exactUnits} pairs of a hash and a chance`, units)
    this.#units = new Map(units as [number, number][])
    if (filter !== null) this.#filter = new UnitFilter(this.#filterBits, filter)
  }
}

const isUnit = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2 && Number.isSafeInteger(pair[0]) && pair[0] >= 0 && Math.abs(pair[1]) > 0 && Math.abs(pair[1]) < 1
