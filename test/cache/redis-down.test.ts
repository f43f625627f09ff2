/** A real Redis that is killed, stopped and started anew in the middle of traffic; and one that holds garbage. */
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { pipe, predictor, type Predictor } from 'outrigger'
import { cached, redisStore, tieredStore, type CachedLayer } from 'outrigger/cache'
import { systemClock } from 'outrigger/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedisClient } from '../../src/store/redis.js'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'

const model = async (x: number): Promise<number> => x * 10

/** Waits for a condition, with a deadline, a turn of the event loop at a time. */
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const end = systemClock.now() + 20_000
  while (!(await holds())) {
    if (systemClock.now() > end) throw new Error(`Waited 20 s until ${what}`)
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 5))
  }
}

describe.runIf(hasRedis())('a store that fails', () => {
  let server: RedisServer
  let ioredis: Redis
  let nodeRedis: ReturnType<typeof createClient>
  let prefixes = 0
  beforeAll(async () => {
    server = await startRedis()
    ioredis = new Redis(server.port, server.host, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
    ioredis.on('error', () => {})
    nodeRedis = createClient({ socket: { host: server.host, port: server.port, reconnectStrategy: () => 20 } })
    nodeRedis.on('error', () => {})
    await nodeRedis.connect()
  })
  afterAll(async () => {
    ioredis.disconnect()
    nodeRedis.destroy()
    await server.stop()
  })

  const stack = (which: string, tiered = false): { readonly cache: CachedLayer<number, number>; readonly predict: Predictor<number, number>; readonly prefix: string } => {
    const prefix = `down-${(prefixes += 1)}`
    const far = redisStore({ client: (which === 'ioredis' ? ioredis : nodeRedis) as unknown as RedisClient, prefix })
    const cache = cached<number, number>({ ttlMs: 60_000, store: tiered ? tieredStore({ far, timeoutMs: 50, nearTtlMs: 0 }) : far, storeTimeoutMs: 50 })
    return { cache, predict: pipe(predictor(model, { name: 'model', version: '1' }), cache), prefix }
  }
  /** Calls, each of which must give the right answer, and the longest that one took. */
  const traffic = async (predict: Predictor<number, number>, calls: number): Promise<number> => {
    let longest = 0
    for (let call = 0; call < calls; call += 1) {
      const start = systemClock.now()
      const x = call % 7
      if (call % 3 === 0) expect(await predict.batch([x, x + 1, x])).toEqual([x * 10, x * 10 + 10, x * 10])
      else expect(await predict(x)).toBe(x * 10)
      longest = Math.max(longest, systemClock.now() - start)
    }
    return longest
  }

  for (const which of ['ioredis', 'node-redis']) {
    for (const tiered of [false, true]) {
      it(`${tiered ? 'tieredStore' : 'redisStore'} with ${which} costs a bounded time and a count when the server is killed, stopped or started anew in mid traffic`, async () => {
        const { cache, predict, prefix } = stack(which, tiered)
        await predict(1)
        await until('an answer comes from the store', async () => (await predict(1), cache.counts.hits > 0))
        expect(cache.counts).toMatchObject({ storeErrors: 0, garbage: 0 })
        // On a busy machine the first connections may take longer than the store's limit.
        const { storeTimeouts, storeSkipped } = cache.counts

        // Stopped (SIGSTOP): connections stay open, and nothing answers.
        server.freeze()
        expect(await traffic(predict, 60)).toBeLessThan(2000)
        expect(cache.counts.storeTimeouts).toBeGreaterThan(storeTimeouts)
        expect(cache.counts.storeSkipped).toBeGreaterThan(storeSkipped)
        server.thaw()
        const before = cache.counts.storeSkipped
        await until('the store is asked again', async () => (await predict(1), cache.counts.storeSkipped === before || (await traffic(predict, 3), cache.counts.hits > 5)))

        // Killed: everything it held is gone.
        await Promise.all([server.kill(), traffic(predict, 60)])
        expect(await traffic(predict, 60)).toBeLessThan(2000)
        await server.start()
        const hits = cache.counts.hits
        await until('the new server holds answers, and they are used', async () => (await traffic(predict, 7), cache.counts.hits > hits + 20 && (await ioredis.keys(`${prefix}:*`)).length > 0))
        expect(cache.counts.garbage).toBe(0)
      }, 60_000)
    }
  }

  it('redisStore counts garbage as misses, whatever stands under its keys, and gives no wrong answer', async () => {
    const { cache, predict, prefix } = stack('ioredis')
    const rows = Array.from({ length: 8 }, (_, x) => x)
    await predict.batch(rows)
    await until('all are stored', async () => (await ioredis.keys(`${prefix}:*`)).length === rows.length)
    const keys = (await ioredis.keys(`${prefix}:*`)).sort()
    const entries = await Promise.all(keys.map((key) => ioredis.getBuffer(key) as Promise<Buffer>))
    const flipped = (entry: Buffer, at: number): Buffer => {
      const copy = Buffer.from(entry)
      copy[at] = (copy[at] as number) ^ 1
      return copy
    }
    const damage = [
      Buffer.alloc(0),
      Buffer.from('garbage'),
      (entries[2] as Buffer).subarray(0, 100),
      flipped(entries[3] as Buffer, 3),
      flipped(entries[4] as Buffer, (entries[4] as Buffer).length - 1),
      Buffer.concat([entries[5] as Buffer, Buffer.from([0])]),
      // Whole, but another input's.
      entries[7] as Buffer,
    ]
    for (const [index, bytes] of damage.entries()) await ioredis.set(keys[index] as string, bytes)
    const { garbage, hits } = cache.counts
    expect(await predict.batch(rows)).toEqual(rows.map((x) => x * 10))
    expect([cache.counts.garbage - garbage, cache.counts.hits - hits]).toEqual([damage.length, 1])
    // A value of another type is a miss.
    await until('all are stored again', async () => {
      const { hits: before } = cache.counts
      await predict.batch(rows)
      return cache.counts.hits - before === rows.length
    })
    await ioredis.del(keys[0] as string)
    await ioredis.lpush(keys[0] as string, 'x')
    expect(await predict.batch(rows)).toEqual(rows.map((x) => x * 10))
  })

  it('redisStore finds a flipped bit wherever it is in an entry', async () => {
    const { cache, predict, prefix } = stack('ioredis')
    await predict(1)
    await until('it is stored', async () => (await ioredis.keys(`${prefix}:*`)).length === 1)
    const key = (await ioredis.keys(`${prefix}:*`))[0] as string
    const entry = (await ioredis.getBuffer(key)) as Buffer
    let found = 0
    for (let bit = 0; bit < entry.length * 8; bit += 37) {
      const copy = Buffer.from(entry)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      await ioredis.set(key, copy)
      expect(await predict(1)).toBe(10)
      found += 1
      await until('it is stored again', async () => Buffer.compare((await ioredis.getBuffer(key)) as Buffer, copy) !== 0)
    }
    expect(cache.counts.garbage).toBe(found)
  })

  it('redisStore sets the time to live of an entry, its afterlife included, and keeps nothing of a job', async () => {
    const prefix = `ttl-${(prefixes += 1)}`
    const cache = cached<number, number>({ ttlMs: 60_000, staleIfErrorMs: 40_000, store: redisStore({ client: ioredis as unknown as RedisClient, prefix }) })
    const predict = pipe(predictor(model, { name: 'model', version: '1' }), cache)
    await predict(1)
    await predict.batch([2, 3], { workload: 'batch' })
    await until('it is stored', async () => (await ioredis.keys(`${prefix}:*`)).length > 0)
    await predict.close()
    const keys = await ioredis.keys(`${prefix}:*`)
    expect(keys).toHaveLength(1)
    const left = await ioredis.pttl(keys[0] as string)
    expect(left).toBeGreaterThan(90_000)
    expect(left).toBeLessThanOrEqual(100_000)
  })

  it('cached tells when an invalidation did not get through, and does it in memory all the same', async () => {
    const { cache, predict } = stack('ioredis', true)
    await predict(1)
    server.freeze()
    try {
      await expect(cache.invalidate({ input: 1 })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_STORE_FAILED' })
      expect(cache.counts.entries).toBe(0)
    } finally {
      server.thaw()
    }
  })
})
