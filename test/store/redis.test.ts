import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisCommand, type RedisClient } from '../../src/store/redis.js'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'

describe.runIf(hasRedis())('redisCommand against a real server', () => {
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

  it.each(['ioredis', 'node-redis'])('of %s keeps bytes, and gives integers and nulls as they are', async (which) => {
    const command = redisCommand('a test', (which === 'ioredis' ? ioredis : nodeRedis) as unknown as RedisClient)
    const bytes = Buffer.from([0, 255, 128, 10, 13])
    await command('SET', `${which}:bytes`, bytes, 'PX', '60000')
    expect(Buffer.compare((await command('GET', `${which}:bytes`)) as Buffer, bytes)).toBe(0)
    expect(await command('GET', `${which}:none`)).toBeNull()
    expect(await command('INCRBY', `${which}:count`, '7')).toBe(7)
    const [first, second] = (await command('MGET', `${which}:bytes`, `${which}:none`)) as [Buffer, null]
    expect([Buffer.isBuffer(first), second]).toEqual([true, null])
    expect(await command('EVAL', 'return {1, ARGV[1]}', '0', 'x')).toEqual([1, Buffer.from('x')])
    await expect(command('INCRBY', `${which}:bytes`, '1')).rejects.toThrow(/not an integer/)
  })

  it('refuses what is no client', () => {
    expect(() => redisCommand('a test', {} as never)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
