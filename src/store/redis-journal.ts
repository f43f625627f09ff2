import { optionsObject, stringOption } from '../core/options.js'
import { journalDamage, journalPosition, journalText, type Journal } from './journal.js'
import { redisCommand, type RedisClient } from './redis.js'
import { stateName } from './state-store.js'

/** Options of {@link redisJournal}. */
export interface RedisJournalOptions {
  /** A connected client of ioredis or node-redis. It stays yours: nothing here closes it. */
  readonly client: RedisClient
  /** What all keys begin with. */
  readonly prefix: string
}

const owner = 'a Redis journal'
const append = `if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end redis.call('RPUSH', KEYS[1], ARGV[2]) return 1`

/**
 * Journals as lists of Redis, one key each; an append is one script. They do not expire. They are as durable as the server is set to be: with
 * `appendfsync everysec` a crash of the server loses up to a second, and with replicas a failover may.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const redisJournal = (options: RedisJournalOptions): Journal => {
  optionsObject(owner, options, ['client', 'prefix'])
  const send = redisCommand(owner, options.client)
  const prefix = stringOption(owner, 'prefix', options.prefix)
  const keyOf = (name: string): string => `${prefix}:${stateName(owner, name)}`
  return {
    read: async (name, from = 0) => {
      const reply = await send('LRANGE', keyOf(name), String(journalPosition(owner, from)), '-1')
      if (!Array.isArray(reply)) throw journalDamage(owner, name, 'a reply that is no list')
      return reply.map(String)
    },
    append: async (name, position, text) => (await send('EVAL', append, '1', keyOf(name), String(journalPosition(owner, position)), journalText(owner, text))) === 1,
  }
}
