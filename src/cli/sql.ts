/** SQL over records, by DuckDB where it is installed. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import type { RecordFilter, RecordSource, StoredRecord } from '../capture/stored-record.js'
import { hasCode } from '../core/errors.js'
import { connected, quoted, type DuckDb } from '../store/duckdb.js'
import { Misuse } from './misuse.js'

/** A row of an answer. */
export type SqlRow = Readonly<Record<string, unknown>>

/** What each table is called. */
const tables = { prediction: 'predictions', label: 'labels', override: 'overrides', change: 'changes' } as const

/**
 * Runs a query over the tables `predictions` (those that `filter` wants), `labels`, `overrides` and `changes`. Inputs and outputs are structs: `output.minutes`. The
 * records go through a file in a temporary folder, which only this user can read, and which is gone afterwards.
 */
export async function* sqlOver(source: RecordSource, filter: RecordFilter, sql: string, duckdb?: DuckDb): AsyncGenerator<SqlRow> {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-sql-'))
  try {
    const counts = await spill(source, filter, folder)
    yield* connected(duckdb, async function* (connection) {
      for (const [kind, name] of Object.entries(tables)) {
        // Without a row there is no telling which columns there are.
        const from = counts[kind as StoredRecord['kind']] === 0 ? `(select ''::varchar as id, 0::bigint as at) where false` : `read_json(${quoted(join(folder, `${kind}.jsonl`))}, format = 'newline_delimited', sample_size = -1, maximum_object_size = 67108864)`
        await connection.run(`create view ${name} as select * from ${from}`)
      }
      let answer: Awaited<ReturnType<typeof connection.stream>>
      try {
        answer = await connection.stream(sql)
      } catch (error) {
        throw new Misuse(`DuckDB does not take it: ${error instanceof Error ? error.message : String(error)}`)
      }
      for await (const rows of answer.yieldRowObjectJs()) yield* rows
    })
  } catch (error) {
    if (hasCode(error, 'ERR_OUTRIGGER_PEER_MISSING')) throw new Misuse('--sql needs DuckDB: npm install @duckdb/node-api. Without it, --where and --json do.')
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const spill = async (source: RecordSource, filter: RecordFilter, folder: string): Promise<Record<StoredRecord['kind'], number>> => {
  const counts = { prediction: 0, label: 0, override: 0, change: 0 }
  const files = Object.fromEntries(Object.keys(tables).map((kind) => [kind, createWriteStream(join(folder, `${kind}.jsonl`), { mode: 0o600 })]))
  const { from = -Infinity, to = Infinity, where } = filter
  for await (const record of source.read()) {
    if (record.kind === 'prediction' && !(record.at >= from && record.at < to && where?.(record) !== false)) continue
    counts[record.kind] += 1
    const file = files[record.kind] as (typeof files)[string]
    const { at, ...rest } = record
    if (!file.write(`${JSON.stringify({ at: Number.isFinite(at) ? new Date(at).toISOString() : null, ...rest })}\n`)) await once(file, 'drain')
  }
  for (const file of Object.values(files)) {
    file.end()
    await once(file, 'finish')
  }
  return counts
}
