import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom, type PredictorEvent, type StateEvent } from 'outrigger/core'
import { httpSource, type FetchLike, type HttpSource, type HttpSourceOptions, type ModelVersion } from 'outrigger/models'
import { fakeClock } from 'outrigger/testing'
import { parseIndex, serializeIndex } from '../../../src/models/sources/_store-index.js'
import { filesBelow, temporaryFolder } from '../temporary.js'
import { cutAfter, hastyClock, startModelServer, type ModelServer, type SeenRequest } from './_model-server.js'

const servers: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

const random = seededRandom('http-source')
const noise = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => random.integer(256))
const weights = noise(100_000)
const bomb = gzipSync(Buffer.alloc(5_000_000))

const served = async (): Promise<{ server: ModelServer; version: ModelVersion }> => {
  const server = await startModelServer()
  servers.push(server)
  const version = await server.store.publish({ name: 'delay', engine: 'function', files: { 'weights.bin': weights } })
  await server.store.setAlias('delay', 'champion', 1)
  return { server, version }
}
const sourceOf = (server: { readonly url: string }, options: Partial<HttpSourceOptions> = {}): HttpSource => httpSource({ url: server.url, clock: hastyClock, ...options })

const failure = async (work: Promise<unknown>): Promise<Record<string, unknown>> =>
  await work.then(() => ({ code: 'no error' }), (error: unknown) => ({ ...(error as object), code: (error as { code: string }).code, message: (error as Error).message }))

const isBlob = (path: string | undefined): boolean => path?.includes('/blobs/') === true
const isWeights = (version: ModelVersion) => (path: string | undefined): boolean => path?.endsWith(version.manifest.files[0]?.sha256 ?? '?') === true
const weightsOf = async (source: HttpSource): Promise<Uint8Array> => (await source.open('delay@champion')).files.bytes('weights.bin')
/** Vitest compares large arrays slowly. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)

describe('httpSource and its index', () => {
  it('asks with the ETag, and takes 304 for what it knows', async () => {
    const { server } = await served()
    const source = sourceOf(server)
    const statuses: number[] = []
    server.answer = (_, response, serve) => {
      response.once('finish', () => statuses.push(response.statusCode))
      serve()
    }
    await source.resolve('delay@champion')
    await source.resolve('delay@champion')
    await server.store.publish({ name: 'delay', engine: 'function', files: { a: 'b' } })
    expect((await source.resolve('delay@latest')).version).toBe(2)
    expect(server.seen.filter(({ path }) => path.endsWith('index.json')).map(({ headers }) => headers['if-none-match'] !== undefined)).toEqual([false, true, true])
    expect(statuses.filter((status) => status === 304)).toHaveLength(1)
  })

  it('goes by one index, whatever moves between the index and the manifest', async () => {
    const { server } = await served()
    server.answer = (request, _, serve) => {
      if (!isBlob(request.url)) return serve()
      server.answer = (__, ___, next) => next()
      void server.store.publish({ name: 'delay', engine: 'function', files: { a: 'b' } }).then(() => server.store.setAlias('delay', 'champion', 2)).then(serve)
    }
    const source = sourceOf(server)
    expect((await source.resolve('delay@champion')).version).toBe(1)
    expect((await source.resolve('delay@champion')).version).toBe(2)
  })

  it.each([
    ['no JSON', (text: string) => text.slice(0, -10)],
    ['the page of a proxy', () => '<html>sign in</html>'],
    ['an index with a flipped digit', (text: string) => text.replace('"champion":1', '"champion":7')],
    ['an index of another model', (text: string) => text.replaceAll('delay', 'other')],
    ['a newer format', (text: string) => text.replace('"formatVersion":1', '"formatVersion":2')],
  ])('does not believe %s', async (_, change) => {
    const { server } = await served()
    const text = await (await fetch(`${server.url}models/delay/index.json`)).text()
    server.answer = (__, response) => void response.end(change(text))
    expect(await failure(sourceOf(server).resolve('delay@champion'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
  })

  it('refuses a manifest that is that of another version', async () => {
    const { server, version } = await served()
    const other = await server.store.publish({ name: 'delay', engine: 'function', files: { a: 'b' } })
    const index = parseIndex(await (await fetch(`${server.url}models/delay/index.json`)).text(), 'delay')
    if (typeof index === 'string') throw new Error(index)
    const swapped = serializeIndex({ ...index, versions: index.versions.map((entry) => ({ ...entry, digest: entry.version === 1 ? other.digest : version.digest, bytes: index.versions[2 - entry.version]?.bytes as number })) })
    server.answer = (request, response, serve) => (isBlob(request.url) ? serve() : void response.end(swapped))
    expect(await failure(sourceOf(server).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('refuses latest where the highest version is damaged at the server, and serves the others', async () => {
    const { server } = await served()
    const text = await (await fetch(`${server.url}models/delay/index.json`)).text()
    const index = parseIndex(text, 'delay')
    if (typeof index === 'string') throw new Error(index)
    server.answer = (request, response, serve) => (isBlob(request.url) ? serve() : void response.end(serializeIndex({ ...index, damaged: [2] })))
    const source = sourceOf(server)
    expect(await failure(source.resolve('delay@latest'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect((await source.resolve('delay@champion')).version).toBe(1)
  })

  it('reads no index and no manifest beyond the limit', async () => {
    const { server } = await served()
    let sent = 0
    server.answer = (_, response) => {
      const piece = Buffer.alloc(1 << 20, ' ')
      const more = (): void => {
        sent += piece.length
        if (!response.destroyed) response.write(piece, () => more())
      }
      more()
    }
    expect(await failure(sourceOf(server).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_TOO_LARGE' })
    expect(sent).toBeLessThan(40 * 2 ** 20)
  })
})

describe('httpSource and interrupted downloads', () => {
  /** Each request begins behind the one before, but not behind what was sent (what is on its way when a connection ends is lost). */
  const expectGoingOn = (asked: readonly SeenRequest[], sentAtMost: number): void => {
    const starts = asked.map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]))
    starts.forEach((start, index) => {
      if (index === 0) return expect(start).toBe(0)
      expect(start).toBeGreaterThanOrEqual(starts[index - 1] as number)
      expect(start).toBeLessThanOrEqual((starts[index - 1] as number) + sentAtMost)
    })
    expect(starts.at(-1)).toBeGreaterThan(0)
  }

  it('goes on where the connection was cut, with If-Range', async () => {
    const { server, version } = await served()
    let cuts = 0
    server.answer = (request, response, serve) => {
      if (isWeights(version)(request.url) && (cuts += 1) <= 2) cutAfter(response, 30_000)
      serve()
    }
    expect(same(await weightsOf(sourceOf(server)), weights)).toBe(true)
    const asked = server.seen.filter(({ path }) => isWeights(version)(path))
    const etag = `"sha256-${version.manifest.files[0]?.sha256}"`
    expect(asked.map(({ headers }) => headers['if-range'])).toEqual([undefined, etag, etag])
    expectGoingOn(asked, 30_000)
  })

  it('comes through cuts at random bytes, again and again, and never goes back', async () => {
    const { server, version } = await served()
    server.answer = (request, response, serve) => {
      if (isWeights(version)(request.url)) cutAfter(response, 1 + random.integer(40_000))
      serve()
    }
    for (let round = 0; round < 15; round += 1) {
      server.seen.length = 0
      expect(same(await weightsOf(sourceOf(server, { retries: 20 })), weights)).toBe(true)
      expectGoingOn(server.seen.filter(({ path }) => isWeights(version)(path)), 40_000)
    }
  })

  it('goes on after a restart of the process with what is in the cache, and leaves nothing behind', async () => {
    const { server, version } = await served()
    const path = await temporaryFolder()
    let cut = true
    server.answer = (request, response, serve) => {
      if (isWeights(version)(request.url) && cut) cutAfter(response, 70_000)
      serve()
    }
    expect(await failure(weightsOf(sourceOf(server, { retries: 0, cache: { path } })))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    const [left] = await readdir(join(path, 'partial'))
    const { length } = await readFile(join(path, 'partial', left as string))
    expect(length).toBeGreaterThan(0)
    cut = false
    expect(same(await weightsOf(sourceOf(server, { cache: { path } })), weights)).toBe(true)
    expect(server.seen.at(-1)?.headers.range).toBe(`bytes=${length}-`)
    expect(await readdir(join(path, 'partial'))).toEqual([])
  })

  it('throws a damaged leftover away and fetches the whole', async () => {
    const { server, version } = await served()
    const path = await temporaryFolder()
    const sha256 = version.manifest.files[0]?.sha256
    await mkdir(join(path, 'partial'), { recursive: true })
    await writeFile(join(path, 'partial', `sha256-${sha256}.tmp-1`), noise(50_000))
    await writeFile(join(path, 'partial', `sha256-${sha256}.tmp-2`), noise(150_000))
    expect(same(await weightsOf(sourceOf(server, { cache: { path } })), weights)).toBe(true)
    expect(server.seen.filter(({ path: asked }) => isWeights(version)(asked)).map(({ headers }) => headers.range)).toEqual(['bytes=50000-', undefined])
    expect(await readdir(join(path, 'partial'))).toEqual([])
  })

  /** Opens with 30 000 bytes in the cache; the first request for the rest is answered by `answer`. */
  const resuming = async (answer: (response: ServerResponse) => void): Promise<Uint8Array> => {
    const { server, version } = await served()
    const path = await temporaryFolder()
    await mkdir(join(path, 'partial'))
    await writeFile(join(path, 'partial', `sha256-${version.manifest.files[0]?.sha256}.tmp-1`), weights.subarray(0, 30_000))
    let requests = 0
    server.answer = (request, response, serve) => {
      if (!isWeights(version)(request.url) || (requests += 1) > 1) return serve()
      expect(request.headers.range).toBe('bytes=30000-')
      answer(response)
    }
    return await weightsOf(sourceOf(server, { cache: { path } }))
  }

  it.each<[string, (response: ServerResponse) => void]>([
    ['ignores Range and sends the whole', (response) => void response.writeHead(200, { 'content-length': weights.length }).end(weights)],
    ['begins the range earlier than asked', (response) => void response.writeHead(206, { 'content-range': `bytes 10000-99999/100000` }).end(weights.subarray(10_000))],
    ['begins the range later than asked', (response) => void response.writeHead(206, { 'content-range': `bytes 30001-99999/100000` }).end(weights.subarray(30_001))],
    ['sends a range without Content-Range', (response) => void response.writeHead(206).end(weights.subarray(30_000))],
    ['sends several ranges', (response) => void response.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=x' }).end('--x')],
    ['says that the range cannot be', (response) => void response.writeHead(416, { 'content-range': 'bytes */10' }).end()],
    ['sends the range encoded', (response) => void response.writeHead(206, { 'content-range': `bytes 30000-99999/100000`, 'content-encoding': 'gzip' }).end(gzipSync(weights.subarray(30_000)))],
    ['ends the range early', (response) => void response.writeHead(206, { 'content-range': `bytes 30000-99999/100000` }).end(weights.subarray(30_000, 50_000))],
    ['sends the whole compressed', (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(weights))],
  ])('copes with a server that %s', async (_, answer) => {
    expect(same(await resuming(answer), weights)).toBe(true)
  })

  it('gives up on a server that sends a byte per connection', async () => {
    const { server, version } = await served()
    server.answer = (request, response, serve) => {
      if (isWeights(version)(request.url)) cutAfter(response, 1)
      serve()
    }
    expect(await failure(weightsOf(sourceOf(server)))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    expect(server.seen.filter(({ path }) => isWeights(version)(path))).toHaveLength(3)
  })

  it('does not take a cut for the end of the file where the server neither tells the length nor knows ranges', async () => {
    const { server, version } = await served()
    const ends = [50_000, 30_000, 10_000]
    server.answer = (request, response, serve) => {
      if (!isWeights(version)(request.url)) return serve()
      // A body that ends with its connection: cut or whole, it looks the same.
      response.writeHead(200, { connection: 'close', 'transfer-encoding': 'identity' })
      response.end(weights.subarray(0, ends.shift() ?? weights.length))
    }
    expect(await failure(weightsOf(sourceOf(server)))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    expect(same(await weightsOf(sourceOf(server)), weights)).toBe(true)
  })

  it('takes up a download when the server comes back', async () => {
    const { server, version } = await served()
    const source = sourceOf(server, { retries: 5 })
    let first = true
    server.answer = (request, response, serve) => {
      if (!isWeights(version)(request.url) || !first) return serve()
      first = false
      cutAfter(response, 40_000)
      serve()
      response.once('close', () => void server.stop().then(() => server.start()))
    }
    expect(same(await weightsOf(source), weights)).toBe(true)
  })
})

describe('httpSource and wrong bytes', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['a longer file', (response) => void response.end(Buffer.concat([weights, Buffer.from('x')]))],
    ['an endless file', (response) => {
      const more = (): void => void (response.destroyed || response.write(Buffer.alloc(1 << 18), more))
      more()
    }],
    ['a shorter file that says so', (response) => void response.writeHead(200, { 'content-length': 10 }).end('0123456789')],
    ['a shorter file that does not say so', (response) => void response.end(weights.subarray(0, 1000))],
    ['an empty file', (response) => void response.end()],
    ['a larger size than the manifest says', (response) => void response.writeHead(200, { 'content-length': 10 ** 12 }).write('x')],
    ['other bytes', (response) => void response.end(noise(weights.length))],
    ['a compressed bomb', (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)],
  ])('refuses %s and keeps nothing of it', async (_, answer) => {
    const { server, version } = await served()
    const path = await temporaryFolder()
    server.answer = (request, response, serve) => (isWeights(version)(request.url) ? answer(response) : serve())
    const source = sourceOf(server, { cache: { path } })
    expect(await failure(source.open('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect((await filesBelow(path)).filter((file) => file.includes(version.manifest.files[0]?.sha256 as string))).toEqual([])
    server.answer = (__, ___, serve) => serve()
    expect(same(await weightsOf(source), weights)).toBe(true)
  })

  it('fetches once more what was damaged on the way', async () => {
    const { server, version } = await served()
    let requests = 0
    server.answer = (request, response, serve) => (isWeights(version)(request.url) && (requests += 1) === 1 ? void response.end(noise(weights.length)) : serve())
    expect(same(await weightsOf(sourceOf(server)), weights)).toBe(true)
  })

  it('opens nothing above its limits, and asks for none of it', async () => {
    const { server } = await served()
    const source = sourceOf(server, { limits: { maxVersionBytes: 99_999 } })
    const version = await source.resolve('delay@1')
    const before = server.seen.length
    expect(await failure(source.open(version))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_TOO_LARGE', maxBytes: 99_999, bytes: 100_000 })
    expect(server.seen).toHaveLength(before)
  })
})

describe('httpSource and failures', () => {
  it.each([
    [500, true], [502, true], [503, true], [504, true], [408, true], [429, true], [425, true],
    [401, false], [403, false], [400, false], [501, false], [418, false],
  ])('takes status %i for a failure of the source that %s', async (status, retryable) => {
    const { server } = await served()
    server.answer = (_, response) => void response.writeHead(status).end('no')
    expect(await failure(sourceOf(server).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', status, retryable })
    expect(server.seen).toHaveLength(retryable ? 3 : 1)
  })

  it('takes 404 and 410 of the index for a model that is not there', async () => {
    const { server } = await served()
    for (const status of [404, 410]) {
      server.answer = (_, response) => void response.writeHead(status).end()
      expect(await failure(sourceOf(server).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    }
  })

  it('takes 404 of a file that is named for one that is on its way', async () => {
    const { server, version } = await served()
    server.answer = (request, response, serve) => (isWeights(version)(request.url) ? void response.writeHead(404).end() : serve())
    expect(await failure(sourceOf(server).open('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
  })

  it('waits as long as Retry-After says, or hands a long wait to the caller', async () => {
    const { server } = await served()
    const waits: number[] = []
    const clock = { ...hastyClock, setTimeout: (callback: () => void, ms: number) => {
      if (ms <= 5_000) waits.push(ms)
      return hastyClock.setTimeout(callback, ms)
    } }
    let requests = 0
    server.answer = (_, response, serve) => ((requests += 1) === 1 ? void response.writeHead(429, { 'retry-after': '3' }).end() : serve())
    await sourceOf(server, { clock }).resolve('delay@1')
    expect(waits).toEqual([3_000])
    server.answer = (_, response) => void response.writeHead(503, { 'retry-after': '60' }).end()
    requests = server.seen.length
    expect(await failure(sourceOf(server, { clock }).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true, retryAfterMs: 60_000 })
    expect(server.seen).toHaveLength(requests + 1)
  })

  it('says what the network said', async () => {
    const { server } = await served()
    await server.stop()
    servers.length = 0
    const error = await failure(sourceOf(server).resolve('delay@1'))
    expect(error).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    expect(error['message']).toContain('ECONNREFUSED')
  })

  it.each<[string, string, (url: string) => Promise<unknown>]>([
    ['never answers', 'reach', () => new Promise(() => {})],
    ['answers and then says nothing', 'body', async () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }))],
  ])('ends a request to a server that %s at the time limit, even if `fetch` does not listen', async (_, __, answer) => {
    const clock = fakeClock()
    const source = httpSource({ url: 'http://models.example', clock, retries: 0, timeoutMs: 3_000, fetch: answer as unknown as FetchLike })
    const outcome = failure(source.resolve('delay@1'))
    await clock.advance(2_999)
    expect(clock.pending).toBe(1)
    await clock.advance(1)
    expect(await outcome).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true })
    expect(clock.pending).toBe(0)
  })

  it('gives a large file more time while it comes at a kilobyte per second, and ends one that trickles', async () => {
    const { server, version } = await served()
    const clock = fakeClock()
    const trickled = (bytesPerSecond: number): HttpSource => httpSource({ url: server.url, clock, retries: 0, timeoutMs: 3_000, fetch: async (url, init) => {
      const answer = await fetch(url, init)
      if (!isWeights(version)(url)) return answer
      const bytes = new Uint8Array(await answer.arrayBuffer())
      let offset = 0
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => new Promise<void>((resolve) => {
          void clock.setTimeout(() => {
            const piece = bytes.subarray(offset, offset += bytesPerSecond)
            if (piece.length > 0) controller.enqueue(piece)
            else controller.close()
            resolve()
          }, 1_000)
        }),
      }, { highWaterMark: 0 })
      return new Response(body)
    } })
    for (const [rate, expected] of [[1_100, 'no error'], [900, 'ERR_OUTRIGGER_SOURCE_FAILED']] as const) {
      let outcome: Record<string, unknown> | undefined
      void failure(trickled(rate).open('delay@1')).then((found) => { outcome = found })
      for (let seconds = 0; seconds < 200 && outcome === undefined; seconds += 1) {
        await clock.advance(1_000)
        await new Promise((resolve) => { setTimeout(resolve, outcome === undefined && seconds < 5 ? 20 : 0) })
      }
      expect(outcome).toMatchObject({ code: expected })
    }
  })

  it('ends with the signal of the caller, also while it waits for another one\'s download, and nothing is left', async () => {
    const { server, version } = await served()
    server.answer = (request, response, serve) => (isWeights(version)(request.url) ? void response.write('x') : serve())
    const source = sourceOf(server)
    const found = await source.resolve('delay@1')
    const [one, other] = [new AbortController(), new AbortController()]
    const [first, second] = [failure(source.open(found, one)), failure(source.open(found, other))]
    other.abort(new Error('enough'))
    expect(await second).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    one.abort()
    expect(await first).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(await failure(source.resolve('delay@1', { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    server.answer = (_, __, serve) => serve()
    expect(same(await weightsOf(source), weights)).toBe(true)
  })
})

describe('httpSource and other hosts', () => {
  const other = async (server: ModelServer): Promise<ModelServer & { origin: string }> => {
    const same = await startModelServer(server.store)
    servers.push(same)
    return Object.assign(same, { origin: new URL(same.url).origin })
  }

  it('does not follow a redirect to another origin that was not named', async () => {
    const { server } = await served()
    const elsewhere = await other(server)
    server.answer = (request, response) => void response.writeHead(302, { location: elsewhere.origin + request.url }).end()
    expect(await failure(sourceOf(server).resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false, status: 302 })
    expect(elsewhere.seen).toEqual([])
  })

  it('follows one that was named, and takes no credentials there', async () => {
    const { server } = await served()
    const elsewhere = await other(server)
    server.answer = (request, response, serve) => (isBlob(request.url) ? void response.writeHead(307, { location: elsewhere.origin + request.url }).end() : serve())
    const source = sourceOf(server, { headers: { authorization: 'Bearer secret', 'x-tenant': 'a' }, redirectOrigins: [elsewhere.origin] })
    expect(same(await weightsOf(source), weights)).toBe(true)
    expect(server.seen.every(({ headers }) => headers.authorization === 'Bearer secret' && headers['x-tenant'] === 'a')).toBe(true)
    expect(elsewhere.seen.length).toBeGreaterThan(0)
    expect(JSON.stringify(elsewhere.seen)).not.toMatch(/secret|x-tenant/)
  })

  it('follows redirects at home, with credentials, but not in circles', async () => {
    const { server } = await served()
    server.answer = (request, response, serve) => {
      if (request.url?.startsWith('/old') !== true) return serve()
      response.writeHead(301, { location: request.url.replace('/old', '') }).end()
    }
    const source = httpSource({ url: `${server.url}old/`, headers: async () => ({ authorization: 'Bearer 1' }), clock: hastyClock })
    expect((await source.resolve('delay@1')).version).toBe(1)
    expect(server.seen.every(({ headers }) => headers.authorization === 'Bearer 1')).toBe(true)
    server.answer = (request, response) => void response.writeHead(301, { location: request.url ?? '' }).end()
    expect(await failure(source.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: false })
  })

  it('asks for headers anew each time, and says when there are none', async () => {
    const { server } = await served()
    let token = 0
    const source = sourceOf(server, { headers: () => ({ authorization: `Bearer ${(token += 1)}` }) })
    await source.resolve('delay@1')
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
    const failing = sourceOf(server, { headers: () => Promise.reject(new Error('no token today')) })
    expect(await failure(failing.resolve('delay@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED', retryable: true, message: expect.stringContaining('no token today') as unknown })
  })

  it('sends the query of its URL with every request, and shows it in no message', async () => {
    const { server } = await served()
    const source = httpSource({ url: `${server.url}?sig=secret`, clock: hastyClock })
    await source.open('delay@1')
    expect(server.seen.every(({ path }) => path.endsWith('?sig=secret'))).toBe(true)
    server.answer = (_, response) => void response.writeHead(403).end()
    expect(JSON.stringify(await failure(source.resolve('delay@1')))).not.toContain('secret')
  })
})

describe('httpSource and its cache', () => {
  const opened = async (): Promise<{ server: ModelServer; path: string; version: ModelVersion }> => {
    const { server, version } = await served()
    const path = await temporaryFolder()
    await sourceOf(server, { cache: { path } }).open('delay@champion')
    return { server, path, version }
  }

  it('fetches a blob once, also for another process and for versions that share it', async () => {
    const { server, path, version } = await opened()
    await server.store.publish({ name: 'delay', engine: 'function', files: { 'same.bin': weights } })
    const source = sourceOf(server, { cache: { path } })
    await Promise.all([source.open('delay@1'), source.open('delay@2'), source.open('delay@champion')])
    expect(server.seen.filter(({ path: asked }) => isWeights(version)(asked))).toHaveLength(1)
  })

  it('starts without its server, and says so once, and when it is back', async () => {
    const { server, path } = await opened()
    await server.stop()
    const source = sourceOf(server, { cache: { path } })
    const states: [string, string][] = []
    source.observe((event: PredictorEvent) => { if (event.type === 'state') states.push([(event as StateEvent).from, event.to]) })
    expect(same(await weightsOf(source), weights)).toBe(true)
    expect((await source.resolve('delay@latest')).version).toBe(1)
    expect(states).toEqual([['online', 'offline']])
    expect(await failure(source.resolve('other@1'))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED' })
    await server.start()
    await source.resolve('delay@latest')
    await source.resolve('delay@latest')
    expect(states).toEqual([['online', 'offline'], ['offline', 'online']])
  })

  it('without a cache, what is known still answers while the server is away', async () => {
    const { server } = await served()
    const source = sourceOf(server)
    const before = await source.resolve('delay@champion')
    server.answer = (request, response, serve) => (isBlob(request.url) ? serve() : void response.writeHead(503).end())
    expect(await source.resolve('delay@champion')).toEqual(before)
  })

  it('does not answer from the cache where the server refuses, or has the model no longer', async () => {
    const { server, path } = await opened()
    for (const [status, code] of [[401, 'ERR_OUTRIGGER_SOURCE_FAILED'], [404, 'ERR_OUTRIGGER_MODEL_NOT_FOUND']] as const) {
      server.answer = (_, response) => void response.writeHead(status).end()
      expect(await failure(sourceOf(server, { cache: { path } }).resolve('delay@champion'))).toMatchObject({ code })
    }
  })

  it('fetches again what was damaged in the cache', async () => {
    const { server, path, version } = await opened()
    for (const file of await filesBelow(path)) await writeFile(join(path, file), noise((await readFile(join(path, file))).length))
    const source = sourceOf(server, { cache: { path } })
    expect(same(await weightsOf(source), weights)).toBe(true)
    expect(same(await readFile(join(path, 'blobs', `sha256-${version.manifest.files[0]?.sha256}`)), weights)).toBe(true)
  })

  it('keeps as many versions of each model as it may, those that were opened last', async () => {
    const { server, path } = await opened()
    for (let version = 2; version <= 4; version += 1) await server.store.publish({ name: 'delay', engine: 'function', files: { a: `version ${version}` } })
    await server.store.publish({ name: 'other', engine: 'function', files: { a: 'other' } })
    const source = sourceOf(server, { cache: { path, keepVersions: 2 } })
    for (const reference of ['other@1', 'delay@2', 'delay@1', 'delay@3', 'delay@4']) await source.open(reference)
    // Manifest and file of other@1, delay@3 and delay@4.
    expect(await readdir(join(path, 'blobs'))).toHaveLength(6)
    await server.stop()
    const offline = sourceOf(server, { cache: { path } })
    for (const reference of ['other@1', 'delay@3', 'delay@4']) expect(await failure(offline.open(reference))).toEqual({ code: 'no error' })
    for (const reference of ['delay@1', 'delay@2']) expect(await failure(offline.open(reference))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED' })
  })

  it('does without a cache that cannot be used, and says why', async () => {
    const { server } = await served()
    const path = join(await temporaryFolder(), 'file')
    await writeFile(path, 'no directory')
    const source = sourceOf(server, { cache: { path } })
    const notices: unknown[] = []
    source.observe((event) => { if (event.type === 'notice') notices.push(event.error) })
    expect(same(await weightsOf(source), weights)).toBe(true)
    expect(notices.length).toBeGreaterThan(0)
    expect(notices[0]).toMatchObject({ code: 'ENOTDIR' })
  })

  it('processes that share it and download at once both get what they want, and nothing is left behind', async () => {
    const { server } = await served()
    const path = await temporaryFolder()
    const sources = Array.from({ length: 4 }, () => sourceOf(server, { cache: { path } }))
    for (const bytes of await Promise.all(sources.map(weightsOf))) expect(same(bytes, weights)).toBe(true)
    expect(await readdir(join(path, 'partial'))).toEqual([])
    expect(await readdir(join(path, 'blobs'))).toHaveLength(2)
  })
})

describe('httpSource options', () => {
  it.each([
    [{}], [{ url: 'models.example' }], [{ url: 'ftp://models.example' }], [{ url: 'https://name:word@models.example' }], [{ url: 'http://x', timeoutMs: 0 }],
    [{ url: 'http://x', retries: -1 }], [{ url: 'http://x', redirectOrigins: ['https://cdn.example/path'] }], [{ url: 'http://x', cache: {} }], [{ url: 'http://x', cache: { path: 'a', keepVersions: 0 } }],
    [{ url: 'http://x', limits: { maxFileBytes: -1 } }], [{ url: 'http://x', headers: 'a' }], [{ url: 'http://x', timeout: 5 }], [undefined],
  ])('refuses %j', (options) => {
    expect(() => httpSource(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
