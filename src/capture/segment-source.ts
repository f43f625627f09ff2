import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { optionsObject, stringOption } from '../core/options.js'
import { nodeFileSystem, type FileSystem } from '../store/file-system.js'
import { matches, storedRecord } from './_read-record.js'
import type { RecordFilter, RecordSource, StoredRecord } from './stored-record.js'
import { parseLine, type SegmentFooter } from './_segment-format.js'
import { linePages, linesOf } from './_segment-lines.js'
import { segmentsAmong, type SegmentName } from './_segment-name.js'

/** Options of {@link segmentSource}. */
export interface SegmentSourceOptions {
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

/** What the bytes of a directory of segments say of themselves. */
export interface SegmentsVerdict {
  readonly sealed: number
  /** Those that are not sealed: of writers at work, and of dead ones until somebody sweeps. */
  readonly open: number
  readonly records: number
  /** Lines that are none of ours: cut off by a kill, or damaged. */
  readonly torn: number
  /** Sealed segments that are not what was sealed, and why. */
  readonly damaged: readonly { readonly file: string; readonly reason: string }[]
}

/** A directory of segments to read. */
export interface SegmentSource extends RecordSource {
  /** Lines that were no records, in what has been read so far. */
  readonly torn: number
  /** Reads everything, and holds sealed segments to their SHA-256 and count. */
  verify(): Promise<SegmentsVerdict>
}

/**
 * Reads a directory of segments, whatever state they are in: open, left by a writer that was killed, sealed. A line that is not whole is
 * left out and counted; no reader fails of one. Segments come in the order in which they were begun; each record once, also while
 * writers and sweeps are at work.
 *
 * It streams: memory is one page of a file.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; when read, errors of the file system
 */
export const segmentSource = (directory: string, options: SegmentSourceOptions = {}): SegmentSource => {
  const owner = 'a segment source'
  stringOption(owner, 'directory', directory)
  optionsObject(owner, options, ['fileSystem'])
  return new Segments(directory, options.fileSystem ?? nodeFileSystem)
}

/** How far the clocks of two processes may be apart. */
const marginMs = 60_000

class Segments implements SegmentSource {
  readonly #directory: string
  readonly #fileSystem: FileSystem
  #torn = 0

  constructor(directory: string, fileSystem: FileSystem) {
    this.#directory = directory
    this.#fileSystem = fileSystem
  }

  get torn(): number {
    return this.#torn
  }

  async *read(filter: RecordFilter = {}): AsyncGenerator<StoredRecord> {
    const isWanted = matches(filter)
    // What a label says of its time is the caller's word; the others are older than the segment that they are in.
    const isTimed = filter.from !== undefined && filter.kinds !== undefined && filter.kinds.every((kind) => kind === 'prediction' || kind === 'change')
    for (const segment of await this.#segments()) {
      if (isTimed && segment.until + marginMs < (filter.from as number)) continue
      for await (const values of this.#pages(segment)) {
        for (const value of values) {
          const record = storedRecord(value)
          if (record !== undefined && isWanted(record)) yield record
        }
      }
    }
  }

  async verify(): Promise<SegmentsVerdict> {
    const verdict = { sealed: 0, open: 0, records: 0, torn: 0, damaged: [] as { file: string; reason: string }[] }
    const before = this.#torn
    for (const segment of await this.#segments()) {
      if (segment.state === 'sealed') verdict.sealed += 1
      else verdict.open += 1
      const hash = createHash('sha256')
      let count = 0
      let footer: SegmentFooter | undefined
      let sha256 = ''
      let isAfterFooter = false
      for await (const values of this.#pages(segment, (line, value) => {
        if (footer !== undefined) isAfterFooter = true
        if (value?.kind === 'footer') {
          footer = value as unknown as SegmentFooter
          sha256 = hash.digest('hex')
        } else if (footer === undefined) hash.update(line)
      })) {
        count += values.filter((value) => storedRecord(value) !== undefined).length
      }
      verdict.records += count
      if (segment.state !== 'sealed') continue
      const reason = footer === undefined ? 'there is no footer' : sha256 !== footer.sha256 ? 'the SHA-256 is another one' : count !== footer.count ? `there are ${count} records and not ${footer.count}` : isAfterFooter ? 'something follows the footer' : undefined
      if (reason !== undefined) verdict.damaged.push({ file: segment.file, reason })
    }
    verdict.torn = this.#torn - before
    return verdict
  }

  async #segments(): Promise<SegmentName[]> {
    return segmentsAmong(await this.#fileSystem.readdir(this.#directory))
  }

  /** The parsed lines of a segment, by pages, also if it is given another name meanwhile. `each` hears the bytes of every line. */
  async *#pages(segment: SegmentName, each?: Each): AsyncGenerator<Line[]> {
    for (let now: SegmentName | undefined = segment; now !== undefined;) {
      const pages = linePages(this.#fileSystem, join(this.#directory, now.file), now.bytes)
      let rest: number | undefined
      try {
        let page = await pages.next()
        for (; page.done !== true; page = await pages.next()) yield this.#parsed(page.value.bytes, each)
        rest = page.value
      } finally {
        await pages.return(undefined)
      }
      if (rest !== undefined) {
        if (rest > 0) this.#torn += 1
        return
      }
      // It was sealed or cut since the directory was listed; or it is gone, as its time was over.
      const { stem, file }: SegmentName = now
      now = (await this.#segments()).find((other) => other.stem === stem && other.file !== file)
    }
  }

  #parsed(bytes: Buffer, each: Each | undefined): Line[] {
    const values: Line[] = []
    let from = 0
    for (const text of linesOf(bytes)) {
      const value = parseLine(text)
      if (value === undefined) this.#torn += 1
      else values.push(value)
      if (each === undefined) continue
      const end = bytes.indexOf(10, from) + 1
      each(bytes.subarray(from, end), value)
      from = end
    }
    return values
  }
}

type Line = NonNullable<ReturnType<typeof parseLine>>
type Each = (bytes: Uint8Array, value: Line | undefined) => void
