/** The few calls of `node:fs/promises` that our files need, as an interface, so that a test can make any one of them fail. */
import { constants } from 'node:fs'
import * as node from 'node:fs/promises'
import { OutriggerError } from '../core/errors.js'

/** An open file. */
export interface FileSystemHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>
  stat(): Promise<{ readonly size: number; isFile(): boolean }>
  /** Asks the disk to keep what was written. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * The part of `node:fs/promises` that outrigger writes and reads its files with. Node's own module fits.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelStore, nodeFileSystem, type FileSystem } from 'outrigger/models'
 * const lines: string[] = []
 * const counting: FileSystem = {
 *   ...nodeFileSystem,
 *   link: async (from, to) => { if (to.includes('versions')) lines.push(to); await nodeFileSystem.link(from, to) },
 * }
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`), fileSystem: counting })
 * await store.publish({ name: 'm', engine: 'function', files: { 'a.txt': 'a' } })
 * assert.equal(lines.length, 1) // a version becomes visible by one link
 * ```
 */
export interface FileSystem {
  open(path: string, flags: string | number): Promise<FileSystemHandle>
  mkdir(path: string): Promise<unknown>
  /** A second name for a file; fails with `EEXIST` if that name is taken. This is what makes a publish exclusive. */
  link(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  readdir(path: string): Promise<string[]>
  realpath(path: string): Promise<string>
  /** What a name stands for, without following a link. */
  lstat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number; isFile(): boolean; isDirectory(): boolean }>
}

/** Node's file system. */
export const nodeFileSystem: FileSystem = {
  open: (path, flags) => node.open(path, flags),
  mkdir: (path) => node.mkdir(path),
  link: (from, to) => node.link(from, to),
  rename: (from, to) => node.rename(from, to),
  unlink: (path) => node.unlink(path),
  readdir: (path) => node.readdir(path),
  realpath: (path) => node.realpath(path),
  lstat: (path) => node.lstat(path),
}

/**
 * Flags that open a file for reading, fail on a symbolic link and do not wait for a writer where there is a pipe (where the
 * platform knows such flags).
 */
export const readNoFollow: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Opens a file for reading, and follows no link; `undefined` if there is none. */
export const openIfThere = async (fileSystem: FileSystem, path: string): Promise<FileSystemHandle | undefined> => {
  try {
    return await fileSystem.open(path, readNoFollow)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The whole text of a file, in whatever pieces the system gives it; `undefined` if there is none.
 *
 * @throws `ERR_OUTRIGGER_STORE_FAILED` if it is no plain file of at most `maxBytes`; no link is followed
 */
export const readWhole = async (fileSystem: FileSystem, path: string, maxBytes: number): Promise<string | undefined> => {
  const handle = await openIfThere(fileSystem, path)
  if (handle === undefined) return undefined
  try {
    const stat = await handle.stat()
    if (!stat.isFile() || stat.size > maxBytes) {
      throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot read ${path} as it must be a file of at most ${maxBytes} bytes: current value is ${stat.isFile() ? stat.size : 'no file'}`)
    }
    const bytes = Buffer.alloc(stat.size)
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.toString('utf8', 0, length)
  } finally {
    await handle.close()
  }
}

/** The `code` of a system error, or `undefined`. */
export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
