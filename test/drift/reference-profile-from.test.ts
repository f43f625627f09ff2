import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { scoreBatch, parquetFile } from '../../src/batch/index.js'
import { referenceProfileFrom, type ReferenceProfileProgress } from '../../src/drift/reference-profile-from.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { tableRows } from '../../src/drift/table-rows.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const random = seeded(41)
const rows = Array.from({ length: 2500 }, (_, i) => ({ x: random.normal(), n: i % 40, word: i % 11 === 0 ? null : `w${i % 30}` }))
const options = { sampleRows: 1000, label: (row: { n: number }) => row.n > 20, pairs: [['n', 'word']] as const }
async function* stream(): AsyncGenerator<(typeof rows)[number]> {
  // One object for all rows, as some readers do.
  const shared = { ...rows[0]! }
  for (const row of rows) yield Object.assign(shared, row)
}
const folder = mkdtempSync(join(tmpdir(), 'outrigger-rows-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('referenceProfileFrom gives what referenceProfile gives: of all rows if it may open the stream twice, else of the sample', async () => {
  const all = referenceProfile(rows, options)
  expect((await referenceProfileFrom(stream, options)).toJSON()).toEqual(all.toJSON())
  expect((await referenceProfileFrom(() => rows, options)).checksum).toBe(all.checksum)
  const sample = referenceProfile(rows.values(), options)
  expect(sample.rows).toBeLessThanOrEqual(1000)
  expect((await referenceProfileFrom(stream(), options)).checksum).toBe(sample.checksum)
  expect((await referenceProfileFrom(rows, { ...options, sampleRows: 5000 })).checksum).toBe(referenceProfile(rows, { ...options, sampleRows: 5000 }).checksum)
})

test('referenceProfileFrom tells its progress, and keeps no more rows than its sample', async () => {
  const seen: ReferenceProfileProgress[] = []
  async function* many(): AsyncGenerator<{ i: number }> {
    for (let i = 0; i < 25_000; i++) yield { i }
  }
  const made = await referenceProfileFrom(many, { sampleRows: 1000, onProgress: (progress) => seen.push(progress) })
  expect(seen).toEqual([1, 2].flatMap((pass) => [10_000, 20_000, 25_000].map((count) => ({ pass, rows: count }))))
  expect(made.rows).toBe(25_000)
  expect(made.features[0]?.moments?.mean).toBe(12_499.5)
  expect([made.features[0]?.min, made.features[0]?.max]).toEqual([0, 24_999])
})

test('referenceProfileFrom passes on what the stream and the callbacks throw, and closes the stream', async () => {
  let isClosed = false
  async function* endless(): AsyncGenerator<{ x: number }> {
    try {
      for (let x = 0; ; x++) yield { x }
    } finally {
      isClosed = true
    }
  }
  const stop = (): void => {
    throw new Error('enough')
  }
  await expect(referenceProfileFrom(endless, { onProgress: stop })).rejects.toThrow('enough')
  expect(isClosed).toBe(true)
  // oxlint-disable-next-line require-yield
  await expect(referenceProfileFrom(async function* (): AsyncGenerator<object> { throw new Error('no database') })).rejects.toThrow('no database')
  await expect(referenceProfileFrom([{ x: 1 }])).rejects.toThrow(code('TOO_FEW_ROWS'))
  for (const bad of [null, 3, {}]) await expect(referenceProfileFrom(bad as never)).rejects.toThrow(code('INVALID_OPTION'))
  await expect(referenceProfileFrom(rows, { onProgress: 3 } as never)).rejects.toThrow(code('INVALID_OPTION'))
})

test('tableRows of a Parquet and of a CSV file give the profile that their rows give', async () => {
  const parquet = join(folder, 'rows.parquet')
  await scoreBatch((row: (typeof rows)[number]) => row.x, rows, parquetFile<(typeof rows)[number]>(parquet, { columns: { x: 'DOUBLE', n: 'BIGINT', word: 'VARCHAR' } }), { result: ({ input }) => input })
  const csv = join(folder, 'rows.csv')
  writeFileSync(csv, ['x,n,word', ...rows.map(({ x, n, word }) => `${x},${n},${word ?? ''}`)].join('\n'))
  const expected = referenceProfile(rows, options)
  for (const path of [parquet, csv]) expect((await referenceProfileFrom(tableRows(path), options as never)).toJSON()).toEqual(expected.toJSON())
  const dates = await referenceProfileFrom(tableRows(csv, { select: "DATE '2024-01-01' + CAST(n AS INTEGER) AS day, CAST(n AS VARCHAR) AS code" }))
  expect(dates.features.map(({ kind, min, max }) => [kind, min, max])).toEqual([['numeric', Date.UTC(2024, 0, 1), Date.UTC(2024, 1, 9)], ['categorical', NaN, NaN]])
  for (const bad of [() => tableRows('rows.txt'), () => tableRows(''), () => tableRows('a.csv', { table: 1 } as never), () => tableRows('*.csv')]) expect(bad).toThrow(code('INVALID_OPTION'))
  await expect(referenceProfileFrom(tableRows(join(folder, 'none.parquet')))).rejects.toThrow(/none.parquet/)
})
