/** What a cache keeps its answers in: the interface of stores, which `cacheStoreConformance` of `outrigger/testing` holds them to. */
import type { Clock } from '../core/clock.js'
import type { ModelIdentity } from '../core/identity.js'
import type { CacheKey } from './cache-key.js'
import type { Refusal } from './_refusal.js'

/** An answer as stores keep it: plain data. A store hands it on as it is, and judges nothing. */
export interface CachedAnswer {
  readonly output: unknown
  /** The error that is given instead of an output. */
  readonly refusal?: Refusal | undefined
  /** When the model answered, in milliseconds since 1970. */
  readonly at: number
  /** Until when it is used without a mark, in milliseconds since 1970, or `Infinity`. */
  readonly freshUntil: number
  /** How long the model took, in milliseconds; 0 when nobody measured it. */
  readonly tookMs: number
  readonly tags: readonly string[]
  /** Who answered. */
  readonly identity: ModelIdentity
}

/** What a look-up found. */
export interface CacheReading {
  readonly answer: CachedAnswer | undefined
  /**
   * The state of the store's invalidations at the time of the look-up, for the fill that follows from it: a store
   * refuses the fill, or never gives it out, when what it is about was invalidated since. Only the store reads it.
   */
  readonly asOf?: unknown
  /** The store could not be asked: nothing is known, and nothing is to be stored. */
  readonly isUnavailable?: true
}

/**
 * For whom it is read or stored. What is asked for a scoring job (`batch`) must not push out what online callers use;
 * a `refresh` wants what is newest, and passes by what is kept nearer.
 */
export type CacheUse = 'online' | 'batch' | 'refresh'

/** One answer to be stored. */
export interface CacheFill {
  readonly key: CacheKey
  readonly answer: CachedAnswer
  /** It is of no use to anybody after so many milliseconds; may be `Infinity`. */
  readonly keepForMs: number
  readonly use: CacheUse
  /** What the look-up gave. */
  readonly asOf: unknown
}

/** What is to be forgotten. `input` means every version's answer to the input of the key; `version` is a version or a digest. */
export type Invalidation = { readonly input: CacheKey } | { readonly tag: string } | { readonly version: string } | 'all'

/** What happens in a store that only counts can tell. */
export type StoreEvent = 'evictions' | 'garbage' | 'storeErrors' | 'storeTimeouts' | 'storeSkipped'

/** What a store gets when a cache opens it. */
export interface CacheStoreHost {
  readonly clock: Clock
  /** Counts something; an error is told to those who observe, as a notice. */
  count(event: StoreEvent, error?: unknown): void
}

/**
 * A store that is open for one predictor.
 *
 * Every method may answer at once or by a promise. They may fail: whoever asks guards them by a time limit, counts,
 * and goes on without (`tieredStore` and `cached` do).
 */
export interface OpenCacheStore {
  /** One reading per key, in order. Never gives the answer of another key. */
  getMany(keys: readonly CacheKey[], use: CacheUse): readonly CacheReading[] | PromiseLike<readonly CacheReading[]>
  /** The same for one key, where that is quicker. */
  get?(key: CacheKey, use: CacheUse): CacheReading | PromiseLike<CacheReading>
  set(fills: readonly CacheFill[]): void | PromiseLike<void>
  /** From when it has ended, nothing that was asked before it began is given out. */
  invalidate(what: Invalidation): void | PromiseLike<void>
  /** Answers it holds, where it knows. */
  readonly size?: number
  close?(): void | PromiseLike<void>
}

/** A store, to be given to `cached`. Opened once for each predictor that the cache is put around. */
export interface CacheStore {
  open(host: CacheStoreHost): OpenCacheStore
  describe(): string
  /** What it keeps is seen by nobody but the predictor that it was opened for, and gone with it. */
  readonly isPrivate?: true
}

/** Nothing is stored. */
export const nothing: CacheReading = Object.freeze({ answer: undefined })

/** Nothing is known. */
export const unavailable: CacheReading = Object.freeze({ answer: undefined, isUnavailable: true as const })
