import { describe, expect, it } from 'vitest'
import { scanRecords, type RecordSource, type ScannedPrediction, type ScanOptions, type StoredRecord } from 'outrigger/capture'

const prediction = (id: string, at: number): StoredRecord => ({ kind: 'prediction', v: 1, class: 'standard', id, at, outcome: at % 2 === 0 ? 'ok' : 'error' }) as StoredRecord
const label = (id: string, at: number, value: unknown): StoredRecord => ({ kind: 'label', v: 1, class: 'standard', id, at, value })
const override = (id: string, at: number): StoredRecord => ({ kind: 'override', v: 1, class: 'standard', id, at, actor: 'ann', reason: 'x', before: 1, after: 2 })

const records = [label('early', 1, 'before'), prediction('early', 2), prediction('a', 3), label('a', 500, 'new'), prediction('b', 4), label('a', 90, 'old'), override('a', 600), override('a', 601), label('nobody', 5, 1)]
const source: RecordSource = {
  read: async function* ({ from = -Infinity, to = Infinity, kinds, ids } = {}) {
    for (const record of records) if (record.at >= from && record.at < to && (kinds?.includes(record.kind) ?? true) && (ids?.includes(record.id) ?? true)) yield record
  },
}
const scanned = async (options?: ScanOptions): Promise<[string, unknown, number][]> => {
  const rows: ScannedPrediction[] = []
  for await (const row of scanRecords(source, options)) rows.push(row)
  return rows.map((row) => [row.prediction.id, row.label?.value, row.overrides.length])
}

describe('scanRecords', () => {
  it('joins labels and overrides by id, whenever they came; of several labels the latest', async () => {
    expect(await scanned()).toEqual([['early', 'before', 0], ['a', 'new', 2], ['b', undefined, 0]])
  })

  it('asks `from` and `to` of the predictions only, and `where` of them', async () => {
    expect(await scanned({ from: 3, to: 4 })).toEqual([['a', 'new', 2]])
    expect(await scanned({ where: ({ outcome }) => outcome === 'ok' })).toEqual([['early', 'before', 0], ['b', undefined, 0]])
    expect(await scanned({ ids: ['b', 'early'] })).toEqual([['early', 'before', 0], ['b', undefined, 0]])
  })

  it('fails where it cannot hold what came later, and refuses with codes', async () => {
    await expect(scanned({ maxLater: 2 })).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_STORE_FAILED' }))
    expect(await scanned({ maxLater: 1, ids: ['a'] })).toEqual([['a', 'new', 2]])
    for (const bad of [{ typo: 1 }, { maxLater: -1 }]) await expect(scanned(bad as never)).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
