/** One objective as it is watched: its counts, its alerts, and what they say. No clock and no effects of its own. */
import { InvalidOptionError } from '../../core/errors.js'
import { BurnRate, type BurnRateReading, type BurnRateState } from '../../policy/burn-rate.js'
import type { RuleReading } from './alert-message.js'
import { BurnAlert, type BurnAlertNews, type BurnAlertPolicy, type BurnAlertState } from './_burn-alert.js'
import type { Objective, Severity } from './objective.js'

/** How an objective stands. */
export interface ObjectiveStatus {
  readonly name: string
  readonly kind: Objective['kind']
  readonly objective: number
  readonly periodMs: number
  /** The share of good events over the period so far; `undefined` without one. */
  readonly attainment: number | undefined
  /** What is left of the error budget of the period: 1 all of it, 0 nothing, below 0 too much is spent. */
  readonly budgetLeft: number | undefined
  /** Over the period. */
  readonly events: number
  readonly bad: number
  /** Since the start of the process: counters that only grow. */
  readonly counted: { readonly events: number; readonly bad: number }
  readonly isBurning: boolean
  /** Since when, in milliseconds since 1970, as seen by the looks. */
  readonly since: number | undefined
  /** The gravest alert that somebody was told of. */
  readonly told: Severity | undefined
  readonly rules: readonly RuleReading[]
}

/** The counts and alerts of an objective as plain data. */
export interface ObjectiveState {
  readonly name: string
  readonly burn: BurnRateState
  readonly alerts: Readonly<Record<Severity, BurnAlertState>>
}

/** What is to be told of an objective. */
export interface ObjectiveNews extends BurnAlertNews {
  readonly severity: Severity
  readonly status: ObjectiveStatus
}

const severities = ['page', 'ticket'] as const

export class WatchedObjective {
  readonly objective: Objective
  readonly #burn: BurnRate
  readonly #alerts: Record<Severity, BurnAlert>
  readonly #policy: BurnAlertPolicy
  #events = 0
  #bad = 0
  #totals: { readonly events: number; readonly bad: number } | undefined

  constructor(objective: Objective, policy: BurnAlertPolicy) {
    this.objective = objective
    this.#policy = policy
    this.#burn = this.#newBurn()
    this.#alerts = { page: new BurnAlert(policy), ticket: new BurnAlert(policy) }
  }

  #newBurn(): BurnRate {
    const { objective, minimumBad, rules, periodMs } = this.objective
    // The period is one window more, which is only read: in buckets of its hundred and fiftieth part.
    return new BurnRate({ objective, minimumBad, rules: [...rules, { name: 'period', rate: 1, longMs: periodMs, shortMs: periodMs / 30 }] })
  }

  /** Counts an event; `undefined` is none. */
  readonly count = (isGood: boolean | undefined, at: number): void => {
    if (isGood !== undefined) this.#add(1, isGood ? 0 : 1, at)
  }

  /** Counts what was added to totals since they were read last; the first reading, and one that shrank, are a start. */
  countTotals(totals: { readonly events: number; readonly bad: number }, at: number): void {
    const last = this.#totals
    this.#totals = { events: totals.events, bad: totals.bad }
    if (last === undefined) return
    const hasRestarted = totals.events < last.events || totals.bad < last.bad
    this.#add(totals.events - (hasRestarted ? 0 : last.events), totals.bad - (hasRestarted ? 0 : last.bad), at)
  }

  #add(events: number, bad: number, at: number): void {
    this.#burn.add(events, bad, at)
    this.#events += events
    this.#bad += bad
  }

  /** What is to be told at a look. */
  next(at: number): ObjectiveNews[] {
    const readings = this.#burn.read(at)
    const news: ObjectiveNews[] = []
    let isCovered = false
    for (const severity of severities) {
      const alert = this.#alerts[severity]
      const isBurning = this.objective.rules.some((rule, index) => rule.severity === severity && (readings[index] as BurnRateReading).isBurning)
      const next = alert.next(isBurning, isCovered, at)
      if (next !== undefined) news.push({ ...next, severity, status: this.#statusOf(readings) })
      isCovered ||= alert.isTold
    }
    return news
  }

  status(at: number): ObjectiveStatus {
    return this.#statusOf(this.#burn.read(at))
  }

  #statusOf(readings: readonly BurnRateReading[]): ObjectiveStatus {
    const { name, kind, objective, periodMs, rules } = this.objective
    const { events, bad, long } = readings.at(-1) as BurnRateReading
    const since = severities.flatMap((severity) => this.#alerts[severity].since ?? [])
    const seen = rules.map(({ severity, rate, longMs, shortMs, name }, index): RuleReading => {
      const reading = readings[index] as BurnRateReading
      return { name, severity, rate, longMs, shortMs, long: reading.long, short: reading.short, events: reading.events, bad: reading.bad, isBurning: reading.isBurning }
    })
    return {
      name, kind, objective, periodMs, events, bad,
      attainment: events === 0 ? undefined : 1 - bad / events,
      budgetLeft: events === 0 ? undefined : 1 - long,
      counted: { events: this.#events, bad: this.#bad },
      isBurning: seen.some(({ isBurning }) => isBurning),
      since: since.length === 0 ? undefined : Math.min(...since),
      told: severities.find((severity) => this.#alerts[severity].isTold),
      rules: seen,
    }
  }

  /** Throws of a state that is none of this objective. */
  check(state: ObjectiveState): void {
    this.#newBurn().merge(state.burn)
    for (const severity of severities) {
      const alert = state.alerts?.[severity]
      const isTime = (value: unknown): boolean => value === null || Number.isFinite(value)
      if (typeof alert?.isTold !== 'boolean' || !isTime(alert.since) || !isTime(alert.toldAt)) throw new InvalidOptionError(`Cannot restore an alert as it must be what toJSON gave: current value is ${JSON.stringify(alert)}`)
    }
  }

  /** Adds counts; takes over the alerts too if the state is its own. @param at - now, as the clock of the other may have been ahead */
  merge(state: ObjectiveState, isOwn: boolean, at: number): void {
    const other = this.#newBurn()
    other.merge(state.burn)
    other.read(at)
    this.#burn.merge(other)
    if (isOwn) for (const severity of severities) this.#alerts[severity] = new BurnAlert(this.#policy, state.alerts[severity])
  }

  toJSON(): ObjectiveState {
    return { name: this.objective.name, burn: this.#burn.toJSON(), alerts: { page: this.#alerts.page.toJSON(), ticket: this.#alerts.ticket.toJSON() } }
  }
}
