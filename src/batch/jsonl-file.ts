import { stringOption } from '../core/options.js'
import { fileSource } from './_file-source.js'
import { FileSink, type RowFormat } from './_file-sink.js'
import { nodeJobFileSystem } from './_job-files.js'
import { exactJson } from './_json.js'
import type { RowSink } from './sink.js'
import { UnreadableRow, type RowSource } from './source.js'

/** A file of rows, to read from, to write to, and to loop over (a row that cannot be read ends the loop with its error). */
export type RowFile<T> = RowSource<T> & RowSink<T> & AsyncIterable<T>

/** The lines of JSON. */
export const jsonLines = <W>(toJson: (row: W) => string = exactJson): RowFormat<W> => ({
  encode: (row) => `${toJson(row)}\n`,
  header: () => '',
  resume: async () => {},
  headerBytes: async () => 0,
})

/** Makes one object that is a source and a sink. */
export const rowFile = <T>(source: RowSource<T>, sink: FileSink<T>): RowFile<T> =>
  Object.assign(sink, { fingerprint: source.fingerprint, extent: source.extent, read: source.read, split: source.split, [Symbol.asyncIterator]: () => rowsOf(source) }) as RowFile<T>

async function* rowsOf<T>(source: RowSource<T>): AsyncGenerator<T> {
  const job = { fileSystem: nodeJobFileSystem, pageRows: 256, chunkBytes: 1 << 16, staging: (path: string) => path }
  for await (const { rows } of source.read(job, 0, Infinity)) {
    for (const row of rows) {
      if (row instanceof UnreadableRow) throw row.error
      yield row
    }
  }
}

/**
 * A file with one JSON value per line (JSONL, NDJSON), as source or sink of `scoreBatch`.
 *
 * Reading: UTF-8, with or without a byte order mark, CRLF or LF, blank lines are passed over. A line that is no JSON or no
 * UTF-8, or longer than 16 MB, fails alone.
 *
 * Writing: a row with a value that JSON would change in silence (NaN, Infinity, bigint, Map, Set, an invalid date, `undefined`
 * in an array) fails; typed arrays are written as arrays, and fields that are `undefined` are left out. The file gets its name when it is whole.
 *
 * @typeParam T - what a line holds; it is not checked
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when the path is no path
 * @example
 * ```ts
 * import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { jsonlFile, scoreBatch } from 'outrigger/batch'
 * const folder = await mkdtemp(`${tmpdir()}/score-`)
 * await writeFile(`${folder}/in.jsonl`, '{"km":10}\n{"km":20}\n')
 * await scoreBatch((row: { km: number }) => row.km * 1.5, jsonlFile(`${folder}/in.jsonl`), jsonlFile(`${folder}/out.jsonl`))
 * assert.equal(await readFile(`${folder}/out.jsonl`, 'utf8'), '{"row":0,"output":15}\n{"row":1,"output":30}\n')
 * for await (const { row, output } of jsonlFile<{ row: number; output: number }>(`${folder}/out.jsonl`)) assert.equal(output, 15 * (row + 1))
 * ```
 */
export const jsonlFile = <T>(path: string): RowFile<T> => {
  stringOption('a JSONL file', 'path', path)
  return rowFile<T>(
    fileSource<T>(path, { name: 'JSONL', hasHeader: false, parser: () => (text) => JSON.parse(text) as T }),
    new FileSink<T>({ path, name: 'JSONL', format: () => jsonLines() }),
  )
}
