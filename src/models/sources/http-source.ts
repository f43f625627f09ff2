/** Versions of models from a server over HTTP, each byte checked, and kept on disk. */
import type { Observer } from '../../core/events.js'
import { optionsObject } from '../../core/options.js'
import { sha256Hex } from '../manifest/digest.js'
import { parseManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import { parseReference, type ModelReference } from '../manifest/names.js'
import { limitsOf, type ModelLimits } from '../store/limits.js'
import type { ModelSource, ModelVersion, OpenedModel, SourceCallOptions, SourceOpenOptions } from '../store/model-source.js'
import { withAttempts, type AttemptOptions } from './_attempts.js'
import { HttpClient, readSmall } from './_http-client.js'
import { openRemote } from './_open-remote.js'
import { Reachability } from './_reachability.js'
import { RemoteBlobs } from './_remote-blobs.js'
import type { SourceCache } from './_source-cache.js'
import { isTransient, sourceCorrupt, sourceFailed, sourceNotFound, sourceTooLarge } from './_source-errors.js'
import { blobPath, indexPath, maxIndexBytes, parseIndex, type IndexedVersion, type StoreIndex } from './_store-index.js'
import { checkHttpOptions, httpOptionNames, type CheckedHttpOptions, type HttpOptions } from './http-options.js'
import { cacheOf, type SourceCacheOptions } from './source-cache.js'

/** Options of {@link httpSource}. */
export interface HttpSourceOptions extends HttpOptions {
  /** Where what was fetched is kept. @default nowhere: every version is fetched each time it is opened */
  readonly cache?: SourceCacheOptions
  /** How large manifests, files and versions may be. */
  readonly limits?: ModelLimits
}

/** Versions of models from a server. */
export interface HttpSource extends ModelSource {
  resolve(reference: string, options?: SourceCallOptions): Promise<ModelVersion>
  open(version: ModelVersion | string, options?: SourceOpenOptions): Promise<OpenedModel>
  /**
   * Hears when the server cannot be reached (state `offline`) and when it can be again (`online`), and what could not
   * be kept in the cache (notices). The layer is `http-source`. Returns what ends it.
   */
  observe(observer: Observer): () => void
}

const owner = 'httpSource'
const maxIndexes = 1_000
const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/')

interface SeenIndex { readonly etag: string | undefined; readonly text: string; readonly index: StoreIndex }

class HttpModelSource implements HttpSource {
  readonly #options: CheckedHttpOptions
  readonly #limits: Required<ModelLimits>
  readonly #client: HttpClient
  readonly #cache: SourceCache
  readonly #blobs: RemoteBlobs
  readonly #reachability: Reachability
  /** What the server said last, the model asked for last at the end. */
  readonly #indexes = new Map<string, SeenIndex>()

  constructor(options: HttpSourceOptions) {
    optionsObject(owner, options, [...httpOptionNames, 'cache', 'limits'])
    this.#options = checkHttpOptions(owner, options)
    this.#limits = limitsOf(owner, options.limits)
    this.#client = new HttpClient(this.#options)
    this.#reachability = new Reachability('http-source', this.#options.base.origin, this.#options.clock)
    this.#cache = cacheOf(owner, options.cache, this.#options.base.href, (error) => this.#reachability.cacheFailed(error))
    this.#blobs = new RemoteBlobs(this.#client, this.#cache, this.#options)
  }

  observe(observer: Observer): () => void {
    return this.#reachability.observe(observer)
  }

  async resolve(reference: string, { signal }: SourceCallOptions = {}): Promise<ModelVersion> {
    const parsed = parseReference(reference)
    const name = parsed.kind === 'digest' && parsed.name === undefined ? (await this.#manifestOf(parsed.digest, signal)).name : parsed.name as string
    const index = await this.#index(name, signal)
    const entry = select(index, parsed, reference)
    const what = `${name}@${entry.version}`
    const { maxManifestBytes } = this.#limits
    if (entry.bytes > maxManifestBytes) throw sourceTooLarge(`load the manifest of ${what}`, maxManifestBytes, entry.bytes)
    const bytes = await this.#blobs.get({ sha256: entry.digest, bytes: entry.bytes }, () => blobPath(entry.digest), `read the manifest of ${what}`, { signal })
    const manifest = parseManifest(bytes, `the manifest of ${what}`)
    if (manifest.name !== name || manifest.version !== entry.version) throw sourceCorrupt(`load ${what}`, 'its manifest must be its own', `that of ${manifest.name}@${manifest.version}`)
    const { signatures, tags } = entry
    return { name, version: entry.version, digest: entry.digest, manifest, ...(signatures === undefined ? {} : { signatures }), ...(tags === undefined ? {} : { tags }) }
  }

  async open(version: ModelVersion | string, options: SourceOpenOptions = {}): Promise<OpenedModel> {
    const found = typeof version === 'string' ? await this.resolve(version, options) : version
    const reader = { blobs: this.#blobs, cache: this.#cache, limits: this.#limits, locate: ({ sha256 }: ManifestFile) => blobPath(sha256) }
    return await openRemote(found, reader, options)
  }

  #attempts(signal: AbortSignal | undefined): AttemptOptions {
    return { ...this.#options, signal }
  }

  // ---- the index

  /** What the server says of a model; while it cannot be reached, what it said last. */
  async #index(name: string, signal: AbortSignal | undefined): Promise<StoreIndex> {
    const seen = this.#indexes.get(name) ?? await this.#savedIndex(name)
    try {
      const now = await withAttempts(this.#attempts(signal), () => this.#fetchIndex(name, seen, signal))
      this.#reachability.reached()
      this.#indexes.delete(name)
      this.#indexes.set(name, now)
      for (const oldest of this.#indexes.keys()) if (this.#indexes.size > maxIndexes) this.#indexes.delete(oldest)
      if (now !== seen) await this.#cache.writeNote(name, 'index', JSON.stringify({ etag: now.etag, text: now.text }))
      return now.index
    } catch (error) {
      if (!isTransient(error)) throw error
      this.#reachability.failed(error, seen !== undefined)
      if (seen === undefined) throw error
      return seen.index
    }
  }

  async #fetchIndex(name: string, seen: SeenIndex | undefined, signal: AbortSignal | undefined): Promise<SeenIndex> {
    const action = `read the index of ${name}`
    const headers = seen?.etag === undefined ? {} : { 'if-none-match': seen.etag }
    const answer = await this.#client.get({ action, path: encoded(indexPath(name)), headers, signal, isSmall: true })
    try {
      if (answer.status === 304 && seen !== undefined) return seen
      if (answer.status !== 200) throw sourceFailed(action, `${this.#client.host} must send it`, `status ${answer.status}`, { retryable: false, status: answer.status })
      const text = new TextDecoder().decode(await readSmall(answer, action, maxIndexBytes))
      const index = parseIndex(text, name)
      // Cut off, or the page of a proxy: it may be right the next time.
      if (typeof index === 'string') throw sourceFailed(action, `${this.#client.host} must send an index`, index, { retryable: true })
      return { etag: answer.headers.get('etag') ?? undefined, text, index }
    } finally {
      answer.end()
    }
  }

  async #savedIndex(name: string): Promise<SeenIndex | undefined> {
    const note = await this.#cache.readNote(name, 'index')
    if (note === undefined) return undefined
    try {
      const { etag, text } = JSON.parse(note) as { readonly etag?: string; readonly text: string }
      const index = parseIndex(text, name)
      return typeof index === 'string' ? undefined : { etag, text, index }
    } catch {
      return undefined // damaged: as if it were not there
    }
  }

  /** The manifest with this digest, wherever it belongs. */
  async #manifestOf(digest: string, signal: AbortSignal | undefined): Promise<ModelManifest> {
    const action = `read the manifest ${digest}`
    const bytes = await withAttempts(this.#attempts(signal), async () => {
      const answer = await this.#client.get({ action, path: blobPath(digest), signal, isSmall: true })
      try {
        if (answer.status !== 200) throw sourceFailed(action, `${this.#client.host} must send it`, `status ${answer.status}`, { retryable: false, status: answer.status })
        return await readSmall(answer, action, this.#limits.maxManifestBytes)
      } finally {
        answer.end()
      }
    })
    if (sha256Hex(bytes) !== digest) throw sourceCorrupt(action, 'its SHA-256 must be its name', sha256Hex(bytes))
    try {
      return parseManifest(bytes)
    } catch {
      throw sourceNotFound(action, 'it must be the digest of a version', 'the digest of a file', digest)
    }
  }
}

/** The version that a reference means. */
const select = ({ name, versions, damaged, aliases }: StoreIndex, parsed: ModelReference, reference: string): IndexedVersion => {
  const action = `find ${reference}`
  if (parsed.kind === 'digest') {
    const found = versions.find(({ digest }) => digest === parsed.digest)
    if (found === undefined) throw sourceNotFound(action, 'a version with this digest must be published', 'nothing', reference)
    return found
  }
  const { from, to } = parsed.kind === 'range' ? parsed : { from: 1, to: Infinity }
  const version = parsed.kind === 'version'
    ? parsed.version
    : parsed.kind === 'latest' || parsed.kind === 'range'
      ? [...versions.map((entry) => entry.version), ...damaged].filter((number) => number >= from && number <= to).reduce((highest, next) => Math.max(highest, next), 0)
      : Object.hasOwn(aliases, parsed.alias) ? aliases[parsed.alias] as number : 0
  if (damaged.includes(version)) throw sourceCorrupt(action, `${name}@${version} must be whole at the server`, 'damaged')
  const found = versions.find((entry) => entry.version === version)
  if (found === undefined) throw sourceNotFound(action, parsed.kind === 'alias' ? 'the alias must be set' : 'the version must be published', 'nothing', reference)
  return found
}

/**
 * Versions of models from a server that serves a store: `storeHandler`, or any server of static files over a directory
 * with `writeIndexes`.
 *
 * Each `resolve` asks for the small index of the model (by its ETag: an answer of a few bytes while nothing changed);
 * manifests and files are named by their SHA-256, fetched once, and checked. An interrupted download goes on where it
 * ended, also after a restart if there is a `cache`. What the server sends beyond the declared size is never read.
 *
 * While the server cannot be reached, what it said last is used, if there is a cache also after a restart: a service
 * starts without its server, on versions that it had opened before. Watchers hear of it as a state event.
 *
 * Failures: `ERR_OUTRIGGER_SOURCE_FAILED` has `retryable` (the network, 5xx, 429 with `retryAfterMs`, an answer that
 * took too long, a file that the index names and the server has not got yet; not 401 and 403), and `status`.
 *
 * Hashes protect against damage. The index is not signed: who controls the server says which of its versions is the
 * champion.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import type { AddressInfo } from 'node:net'
 * import { httpSource, memoryDepot, modelStore, nodeListener, storeHandler } from 'outrigger/models'
 * const store = modelStore({ depot: memoryDepot() })
 * await store.publish({ name: 'delay', engine: 'function', files: { 'coefficients.json': '[0.5, 2]' } })
 * await store.setAlias('delay', 'champion', 1)
 * const server = createServer(nodeListener(storeHandler(store)))
 * await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
 *
 * const source = httpSource({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` })
 * const champion = await source.open('delay@champion')
 * assert.deepEqual(champion.files.json('coefficients.json'), [0.5, 2])
 * await assert.rejects(source.resolve('delay@2'), { code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
 * server.close()
 * ```
 */
export const httpSource = (options: HttpSourceOptions): HttpSource => new HttpModelSource(options)
