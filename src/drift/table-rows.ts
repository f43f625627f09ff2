import { InvalidOptionError } from '../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../core/options.js'
import { connected, quotedPath, type DuckDb } from '../store/duckdb.js'

/** Options of {@link tableRows}. */
export interface TableRowsOptions {
  /** `@duckdb/node-api`. @default the installed one, loaded at first use */
  readonly duckdb?: DuckDb
  /** What is read, as the list of a SQL `SELECT`. It is code: no text of a user belongs there. @default '*' */
  readonly select?: string
  /** @default by the end of the path: `.parquet`, `.csv` or `.tsv`, these also with `.gz` */
  readonly format?: 'parquet' | 'csv'
}

/** A row of a table; whole numbers and dates are numbers. */
export type TableRow = Record<string, unknown>

/**
 * The rows of a Parquet or CSV file, read as a stream by DuckDB: for `referenceProfileFrom`, which opens it anew for its second pass.
 *
 * Integers are numbers (`select: 'CAST(id AS VARCHAR) AS id'` keeps large ids apart), dates and times milliseconds since 1970. The types of a CSV file are DuckDB's guess.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION; when read, ERR_OUTRIGGER_PEER_MISSING without DuckDB, or with what DuckDB says
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { referenceProfileFrom, tableRows } from 'outrigger/drift'
 * const path = `${await mkdtemp(`${tmpdir()}/drift-`)}/flights.csv`
 * await writeFile(path, ['km,origin', ...Array.from({ length: 300 }, (_, i) => `${i},${i % 2 ? 'ATL' : 'ORD'}`)].join('\n'))
 * const reference = await referenceProfileFrom(tableRows(path))
 * assert.deepEqual(reference.features.map(({ name, kind }) => `${name}: ${kind}`), ['km: numeric', 'origin: categorical'])
 * ```
 */
export const tableRows = (path: string, options: TableRowsOptions = {}): (() => AsyncIterable<TableRow>) => {
  const owner = 'rows of a table'
  stringOption(owner, 'path', path)
  optionsObject(owner, options, ['duckdb', 'select', 'format'])
  const { duckdb, select = '*', format = /\.parquet$/i.test(path) ? 'parquet' : /\.[ct]sv(\.gz)?$/i.test(path) ? 'csv' : undefined } = options
  stringOption(owner, 'select', select)
  if (duckdb !== undefined) membersOption(owner, 'duckdb.DuckDBInstance', duckdb.DuckDBInstance, ['create'])
  if (format !== 'parquet' && format !== 'csv') throw new InvalidOptionError(`Cannot create ${owner} as \`format\` must be 'parquet' or 'csv' where the path does not say it: current value is ${JSON.stringify(options.format ?? path)}`)
  const sql = `SELECT ${select} FROM read_${format}(${quotedPath(path)})`
  return () =>
    connected(duckdb, async function* (connection): AsyncGenerator<TableRow> {
      const result = await connection.stream(sql)
      for await (const chunk of result.yieldRowObjectJs()) for (const row of chunk) yield withNumbers(row)
    })
}

const withNumbers = (row: TableRow): TableRow => {
  for (const name of Object.keys(row)) {
    const value = row[name]
    if (typeof value === 'bigint') row[name] = Number(value)
    else if (value instanceof Date) row[name] = value.getTime()
  }
  return row
}
