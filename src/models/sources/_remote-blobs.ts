/** Blobs of a server by their hash: from the cache, or downloaded into it. */
import { hasCode } from '../../core/errors.js'
import { startSha256 } from '../manifest/digest.js'
import type { SourceOpenOptions } from '../store/model-source.js'
import { roomFor } from '../store/room.js'
import type { AttemptOptions } from './_attempts.js'
import { downloadBlob } from './_blob-download.js'
import type { HttpClient } from './_http-client.js'
import type { BlobId, SourceCache } from './_source-cache.js'
import { isTransient, sourceCorrupt, sourceFailed } from './_source-errors.js'
import { Turns } from './_turns.js'

export class RemoteBlobs {
  readonly #client: HttpClient
  readonly #cache: SourceCache
  readonly #attempts: AttemptOptions
  /** Who wants a blob that is under way waits, and finds it in the cache. */
  readonly #turns = new Turns()

  constructor(client: HttpClient, cache: SourceCache, attempts: AttemptOptions) {
    this.#client = client
    this.#cache = cache
    this.#attempts = attempts
  }

  /**
   * The bytes of a blob, whose size and hash are what they must be. The bytes that were hashed are the bytes returned.
   *
   * @param locate - says where the server has it; asked only if the cache has it not
   */
  async get(blob: BlobId, locate: () => string | Promise<string>, action: string, { signal, mayShare = false }: SourceOpenOptions): Promise<Uint8Array> {
    return await this.#turns.take(blob.sha256, action, signal, async () => {
      const into = roomFor(blob.bytes, mayShare)
      return await this.#cache.read(blob, into) ?? await this.#fetch(blob, into, await locate(), action, signal)
    })
  }

  async #fetch(blob: BlobId, into: Uint8Array, path: string, action: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    // What does not match may have been damaged on the way: it is fetched once more, from the beginning.
    for (const afresh of [false, true]) {
      const bytes = await this.#download(blob, into, path, action, signal, afresh)
      if (bytes !== undefined) return bytes
    }
    throw sourceCorrupt(action, `its SHA-256 must be ${blob.sha256}`, 'another one, twice')
  }

  async #download({ sha256, bytes }: BlobId, into: Uint8Array, path: string, action: string, signal: AbortSignal | undefined, afresh: boolean): Promise<Uint8Array | undefined> {
    const partial = await this.#cache.begin({ sha256, bytes }, into, afresh)
    const hash = startSha256()
    let offset = partial.have
    hash.update(into.subarray(0, offset))
    const onChunk = async (chunk: Uint8Array): Promise<void> => {
      into.set(chunk, offset)
      hash.update(chunk)
      offset += chunk.length
      await partial.append(chunk)
    }
    try {
      await downloadBlob(this.#client, { action, path, bytes, from: offset, onChunk }, { ...this.#attempts, signal })
    } catch (error) {
      const failed = this.#missing(error, action)
      await (isTransient(failed) || hasCode(failed, 'ERR_OUTRIGGER_ABORTED') ? partial.keep() : partial.discard())
      throw failed
    }
    if (hash.digest('hex') === sha256) {
      await partial.commit()
      return into
    }
    await partial.discard()
    return undefined
  }

  /** A file that is named and that is not there may still be on its way, where a mirror is filled. */
  #missing(error: unknown, action: string): unknown {
    if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_NOT_FOUND')) return error
    return sourceFailed(action, `${this.#client.host} must have it, as it names it`, 'nothing', { retryable: true, cause: error })
  }
}
