import { systemClock, type Clock, type Timer } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'
import { nodeFileSystem, type FileSystem } from '../store/file-system.js'
import type { CapturedLine } from './captured-line.js'
import { sinkBatch, type RecordSink, type SinkBatch, type SinkNotice } from './record-sink.js'
import { byClass } from './_by-class.js'
import { retentionOption } from './_retention.js'
import { LineEncoder, SegmentWriter, type SegmentPlace, type SegmentSync } from './_segment-writer.js'
import { sweepSegments } from './sweep-segments.js'

/** Options of {@link segmentSink}. */
export interface SegmentSinkOptions extends SinkBatch {
  /** A directory that is there, for segments only. Several processes may write into one. */
  readonly directory: string
  /** A segment is sealed when it has so many bytes, or… @default 64 MiB */
  readonly sealBytes?: number
  /** …is so old, in milliseconds. @default 3_600_000 */
  readonly sealMs?: number
  /**
   * When bytes are forced to the disk. A process that is killed loses none that were written; a machine whose power is cut does,
   * except after `'batch'`. @default 'seal'
   */
  readonly sync?: SegmentSync
  /** For how many days the records of a class are kept; those of a class that is not named, for ever. @default for ever */
  readonly retention?: Readonly<Record<string, number>>
  /** How often it looks for what is past its retention and for what dead writers left, in milliseconds. @default 600_000 */
  readonly sweepMs?: number
  /** @default the machine's; processes on several machines need clocks that agree within a minute */
  readonly clock?: Clock
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

/**
 * Appends records to JSONL files in a directory, a line of segments for each retention class, so that whole files go when their
 * time is over.
 *
 * A segment that is full or old is sealed: it ends with a footer (count, time range, schema ids, SHA-256 of all bytes before) and
 * never changes. A writer that fails, or is killed, leaves what it had written; whoever sweeps the directory seals it.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { predictor } from 'outrigger'
 * import { capture, scanRecords, segmentSink, segmentSource } from 'outrigger/capture'
 * const directory = await mkdtemp(`${tmpdir()}/records-`)
 * const captured = capture({ sink: segmentSink({ directory, retention: { standard: 30 } }) })
 * const predict = predictor((km: number) => km * 1.6)
 * predict.observe(captured.observer)
 * await predict.batch([1, 2, 3])
 * await captured.close()
 * let rows = 0
 * for await (const _ of scanRecords(segmentSource(directory))) rows += 1
 * assert.equal(rows, 3)
 * ```
 */
export const segmentSink = (options: SegmentSinkOptions): RecordSink => {
  const owner = 'a segment sink'
  optionsObject(owner, options, ['directory', 'sealBytes', 'sealMs', 'sync', 'retention', 'sweepMs', 'clock', 'fileSystem', 'maxBytes', 'maxMs'])
  const { sync = 'seal', clock = systemClock, fileSystem = nodeFileSystem } = options
  const directory = stringOption(owner, 'directory', options.directory)
  const sealBytes = numberOption(owner, 'sealBytes', options.sealBytes ?? 64 * 2 ** 20, { min: 1 })
  const sealMs = numberOption(owner, 'sealMs', options.sealMs ?? 3_600_000, { min: 1, max: 2 ** 31 - 1 })
  const sweepMs = numberOption(owner, 'sweepMs', options.sweepMs ?? 600_000, { min: 1, max: 2 ** 31 - 1 })
  const retention = retentionOption(owner, options.retention)
  if (sync !== 'batch' && sync !== 'seal' && sync !== 'never') throw new InvalidOptionError(`Cannot create ${owner} as \`sync\` must be batch, seal or never: current value is ${String(sync)}`)
  const place = { fileSystem, directory, sync, encoder: new LineEncoder() }
  return new SegmentSink(place, { sealBytes, sealMs, sweepMs, retention, clock }, sinkBatch(owner, options))
}

interface Settings {
  readonly sealBytes: number
  readonly sealMs: number
  readonly sweepMs: number
  readonly retention: Readonly<Record<string, number>>
  readonly clock: Clock
}

class SegmentSink implements RecordSink {
  readonly name = 'segments'
  readonly batch: SinkBatch
  readonly #place: SegmentPlace
  readonly #settings: Settings
  readonly #open = new Map<string, SegmentWriter>()
  /** Those whose writing failed, until they are cut: before that no other is begun. */
  readonly #failed: SegmentWriter[] = []
  /** The classes of a batch that is told again which are kept already. */
  #partly: { readonly lines: readonly CapturedLine[]; readonly done: Set<string> } | undefined
  #sealTimer: Timer | undefined
  #lastFrom = -Infinity
  #sweptAt = -Infinity
  #sweep: Promise<void> = Promise.resolve()
  #turn: Promise<unknown> = Promise.resolve()
  #tell: SinkNotice = () => {}

  constructor(place: SegmentPlace, settings: Settings, batch: SinkBatch) {
    this.#place = place
    this.#settings = settings
    this.batch = batch
  }

  listen(tell: SinkNotice): void {
    this.#tell = tell
  }

  async write(lines: readonly CapturedLine[]): Promise<void> {
    await this.#inTurn(async () => {
      await this.#sealOld()
      await this.#cutFailed()
      if (this.#partly?.lines !== lines) this.#partly = { lines, done: new Set() }
      const { done } = this.#partly
      for (const [name, own] of byClass(lines)) {
        if (done.has(name)) continue
        await this.#append(name, own)
        done.add(name)
      }
      this.#sweepAtTimes()
    })
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#sealTimer !== undefined) this.#settings.clock.clearTimeout(this.#sealTimer)
      this.#sealTimer = undefined
      await this.#cutFailed()
      for (const [name, writer] of this.#open) await this.#seal(name, writer)
      await this.#cutFailed()
    })
    await this.#sweep
  }

  async #append(name: string, lines: readonly CapturedLine[]): Promise<void> {
    const { clock, sealBytes, sealMs } = this.#settings
    let writer = this.#open.get(name)
    if (writer === undefined) {
      // Later than the one before, as segments are read in this order.
      const from = Math.max(Math.floor(clock.wall()), this.#lastFrom + 1)
      this.#lastFrom = from
      writer = await SegmentWriter.begin(this.#place, name, from, from + sealMs)
      this.#open.set(name, writer)
      this.#sealLater()
    }
    try {
      await writer.append(lines)
    } catch (error) {
      this.#open.delete(name)
      this.#failed.push(writer)
      throw error
    }
    if (writer.bytes >= sealBytes) await this.#seal(name, writer)
  }

  /** What cannot be sealed is kept all the same, and is sealed by whoever sweeps. */
  async #seal(name: string, writer: SegmentWriter): Promise<void> {
    this.#open.delete(name)
    try {
      await writer.seal()
    } catch (error) {
      this.#failed.push(writer)
      this.#tell('A segment could not be sealed; a sweep will.', error)
    }
  }

  async #cutFailed(): Promise<void> {
    for (let writer = this.#failed[0]; writer !== undefined; writer = this.#failed[0]) {
      await writer.cut()
      this.#failed.shift()
    }
  }

  /** Seals those whose time is over. */
  async #sealOld(): Promise<void> {
    const now = this.#settings.clock.wall()
    for (const [name, writer] of this.#open) if (now >= writer.until) await this.#seal(name, writer)
  }

  /** The time comes also when nothing is written any more. */
  #sealLater(): void {
    const { clock } = this.#settings
    if (this.#sealTimer !== undefined) return
    this.#sealTimer = clock.setTimeout(() => {
      this.#sealTimer = undefined
      void this.#inTurn(async () => {
        await this.#sealOld()
        if (this.#open.size > 0) this.#sealLater()
      })
    }, Math.max(1, Math.min(...[...this.#open.values()].map(({ until }) => until)) - clock.wall()))
    this.#sealTimer.unref()
  }

  #sweepAtTimes(): void {
    const { clock, sweepMs, retention } = this.#settings
    if (clock.wall() - this.#sweptAt < sweepMs) return
    this.#sweptAt = clock.wall()
    // No batch waits for it, and what it cannot do now it does the next time.
    this.#sweep = this.#sweep.then(() => sweepSegments(this.#place.directory, { retention, clock, fileSystem: this.#place.fileSystem })).then(() => {}, (error: unknown) => this.#tell('A directory of segments could not be swept.', error))
  }

  /** Writing, sealing and closing come one after the other. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    await turn
  }
}
