/** Blobs of a server by their hash: from the cache, or downloaded into it. */
import { hasCode, OutriggerError } from '../../core/errors.js'
import { onAbortOf } from '../../core/signals.js'
import { startSha256 } from '../manifest/digest.js'
import type { AttemptOptions } from './_attempts.js'
import { downloadBlob } from './_blob-download.js'
import type { HttpClient } from './_http-client.js'
import type { BlobId, SourceCache } from './_source-cache.js'
import { isTransient, sourceCorrupt, sourceFailed } from './_source-errors.js'

export class RemoteBlobs {
  readonly #client: HttpClient
  readonly #cache: SourceCache
  readonly #attempts: AttemptOptions
  /** The download of each blob that is under way: the next one who wants it waits, and finds it in the cache. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(client: HttpClient, cache: SourceCache, attempts: AttemptOptions) {
    this.#client = client
    this.#cache = cache
    this.#attempts = attempts
  }

  /** The bytes of a blob, whose size and hash are what they must be. The bytes that were hashed are the bytes returned. */
  async get(blob: BlobId, path: string, action: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    for (let turn = this.#turns.get(blob.sha256); turn !== undefined; turn = this.#turns.get(blob.sha256)) await orAborted(turn, action, signal)
    const work = this.#fetch(blob, path, action, signal)
    const turn = work.catch(() => {}).then(() => this.#turns.delete(blob.sha256))
    this.#turns.set(blob.sha256, turn)
    return await work
  }

  async #fetch(blob: BlobId, path: string, action: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const kept = await this.#cache.read(blob)
    if (kept !== undefined) return kept
    // What does not match may have been damaged on the way: it is fetched once more, from the beginning.
    for (const afresh of [false, true]) {
      const bytes = await this.#download(blob, path, action, signal, afresh)
      if (bytes !== undefined) return bytes
    }
    throw sourceCorrupt(action, `its SHA-256 must be ${blob.sha256}`, 'another one, twice')
  }

  async #download({ sha256, bytes }: BlobId, path: string, action: string, signal: AbortSignal | undefined, afresh: boolean): Promise<Uint8Array | undefined> {
    const into = new Uint8Array(bytes)
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

/** Waits for what somebody else does, until the caller leaves. */
const orAborted = async (work: Promise<unknown>, action: string, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) return void await work
  await new Promise<unknown>((resolve, reject) => {
    const aborted = (): void => reject(new OutriggerError('ERR_OUTRIGGER_ABORTED', `Cannot ${action} as the caller aborted it`, { cause: signal.reason }))
    if (signal.aborted) return aborted()
    const unlisten = onAbortOf(signal, aborted)
    void work.then(() => {
      unlisten()
      resolve(undefined)
    })
  })
}
