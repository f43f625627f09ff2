import { OutriggerError } from '../core/errors.js'
import { optionsObject, stringOption } from '../core/options.js'
import { redisCommand, type RedisClient } from './redis.js'
import { byName, keptFor, stateName, type StateStore, type StoredState } from './state-store.js'

/** Options of {@link redisStateStore}. */
export interface RedisStateStoreOptions {
  /** A connected client of ioredis or node-redis. It stays yours: nothing here closes it. */
  readonly client: RedisClient
  /** What all keys begin with. On a cluster it must hold a hash tag, as in `{drift}`. */
  readonly prefix: string
}

/** The text under its own key, and its name in an index by the server's time at which it goes. */
const put = `local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
redis.call('PEXPIREAT', KEYS[2], redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2])
return 1`
const names = `local t = redis.call('TIME') redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000)) return redis.call('ZRANGE', KEYS[1], 0, -1)`
const remove = `redis.call('DEL', KEYS[1]) redis.call('ZREM', KEYS[2], ARGV[1]) return 1`

/** States are large: not all at once. */
const statesPerRead = 16

/**
 * States in Redis, each under a key of its own that expires by the server's clock, found by an index and never by a scan.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const redisStateStore = (options: RedisStateStoreOptions): StateStore => {
  const owner = 'a Redis state store'
  optionsObject(owner, options, ['client', 'prefix'])
  const send = redisCommand(owner, options.client)
  const prefix = stringOption(owner, 'prefix', options.prefix)
  const index = `${prefix}:!names`
  const keyOf = (name: string): string => `${prefix}:${stateName(owner, name)}`
  const list = (reply: unknown): (Buffer | null)[] => {
    if (!Array.isArray(reply)) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', 'Cannot use the reply of the server as it must be a list: current value is something else')
    return reply as (Buffer | null)[]
  }
  return {
    put: async (name, text, keepForMs) => void (await send('EVAL', put, '2', keyOf(name), index, name, text, String(Math.ceil(keptFor(owner, keepForMs))))),
    get: async (name) => {
      const text = await send('GET', keyOf(name))
      return text === null ? undefined : String(text)
    },
    list: async () => {
      const kept = list(await send('EVAL', names, '1', index)).map(String)
      const states: StoredState[] = []
      for (let from = 0; from < kept.length; from += statesPerRead) {
        const part = kept.slice(from, from + statesPerRead)
        const texts = list(await send('MGET', ...part.map(keyOf)))
        part.forEach((name, at) => {
          const text = texts[at]
          if (text !== null && text !== undefined) states.push({ name, text: String(text) })
        })
      }
      return states.sort(byName)
    },
    remove: async (name) => void (await send('EVAL', remove, '2', keyOf(name), index, name)),
  }
}
