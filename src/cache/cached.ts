import { applyLayer } from '../core/layer.js'
import type { MaskableSchema } from '../core/masking.js'
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { Cache } from './_cache.js'
import type { CacheStore } from './cache-store.js'
import { newCounters, type CacheCounts } from './_counts.js'
import type { Quantise } from './_quantise.js'
import { settingsOf } from './_settings.js'
import { warm, type WarmCounts, type WarmEntry } from './_warm.js'

/** Options of {@link cached}. Times are in milliseconds. */
export interface CachedOptions<I, O = unknown> {
  /** The most answers it keeps in memory, at most 2²⁴; the least recently used leaves first. @default 10_000 */
  readonly max?: number
  /** About the most bytes of keys and answers in memory. @default no limit */
  readonly maxBytes?: number
  /** Where answers are kept: `memoryStore`, `redisStore`, `tieredStore`, or one of your own. @default in memory, by `max` and `maxBytes` */
  readonly store?: CacheStore
  /** An operation of the store is given up after so long. @default 100 */
  readonly storeTimeoutMs?: number

  /** What of the input the answer depends on: plain data. When it throws, the row passes by the cache. @default the whole input */
  readonly key?: (input: I) => unknown
  /** The fields of the input: keys are made quicker. Inputs with other fields are told apart all the same. */
  readonly schema?: MaskableSchema
  /** Inputs share an answer when their numbers round to the same multiples of this step; or a step for each of some fields. */
  readonly quantise?: Quantise

  /** An answer is used for so long; as a function, of the output and the input. 0: it is not kept. @default for ever */
  readonly ttlMs?: number | ((output: O, input: I) => number)
  /** So long after its time an answer is given at once, and renewed in the background. @default 0 */
  readonly staleWhileRevalidateMs?: number
  /** So long after its time an answer is given when the model fails, and an older version's too. @default never */
  readonly staleIfErrorMs?: number
  /** The same when the model turns the call away: an open circuit, a full bulkhead, a rate limit. @default `staleIfErrorMs` */
  readonly staleIfOverloadMs?: number
  /** The β of early renewal: an answer is renewed before its time, the sooner the longer the model takes. 1 is a good value. @default 0, off */
  readonly earlyRefresh?: number
  /** Renewals: so many rows at once (default 16), each given up after so long (default 30 s). */
  readonly refresh?: { readonly concurrency?: number; readonly timeoutMs?: number }

  /** A refusal that depends on the input alone is repeated for so long. @default refusals are not kept */
  readonly negativeTtlMs?: number
  /** Which errors are such refusals. Rejections, timeouts and aborts never are. @default `ERR_OUTRIGGER_INVALID_INPUT` */
  readonly refusals?: (error: unknown) => boolean

  /** At most 16 labels by which answers can be forgotten together. */
  readonly tags?: (input: I, output: O) => readonly string[]
  /** Gives all callers one frozen output where it holds only objects, arrays and primitives, instead of a copy each. @default false */
  readonly freeze?: boolean
  /** Checks a share of the hits against the live model. */
  readonly audit?: AuditOptions<O>
  /** What renewals and audits may spend. @default no limit but their concurrency */
  readonly budget?: ExtraWorkBudget
}

/** How hits are checked. */
export interface AuditOptions<O = unknown> {
  /** The share of the hits, in [0, 1]. */
  readonly rate: number
  /** Whether both are the same answer. @default equal, numbers within 1e-6 relative or absolute */
  readonly agree?: (cached: O, live: O) => boolean
  /** So many rows at once; what comes beyond is skipped and counted. @default 4 */
  readonly concurrency?: number
  /** A budget of its own. @default that of the cache */
  readonly budget?: ExtraWorkBudget
}

/** The handle of a cache. */
export interface CacheHandle<I = never> {
  readonly counts: CacheCounts
  /** Forgets every answer. Work in progress goes on for those who wait for it, and is not kept. Rejects when a store could not be reached. */
  clear(): Promise<void>
  /**
   * Forgets the answers to an input (of every version), those with a tag, or those of a version (its number or digest).
   * From when it has ended, nothing that was asked before it began is given out, neither from a store nor from work in progress.
   * @throws `ERR_OUTRIGGER_STORE_FAILED` when a store could not be reached
   */
  invalidate(what: { readonly input: I } | { readonly tag: string } | { readonly version: string }): Promise<void>
  /**
   * Keeps answers that were computed elsewhere, such as a scoring job's output, for the version that serves now.
   * @param options - `version`: the version that computed them, by number or digest; it rejects when another one serves
   */
  warm(entries: AsyncIterable<WarmEntry<I>> | Iterable<WarmEntry<I>>, options?: { readonly version?: string }): Promise<WarmCounts>
  /** Resolves when no renewal and no audit is under way. */
  idle(): Promise<void>
}

/** The layer, and its handle. Around several predictors it keeps a store for each. */
export interface CachedLayer<I, O = unknown> extends CacheHandle<I> {
  <P extends O>(inner: Predictor<I, P>): Predictor<I, P>
}

/** The same without a function of the input or the output: it fits any predictor. */
export interface NeutralCachedLayer extends CacheHandle<unknown> {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
}

/**
 * Answers from memory, or from a store, what the model has answered before.
 *
 * The key is the exact content of the input and the digest and variant that the call is bound to: two different
 * inputs never share an answer, and a swap of the model never serves an old version's answer as if it were the new
 * one's. Only answers of the model are kept: no fallbacks, and of failures only refusals of the input, if wished.
 *
 * Callers who ask for the same at the same time share one call of the model. It runs under a call of its own; one who
 * leaves disturbs nobody, and when the last one leaves it is aborted. A batch sends on only what is neither stored nor
 * under way, each input once.
 *
 * Every caller gets a copy of its own. `record.source` is `cache`, `coalesced`, or `stale` for an answer past its time
 * or of an older version. A store that is down or slow costs a bounded time and a count, never a prediction.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; a call rejects with `ERR_OUTRIGGER_UNCACHEABLE` when its input or output is no plain data
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { cached } from 'outrigger/cache'
 * let asked = 0
 * const cache = cached({ max: 100, ttlMs: 60_000 })
 * const predict = pipe(async (row: { x: number; y: number }) => { asked += 1; return row.x + row.y }, cache)
 * await predict({ x: 1, y: 2 })
 * assert.equal(await predict({ y: 2, x: 1 }), 3)
 * assert.deepEqual([asked, cache.counts.hits], [1, 1])
 * ```
 */
export function cached(options?: NeutralCachedOptions): NeutralCachedLayer
export function cached<I, O = unknown>(options?: CachedOptions<I, O>): CachedLayer<I, O>
export function cached<I, O = unknown>(options: CachedOptions<I, O> | NeutralCachedOptions = {}): CachedLayer<I, O> {
  const settings = settingsOf(options as CachedOptions<I, O>)
  const counters = newCounters()
  const caches = new Set<Cache<I, unknown>>()

  const wrap = <P extends O>(inner: Predictor<I, P>): Predictor<I, P> =>
    applyLayer<I, P>(inner, 'cached', (host, inside) => {
      if (settings.store.isPrivate !== true) checkVersion(inner)
      const cache = new Cache<I, P>(settings, host, inside, counters)
      caches.add(cache as Cache<I, unknown>)
      return {
        trusted: true,
        traits: { answersAtOnce: true },
        describe: () => `cached, ${settings.store.describe()}${typeof settings.ttlMs === 'number' ? ` for ${settings.ttlMs} ms` : ''}`,
        one: (next, input, call) => cache.one(next, input, call),
        many: (next, inputs, batch) => cache.many(next, inputs, batch),
        close: async () => {
          caches.delete(cache as Cache<I, unknown>)
          await cache.close()
        },
      }
    })
  const forEach = async <T>(work: (cache: Cache<I, unknown>) => Promise<T>): Promise<T[]> => await Promise.all([...caches].map(work))
  const handle: CacheHandle<I> = {
    get counts() {
      return { ...counters, audit: { ...counters.audit }, entries: [...caches].reduce((sum, cache) => sum + cache.size, 0) }
    },
    clear: async () => void (await forEach((cache) => cache.invalidate('all'))),
    invalidate: async (what) => {
      optionsObject('an invalidation', what, ['input', 'tag', 'version'])
      if (Object.keys(what).length !== 1) throw new InvalidOptionError('Cannot invalidate as one of `input`, `tag` and `version` must be given: current value has more or none')
      if ('tag' in what) stringOption('an invalidation', 'tag', what.tag)
      if ('version' in what) stringOption('an invalidation', 'version', what.version)
      await forEach((cache) => cache.invalidate('input' in what ? { input: cache.keyOf(what.input) } : what))
    },
    warm: async (entries, warming = {}) => {
      optionsObject('a warming', warming, ['version'])
      if (warming.version !== undefined) stringOption('a warming', 'version', warming.version)
      if (caches.size !== 1) throw new InvalidOptionError(`Cannot warm a cache as it must be around one predictor: current value is ${caches.size}`)
      const [cache] = caches as unknown as [Cache<I, unknown>]
      return await warm(cache.parts, cache.inside, entries, warming.version)
    },
    idle: async () => void (await forEach((cache) => cache.idle())),
  }
  return Object.defineProperties(wrap, Object.getOwnPropertyDescriptors(handle)) as CachedLayer<I, O>
}

/** Options without a function of the input or the output. */
export type NeutralCachedOptions = Omit<CachedOptions<never>, 'key' | 'tags' | 'ttlMs' | 'audit'> & {
  readonly key?: undefined
  readonly tags?: undefined
  readonly ttlMs?: number
  readonly audit?: Omit<AuditOptions, 'agree'> & { readonly agree?: undefined }
}

/** What is stored outlives the process: a model that does not say which version it is would get another one's answers. */
const checkVersion = (inner: Predictor<never, unknown>): void => {
  const { name, version, digest } = inner.identity
  if (digest === undefined && version === '0') throw new InvalidOptionError(`Cannot keep answers in a store that may be shared as the model must say which version it is (\`predictor(model, { name, version })\`): current value is ${name} without a version`)
}
