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
    let text = this.#header
    for (const line of lines) text += `${line.text}\n`
    const bytes = Buffer.from(text)
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
