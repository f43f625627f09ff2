/** What the dashboard keeps of one predictor: counts, series, and a few predictions worth a look. Bounded, whatever comes. */
import { ownMessages, ownReasons } from '../capture/own-reasons.js'
import type { Clock } from '../core/clock.js'
import type { PredictorEvent, StateEvent } from '../core/events.js'
import type { ModelIdentity } from '../core/identity.js'
import type { Predictor } from '../core/predictor.js'
import type { PredictionRecord } from '../core/record.js'
import type { ErrorLine, PredictionLine, PredictorData, ServedLine, StateLine } from './dashboard-data.js'
import { isDegraded, TimeBuckets } from './_time-buckets.js'

const hourMs = 3_600_000
const listed = 50
const slowListed = 20
const slowPartMs = 300_000
const mostServed = 50
const forgetEveryMs = 60_000
const mostErrors = 50
const mostBreakers = 200

/** Adds at the front, and forgets at the back. */
const keep = <T>(list: T[], item: T, most: number): void => {
  list.unshift(item)
  if (list.length > most) list.pop()
}

const variantOf = ({ variants }: PredictionRecord): string => (variants.length === 0 ? '' : variants.map(({ split, variant }) => `${split}: ${variant}`).join(', '))
const errorOf = ({ error }: PredictionRecord): string | undefined => error?.code ?? error?.name

const lineOf = (record: PredictionRecord): PredictionLine => ({
  id: record.id,
  at: record.at,
  outcome: record.outcome,
  source: record.source,
  version: record.identity.version,
  variant: variantOf(record),
  totalMs: record.durations.totalMs,
  error: errorOf(record),
})

/** Texts of layers that are not ours may hold anything. */
const stateLine = ({ layer, subject, from, to, reason, at }: StateEvent): StateLine => ({ layer, subject, from, to, reason: ownReasons.has(layer) ? reason : '', at })

interface Served {
  readonly name: string
  readonly version: string
  readonly variant: string
  /** Not of all those for which there was no room. */
  readonly isOwn: boolean
  readonly buckets: TimeBuckets
}

/** Where what has no room is counted. */
const others = 'others'

export class PredictorWatch {
  readonly #predictor: Predictor<never, unknown>
  readonly #name: string
  readonly #remember: number
  readonly #wall: () => number
  readonly #stop: () => void
  readonly #hour = new TimeBuckets(15_000, 240)
  readonly #byOutcome: Record<string, number> = {}
  readonly #bySource: Record<string, number> = {}
  readonly #served = new Map<string, Served>()
  readonly #errors = new Map<string, ErrorLine>()
  readonly #breakers = new Map<string, StateLine>()
  readonly #changes: StateLine[] = []
  readonly #notices: { layer: string; message: string; at: number }[] = []
  readonly #failures: PredictionRecord[] = []
  readonly #fallbacks: PredictionRecord[] = []
  /** The slowest of each part of the last hour, in order: what is slow now stays when what was slower is over. */
  readonly #slow = new Map<number, PredictionRecord[]>()
  /** The latest, in a ring. */
  readonly #latest: PredictionRecord[] = []
  /** Who served the call before: mostly the same again. */
  #last: { readonly identity: ModelIdentity; readonly variant: string; readonly buckets: TimeBuckets } | undefined
  #forgotAt = -Infinity
  #rows = 0

  constructor(name: string, predictor: Predictor<never, unknown>, remember: number, clock: Pick<Clock, 'wall'>) {
    this.#wall = () => clock.wall()
    this.#name = name
    this.#predictor = predictor
    this.#remember = remember
    this.#stop = predictor.observe((event) => this.#hear(event))
  }

  close(): void {
    this.#stop()
  }

  /** The latest record of that id that is still here: one of the latest of all, or in one of the lists. */
  find(id: string): PredictionRecord | undefined {
    const all = [this.#latest, this.#failures, this.#fallbacks, ...this.#slow.values()].flat().filter((record) => record.id === id)
    return all.reduce<PredictionRecord | undefined>((latest, one) => (latest === undefined || one.at >= latest.at ? one : latest), undefined)
  }

  #hear(event: PredictorEvent): void {
    if (event.type === 'prediction') return this.#count(event.record)
    if (event.type === 'notice') return keep(this.#notices, { layer: event.layer, message: ownMessages.has(event.layer) ? event.message : 'a notice whose text is left out', at: event.at }, listed)
    const line = stateLine(event)
    keep(this.#changes, line, listed)
    if (event.layer !== 'circuit-breaker') return
    const key = `${event.subject}\n${String(event.data?.['scope'] ?? '')}`
    // Again at the end: the one that has been quiet for longest goes first.
    this.#breakers.delete(key)
    this.#breakers.set(key, line)
    if (this.#breakers.size > mostBreakers) this.#breakers.delete(this.#breakers.keys().next().value as string)
  }

  #count(record: PredictionRecord): void {
    this.#rows += 1
    this.#byOutcome[record.outcome] = (this.#byOutcome[record.outcome] ?? 0) + 1
    if (record.source !== undefined) this.#bySource[record.source] = (this.#bySource[record.source] ?? 0) + 1
    this.#hour.add(record, this.#wall)
    this.#servedBy(record).add(record, this.#wall)
    if (this.#remember > 0) this.#latest[(this.#rows - 1) % this.#remember] = record
    if (record.outcome !== 'ok') {
      keep(this.#failures, record, listed)
      this.#countError(record)
    } else if (isDegraded(record)) keep(this.#fallbacks, record, listed)
    this.#countSlow(record)
  }

  #servedBy(record: PredictionRecord): TimeBuckets {
    const { identity } = record
    const variant = variantOf(record)
    if (this.#last?.identity === identity && this.#last.variant === variant) return this.#last.buckets
    const { buckets, isOwn } = this.#entryOf(identity, variant, record.at)
    this.#last = isOwn ? { identity, variant, buckets } : undefined
    return buckets
  }

  #entryOf({ name, version }: ModelIdentity, variant: string, at: number): Served {
    const key = [name, version, variant].join('\n')
    const known = this.#served.get(key)
    if (known !== undefined) return known
    // A page that nobody opened for months must not show what serves now among the others.
    if (this.#served.size >= mostServed && Math.abs(at - this.#forgotAt) >= forgetEveryMs) this.#servedLately(at)
    const isOwn = this.#served.size < mostServed
    const place = isOwn ? key : others
    const entry = this.#served.get(place) ?? { ...(isOwn ? { name, version, variant } : { name: others, version: '', variant: '' }), isOwn, buckets: new TimeBuckets(15_000, 240, 20) }
    this.#served.set(place, entry)
    return entry
  }

  /** What served in the last hour, by most rows; forgets the others. */
  #servedLately(now: number): ServedLine[] {
    this.#forgotAt = now
    const served: ServedLine[] = []
    for (const [key, { name, version, variant, buckets }] of this.#served) {
      buckets.goTo(now)
      const sums = buckets.sum()
      if (sums.rows === 0) {
        this.#served.delete(key)
        this.#last = undefined
      } else served.push({ name, version, variant, ...sums })
    }
    return served.sort((a, b) => b.rows - a.rows)
  }

  #countError(record: PredictionRecord): void {
    const error = errorOf(record) ?? record.outcome
    const rows = (this.#errors.get(error)?.rows ?? 0) + 1
    this.#errors.delete(error)
    this.#errors.set(error, { error, rows, lastAt: record.at, lastId: record.id })
    if (this.#errors.size > mostErrors) this.#errors.delete(this.#errors.keys().next().value as string)
  }

  #countSlow(record: PredictionRecord): void {
    const part = Math.floor(record.at / slowPartMs)
    const slow = this.#slow.get(part) ?? []
    const { totalMs } = record.durations
    if (slow.length >= slowListed && totalMs <= (slow.at(-1) as PredictionRecord).durations.totalMs) return
    const at = slow.findIndex(({ durations }) => durations.totalMs < totalMs)
    slow.splice(at === -1 ? slow.length : at, 0, record)
    if (slow.length > slowListed) slow.pop()
    if (slow.length > 1) return
    this.#slow.set(part, slow)
    for (const old of this.#slow.keys()) if (old < part - hourMs / slowPartMs) this.#slow.delete(old)
  }

  #slowest(now: number): PredictionRecord[] {
    const recent = [...this.#slow.values()].flat().filter(({ at }) => at >= now - hourMs)
    return recent.sort((a, b) => b.durations.totalMs - a.durations.totalMs).slice(0, slowListed)
  }

  data(now: number): PredictorData {
    this.#hour.goTo(now)
    return {
      name: this.#name,
      identity: this.#predictor.identity,
      isReady: this.#predictor.ready(),
      stack: this.#predictor.describe(),
      totals: { rows: this.#rows, byOutcome: { ...this.#byOutcome }, bySource: { ...this.#bySource } },
      hour: this.#hour.sum(),
      series: this.#hour.series(),
      served: this.#servedLately(now),
      breakers: [...this.#breakers.values()].reverse(),
      changes: [...this.#changes],
      notices: [...this.#notices],
      errors: [...this.#errors.values()].sort((a, b) => b.rows - a.rows),
      failures: this.#failures.map(lineOf),
      fallbacks: this.#fallbacks.map(lineOf),
      slowest: this.#slowest(now).map(lineOf),
    }
  }
}
