import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { membersOption, optionsObject, stringOption } from '../core/options.js'
import { writeFileAtomic } from '../store/atomic-file.js'
import { connected, quoted, quotedPath, type DuckDb } from '../store/duckdb.js'
import { nodeFileSystem } from '../store/file-system.js'
import { compactionsOf, type Compaction } from './_compaction.js'
import { queryableDirectory } from './_queryable.js'
import { recordColumnNames, recordColumns } from './_record-sql.js'
import { linePages } from './_segment-lines.js'
import { segmentsAmong, type SegmentName } from './_segment-name.js'

/** Options of {@link queryRecords}. */
export interface QueryRecordsOptions {
  /** `@duckdb/node-api`. @default the installed one, loaded at first use */
  readonly duckdb?: DuckDb
}

/**
 * SQL over a directory of segments, sealed, open or compacted to Parquet, through DuckDB. Views: `records` (all kinds), and `predictions`, with the latest `label` of each, `overrides` (how many) and the `weight`
 * that it counts for. `input`, `output` and `label` are JSON: `CAST(input ->> 'km' AS DOUBLE)`.
 *
 * The SQL is code, and runs with the rights of the process: no text of a user belongs there.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`, `ERR_OUTRIGGER_PEER_MISSING` without DuckDB; errors of DuckDB, also where a file was sealed or compacted after rows were given: ask again
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { predictor } from 'outrigger'
 * import { capture, queryRecords, segmentSink } from 'outrigger/capture'
 * const directory = await mkdtemp(`${tmpdir()}/records-`)
 * const captured = capture({ sink: segmentSink({ directory }) })
 * const predict = predictor((km: number) => km * 1.6, { name: 'late', version: '3' })
 * predict.observe(captured.observer)
 * await predict.batch([1, 2, 3])
 * await captured.close()
 * for await (const row of queryRecords(directory, 'SELECT version, sum(weight) AS n FROM predictions GROUP BY version')) assert.deepEqual(row, { version: '3', n: 3 })
 * ```
 */
export async function* queryRecords(directory: string, sql: string, options: QueryRecordsOptions = {}): AsyncGenerator<Record<string, unknown>> {
  const owner = 'a query of records'
  queryableDirectory(owner, directory)
  stringOption(owner, 'sql', sql)
  optionsObject(owner, options, ['duckdb'])
  const { duckdb } = options
  if (duckdb !== undefined) membersOption(owner, 'duckdb.DuckDBInstance', duckdb.DuckDBInstance, ['create'])
  for (let left = timesAgain; ; left -= 1) {
    const found = await filesOf(directory)
    let hasTold = false
    try {
      for await (const row of answers(directory, found, sql, duckdb)) {
        hasTold = true
        yield row
      }
      return
    } catch (error) {
      // What was sealed, compacted or swept while it was read has another name now, or is no more.
      if (hasTold || left === 0 || namesOf(await filesOf(directory)) === namesOf(found)) throw error
    }
  }
}

const timesAgain = 4

interface Files {
  readonly segments: readonly SegmentName[]
  readonly compactions: readonly Compaction[]
}

const filesOf = async (directory: string): Promise<Files> => ({ segments: segmentsAmong(await nodeFileSystem.readdir(directory)), compactions: await compactionsOf(nodeFileSystem, directory) })
const namesOf = ({ segments, compactions }: Files): string => [...segments, ...compactions].map(({ file }) => file).join('\n')

async function* answers(directory: string, { segments, compactions }: Files, sql: string, duckdb: DuckDb | undefined): AsyncGenerator<Record<string, unknown>> {
  const held = new Set(compactions.flatMap(({ segments: stems }) => stems))
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-query-'))
  try {
    const lines: string[] = []
    for (const segment of segments) {
      if (held.has(segment.stem)) continue
      const path = join(directory, segment.file)
      // DuckDB reads files to their end, of which only a part counts here.
      lines.push(segment.state === 'cut' ? await partOf(path, segment.bytes, join(folder, segment.file)) : path)
    }
    const parts = [
      `SELECT ${recordColumns}, line FROM (SELECT NULL::JSON AS line WHERE false)`,
      // In the order of a `segmentSource`, which decides between labels of one time.
      ...(compactions.length === 0 ? [] : [`SELECT ${recordColumnNames}, line::JSON AS line FROM read_parquet([${compactions.map(({ file }) => quotedPath(join(directory, file))).join(', ')}])`]),
      ...(lines.length === 0 ? [] : [`SELECT ${recordColumns}, line FROM (SELECT json AS line FROM read_ndjson_objects([${lines.map(quotedPath).join(', ')}], ignore_errors=true, maximum_object_size=${1 << 26})) WHERE line ->> '$.kind' NOT IN ('header', 'footer')`]),
    ]
    yield* connected(duckdb, async function* (connection): AsyncGenerator<Record<string, unknown>> {
      await connection.run(`CREATE VIEW records AS ${parts.join(' UNION ALL BY NAME ')}`)
      await connection.run(`CREATE VIEW predictions AS SELECT p.*, l.label, coalesce(o.overrides, 0) AS overrides FROM (SELECT * FROM records WHERE kind = ${quoted('prediction')}) p
        LEFT JOIN (SELECT id, last(value ORDER BY at_ms NULLS FIRST, told) AS label FROM (SELECT id, value, at_ms, row_number() OVER () AS told FROM records WHERE kind = 'label') GROUP BY id) l USING (id)
        LEFT JOIN (SELECT id, count(*) AS overrides FROM records WHERE kind = 'override' GROUP BY id) o USING (id)`)
      const result = await connection.stream(sql)
      for await (const rows of result.yieldRowObjectJs()) for (const row of rows) yield withNumbers(row)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A copy of the first bytes of a file. */
const partOf = async (path: string, bytes: number, copy: string): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const page of linePages(nodeFileSystem, path, bytes)) chunks.push(Buffer.from(page.bytes))
  await writeFileAtomic(copy, Buffer.concat(chunks))
  return copy
}

/** A row whose 64-bit integers are numbers, as far as a number holds them. */
const withNumbers = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value]))
