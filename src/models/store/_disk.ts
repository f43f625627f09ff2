/**
 * The store's directory: where things lie, and how bytes get in and out of it.
 *
 * ```
 * blobs/sha256-<hex>                               every file and every manifest, named by its content
 * models/<name>/versions/<version>/manifest.json   a hard link to the manifest's blob: this link is the publish
 * models/<name>/aliases/<alias>/<revision>.json    the moves of an alias; the highest revision counts
 * ```
 */
import { dirname, join, resolve } from 'node:path'
import { OutriggerError } from '../../core/errors.js'
import { makeDirectory, withTemporaryFile, type ChunkSource } from '../../store/atomic-file.js'
import { errnoOf, readNoFollow, type FileSystem } from '../../store/file-system.js'
import { startSha256 } from '../manifest/digest.js'

const chunkBytes = 1 << 20

/** What a blob must be. */
export interface BlobId { readonly sha256: string; readonly bytes: number }

export const corrupt = (what: string, constraint: string, value: unknown, cause?: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load ${what} as ${constraint}: current value is ${String(value)}`, { cause })

/** A directory of blobs, models and aliases. Paths are given as segments below its root. */
export class Disk {
  readonly fileSystem: FileSystem
  readonly #path: string

  constructor(path: string, fileSystem: FileSystem) {
    this.#path = resolve(path)
    this.fileSystem = fileSystem
  }

  /** The real path of something below the root, which may not be reached through a symbolic link. `undefined` if it is not there. */
  async locate(...segments: readonly string[]): Promise<string | undefined> {
    try {
      const path = join(await this.fileSystem.realpath(this.#path), ...segments)
      const real = await this.fileSystem.realpath(path)
      if (real !== path) throw corrupt(path, 'no part of a store may be a symbolic link', real)
      return path
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw error
    }
  }

  /** Makes a directory below the root, durably, and checks that no link leads out of the root. */
  async prepare(...segments: readonly string[]): Promise<string> {
    await makeDirectory(this.fileSystem, await this.#makeRoot(this.#path), ...segments)
    return (await this.locate(...segments)) as string
  }

  async #makeRoot(path: string): Promise<string> {
    try {
      return await this.fileSystem.realpath(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      return await makeDirectory(this.fileSystem, await this.#makeRoot(dirname(path)), path.slice(dirname(path).length).replace(/^[\\/]+/, ''))
    }
  }

  /** The names in a directory; none if it does not exist. */
  async names(...segments: readonly string[]): Promise<string[]> {
    const path = await this.locate(...segments)
    return path === undefined ? [] : await this.fileSystem.readdir(path)
  }

  /** The whole of a small file, or `undefined` if it does not exist. */
  async readSmall(maxBytes: number, ...segments: readonly string[]): Promise<Uint8Array | undefined> {
    const path = await this.locate(...segments)
    if (path === undefined) return undefined
    return await this.#read(path, (size) => {
      if (size > maxBytes) throw corrupt(path, `it must have at most ${maxBytes} bytes`, size)
    })
  }

  /** A blob's bytes, whose size and hash are what they must be. The bytes that were hashed are the bytes returned. */
  async readBlob(id: BlobId, what: string): Promise<Uint8Array> {
    const path = await this.locate('blobs', `sha256-${id.sha256}`)
    if (path === undefined) throw corrupt(what, 'its file must be in the store', 'missing')
    const hash = startSha256()
    const bytes = await this.#read(path, (size) => {
      if (size !== id.bytes) throw corrupt(what, `it must have ${id.bytes} bytes`, size)
    }, (chunk) => hash.update(chunk))
    const actual = hash.digest('hex')
    if (actual !== id.sha256) throw corrupt(what, `its SHA-256 must be ${id.sha256}`, actual)
    return bytes
  }

  async #read(path: string, checkSize: (size: number) => void, onChunk?: (chunk: Uint8Array) => void): Promise<Uint8Array> {
    const handle = await this.fileSystem.open(path, readNoFollow)
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw corrupt(path, 'it must be a regular file', 'something else')
      checkSize(stat.size)
      const bytes = new Uint8Array(stat.size)
      // In pieces, so that hashing a large file does not hold the event loop.
      for (let offset = 0; offset < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, offset, Math.min(chunkBytes, bytes.length - offset), offset)
        if (bytesRead === 0) throw corrupt(path, `it must have ${bytes.length} bytes`, offset)
        onChunk?.(bytes.subarray(offset, offset + bytesRead))
        offset += bytesRead
      }
      return bytes
    } finally {
      await handle.close()
    }
  }

  /** Stores bytes under their hash, in the directory that `prepare('blobs')` gave. They are flushed, their name is not yet. */
  async writeBlob(directory: string, chunks: ChunkSource): Promise<BlobId> {
    const hash = startSha256()
    let bytes = 0
    const hashed: ChunkSource = async () => {
      const chunk = await chunks()
      hash.update(chunk)
      bytes += chunk.length
      return chunk
    }
    return await withTemporaryFile(this.fileSystem, directory, hashed, async (temporary) => {
      const id = { sha256: hash.digest('hex'), bytes }
      // An intact blob stays; a damaged one is replaced by what it should have been.
      const intact = await this.readBlob(id, 'a blob').then(() => true, () => false)
      if (!intact) await this.fileSystem.rename(temporary, join(directory, `sha256-${id.sha256}`))
      return id
    })
  }

  /** The bytes of a file outside the store, in pieces. A link is followed: who publishes names it. */
  async fileChunks(path: string): Promise<{ readonly next: ChunkSource; close(): Promise<void> }> {
    const handle = await this.fileSystem.open(path, 'r')
    const buffer = new Uint8Array(chunkBytes)
    let position = 0
    const next: ChunkSource = async () => {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
      position += bytesRead
      return buffer.subarray(0, bytesRead)
    }
    return { next, close: () => handle.close() }
  }
}
