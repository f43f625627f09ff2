import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { systemClock, type Clock } from '../core/clock.js'
import { optionsObject, stringOption } from '../core/options.js'
import { temporaryPrefix, withTemporaryWriter } from '../store/atomic-file.js'
import { errnoOf, nodeFileSystem, type FileSystem } from '../store/file-system.js'
import { compactionsOf, isParquetFile } from './_compaction.js'
import { parseLine, SegmentSummary } from './_segment-format.js'
import { linePages } from './_segment-lines.js'
import { parseSegmentName, sealedFile, segmentsAmong, type SegmentName } from './_segment-name.js'
import { retentionOption } from './_retention.js'

/** Options of {@link sweepSegments}. */
export interface SweepSegmentsOptions {
  /** For how many days the records of a class are kept. @default for ever */
  readonly retention?: Readonly<Record<string, number>>
  /** @default the machine's */
  readonly clock?: Clock
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

/** What {@link sweepSegments} did. */
export interface SweptSegments {
  /** Files that dead writers left and that are sealed now. */
  readonly sealed: readonly string[]
  /** Files that are gone, as their time was over or nothing was in them. */
  readonly removed: readonly string[]
}

const dayMs = 86_400_000
/** A writer that is later than this with a segment is dead, however far apart clocks are. */
const marginMs = 60_000
/** A temporary file that is older was left by a crash. */
const abandonedMs = dayMs

/**
 * Seals what writers left that were killed, and removes what is past its retention: a segment goes when its youngest record is older.
 * A {@link segmentSink} does it by itself; any other process may, at the same time.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; errors of the file system
 */
export const sweepSegments = async (directory: string, options: SweepSegmentsOptions = {}): Promise<SweptSegments> => {
  const owner = 'a sweep of segments'
  stringOption(owner, 'directory', directory)
  optionsObject(owner, options, ['retention', 'clock', 'fileSystem'])
  const { clock = systemClock, fileSystem = nodeFileSystem } = options
  const retention = retentionOption(owner, options.retention)
  const now = clock.wall()
  const sealed: string[] = []
  const removed: string[] = []
  const files = await fileSystem.readdir(directory)
  const unlink = async (file: string): Promise<boolean> => {
    try {
      await fileSystem.unlink(join(directory, file))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false // another one was first
      throw error
    }
  }
  const compactions = await compactionsOf(fileSystem, directory)
  const held = new Set(compactions.flatMap(({ segments }) => segments))
  for (const segment of segmentsAmong(files)) {
    // Who compacted it was killed before it had removed it.
    if (held.has(segment.stem)) {
      await unlink(segment.file)
      continue
    }
    const days = retention[segment.class]
    // A segment's records are not younger than its end; a name tells of it before any byte is read.
    if (days !== undefined && segment.until + days * dayMs < now && segment.until + marginMs < now) {
      if (await unlink(segment.file)) removed.push(segment.file)
      continue
    }
    if (segment.state === 'sealed') continue
    if (segment.state === 'open' && now < segment.until + marginMs) continue
    const isThere = await sealCopy(fileSystem, directory, segment)
    if (isThere) sealed.push(sealedFile(segment.stem))
    if (await unlink(segment.file) && !isThere) removed.push(segment.file)
  }
  for (const { name, file, class: of, until } of compactions) {
    const days = retention[of]
    if (days === undefined || until + days * dayMs >= now) continue
    // From now on it does not count; its segments are gone.
    if (await unlink(name)) removed.push(file)
    await unlink(file)
  }
  // The first name of a segment that has its second one already, as who sealed it was killed in between.
  const stems = new Set(files.map(parseSegmentName).filter((name) => name?.state === 'sealed').map((name) => name?.stem))
  for (const file of files) {
    const name = parseSegmentName(file)
    if (name !== undefined && name.state !== 'sealed' && stems.has(name.stem) && now >= name.until + marginMs) await unlink(file)
    const isForsaken = isParquetFile(file) && !compactions.some((compaction) => compaction.file === file)
    if (file.startsWith(temporaryPrefix) || isForsaken) {
      const stat = await fileSystem.lstat(join(directory, file)).catch(() => undefined)
      if (stat !== undefined && stat.isFile() && stat.mtimeMs + abandonedMs < now) await unlink(file)
    }
  }
  return { sealed, removed }
}

/** A sealed copy of what counts of a segment, beside it; says whether there is one, as nothing may count. */
const sealCopy = async (fileSystem: FileSystem, directory: string, segment: SegmentName): Promise<boolean> => {
  const hash = createHash('sha256')
  const summary = new SegmentSummary()
  let torn = 0
  const copy = async (append: (chunk: Uint8Array) => Promise<void>): Promise<void> => {
    const pages = linePages(fileSystem, join(directory, segment.file), segment.bytes)
    for (let page = await pages.next(); ; page = await pages.next()) {
      if (page.done === true) {
        torn += page.value ?? 0
        break
      }
      const { bytes } = page.value
      const kept: Buffer[] = []
      for (let from = 0; from < bytes.length;) {
        const end = bytes.indexOf(10, from) + 1
        const line = bytes.subarray(from, end)
        from = end
        const value = parseLine(line.toString('utf8', 0, line.length - 1))
        if (value === undefined) torn += line.length
        if (value === undefined || value.kind === 'footer') continue
        kept.push(line)
        if (value.kind !== 'header') summary.add(value['at'] as number, value['schema'] as { input?: string; output?: string } | undefined)
      }
      const whole = Buffer.concat(kept)
      hash.update(whole)
      await append(whole)
    }
    await append(Buffer.from(`${JSON.stringify(summary.footer(segment.class, hash.digest('hex'), torn))}\n`))
  }
  try {
    return await withTemporaryWriter(fileSystem, directory, copy, async (temporary) => {
      if (summary.count === 0) return false
      await fileSystem.link(temporary, join(directory, sealedFile(segment.stem)))
      return true
    })
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return true
    throw error
  }
}
