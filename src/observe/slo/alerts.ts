/** Burn-rate alerts in process: {@link alerts}. */
import { systemClock, type Clock, type Timer } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import { channels, type Observer } from '../../core/events.js'
import { labelJoin, type LabelCounts, type LabelJoinOptions } from '../../core/labels.js'
import { membersOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { AlertMessage, AlertSink, RuleReading } from './alert-message.js'
import { Delivery, type DeliveryCounts } from './_delivery.js'
import { WatchedObjective, type ObjectiveState, type ObjectiveStatus } from './_watched-objective.js'
import type { Objective } from './objective.js'

/** Options of {@link alerts}. */
export interface AlertsOptions {
  readonly objectives: readonly Objective[]
  /** Where alerts go. @default nowhere: `status` and the events say it too */
  readonly sinks?: readonly AlertSink[]
  /** The name of the service, in every message. @default 'outrigger' */
  readonly source?: string
  /** How often it looks, in milliseconds; `Infinity` to look only when `check` is called. @default 30_000 */
  readonly everyMs?: number
  /** An alert that has just ended and burns again is told only so long after it was told last. @default 15 minutes */
  readonly coolDownMs?: number
  /** An alert that goes on is told again. @default 4 hours */
  readonly repeatMs?: number
  /** How many predictions wait for a label, and how long. @default 100_000, for ever */
  readonly labels?: LabelJoinOptions
  /** What `toJSON` gave: goes on from there. */
  readonly saved?: AlertsState
  /** @default the machine's */
  readonly clock?: Clock
}

/** The counts, and who was told what, as plain data. */
export interface AlertsState {
  readonly format: 'outrigger-alerts'
  readonly version: 1
  readonly objectives: readonly ObjectiveState[]
}

/** Watches objectives. */
export interface Alerts {
  /** Pass this to `predictor.observe`. */
  readonly observer: Observer
  /** Tells the truth about a prediction, for objectives of quality. It counts when the label comes. */
  label(id: string, value: unknown, at: number): void
  readonly labels: LabelCounts
  /** Looks now: samples, judges and tells. */
  check(): readonly ObjectiveStatus[]
  /** As of now, without telling anybody. */
  readonly status: readonly ObjectiveStatus[]
  /** Of each sink, in order. */
  readonly deliveries: readonly DeliveryCounts[]
  /** Adds the counts of another process. @throws `ERR_OUTRIGGER_INVALID_OPTION` if its objectives are others */
  merge(state: AlertsState): void
  toJSON(): AlertsState
  /** Ends looking, and gives what is on its way to sinks 5 s. */
  close(): Promise<void>
}

const owner = 'alerts'
const closeMs = 5000

/**
 * Watches the objectives of a service in process, and tells sinks when an error budget burns too fast.
 *
 * At each look the rules of an objective are read over a long and a short window (`BurnRate`). Of one objective and severity there is one alert, whatever rules
 * burn: told once, again each `repeatMs`, and once when it is over. One that comes back within `coolDownMs` waits; a ticket waits while a page of
 * the same objective is told. The same is said as `state` events (`layer: 'alerts'`) on `outrigger:state`, and what a sink or a function of yours throws as notices.
 *
 * Cost: about 0.2 µs for each objective and record; 10 kB for each objective.
 *
 * **Misleads** in a fleet: each process sees its own share only, so that few events are even fewer. Merge their states, or use {@link prometheusRules}.
 *
 * Source: The Site Reliability Workbook (Google, 2018), chapter 5.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { fallback, pipe, predictor } from 'outrigger'
 * import { alerts, objectives } from 'outrigger/observe'
 * import { fakeClock } from 'outrigger/testing'
 * const clock = fakeClock()
 * const told: string[] = []
 * const watch = alerts({ objectives: objectives([{ kind: 'availability', objective: 0.99 }]), sinks: [({ title }) => told.push(title)], clock })
 * const predict = pipe(predictor((x: number) => { if (x % 2 === 0) throw new Error('down'); return x }, { clock }))
 * predict.observe(watch.observer)
 * for (let x = 0; x < 40; x += 1) await predict(x).catch(() => {})
 * assert.equal(watch.check()[0]?.isBurning, true)
 * await watch.close()
 * assert.match(told[0]!, /^outrigger: availability burns its error budget 50 times too fast/)
 * ```
 */
export const alerts = (options: AlertsOptions): Alerts => {
  optionsObject(owner, options, ['objectives', 'sinks', 'source', 'everyMs', 'coolDownMs', 'repeatMs', 'labels', 'saved', 'clock'])
  const { sinks = [], clock = systemClock, saved, objectives: given } = options
  const source = stringOption(owner, 'source', options.source ?? 'outrigger')
  const everyMs = numberOption(owner, 'everyMs', options.everyMs ?? 30_000, { min: 100, infinite: true })
  const coolDownMs = numberOption(owner, 'coolDownMs', options.coolDownMs ?? 15 * 60_000, { min: 0 })
  const repeatMs = numberOption(owner, 'repeatMs', options.repeatMs ?? 4 * 3_600_000, { min: 1, infinite: true })
  membersOption(owner, 'clock', clock, ['now', 'wall', 'setTimeout', 'clearTimeout'])
  if (!Array.isArray(given) || given.length === 0 || !given.every((one) => typeof one?.query === 'function')) throw new InvalidOptionError(`Cannot create ${owner} as \`objectives\` must come from objectives(): current value is ${String(given)}`)
  if (!Array.isArray(sinks) || !sinks.every((sink) => typeof sink === 'function')) throw new InvalidOptionError(`Cannot create ${owner} as \`sinks\` must be a list of functions: current value is ${String(sinks)}`)

  const complained = new Set<string>()
  const notice = (message: string, error: unknown): void => {
    if (channels.notice.hasSubscribers) channels.notice.publish({ type: 'notice', layer: owner, message, error, at: clock.wall() })
    else process.emitWarning(message, { code: 'OUTRIGGER_ALERTS' })
  }
  /** A function of the user's that throws is told once, and keeps nobody else from counting. */
  const guarded = (name: string, work: () => void): void => {
    try {
      work()
    } catch (error) {
      threw(name, error)
    }
  }
  const judge = <T>({ objective: { name }, count }: WatchedObjective, rule: ((what: T) => boolean | undefined) | undefined, what: T, at: number): void => {
    if (rule === undefined) return
    try {
      // A time that is still to come would move the windows on.
      count(rule(what), Math.min(at, clock.wall()))
    } catch (error) {
      threw(name, error)
    }
  }
  const threw = (name: string, error: unknown): void => {
    if (!complained.has(name)) notice(`The objective \`${name}\` could not be counted: its function threw.`, error)
    complained.add(name)
  }
  const watched = (given as readonly Objective[]).map((objective) => new WatchedObjective(objective, { coolDownMs, repeatMs }))
  const deliveries = sinks.map((sink) => new Delivery(sink, clock, (error) => notice('An alert was not delivered.', error)))
  const join = labelJoin<never>(options.labels)
  const judged = watched.filter(({ objective }) => objective.ofLabel !== undefined)
  join.onJoined((labelled) => {
    for (const one of judged) judge(one, one.objective.ofLabel, labelled, clock.wall())
  })
  const drifted = new Set<string>()
  let sampledAt = -Infinity

  const stateOf = (state: AlertsState): readonly ObjectiveState[] => {
    const { format, version, objectives: parts } = Object(state) as Partial<AlertsState>
    if (format === 'outrigger-alerts' && version === 1 && Array.isArray(parts)) return parts
    throw new InvalidOptionError(`Cannot restore ${owner} as the state must be what \`toJSON\` gave, as an object: current value is ${JSON.stringify(state)?.slice(0, 100)}`)
  }
  if (saved !== undefined) {
    const parts = stateOf(saved)
    for (const one of watched) {
      const { name } = one.objective
      const part = parts.find((each) => each?.name === name)
      if (part === undefined) continue
      // A release that changes an objective must start nevertheless.
      try {
        one.check(part)
        one.merge(part, true, clock.wall())
      } catch (error) {
        notice(`What was saved of the objective \`${name}\` does not fit it any more, and is left out.`, error)
      }
    }
  }
  const merge = (state: AlertsState): void => {
    const parts = stateOf(state)
    if (parts.length !== watched.length || !watched.every(({ objective }, index) => parts[index]?.name === objective.name)) throw new InvalidOptionError(`Cannot merge ${owner} as the state must be one of the same objectives: current value has ${parts.length} of them`)
    watched.forEach((one, index) => one.check(parts[index] as ObjectiveState))
    watched.forEach((one, index) => one.merge(parts[index] as ObjectiveState, false, clock.wall()))
  }

  const tell = (one: WatchedObjective, at: number): void => {
    for (const news of one.next(at)) {
      const { name, kind, objective, periodMs, runbook } = one.objective
      const { severity, kind: what, since, status } = news
      const rules = status.rules.filter((rule) => rule.severity === severity)
      const isFiring = what !== 'resolved'
      const message: AlertMessage = {
        v: 1, state: isFiring ? 'firing' : 'resolved', isRepeat: what === 'repeat', key: `${source}/${name}/${severity}`, severity, source,
        objective: { name, kind, objective, periodMs }, title: titleOf(source, name, isFiring, rules, status), startedAt: since, at, rules,
        attainment: status.attainment, budgetLeft: status.budgetLeft, runbook,
      }
      if (what !== 'repeat' && channels.state.hasSubscribers) {
        const [from, to] = isFiring ? ['ok', severity] : [severity, 'ok']
        channels.state.publish({ type: 'state', layer: owner, subject: name, from, to, reason: message.title, at, data: { key: message.key, rules, attainment: status.attainment, budgetLeft: status.budgetLeft } })
      }
      for (const delivery of deliveries) delivery.send(message)
    }
  }

  const check = (): readonly ObjectiveStatus[] => {
    const at = clock.wall()
    if (everyMs === Infinity || at - sampledAt >= everyMs / 2 || at < sampledAt) {
      sampledAt = at
      for (const one of watched) {
        const { name, sample, counts } = one.objective
        if (sample !== undefined) guarded(name, () => one.count(sample(at, drifted), at))
        if (counts !== undefined) guarded(name, () => one.countTotals(counts(), at))
      }
    }
    for (const one of watched) tell(one, at)
    return watched.map((one) => one.status(at))
  }

  let timer: Timer | undefined
  const schedule = (): void => {
    if (everyMs === Infinity) return
    timer = clock.setTimeout(() => {
      schedule()
      check()
    }, everyMs)
    timer.unref()
  }
  schedule()

  let closed: Promise<void> | undefined
  const end = async (): Promise<void> => {
    if (timer !== undefined) clock.clearTimeout(timer)
    const idle = Promise.all(deliveries.map((delivery) => delivery.idle()))
    let late: Timer | undefined
    await Promise.race([idle, new Promise<void>((resolve) => (late = clock.setTimeout(resolve, closeMs)))])
    if (late !== undefined) clock.clearTimeout(late)
    for (const delivery of deliveries) delivery.abort()
    await idle
  }

  return {
    observer: (event) => {
      if (event.type === 'prediction') {
        const { record } = event
        if (record.isShadow) return
        for (const one of watched) judge(one, one.objective.ofRecord, record, record.at)
        if (judged.length > 0) join.observer(event)
        return
      }
      if (event.type === 'state' && event.layer === 'drift-monitor') {
        if (event.to === 'drifted') drifted.add(event.subject)
        else drifted.delete(event.subject)
      }
      for (const one of watched) judge(one, one.objective.ofEvent, event, event.at)
    },
    label: (id, value, at) => join.label(id, value as never, at),
    get labels() {
      return join.counts
    },
    check,
    get status() {
      const at = clock.wall()
      return watched.map((one) => one.status(at))
    },
    get deliveries() {
      return deliveries.map(({ counts }) => counts)
    },
    merge,
    toJSON: () => ({ format: 'outrigger-alerts', version: 1, objectives: watched.map((one) => one.toJSON()) }),
    close: () => (closed ??= end()),
  }
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(4))} %`
const span = (ms: number): string => (ms % 86_400_000 === 0 ? `${ms / 86_400_000} d` : ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${Number((ms / 60_000).toPrecision(3))} min`)

const titleOf = (source: string, name: string, isFiring: boolean, rules: readonly RuleReading[], { objective, budgetLeft }: ObjectiveStatus): string => {
  if (!isFiring) return `${source}: ${name} is back within its error budget (objective ${percent(objective)}).`
  const worst = rules.filter(({ isBurning }) => isBurning).reduce((one, other) => (other.long > one.long ? other : one))
  const left = budgetLeft === undefined ? '' : `, ${percent(Math.max(0, budgetLeft))} of the budget is left`
  return `${source}: ${name} burns its error budget ${Number(worst.long.toPrecision(3))} times too fast: ${worst.bad} of ${worst.events} events in ${span(worst.longMs)} were bad (objective ${percent(objective)}${left}).`
}
