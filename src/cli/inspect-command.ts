/** `outrigger inspect`: what was captured, to read and to search. */
import { parseArgs } from 'node:util'
import type { StoredLabel, StoredOverride, StoredPrediction } from '../capture/stored-record.js'
import { queryRecords } from '../capture/query-records.js'
import { systemClock } from '../core/clock.js'
import { hasCode } from '../core/errors.js'
import { replay } from '../debug/replay.js'
import { shownNumber, shownTime } from '../debug/shown.js'
import { Misuse } from './misuse.js'
import { moduleHelp, predictorModule } from './predictor-module.js'
import { filterHelp, filterOptions, recordFilter } from './record-filter.js'
import { wholeNumber } from './replay-command.js'
import { safeJson } from './safe-json.js'
import { allPairs, endOf, shortFields } from './shown-record.js'
import { segmentsDirectory, storedRecords, type StoredRecords } from './stored-records.js'
import { list, table } from './table.js'
import type { Terminal } from './terminal.js'

export const inspectHelp: string = `outrigger inspect <records> [id] [id]

Without an id, lists the last predictions that fit; with one, shows it; with
two, what differs between them. The beginning of an id does, if it is only one.

${filterHelp}
  --limit <n>               so many, the last ones (20)
  --replay                  asks for the one again; status 1 if it differs
${moduleHelp}
  --sql <query>             over a directory, by DuckDB if it is installed; the
                            views are records and predictions: "select version,
                            count(*) from predictions group by 1"
  --json                    JSON, one record a line
`

interface Found {
  readonly prediction: StoredPrediction
  readonly label: StoredLabel | undefined
  readonly overrides: readonly StoredOverride[]
}

export const inspectCommand = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...filterOptions, limit: { type: 'string' }, replay: { type: 'boolean' }, predictor: { type: 'string' }, export: { type: 'string' }, sql: { type: 'string' }, json: { type: 'boolean' } },
  })
  const [path, ...ids] = positionals
  const isJson = values.json === true
  const filter = recordFilter(values, systemClock.wall())
  const limit = wholeNumber('limit', values.limit) ?? 20
  const records = await storedRecords(path)
  if (ids.length > 2) throw new Misuse('one id is shown, two are compared')
  if (values.replay === true && ids.length !== 1) throw new Misuse('--replay needs the id of one prediction (outrigger replay asks for many)')
  const isFiltered = Object.keys(filterOptions).some((name) => values[name as keyof typeof filterOptions] !== undefined)
  if (ids.length > 0 && (isFiltered || values.limit !== undefined)) throw new Misuse('an id chooses by itself: leave out what else would choose')
  if (values.sql !== undefined) {
    if (ids.length > 0 || isFiltered) throw new Misuse('--sql chooses by itself: say it in the query')
    await query(await segmentsDirectory(path), values.sql, isJson, terminal)
  }
  else if (ids.length === 0) await listing(records, filter, limit, isJson, terminal)
  else {
    const found = await Promise.all(ids.map(async (id) => await find(records, id)))
    const [one, other] = found as [Found, Found?]
    if (values.replay === true) return await again(one, values.predictor, values.export, isJson, terminal)
    if (other !== undefined) compare(one, other, isJson, terminal)
    else if (isJson) terminal.out(safeJson(one))
    else terminal.out(list(allPairs(one.prediction, one.label, one.overrides), terminal.columns))
  }
  if (records.torn > 0) terminal.err(`outrigger inspect: ${records.torn} lines were no records\n`)
  return 0
}

const listing = async (records: StoredRecords, filter: ReturnType<typeof recordFilter>, limit: number, isJson: boolean, terminal: Terminal): Promise<void> => {
  let count = 0
  const last: StoredPrediction[] = []
  for await (const record of records.read(filter)) {
    count += 1
    if (limit === 0) continue
    last.push(record as StoredPrediction)
    if (last.length >= 2 * limit) last.splice(0, last.length - limit)
  }
  const shown = last.slice(-limit)
  if (isJson) {
    for (const record of shown) terminal.out(safeJson(record))
    return
  }
  if (shown.length === 0) {
    terminal.out(count === 0 ? 'No prediction fits.\n' : `${count} predictions fit.\n`)
    return
  }
  const rows = shown.map((record) => [shownTime(record.at).slice(0, 19), record.id, record.identity.version, endOf(record), shownNumber(record.durations.totalMs), [shortFields(record.output), shortFields(record.input)].filter((text) => text !== '').join(' ← ')])
  const [head = '', ...lines] = table(['at (UTC)', 'id', 'version', 'by', 'ms', 'output ← input'], rows, terminal.columns, new Set([0, 1])).split('\n')
  terminal.out(`${terminal.paint('dim', head)}\n${lines.join('\n')}`)
  terminal.out(terminal.paint('dim', count === shown.length ? `${count} predictions` : `the last ${shown.length} of ${count} predictions`) + '\n')
}

/** The prediction of an id, or of its beginning, with what was said of it later. */
const find = async (records: StoredRecords, id: string): Promise<Found> => {
  const found = new Map<string, StoredPrediction>()
  for await (const record of records.read({ kinds: ['prediction'], where: (one) => one.id.startsWith(id) })) {
    if (found.size < 10 || found.has(record.id) || record.id === id) found.set(record.id, record as StoredPrediction)
  }
  const prediction = found.get(id) ?? (found.size === 1 ? [...found.values()][0] : undefined)
  if (prediction === undefined) throw new Misuse(found.size === 0 ? `no prediction has the id ${JSON.stringify(id)}` : `several ids begin with ${JSON.stringify(id)}: ${[...found.keys()].join(', ')}`)
  let label: StoredLabel | undefined
  const overrides: StoredOverride[] = []
  for await (const record of records.read({ kinds: ['label', 'override'], ids: [prediction.id] })) {
    if (record.kind === 'label' && (label === undefined || record.at >= label.at)) label = record
    if (record.kind === 'override') overrides.push(record)
  }
  return { prediction, label, overrides }
}

const compare = (one: Found, other: Found, isJson: boolean, terminal: Terminal): void => {
  const [a, b] = [one, other].map(({ prediction, label, overrides }) => new Map(allPairs(prediction, label, overrides, true))) as [Map<string, string>, Map<string, string>]
  const names = [...new Set([...a.keys(), ...b.keys()])]
  const different = names.filter((name) => a.get(name) !== b.get(name))
  if (isJson) {
    terminal.out(safeJson({ different: different.map((name) => ({ name, values: [a.get(name) ?? null, b.get(name) ?? null] })), same: names.filter((name) => !different.includes(name)) }))
    return
  }
  terminal.out(table(['', 'first', 'second'], different.map((name) => [name, ...parted(a.get(name) ?? '–', b.get(name) ?? '–')]), terminal.columns))
  terminal.out(terminal.paint('dim', `${names.length - different.length} other values are the same`) + '\n')
}

/** Two texts from a little before where they part. */
const parted = (a: string, b: string): [string, string] => {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  return at < 20 ? [a, b] : [`…${a.slice(at - 8)}`, `…${b.slice(at - 8)}`]
}

const again = async ({ prediction }: Found, path: string | undefined, name: string | undefined, isJson: boolean, terminal: Terminal): Promise<number> => {
  const { subject, options } = await predictorModule(path, name)
  const report = await replay([prediction], subject as never, { failures: true, ...options })
  terminal.out(isJson ? safeJson(report) : report.text())
  return report.answer === 'same' ? 0 : report.answer === 'differs' ? 1 : 2
}

const query = async (directory: string, sql: string, isJson: boolean, terminal: Terminal): Promise<void> => {
  const rows: SqlRow[] = []
  let more = 0
  try {
    for await (const row of queryRecords(directory, sql)) {
      if (isJson) terminal.out(safeJson(row))
      else if (rows.length < mostRows) rows.push(row)
      else more += 1
    }
  } catch (error) {
    if (hasCode(error, 'ERR_OUTRIGGER_PEER_MISSING')) throw new Misuse('--sql needs DuckDB: npm install @duckdb/node-api. Without it, --where and --json do.')
    throw error
  }
  if (isJson) return
  if (rows.length === 0) {
    terminal.out('No rows.\n')
    return
  }
  const names = Object.keys(rows[0] as SqlRow)
  terminal.out(table(names, rows.map((row) => names.map((column) => cell(row[column]))), terminal.columns))
  if (more > 0) terminal.out(terminal.paint('dim', `and ${more} more rows (--json gives all)`) + '\n')
}

type SqlRow = Readonly<Record<string, unknown>>

/** So many rows of an answer are laid out in columns. */
const mostRows = 1000

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '–'
  if (value instanceof Date) return shownTime(value.getTime())
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'object') return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))
  return String(value as string | number | boolean).slice(0, 500)
}
