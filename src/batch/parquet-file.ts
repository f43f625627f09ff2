import { membersOption, optionsObject, stringOption } from '../core/options.js'
import { connected, quoted, quotedName, quotedPath, type DuckDb } from '../store/duckdb.js'
import { FileSink } from './_file-sink.js'
import { fileFingerprint, jobError } from './_job-files.js'
import { jsonLines, rowFile, type RowFile } from './jsonl-file.js'
import { rangeParts, UnreadableRow, type RowPage, type RowSource } from './source.js'

/** Options of {@link parquetFile}. */
export interface ParquetOptions {
  /** `@duckdb/node-api`. @default the installed one, loaded at first use */
  readonly duckdb?: DuckDb
  /** What is read, as the list of a SQL `SELECT`. It is code: no text of a user belongs there. @default '*' */
  readonly select?: string
  /** The type in DuckDB's words of each column that is written. @default what DuckDB makes of the rows */
  readonly columns?: Readonly<Record<string, string>>
}

/**
 * A Parquet file, as source or sink of `scoreBatch`, read and written by DuckDB.
 *
 * Reading: in the order of the file, as a stream; integers are numbers, and one that a number does not hold exactly fails its
 * row (`select: 'CAST(id AS VARCHAR) AS id'` makes texts of them).
 *
 * Writing: the rows are kept as JSON lines beside the file, which makes the job resumable, and converted at its end. That takes their
 * room on disk for a second time. Say `columns` where types matter: DuckDB guesses them from the rows otherwise.
 *
 * @typeParam T - what a row holds; it is not checked
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; at first use `ERR_OUTRIGGER_PEER_MISSING` without DuckDB
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { parquetFile, scoreBatch } from 'outrigger/batch'
 * const folder = await mkdtemp(`${tmpdir()}/score-`)
 * const file = parquetFile<{ row: number; output: number }>(`${folder}/out.parquet`, { columns: { row: 'BIGINT', output: 'DOUBLE' } })
 * await scoreBatch((km: number) => km * 1.5, [10, 20], file)
 * const outputs: number[] = []
 * await scoreBatch((row: { row: number; output: number }) => row.output, file, outputs, { result: ({ output }) => output })
 * assert.deepEqual(outputs, [15, 30])
 * ```
 */
export const parquetFile = <T extends object>(path: string, options: ParquetOptions = {}): RowFile<T> => {
  const owner = 'a Parquet file'
  stringOption(owner, 'path', path)
  optionsObject(owner, options, ['duckdb', 'select', 'columns'])
  const { duckdb, select = '*', columns } = options
  if (duckdb !== undefined) membersOption(owner, 'duckdb.DuckDBInstance', duckdb.DuckDBInstance, ['create'])
  stringOption(owner, 'select', select)
  if (columns !== undefined) optionsObject(owner, columns, Object.keys(columns))
  const sqlPath = quotedPath(path)
  const convert = async (from: string, to: string): Promise<void> => {
    const types = columns === undefined ? 'auto_detect=true, sample_size=-1' : `columns={${Object.entries(columns).map(([name, type]) => `${quoted(name)}: ${quoted(type)}`).join(', ')}}`
    const work = connected(duckdb, async function* (connection) {
      yield await connection.run(`COPY (SELECT * FROM read_json(${quotedPath(from)}, format='newline_delimited', maximum_object_size=${1 << 26}, ${types})) TO ${quotedPath(to)} (FORMAT parquet, COMPRESSION zstd)`)
    })
    for await (const _ of work) continue
  }
  return rowFile<T>(parquetSource<T>(path, sqlPath, select, duckdb), new FileSink<T>({ path, name: 'Parquet', format: () => jsonLines<T>(), convert }))
}

const parquetSource = <T>(path: string, sqlPath: string, select: string, duckdb: DuckDb | undefined): RowSource<T> => {
  const count = async (): Promise<number> => {
    const counts = connected(duckdb, async function* (connection) {
      const result = await connection.stream(`SELECT num_rows FROM parquet_file_metadata(${sqlPath})`)
      for await (const rows of result.yieldRowObjectJs()) yield* rows
    })
    let total = 0
    for await (const row of counts) total += Number(row['num_rows'])
    return total
  }
  const position = quotedName('outrigger row number')
  return {
    describe: () => `Parquet ${path}`,
    fingerprint: async (job) => `Parquet of ${await fileFingerprint(job.fileSystem, path)}, ${select}`,
    extent: async () => ({ total: await count(), unit: 'rows' }),
    read: (job, from, to) => connected(duckdb, async function* (connection): AsyncGenerator<RowPage<T>> {
      const end = Number.isFinite(to) ? ` AND file_row_number < ${to}` : ''
      const source = `SELECT * FROM read_parquet(${sqlPath}, file_row_number=true) WHERE file_row_number >= ${from}${end}`
      const result = await connection.stream(`SELECT ${select === '*' ? '* EXCLUDE (file_row_number)' : select}, file_row_number AS ${position} FROM (${source})`)
      let rows: (T | UnreadableRow)[] = []
      let next = from
      for await (const chunk of result.yieldRowObjectJs()) {
        for (const { ['outrigger row number']: at, ...row } of chunk) {
          // What is counted is what is read: a file out of order would score rows twice.
          if (Number(at) !== next) throw jobError(`Cannot read ${path} as its rows must come in order: current value is row ${String(at)} after ${next - 1}`, { path })
          rows.push(withNumbers<T>(row))
          next += 1
          if (rows.length < job.pageRows) continue
          yield { rows, next }
          rows = []
        }
      }
      if (rows.length > 0) yield { rows, next }
    }),
    split: async function* (_job, size) {
      yield* rangeParts(await count(), size)
    },
  }
}

/** A row whose 64-bit integers are numbers. */
const withNumbers = <T>(row: Record<string, unknown>): T | UnreadableRow => {
  for (const name of Object.keys(row)) {
    const value = row[name]
    if (typeof value !== 'bigint') continue
    const number = Number(value)
    if (!Number.isSafeInteger(number)) {
      return new UnreadableRow(jobError(`Cannot read the column \`${name}\` as a number must hold its value exactly (read it as text by \`select\`): current value is ${value}`), undefined)
    }
    row[name] = number
  }
  return row as T
}
