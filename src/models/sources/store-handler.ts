/** A store over HTTP, for reading: what `httpSource` asks for. */
import { systemClock, type Clock } from '../../core/clock.js'
import { membersOption, numberOption, optionsObject } from '../../core/options.js'
import { isSha256Hex, sha256Hex } from '../manifest/digest.js'
import { isModelName } from '../manifest/names.js'
import type { ModelDepot } from '../store/depot.js'
import type { ModelStore } from '../store/model-store.js'
import { byteRange, type ByteRange } from './_byte-range.js'
import { blobPath, indexOf, serializeIndex } from './_store-index.js'

/** Options of {@link storeHandler}. */
export interface StoreHandlerOptions {
  /** How long the index of a model is given out before the store is asked again, in milliseconds. @default 1_000 */
  readonly indexMs?: number
  /** @default the machine's */
  readonly clock?: Clock
}

/** The part of a `Request` that is looked at. */
export interface HandlerRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
}

/** Answers requests. */
export type StoreHandler = (request: HandlerRequest) => Promise<Response>

const owner = 'storeHandler'
const pieceBytes = 1 << 18

/** Reads and drops what comes before a range, then gives the range. */
const streamOf = (depot: ModelDepot, key: string, { start, end }: ByteRange): ReadableStream<Uint8Array> => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const send = async (): Promise<void> => {
    let position = 0
    await depot.read(key, async (reader) => {
      while (position <= end) {
        await writer.ready
        const from = position
        const piece = new Uint8Array(Math.min(pieceBytes, (position < start ? start : end + 1) - position))
        const read = await reader.read(piece)
        if (read === 0) break
        position += read
        if (from >= start) await writer.write(piece.subarray(0, read))
      }
    })
    if (position <= end) throw new Error(`${key} became shorter while it was read`)
    await writer.close()
  }
  // Who has left makes `write` fail; who is still there sees the answer cut off.
  send().catch((error: unknown) => writer.abort(error).catch(() => {}))
  return readable
}

/** Whether a list of tags, as `If-None-Match` has it, names this one; weak ones count. */
const names = (header: string | null, etag: string): boolean =>
  header !== null && (header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag))

/**
 * A handler of requests, as Hono, Bun, Deno and others take it, that serves a store for reading; `nodeListener` makes a
 * listener for `node:http` of it. Whatever the path it is mounted under:
 *
 * - `…/models/<name>/index.json`: the versions, aliases and signatures of a model, with an `ETag` for `If-None-Match`
 * - `…/blobs/sha256-<hex>`: files and manifests, which never change; `Range`, `If-Range` and `HEAD` are understood
 *
 * Everything that is in the store can be read by who may ask: put your own authentication in front of it. It rejects
 * only where the store fails.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { memoryDepot, modelStore, storeHandler } from 'outrigger/models'
 * const store = modelStore({ depot: memoryDepot() })
 * const { digest } = await store.publish({ name: 'delay', engine: 'function', files: { 'a.json': '[1,2]' } })
 * const handler = storeHandler(store)
 * const index = await handler(new Request('http://models.example/models/delay/index.json'))
 * assert.equal(((await index.json()) as { versions: { digest: string }[] }).versions[0]?.digest, digest)
 * assert.equal((await handler(new Request('http://models.example/models/other/index.json'))).status, 404)
 * ```
 */
export const storeHandler = (store: ModelStore, options: StoreHandlerOptions = {}): StoreHandler => {
  optionsObject(owner, options, ['indexMs', 'clock'])
  membersOption(owner, 'store', store, ['list', 'aliases'])
  const { clock = systemClock } = options
  const indexMs = numberOption(owner, 'indexMs', options.indexMs ?? 1_000, { min: 0 })
  const indexes = new Map<string, { readonly text: Promise<string | undefined>; readonly at: number }>()

  const indexText = async (name: string): Promise<string | undefined> => {
    const index = await indexOf(store, name)
    return index.versions.length + index.damaged.length === 0 ? undefined : serializeIndex(index)
  }

  /** The index, made once for all who ask at the same time and shortly after. */
  const recentIndex = async (name: string): Promise<string | undefined> => {
    const recent = indexes.get(name)
    if (recent !== undefined && clock.now() - recent.at < indexMs) return await recent.text
    const text = indexText(name)
    const entry = { text, at: clock.now() }
    indexes.set(name, entry)
    const forget = (): void => {
      if (indexes.get(name) === entry) indexes.delete(name)
    }
    // What is not there is not remembered: anybody may ask for any name.
    void text.then((found) => { if (found === undefined) forget() }, forget)
    return await text
  }

  const index = async (name: string, request: HandlerRequest): Promise<Response> => {
    const text = await recentIndex(name)
    if (text === undefined) return new Response('no such model\n', { status: 404 })
    const etag = `"${sha256Hex(text)}"`
    const headers = { etag, 'cache-control': 'no-cache', 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }
    if (names(request.headers.get('if-none-match'), etag)) return new Response(null, { status: 304, headers })
    const length = { 'content-length': String(new TextEncoder().encode(text).length) }
    return new Response(request.method === 'HEAD' ? null : text, { headers: { ...headers, ...length } })
  }

  const blob = async (sha256: string, request: HandlerRequest): Promise<Response> => {
    const key = blobPath(sha256)
    const bytes = await store.depot.read(key, async (reader) => reader.bytes)
    if (bytes === undefined) return new Response('no such file\n', { status: 404 })
    const etag = `"sha256-${sha256}"`
    const headers = { etag, 'accept-ranges': 'bytes', 'cache-control': 'public, max-age=31536000, immutable', 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' }
    if (names(request.headers.get('if-none-match'), etag)) return new Response(null, { status: 304, headers })
    const ifRange = request.headers.get('if-range')
    const asked = ifRange === null || ifRange.trim() === etag ? byteRange(request.headers.get('range'), bytes) : undefined
    if (asked === 'unsatisfiable') return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${bytes}` } })
    const range = asked ?? { start: 0, end: bytes - 1 }
    const isEmpty = request.method === 'HEAD' || bytes === 0
    return new Response(isEmpty ? null : streamOf(store.depot, key, range), {
      status: asked === undefined ? 200 : 206,
      headers: {
        ...headers,
        'content-length': String(range.end - range.start + 1),
        ...(asked === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${bytes}` }),
      },
    })
  }

  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return new Response('only for reading\n', { status: 405, headers: { allow: 'GET, HEAD' } })
    const [folder, name = '', file] = new URL(request.url).pathname.split('/').slice(-3) as [string, string?, string?]
    if (folder === 'models' && isModelName(name) && file === 'index.json') return await index(name, request)
    const sha256 = file?.startsWith('sha256-') === true ? file.slice(7) : ''
    if (name === 'blobs' && isSha256Hex(sha256)) return await blob(sha256, request)
    return new Response('no such file\n', { status: 404 })
  }
}
