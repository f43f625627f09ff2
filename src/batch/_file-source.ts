/** Rows from the records of a file: in pages, from any record on, with little of the file in memory. */
import type { FileSystemHandle } from '../store/file-system.js'
import { fileFingerprint, jobError, readFully, type JobContext } from './_job-files.js'
import { RecordSplitter } from './_record-splitter.js'
import { UnreadableRow, type RowPage, type RowSource, type SourcePart } from './source.js'

/** A page is cut when its records have so many bytes, so that long rows do not fill the memory. */
const pageBytes = 1 << 22
const maxRecordBytes = 1 << 24
/** So much of a row that cannot be read goes into the dead letters. */
const maxTextChars = 1 << 16

/** What one kind of file is. */
export interface RecordFormat<I> {
  readonly name: string
  /** See {@link RecordSplitter}. */
  readonly delimiter?: number
  /** Whether the first record names the columns. */
  readonly hasHeader: boolean
  /** Makes what turns the text of a record into a row; it throws for a record that is none. */
  parser(header: string | undefined): (text: string) => I
}

/** The text of a file: bytes that are no UTF-8 are an error, not a replacement character. */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

interface Piece {
  readonly bytes: Uint8Array | undefined
  readonly end: number
}

/** A source over a file of records. */
export const fileSource = <I>(path: string, format: RecordFormat<I>): RowSource<I> => {
  /** The records of a part of the file, piece by piece. */
  async function* records(job: JobContext, handle: FileSystemHandle, from: number, to: number): AsyncGenerator<Piece[]> {
    const { size } = await handle.stat()
    const end = Math.min(to, size)
    const splitter = new RecordSplitter({ from, maxBytes: maxRecordBytes, delimiter: format.delimiter })
    const buffer = new Uint8Array(job.chunkBytes)
    for (let position = from; position < end;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - position), position)
      if (bytesRead === 0) throw jobError(`Cannot read ${path} on as it must keep its length while the job runs: current value is less than ${end} bytes`, { path })
      position += bytesRead
      yield splitter.push(buffer.subarray(0, bytesRead))
    }
    const last = splitter.end()
    if (splitter.isInsideQuotes) throw jobError(`Cannot read ${path} as every quoted field must end with a quote: current value is open at the end of the file`, { path })
    yield last
  }

  /** Where the rows begin, after a byte order mark and the header. */
  const start = async (job: JobContext, handle: FileSystemHandle): Promise<{ readonly from: number; readonly header: string | undefined }> => {
    const mark = await readFully(handle, new Uint8Array(3), 0)
    const from = mark[0] === 0xef && mark[1] === 0xbb && mark[2] === 0xbf ? 3 : 0
    if (!format.hasHeader) return { from, header: undefined }
    for await (const pieces of records(job, handle, from, Infinity)) {
      const [first] = pieces
      if (first === undefined) continue
      if (first.bytes === undefined) throw jobError(`Cannot read ${path} as its header may have at most ${maxRecordBytes} bytes: current value is more`, { path })
      return { from: first.end, header: headerOf(first.bytes) }
    }
    return { from, header: undefined }
  }

  /** A header that is read wrongly would spoil every row, or hide all of them. */
  const headerOf = (bytes: Uint8Array): string => {
    let header: string
    try {
      header = strict.decode(bytes)
    } catch (cause) {
      throw jobError(`Cannot read ${path} as its header must be UTF-8: current value is not`, { path, cause })
    }
    if (!header.includes('"') && header.includes('\r')) throw jobError(`Cannot read ${path} as its lines must end with LF or CRLF: current value of the header holds a lone CR`, { path })
    return header
  }

  const opened = async function* <T>(job: JobContext, use: (handle: FileSystemHandle) => AsyncGenerator<T>): AsyncGenerator<T> {
    const handle = await job.fileSystem.open(path, 'r')
    try {
      yield* use(handle)
    } finally {
      await handle.close()
    }
  }

  return {
    describe: () => `${format.name} ${path}`,
    fingerprint: async (job) => `${format.name} of ${await fileFingerprint(job.fileSystem, path)}`,
    extent: async (job) => ({ total: (await job.fileSystem.stat(path)).size, unit: 'bytes' }),

    read: (job, from, to) => opened(job, async function* (handle): AsyncGenerator<RowPage<I>> {
      const { from: first, header } = await start(job, handle)
      const parse = format.parser(header)
      const rowOf = (bytes: Uint8Array | undefined): I | UnreadableRow => {
        if (bytes === undefined) return new UnreadableRow(jobError(`Cannot read the row as it may have at most ${maxRecordBytes} bytes: current value is more`), undefined)
        try {
          return parse(strict.decode(bytes))
        } catch (error) {
          return new UnreadableRow(unreadable(error), lenient.decode(bytes).slice(0, maxTextChars))
        }
      }
      let rows: (I | UnreadableRow)[] = []
      let bytes = 0
      let next = Math.max(from, first)
      for await (const pieces of records(job, handle, next, to)) {
        for (const piece of pieces) {
          rows.push(rowOf(piece.bytes))
          bytes += piece.bytes?.length ?? 0
          next = piece.end
          if (rows.length < job.pageRows && bytes < pageBytes) continue
          yield { rows, next }
          rows = []
          bytes = 0
        }
      }
      if (rows.length > 0) yield { rows, next }
    }),

    split: (job, size) => opened(job, async function* (handle): AsyncGenerator<SourcePart> {
      let { from } = await start(job, handle)
      let to = from
      let rows = 0
      for await (const pieces of records(job, handle, from, Infinity)) {
        for (const { end } of pieces) {
          rows += 1
          to = end
          if (rows < size) continue
          yield { from, to, rows }
          from = to
          rows = 0
        }
      }
      if (rows > 0) yield { from, to, rows }
    }),
  }
}

const unreadable = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && error.code === 'ERR_OUTRIGGER_JOB' ? error : jobError(`Cannot read the row as it must be what the file says it is: ${String(error)}`, { cause: error })
