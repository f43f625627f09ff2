/** Every store through the conformance suite; the Redis one with both clients against a real server. */
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { memoryStore, redisStore, tieredStore } from 'outrigger/cache'
import { cacheStoreConformance } from 'outrigger/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { RedisClient } from '../../src/store/redis.js'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'

describe('memoryStore', () => {
  for (const { name, run } of cacheStoreConformance(() => memoryStore())) it(name, run)
})

describe.runIf(hasRedis())('against a real server', () => {
  let server: RedisServer
  let ioredis: Redis
  let nodeRedis: ReturnType<typeof createClient>
  let prefixes = 0
  beforeAll(async () => {
    server = await startRedis()
    ioredis = new Redis(server.port, server.host)
    nodeRedis = createClient({ socket: { host: server.host, port: server.port } })
    await nodeRedis.connect()
  })
  afterAll(async () => {
    ioredis.disconnect()
    nodeRedis.destroy()
    await server.stop()
  })
  const clients = { ioredis: () => ioredis as unknown as RedisClient, 'node-redis': () => nodeRedis as unknown as RedisClient }

  for (const [which, client] of Object.entries(clients)) {
    const redis = (): ReturnType<typeof redisStore> => redisStore({ client: client(), prefix: `{suite-${(prefixes += 1)}}` })
    describe(`redisStore with ${which}`, () => {
      for (const { name, run } of cacheStoreConformance(redis, { isShared: true })) it(name, run)
    })
    describe(`tieredStore in front of ${which}, alone`, () => {
      for (const { name, run } of cacheStoreConformance(() => tieredStore({ far: redis(), timeoutMs: 10_000 }))) it(name, run)
    })
    describe(`tieredStore in front of ${which}, shared, with a near tier that asks every time`, () => {
      for (const { name, run } of cacheStoreConformance(() => tieredStore({ far: redis(), nearTtlMs: 0, timeoutMs: 10_000 }), { isShared: true })) it(name, run)
    })
  }
})
