import { createServer, request as ask } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { memoryDepot, modelStore, nodeListener, storeHandler, writeIndexes, type ModelDepot, type ModelStore } from 'outrigger/models'
import { fakeClock } from 'outrigger/testing'
import { temporaryFolder } from '../temporary.js'

const bytes = Uint8Array.from({ length: 600_000 }, (_, index) => (index * 7) % 251)

const stored = async (depot: ModelDepot = memoryDepot()): Promise<{ store: ModelStore; blob: string; etag: string }> => {
  const store = modelStore({ depot })
  const { manifest } = await store.publish({ name: 'delay', engine: 'function', files: { 'a.bin': bytes, 'empty.bin': '' } })
  const sha256 = manifest.files[0]?.sha256 as string
  return { store, blob: `http://x/any/prefix/blobs/sha256-${sha256}`, etag: `"sha256-${sha256}"` }
}
const get = (url: string, headers: Record<string, string> = {}, method = 'GET'): Request => new Request(url, { headers, method })
const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())

describe('storeHandler', () => {
  it('serves a blob whole, by range, and only its head', async () => {
    const { store, blob, etag } = await stored()
    const handler = storeHandler(store)
    const whole = await handler(get(blob))
    expect([whole.status, whole.headers.get('content-length'), whole.headers.get('etag'), whole.headers.get('accept-ranges')]).toEqual([200, '600000', etag, 'bytes'])
    expect((await bodyOf(whole)).equals(bytes)).toBe(true)
    for (const [range, start, end] of [['bytes=0-0', 0, 0], ['bytes=262143-262145', 262143, 262145], ['bytes=300000-', 300000, 599999], ['bytes=-5', 599995, 599999]] as const) {
      const part = await handler(get(blob, { range }))
      expect([part.status, part.headers.get('content-range'), part.headers.get('content-length')]).toEqual([206, `bytes ${start}-${end}/600000`, String(end - start + 1)])
      expect((await bodyOf(part)).equals(bytes.subarray(start, end + 1))).toBe(true)
    }
    const head = await handler(get(blob, {}, 'HEAD'))
    expect([head.status, head.headers.get('content-length'), (await bodyOf(head)).length]).toEqual([200, '600000', 0])
    expect([(await handler(get(blob, { range: 'bytes=600000-' }))).status, (await handler(get(blob, { range: 'bytes=600000-' }))).headers.get('content-range')]).toEqual([416, 'bytes */600000'])
    expect((await handler(get(blob, { range: 'bytes=0-1,4-5' }))).status).toBe(200)
  })

  it('heeds If-Range and If-None-Match', async () => {
    const { store, blob, etag } = await stored()
    const handler = storeHandler(store)
    expect((await handler(get(blob, { range: 'bytes=1-', 'if-range': etag }))).status).toBe(206)
    expect((await handler(get(blob, { range: 'bytes=1-', 'if-range': '"other"' }))).status).toBe(200)
    for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) expect((await handler(get(blob, { 'if-none-match': tags }))).status).toBe(304)
    expect((await handler(get(blob, { 'if-none-match': '"other"' }))).status).toBe(200)
  })

  it('serves an empty file', async () => {
    const { store, blob } = await stored()
    const { manifest } = await store.resolve('delay@1')
    const response = await storeHandler(store)(get(blob.replace(/sha256-.*/, `sha256-${manifest.files[1]?.sha256}`)))
    expect([response.status, response.headers.get('content-length'), (await bodyOf(response)).length]).toEqual([200, '0', 0])
  })

  it('serves nothing else, and only for reading', async () => {
    const { store, blob } = await stored()
    const handler = storeHandler(store)
    for (const url of ['http://x/', 'http://x/models/delay', 'http://x/models/..%2f/index.json', 'http://x/models/delay/versions/1/manifest.json', 'http://x/blobs/sha256-xyz', `http://x/blobs/${blob.slice(-64)}`, 'http://x/models/other/index.json', `http://x/blobs/sha256-${'a'.repeat(64)}`]) {
      expect((await handler(get(url))).status, url).toBe(404)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) expect((await handler(get(blob, {}, method))).status).toBe(405)
  })

  it('makes an index once for all who ask within indexMs, and remembers no name that is not there', async () => {
    const clock = fakeClock()
    const { store } = await stored()
    let lists = 0
    const counting: ModelStore = { ...store, depot: store.depot, aliases: (name) => store.aliases(name), list: (name) => { lists += 1; return store.list(name) } } as ModelStore
    const handler = storeHandler(counting, { indexMs: 500, clock })
    const index = (): Promise<Response> => handler(get('http://x/models/delay/index.json'))
    const [first] = await Promise.all([index(), index(), index()])
    expect(lists).toBe(1)
    await store.publish({ name: 'delay', engine: 'function', files: {} })
    expect((await handler(get('http://x/models/delay/index.json', { 'if-none-match': first?.headers.get('etag') ?? '' }))).status).toBe(304)
    await clock.advance(500)
    expect(((await (await index()).json()) as { versions: unknown[] }).versions).toHaveLength(2)
    expect(lists).toBe(2)
    for (let more = 0; more < 3; more += 1) expect((await handler(get('http://x/models/other/index.json'))).status).toBe(404)
    expect(lists).toBe(5)
  })

  it('rejects where the store fails, and asks it again the next time', async () => {
    const { store } = await stored()
    let fails = true
    const failing = { depot: store.depot, list: (name?: string) => store.list(name), aliases: async (name: string) => { if (fails) throw new Error('disk'); return await store.aliases(name) } } as ModelStore
    const handler = storeHandler(failing)
    await expect(handler(get('http://x/models/delay/index.json'))).rejects.toThrow('disk')
    fails = false
    expect((await handler(get('http://x/models/delay/index.json'))).status).toBe(200)
  })
})

describe('nodeListener', () => {
  const listening = async (handler: Parameters<typeof nodeListener>[0]): Promise<{ port: number; stop(): void }> => {
    const server = createServer(nodeListener(handler))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { port: (server.address() as AddressInfo).port, stop: () => { server.closeAllConnections(); server.close() } }
  }

  it('closes the file when who asked leaves in the middle', async () => {
    const depot = memoryDepot()
    const { store, blob } = await stored(depot)
    let [open, ends] = [0, 0]
    let closed: () => void = () => {}
    const allClosed = new Promise<void>((resolve) => { closed = resolve })
    const slow = Object.assign(Object.create(store) as ModelStore, {})
    Object.defineProperty(slow, 'depot', { value: {
      read: async (key: string, use: Parameters<ModelDepot['read']>[1]) => await depot.read(key, async (reader) => {
        open += 1
        try {
          // So large that the socket cannot take all of it.
          let left = 500
          return await use({ bytes: 500 * 600_000, read: async (into) => { left -= 1; return left < 0 ? 0 : into.length } } as typeof reader)
        } finally {
          open -= 1
          ends += 1
          if (ends === 2) closed() // the size, then the bytes
        }
      }),
    } })
    const { port, stop } = await listening(storeHandler(slow))
    ask({ port, path: new URL(blob).pathname }, (response) => {
      response.once('data', () => response.destroy())
    }).end()
    await allClosed
    stop()
    expect(open).toBe(0)
  })

  it('answers 500 where the handler fails, and tells it', async () => {
    const told: unknown[] = []
    const hear = (event: unknown): void => void told.push((event as { error: Error }).error.message)
    subscribe('outrigger:notice', hear)
    const { port, stop } = await listening(async () => { throw new Error('disk') })
    expect((await fetch(`http://127.0.0.1:${port}/x`)).status).toBe(500)
    unsubscribe('outrigger:notice', hear)
    stop()
    expect(told).toEqual(['disk'])
  })

  it('cuts the connection where a file ends too early, so that nobody takes it for whole', async () => {
    const { store, blob } = await stored()
    const short = { ...store, list: () => store.list(), aliases: (name: string) => store.aliases(name), depot: { read: async (_: string, use: (reader: unknown) => Promise<unknown>) => {
      let left = 100
      return await use({ bytes: 600_000, read: async (into: Uint8Array) => { const read = Math.min(left, into.length); left -= read; return read } })
    } } } as unknown as ModelStore
    const { port, stop } = await listening(storeHandler(short))
    await expect(fetch(`http://127.0.0.1:${port}${new URL(blob).pathname}`).then((answer) => answer.arrayBuffer())).rejects.toThrow()
    stop()
  })

  it('survives a request line that is no URL', async () => {
    const { port, stop } = await listening(storeHandler((await stored()).store))
    const status = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET //[:::/x HTTP/1.1\r\nhost: x\r\n\r\n'))
      socket.once('data', (data) => { resolve(String(data).split('\r\n')[0] as string); socket.destroy() })
    })
    stop()
    expect(status).toMatch(/^HTTP\/1.1 4\d\d/)
  })
})

describe('writeIndexes', () => {
  it('writes one for each model, replaces it, and disturbs nothing in the store', async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    await store.publish({ name: 'delay', engine: 'function', files: { a: 'b' } })
    await store.publish({ name: 'other', engine: 'function', files: { a: 'c' } })
    expect(await writeIndexes(store, path)).toEqual(['models/delay/index.json', 'models/other/index.json'])
    const before = await readFile(join(path, 'models/delay/index.json'), 'utf8')
    await store.setAlias('delay', 'champion', 1)
    await writeIndexes(store, path)
    expect(await readFile(join(path, 'models/delay/index.json'), 'utf8')).not.toBe(before)
    expect((await store.list()).map(({ name, version, ok }) => [name, version, ok])).toEqual([['delay', 1, true], ['other', 1, true]])
    expect((await store.aliases('delay')).map(({ alias }) => alias)).toEqual(['champion'])
    expect((await readdir(join(path, 'models/delay'))).sort()).toEqual(['aliases', 'index.json', 'versions'])
  })
})
