/** One prediction among stored records, with the rows of its batch and what was said of it later. */
import { reasonUnread, type RecordSource, type StoredLabel, type StoredOverride, type StoredRecord } from '../capture/stored-record.js'
import { InvalidOptionError } from '../core/errors.js'
import type { PredictionRecord } from '../core/record.js'
import { isPrediction, type ReplayRecords } from './replay.js'

/** Where records come from. An iterable is read to its end, once. */
export type ExplainSource = RecordSource | ReplayRecords

export interface FoundRecord {
  readonly record: PredictionRecord
  /** The rows of its batch that are there, itself included, in order. */
  readonly batch: readonly PredictionRecord[]
  readonly label: StoredLabel | undefined
  readonly overrides: readonly StoredOverride[]
}

/** Rows of one batch settle together. */
const aroundMs = 60_000
/** So many rows of batches are held while the prediction itself is not found yet. */
const mostHeld = 50_000

/** The clocks that time an answer and its age are not the same. */
const marginMs = 50

/**
 * The prediction whose answer a cache kept for another one: a miss of the same version and arms, where the cache knows an age at that time, of several the nearest; one with
 * the same input before all others. `undefined` if there is none, or the records can be read only once.
 */
export const findFill = async (source: ExplainSource, record: PredictionRecord): Promise<PredictionRecord | undefined> => {
  if (!('read' in source || Array.isArray(source))) return undefined
  const { ageMs } = record.cache ?? {}
  const kept = record.at - (ageMs ?? 0)
  const [from, to] = [ageMs === undefined ? -Infinity : kept - marginMs, ageMs === undefined ? record.at : kept + marginMs]
  const [arms, input] = [armsOf(record), JSON.stringify(record.input)]
  const isLike = (one: StoredRecord | PredictionRecord): boolean => JSON.stringify((one as PredictionRecord).input) === input
  // Without an age only the input tells which it was.
  const isFill = (one: StoredRecord | PredictionRecord): boolean =>
    isPrediction(one) && one.id !== record.id && one.cache?.status === 'miss' && one.outcome === 'ok' && one.at >= from && one.at <= to && armsOf(one) === arms && (ageMs !== undefined || isLike(one))
  const away = ({ at }: PredictionRecord): number => Math.abs(at - kept)
  let best: PredictionRecord | undefined
  const range = ageMs === undefined ? { to: to + 1 } : { from, to: to + 1 }
  for await (const one of 'read' in source ? source.read({ kinds: ['prediction'], ...range, where: isFill }) : (source as Iterable<StoredRecord | PredictionRecord>)) {
    if (!isFill(one)) continue
    const fill = one as PredictionRecord
    if (best === undefined || (isLike(fill) === isLike(best) ? away(fill) <= away(best) : isLike(fill))) best = fill
  }
  return best
}

const armsOf = ({ identity, variants }: PredictionRecord): string => JSON.stringify([identity.name, identity.version, identity.digest, variants.map(({ split, variant }) => [split, variant])])

/** @throws `ERR_OUTRIGGER_INVALID_OPTION` if there is no such prediction */
export const findRecord = async (source: ExplainSource, id: string): Promise<FoundRecord> => {
  const found = new Finding(id)
  if ('read' in source) {
    for await (const record of source.read({ ids: [id] })) found.add(record)
    const { record } = found
    if (record?.batch !== undefined) {
      const { id: batch } = record.batch
      for await (const row of source.read({ kinds: ['prediction'], from: record.at - aroundMs, to: record.at + aroundMs, where: (one) => one.kind === 'prediction' && one.batch?.id === batch })) found.add(row)
    }
  } else for await (const record of source) found.add(record)
  return found.result('read' in source)
}

class Finding {
  record: PredictionRecord | undefined
  readonly #id: string
  readonly #batches = new Map<string, Map<number, PredictionRecord>>()
  #held = 0
  #seen = 0
  #label: StoredLabel | undefined
  readonly #overrides: StoredOverride[] = []

  constructor(id: string) {
    this.#id = id
  }

  add(record: StoredRecord | PredictionRecord): void {
    if (isPrediction(record)) {
      if (reasonUnread(record) !== undefined) return
      this.#seen += 1
      // A prediction that was made again under its id: the latest is meant.
      if (record.id === this.#id && (this.record === undefined || record.at >= this.record.at)) this.record = record
      this.#hold(record)
    } else if (record.id === this.#id && 'kind' in record) {
      if (record.kind === 'label' && (this.#label === undefined || record.at >= this.#label.at)) this.#label = record
      if (record.kind === 'override') this.#overrides.push(record)
    }
  }

  #hold(record: PredictionRecord): void {
    const { batch } = record
    if (batch === undefined || batch.size === 1 || (this.record !== undefined && this.record.batch?.id !== batch.id)) return
    const rows = this.#batches.get(batch.id) ?? new Map<number, PredictionRecord>()
    this.#batches.set(batch.id, rows)
    if (!rows.has(batch.index)) this.#held += 1
    rows.set(batch.index, record)
    for (const [id, oldest] of this.#batches) {
      if (this.#held <= mostHeld || id === this.record?.batch?.id) break
      this.#batches.delete(id)
      this.#held -= oldest.size
    }
  }

  /** @param isChosen - whether only what has the id was asked for */
  result(isChosen: boolean): FoundRecord {
    const { record } = this
    if (record === undefined) throw new InvalidOptionError(`Cannot explain ${JSON.stringify(this.#id)} as it must be among the records: current value is ${isChosen ? 'the id of none' : `none of ${this.#seen} predictions`}`)
    const rows = record.batch === undefined ? undefined : this.#batches.get(record.batch.id)
    return { record, batch: rows === undefined ? [record] : [...rows.values()].sort((a, b) => (a.batch?.index as number) - (b.batch?.index as number)), label: this.#label, overrides: this.#overrides }
  }
}
