/** Makes a store that may be slow, down or broken cost a bounded time and a count, and nothing else. */
import type { Clock } from '../core/clock.js'
import { Deadlines } from '../core/deadlines.js'
import { OutriggerError } from '../core/errors.js'
import { membersOption } from '../core/options.js'
import type { CacheKey } from './cache-key.js'
import { unavailable, type CacheFill, type CacheReading, type CacheStoreHost, type CacheUse, type Invalidation, type OpenCacheStore } from './cache-store.js'
import { copyOutput } from './_outputs.js'
import { isReading } from './_reading.js'

/** After so many failures in a row the store is left alone. */
const failuresInARow = 5
const firstRestMs = 500
const longestRestMs = 30_000
/** So many stores may be under way at once; what comes beyond is not stored. */
const mostFills = 1000

/**
 * The state of a store that may be down: after five failures in a row it rests, first for half a second, then twice as
 * long each time, at most 30 s; after each rest one look-up tries it. Pure.
 */
export class Rest {
  #failures = 0
  #restMs = firstRestMs
  #until = -Infinity
  #isTrying = false

  /** Whether the store may be asked now. */
  allows(now: number): boolean {
    if (this.#failures < failuresInARow) return true
    if (this.#isTrying || now < this.#until) return false
    this.#isTrying = true
    return true
  }

  succeed(): void {
    this.#failures = 0
    this.#restMs = firstRestMs
    this.#isTrying = false
  }

  fail(now: number): void {
    // What failed together is one failure more, not many.
    if (now < this.#until) return
    this.#failures += 1
    this.#isTrying = false
    if (this.#failures < failuresInARow) return
    this.#until = now + this.#restMs
    this.#restMs = Math.min(longestRestMs, 2 * this.#restMs)
  }
}

/** Stores of ours that bound their own time and never fail. Nobody else can claim that. */
export const bounded: WeakSet<OpenCacheStore> = new WeakSet()

/** The store, guarded where it needs to be. @throws `ERR_OUTRIGGER_INVALID_OPTION` when it is none */
export const guardStore = (store: OpenCacheStore, host: CacheStoreHost, timeoutMs: number): OpenCacheStore =>
  bounded.has(store) ? store : new GuardedStore(membersOption('cached', 'store', store, ['getMany', 'set', 'invalidate']), host, timeoutMs)

/** The store, guarded. Look-ups and fills never fail; an invalidation that did not get through rejects. */
export class GuardedStore implements OpenCacheStore {
  readonly #store: OpenCacheStore
  readonly #host: CacheStoreHost
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #deadlines: Deadlines
  readonly #rest = new Rest()
  readonly #fills = new Set<Promise<unknown>>()

  constructor(store: OpenCacheStore, host: CacheStoreHost, timeoutMs: number) {
    this.#store = store
    this.#host = host
    this.#clock = host.clock
    this.#timeoutMs = timeoutMs
    this.#deadlines = new Deadlines(host.clock, timeoutMs)
  }

  get size(): number {
    return this.#store.size ?? 0
  }

  getMany(keys: readonly CacheKey[], use: CacheUse): readonly CacheReading[] | Promise<readonly CacheReading[]> {
    const nobody = (): readonly CacheReading[] => keys.map(() => unavailable)
    if (!this.#allows()) return nobody()
    const checked = (readings: unknown): readonly CacheReading[] => {
      this.#rest.succeed()
      try {
        if (Array.isArray(readings) && readings.length === keys.length) return readings.map((reading: unknown) => this.#checked(reading))
      } catch {
        // Looking at it threw: garbage too.
      }
      this.#host.count('garbage')
      return nobody()
    }
    let readings: unknown
    try {
      readings = this.#store.getMany(keys, use)
    } catch (error) {
      this.#failed(error)
      return nobody()
    }
    return isPromise(readings) ? this.#bounded(readings).then(checked, nobody) : checked(readings)
  }

  #checked(reading: unknown): CacheReading {
    try {
      if (isReading(reading)) return withOwnOutput(reading)
    } catch {
      // No plain data, or looking at it threw.
    }
    this.#host.count('garbage')
    return unavailable
  }

  set(fills: readonly CacheFill[]): void | Promise<void> {
    if (this.#fills.size >= mostFills) {
      this.#host.count('storeSkipped')
      return undefined
    }
    if (!this.#allows()) return undefined
    let stored: unknown
    try {
      stored = this.#store.set(fills)
    } catch (error) {
      this.#failed(error)
      return undefined
    }
    if (!isPromise(stored)) {
      this.#rest.succeed()
      return undefined
    }
    const fill: Promise<void> = this.#bounded(stored).then(
      () => {
        this.#rest.succeed()
        this.#fills.delete(fill)
      },
      () => void this.#fills.delete(fill),
    )
    this.#fills.add(fill)
    return fill
  }

  async invalidate(what: Invalidation): Promise<void> {
    try {
      const done: unknown = this.#store.invalidate(what)
      if (isPromise(done)) await this.#bounded(done, true)
    } catch (error) {
      throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', 'Cannot invalidate answers as the store could not be asked: what it holds may still be given out', { cause: error })
    }
  }

  /** Waits for what is being stored, each for its limit at most. */
  async close(): Promise<void> {
    await Promise.all(this.#fills)
    this.#deadlines.close()
    await this.#store.close?.()
  }

  #allows(): boolean {
    if (this.#rest.allows(this.#clock.now())) return true
    this.#host.count('storeSkipped')
    return false
  }

  #failed(error: unknown): void {
    this.#rest.fail(this.#clock.now())
    this.#host.count('storeErrors', error)
  }

  /** The promise, which rejects when it takes too long. Its failures are counted; what comes late is nobody's. */
  #bounded<T>(work: PromiseLike<T>, isToldAnyway = false): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.add(() => {
        const error = new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot wait for the store any longer: current value of the limit is ${this.#timeoutMs} ms`)
        if (!isToldAnyway) {
          this.#rest.fail(this.#clock.now())
          this.#host.count('storeTimeouts', error)
        }
        reject(error)
      })
      work.then(
        (value) => {
          if (deadline.expire === undefined) return
          this.#deadlines.remove(deadline)
          resolve(value)
        },
        (error: unknown) => {
          if (deadline.expire === undefined) return
          this.#deadlines.remove(deadline)
          if (!isToldAnyway) this.#failed(error)
          reject(error as Error)
        },
      )
    })
  }
}

/** What a store gave, with an output that nobody else holds. @throws when that is no plain data */
const withOwnOutput = (reading: CacheReading): CacheReading => {
  const { answer } = reading
  return typeof answer?.output === 'object' || typeof answer?.output === 'function' ? { ...reading, answer: { ...answer, output: copyOutput(answer.output) } } : reading
}

/** Whether a store answers later. */
export const isPromise = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> => typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function'
