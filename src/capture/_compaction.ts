/**
 * What stands for segments that were compacted: a Parquet file, and beside it what names the segments that it holds. It counts from the moment in which that is there, whole:
 *
 * ```
 * <stem of the first segment>.<unique>.parquet
 * <stem of the first segment>.parquet.json
 * ```
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { OutriggerError } from '../core/errors.js'
import { quoted, quotedPath, connected, type DuckDb } from '../store/duckdb.js'
import { readNoFollow, readWhole, type FileSystem, type FileSystemHandle } from '../store/file-system.js'
import { openFile, parseSegmentName } from './_segment-name.js'

/** What the small file says. */
export interface Compaction {
  readonly kind: 'compaction'
  readonly v: 1
  readonly class: string
  /** The Parquet file. */
  readonly file: string
  /** Stems of the segments that it stands for, in order. */
  readonly segments: readonly string[]
  readonly count: number
  /** When the last of them was through. */
  readonly until: number
  readonly sha256: string
}

const suffix = '.parquet.json'
const maxBytes = 64 * 2 ** 20

export const compactionFile = (firstStem: string): string => firstStem + suffix
const isSegmentStem = (stem: string): boolean => parseSegmentName(openFile(stem)) !== undefined
const isCompactionFile = (file: string): boolean => file.endsWith(suffix) && isSegmentStem(file.slice(0, -suffix.length))
/** Whether a file is a Parquet file of ours, that counts or not. */
export const isParquetFile = (file: string): boolean => {
  const [, stem] = /^(.*)\.[0-9a-f-]{36}\.parquet$/.exec(file) ?? []
  return stem !== undefined && isSegmentStem(stem)
}

/** All compactions of a directory, with the names of their small files. List it anew for them: who sees that a segment is gone then sees what stands for it. */
export const compactionsOf = async (fileSystem: FileSystem, directory: string): Promise<(Compaction & { readonly name: string })[]> => {
  const found: (Compaction & { readonly name: string })[] = []
  for (const name of (await fileSystem.readdir(directory)).filter(isCompactionFile).sort()) {
    const text = await readWhole(fileSystem, join(directory, name), maxBytes)
    // Gone, as its time was over.
    if (text !== undefined) found.push({ ...parsed(text, join(directory, name)), name })
  }
  return found
}

/** Left out, its records would be missing without a word, or be there twice. */
const parsed = (text: string, path: string): Compaction => {
  let value: Partial<Compaction> | null = null
  try {
    value = JSON.parse(text) as Partial<Compaction> | null
  } catch {
    // It is told below.
  }
  if (value?.kind === 'compaction' && typeof value.file === 'string' && Array.isArray(value.segments) && typeof value.until === 'number') return value as Compaction
  throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot read the records that were compacted as ${path} must be what a compaction wrote (take it and its Parquet file out of the directory to read the rest): current value is ${JSON.stringify(text.slice(0, 80))}`)
}

/** The texts of the records of a compaction, or of one of its segments, in order. */
export const compactedLines = (duckdb: DuckDb | undefined, directory: string, { file }: Compaction, stem?: string): AsyncGenerator<string> =>
  connected(duckdb, async function* (connection) {
    const result = await connection.stream(`SELECT line FROM read_parquet(${quotedPath(join(directory, file))})${stem === undefined ? '' : ` WHERE segment = ${quoted(stem)}`}`)
    for await (const rows of result.yieldRowObjectJs()) for (const row of rows) yield String(row['line'])
  })

/** The SHA-256 of a file. */
export const hashOf = async (handle: FileSystemHandle): Promise<string> => {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(1 << 20)
  for (let position = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
}

/** Whether the Parquet file is the one that was made. */
export const isIntact = async (fileSystem: FileSystem, directory: string, { file, sha256 }: Compaction): Promise<boolean> => {
  const handle = await fileSystem.open(join(directory, file), readNoFollow)
  try {
    return (await hashOf(handle)) === sha256
  } finally {
    await handle.close()
  }
}
