/** One segment while it is written, by one process. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { syncDirectory, writeAll } from '../store/atomic-file.js'
import { errnoOf, type FileSystem, type FileSystemHandle } from '../store/file-system.js'
import type { CapturedLine } from './captured-line.js'
import { SegmentSummary, type SegmentHeader } from './_segment-format.js'
import { cutFile, newStem, openFile, sealedFile } from './_segment-name.js'

/** When bytes are forced to the disk: after each batch, when a segment is sealed, or when the system likes. */
export type SegmentSync = 'batch' | 'seal' | 'never'

/** What all segments of a sink share. */
export interface SegmentPlace {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly sync: SegmentSync
  readonly encoder: LineEncoder
}

/** Encodes a batch into memory that the next one uses again: buffers outside of the heap make the collector look through all of it. */
export class LineEncoder {
  #buffer: Buffer = Buffer.allocUnsafeSlow(1 << 16)

  /** The bytes of these lines, until the next call. */
  encode(header: string, lines: readonly CapturedLine[]): Buffer {
    let length = this.#append(header, 0)
    for (const { text } of lines) {
      length = this.#append(text, length)
      this.#buffer[length++] = 10
    }
    return this.#buffer.subarray(0, length)
  }

  #append(text: string, at: number): number {
    // At most three bytes for each UTF-16 unit, and the end of the line.
    const need = at + text.length * 3 + 1
    if (need > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(need * 2)
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    return at + this.#buffer.write(text, at)
  }
}

export class SegmentWriter {
  readonly #place: SegmentPlace
  readonly #handle: FileSystemHandle
  readonly #stem: string
  readonly #class: string
  readonly #hash = createHash('sha256')
  readonly #summary = new SegmentSummary()
  /** When it must be sealed: nobody else touches it before. */
  readonly until: number
  #header: string
  #bytes = 0

  private constructor(place: SegmentPlace, handle: FileSystemHandle, stem: string, name: string, from: number, until: number) {
    this.#place = place
    this.#handle = handle
    this.#stem = stem
    this.#class = name
    this.until = until
    const header: SegmentHeader = { kind: 'header', v: 1, class: name, from }
    this.#header = `${JSON.stringify(header)}\n`
  }

  static async begin(place: SegmentPlace, name: string, from: number, until: number): Promise<SegmentWriter> {
    const stem = newStem(name, from, until)
    return new SegmentWriter(place, await place.fileSystem.open(join(place.directory, openFile(stem)), 'wx'), stem, name, from, until)
  }

  /** How many bytes count. */
  get bytes(): number {
    return this.#bytes
  }

  /** Appends lines; they count when it has resolved. After a failure the segment can only be cut off. */
  async append(lines: readonly CapturedLine[]): Promise<void> {
    const bytes = this.#place.encoder.encode(this.#header, lines)
    this.#hash.update(bytes)
    await writeAll(this.#handle, bytes, this.#bytes)
    if (this.#place.sync === 'batch') await this.#handle.sync()
    this.#header = ''
    this.#bytes += bytes.length
    for (const { at, schema } of lines) this.#summary.add(at, schema)
  }

  /** Ends it with a footer. It has its final name when this has resolved. */
  async seal(): Promise<void> {
    const { fileSystem, directory, sync } = this.#place
    await writeAll(this.#handle, Buffer.from(`${JSON.stringify(this.#summary.footer(this.#class, this.#hash.digest('hex')))}\n`), this.#bytes)
    if (sync !== 'never') await this.#handle.sync()
    await this.#handle.close()
    try {
      await fileSystem.link(this.#path(openFile(this.#stem)), this.#path(sealedFile(this.#stem)))
    } catch (error) {
      // Somebody sealed it for us, as we were late: with all that we had written.
      if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'ENOENT') throw error
    }
    await fileSystem.unlink(this.#path(openFile(this.#stem))).catch(ignoreAbsence)
    if (sync !== 'never') await syncDirectory(fileSystem, directory)
  }

  /** Gives it up after a failure: of what is in the file, only what was acknowledged counts. */
  async cut(): Promise<void> {
    // It may be closed already, and a file system that cannot close it has lost it.
    await this.#handle.close().catch(() => {})
    await this.#place.fileSystem.rename(this.#path(openFile(this.#stem)), this.#path(cutFile(this.#stem, this.#bytes))).catch(ignoreAbsence)
  }

  #path(file: string): string {
    return join(this.#place.directory, file)
  }
}

const ignoreAbsence = (error: unknown): void => {
  if (errnoOf(error) !== 'ENOENT') throw error
}
