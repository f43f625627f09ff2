/** Stored records from where a command is pointed to. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { segmentSource, type SegmentSource } from '../capture/segment-source.js'
import { reasonUnread, type RecordFilter, type RecordSource, type StoredRecord } from '../capture/stored-record.js'
import { Misuse } from './misuse.js'

/** A source that counts lines that are no records, each once, however often it is read. */
export interface StoredRecords extends RecordSource {
  readonly torn: number
}

const kinds: ReadonlySet<unknown> = new Set(['prediction', 'label', 'override', 'change'])

/** A directory of segments, or a file of JSON lines: stored records, or records as a predictor gives them. */
export const storedRecords = async (path: string | undefined): Promise<StoredRecords> => {
  if (path === undefined) throw new Misuse('say where the records are: a directory of segments, or a JSONL file')
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw new Misuse(`there is nothing at ${JSON.stringify(path)}`)
  return found.isDirectory() ? new Segments(path) : new JsonLines(path)
}

/** The same where only a directory will do. */
export const segmentsDirectory = async (path: string | undefined): Promise<string> => {
  if (path === undefined || (await stat(path).catch(() => undefined))?.isDirectory() !== true) throw new Misuse('--sql needs a directory of segments')
  return path
}

class Segments implements StoredRecords {
  readonly #path: string
  readonly #readings: SegmentSource[] = []

  constructor(path: string) {
    this.#path = path
  }

  get torn(): number {
    return Math.max(0, ...this.#readings.map(({ torn }) => torn))
  }

  read(filter?: RecordFilter): AsyncIterable<StoredRecord> {
    const source = segmentSource(this.#path)
    this.#readings.push(source)
    return source.read(filter)
  }
}

class JsonLines implements StoredRecords {
  torn = 0
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async *read(filter: RecordFilter = {}): AsyncGenerator<StoredRecord> {
    const { from = -Infinity, to = Infinity, ids, where } = filter
    const input = createReadStream(this.#path)
    let torn = 0
    try {
      for await (const line of createInterface({ input, crlfDelay: Infinity })) {
        if (line.trim() === '') continue
        const record = recordOf(line)
        if (record === undefined) this.torn = Math.max(this.torn, (torn += 1))
        else if (record !== 'none' && record.at >= from && record.at < to && filter.kinds?.includes(record.kind) !== false && ids?.includes(record.id) !== false && where?.(record) !== false) yield record
      }
    } finally {
      input.destroy()
    }
  }
}

/** A record; `'none'` for the header and the footer of a segment; `undefined` for what is none. */
const recordOf = (line: string): StoredRecord | 'none' | undefined => {
  try {
    const value = JSON.parse(line) as { readonly kind?: unknown; readonly outcome?: unknown }
    if (value.kind === 'header' || value.kind === 'footer') return 'none'
    if (reasonUnread(value) !== undefined) return undefined
    if (value.kind === undefined && typeof value.outcome === 'string') return { kind: 'prediction', ...value } as unknown as StoredRecord
    return kinds.has(value.kind) ? (value as unknown as StoredRecord) : undefined
  } catch {
    return undefined
  }
}
