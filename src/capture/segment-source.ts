import { join } from 'node:path'
import { membersOption, optionsObject, stringOption } from '../core/options.js'
import type { DuckDb } from '../store/duckdb.js'
import { nodeFileSystem, type FileSystem } from '../store/file-system.js'
import { compactedLines, compactionsOf, isIntact, type Compaction } from './_compaction.js'
import { isRecordKind, matches, storedRecord } from './_read-record.js'
import { parseLine } from './_segment-format.js'
import { linePages, linesOf } from './_segment-lines.js'
import { segmentsAmong, type SegmentName } from './_segment-name.js'
import { verifySegment } from './_verify-segment.js'
import type { RecordFilter, RecordSource, StoredRecord } from './stored-record.js'

/** Options of {@link segmentSource}. */
export interface SegmentSourceOptions {
  /** `@duckdb/node-api`, for what was compacted. @default the installed one, loaded at first use */
  readonly duckdb?: DuckDb
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

/** What the bytes of a directory of segments say of themselves. */
export interface SegmentsVerdict {
  readonly sealed: number
  /** Those that are not sealed: of writers at work, and of dead ones until somebody sweeps. */
  readonly open: number
  /** Those that a Parquet file stands for. */
  readonly compacted: number
  readonly records: number
  /** Lines that are none of ours: cut off by a kill, or damaged. */
  readonly torn: number
  /** Files that are not what was sealed or compacted, and why. */
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
 * Reads a directory of segments, whatever state they are in: open, left by a writer that was killed, sealed, compacted. A line that is not whole is
 * left out and counted, as is one of another version of the format; no reader fails of one. Segments come in the order in which they were begun, compacted ones first; each record once, also while
 * writers, sweeps and compactions are at work.
 *
 * It streams: memory is one page of a file. Only what was compacted needs DuckDB.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; when read, errors of the file system, and `ERR_OUTRIGGER_PEER_MISSING` where something was compacted and DuckDB is not there
 */
export const segmentSource = (directory: string, options: SegmentSourceOptions = {}): SegmentSource => {
  const owner = 'a segment source'
  stringOption(owner, 'directory', directory)
  optionsObject(owner, options, ['duckdb', 'fileSystem'])
  const { duckdb, fileSystem = nodeFileSystem } = options
  if (duckdb !== undefined) membersOption(owner, 'duckdb.DuckDBInstance', duckdb.DuckDBInstance, ['create'])
  return new Segments(directory, fileSystem, duckdb)
}

interface Files {
  readonly segments: readonly SegmentName[]
  readonly compactions: readonly Compaction[]
}

/** How far the clocks of two processes may be apart. */
const marginMs = 60_000

class Segments implements SegmentSource {
  readonly #directory: string
  readonly #fileSystem: FileSystem
  readonly #duckdb: DuckDb | undefined
  #torn = 0

  constructor(directory: string, fileSystem: FileSystem, duckdb: DuckDb | undefined) {
    this.#directory = directory
    this.#fileSystem = fileSystem
    this.#duckdb = duckdb
  }

  get torn(): number {
    return this.#torn
  }

  async *read(filter: RecordFilter = {}): AsyncGenerator<StoredRecord> {
    const isWanted = matches(filter)
    // What a label says of its time is the caller's word; the others are older than the segment that they are in.
    const isTimed = filter.from !== undefined && filter.kinds !== undefined && filter.kinds.every((kind) => kind === 'prediction' || kind === 'change')
    const isTooOld = ({ until }: { readonly until: number }): boolean => isTimed && until + marginMs < (filter.from as number)
    const { segments, compactions } = await this.#files()
    for (const compaction of compactions) {
      if (!isTooOld(compaction)) for await (const record of this.#compacted(compaction)) if (isWanted(record)) yield record
    }
    for (const segment of segments) {
      if (isTooOld(segment)) continue
      for await (const records of this.#pages(segment)) for (const record of records) if (isWanted(record)) yield record
    }
  }

  async verify(): Promise<SegmentsVerdict> {
    const verdict = { sealed: 0, open: 0, compacted: 0, records: 0, torn: 0, damaged: [] as { file: string; reason: string }[] }
    const { segments, compactions } = await this.#files()
    for (const compaction of compactions) {
      verdict.compacted += compaction.segments.length
      if (!(await isIntact(this.#fileSystem, this.#directory, compaction))) {
        verdict.damaged.push({ file: compaction.file, reason: 'the SHA-256 is another one' })
        continue
      }
      for await (const _ of this.#compacted(compaction)) verdict.records += 1
    }
    for (const segment of segments) {
      const found = await verifySegment(this.#fileSystem, this.#directory, segment)
      if (found === undefined) continue
      verdict[segment.state === 'sealed' ? 'sealed' : 'open'] += 1
      verdict.records += found.records
      verdict.torn += found.torn
      if (found.reason !== undefined) verdict.damaged.push({ file: segment.file, reason: found.reason })
    }
    return verdict
  }

  /** What is there, each record in one place. */
  async #files(): Promise<Files> {
    const segments = segmentsAmong(await this.#fileSystem.readdir(this.#directory))
    const compactions = await compactionsOf(this.#fileSystem, this.#directory)
    const held = new Set(compactions.flatMap(({ segments: stems }) => stems))
    return { segments: segments.filter(({ stem }) => !held.has(stem)), compactions }
  }

  /** The records of a segment, by pages, also if it is given another name meanwhile. */
  async *#pages(segment: SegmentName): AsyncGenerator<StoredRecord[]> {
    for (let now: SegmentName | undefined = segment; now !== undefined;) {
      const pages = linePages(this.#fileSystem, join(this.#directory, now.file), now.bytes)
      let rest: number | undefined
      try {
        let page = await pages.next()
        for (; page.done !== true; page = await pages.next()) yield this.#records(linesOf(page.value.bytes))
        rest = page.value
      } finally {
        await pages.return(undefined)
      }
      if (rest !== undefined) {
        if (rest > 0) this.#torn += 1
        return
      }
      // It was sealed, cut or compacted since the directory was listed; or it is gone, as its time was over.
      const { stem, file }: SegmentName = now
      const { segments, compactions }: Files = await this.#files()
      const compaction: Compaction | undefined = compactions.find(({ segments: stems }) => stems.includes(stem))
      if (compaction !== undefined) for await (const record of this.#compacted(compaction, stem)) yield [record]
      now = compaction === undefined ? segments.find((other) => other.stem === stem && other.file !== file) : undefined
    }
  }

  async *#compacted(compaction: Compaction, stem?: string): AsyncGenerator<StoredRecord> {
    for await (const line of compactedLines(this.#duckdb, this.#directory, compaction, stem)) yield* this.#records([line])
  }

  #records(lines: readonly string[]): StoredRecord[] {
    const records: StoredRecord[] = []
    for (const line of lines) {
      const value = parseLine(line)
      const record = storedRecord(value)
      if (record !== undefined) records.push(record)
      else if (value === undefined || isRecordKind(value.kind)) this.#torn += 1
    }
    return records
  }
}
