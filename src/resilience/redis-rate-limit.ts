import { createHash } from 'node:crypto'
import { stringOption, optionsObject } from '../core/options.js'
import { redisCommand, type RedisClient } from '../store/redis.js'
import type { RateLimitStore } from './rate-limit-store.js'

/** Options of {@link redisRateLimit}. */
export interface RedisRateLimitOptions {
  /** A connected client of ioredis or node-redis (version 5). It is borrowed, and not closed. */
  readonly client: RedisClient
  /** Before each key. Limits that shall not share buckets need different ones. @default 'outrigger:rate:' */
  readonly prefix?: string
}

/**
 * The same as `TokenBucket.take`, in one atomic step, by the server's clock: processes need no common time. A bucket that has filled up
 * says no more than one that is not there, so it expires then. Times are written with microseconds: Lua would round them to 14 digits.
 */
const script = `
local rate, burst, cost, maxWait = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(burst, (tonumber(state[1]) or burst) + math.max(0, now - (tonumber(state[2]) or now)) * rate)
local left = tokens - cost
local wait = left < 0 and -left / rate or 0
local granted = wait <= maxWait
if granted then tokens = left end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(1e12, math.ceil((burst - tokens) / rate) + 1000)))
return { granted and 1 or 0, string.format('%.0f', math.ceil(wait)) }
`

/**
 * Buckets in Redis, for a rate limit that several processes keep together.
 *
 * A request is one Lua script and one round trip, whatever the number of processes; they can never grant more than the limit together. Keys
 * expire when their bucket is full again. Works with Redis 5 and later, and with what speaks its protocol and runs Lua.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when `client` is neither an ioredis nor a node-redis client
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { rateLimit, redisRateLimit } from 'outrigger/resilience'
 * // const client = new Redis() of ioredis, or await createClient().connect() of node-redis
 * const client = { callBuffer: async () => [1, Buffer.from('0')] }
 * const predict = pipe((x: number) => x, rateLimit({ perSecond: 100, store: redisRateLimit({ client }) }))
 * assert.equal(await predict(1), 1)
 * ```
 */
export const redisRateLimit = (options: RedisRateLimitOptions): RateLimitStore => {
  const owner = 'a Redis rate limit'
  optionsObject(owner, options, ['client', 'prefix'])
  const prefix = stringOption(owner, 'prefix', options.prefix ?? 'outrigger:rate:')
  const command = redisCommand(owner, options.client)
  const sha = createHash('sha1').update(script).digest('hex')

  return {
    take: async ({ key, cost, perSecond, burst, maxWaitMs }) => {
      const args = ['1', `${prefix}${key}`, String(perSecond / 1000), String(burst), String(cost), String(maxWaitMs)]
      let reply: unknown
      try {
        reply = await command('EVALSHA', sha, ...args)
      } catch (error) {
        // The server has not seen the script yet, or has been restarted.
        if (!String((error as Error | undefined)?.message).includes('NOSCRIPT')) throw error
        reply = await command('EVAL', script, ...args)
      }
      const [granted, waitMs] = reply as [number, Buffer]
      return { granted: granted === 1, waitMs: Number(String(waitMs)) }
    },
  }
}
