/**
 * A depot that is a directory. A file gets its name, by an exclusive link or a rename, after its bytes are flushed; so a
 * reader sees it whole or not at all, also after a crash or a power cut.
 */
import { dirname, join, resolve } from 'node:path'
import { OutriggerError } from '../../core/errors.js'
import { makeDirectory, syncDirectory, temporaryPrefix, withTemporaryWriter } from '../../store/atomic-file.js'
import { errnoOf, readNoFollow, type FileSystem } from '../../store/file-system.js'
import { checked, chunksOfReader, identify } from './_chunks.js'
import { corrupt } from './_faults.js'
import type { BlobId, CreateOptions, DepotEntry, DepotReader, ModelDepot } from './depot.js'

const isAbsent = (error: unknown): boolean => errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'

const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])
/** What opening a link, a socket or a device gives. */
const noFiles = new Set(['ELOOP', 'ENXIO', 'ENODEV'])
const maxMade = 1000

export class DirectoryDepot implements ModelDepot {
  readonly #fileSystem: FileSystem
  readonly #path: string
  /** Directories in which a blob got its name since they were last flushed, with the count of such names. */
  readonly #unflushed = new Map<string, number>()
  /** Folders that this process has made durable. */
  readonly #made = new Set<string>()
  /** Whether the directory itself, or the first of those above that was there, is durable. */
  #isRooted = false

  constructor(path: string, fileSystem: FileSystem) {
    this.#path = resolve(path)
    this.#fileSystem = fileSystem
  }

  /** The real path of something below the root, which may not be reached through a symbolic link. `undefined` if it is not there. */
  async #locate(key: string): Promise<string | undefined> {
    try {
      const path = join(await this.#fileSystem.realpath(this.#path), key)
      const real = await this.#fileSystem.realpath(path)
      if (real === path) return path
      // A file system that takes `Delay` for `delay` has no file of this name.
      if (real.toLowerCase() === path.toLowerCase()) return undefined
      throw corrupt(path, 'no part of a store may be a symbolic link', real)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw errnoOf(error) === 'ELOOP' ? corrupt(key, 'no part of a store may be a symbolic link', 'a link to itself', error) : error
    }
  }

  /** Makes the directory of a file, durably, and checks that no link leads out of the root. */
  async #prepare(key: string): Promise<{ readonly directory: string; readonly path: string }> {
    const slash = key.lastIndexOf('/')
    const folder = key.slice(0, slash)
    // What was made durable once is so; but it is looked for again, as somebody may have taken it away or put a link there.
    let directory = this.#made.has(folder) ? await this.#locate(folder) : undefined
    if (directory === undefined) {
      await this.#make(folder)
      directory = await this.#locate(folder)
      if (directory === undefined) throw corrupt(folder, 'no name may differ from another one by case alone in this file system', 'taken')
    }
    return { directory, path: join(directory, key.slice(slash + 1)) }
  }

  /** Makes a folder and those above it that this process has not yet made. */
  async #make(folder: string): Promise<void> {
    const root = await this.#makeRoot(this.#path)
    const parts = folder.split('/')
    const above = (count: number): string => parts.slice(0, count).join('/')
    let known = parts.length - 1
    while (known > 0 && (!this.#made.has(above(known)) || await this.#locate(above(known)) === undefined)) known -= 1
    await makeDirectory(this.#fileSystem, join(root, above(known)), ...parts.slice(known))
    if (this.#made.size >= maxMade) this.#made.clear()
    for (let count = known + 1; count <= parts.length; count += 1) this.#made.add(above(count))
  }

  async #makeRoot(path: string): Promise<string> {
    try {
      const real = await this.#fileSystem.realpath(path)
      // Who made it may not have flushed it yet. Where it was given to us, its parent may be none of our business.
      if (!this.#isRooted) await syncDirectory(this.#fileSystem, dirname(real)).catch((error: unknown) => { if (errnoOf(error) !== 'EACCES') throw error })
      this.#isRooted = true
      return real
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      return await makeDirectory(this.#fileSystem, await this.#makeRoot(dirname(path)), path.slice(dirname(path).length).replace(/^[\\/]+/, ''))
    }
  }

  async names(prefix: string): Promise<string[]> {
    const path = await this.#locate(prefix.replace(/\/$/, ''))
    return path === undefined ? [] : (await this.#fileSystem.readdir(path)).filter((name) => !name.startsWith(temporaryPrefix))
  }

  async *list(prefix: string): AsyncGenerator<DepotEntry> {
    for await (const entry of this.#walk(prefix)) if (!entry.isTemporary) yield entry
  }

  async *#walk(prefix: string): AsyncGenerator<DepotEntry & { readonly isTemporary: boolean }> {
    const path = await this.#locate(prefix.replace(/\/$/, ''))
    if (path === undefined) return
    for (const name of await this.#fileSystem.readdir(path)) {
      const key = prefix + name
      const stat = await this.#fileSystem.lstat(join(path, name)).catch((error: unknown) => {
        if (isAbsent(error)) return undefined // removed meanwhile
        throw error
      })
      if (stat === undefined) continue
      if (stat.isDirectory()) yield* this.#walk(`${key}/`)
      else yield { key, bytes: stat.size, modifiedMs: stat.mtimeMs, isTemporary: name.startsWith(temporaryPrefix) }
    }
  }

  async read<T>(key: string, use: (reader: DepotReader) => Promise<T>): Promise<T | undefined> {
    const path = await this.#locate(key)
    if (path === undefined) return undefined
    const handle = await this.#fileSystem.open(path, readNoFollow).catch((error: unknown) => {
      if (isAbsent(error)) return undefined // removed meanwhile
      throw noFiles.has(errnoOf(error) ?? '') ? corrupt(path, 'it must be a regular file', errnoOf(error), error) : error
    })
    if (handle === undefined) return undefined
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw corrupt(path, 'it must be a regular file', 'something else')
      let position = 0
      return await use({
        bytes: stat.size,
        read: async (into) => {
          const { bytesRead } = await handle.read(into, 0, into.length, position)
          position += bytesRead
          return bytesRead
        },
      })
    } finally {
      await handle.close()
    }
  }

  async create(key: string, bytes: Uint8Array, { durable = true }: CreateOptions = {}): Promise<boolean> {
    const { directory, path } = await this.#prepare(key)
    if (durable) await this.#flush()
    const created = await withTemporaryWriter(this.#fileSystem, directory, (append) => append(bytes), async (temporary) => {
      try {
        await this.#fileSystem.link(temporary, path)
        return true
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') return false
        throw noLinks.has(errnoOf(error) ?? '')
          // A rename replaces and an exclusive open can be torn: without links there is no name that only one gets, whole.
          ? new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot write ${key} as the file system of a store must have hard links (exFAT and some network mounts have none): current value is ${errnoOf(error)}`, { cause: error })
          : error
      }
    }, durable)
    if (durable) await syncDirectory(this.#fileSystem, directory)
    return created
  }

  async writeBlob(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { directory, path } = await this.#prepare(key)
    if (!await this.#isIntact(key, blob)) {
      await withTemporaryWriter(this.#fileSystem, directory, async (append) => {
        for await (const chunk of checked(chunks, blob, key)) await append(chunk)
      }, (temporary) => this.#fileSystem.rename(temporary, path))
    }
    // Also where the blob was there: who wrote it may have crashed before its name was flushed.
    this.#unflushed.set(directory, (this.#unflushed.get(directory) ?? 0) + 1)
  }

  async #isIntact(key: string, blob: BlobId): Promise<boolean> {
    const found = await this.read(key, async (reader) =>
      reader.bytes === blob.bytes ? await identify(chunksOfReader(reader)) : undefined).catch(() => undefined)
    return found?.sha256 === blob.sha256
  }

  /** Makes the names of all blobs so far durable. A directory that got more of them meanwhile stays to be flushed. */
  async #flush(): Promise<void> {
    for (const [directory, names] of [...this.#unflushed]) {
      await syncDirectory(this.#fileSystem, directory)
      if (this.#unflushed.get(directory) === names) this.#unflushed.delete(directory)
    }
  }

  async settle(key: string): Promise<void> {
    // Its bytes and the folders above were flushed before it got its name.
    await syncDirectory(this.#fileSystem, dirname(await this.#locate(key) ?? this.#path))
  }

  async remove(key: string): Promise<void> {
    const path = await this.#locate(key)
    if (path === undefined) return
    await this.#fileSystem.unlink(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error
    })
  }

  async sweep(beforeMs: number, dryRun: boolean): Promise<DepotEntry[]> {
    const found: DepotEntry[] = []
    for await (const { isTemporary, ...entry } of this.#walk('')) if (isTemporary && entry.modifiedMs < beforeMs) found.push(entry)
    if (!dryRun) for (const { key } of found) await this.remove(key)
    return found
  }
}
