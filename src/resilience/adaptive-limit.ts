import type { Call } from '../core/call.js'
import { hasCode, InvalidOptionError, outcomeOf } from '../core/errors.js'
import { applyGuard, type LayerHost, type NeutralLayer } from '../core/layer.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { isRowFailure } from '../core/rows.js'
import { isStream, untilEnd } from '../core/streams.js'
import { AimdLimit } from '../policy/aimd-limit.js'
import type { ConcurrencyLimit, LimitSnapshot } from '../policy/concurrency-limit.js'
import { GradientLimit } from '../policy/gradient-limit.js'
import { Gate } from './_gate.js'
import { guarded } from './guarded.js'
import { LoopWatch, type EventLoopOptions } from './_loop-watch.js'

/** What both algorithms need. */
interface SharedAdaptiveOptions {
  /** Where it begins. @default 20 */
  readonly initial?: number
  /** Never fewer. @default 1 */
  readonly min?: number
  /** Never more. @default 200 */
  readonly max?: number
  /** So many calls wait for their turn, by priority. @default 0 */
  readonly queue?: number
  /** Nobody waits longer, in milliseconds. @default no limit */
  readonly maxWaitMs?: number
  /** The limit is looked at after so long, and at least ten calls, in milliseconds. @default 500 */
  readonly windowMs?: number
  /** Shrinks the limit while the event loop is late. @default not looked at */
  readonly eventLoop?: EventLoopOptions
  /**
   * Whether an error says that there is too much.
   * @default timeouts, and errors with a `status` of 429 or 503
   */
  readonly isDropped?: (error: unknown) => boolean
}

/** Finds the latency without a queue, and stays near it. */
export interface GradientOptions extends SharedAdaptiveOptions {
  readonly algorithm?: 'gradient'
  /** Latency may be so many times its baseline before the limit shrinks. @default 1.5 */
  readonly tolerance?: number
  /** The share of each step that is taken; in (0, 1]. @default 0.2 */
  readonly smoothing?: number
}

/** Holds a latency that you name. */
export interface AimdOptions extends SharedAdaptiveOptions {
  readonly algorithm: 'aimd'
  /** A call that takes longer is late, in milliseconds. @default none; only what is dropped counts */
  readonly latencyMs?: number
  /** Each further row of a run may take so much longer, in milliseconds. @default 0 */
  readonly latencyMsPerRow?: number
  /** What is left of the limit when there was too much; in (0, 1). @default 0.9 */
  readonly backoff?: number
}

/** Options of {@link adaptiveConcurrency}. */
export type AdaptiveConcurrencyOptions = GradientOptions | AimdOptions

/** The layer, and its limit. Put around several predictors, it is one limit and one queue for all of them; who still waits is turned away when the last of them closes. */
export interface AdaptiveConcurrencyLayer extends NeutralLayer {
  /** So many calls may run at once. */
  readonly limit: number
  readonly inFlight: number
  readonly waiting: number
  /** What a later process can `restore`. */
  export(): LimitSnapshot
  restore(snapshot: LimitSnapshot): void
}

const owner = 'an adaptive concurrency limit'
const shared = ['algorithm', 'initial', 'min', 'max', 'queue', 'maxWaitMs', 'windowMs', 'eventLoop', 'isDropped'] as const

/** A change is told when it is so large, and no more often than once in so many milliseconds. */
const toldFactor = 1.25
const toldEveryMs = 1000

/**
 * Finds out how many calls a model can do at once, and lets no more in.
 *
 * The limit follows what calls experience: it grows while their latency stays near what it is without a queue (`gradient`), or below a latency that you name
 * (`aimd`), and shrinks when it does not, when calls run into their limit of time, and when the event loop is late. It grows only when at least half of it is used. A call beyond it
 * waits in the `queue` by priority, or is rejected with `ERR_OUTRIGGER_OVERLOADED`.
 *
 * What says nothing about the model trains nothing: calls that their callers aborted, that were rejected farther in, that failed. A call that ran into a timeout counts as too much, and its time as nothing.
 *
 * A batch takes one permit, as engines run it as one operation, and its latency is compared with that of runs of the same power of two of rows.
 *
 * Put it inside of `timeout`: what a timeout abandons still occupies the model, and keeps its permit until it ends. Costs two clock reads a call.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { adaptiveConcurrency } from 'outrigger/resilience'
 * const limiter = adaptiveConcurrency({ initial: 1 })
 * const predict = pipe(async (x: number) => x, limiter)
 * const [first, second] = await Promise.allSettled([predict(1), predict(2)])
 * assert.equal(first.status, 'fulfilled')
 * assert.equal(second.status === 'rejected' && second.reason.code, 'ERR_OUTRIGGER_OVERLOADED')
 * assert.deepEqual([limiter.limit, limiter.inFlight], [1, 0])
 * ```
 */
export const adaptiveConcurrency = (options: AdaptiveConcurrencyOptions = {}): AdaptiveConcurrencyLayer => {
  const { estimate, gateLimits, given, loop } = checked(options)
  const limits = { ...gateLimits, calls: estimate.limit }
  const hosts = new Map<LayerHost, string>()
  let gate: Gate | undefined
  let told = estimate.limit
  let toldAt = -Infinity

  /** Takes the new limit over, and tells of it when it is much. */
  const adjust = (now: number): void => {
    const { limit } = estimate
    limits.calls = limit
    const factor = limit / told
    if ((factor < toldFactor && factor > 1 / toldFactor) || now - toldAt < toldEveryMs) return
    for (const [host, subject] of hosts) host.emit({ type: 'state', subject, from: String(told), to: String(limit), reason: estimate.reason, data: { limit, inFlight: gate?.calls } })
    told = limit
    toldAt = now
  }

  const wrap: NeutralLayer = (inner) =>
    applyGuard(inner, 'adaptive-concurrency', (host) => {
      const { clock } = host
      // Several predictors share the gate, so that it is on the clock of the first.
      const door = (gate ??= new Gate(clock, limits, 'ERR_OUTRIGGER_OVERLOADED'))
      hosts.set(host, inner.identity.name)
      const isDropped = guarded(host, 'isDropped', given, saysTooMuch)

      /** Not after the end: what settles late shall not begin to measure anew. */
      const look = (now: number): void => {
        if (loop !== undefined && hosts.has(host) && loop.look(now, host)) estimate.press()
      }
      const succeed = (call: Pick<Call, 'isAborted' | 'abortReason'>, rows: number, startedAt: number): void => {
        const now = clock.now()
        look(now)
        // The answer came too late for a limit farther out: too much. For a caller who just left: nothing.
        if (!call.isAborted) estimate.succeed({ rows, startedAt, endedAt: now, inFlight: door.calls })
        else if (outcomeOf(call.abortReason) === 'timeout') estimate.drop(now, door.calls)
        adjust(now)
      }
      const fail = (call: Pick<Call, 'isAborted' | 'abortReason'>, error: unknown): void => {
        const isTooMuch = call.isAborted ? outcomeOf(call.abortReason) === 'timeout' : isDropped(error)
        if (!isTooMuch) return
        const now = clock.now()
        look(now)
        estimate.drop(now, door.calls)
        adjust(now)
      }
      const started = (permit: number): number => (permit === 0 ? clock.now() : permit)

      return {
        describe: () => `adaptive-concurrency ${estimate.limit} at once now, ${limits.queue} waiting`,
        guard: {
          enter: (call) => started(door.enter(call, 1, 0)),
          refusal: () => door.refusal(1, 0),
          wait: async (call) => started(await door.wait(call, 1, 0)),
          pass: (startedAt, output, call) => {
            succeed(call, 1, startedAt)
            // The time to the reader's last part says more of the reader; the permit is held all the same.
            if (isStream(output)) return untilEnd(output, () => door.leave(1, 0))
            door.leave(1, 0)
            return output
          },
          fail: (_startedAt, error, call) => {
            fail(call, error)
            door.leave(1, 0)
          },
        },
        many: (next, inputs, batch) =>
          door.many(
            async (rows, run) => {
              const startedAt = clock.now()
              const answers = await next(rows, run)
              const failure = answers.find(isRowFailure)
              const first = batch.rows[0] as Call
              const caller = { isAborted: batch.isAborted, abortReason: first.abortReason }
              // A run in which any row was answered has run; one that failed as a whole has not.
              if (failure === undefined || answers.some((row) => !isRowFailure(row))) succeed(caller, inputs.length, startedAt)
              else fail(caller, failure.error)
              return answers
            },
            inputs,
            batch,
            0,
          ),
        close: () => {
          hosts.delete(host)
          if (hosts.size > 0) return
          door.close()
          loop?.close()
        },
      }
    })
  return Object.defineProperties(wrap, {
    limit: { get: () => estimate.limit, enumerable: true },
    inFlight: { get: () => gate?.calls ?? 0, enumerable: true },
    waiting: { get: () => gate?.waiting ?? 0, enumerable: true },
    export: { value: () => estimate.export() },
    restore: {
      value: (snapshot: LimitSnapshot) => {
        const { limit, baselineMs } = snapshot
        numberOption(`${owner} from a snapshot`, 'limit', limit, { min: 0 })
        if (!Array.isArray(baselineMs) || !baselineMs.every((ms) => typeof ms === 'number' && ms >= 0 && ms < Infinity)) throw new InvalidOptionError(`Cannot create ${owner} from a snapshot as \`baselineMs\` must be numbers of at least 0`)
        estimate.restore(snapshot)
        limits.calls = estimate.limit
        gate?.admit()
      },
    },
  }) as AdaptiveConcurrencyLayer
}

const saysTooMuch = (error: unknown): boolean => {
  if (hasCode(error, 'ERR_OUTRIGGER_TIMEOUT')) return true
  const status = (error as { readonly status?: unknown } | null | undefined)?.status
  return status === 429 || status === 503
}

const checked = (options: AdaptiveConcurrencyOptions): { readonly estimate: ConcurrencyLimit; readonly gateLimits: Gate['limits']; readonly given: SharedAdaptiveOptions['isDropped']; readonly loop: LoopWatch | undefined } => {
  const algorithm: unknown = options?.algorithm ?? 'gradient'
  if (algorithm !== 'gradient' && algorithm !== 'aimd') throw new InvalidOptionError(`Cannot create ${owner} as \`algorithm\` must be 'gradient' or 'aimd': current value is ${String(algorithm)}`)
  optionsObject(owner, options, [...shared, ...(algorithm === 'aimd' ? ['latencyMs', 'latencyMsPerRow', 'backoff'] : ['tolerance', 'smoothing'])])
  const min = numberOption(owner, 'min', options.min ?? 1, { min: 1, integer: true })
  const max = numberOption(owner, 'max', options.max ?? Math.max(200, min), { min, max: 1_000_000, integer: true })
  const rule = {
    min,
    max,
    initial: numberOption(owner, 'initial', options.initial ?? Math.max(min, Math.min(20, max)), { min, max, integer: true }),
    windowMs: numberOption(owner, 'windowMs', options.windowMs ?? 500, { min: 1 }),
  }
  const estimate =
    options.algorithm === 'aimd'
      ? new AimdLimit({
          ...rule,
          latencyMs: numberOption(owner, 'latencyMs', options.latencyMs ?? Infinity, { min: 0, exclusive: true, infinite: true }),
          latencyMsPerRow: numberOption(owner, 'latencyMsPerRow', options.latencyMsPerRow ?? 0, { min: 0 }),
          backoff: numberOption(owner, 'backoff', options.backoff ?? 0.9, { min: 0.1, max: 0.99 }),
        })
      : new GradientLimit({
          ...rule,
          tolerance: numberOption(owner, 'tolerance', options.tolerance ?? 1.5, { min: 1 }),
          smoothing: numberOption(owner, 'smoothing', options.smoothing ?? 0.2, { min: 0, exclusive: true, max: 1 }),
        })
  return {
    estimate,
    gateLimits: {
      calls: rule.initial,
      rows: Infinity,
      bytes: Infinity,
      queue: numberOption(owner, 'queue', options.queue ?? 0, { min: 0, integer: true }),
      maxWaitMs: options.maxWaitMs === undefined ? undefined : numberOption(owner, 'maxWaitMs', options.maxWaitMs, { min: 0, max: 2 ** 31 - 1, exclusive: true }),
    },
    given: functionOption(owner, 'isDropped', options.isDropped),
    loop: options.eventLoop === undefined ? undefined : new LoopWatch(owner, options.eventLoop),
  }
}
