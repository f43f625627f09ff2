import { describe, expect, it } from 'vitest'
import { redisCommand } from '../../src/store/redis.js'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

describe.runIf(hasRedis())('redisCommand against a real server', () => {
  const clients = redisClients()

  it.each(['ioredis', 'node-redis'] as const)('of %s keeps bytes, and gives integers and nulls as they are', async (which) => {
    const command = redisCommand('a test', clients[which]())
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
