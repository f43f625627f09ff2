/** The files of a scoring job: what it needs of a file system, files that grow at their end, and what tells one input from another. */
import { createHash } from 'node:crypto'
import * as node from 'node:fs/promises'
import { OutriggerError, type ErrorData } from '../core/errors.js'
import { writeAll } from '../store/atomic-file.js'
import { errnoOf, nodeFileSystem, type FileSystem, type FileSystemHandle } from '../store/file-system.js'

/** The part of `node:fs/promises` that a job reads and writes its files with. */
export interface JobFileSystem extends FileSystem {
  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }>
  truncate(path: string, length: number): Promise<void>
}

/** Node's file system. */
export const nodeJobFileSystem: JobFileSystem = {
  ...nodeFileSystem,
  stat: (path) => node.stat(path),
  truncate: (path, length) => node.truncate(path, length),
}

/** What sources and sinks are told about the job they work for. */
export interface JobContext {
  readonly fileSystem: JobFileSystem
  /** A page has at most so many rows. */
  readonly pageRows: number
  /** Files are read in pieces of so many bytes. */
  readonly chunkBytes: number
  /** Where a sink writes until its output is whole. */
  staging(path: string): string
}

/** A job that cannot start or go on. */
export const jobError = (message: string, data?: ErrorData): OutriggerError => new OutriggerError('ERR_OUTRIGGER_JOB', message, data)

/** The size of a file, or `undefined` if there is none. */
export const sizeOf = async (fileSystem: JobFileSystem, path: string): Promise<number | undefined> => {
  try {
    return (await fileSystem.stat(path)).size
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Refuses a path at which something is: a job never overwrites. */
export const refuseExisting = async (fileSystem: JobFileSystem, path: string): Promise<void> => {
  if ((await sizeOf(fileSystem, path)) !== undefined) {
    throw jobError(`Cannot write ${path} as nothing may be there that the job cannot resume (remove it, or give the job another path): current value is a file`, { path })
  }
}

/** Fills the buffer from a place of the file on, as far as the file goes, whatever the system gives at a time. */
export const readFully = async (handle: FileSystemHandle, buffer: Uint8Array, position: number): Promise<Uint8Array> => {
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

const sampleBytes = 1 << 16

/** Tells one file from another: size, time of change, and the SHA-256 of its head and tail. */
export const fileFingerprint = async (fileSystem: JobFileSystem, path: string): Promise<string> => {
  const { size, mtimeMs } = await fileSystem.stat(path)
  const handle = await fileSystem.open(path, 'r')
  try {
    const hash = createHash('sha256')
    const buffer = new Uint8Array(Math.min(sampleBytes, size))
    for (const position of new Set([0, size - buffer.length])) hash.update(await readFully(handle, buffer, position))
    return `${size} bytes, changed ${mtimeMs}, sha256 ${hash.digest('hex').slice(0, 32)}`
  } finally {
    await handle.close()
  }
}

/** A file that grows at its end, and can be taken back to where it was. */
export class AppendFile {
  readonly #handle: FileSystemHandle
  /** How many bytes it has. */
  size: number

  private constructor(handle: FileSystemHandle, size: number) {
    this.#handle = handle
    this.size = size
  }

  /**
   * Opens a file.
   * @param at - takes a file that is there back to so many bytes; without it there must be none
   * @throws `ERR_OUTRIGGER_JOB` when there is one, or it is shorter than it was
   */
  static async open(fileSystem: JobFileSystem, path: string, at: number | undefined): Promise<AppendFile> {
    const size = await sizeOf(fileSystem, path)
    if (at === undefined) await refuseExisting(fileSystem, path)
    if (size === undefined) {
      if (at !== undefined && at > 0) throw jobError(`Cannot resume into ${path} as it must have at least ${at} bytes: current value is no file`, { path })
      return new AppendFile(await fileSystem.open(path, 'wx'), 0)
    }
    if (size < (at as number)) throw jobError(`Cannot resume into ${path} as it must have at least ${at} bytes: current value is ${size}`, { path })
    if (size > (at as number)) await fileSystem.truncate(path, at as number)
    return new AppendFile(await fileSystem.open(path, 'r+'), at as number)
  }

  async append(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes, this.size)
    this.size += bytes.length
  }

  /** Asks the disk to keep what was written. */
  async sync(): Promise<void> {
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
