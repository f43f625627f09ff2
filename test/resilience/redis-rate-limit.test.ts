import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { pipe } from 'outrigger'
import { systemClock } from 'outrigger/core'
import { rateLimit, redisRateLimit, type RateLimitRequest, type RateLimitStore } from 'outrigger/resilience'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'

const request = (key: string, changes: Partial<RateLimitRequest> = {}): RateLimitRequest => ({ key, cost: 1, perSecond: 0.001, burst: 5, maxWaitMs: 0, ...changes })

test('redisRateLimit refuses what is no client', () => {
  expect(() => redisRateLimit({ client: {} as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})

describe.runIf(hasRedis())('redisRateLimit against a real server', () => {
  let server: RedisServer
  let ioredis: Redis
  let nodeRedis: ReturnType<typeof createClient>
  let stores: Record<string, RateLimitStore>
  beforeAll(async () => {
    server = await startRedis()
    ioredis = new Redis(server.port, server.host, { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true })
    ioredis.on('error', () => {})
    await ioredis.connect()
    nodeRedis = createClient({ socket: { host: server.host, port: server.port } })
    nodeRedis.on('error', () => {})
    await nodeRedis.connect()
    stores = { ioredis: redisRateLimit({ client: ioredis }), 'node-redis': redisRateLimit({ client: nodeRedis }) }
  })
  afterAll(async () => {
    ioredis.disconnect()
    nodeRedis.destroy()
    await server.stop()
  })

  test.each(['ioredis', 'node-redis'])('redisRateLimit over %s grants a burst, says when to come back, and forgets keys that are full again', async (which) => {
    const store = stores[which]!
    await ioredis.call('SCRIPT', 'FLUSH')
    const key = `${which}:burst`
    for (let take = 0; take < 5; take += 1) expect(await store.take(request(key))).toEqual({ granted: true, waitMs: 0 })
    const refused = await store.take(request(key))
    expect(refused.granted).toBe(false)
    expect(refused.waitMs).toBeGreaterThan(990_000)
    expect(refused.waitMs).toBeLessThanOrEqual(1_000_000)
    const lives = await ioredis.pttl(`outrigger:rate:${key}`)
    expect(lives).toBeGreaterThan(4_900_000)
    expect(lives).toBeLessThanOrEqual(5_001_000)
  })

  test.each(['ioredis', 'node-redis'])('redisRateLimit over %s grants on credit, and takes tokens back', async (which) => {
    const store = stores[which]!
    const key = `${which}:credit`
    await store.take(request(key, { cost: 5 }))
    const first = await store.take(request(key, { cost: 2, maxWaitMs: 10_000_000 }))
    const second = await store.take(request(key, { cost: 2, maxWaitMs: 10_000_000 }))
    expect([first.granted, second.granted, Math.round(first.waitMs / 1e5), Math.round(second.waitMs / 1e5)]).toEqual([true, true, 20, 40])
    expect((await store.take(request(key, { cost: 2, maxWaitMs: 5_000_000 }))).granted).toBe(false)
    await store.take(request(key, { cost: -7 }))
    expect(await store.take(request(key, { cost: 3 }))).toEqual({ granted: true, waitMs: 0 })
    // What comes back never fills more than the bucket holds.
    await store.take(request(key, { cost: -100 }))
    expect((await store.take(request(key, { cost: 5 }))).granted).toBe(true)
    expect((await store.take(request(key))).granted).toBe(false)
  })

  test('redisRateLimit adds nothing when the clock of the server jumps back', async () => {
    const store = stores['ioredis']!
    await store.take(request('jump', { cost: 5 }))
    await ioredis.hset('outrigger:rate:jump', 'at', String((systemClock.wall() + 3_600_000).toFixed(3)))
    expect((await store.take(request('jump', { perSecond: 1000, cost: 5 }))).granted).toBe(false)
    await ioredis.hset('outrigger:rate:jump', 'at', String((systemClock.wall() - 1000).toFixed(3)))
    expect((await store.take(request('jump', { perSecond: 1000, cost: 5 }))).granted).toBe(true)
  })

  test('redisRateLimit keeps one limit for two clients of two libraries that ask at the same time', async () => {
    const one = pipe((x: number) => x, rateLimit({ perSecond: 0.001, burst: 50, store: stores['ioredis']!, storeTimeoutMs: 5000 }))
    const other = pipe((x: number) => x, rateLimit({ perSecond: 0.001, burst: 50, store: stores['node-redis']!, storeTimeoutMs: 5000 }))
    const results = await Promise.allSettled(Array.from({ length: 200 }, (_, call) => (call % 2 === 0 ? one : other)(1)))
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(50)
  })

  test('redisRateLimit never grants two processes more than burst + rate · t together', async () => {
    const [perSecond, burst, rows] = [200, 20, 400]
    const workers = ['a', 'b'].map(() => {
      const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '_rate-limit-worker.ts'), String(server.port), String(rows), String(perSecond), String(burst)], { cwd: join(import.meta.dirname, '../..'), stdio: ['pipe', 'pipe', 'inherit'] })
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
    })
    try {
      for (const { lines } of workers) expect((await lines.next()).value).toBe('ready')
      for (const { child } of workers) child.stdin.write('go\n')
      const reports = await Promise.all(workers.map(async ({ lines }) => JSON.parse((await lines.next()).value as string) as { granted: number; startedAt: number; endedAt: number }))
      const seconds = (Math.max(...reports.map(({ endedAt }) => endedAt)) - Math.min(...reports.map(({ startedAt }) => startedAt)) + 2) / 1000
      const granted = reports.reduce((sum, report) => sum + report.granted, 0)
      expect(granted).toBeLessThanOrEqual(burst + perSecond * seconds)
      expect(granted).toBeGreaterThanOrEqual(burst)
      expect(granted).toBeLessThan(2 * rows)
    } finally {
      for (const { child } of workers) child.kill('SIGKILL')
    }
  }, 30_000)

  test('rateLimit costs a bounded time while Redis hangs, goes on with a limit of its own when it is killed, and comes back with it', async () => {
    const limit = rateLimit({ perSecond: 0.001, burst: 3, store: stores['ioredis']!, storeTimeoutMs: 50 })
    const predict = pipe((x: number) => x, limit)
    const notices: string[] = []
    predict.observe((event) => {
      if (event.type === 'notice') notices.push(event.message)
    })
    server.freeze()
    const before = systemClock.now()
    expect(await predict(1)).toBe(1)
    // A busy machine may be late, but not by the seconds that a client would wait.
    expect(systemClock.now() - before).toBeLessThan(2000)
    expect(limit.counts.storeFailures).toBe(1)
    server.thaw()
    await server.kill()
    const results = await Promise.allSettled([1, 2, 3, 4].map((x) => predict(x)))
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(2)
    await server.start()
    const until = systemClock.now() + 10_000
    while (notices.length < 2 && systemClock.now() < until) {
      await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), 50))
      await predict(1).catch(() => 0)
    }
    expect(notices).toEqual(['The store of the rate limit failed.', 'The store of the rate limit answers again.'])
  }, 20_000)
})
