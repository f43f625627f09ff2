/** PostgreSQL clients, typed by the one method used: a client or a pool of `pg` fits. */
import { InvalidOptionError } from '../core/errors.js'
import { membersOption, stringOption } from '../core/options.js'

/** A connected client, or a pool. It is borrowed: nothing here closes it. */
export interface PostgresClient {
  query(text: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[]; readonly rowCount: number | null }>
}

/** What every store in PostgreSQL takes. */
export interface PostgresStoreOptions {
  readonly client: PostgresClient
  /** The table, optionally with its schema; made at the first use if it is not there. Letters, digits and underscores. */
  readonly table: string
}

/** Texts are kept as bytes, as a `text` of PostgreSQL holds no U+0000. */
export const utf8 = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString('utf8')

/** The client, and a way to make the table once before anything else; a failure is tried again at the next use. */
export const postgresTable = (owner: string, options: PostgresStoreOptions, columns: string): { readonly table: string; readonly query: PostgresClient['query'] } => {
  const client = membersOption(owner, 'client', options.client, ['query'])
  const table = stringOption(owner, 'table', options.table)
  if (!/^[A-Za-z_]\w{0,62}(\.[A-Za-z_]\w{0,62})?$/.test(table)) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`table\` must be a name of letters, digits and underscores, or two with a dot: current value is ${JSON.stringify(table)}`)
  }
  const quoted = table.split('.').map((part) => `"${part}"`).join('.')
  let made: Promise<unknown> | undefined
  return {
    table: quoted,
    query: async (text, values) => {
      // Two processes that make it at once: one of them is told so, by one of these codes, and the table is there.
      made ??= client.query(`create table if not exists ${quoted} (${columns})`).catch((error: unknown) => {
        if (['42P07', '42710', '23505'].includes((error as { code?: string }).code ?? '')) return
        made = undefined
        throw error
      })
      await made
      return await client.query(text, values)
    },
  }
}
