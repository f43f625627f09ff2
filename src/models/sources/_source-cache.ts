/**
 * What a source keeps on disk of what it has fetched. Everything in it may be lost, damaged or removed at any time: it
 * is checked when it is read, and fetched again.
 *
 * ```
 * blobs/sha256-<hex>            whole files and manifests
 * partial/sha256-<hex>.tmp-…    downloads that were interrupted; the next one goes on from there
 * notes/<source>.<name>.<kind>  what the source said last of a model, and which of its versions were opened last
 * ```
 */
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { temporaryName, writeAll, writeFileAtomic } from '../../store/atomic-file.js'
import { errnoOf, readNoFollow } from '../../store/file-system.js'
import { sha256Hex, startSha256 } from '../manifest/digest.js'

/** What a blob must be. */
export interface BlobId { readonly sha256: string; readonly bytes: number }

/** A download that is under way. */
export interface PartialBlob {
  /** How many bytes were there from before; they stand at the front of the buffer. */
  readonly have: number
  /** Keeps the next bytes. */
  append(chunk: Uint8Array): Promise<void>
  /** All bytes are there and right. */
  commit(): Promise<void>
  /** It was interrupted: what is there is kept. */
  keep(): Promise<void>
  /** What is there is wrong. */
  discard(): Promise<void>
}

/** Where a source keeps what it has fetched. */
export interface SourceCache {
  /** The blob, if it is there and right; read into `into`, which must be of its size, if that is given. */
  read(blob: BlobId, into?: Uint8Array): Promise<Uint8Array | undefined>
  /** Begins a download into a buffer of the blob's size, with what an interrupted one has left, unless `afresh`. */
  begin(blob: BlobId, into: Uint8Array, afresh: boolean): Promise<PartialBlob>
  readNote(name: string, kind: string): Promise<string | undefined>
  writeNote(name: string, kind: string, text: string): Promise<void>
  /** A version was opened: it is kept, and of its model the one that was opened longest ago makes room. */
  opened(name: string, version: KeptVersion): Promise<void>
}

/** A version that is kept. */
export interface KeptVersion { readonly digest: string; readonly blobs: readonly string[] }

const nowhere = async (): Promise<void> => {}
const notKept: PartialBlob = { have: 0, append: nowhere, commit: nowhere, keep: nowhere, discard: nowhere }

/** No cache: everything is fetched each time. */
export const noCache: SourceCache = {
  read: async () => undefined,
  begin: async () => notKept,
  readNote: async () => undefined,
  writeNote: nowhere,
  opened: nowhere,
}

/** A cache whose failures (a full disk, a missing right) are told and cost nothing but the saving. */
export const forgiving = (cache: SourceCache, onError: (error: unknown) => void): SourceCache => {
  const or = <T>(instead: T) => (error: unknown): T => {
    onError(error)
    return instead
  }
  return {
    read: (blob, into) => cache.read(blob, into).catch(or(undefined)),
    begin: async (blob, into, afresh) => {
      let partial = await cache.begin(blob, into, afresh).catch(or(notKept))
      const give = (error: unknown): Promise<void> => {
        onError(error)
        const broken = partial
        partial = notKept
        return broken.discard().catch(onError)
      }
      return {
        have: partial.have,
        append: (chunk) => partial.append(chunk).catch(give),
        commit: () => partial.commit().catch(give),
        keep: () => partial.keep().catch(give),
        discard: () => partial.discard().catch(onError),
      }
    },
    readNote: (name, kind) => cache.readNote(name, kind).catch(or(undefined)),
    writeNote: (name, kind, text) => cache.writeNote(name, kind, text).catch(onError),
    opened: (name, version) => cache.opened(name, version).catch(onError),
  }
}

const pieceBytes = 1 << 20
const maxNoteBytes = 64 * 1024 * 1024
const blobName = (sha256: string): string => `sha256-${sha256}`

/** Reads a whole file in pieces, so that a large one does not hold the event loop, if `accepts` its size. `undefined` if it is not there. */
const readFile = async (path: string, accepts: (bytes: number) => boolean, into?: Uint8Array, onPiece?: (piece: Uint8Array) => void): Promise<Uint8Array | undefined> => {
  let handle: FileHandle
  try {
    handle = await open(path, readNoFollow)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { size } = await handle.stat()
    if (!accepts(size)) return undefined
    const bytes = into?.subarray(0, size) ?? new Uint8Array(size)
    let offset = 0
    while (offset < size) {
      const { bytesRead } = await handle.read(bytes, offset, Math.min(pieceBytes, size - offset), offset)
      if (bytesRead === 0) return undefined // it became shorter meanwhile
      onPiece?.(bytes.subarray(offset, offset + bytesRead))
      offset += bytesRead
    }
    return bytes
  } finally {
    await handle.close()
  }
}

const keptKind = 'kept'

/** A cache in a directory, which processes and sources may share. */
export class DirectoryCache implements SourceCache {
  readonly #path: string
  readonly #keepVersions: number
  /** Which source: notes of several do not meet. */
  readonly #source: string
  #changes: Promise<unknown> = Promise.resolve()

  constructor(path: string, keepVersions: number, source: string) {
    this.#path = resolve(path)
    this.#keepVersions = keepVersions
    this.#source = sha256Hex(source).slice(0, 16)
  }

  async read(blob: BlobId, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const hash = startSha256()
    const bytes = await readFile(join(this.#path, 'blobs', blobName(blob.sha256)), (size) => size === blob.bytes, into, (piece) => hash.update(piece))
    return bytes !== undefined && hash.digest('hex') === blob.sha256 ? bytes : undefined
  }

  async begin(blob: BlobId, into: Uint8Array, afresh: boolean): Promise<PartialBlob> {
    const directory = await this.#prepare('partial')
    const before = (await this.#names('partial')).filter((name) => name.startsWith(`${blobName(blob.sha256)}.`))
    let have = 0
    for (const name of afresh ? [] : before) {
      have = (await readFile(join(directory, name), (size) => size > have && size <= blob.bytes, into))?.length ?? have
    }
    // Each download has a file of its own, so that two processes never write into one.
    const path = join(directory, blobName(blob.sha256) + temporaryName())
    const handle = await open(path, 'wx')
    let length = 0
    const append = async (chunk: Uint8Array): Promise<void> => {
      await writeAll(handle, chunk, length)
      length += chunk.length
    }
    const removeOthers = async (): Promise<void> => {
      for (const name of before) await rm(join(directory, name), { force: true })
    }
    const discard = async (): Promise<void> => {
      await handle.close()
      await rm(path, { force: true })
    }
    try {
      await append(into.subarray(0, have))
    } catch (error) {
      await discard()
      throw error
    }
    return {
      have,
      append,
      discard,
      keep: async () => {
        await handle.close()
        await removeOthers()
      },
      commit: async () => {
        await handle.sync()
        await handle.close()
        const blobs = await this.#prepare('blobs')
        try {
          await rename(path, join(blobs, blobName(blob.sha256)))
        } catch (error) {
          // Another process was done first, and cleared away.
          if (errnoOf(error) !== 'ENOENT') throw error
        }
        await removeOthers()
      },
    }
  }

  async readNote(name: string, kind: string): Promise<string | undefined> {
    return await this.#readNote(this.#noteName(name, kind))
  }

  async writeNote(name: string, kind: string, text: string): Promise<void> {
    await writeFileAtomic(join(await this.#prepare('notes'), this.#noteName(name, kind)), new TextEncoder().encode(text))
  }

  #noteName(name: string, kind: string): string {
    return `${this.#source}.${name}.${kind}`
  }

  async #readNote(note: string): Promise<string | undefined> {
    const bytes = await readFile(join(this.#path, 'notes', note), (size) => size <= maxNoteBytes)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }

  async opened(name: string, version: KeptVersion): Promise<void> {
    const change = this.#changes.then(async () => {
      const kept = await this.#kept(this.#noteName(name, keptKind))
      if (kept[0]?.digest === version.digest) return
      const others = kept.filter(({ digest }) => digest !== version.digest)
      await this.writeNote(name, keptKind, JSON.stringify([version, ...others.slice(0, this.#keepVersions - 1)]))
      if (others.length >= this.#keepVersions) await this.#evict()
    })
    this.#changes = change.catch(() => {})
    await change
  }

  async #kept(note: string): Promise<KeptVersion[]> {
    try {
      const kept = JSON.parse(await this.#readNote(note) ?? '[]') as readonly (Partial<KeptVersion> | null)[]
      return kept.filter((entry): entry is KeptVersion => typeof entry?.digest === 'string' && Array.isArray(entry.blobs))
    } catch {
      return [] // damaged: what it said is forgotten
    }
  }

  /** Removes what no version that is kept needs. */
  async #evict(): Promise<void> {
    const needed = new Set<string>()
    for (const note of await this.#names('notes')) {
      if (!note.endsWith(`.${keptKind}`)) continue
      for (const { digest, blobs } of await this.#kept(note)) for (const sha256 of [digest, ...blobs]) needed.add(blobName(sha256))
    }
    for (const folder of ['blobs', 'partial']) {
      for (const name of await this.#names(folder)) {
        if (!needed.has(name.split('.', 1)[0] as string)) await rm(join(this.#path, folder, name), { force: true })
      }
    }
  }

  async #names(folder: string): Promise<string[]> {
    try {
      return await readdir(join(this.#path, folder))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
  }

  async #prepare(folder: string): Promise<string> {
    const path = join(this.#path, folder)
    await mkdir(path, { recursive: true })
    return path
  }
}
