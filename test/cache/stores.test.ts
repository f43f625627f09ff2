/** Every store through the conformance suite; the Redis one with both clients against a real server. */
import { memoryStore, redisStore, tieredStore } from 'outrigger/cache'
import { cacheStoreConformance } from 'outrigger/testing'
import { describe, it } from 'vitest'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

describe('memoryStore', () => {
  for (const { name, run } of cacheStoreConformance(() => memoryStore())) it(name, run)
})

describe.runIf(hasRedis())('against a real server', () => {
  let prefixes = 0
  const clients = redisClients()

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
