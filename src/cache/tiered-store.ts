import { membersOption, numberOption, optionsObject } from '../core/options.js'
import type { CacheKey } from './cache-key.js'
import { nothing, type CachedAnswer, type CacheFill, type CacheReading, type CacheStore, type CacheStoreHost, type CacheUse, type Invalidation, type OpenCacheStore } from './cache-store.js'
import { bounded, GuardedStore, isPromise } from './_guard.js'
import { memoryLimits, MemoryStore, type MemoryLimits, type MemoryStoreOptions } from './memory-store.js'

/** Options of {@link tieredStore}: the limits of the memory in front, and what stands behind. */
export interface TieredStoreOptions extends MemoryStoreOptions {
  /** The store behind: a `redisStore`, or one of your own. */
  readonly far: CacheStore
  /**
   * So long an answer is given from memory without asking the far store again, in milliseconds: what another process
   * invalidates is still given out by this one for so long at most. @default 10_000
   */
  readonly nearTtlMs?: number
  /** An operation of the far store is given up after so long, in milliseconds. @default 100 */
  readonly timeoutMs?: number
}

/**
 * Memory in front of a store that processes share.
 *
 * Hits in memory cost what they cost without a far store. What memory has not, or only past its time, is asked of the
 * far store, in one go for all rows of a batch; what is learnt is written to both. While the far store is down or slow,
 * memory goes on alone, also beyond `nearTtlMs`: each look-up costs `timeoutMs` at most, and after five failures
 * in a row nothing, until the far store answers again.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe, predictor } from 'outrigger'
 * import { cached, redisStore, tieredStore } from 'outrigger/cache'
 * const client = { callBuffer: async () => Promise.reject(new Error('connect ECONNREFUSED')) }
 * const store = tieredStore({ max: 1000, far: redisStore({ client, prefix: 'flights' }) })
 * const cache = cached({ store, ttlMs: 60_000 })
 * const predict = pipe(predictor((x: number) => x * 2, { name: 'double', version: '3' }), cache)
 * await predict(21)
 * assert.equal(await predict(21), 42)
 * assert.deepEqual([cache.counts.hits, cache.counts.storeErrors], [1, 1])
 * ```
 */
export const tieredStore = (options: TieredStoreOptions): CacheStore => {
  const owner = 'a tiered store'
  optionsObject(owner, options, ['max', 'maxBytes', 'far', 'nearTtlMs', 'timeoutMs'])
  const { far, nearTtlMs = 10_000, timeoutMs = 100, ...near } = options
  const limits = memoryLimits(owner, near)
  membersOption(owner, 'far', far, ['open', 'describe'])
  numberOption(owner, 'nearTtlMs', nearTtlMs, { min: 0, infinite: true })
  numberOption(owner, 'timeoutMs', timeoutMs, { min: 1 })
  return { open: (host) => new TieredStore(limits, far, nearTtlMs, timeoutMs, host), describe: () => `up to ${limits.max} here, and ${far.describe()}` }
}

/** An answer in memory, and when the far store was last known to have it. */
interface NearAnswer extends CachedAnswer {
  readonly seenAt: number
}

/** The far store did not say as of when. */
const farIsDown = Symbol('far is down')

class TieredStore implements OpenCacheStore {
  readonly #near: MemoryStore
  readonly #far: GuardedStore
  readonly #host: CacheStoreHost
  readonly #nearTtlMs: number
  readonly #offsetMs: number
  /** Counts invalidations: what was read before one is not kept after it. */
  #age = 0

  constructor(limits: MemoryLimits, far: CacheStore, nearTtlMs: number, timeoutMs: number, host: CacheStoreHost) {
    bounded.add(this)
    this.#host = host
    this.#near = new MemoryStore(limits, host)
    this.#far = new GuardedStore(membersOption('a tiered store', 'far', far.open(host), ['getMany', 'set', 'invalidate']), host, timeoutMs)
    this.#nearTtlMs = nearTtlMs
    this.#offsetMs = host.clock.wall() - host.clock.now()
  }

  get size(): number {
    return this.#near.size
  }

  get(key: CacheKey, use: CacheUse): CacheReading | Promise<CacheReading> {
    const near = this.#near.get(key, use)
    if (use !== 'refresh' && this.#isGood(near)) return near
    const readings = this.#askFar([key], [near], use)
    return isPromise(readings) ? readings.then((all) => all[0] as CacheReading) : (readings[0] as CacheReading)
  }

  getMany(keys: readonly CacheKey[], use: CacheUse): readonly CacheReading[] | Promise<readonly CacheReading[]> {
    const readings = this.#near.getMany(keys, use)
    const open = readings.flatMap((reading, index) => (use !== 'refresh' && this.#isGood(reading) ? [] : [index]))
    if (open.length === 0) return readings
    const put = (found: readonly CacheReading[]): readonly CacheReading[] => {
      open.forEach((index, position) => (readings[index] = found[position] as CacheReading))
      return readings
    }
    const found = this.#askFar(open.map((index) => keys[index] as CacheKey), open.map((index) => readings[index] as CacheReading), use)
    return isPromise(found) ? found.then(put) : put(found)
  }

  /** Whether memory alone may answer. */
  #isGood({ answer }: CacheReading): boolean {
    if (answer === undefined) return false
    const now = this.#host.clock.now()
    return now + this.#offsetMs <= answer.freshUntil && now - (answer as NearAnswer).seenAt < this.#nearTtlMs
  }

  #askFar(keys: readonly CacheKey[], nears: readonly CacheReading[], use: CacheUse): readonly CacheReading[] | Promise<readonly CacheReading[]> {
    const age = this.#age
    const take = (readings: readonly CacheReading[]): readonly CacheReading[] =>
      readings.map((reading, index) => {
        const key = keys[index] as CacheKey
        const near = age === this.#age ? (nears[index] as CacheReading) : nothing
        const { answer, asOf } = reading
        // Memory is better than nothing; what is learnt now is kept in memory.
        if (reading.isUnavailable === true) return { answer: near.answer, asOf: farIsDown }
        if (answer === undefined) {
          // Past its time it may have left the far store, and still stand in for an error here; before, it was invalidated.
          const isSpent = near.answer !== undefined && this.#host.clock.now() + this.#offsetMs > near.answer.freshUntil
          if (near.answer !== undefined && !isSpent) this.#near.delete(key)
          return { answer: isSpent ? near.answer : undefined, asOf }
        }
        if (near.answer !== undefined && near.answer.at > answer.at) return { answer: near.answer, asOf }
        if (age === this.#age) this.#near.set([this.#nearFill({ key: key.kept(), answer, keepForMs: Infinity, use, asOf })])
        return { answer, asOf }
      })
    const readings = this.#far.getMany(keys, use)
    return isPromise(readings) ? readings.then(take) : take(readings)
  }

  #nearFill(fill: CacheFill): CacheFill {
    const answer: NearAnswer = { ...fill.answer, seenAt: this.#host.clock.now() }
    return { ...fill, answer }
  }

  set(fills: readonly CacheFill[]): void | Promise<void> {
    this.#near.set(fills.map((fill) => this.#nearFill(fill)))
    const far = fills.filter(({ asOf }) => asOf !== farIsDown)
    return far.length === 0 ? undefined : this.#far.set(far)
  }

  async invalidate(what: Invalidation): Promise<void> {
    this.#age += 1
    this.#near.invalidate(what)
    try {
      await this.#far.invalidate(what)
    } finally {
      // Again: meanwhile something may have been learnt from the far store.
      this.#age += 1
      this.#near.invalidate(what)
    }
  }

  async close(): Promise<void> {
    this.#near.close()
    await this.#far.close()
  }
}
