import { LRUCache } from 'lru-cache'
import type { BatchCall, Call } from '../core/call.js'
import { copyPlain, roughBytes } from '../core/copy.js'
import { OutriggerError } from '../core/errors.js'
import { applyLayer } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { discardStream, isStream } from '../core/streams.js'
import { Flights, type Flight } from './_flights.js'
import { contentKey } from './content-key.js'

/** Options of {@link cached}. */
export interface CachedOptions<I> {
  /** The most answers it keeps, at most 2²⁴; the least recently used leaves first. @default 10_000 */
  readonly max?: number
  /** About the most bytes of keys and answers. @default no limit */
  readonly maxBytes?: number
  /** An answer is used for so long, in whole milliseconds. @default for ever */
  readonly ttlMs?: number
  /** What of the input the answer depends on: plain data. @default the whole input */
  readonly key?: (input: I) => unknown
}

/** What a cache did so far. */
export interface CacheCounts {
  /** Rows answered from the store. */
  readonly hits: number
  /** Rows that were sent on. */
  readonly misses: number
  /** Rows that waited for work that another row had started. */
  readonly coalesced: number
  /** Answers in the store. */
  readonly entries: number
}

/** The handle of a cache's stores. */
export interface CacheHandle {
  readonly counts: CacheCounts
  /** Forgets every answer. Work in progress goes on for those who wait for it, and is not kept. */
  clear(): void
}

/** The layer, and the handle of its store. Around several predictors it keeps a store for each. */
export interface CachedLayer<I> extends CacheHandle {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** The same without a `key` function: it fits any input. */
export interface NeutralCachedLayer extends CacheHandle {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
}

/**
 * Answers from memory what the model has answered before.
 *
 * The key is the exact content of the input and the digest and variant that the call is bound to, so that a swap of
 * the model never serves an old version's answer, and two different inputs never share one (see `contentKey`). Only
 * answers of the model are kept: no failures, no fallbacks.
 *
 * Callers who ask for the same at the same time share one call of the model. It runs under a call of its own; one who
 * leaves disturbs nobody, and when the last one leaves it is aborted. A batch sends on only what is neither stored nor
 * under way, each input once.
 *
 * Every caller gets a copy of its own. `record.source` is `cache` or `coalesced`.
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
export function cached(options?: CachedOptions<never> & { readonly key?: undefined }): NeutralCachedLayer
export function cached<I>(options?: CachedOptions<I>): CachedLayer<I>
export function cached<I>(options: CachedOptions<I> = {}): CachedLayer<I> {
  optionsObject('cached', options, ['max', 'maxBytes', 'ttlMs', 'key'])
  const max = numberOption('cached', 'max', options.max ?? 10_000, { min: 1, max: 2 ** 24, integer: true })
  const maxBytes = options.maxBytes === undefined ? undefined : numberOption('cached', 'maxBytes', options.maxBytes, { min: 1, integer: true })
  const ttlMs = options.ttlMs === undefined ? undefined : numberOption('cached', 'ttlMs', options.ttlMs, { min: 1, integer: true })
  const key = functionOption('cached', 'key', options.key)
  const counts = { hits: 0, misses: 0, coalesced: 0 }
  const stores = new Set<{ readonly size: number; clear(): void }>()

  const contentOf = (input: I): string => {
    if (key === undefined) return contentKey(input)
    try {
      return contentKey(key(input))
    } catch (error) {
      throw new OutriggerError('ERR_OUTRIGGER_UNCACHEABLE', 'Cannot look the input up as its `key` function threw, or gave something that is no plain data', { cause: error })
    }
  }

  const wrap = <O>(inner: Predictor<I, O>): Predictor<I, O> =>
    applyLayer<I, O>(inner, 'cached', ({ clock, scope }) => {
      const store = new LRUCache<string, { readonly output: O }>({
        max,
        // lru-cache takes a start of 0 for "no TTL", hence the 1; a resolution of 0 keeps it from setting timers.
        ...(ttlMs === undefined ? {} : { ttl: ttlMs, ttlResolution: 0, perf: { now: () => clock.now() + 1 } }),
        ...(maxBytes === undefined ? {} : { maxSize: maxBytes, sizeCalculation: (entry: { readonly output: O }, text: string) => text.length + roughBytes(entry.output) + 100 }),
      })
      const flights = new Flights<O>()
      const held = {
        get size() {
          return store.size
        },
        clear: () => {
          store.clear()
          flights.forget()
        },
      }
      stores.add(held)

      const keyOf = (input: I, call: Call): string => {
        const bound = scope(call)
        return `${bound.length}:${bound}${contentOf(input)}`
      }
      const keep = (text: string, row: Row<O>, call: Call, isKnown: boolean): void => {
        if (isRowFailure(row)) return
        if (isStream(row)) discardStream(row)
        // The store's own copy: the one that came is given to callers, who may change it.
        const output = copyPlain(row, refuse)
        if (isKnown && call.source === 'model') store.set(text, { output })
      }
      const landed = async (text: string, flight: Flight<O>, call: Call, isOwn: boolean): Promise<Row<O>> => {
        const row = await flights.join(text, flight, call)
        if (isRowFailure(row)) {
          if (isOwn) call.adopt(flight.call)
          return row
        }
        if (isOwn) call.adopt(flight.call)
        else {
          counts.coalesced += 1
          call.source = 'coalesced'
          if (flight.call.notes?.identity !== undefined) call.note().identity = flight.call.notes.identity
        }
        return copyPlain(row, refuse)
      }

      return {
        trusted: true,
        describe: () => `cached, up to ${max}${ttlMs === undefined ? '' : ` for ${ttlMs} ms`}`,
        one: async (next, input, call) => {
          const text = keyOf(input, call)
          const hit = store.get(text)
          if (hit !== undefined) {
            counts.hits += 1
            call.source = 'cache'
            return copyPlain(hit.output, refuse)
          }
          let flight = flights.get(text)
          const isOwn = flight === undefined
          if (flight === undefined) {
            if (call.isAborted) throw abortErrorOf(call.abortReason)
            counts.misses += 1
            flight = flights.open(text, call)
            const { call: child } = flight
            const kept = keptInput(input)
            flights.start([text], [flight], async () => [await next(kept, child)], keep)
          }
          const row = await landed(text, flight, call, isOwn)
          if (isRowFailure(row)) throw row.error
          return row
        },
        many: async (next, inputs, batch: BatchCall) => {
          const rows = new Array<Row<O> | Promise<Row<O>>>(inputs.length)
          const missing: { text: string; input: I; flight: Flight<O> }[] = []
          for (let index = 0; index < inputs.length; index += 1) {
            const call = batch.rows[index] as Call
            let text: string
            try {
              text = keyOf(inputs[index] as I, call)
            } catch (error) {
              rows[index] = new RowFailure(error)
              continue
            }
            const hit = store.get(text)
            if (hit !== undefined) {
              counts.hits += 1
              call.source = 'cache'
              rows[index] = copyPlain(hit.output, refuse)
              continue
            }
            let flight = flights.get(text)
            const isOwn = flight === undefined
            if (flight === undefined) {
              if (call.isAborted) {
                rows[index] = new RowFailure(abortErrorOf(call.abortReason))
                continue
              }
              counts.misses += 1
              flight = flights.open(text, call)
              missing.push({ text, input: keptInput(inputs[index] as I), flight })
            }
            rows[index] = landed(text, flight, call, isOwn)
          }
          if (missing.length > 0) {
            flights.start(
              missing.map((miss) => miss.text),
              missing.map((miss) => miss.flight),
              (run) => next(missing.map((miss) => miss.input), run),
              keep,
            )
          }
          return await Promise.all(rows)
        },
        close: () => {
          stores.delete(held)
          held.clear()
        },
      }
    })
  return Object.defineProperties(wrap, {
    counts: { get: () => ({ ...counts, entries: [...stores].reduce((sum, store) => sum + store.size, 0) }), enumerable: true },
    clear: {
      value: () => {
        for (const store of stores) store.clear()
      },
    },
  }) as CachedLayer<I>
}

const refuse = (what: string): never => {
  throw new OutriggerError('ERR_OUTRIGGER_UNCACHEABLE', `Cannot cache the output as it must be plain data: current value holds ${what}`)
}

/** Shared work may go on when the caller who began it has left and uses its input again: it works on a copy. */
const keptInput = <I>(input: I): I => {
  try {
    return copyPlain(input, refuse)
  } catch {
    // Only an input with a `key` function of the user's can be no plain data; it is passed as it is.
    return input
  }
}
