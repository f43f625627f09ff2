/**
 * Labels: the truth about a row, arriving later, joined to its prediction by id.
 */
import { channels, type NoticeEvent, type Observer, type PredictorEvent } from './events.js'
import { InvalidOptionError } from './errors.js'
import { Fifo } from './fifo.js'
import { numberOption, optionsObject } from './options.js'
import type { PredictionRecord } from './record.js'

/** The truth about one row. */
export interface Label<L> {
  /** The id of the prediction; see `CallOptions.id` and `PredictionRecord.id`. */
  readonly id: string
  readonly value: L
  /** When it became known, in milliseconds since 1970. */
  readonly at: number
}

/** A prediction that has met its label. */
export interface LabelledRecord<L> {
  readonly record: PredictionRecord
  readonly label: Label<L>
}

/** Options of {@link labelJoin}. */
export interface LabelJoinOptions {
  /** The most predictions that wait for a label; the oldest leaves when there are more. @default 100_000 */
  readonly max?: number
  /** How long a prediction waits for its label, in milliseconds of the records' time. @default Infinity */
  readonly ttlMs?: number
}

/** What became of the predictions and the labels so far. */
export interface LabelCounts {
  /** Predictions that met their label. */
  readonly joined: number
  /** Labels whose prediction had met one before. */
  readonly duplicate: number
  /** Labels of predictions that are not known, or no longer. */
  readonly unmatched: number
  /** Predictions that left without a label: too old, too many, or made again under the same id. */
  readonly expired: number
  /** Predictions that wait. */
  readonly pending: number
}

/** Joins predictions and labels. */
export interface LabelJoin<L> {
  /** Pass this to `predictor.observe`. It keeps the records of answered predictions. */
  readonly observer: Observer
  /** Tells the truth about a prediction. */
  label(id: string, value: L, at: number): void
  /** Hears every prediction that has met its label, until the returned function is called. */
  onJoined(listener: (labelled: LabelledRecord<L>) => void): () => void
  readonly counts: LabelCounts
}

/** A prediction, with its record as long as it waits. */
interface Entry {
  readonly id: string
  record: PredictionRecord | undefined
}

/**
 * Makes a bounded join of predictions and their late labels.
 *
 * Each prediction meets at most one label; duplicates are counted and dropped. A label that comes before its
 * prediction is unmatched. Memory: one record per waiting prediction, at most `max`, and one id per joined one, at
 * most `max`.
 *
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { labelJoin } from 'outrigger/core'
 * const predict = predictor((x: number) => x > 0)
 * const join = labelJoin<boolean>()
 * predict.observe(join.observer)
 * const seen: boolean[] = []
 * join.onJoined(({ label }) => seen.push(label.value))
 * await predict(3, { id: 'trip-1' })
 * join.label('trip-1', true, Date.now())
 * assert.deepEqual(seen, [true])
 * assert.equal(join.counts.joined, 1)
 * ```
 */
export const labelJoin = <L>(options: LabelJoinOptions = {}): LabelJoin<L> => {
  optionsObject('a label join', options, ['max', 'ttlMs'])
  const max = numberOption('a label join', 'max', options.max ?? 100_000, { min: 1, integer: true })
  const ttlMs = numberOption('a label join', 'ttlMs', options.ttlMs ?? Infinity, { min: 0, exclusive: true, infinite: true })
  const entries = new Map<string, Entry>()
  // The order of arrival, in queues beside the map: to take the oldest from a Map that shrinks at its start is not O(1)
  // in V8, which walks over what was deleted.
  const arrived = new Fifo<Entry>()
  const finished = new Fifo<Entry>()
  const listeners = new Set<(labelled: LabelledRecord<L>) => void>()
  let pending = 0
  let joined = 0
  let duplicate = 0
  let unmatched = 0
  let expired = 0

  /** Its record is not needed any more, and must not wait for its turn in a queue to be freed. */
  const release = (entry: Entry): void => {
    entry.record = undefined
    pending -= 1
  }

  const dropOld = (now: number): void => {
    for (let entry = arrived.first; entry !== undefined; entry = arrived.first) {
      const { record } = entry
      if (record !== undefined && pending <= max && record.at + ttlMs >= now) break
      arrived.shift()
      if (record === undefined) continue
      release(entry)
      entries.delete(record.id)
      expired += 1
    }
    // One that waits for long must not hold up those behind it that have long met their label.
    if (arrived.size > 2 * max + 1000) arrived.keep(({ record }) => record !== undefined)
  }

  const forget = (entry: Entry): void => {
    // Unless it was predicted again under its id.
    if (entries.get(entry.id) === entry) entries.delete(entry.id)
  }

  return {
    observer: (event: PredictorEvent) => {
      if (event.type !== 'prediction' || event.record.outcome !== 'ok') return
      // A prediction that is made again under its id takes the place of the one before, which meets no label any more.
      const before = entries.get(event.record.id)
      if (before?.record !== undefined) {
        release(before)
        expired += 1
      }
      const entry: Entry = { id: event.record.id, record: event.record }
      entries.set(entry.id, entry)
      arrived.push(entry)
      pending += 1
      dropOld(event.record.at)
    },
    label: (id, value, at) => {
      if (typeof id !== 'string') throw new InvalidOptionError(`Cannot join a label as its id must be a string: current value is of type ${typeof id}`)
      numberOption('a label', 'at', at)
      const label: Label<L> = { id, value, at }
      if (channels.label.hasSubscribers) channels.label.publish(label)
      const entry = entries.get(id)
      if (entry?.record === undefined) {
        if (entry === undefined) unmatched += 1
        else duplicate += 1
        return
      }
      const { record } = entry
      release(entry)
      if (at > record.at + ttlMs) {
        entries.delete(id)
        expired += 1
        return
      }
      joined += 1
      finished.push(entry)
      if (finished.size > max) forget(finished.shift() as Entry)
      for (const listener of [...listeners]) {
        try {
          listener({ record, label })
        } catch (error) {
          tellOfListener(error, at)
        }
      }
    },
    onJoined: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    get counts() {
      return { joined, duplicate, unmatched, expired, pending }
    },
  }
}

/** A listener that throws keeps no other from hearing, and disturbs nobody who tells a label. */
const tellOfListener = (error: unknown, at: number): void => {
  const notice: NoticeEvent = { type: 'notice', layer: 'label-join', message: 'A listener of joined labels threw.', error, at }
  if (channels.notice.hasSubscribers) channels.notice.publish(notice)
  else process.emitWarning(error instanceof Error ? error : new Error(String(error)), { code: 'OUTRIGGER_OBSERVER_THREW', detail: 'A listener of joined labels threw; the label was joined.' })
}
