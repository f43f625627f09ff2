/** Rows into a file, which has its name only when it is whole. */
import { dirname, join } from 'node:path'
import { syncDirectory, temporaryName } from '../store/atomic-file.js'
import { AppendFile, jobError, refuseExisting, sizeOf, type JobContext, type JobFileSystem } from './_job-files.js'
import type { RowSink, RowWriter } from './sink.js'

/** Turns rows into the text of a file. It has state: the columns of a CSV may be those of the first row. */
export interface RowFormat<W> {
  /** The text of a row with its line break. It throws when the row cannot be written as it is. */
  encode(row: W): string
  /** What stands before the first row, when that is known. */
  header(): string
  /** Takes up the format of a file that is there. */
  resume(fileSystem: JobFileSystem, path: string, bytes: number): Promise<void>
  /** How many bytes of a file are its header. */
  headerBytes(fileSystem: JobFileSystem, path: string, bytes: number): Promise<number>
}

/** How a file is written. */
export interface FileSinkOptions<W> {
  readonly path: string
  readonly name: string
  /** A format for one file. */
  readonly format: () => RowFormat<W>
  /** Makes the file from the rows, where it is not simply them. */
  readonly convert?: ((from: string, to: string) => Promise<void>) | undefined
  /** Written under its own name from the beginning, and taken away when empty. For dead letters, which are wanted while the job runs. */
  readonly isOpen?: boolean
}

/** A sink that is a file. */
export class FileSink<W> implements RowSink<W> {
  readonly options: FileSinkOptions<W>

  constructor(options: FileSinkOptions<W>) {
    this.options = options
  }

  get path(): string {
    return this.options.path
  }

  describe(): string {
    return `${this.options.name} ${this.path}`
  }

  /** The same rows in another file, as they are: a part of the whole. */
  part(path: string): FileSink<W> {
    return new FileSink({ path, name: this.options.name, format: this.options.format })
  }

  async open(job: JobContext, at: number | undefined): Promise<RowWriter<W>> {
    const { path, options } = this
    const { fileSystem } = job
    if (options.isOpen !== true) await refuseExisting(fileSystem, path)
    const staged = this.#staged(job)
    const format = options.format()
    const file = await AppendFile.open(fileSystem, staged, at)
    let finished = false
    try {
      if (file.size > 0) await format.resume(fileSystem, staged, file.size)
    } catch (error) {
      await file.close()
      throw error
    }
    return {
      encode: (row) => format.encode(row),
      write: async (lines) => {
        if (lines.length > 0) await file.append(Buffer.from((file.size === 0 ? format.header() : '') + lines.join('')))
      },
      sync: async () => {
        if (file.size === 0 && options.isOpen !== true) await file.append(Buffer.from(format.header()))
        await file.sync()
        return file.size
      },
      finish: async () => {
        finished = true
        if (options.isOpen === true) {
          if (file.size === 0) await fileSystem.unlink(staged)
          await syncDirectory(fileSystem, dirname(path))
        } else await this.#publish(fileSystem, staged)
      },
      close: async (keep) => {
        await file.close()
        if (!keep && !finished && options.isOpen !== true) await fileSystem.unlink(staged)
      },
    }
  }

  async recover(job: JobContext, at: number): Promise<void> {
    const { fileSystem } = job
    const staged = this.#staged(job)
    const left = await sizeOf(fileSystem, staged)
    const there = await sizeOf(fileSystem, this.path)
    if (this.options.isOpen === true) {
      if (there === 0) await fileSystem.unlink(this.path)
    } else if (there === undefined) {
      if (left !== at) throw jobError(`Cannot end the job as ${staged} must have ${at} bytes: current value is ${left ?? 'no file'}`, { path: staged })
      await this.#publish(fileSystem, staged)
    } else if (left !== undefined) {
      // A conversion that was done; a plain file is moved in one step.
      if (this.options.convert === undefined) await refuseExisting(fileSystem, this.path)
      await fileSystem.unlink(staged)
    }
  }

  #staged(job: JobContext): string {
    return this.options.isOpen === true ? this.path : job.staging(this.path)
  }

  /** Gives a file of all the rows, flushed, the name. */
  async #publish(fileSystem: JobFileSystem, staged: string): Promise<void> {
    await refuseExisting(fileSystem, this.path)
    if (this.options.convert === undefined) await fileSystem.rename(staged, this.path)
    else {
      await this.convertTo(fileSystem, staged, (made) => fileSystem.rename(made, this.path))
      await fileSystem.unlink(staged)
    }
    await syncDirectory(fileSystem, dirname(this.path))
  }

  /** Converts a file of all the rows beside the path, flushes it, and hands its name to `commit`. */
  async convertTo(fileSystem: JobFileSystem, staged: string, commit: (made: string) => Promise<void>): Promise<void> {
    const made = join(dirname(this.path), temporaryName())
    try {
      await this.options.convert?.(staged, made)
      const handle = await fileSystem.open(made, 'r+')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
      await commit(made)
    } finally {
      await fileSystem.unlink(made).catch(() => {})
    }
  }
}
