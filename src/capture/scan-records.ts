import { OutriggerError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import type { RecordFilter, RecordSource, StoredLabel, StoredOverride, StoredPrediction } from './stored-record.js'

/** Options of {@link scanRecords}. */
export interface ScanOptions extends Omit<RecordFilter, 'kinds' | 'where'> {
  /** Which predictions are wanted. */
  readonly where?: (prediction: StoredPrediction) => boolean
  /** Of so many predictions labels and overrides are held for joining; more are an error. @default 1_000_000 */
  readonly maxLater?: number
}

/** A prediction, and what was said of it later. */
export interface ScannedPrediction {
  readonly prediction: StoredPrediction
  /** The truth; the one that was told last. */
  readonly label: StoredLabel | undefined
  /** Decisions that replaced the answer, in the order in which they were kept. */
  readonly overrides: readonly StoredOverride[]
}

/**
 * Predictions with their late labels and overrides, joined by id. It reads the source twice: first what came later, which it holds in
 * memory (`maxLater`), then the predictions, as a stream. `from` and `to` are about the predictions; a label counts whenever it came.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; `ERR_OUTRIGGER_STORE_FAILED` beyond `maxLater`; errors of the source
 * @example
 * ```ts
 * import { scanRecords, type RecordSource, type StoredRecord } from 'outrigger/capture'
 * const prediction = { kind: 'prediction', v: 1, class: 'standard', id: 'a', at: 1 } as StoredRecord
 * const label: StoredRecord = { kind: 'label', v: 1, class: 'standard', id: 'a', at: 900, value: true }
 * const source: RecordSource = { read: async function* () { yield prediction; yield label } }
 * for await (const row of scanRecords(source, { to: 100 })) assert.equal(row.label?.value, true)
 * ```
 */
export async function* scanRecords(source: RecordSource, options: ScanOptions = {}): AsyncGenerator<ScannedPrediction> {
  const owner = 'a scan of records'
  optionsObject(owner, options, ['from', 'to', 'ids', 'where', 'maxLater'])
  membersOption(owner, 'source', source, ['read'])
  const { where, ids, from, to } = options
  const maxLater = numberOption(owner, 'maxLater', options.maxLater ?? 1_000_000, { min: 0, integer: true, infinite: true })
  const later = new Map<string, { label: StoredLabel | undefined; overrides: StoredOverride[] }>()
  for await (const record of source.read({ ids, kinds: ['label', 'override'] })) {
    const known = later.get(record.id)
    const entry = known ?? { label: undefined, overrides: [] }
    if (record.kind === 'label') entry.label = entry.label !== undefined && entry.label.at > record.at ? entry.label : record
    else if (record.kind === 'override') entry.overrides.push(record)
    if (known !== undefined) continue
    // Left out they would make wrong figures.
    if (later.size >= maxLater) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot join labels and overrides as those of at most ${maxLater} predictions are held (narrow \`ids\`, or raise \`maxLater\`): current value is more`)
    later.set(record.id, entry)
  }
  for await (const record of source.read({ ids, from, to, kinds: ['prediction'] })) {
    if (record.kind !== 'prediction' || (where !== undefined && !where(record))) continue
    const entry = later.get(record.id)
    yield { prediction: record, label: entry?.label, overrides: entry?.overrides ?? [] }
  }
}
