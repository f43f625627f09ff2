/**
 * Files that are whole or absent, whatever happens in between: bytes go to a temporary file in the same directory, are
 * flushed, and only then get their name.
 */
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { errnoOf, nodeFileSystem, type FileSystem, type FileSystemHandle } from './file-system.js'

/** A temporary file starts so; whoever lists a directory of ours skips it. */
export const temporaryPrefix = '.tmp-'

/**
 * A name that nobody else has. Not from the injected randomness: two processes with one seed must not write into one
 * file.
 */
export const uniqueName = (): string => randomUUID()

/** The name of a temporary file. */
export const temporaryName = (): string => temporaryPrefix + uniqueName()

/** How {@link writeFileAtomic} writes. */
export interface AtomicFileOptions {
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
  /** Fail with `EEXIST` where the name is taken, instead of replacing the file. @default false */
  readonly exclusive?: boolean
}

/** Writes the whole of a chunk, whatever the system takes at a time. */
export const writeAll = async (handle: FileSystemHandle, chunk: Uint8Array, position: number): Promise<void> => {
  let done = 0
  while (done < chunk.length) {
    done += (await handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten
  }
}

/**
 * Lets `write` append to a temporary file in a directory, flushes it, calls `commit` with its path, and removes it if
 * `commit` did not move it away. The name is unique, so that writers never meet; it is opened exclusively all the same.
 * What need not survive a power cut is not flushed.
 */
export const withTemporaryWriter = async <T>(
  fileSystem: FileSystem,
  directory: string,
  write: (append: (chunk: Uint8Array) => Promise<void>) => Promise<void>,
  commit: (temporary: string) => Promise<T>,
  durable = true,
): Promise<T> => {
  const temporary = join(directory, temporaryName())
  try {
    const handle = await fileSystem.open(temporary, 'wx')
    try {
      let position = 0
      await write(async (chunk) => {
        await writeAll(handle, chunk, position)
        position += chunk.length
      })
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    return await commit(temporary)
  } finally {
    // After a rename there is nothing left to remove; a crash leaves the file, which no reader looks at.
    await fileSystem.unlink(temporary).catch(() => {})
  }
}

/** Flushes a directory, so that a name given in it survives a power cut. Nothing to do where directories cannot be opened (Windows). */
export const syncDirectory = async (fileSystem: FileSystem, path: string): Promise<void> => {
  let handle: FileSystemHandle | undefined
  try {
    handle = await fileSystem.open(path, 'r')
    await handle.sync()
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP'].includes(errnoOf(error) ?? '')) throw error
  } finally {
    await handle?.close()
  }
}

/**
 * Makes a directory and its parents below `root`, each durable in its own parent before the next; also one that exists
 * is flushed, as who made it may have crashed before.
 */
export const makeDirectory = async (fileSystem: FileSystem, root: string, ...segments: readonly string[]): Promise<string> => {
  let path = root
  for (const segment of segments) {
    const parent = path
    path = join(parent, segment)
    try {
      await fileSystem.mkdir(path)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
    await syncDirectory(fileSystem, parent)
  }
  return path
}

/**
 * Writes a file so that a reader sees the whole new file or what was there before, also after a crash or a power cut:
 * temporary file in the same directory, fsync, rename (or an exclusive link), fsync of the directory.
 *
 * The error of the file system is passed on; `EEXIST` with `exclusive` means that somebody else was first.
 */
export const writeFileAtomic = async (path: string, bytes: Uint8Array, options: AtomicFileOptions = {}): Promise<void> => {
  const { fileSystem = nodeFileSystem, exclusive = false } = options
  const directory = dirname(path)
  await withTemporaryWriter(fileSystem, directory, (append) => append(bytes), (temporary) =>
    exclusive ? fileSystem.link(temporary, path) : fileSystem.rename(temporary, path))
  await syncDirectory(fileSystem, directory)
}
