import { reasonUnread, type RecordFilter, type StoredRecord } from './stored-record.js'

const half = /\p{Cs}/gu

/** A filter as one question. `where` is asked last. */
export const matches = (filter: RecordFilter = {}): ((record: StoredRecord) => boolean) => {
  const { from = -Infinity, to = Infinity, kinds, ids, where } = filter
  const wanted = kinds === undefined ? undefined : new Set(kinds)
  // Halves of characters were not kept.
  const named = ids === undefined ? undefined : new Set([...ids, ...ids.map((id) => id.replaceAll(half, '\ufffd'))])
  return (record) => record.at >= from && record.at < to && (wanted?.has(record.kind) ?? true) && (named?.has(record.id) ?? true) && (where?.(record) ?? true)
}

/** Whether it is a line of a record, and not the first or last one of a segment. */
export const isRecordKind = (kind: string): boolean => kind !== 'header' && kind !== 'footer'

/** A record from its text; `undefined` if it is none, or of a format that nobody knows here. What JSON has no word for is put back. */
export const storedRecord = (value: { readonly kind: string } | undefined): StoredRecord | undefined => {
  if (value === undefined || !isRecordKind(value.kind)) return undefined
  if (reasonUnread(value) !== undefined) return undefined
  const record = value as StoredRecord
  if (record.kind === 'prediction') {
    for (const choice of (record.variants ?? []) as unknown as { propensity: number | null }[]) choice.propensity ??= Number.NaN
  }
  return record
}
