/** What a service promises: the share of good events of each {@link Objective}. */
import type { PredictorEvent } from '../../core/events.js'
import { InvalidOptionError } from '../../core/errors.js'
import type { LabelledRecord } from '../../core/labels.js'
import { functionOption, numberOption, optionsObject, requiredFunction, stringOption } from '../../core/options.js'
import type { PredictionRecord } from '../../core/record.js'
import type { BurnRateRule } from '../../policy/burn-rate.js'
import { customQuery, latencyQuery, requestQuery, sloQuery, type ObjectiveQuery } from './_queries.js'

/** Who has to hear of it: somebody now, or somebody this week. */
export type Severity = 'page' | 'ticket'

/** When the budget burns too fast, and who has to hear of it. */
export interface AlertRule extends BurnRateRule {
  readonly severity: Severity
}

interface CommonObjective {
  /** @default the kind */
  readonly name?: string
  /** The share of events that should be good, in (0, 1). */
  readonly objective: number
  /** Over so long, in milliseconds; at least an hour. @default 30 days */
  readonly periodMs?: number
  /** @default page at 14.4 times the budget (1 h and 5 min) and at 6 (6 h and 30 min), ticket at 1 (3 d and 6 h); without those that could not fire at this objective */
  readonly rules?: readonly AlertRule[]
  /** Fewer bad events in the long window than this say nothing. @default 10 */
  readonly minimumBad?: number
  /** What to do, as a link that goes with every alert. */
  readonly runbook?: string
}

/** Calls that got an answer, of all that were not given up by their caller. */
export interface AvailabilityObjective extends CommonObjective {
  readonly kind: 'availability'
  /** Whose answers count: with `model` those of a fallback, and stale ones, are bad. @default 'anyone' */
  readonly answersBy?: 'anyone' | 'model'
  /** Error codes that do not count at all, such as `ERR_OUTRIGGER_INVALID_INPUT` where strangers send the rows. @default none */
  readonly ignore?: readonly string[]
}

/** Answers that came in time, of all answers. */
export interface LatencyObjective extends CommonObjective {
  readonly kind: 'latency'
  /** For Prometheus, it must be a bound of the histogram's buckets. */
  readonly thresholdMs: number
}

/** Predictions that their label showed to be right, of all that met a label. */
export interface QualityObjective extends CommonObjective {
  readonly kind: 'quality'
  /** Whether a prediction was good enough; `undefined` leaves it out. */
  readonly good: (labelled: LabelledRecord<never>) => boolean | undefined
}

/** Looks at which the world was as the model knows it. */
export interface DriftObjective extends CommonObjective {
  readonly kind: 'drift'
  /** A drift monitor; while its state is neither `ok` nor `drifted`, nothing counts. @default the events of all monitors of the observed stack */
  readonly monitor?: { readonly state: string }
}

/** Looks at which the features, or the model, were young enough. */
export interface FreshnessObjective extends CommonObjective {
  readonly kind: 'freshness'
  readonly maxAgeMs: number
  /** When they were made, in milliseconds since 1970; `undefined` while nobody knows, which counts as too old. */
  readonly updatedAt: () => number | undefined
}

/** Anything else: of the records, of what happens in the stack, of looks, or of counts that are kept elsewhere. One of the four is needed. */
export interface CustomObjective extends CommonObjective {
  readonly kind: 'custom'
  readonly name: string
  /** Of each record, `undefined` leaving it out. */
  readonly ofRecord?: (record: PredictionRecord) => boolean | undefined
  /** Of each state change and notice. */
  readonly ofEvent?: (event: Exclude<PredictorEvent, { readonly type: 'prediction' }>) => boolean | undefined
  /** At each look. */
  readonly sample?: (at: number) => boolean | undefined
  /** Totals that only grow; where one shrinks, its counter has started anew. */
  readonly counts?: () => { readonly events: number; readonly bad: number }
  /** PromQL for a range such as `5m`. @default the counters of `alerts` */
  readonly query?: (range: string) => { readonly good: string; readonly total: string }
}

/** An objective as it is written down. */
export type ObjectiveOptions = AvailabilityObjective | LatencyObjective | QualityObjective | DriftObjective | FreshnessObjective | CustomObjective

/** An objective, checked and complete. */
export interface Objective extends Pick<CustomObjective, 'ofRecord' | 'ofEvent' | 'counts'> {
  readonly name: string
  readonly kind: ObjectiveOptions['kind']
  readonly objective: number
  readonly periodMs: number
  readonly rules: readonly AlertRule[]
  readonly minimumBad: number
  readonly runbook: string | undefined
  readonly ofLabel?: (labelled: LabelledRecord<never>) => boolean | undefined
  /** @param drifted - the monitors that have raised drift, and not cleared it */
  readonly sample?: (at: number, drifted: ReadonlySet<string>) => boolean | undefined
  readonly query: ObjectiveQuery
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const standard: readonly AlertRule[] = [
  { name: 'fast', rate: 14.4, longMs: hour, shortMs: 5 * minute, severity: 'page' },
  { name: 'slow', rate: 6, longMs: 6 * hour, shortMs: 30 * minute, severity: 'page' },
  { name: 'creeping', rate: 1, longMs: 72 * hour, shortMs: 6 * hour, severity: 'ticket' },
]
const owner = 'an objective'
const common = ['kind', 'name', 'objective', 'periodMs', 'rules', 'minimumBad', 'runbook']

const wrong = (constraint: string, value: unknown): InvalidOptionError => new InvalidOptionError(`Cannot create ${owner} as ${constraint}: current value is ${String(value)}`)

const ofKind = (given: ObjectiveOptions, name: string): Pick<Objective, 'ofRecord' | 'ofLabel' | 'ofEvent' | 'sample' | 'counts' | 'query'> => {
  switch (given.kind) {
    case 'availability': {
      optionsObject(owner, given, [...common, 'answersBy', 'ignore'])
      const { answersBy = 'anyone', ignore = [] } = given
      if (answersBy !== 'anyone' && answersBy !== 'model') throw wrong("`answersBy` must be 'anyone' or 'model'", answersBy)
      if (!Array.isArray(ignore) || !ignore.every((code) => /^\w+$/.test(String(code)))) throw wrong('`ignore` must be a list of codes', ignore)
      const byModel = answersBy === 'model'
      return {
        ofRecord: ({ outcome, source, error }) => {
          if (outcome === 'aborted' || ignore.includes(error?.code ?? error?.name ?? '')) return undefined
          return outcome === 'ok' && !(byModel && (source === 'fallback' || source === 'stale'))
        },
        query: requestQuery(byModel, ignore),
      }
    }
    case 'latency': {
      optionsObject(owner, given, [...common, 'thresholdMs'])
      const thresholdMs = numberOption(owner, 'thresholdMs', given.thresholdMs, { min: 0, exclusive: true })
      return { ofRecord: ({ outcome, durations }) => (outcome === 'ok' ? durations.totalMs <= thresholdMs : undefined), query: latencyQuery(thresholdMs) }
    }
    case 'quality':
      optionsObject(owner, given, [...common, 'good'])
      return { ofLabel: requiredFunction(owner, 'good', given.good), query: sloQuery(name) }
    case 'drift': {
      optionsObject(owner, given, [...common, 'monitor'])
      const { monitor } = given
      if (monitor !== undefined && typeof monitor?.state !== 'string') throw wrong('`monitor` must have a `state`', typeof monitor)
      const isOk = { ok: true, drifted: false } as Readonly<Record<string, boolean>>
      return { sample: (_, drifted) => (monitor === undefined ? drifted.size === 0 : isOk[monitor.state]), query: sloQuery(name) }
    }
    case 'freshness': {
      optionsObject(owner, given, [...common, 'maxAgeMs', 'updatedAt'])
      const maxAgeMs = numberOption(owner, 'maxAgeMs', given.maxAgeMs, { min: 0, exclusive: true })
      const updatedAt = requiredFunction(owner, 'updatedAt', given.updatedAt)
      return { sample: (at) => at - (updatedAt() ?? -Infinity) <= maxAgeMs, query: sloQuery(name) }
    }
    case 'custom': {
      optionsObject(owner, given, [...common, 'ofRecord', 'ofEvent', 'sample', 'counts', 'query'])
      stringOption(owner, 'name', given.name)
      const { query } = given
      const sources = (['ofRecord', 'ofEvent', 'sample', 'counts'] as const).filter((source) => functionOption(owner, source, given[source]) !== undefined)
      if (sources.length !== 1) throw wrong('exactly one of `ofRecord`, `ofEvent`, `sample` and `counts` must be given', sources.join(', ') || 'none')
      const [source] = sources as ['ofRecord']
      return { [source]: given[source] as NonNullable<CustomObjective['ofRecord']>, query: functionOption(owner, 'query', query) === undefined ? sloQuery(name) : customQuery(query as NonNullable<typeof query>) }
    }
    default:
      throw wrong('`kind` must be availability, latency, quality, drift, freshness or custom', Object(given).kind)
  }
}

const rulesOf = (given: readonly AlertRule[] | undefined, budget: number): readonly AlertRule[] => {
  if (given === undefined) return standard.filter(({ rate }) => rate * budget <= 1)
  if (!Array.isArray(given) || given.length === 0) throw wrong('`rules` must be a list that is not empty', given)
  for (const rule of given as readonly AlertRule[]) {
    if (typeof rule !== 'object' || rule === null) throw wrong('`rules[]` must be objects', rule)
    const { name, rate, longMs, shortMs, severity } = rule
    numberOption(owner, 'rules[].shortMs', shortMs, { min: 1 })
    numberOption(owner, 'rules[].longMs', longMs, { min: shortMs, max: 200 * shortMs })
    if (severity !== 'page' && severity !== 'ticket') throw wrong("`rules[].severity` must be 'page' or 'ticket'", severity)
    if (rate * budget > 1) throw wrong(`the rule \`${name}\` could never fire, as more than all events would have to be bad`, `a rate of ${rate} at a budget of ${Number(budget.toPrecision(6))}`)
  }
  return given
}

/**
 * The objectives of a service, checked once: for {@link alerts}, `prometheusRules` and `grafanaDashboard`.
 *
 * Each is a share of good events, so that one arithmetic serves all: a period has an error budget of `1 − objective`, and an alert says how fast it burns.
 * Availability and latency count calls, quality counts labels, drift and freshness count looks (a look a minute: 0.99 is 14 minutes a day).
 * With few events, or an objective far from 1, choose `rules` and `minimumBad` by hand: at 0.9 a rate of 14.4 would need 144 % bad events, so that rule is left out.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { objectives } from 'outrigger/observe'
 * const slo = objectives([
 *   { kind: 'availability', objective: 0.999 },
 *   { kind: 'latency', objective: 0.99, thresholdMs: 250 },
 *   { kind: 'freshness', objective: 0.95, maxAgeMs: 86_400_000, updatedAt: () => 1_006_819_200_000 },
 * ])
 * assert.deepEqual(slo.map(({ name, rules }) => [name, rules.length]), [['availability', 3], ['latency', 3], ['freshness', 3]])
 * ```
 */
export const objectives = (list: readonly ObjectiveOptions[]): readonly Objective[] => {
  if (!Array.isArray(list) || list.length === 0) throw wrong('objectives must be a list that is not empty', list)
  const names = new Set<string>()
  return (list as readonly ObjectiveOptions[]).map((given) => {
    if (typeof given !== 'object' || given === null) throw wrong('it must be an object', given)
    const { kind, name = kind, periodMs = 30 * day, minimumBad = 10, runbook } = given
    const objective = numberOption(owner, 'objective', given.objective, { min: 0, max: 1, exclusive: true })
    if (objective === 1) throw wrong('an `objective` of 1 leaves no budget', 1)
    const parts = ofKind(given, name)
    if (!/^[a-z][\w-]*$/i.test(name)) throw wrong('`name` must be a letter, then letters, digits, - and _', name)
    if (names.has(name)) throw wrong('no two may have one name', name)
    names.add(name)
    numberOption(owner, 'periodMs', periodMs, { min: hour })
    numberOption(owner, 'minimumBad', minimumBad, { min: 1, integer: true })
    if (runbook !== undefined) stringOption(owner, 'runbook', runbook)
    return Object.freeze({ name, kind, objective, periodMs, minimumBad, runbook, rules: rulesOf(given.rules, 1 - objective), ...parts })
  })
}
