import { InvalidOptionError } from '../core/errors.js'
import { optionsObject, stringOption } from '../core/options.js'
import type { Schema } from '../schema/schema.js'
import { formatCsvRecord, parseCsvRecord, typedField, type CsvField } from './_csv.js'
import { fileSource, type RecordFormat } from './_file-source.js'
import { FileSink, type RowFormat } from './_file-sink.js'
import { jobError, type JobFileSystem } from './_job-files.js'
import { exactJson } from './_json.js'
import { rowFile, type RowFile } from './jsonl-file.js'
import { RecordSplitter } from './_record-splitter.js'

/** Options of {@link csvFile}. */
export interface CsvOptions {
  /** The types of columns, from `defineSchema`. A column that it does not name stays text. Without it every field is text. */
  readonly schema?: Schema
  /** One character of ASCII. @default ',' */
  readonly delimiter?: string
  /** Whether the first record names the columns. @default true */
  readonly header?: boolean
  /** The columns in order. Needed to read a file without a header. @default read: those of the header; written: the fields of the first row */
  readonly columns?: readonly string[]
}

/**
 * A CSV file as RFC 4180 describes it, as source or sink of `scoreBatch`.
 *
 * Reading: quoted fields may hold delimiters, quotes (doubled) and line breaks; CRLF or LF; with or without a byte order
 * mark. Rows are objects by column. A record with another number of fields, or with a field that does not fit the schema,
 * fails alone; a field with nothing in it is missing (`undefined`) where a schema makes it optional, else the empty text. A
 * quote that is never closed ends the job, as nobody can tell where the rows after it begin.
 *
 * Writing: rows are flat objects. Objects and arrays within are written as JSON, dates in ISO 8601, `undefined` and `null` as an
 * empty field; a number that is not finite fails the row, and so does a field that is no column. Lines end with LF.
 *
 * @typeParam T - what a row holds
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { csvFile, scoreBatch } from 'outrigger/batch'
 * import { defineSchema } from 'outrigger/schema'
 * const folder = await mkdtemp(`${tmpdir()}/score-`)
 * await writeFile(`${folder}/in.csv`, 'name,km\r\n"Lovelace, Ada",10\r\n')
 * const flights = csvFile<{ name: string; km: number }>(`${folder}/in.csv`, { schema: defineSchema({ km: { type: 'number' } }) })
 * await scoreBatch((row: { name: string; km: number }) => row.km * 2, flights, csvFile(`${folder}/out.csv`), {
 *   result: ({ input, output }) => ({ name: input.name, output }),
 * })
 * assert.equal(await readFile(`${folder}/out.csv`, 'utf8'), 'name,output\n"Lovelace, Ada",20\n')
 * ```
 */
export const csvFile = <T extends object>(path: string, options: CsvOptions = {}): RowFile<T> => {
  stringOption('a CSV file', 'path', path)
  optionsObject('a CSV file', options, ['schema', 'delimiter', 'header', 'columns'])
  const { delimiter = ',', header = true, columns } = options
  if (typeof delimiter !== 'string' || !/^[\t -!#-~]$/.test(delimiter)) throw new InvalidOptionError(`Cannot create a CSV file as \`delimiter\` must be one character of ASCII other than a quote: current value is ${JSON.stringify(delimiter)}`)
  if (columns !== undefined && (!Array.isArray(columns) || columns.length === 0 || new Set(columns).size !== columns.length || !columns.every((name) => typeof name === 'string'))) {
    throw new InvalidOptionError(`Cannot create a CSV file as \`columns\` must be names that differ: current value is ${JSON.stringify(columns)}`)
  }
  return rowFile<T>(fileSource<T>(path, recordFormat(path, options, delimiter, header)), new FileSink<T>({ path, name: 'CSV', format: () => new CsvRows<T>(columns, delimiter, header) }))
}

const recordFormat = <T>(path: string, options: CsvOptions, delimiter: string, hasHeader: boolean): RecordFormat<T> => ({
  name: 'CSV',
  delimiter: delimiter.charCodeAt(0),
  hasHeader,
  parser: (headerText) => {
    const names = hasHeader ? parseCsvRecord(headerText ?? '', delimiter).map((name) => name ?? '') : options.columns
    if (names === undefined) throw jobError(`Cannot read ${path} as the columns of a file without a header must be given: current value of \`columns\` is undefined`, { path })
    if (new Set(names).size !== names.length) throw jobError(`Cannot read ${path} as the names of its columns must differ: current value is ${names.join(', ')}`, { path })
    if (hasHeader && options.columns !== undefined && options.columns.join('\n') !== names.join('\n')) throw jobError(`Cannot read ${path} as its columns must be ${options.columns.join(', ')}: current value is ${names.join(', ')}`, { path })
    const fields = names.map((name) => options.schema?.fields[name])
    const unknown = Object.keys(options.schema?.fields ?? {}).filter((name) => !names.includes(name))
    if (headerText !== undefined && unknown.length > 0) throw jobError(`Cannot read ${path} as it must have the columns of its schema: current value lacks ${unknown.join(', ')}`, { path })
    return (text) => {
      const values = parseCsvRecord(text, delimiter)
      if (values.length !== names.length) throw jobError(`Cannot read the record as it must have ${names.length} fields: current value is ${values.length}`)
      const row: Record<string, unknown> = {}
      names.forEach((name, index) => {
        const field = fields[index]
        const value = field === undefined ? (values[index] ?? '') : typedField(name, values[index], field)
        if (value === undefined) return
        // Not by assignment: a column may be called `__proto__`.
        if (name === '__proto__') Object.defineProperty(row, name, { value, writable: true, enumerable: true, configurable: true })
        else row[name] = value
      })
      return row as T
    }
  },
})

/** The rows of one CSV file that is written. */
class CsvRows<W extends object> implements RowFormat<W> {
  #columns: readonly string[] | undefined
  readonly #delimiter: string
  readonly #hasHeader: boolean

  constructor(columns: readonly string[] | undefined, delimiter: string, hasHeader: boolean) {
    this.#columns = columns
    this.#delimiter = delimiter
    this.#hasHeader = hasHeader
  }

  encode(row: W): string {
    if (typeof row !== 'object' || row === null) throw jobError(`Cannot write the row to a CSV file as it must be an object (make one in \`result\`): current value is of type ${row === null ? 'null' : typeof row}`)
    const columns = this.#columns ?? Object.keys(row)
    if (columns.length === 0) throw jobError('Cannot write the row to a CSV file as it must have a field: current value has none')
    for (const name of Object.keys(row)) if (!columns.includes(name)) throw jobError(`Cannot write the row to a CSV file as its fields must be ${columns.join(', ')}: current value has \`${name}\``)
    const fields = columns.map((name) => (Object.hasOwn(row, name) ? fieldOf((row as Record<string, unknown>)[name]) : undefined))
    // Only now: a row that failed names no columns.
    this.#columns = columns
    return formatCsvRecord(fields, this.#delimiter)
  }

  header(): string {
    return this.#hasHeader && this.#columns !== undefined ? formatCsvRecord(this.#columns, this.#delimiter) : ''
  }

  async resume(fileSystem: JobFileSystem, path: string, bytes: number): Promise<void> {
    const { text } = await firstRecord(fileSystem, path, bytes, this.#delimiter)
    const names = parseCsvRecord(text, this.#delimiter).map((name) => name ?? '')
    if (this.#hasHeader) this.#columns = names
    else if (this.#columns === undefined) throw jobError(`Cannot resume into ${path} as the columns of a CSV file without a header must be given: current value of \`columns\` is undefined`, { path })
  }

  async headerBytes(fileSystem: JobFileSystem, path: string, bytes: number): Promise<number> {
    return this.#hasHeader && bytes > 0 ? (await firstRecord(fileSystem, path, bytes, this.#delimiter)).end : 0
  }
}

const fieldOf = (value: unknown): CsvField => {
  switch (typeof value) {
    case 'undefined':
      return undefined
    case 'string':
      return value
    case 'boolean':
    case 'bigint':
      return String(value)
    case 'object':
      if (value === null) return undefined
      if (value instanceof Date) return value.toISOString()
      return exactJson(value)
    default:
      return exactJson(value)
  }
}

const firstRecord = async (fileSystem: JobFileSystem, path: string, bytes: number, delimiter: string): Promise<{ readonly text: string; readonly end: number }> => {
  const handle = await fileSystem.open(path, 'r')
  try {
    const splitter = new RecordSplitter({ from: 0, maxBytes: 1 << 24, delimiter: delimiter.charCodeAt(0) })
    const buffer = new Uint8Array(1 << 16)
    for (let position = 0; position < bytes;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) break
      position += bytesRead
      const [first] = splitter.push(buffer.subarray(0, bytesRead))
      if (first?.bytes !== undefined) return { text: new TextDecoder().decode(first.bytes), end: first.end }
    }
    throw jobError(`Cannot resume into ${path} as it must begin with a record: current value has none`, { path })
  } finally {
    await handle.close()
  }
}
