import type { Call, ModelCall } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { mustWait, refused } from '../core/fuse.js'
import { applyGuard, type LayerHost } from '../core/layer.js'
import { functionOption, membersOption, numberOption, optionsObject } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { pick, RowFailure, type Row } from '../core/rows.js'
import type { TokenGrant } from '../policy/token-bucket.js'
import { weigher } from './guarded.js'
import { LocalBuckets } from './_local-buckets.js'
import { RateAdmissions, type Admission } from './_rate-admission.js'
import { SharedBuckets } from './_shared-buckets.js'
import type { RateLimitStore } from './rate-limit-store.js'

/** Options of {@link rateLimit}. */
export interface RateLimitOptions<I = never> {
  /** So many tokens are added in a second; above 0. */
  readonly perSecond: number
  /** So many tokens are saved for a burst; the most that one call, or one batch, may cost. @default `perSecond`, at least 1 */
  readonly burst?: number
  /** What a row costs, in tokens. @default 1 */
  readonly cost?: (input: I) => number
  /** Whose limit it is: `'call'` for the key of the call, or a function. @default one limit for all */
  readonly key?: 'call' | ((input: I, call: ModelCall) => string)
  /** So many keys are remembered in this process; the least recently used one is forgotten. @default 10_000 */
  readonly maxKeys?: number
  /** A call waits so long for its tokens, in milliseconds. @default 0 */
  readonly maxWaitMs?: number
  /** What happens to a batch that costs more than `burst`: it is refused, or cut into parts that fit. @default 'refuse' */
  readonly largeBatches?: 'refuse' | 'split'
  /** Buckets that several processes share, such as {@link redisRateLimit}. @default those of this process */
  readonly store?: RateLimitStore
  /** The store has so long to answer, in milliseconds. @default 100 */
  readonly storeTimeoutMs?: number
  /** Who decides when the store does not: a limit of this process alone, or nobody, so that calls are rejected. @default 'local' */
  readonly whenStoreFails?: 'local' | 'closed'
}

/** What a rate limit did so far. */
export interface RateLimitCounts {
  /** Rows that were let through. */
  readonly admitted: number
  /** Those among them that waited. */
  readonly waited: number
  /** Rows that were rejected. */
  readonly rejected: number
  /** How often the store failed, or took too long. */
  readonly storeFailures: number
  /** Keys that are remembered in this process. */
  readonly keys: number
  /** Keys that were forgotten too early, so that they began anew with a full burst. Raise `maxKeys` if it grows. */
  readonly forgotten: number
}

/** The layer, and what it did. Put around several predictors, it is one limit for all of them. */
export interface RateLimitLayer<I> {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
  readonly counts: RateLimitCounts
}

/** The same without functions of the input: it fits any. */
export interface NeutralRateLimitLayer {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
  readonly counts: RateLimitCounts
}

/** Rows of a batch that take their tokens together. */
interface Portion {
  readonly key: string
  readonly indices: number[]
  cost: number
}

const owner = 'a rate limit'
const known = ['perSecond', 'burst', 'cost', 'key', 'maxKeys', 'maxWaitMs', 'largeBatches', 'store', 'storeTimeoutMs', 'whenStoreFails'] as const
const longestMs = 2 ** 31 - 1

/**
 * Lets so much through per second, with room for bursts: per service, per key, by rows or by a cost of your own.
 *
 * A token bucket of `burst` tokens, to which `perSecond` are added evenly. A call takes its cost; when the tokens are not there it waits up to
 * `maxWaitMs` (never beyond its deadline), first come, first served, or is rejected with `ERR_OUTRIGGER_RATE_LIMITED` and
 * `error.retryAfterMs`. A batch takes the cost of all its rows at once; with keys, each key's rows are decided together.
 *
 * With a `store` the limit holds over all processes. A store that is slow or down costs at most `storeTimeoutMs` once a second, a notice and a
 * count, and a limit of this process takes its place until the store answers again.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { rateLimit } from 'outrigger/resilience'
 * const limit = rateLimit({ perSecond: 1, burst: 2, key: 'call' })
 * const predict = pipe((x: number) => x, limit)
 * await predict.batch([1, 2], { keys: ['ann', 'ann'] })
 * await assert.rejects(predict(3, { key: 'ann' }), { code: 'ERR_OUTRIGGER_RATE_LIMITED' })
 * assert.equal(await predict(4, { key: 'bob' }), 4)
 * assert.deepEqual([limit.counts.admitted, limit.counts.rejected], [3, 1])
 * ```
 */
export function rateLimit(options: RateLimitOptions & { readonly cost?: undefined; readonly key?: 'call' | undefined }): NeutralRateLimitLayer
export function rateLimit<I>(options: RateLimitOptions<I>): RateLimitLayer<I>
export function rateLimit<I>(options: RateLimitOptions<I>): RateLimitLayer<I> {
  optionsObject(owner, options, known)
  const { key, store, largeBatches = 'refuse', whenStoreFails = 'local' } = options
  const perSecond = numberOption(owner, 'perSecond', options.perSecond, { min: 0, exclusive: true })
  const burst = numberOption(owner, 'burst', options.burst ?? Math.max(1, perSecond), { min: 0, exclusive: true })
  const maxWaitMs = numberOption(owner, 'maxWaitMs', options.maxWaitMs ?? 0, { min: 0, max: longestMs })
  const storeTimeoutMs = numberOption(owner, 'storeTimeoutMs', options.storeTimeoutMs ?? 100, { min: 1, max: longestMs })
  const local = new LocalBuckets(numberOption(owner, 'maxKeys', options.maxKeys ?? 10_000, { min: 1, max: 2 ** 24, integer: true }))
  const cost = functionOption(owner, 'cost', options.cost)
  if (key !== 'call') functionOption(owner, 'key', key)
  if (store !== undefined) membersOption(owner, 'store', store, ['take'])
  if (largeBatches !== 'refuse' && largeBatches !== 'split') throw new InvalidOptionError(`Cannot create ${owner} as \`largeBatches\` must be 'refuse' or 'split': current value is ${String(largeBatches)}`)
  if (whenStoreFails !== 'local' && whenStoreFails !== 'closed') throw new InvalidOptionError(`Cannot create ${owner} as \`whenStoreFails\` must be 'local' or 'closed': current value is ${String(whenStoreFails)}`)

  const hosts = new Set<LayerHost>()
  const tell = (message: string, error?: unknown): void => {
    for (const host of hosts) host.emit({ type: 'notice', message, error })
  }
  const shared = store === undefined ? undefined : new SharedBuckets(store, storeTimeoutMs, tell)
  const admissions = new RateAdmissions({ perSecond, burst, maxWaitMs, whenStoreFails }, local, shared)

  const wrap = <O>(inner: Predictor<I, O>): Predictor<I, O> =>
    applyGuard(inner, 'rate-limit', (host) => {
      const { clock } = host
      hosts.add(host)
      const costOf = weigher(host, 'cost', cost, () => 1)
      const keyOf = keyer(host, key)
      // `refusal` is asked in the same step as `enter`.
      let denied: TokenGrant
      return {
        describe: () => `rate-limit ${perSecond} per second, burst ${burst}${key === undefined ? '' : ', by key'}`,
        guard: {
          enter: (call, input) => {
            if (shared !== undefined) return mustWait
            denied = admissions.takeNow(keyOf(input, call), costOf(input), clock)
            if (denied.granted) return 0
            return maxWaitMs > 0 ? mustWait : refused
          },
          refusal: (_call, input) => admissions.refusal(1, costOf(input), denied),
          wait: async (call, input) => {
            await admissions.wait(await admissions.ask([call], keyOf(input, call), costOf(input), clock), clock)
            return 0
          },
        },
        many: async (next, inputs, batch) => {
          const rows = new Array<Row<O>>(inputs.length)
          const send = async (indices: readonly number[]): Promise<void> => {
            if (indices.length === 0) return
            const answers = indices.length === inputs.length ? await next(inputs, batch) : await next(pick(inputs, indices), batch.pick(indices))
            indices.forEach((index, position) => (rows[index] = answers[position] as Row<O>))
          }
          const failing = async (indices: readonly number[], work: () => Promise<void>): Promise<void> => {
            try {
              await work()
            } catch (error) {
              const failure = new RowFailure(error)
              for (const index of indices) rows[index] = failure
            }
          }
          const parts = portions(inputs.map((input, index) => ({ key: keyOf(input, batch.rows[index] as Call), cost: costOf(input) })), largeBatches === 'split' ? burst : Infinity)
          // Rows whose tokens are there travel as one batch, in their order; who has to wait follows.
          const ready: number[] = []
          const late: { readonly indices: readonly number[]; readonly admission: Admission }[] = []
          await Promise.all(
            parts.map(({ key: bucket, indices, cost: tokens }) =>
              failing(indices, async () => {
                const admission = await admissions.ask(pick(batch.rows, indices), bucket, tokens, clock)
                if (admission.waitMs > 0) late.push({ indices, admission })
                else {
                  await admissions.wait(admission, clock)
                  for (const index of indices) ready.push(index)
                }
              }),
            ),
          )
          await Promise.all([
            send(ready.sort((a, b) => a - b)),
            ...late.map(({ indices, admission }) =>
              failing(indices, async () => {
                await admissions.wait(admission, clock)
                await send(indices)
              }),
            ),
          ])
          return rows
        },
        close: () => void hosts.delete(host),
      }
    })
  return Object.defineProperty(wrap, 'counts', {
    get: (): RateLimitCounts => ({ ...admissions.counts, storeFailures: shared?.failures ?? 0, keys: local.size, forgotten: local.forgotten }),
    enumerable: true,
  }) as RateLimitLayer<I>
}

/** Rows that take their tokens together: those of one key, in parts that cost at most `most` each, unless a single row costs more. */
const portions = (rows: readonly { readonly key: string; readonly cost: number }[], most: number): Portion[] => {
  const all: Portion[] = []
  const open = new Map<string, Portion>()
  for (const [index, { key, cost }] of rows.entries()) {
    let portion = open.get(key)
    if (portion === undefined || portion.cost + cost > most) {
      portion = { key, indices: [], cost: 0 }
      open.set(key, portion)
      all.push(portion)
    }
    portion.indices.push(index)
    portion.cost += cost
  }
  return all
}

/** Whose bucket it is; when a user's function cannot say it, a notice does, and all such calls share one. */
const keyer = <I>(host: LayerHost, key: RateLimitOptions<I>['key']): ((input: I, call: Call) => string) => {
  if (key === undefined) return () => ''
  if (key === 'call') return (_input, call) => call.key ?? ''
  return (input, call) => {
    let error: unknown
    try {
      const bucket: unknown = key(input, call)
      if (typeof bucket === 'string') return bucket
    } catch (thrown) {
      error = thrown
    }
    host.emit({ type: 'notice', message: '`key` threw, or gave no string; the call counts with those that have no key.', error })
    return ''
  }
}
