import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../core/clock.js'
import { OutriggerError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import { uniqueName, writeFileAtomic } from '../store/atomic-file.js'
import { connected, quoted, quotedPath, type DuckDb } from '../store/duckdb.js'
import { errnoOf, nodeFileSystem, type FileSystem } from '../store/file-system.js'
import { compactionFile, compactionsOf, hashOf, type Compaction } from './_compaction.js'
import { queryableDirectory } from './_queryable.js'
import { recordColumns } from './_record-sql.js'
import { segmentsAmong, type SegmentName } from './_segment-name.js'
import { linePages } from './_segment-lines.js'
import { wellFormed } from './_serialise.js'
import { verifySegment } from './_verify-segment.js'

/** Options of {@link compactSegments}. */
export interface CompactSegmentsOptions {
  /** `@duckdb/node-api`. @default the installed one, loaded at first use */
  readonly duckdb?: DuckDb
  /** Only segments whose time is over for so long, in milliseconds. @default 0 */
  readonly olderThanMs?: number
  /** One Parquet file stands for so many bytes of segments at most, or for one that is larger. @default 1 GiB */
  readonly maxBytes?: number
  /** @default the machine's */
  readonly clock?: Clock
  /** For everything but what DuckDB reads and writes. @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

/** What {@link compactSegments} did. */
export interface CompactedSegments {
  /** The Parquet files that were made. */
  readonly files: readonly { readonly file: string; readonly segments: number; readonly records: number }[]
  /** Sealed segments that are not what was sealed, and why; they are left as they are. */
  readonly damaged: readonly { readonly file: string; readonly reason: string }[]
}

const owner = 'a compaction'

/**
 * Turns sealed segments into Parquet files (zstd), class by class, through DuckDB, and removes them: about a tenth of the room, and SQL over columns. A segment is held to its
 * SHA-256 before, and the rows of the file are counted after. Nothing is there twice or missing at any moment, also if it is killed, or runs twice at once.
 *
 * `segmentSource`, `scanRecords` and `queryRecords` read both; without DuckDB what was compacted cannot be read.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`, `ERR_OUTRIGGER_PEER_MISSING` without DuckDB, `ERR_OUTRIGGER_STORE_FAILED` if rows are missing in what was made
 */
export const compactSegments = async (directory: string, options: CompactSegmentsOptions = {}): Promise<CompactedSegments> => {
  queryableDirectory(owner, directory)
  optionsObject(owner, options, ['duckdb', 'olderThanMs', 'maxBytes', 'clock', 'fileSystem'])
  const { duckdb, clock = systemClock, fileSystem = nodeFileSystem } = options
  if (duckdb !== undefined) membersOption(owner, 'duckdb.DuckDBInstance', duckdb.DuckDBInstance, ['create'])
  const olderThanMs = numberOption(owner, 'olderThanMs', options.olderThanMs ?? 0, { min: 0 })
  const maxBytes = numberOption(owner, 'maxBytes', options.maxBytes ?? 2 ** 30, { min: 1 })
  const sealed = segmentsAmong(await fileSystem.readdir(directory)).filter(({ state, until }) => state === 'sealed' && (olderThanMs === 0 || until + olderThanMs < clock.wall()))
  const held = new Set((await compactionsOf(fileSystem, directory)).flatMap(({ segments }) => segments))
  const files: { file: string; segments: number; records: number }[] = []
  const damaged: { file: string; reason: string }[] = []
  let group: Verified[] = []
  let bytes = 0
  const commit = async (): Promise<void> => {
    if (group.length > 0) {
      const made = await compact({ directory, duckdb, fileSystem }, group)
      if (made !== undefined) files.push({ file: made.file, segments: made.segments.length, records: made.count })
    }
    group = []
    bytes = 0
  }
  for (const name of [...new Set(sealed.map((segment) => segment.class))].sort()) {
    for (const segment of sealed.filter((one) => one.class === name && !held.has(one.stem))) {
      const verdict = await verifySegment(fileSystem, directory, segment)
      if (verdict === undefined) continue
      if (verdict.reason !== undefined) {
        damaged.push({ file: segment.file, reason: verdict.reason })
        continue
      }
      if (group.length > 0 && bytes + verdict.bytes > maxBytes) await commit()
      group.push({ segment, count: verdict.records, hasHalf: verdict.hasHalf })
      bytes += verdict.bytes
    }
    await commit()
  }
  return { files, damaged }
}

interface Verified {
  readonly segment: SegmentName
  readonly count: number
  readonly hasHalf: boolean
}

/** A copy that DuckDB can read. */
const mended = async (fileSystem: FileSystem, path: string, copy: string): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const { bytes } of linePages(fileSystem, path, Infinity)) chunks.push(Buffer.from(wellFormed(bytes.toString())))
  await writeFileAtomic(copy, Buffer.concat(chunks))
  return copy
}

/** DuckDB does not flush what it writes. */
const flushedHash = async (fileSystem: FileSystem, path: string): Promise<string> => {
  const handle = await fileSystem.open(path, 'r+')
  try {
    await handle.sync()
    return await hashOf(handle)
  } finally {
    await handle.close()
  }
}

/** Makes one file of some segments; `undefined` if another process was first. */
const compact = async ({ directory, duckdb, fileSystem }: { readonly directory: string; readonly duckdb: DuckDb | undefined; readonly fileSystem: FileSystem }, group: readonly Verified[]): Promise<Compaction | undefined> => {
  const first = (group[0] as Verified).segment
  const file = `${first.stem}.${uniqueName()}.parquet`
  const path = join(directory, file)
  const count = group.reduce((sum, one) => sum + one.count, 0)
  let folder: string | undefined
  let isCommitted = false
  try {
    const sources: string[] = []
    for (const { segment, hasHalf } of group) {
      if (hasHalf) folder ??= await mkdtemp(join(tmpdir(), 'outrigger-compact-'))
      const source = folder === undefined || !hasHalf ? join(directory, segment.file) : await mended(fileSystem, join(directory, segment.file), join(folder, segment.file))
      sources.push(`SELECT ${quoted(segment.stem)} AS segment, json AS line FROM read_ndjson_objects(${quotedPath(source)}, maximum_object_size=${1 << 26})`)
    }
    for await (const rows of connected(duckdb, async function* (connection) {
      await connection.run(`COPY (SELECT segment, line::VARCHAR AS line, ${recordColumns} FROM (${sources.join(' UNION ALL ')}) WHERE line ->> '$.kind' NOT IN ('header', 'footer')) TO ${quotedPath(path)} (FORMAT parquet, COMPRESSION zstd)`)
      const result = await connection.stream(`SELECT count(*) AS n FROM read_parquet(${quotedPath(path)})`)
      for await (const page of result.yieldRowObjectJs()) yield Number(page[0]?.['n'])
    })) {
      if (rows !== count) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot compact ${first.file} as the file must have ${count} rows: current value is ${rows}`)
    }
    const compaction: Compaction = { kind: 'compaction', v: 1, class: first.class, file, segments: group.map(({ segment }) => segment.stem), count, until: Math.max(...group.map(({ segment }) => segment.until)), sha256: await flushedHash(fileSystem, path) }
    try {
      // Whoever else compacts begins with the same segment, and one of them gets the name.
      await writeFileAtomic(join(directory, compactionFile(first.stem)), Buffer.from(`${JSON.stringify(compaction)}\n`), { fileSystem, exclusive: true })
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return undefined
      throw error
    }
    isCommitted = true
    for (const { segment } of group) await fileSystem.unlink(join(directory, segment.file)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
    return compaction
  } catch (error) {
    // Whoever was first has removed what was read here.
    if (!isCommitted && (await compactionsOf(fileSystem, directory)).some(({ segments }) => segments.includes(first.stem))) return undefined
    throw error
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    if (!isCommitted) await fileSystem.unlink(path).catch(() => {})
  }
}
