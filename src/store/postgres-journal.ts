import { optionsObject } from '../core/options.js'
import { journalDamage, journalPosition, journalText, type Journal } from './journal.js'
import { postgresTable, utf8, type PostgresStoreOptions } from './postgres.js'
import { stateName } from './state-store.js'

/**
 * Journals in a table of PostgreSQL, one row for each entry; name and position are its primary key, so that of two writers one wins.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const postgresJournal = (options: PostgresStoreOptions): Journal => {
  const owner = 'a PostgreSQL journal'
  optionsObject(owner, options, ['client', 'table'])
  const { table, query } = postgresTable(owner, options, 'name text not null, position bigint not null, entry bytea not null, primary key (name, position)')
  return {
    read: async (name, from = 0) => {
      const start = journalPosition(owner, from)
      const { rows } = await query(`select position, entry from ${table} where name = $1 and position >= $2 order by position`, [stateName(owner, name), start])
      rows.forEach((row, index) => {
        if (Number(row['position']) !== start + index) throw journalDamage(owner, name, `entry ${String(row['position'])} without ${start + index}`)
      })
      return rows.map((row) => utf8(row['entry']))
    },
    append: async (name, position, text) => {
      const values = [stateName(owner, name), journalPosition(owner, position), Buffer.from(journalText(owner, text))]
      const { rowCount } = await query(
        `insert into ${table} (name, position, entry) select $1::text, $2::bigint, $3::bytea where $2::bigint = (select coalesce(max(position) + 1, 0) from ${table} where name = $1::text) on conflict do nothing`,
        values,
      )
      return rowCount === 1
    },
  }
}
