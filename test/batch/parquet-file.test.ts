import * as duckdb from '@duckdb/node-api'
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jsonlFile, parquetFile, scoreBatch, type DeadLetter } from 'outrigger/batch'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { crashAt, meddlingFileSystem } from './_crashing-file-system.js'
import { temporaryFolder } from './_folder.js'

let folder: string
const sql = async (statement: string): Promise<Record<string, unknown>[]> => {
  const instance = await duckdb.DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return await (await connection.run(statement)).getRowObjectsJson() as Record<string, unknown>[]
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

beforeAll(async () => {
  folder = await temporaryFolder()
  await sql(`COPY (SELECT range AS id, range * 0.5 AS km, 'flight ''' || range AS name, CASE WHEN range % 7 = 0 THEN NULL ELSE range END AS gap FROM range(10000)) TO '${folder}/in.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)`)
})

interface Flight { readonly id: number; readonly km: number; readonly name: string; readonly gap: number | null }

describe('parquetFile', () => {
  it('reads rows in order, in pages, with integers as numbers, and writes what DuckDB reads back', async () => {
    const out = join(folder, 'out.parquet')
    const sizes = new Set<number>()
    const model = { predictBatch: (rows: readonly Flight[]) => {
      sizes.add(rows.length)
      return rows.map(({ km }) => km * 2)
    } }
    await scoreBatch(model, parquetFile<Flight>(join(folder, 'in.parquet')), parquetFile<object>(out, { columns: { id: 'BIGINT', name: 'VARCHAR', output: 'DOUBLE' } }), {
      batchSize: 300,
      concurrency: 2,
      result: ({ input, output }) => ({ id: input.id, name: input.name, output }),
    })
    expect([...sizes].sort()).toEqual([100, 300])
    expect(await sql(`SELECT count(*)::INT AS n, sum(output) AS total, min(typeof(id)) AS type, max(name) AS last, bool_and(id = output) AS right FROM read_parquet('${out}')`)).toEqual([{ n: 10000, total: 49995000, type: 'BIGINT', last: "flight '9999", right: true }])
    expect(await sql(`SELECT id FROM read_parquet('${out}') LIMIT 2`)).toEqual([{ id: '0' }, { id: '1' }])
    expect((await readdir(folder)).filter((name) => name.startsWith('.tmp'))).toEqual([])
  })

  it('crashed at any step and resumed writes the same rows', async () => {
    const input = parquetFile<Flight>(join(folder, 'in.parquet'), { select: 'id, km' })
    const run = async (path: string, step: (name: string) => void): Promise<unknown> => {
      await mkdir(path, { recursive: true })
      return await scoreBatch((row: Flight) => row.km, input, parquetFile<object>(join(path, 'out'), { duckdb }), { batchSize: 3000, checkpoint: { path: join(path, 'c'), everyMs: 0 }, fileSystem: meddlingFileSystem({ step }) })
    }
    let steps = 0
    await run(join(folder, 'count'), () => { steps += 1 })
    for (let failAt = 0; failAt < steps; failAt += 5) {
      const path = join(folder, `crash-${failAt}`)
      await run(path, crashAt(failAt)).catch(() => {})
      await run(path, () => {})
      expect([failAt, await sql(`SELECT count(*)::INT AS n, count(DISTINCT row)::INT AS d, sum(output) AS total FROM read_parquet('${path}/out')`)]).toEqual([failAt, [{ n: 10000, d: 10000, total: 24997500 }]])
    }
  }, 60_000)

  it('fails a row alone whose integer a number does not hold', async () => {
    const path = join(folder, 'big.parquet')
    await sql(`COPY (SELECT unnest([1, 9007199254740993, 3])::BIGINT AS id) TO '${path}' (FORMAT parquet)`)
    const ids: unknown[] = []
    const deadLetters: DeadLetter[] = []
    await scoreBatch((row: { id: number }) => row.id, parquetFile(path), ids, { deadLetters, result: ({ output }) => output })
    expect([ids, deadLetters.map(({ row, error }) => [row, error.code])]).toEqual([[1, 3], [[1, 'ERR_OUTRIGGER_JOB']]])
    await scoreBatch((row: { id: string }) => row.id, parquetFile(path, { select: 'CAST(id AS VARCHAR) AS id' }), ids, { result: ({ output }) => output })
    expect(ids.slice(2)).toEqual(['1', '9007199254740993', '3'])
  })

  it('of no rows is written with the columns that are given', async () => {
    const path = join(folder, 'empty.parquet')
    await scoreBatch((x: number) => x, [], parquetFile(path, { columns: { row: 'BIGINT', output: 'DOUBLE' } }))
    expect(await sql(`SELECT count(*)::INT AS n, count(output)::INT AS m FROM read_parquet('${path}')`)).toEqual([{ n: 0, m: 0 }])
  })

  it('becomes JSON lines and comes from them', async () => {
    await copyFile(join(folder, 'in.parquet'), join(folder, 'copy.parquet'))
    await writeFile(join(folder, 'in.jsonl'), '{"a":1.5}\n{"a":2}\n')
    await scoreBatch((row: { a: number }) => row.a, jsonlFile<{ a: number }>(join(folder, 'in.jsonl')), parquetFile(join(folder, 'a.parquet')))
    expect(await sql(`SELECT * FROM read_parquet('${folder}/a.parquet')`)).toEqual([{ row: '0', output: 1.5 }, { row: '1', output: 2 }])
  })

  it('says which package is missing', async () => {
    vi.doMock('@duckdb/node-api', () => {
      throw new Error('Cannot find package')
    })
    await expect(scoreBatch((row: object) => row, parquetFile(join(folder, 'in.parquet')), () => {})).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_PEER_MISSING', package: '@duckdb/node-api' })
    vi.doUnmock('@duckdb/node-api')
  })

  it.each([
    ['path', '', {}],
    ['pattern', 'in*.parquet', {}],
    ['duckdb', 'x', { duckdb: {} }],
    ['selct', 'x', { selct: '*' }],
    ['select', 'x', { select: '' }],
  ])('refuses a wrong %s', (_, path, options) => {
    expect(() => parquetFile(path, options as never)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
