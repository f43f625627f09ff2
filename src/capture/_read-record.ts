import type { RecordFilter, StoredRecord } from './stored-record.js'

/** A filter as one question. `where` is asked last. */
export const matches = (filter: RecordFilter = {}): ((record: StoredRecord) => boolean) => {
  const { from = -Infinity, to = Infinity, kinds, ids, where } = filter
  const wanted = kinds === undefined ? undefined : new Set(kinds)
  const named = ids === undefined ? undefined : new Set(ids)
  return (record) => record.at >= from && record.at < to && (wanted?.has(record.kind) ?? true) && (named?.has(record.id) ?? true) && (where?.(record) ?? true)
}

/** A record from its text; `undefined` if it is none. What JSON has no word for is put back. */
export const storedRecord = (value: { readonly kind: string } | undefined): StoredRecord | undefined => {
  if (value === undefined || value.kind === 'header' || value.kind === 'footer') return undefined
  const record = value as StoredRecord
  if (record.kind === 'prediction') {
    for (const choice of (record.variants ?? []) as unknown as { propensity: number | null }[]) choice.propensity ??= Number.NaN
  }
  return record
}
