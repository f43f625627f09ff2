/** Both clients of a Redis server that the enclosing `describe` starts and stops; they are there once its tests run. */
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll } from 'vitest'
import type { RedisClient } from '../../src/store/redis.js'
import { startRedis, type RedisServer } from './redis.js'

export const redisClients = (): { readonly 'ioredis': () => Redis; readonly 'node-redis': () => RedisClient } => {
  let server: RedisServer
  let ioredis: Redis
  let nodeRedis: ReturnType<typeof createClient>
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
  return { 'ioredis': () => ioredis, 'node-redis': () => nodeRedis as unknown as RedisClient }
}
