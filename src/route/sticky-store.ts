/** Where a split keeps which unit got which variant. */
import { systemClock, type Clock } from '../core/clock.js'
import { OutriggerError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { redisCommand, type RedisClient } from '../store/redis.js'

/** Texts under keys, of which the first one stays. It may reject with anything; a split then goes on without it. */
export interface StickyStore {
  /**
   * Gives the text that stands under the key: what was there, else this one, which stays from now on. Atomic: of two processes that claim at once, both get the same.
   * Whatever stands is kept for `ttlMs` from now.
   */
  claim(key: string, text: string, ttlMs: number): Promise<string>
}

/**
 * Keeps them in this process: for tests, and for one process whose weights change. It forgets what is over when it is claimed again, or by `max`, the oldest first.
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { memoryStickyStore } from 'outrigger/route'
 * const store = memoryStickyStore()
 * await store.claim('unit', 'first', 1000)
 * assert.equal(await store.claim('unit', 'second', 1000), 'first')
 * ```
 */
export const memoryStickyStore = (options: { readonly clock?: Clock; readonly max?: number } = {}): StickyStore => {
  const owner = 'a memory sticky store'
  optionsObject(owner, options, ['clock', 'max'])
  const clock = options.clock === undefined ? systemClock : membersOption(owner, 'clock', options.clock, ['wall'])
  const kept = new TwoGenerations<{ readonly text: string; readonly until: number }>(numberOption(owner, 'max', options.max ?? 1_000_000, { min: 2, integer: true }))
  return {
    claim: async (key, text, ttlMs) => {
      const now = clock.wall()
      const before = kept.get(key)
      const stands = before === undefined || before.until <= now ? text : before.text
      kept.set(key, { text: stands, until: now + ttlMs })
      return stands
    },
  }
}

/** Options of {@link redisStickyStore}. */
export interface RedisStickyStoreOptions {
  /** A connected client of ioredis or node-redis. It stays yours: nothing here closes it. */
  readonly client: RedisClient
  /** What all keys begin with. */
  readonly prefix: string
}

const claim = `local kept = redis.call('GET', KEYS[1])
if kept then redis.call('PEXPIRE', KEYS[1], ARGV[2]) return kept end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`

/**
 * Keeps them in Redis, one key per unit and split, each expiring by the server's clock. One round trip for each claim.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const redisStickyStore = (options: RedisStickyStoreOptions): StickyStore => {
  const owner = 'a Redis sticky store'
  optionsObject(owner, options, ['client', 'prefix'])
  const send = redisCommand(owner, options.client)
  const prefix = stringOption(owner, 'prefix', options.prefix)
  return {
    claim: async (key, text, ttlMs) => {
      const stands = await send('EVAL', claim, '1', `${prefix}:${key}`, text, String(Math.max(1, Math.ceil(ttlMs))))
      if (stands === null || stands === undefined) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', 'Cannot use the reply of the server as it must be a text: current value is null')
      return String(stands)
    },
  }
}

/** A map of a bounded size that drops its older half at once: O(1), where taking the oldest entry of a Map out is not. */
export class TwoGenerations<V> {
  readonly #half: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  constructor(max: number) {
    this.#half = Math.ceil(max / 2)
  }

  /** An entry of the older half that is asked for is young again. */
  get(key: string): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, value: V): void {
    this.#young.set(key, value)
    if (this.#young.size < this.#half) return
    this.#old = this.#young
    this.#young = new Map()
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}
