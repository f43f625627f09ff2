import { optionsObject } from '../core/options.js'
import { postgresTable, type PostgresStoreOptions } from '../store/postgres.js'
import { matches, storedRecord } from './_read-record.js'
import type { CapturedLine } from './captured-line.js'
import { sinkBatch, type RecordSink, type SinkBatch } from './record-sink.js'
import { retentionOption } from './_retention.js'
import type { RecordSource, StoredRecord } from './stored-record.js'

/** Options of {@link postgresRecordSink}. */
export interface PostgresRecordSinkOptions extends PostgresStoreOptions, SinkBatch {
  /** For how many days the records of a class are kept, by the server's clock. @default for ever */
  readonly retention?: Readonly<Record<string, number>>
}

const columns = 'seq bigint generated always as identity primary key, key text not null unique, kept_at timestamptz not null default clock_timestamp(), kind text not null, id text not null, at double precision not null, class text not null, record jsonb not null'
/** Looked for what is past its retention with every so-many-th batch. */
const sweepEvery = 100
const pageRows = 1000

/** In jsonb there is no U+0000: one would fail its whole batch for ever. */
const unfit = /(?<!\\)((?:\\\\)*)\\u0000/g
const fit = (json: string): string => (json.includes('\\u0000') ? json.replace(unfit, '$1\\ufffd') : json)
const fitText = (text: string): string => text.replaceAll('\0', '\ufffd')

/**
 * Records in a table of PostgreSQL, made at the first use: `key`, `kind`, `id`, `at`, `class` and the `record` as jsonb. A line that is told
 * again is there once. Add indexes for your own questions.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 */
export const postgresRecordSink = (options: PostgresRecordSinkOptions): RecordSink => {
  const owner = 'a PostgreSQL record sink'
  optionsObject(owner, options, ['client', 'table', 'retention', 'maxBytes', 'maxMs'])
  const { table, query } = postgresTable(owner, options, columns)
  const retention = Object.entries(retentionOption(owner, options.retention)).filter(([, days]) => Number.isFinite(days))
  let batches = 0
  const parts = (lines: readonly CapturedLine[]): unknown[][] => [
    lines.map(({ key }) => key),
    lines.map(({ kind }) => kind),
    lines.map(({ id }) => fitText(id)),
    lines.map(({ at }) => at),
    lines.map((line) => line.class),
    lines.map(({ text }) => fit(text)),
  ]
  return {
    name: 'postgres',
    batch: sinkBatch(owner, { maxBytes: options.maxBytes ?? 1 << 20, maxMs: options.maxMs ?? 1000 }),
    write: async (lines) => {
      await query(
        `insert into ${table} (key, kind, id, at, class, record)
         select k, kind, id, at, class, record::jsonb from unnest($1::text[], $2::text[], $3::text[], $4::double precision[], $5::text[], $6::text[]) as line (k, kind, id, at, class, record)
         on conflict (key) do nothing`,
        parts(lines),
      )
      if (batches++ % sweepEvery !== 0) return
      for (const [name, days] of retention) await query(`delete from ${table} where class = $1 and kept_at < clock_timestamp() - make_interval(secs => $2::double precision * 86400)`, [name, days])
    },
  }
}

/**
 * Reads what a {@link postgresRecordSink} keeps, in the order in which it came, by pages.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 */
export const postgresRecordSource = (options: PostgresStoreOptions): RecordSource => {
  const owner = 'a PostgreSQL record source'
  optionsObject(owner, options, ['client', 'table'])
  const { table, query } = postgresTable(owner, options, columns)
  return {
    read: async function* (filter = {}): AsyncGenerator<StoredRecord> {
      const isWanted = matches(filter)
      const { from = -Infinity, to = Infinity, kinds = null, ids } = filter
      const named = ids?.map(fitText) ?? null
      for (let after = '-1'; ;) {
        const { rows } = await query(
          `select seq, record from ${table} where seq > $1 and at >= $2 and at < $3 and ($4::text[] is null or kind = any($4)) and ($5::text[] is null or id = any($5)) order by seq limit ${pageRows}`,
          [after, from, to, kinds, named],
        )
        for (const row of rows) {
          const record = storedRecord(row['record'] as { readonly kind: string })
          if (record !== undefined && isWanted(record)) yield record
        }
        if (rows.length < pageRows) return
        after = String(rows.at(-1)?.['seq'])
      }
    },
  }
}
