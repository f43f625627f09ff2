/** Makes answers for the store from what the model gave, and gives them to callers. */
import type { CacheNote } from '../core/call-notes.js'
import type { Call } from '../core/call.js'
import type { LayerHost } from '../core/layer.js'
import { RowFailure, type Row } from '../core/rows.js'
import type { ModelIdentity } from '../core/identity.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer, CacheFill, CacheUse } from './cache-store.js'
import type { Counters } from './_counts.js'
import { afterlifeMs } from './_freshness.js'
import { copyOutput, giveFrozen } from './_outputs.js'
import { fromRefusal, isLasting, toRefusal } from './_refusal.js'
import type { Settings } from './_settings.js'

/** The most tags of an answer, and the longest. */
const mostTags = 16
const longestTag = 256

/** What an answer is stored for. */
export interface Origin {
  readonly key: CacheKey
  readonly use: CacheUse
  readonly asOf: unknown
  readonly revoked: ReadonlySet<string> | undefined
}

export class Answers<I> {
  readonly #settings: Settings<I>
  readonly #host: LayerHost
  readonly #counters: Counters
  readonly #isQuantised: boolean
  /** From the clock that only goes forward to the time that other processes know. */
  readonly #offsetMs: number

  constructor(settings: Settings<I>, host: LayerHost, counters: Counters) {
    this.#settings = settings
    this.#host = host
    this.#counters = counters
    this.#isQuantised = settings.keys.quantise !== undefined
    this.#offsetMs = settings.isTimed ? host.clock.wall() - host.clock.now() : 0
  }

  /** Milliseconds since 1970, without the jumps of the wall clock; 0 where nothing depends on time. */
  now(): number {
    return this.#settings.isTimed ? this.#host.clock.now() + this.#offsetMs : 0
  }

  // ---- to the store

  /** What is kept of an output, or `undefined`. `output` is the store's own copy. */
  ofOutput(input: I, output: unknown, origin: Origin, identity: ModelIdentity, tookMs: number, now: number): CacheFill | undefined {
    try {
      const ttlMs = this.#ttlMs(input, output)
      const tags = this.#tags(input, output)
      if (ttlMs === 0 || tags.some((tag) => origin.revoked?.has(tag) === true)) return undefined
      return this.#fill(origin, { output, at: now, freshUntil: now + ttlMs, tookMs, tags, identity }, now)
    } catch (error) {
      this.#counters.unkept += 1
      this.#host.emit({ type: 'notice', message: 'An answer is not kept, as `ttlMs` or `tags` threw or gave what makes no sense.', error })
      return undefined
    }
  }

  /** What is kept of a refusal, or `undefined`. */
  ofError(error: unknown, origin: Origin, now: number): CacheFill | undefined {
    const { negativeTtlMs, refusals } = this.#settings
    if (negativeTtlMs === undefined || !isLasting(error)) return undefined
    try {
      if (!refusals(error)) return undefined
      return this.#fill(origin, { output: undefined, refusal: toRefusal(error), at: now, freshUntil: now + negativeTtlMs, tookMs: 0, tags: [], identity: origin.key.scope.identity }, now)
    } catch (thrown) {
      this.#host.emit({ type: 'notice', message: 'A refusal is not kept, as `refusals` threw.', error: thrown })
      return undefined
    }
  }

  #fill(origin: Origin, answer: CachedAnswer, now: number): CacheFill {
    const afterMs = answer.refusal === undefined ? afterlifeMs(this.#settings.freshness) : 0
    return { key: origin.key, answer, keepForMs: answer.freshUntil - now + afterMs, use: origin.use, asOf: origin.asOf }
  }

  #ttlMs(input: I, output: unknown): number {
    const { ttlMs = Infinity } = this.#settings
    if (typeof ttlMs === 'number') return ttlMs
    const value: unknown = ttlMs(output, input)
    if (typeof value !== 'number' || Number.isNaN(value) || value < 0) throw new TypeError(`Cannot keep an answer as \`ttlMs\` must give a number of at least 0: current value is ${String(value)}`)
    return value
  }

  #tags(input: I, output: unknown): readonly string[] {
    const { tags } = this.#settings
    if (tags === undefined) return none
    const given: unknown = tags(input, output)
    if (!Array.isArray(given) || given.length > mostTags || given.some((tag) => typeof tag !== 'string' || tag.length > longestTag)) {
      throw new TypeError(`Cannot keep an answer as \`tags\` must give at most ${mostTags} strings of at most ${longestTag} characters: current value is ${Array.isArray(given) ? `an array of ${given.length}` : `of type ${typeof given}`}`)
    }
    return given as string[]
  }

  // ---- to callers

  /** A copy for the caller, or the one frozen output. */
  give<O>(output: O): O {
    return this.#settings.isFreezing ? giveFrozen(output) : copyOutput(output)
  }

  /** Gives a stored answer to a call. */
  serve<O>(answer: CachedAnswer, call: Call, status: 'hit' | 'stale', now: number): Row<O> {
    if (answer.refusal !== undefined) {
      this.#counters.negative += 1
      this.note(call, 'refused', answer, now)
      return new RowFailure(fromRefusal(answer.refusal))
    }
    if (status === 'hit') {
      this.#counters.hits += 1
      call.source = 'cache'
    } else {
      this.#counters.stale += 1
      call.source = 'stale'
      call.note().identity = answer.identity
    }
    if (call.startedAt !== undefined) this.note(call, status, answer, now)
    return this.give(answer.output as O)
  }

  /** Says in the record what the cache did. */
  note(call: Call, status: CacheNote['status'], answer?: CachedAnswer, now = 0): void {
    if (call.startedAt === undefined) return
    const isAged = answer !== undefined && this.#settings.isTimed
    call.note().cache = Object.freeze({ status, ...(isAged ? { ageMs: Math.max(0, now - answer.at) } : {}), ...(this.#isQuantised ? { isQuantised: true as const } : {}) })
  }
}

const none: readonly string[] = Object.freeze([])
