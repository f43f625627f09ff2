/** How fast a service spends the error budget of its objective, over a long and a short window at once. Pure. */
import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'

/** When a budget burns too fast: at `rate` times the speed that would just use it up, over both windows. */
export interface BurnRateRule {
  readonly name: string
  readonly rate: number
  readonly longMs: number
  /** So that it ends soon after the trouble does. */
  readonly shortMs: number
}

/** Options of {@link BurnRate}. */
export interface BurnRateOptions {
  /** The share of events that should be good, in (0, 1). */
  readonly objective: number
  /** @default the three of the SRE workbook: `fast` 14.4 over 1 h and 5 min, `slow` 6 over 6 h and 30 min, `creeping` 1 over 3 d and 6 h */
  readonly rules?: readonly BurnRateRule[]
  /** Fewer bad events in the long window than this say nothing: at a low traffic one failure is a large share. @default 10 */
  readonly minimumBad?: number
}

/** What a rule sees. */
export interface BurnRateReading {
  readonly rule: BurnRateRule
  readonly isBurning: boolean
  /** The rates over both windows; 0 without an event. */
  readonly long: number
  readonly short: number
  /** Events in the long window. */
  readonly events: number
  readonly bad: number
}

/** The counts as plain data: by rule, the number of the newest bucket since 1970, and events and bad ones by age. */
export interface BurnRateState {
  readonly objective: number
  readonly rings: readonly { readonly newest: number | null; readonly events: readonly number[]; readonly bad: readonly number[] }[]
}

const minute = 60_000
const hour = 60 * minute
const standard: readonly BurnRateRule[] = [
  { name: 'fast', rate: 14.4, longMs: hour, shortMs: 5 * minute },
  { name: 'slow', rate: 6, longMs: 6 * hour, shortMs: 30 * minute },
  { name: 'creeping', rate: 1, longMs: 72 * hour, shortMs: 6 * hour },
]
const owner = 'a burn rate'
/** The short window in so many buckets: it looks back on between four and five fifths of itself. */
const fifths = 5

/** Events by bucket of time, as far back as the long window. */
class Ring {
  newest = -Infinity
  readonly events: number[]
  readonly bad: number[]
  readonly #bucketMs: number
  readonly #short = fifths

  constructor(readonly rule: BurnRateRule) {
    this.#bucketMs = rule.shortMs / fifths
    const size = Math.ceil(rule.longMs / this.#bucketMs)
    this.events = new Array<number>(size).fill(0)
    this.bad = new Array<number>(size).fill(0)
  }

  goTo(at: number): void {
    const bucket = Math.floor(at / this.#bucketMs)
    if (bucket <= this.newest) return
    // Lists by age: what is as old as the window falls off the end.
    const steps = Math.min(bucket - this.newest, this.events.length)
    for (const list of [this.events, this.bad]) {
      list.copyWithin(steps, 0)
      list.fill(0, 0, steps)
    }
    this.newest = bucket
  }

  /** The clock says so: what lies after it, as when the clock was set back, counts as of now. */
  isNow(at: number): void {
    this.goTo(at)
    const ahead = this.newest - Math.floor(at / this.#bucketMs)
    if (!(ahead > 0) || this.newest === -Infinity) return
    for (const list of [this.events, this.bad]) {
      const later = sum(list, ahead)
      list.copyWithin(0, ahead)
      list.fill(0, Math.max(0, list.length - ahead))
      ;(list[0] as number) += later
    }
    this.newest -= ahead
  }

  /** An event of an earlier time counts where it belongs, or not at all if that is too long ago. */
  add(at: number, events: number, bad: number): void {
    this.goTo(at)
    const age = this.newest - Math.floor(at / this.#bucketMs)
    if (age >= this.events.length) return
    ;(this.events[age] as number) += events
    ;(this.bad[age] as number) += bad
  }

  merge(newest: number, events: readonly number[], bad: readonly number[]): void {
    this.goTo(newest * this.#bucketMs)
    const behind = this.newest - newest
    for (let age = 0; age + behind < this.events.length; age++) {
      ;(this.events[age + behind] as number) += events[age] as number
      ;(this.bad[age + behind] as number) += bad[age] as number
    }
  }

  read(budget: number, minimumBad: number): BurnRateReading {
    const over = (buckets: number): [events: number, bad: number] => [sum(this.events, buckets), sum(this.bad, buckets)]
    const [events, bad] = over(this.events.length)
    const [shortEvents, shortBad] = over(this.#short)
    const long = events === 0 ? 0 : bad / events / budget
    const short = shortEvents === 0 ? 0 : shortBad / shortEvents / budget
    const { rate } = this.rule
    return { rule: this.rule, isBurning: bad >= minimumBad && long >= rate && short >= rate, long, short, events, bad }
  }
}

const sum = (list: readonly number[], length: number): number => list.slice(0, length).reduce((total, value) => total + value, 0)

/**
 * Counts good and bad events and says at which rate they spend the error budget: a rate of 1 uses up exactly the budget `1 − objective` over its period. A rule
 * fires while both of its windows burn at its rate or faster: the long one for evidence, the short one so that it stops soon after the trouble does.
 *
 * Times are milliseconds since 1970, as buckets of several processes must fall together; O(1) per event, 6 kB in all. Counts of processes add up exactly (`merge`).
 * **Misleads** at a low traffic: hence `minimumBad`.
 *
 * Source: The Site Reliability Workbook (Google, 2018), chapter 5, table 5-8.
 *
 * @example
 * ```ts
 * import { BurnRate } from 'outrigger/policy'
 * const burn = new BurnRate({ objective: 0.999 })
 * const at = Date.UTC(2026, 0, 1)
 * for (let second = 0; second < 3600; second++) burn.count(second % 50 !== 0, at + 1000 * second) // 2 % bad: 20 times the budget
 * assert.deepEqual(burn.read(at + 3_599_000).filter(({ isBurning }) => isBurning).map(({ rule }) => rule.name), ['fast', 'slow', 'creeping'])
 * ```
 */
export class BurnRate {
  readonly objective: number
  readonly #minimumBad: number
  readonly #rings: readonly Ring[]

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
  constructor(options: BurnRateOptions) {
    optionsObject(owner, options, ['objective', 'rules', 'minimumBad'])
    const { objective, rules = standard, minimumBad = 10 } = options
    this.objective = numberOption(owner, 'objective', objective, { min: 0, max: 1, exclusive: true })
    if (objective === 1) throw new InvalidOptionError(`Cannot create ${owner} as an \`objective\` of 1 leaves no budget: current value is 1`)
    this.#minimumBad = numberOption(owner, 'minimumBad', minimumBad, { min: 1, integer: true })
    if (!Array.isArray(rules) || rules.length === 0) throw new InvalidOptionError(`Cannot create ${owner} as \`rules\` must be a list that is not empty: current value is ${String(rules)}`)
    this.#rings = (rules as readonly BurnRateRule[]).map((rule) => {
      const name = stringOption(owner, 'rules[].name', rule?.name)
      const shortMs = numberOption(owner, 'rules[].shortMs', rule.shortMs, { min: 1 })
      const longMs = numberOption(owner, 'rules[].longMs', rule.longMs, { min: shortMs, max: 200 * shortMs })
      return new Ring({ name, rate: numberOption(owner, 'rules[].rate', rule.rate, { min: 0, exclusive: true }), longMs, shortMs })
    })
  }

  /** Counts an event. @param at - milliseconds since 1970 */
  count(isGood: boolean, at: number): void {
    this.add(1, isGood ? 0 : 1, at)
  }

  /** Counts so many events at once, and of them so many bad ones. */
  add(events: number, bad: number, at: number): void {
    if (!Number.isFinite(at)) throw new InvalidOptionError(`Cannot count an event of ${owner} as its time must be a finite number: current value is ${String(at)}`)
    if (!(Number.isSafeInteger(events) && Number.isSafeInteger(bad) && bad >= 0 && events >= bad)) throw new InvalidOptionError(`Cannot count events of ${owner} as they must be whole numbers, no fewer than the bad ones: current value is ${events} and ${bad}`)
    for (const ring of this.#rings) ring.add(at, events, bad)
  }

  /** What each rule sees now. Events of a later time, as of a clock that was set back, count as of now. */
  read(at: number): BurnRateReading[] {
    return this.#rings.map((ring) => {
      ring.isNow(at)
      return ring.read(1 - this.objective, this.#minimumBad)
    })
  }

  /**
   * Adds what another process counted, or a state of it.
   *
   * @throws `ERR_OUTRIGGER_INVALID_OPTION` if the objective or the windows differ, or it is no such state; nothing changes then
   */
  merge(other: BurnRate | BurnRateState): void {
    const { objective, rings } = other instanceof BurnRate ? other.toJSON() : (other ?? {})
    const areCounts = (list: unknown, length: number): boolean => Array.isArray(list) && list.length === length && list.every((value) => Number.isSafeInteger(value) && value >= 0)
    const fits = objective === this.objective && Array.isArray(rings) && rings.length === this.#rings.length &&
      this.#rings.every(({ events }, at) => areCounts(rings[at]?.events, events.length) && areCounts(rings[at]?.bad, events.length) && (rings[at]?.newest === null || Number.isSafeInteger(rings[at]?.newest)))
    if (!fits) throw new InvalidOptionError(`Cannot merge ${owner} as the other must have the same objective and windows, and counts: current value is ${JSON.stringify(other)?.slice(0, 200)}`)
    rings.forEach(({ newest, events, bad }, at) => {
      if (newest !== null) (this.#rings[at] as Ring).merge(newest, events, bad)
    })
  }

  /** The counts, for `merge` of a new one with the same options. */
  toJSON(): BurnRateState {
    return { objective: this.objective, rings: this.#rings.map(({ newest, events, bad }) => ({ newest: Number.isFinite(newest) ? newest : null, events: [...events], bad: [...bad] })) }
  }
}
