/** DuckDB, by the few methods that are used. */
import { InvalidOptionError, OutriggerError } from '../core/errors.js'

const packageName: string = '@duckdb/node-api'

/** An open connection of `@duckdb/node-api`. */
export interface DuckDbConnection {
  run(sql: string): Promise<unknown>
  stream(sql: string): Promise<{ yieldRowObjectJs(): AsyncIterableIterator<Record<string, unknown>[]> }>
  closeSync(): void
}

/** The package `@duckdb/node-api`. */
export interface DuckDb {
  readonly DuckDBInstance: { create(path?: string): Promise<{ connect(): Promise<DuckDbConnection>; closeSync(): void }> }
}

/** The package that was passed in, or the one that is installed. @throws `ERR_OUTRIGGER_PEER_MISSING` */
const duckDbOf = async (given: DuckDb | undefined): Promise<DuckDb> => {
  if (given !== undefined) return given
  try {
    // Not a literal: a bundler would want to pack the package, and its native modules, into every service.
    return (await import(/* @vite-ignore */ packageName)) as DuckDb
  } catch (cause) {
    throw new OutriggerError('ERR_OUTRIGGER_PEER_MISSING', 'Cannot use a Parquet file as the package `@duckdb/node-api` must be installed, or passed in as `duckdb`: current value is no such package', { cause, package: packageName })
  }
}

/** A text in SQL. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A name in SQL. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A path in SQL. DuckDB would take one with these characters for a pattern of several files. */
export const quotedPath = (path: string): string => {
  if (/[*?[\]{}]/.test(path)) throw new InvalidOptionError(`Cannot create a Parquet file as \`path\` must have none of the characters * ? [ ] { }: current value is ${JSON.stringify(path)}`)
  return quoted(path)
}

/** A connection to a database of its own in memory, closed after use. */
export async function* connected<T>(given: DuckDb | undefined, use: (connection: DuckDbConnection) => AsyncGenerator<T>): AsyncGenerator<T> {
  const { DuckDBInstance } = await duckDbOf(given)
  const instance = await DuckDBInstance.create(':memory:')
  try {
    const connection = await instance.connect()
    try {
      yield* use(connection)
    } finally {
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}
