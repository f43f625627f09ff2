import { optionsObject } from '../core/options.js'
import { postgresTable, utf8, type PostgresStoreOptions } from './postgres.js'
import { byName, keptFor, stateName, type StateStore } from './state-store.js'

/**
 * States in a table of PostgreSQL, one row for each name, gone by the server's clock; whoever writes removes what is over.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const postgresStateStore = (options: PostgresStoreOptions): StateStore => {
  const owner = 'a PostgreSQL state store'
  optionsObject(owner, options, ['client', 'table'])
  const { table, query } = postgresTable(owner, options, 'name text primary key, state bytea not null, until timestamptz not null')
  return {
    put: async (name, text, keepForMs) => {
      await query(
        `with gone as (delete from ${table} where until <= clock_timestamp() and name <> $1)
         insert into ${table} (name, state, until) values ($1, $2, clock_timestamp() + make_interval(secs => $3::double precision / 1000))
         on conflict (name) do update set state = excluded.state, until = excluded.until`,
        [stateName(owner, name), Buffer.from(text), keptFor(owner, keepForMs)],
      )
    },
    get: async (name) => (await query(`select state from ${table} where name = $1 and until > clock_timestamp()`, [stateName(owner, name)])).rows.map((row) => utf8(row['state']))[0],
    list: async () => (await query(`select name, state from ${table} where until > clock_timestamp()`)).rows.map((row) => ({ name: String(row['name']), text: utf8(row['state']) })).sort(byName),
    remove: async (name) => void (await query(`delete from ${table} where name = $1`, [stateName(owner, name)])),
  }
}
