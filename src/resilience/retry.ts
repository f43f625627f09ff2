import pRetry from 'p-retry'
import type { Call } from '../core/call.js'
import type { Clock } from '../core/clock.js'
import { hasCode, InvalidOptionError, outcomeOf } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { functionOption, membersOption, numberOption, optionsObject } from '../core/options.js'
import { isRowFailure, pick, type Row, type RowFailure } from '../core/rows.js'
import { backoffDelay, type Jitter } from '../policy/backoff.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { retryAfterOf } from '../policy/retry-after.js'
import { guarded } from './guarded.js'

/** Options of {@link retry}. */
export interface RetryOptions {
  /** Asks the model at most so many times more. */
  readonly retries: number
  /** The wait before the first retry, in milliseconds. @default 50 */
  readonly minDelayMs?: number
  /** No wait is longer, in milliseconds. @default 2000, or `minDelayMs` if that is more */
  readonly maxDelayMs?: number
  /** The wait grows by this factor with each retry; at least 1. @default 2 */
  readonly factor?: number
  /** `decorrelated` grows by itself, without `factor`. @default 'full' */
  readonly jitter?: Jitter
  /**
   * Whether an error may pass when asked again.
   * @default errors and timeouts may; what a caller aborted, what was rejected (an open circuit, a full bulkhead),
   * invalid inputs, and errors with `retryable: false` may not
   */
  readonly retryIf?: (error: unknown) => boolean
  /**
   * How long an error asks to wait, in milliseconds; `undefined` when it does not say. Asked longer than `maxDelayMs`,
   * or past the call's deadline, the retry gives up at once.
   * @default `retryAfterMs`, `retryAfter` or the header `retry-after` of the error, its `headers` or its `response`
   */
  readonly retryAfterMs?: (error: unknown) => number | undefined
  /** The service's budget of extra work, asked before each retry, for each row of a batch. @default no limit but `retries` */
  readonly budget?: ExtraWorkBudget
}

/** A timer of Node that is longer fires at once. */
const longestMs = 2 ** 31 - 1

/** A budget that has just run dry allows a retry now and then; only after so long without a refusal it is said to be back. */
const quietMs = 10_000

const known = ['retries', 'minDelayMs', 'maxDelayMs', 'factor', 'jitter', 'retryIf', 'retryAfterMs', 'budget'] as const
const jitters: readonly unknown[] = ['none', 'full', 'decorrelated'] satisfies Jitter[]

/**
 * Asks a model again when it failed, after a growing wait.
 *
 * The waits are on the stack's clock and end at once when the caller leaves. It gives up, with the last error, when
 * the retries are used up, when the next wait would pass the call's deadline, when the budget of extra work is spent,
 * and for calls with `idempotent: false`. An error that says when to come back (`Retry-After`) is waited for.
 * A batch asks again only for the rows that failed. The engine is p-retry; it is entered after the first failure.
 *
 * Keep it near the model and have only one: attempts of nested retries multiply. `pipe` warns of a second one, also in a
 * borrowed predictor, in a rung of a fallback and in a variant of a split.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe, retry } from 'outrigger'
 * let asked = 0
 * const flaky = async (x: number): Promise<number> => {
 *   asked += 1
 *   if (asked < 3) throw new Error('not yet')
 *   return x
 * }
 * const predict = pipe(flaky, retry({ retries: 2, minDelayMs: 1 }))
 * const { output, record } = await predict.detailed(7)
 * assert.deepEqual([output, record.attempts], [7, 3])
 * ```
 */
export const retry = (options: RetryOptions): NeutralLayer => {
  optionsObject('a retry', options, known)
  const retries = numberOption('a retry', 'retries', options.retries, { min: 1, max: 100, integer: true })
  const minDelayMs = numberOption('a retry', 'minDelayMs', options.minDelayMs ?? 50, { min: 0, max: longestMs })
  const maxDelayMs = numberOption('a retry', 'maxDelayMs', options.maxDelayMs ?? Math.max(2000, minDelayMs), { min: minDelayMs, max: longestMs })
  const { jitter = 'full', budget } = options
  const backoff = { minDelayMs, maxDelayMs, factor: numberOption('a retry', 'factor', options.factor ?? 2, { min: 1 }), jitter }
  if (!jitters.includes(jitter)) throw new InvalidOptionError(`Cannot create a retry as \`jitter\` must be one of ${jitters.join(', ')}: current value is ${String(jitter)}`)
  const given = functionOption('a retry', 'retryIf', options.retryIf)
  const readRetryAfter = functionOption('a retry', 'retryAfterMs', options.retryAfterMs ?? retryAfterOf)
  if (budget !== undefined) membersOption('a retry', 'budget', budget, ['meter'])

  return (inner) =>
    applyGuard(inner, 'retry', (host) => {
      const { clock, random, emit } = host
      const meter = budget?.meter()
      let state = 'retrying'
      let refusedAt = 0
      const retryIf = guarded(host, 'retryIf', given, mayPass)
      /** How long an error asks to wait; 0 when it does not say, or makes no sense. */
      const asksFor = (error: unknown): number => {
        try {
          const askedMs = readRetryAfter(error, () => clock.wall()) ?? 0
          return askedMs > 0 ? askedMs : 0
        } catch (thrown) {
          emit({ type: 'notice', message: '`retryAfterMs` threw; no wait was asked for.', error: thrown })
          return 0
        }
      }
      const mayAsk = (error: unknown, call: Call): boolean => call.isIdempotent && !call.isAborted && retryIf(error) && asksFor(error) <= maxDelayMs

      /**
       * Whether the budget allows to ask for these calls again. That it begins to refuse is an event, and that it has not for
       * a while; the record of a call says that it was refused.
       */
      const isAllowed = (calls: readonly Call[]): boolean => {
        if (meter === undefined) return true
        const now = clock.now()
        const allowed = meter.spend(calls.length, now)
        const to = allowed ? 'retrying' : 'refusing'
        if (to !== state && (!allowed || now - refusedAt >= quietMs)) {
          emit({ type: 'state', subject: inner.identity.name, from: state, to, reason: 'the budget of extra work', data: { ...budget?.counts } })
          state = to
        }
        if (!allowed) {
          refusedAt = now
          for (const call of calls) call.mark('retry-refused')
        }
        return allowed
      }

      /**
       * Runs the attempts after the first. `waiting` gives the calls that may wait until then, and `attempt` throws a
       * {@link Failed} as long as something may be asked again.
       */
      const again = <T>(waiting: (until: number) => readonly Call[], attempt: () => Promise<T>, first: Failed): Promise<T> => {
        let last = first
        let delayMs: number | undefined
        return pRetry(
          async (number) => {
            delayMs = backoffDelay(backoff, number, random, delayMs)
            const waitMs = Math.min(maxDelayMs, last.afterMs + delayMs)
            const calls = waiting(clock.now() + waitMs)
            if (calls.length === 0 || !isAllowed(calls)) throw new Failed(last.error, true)
            if (waitMs > 0) await pause(clock, waitMs, calls)
            if (calls.every((call) => call.isAborted)) throw new Failed(abortErrorOf(calls[0]?.abortReason), true)
            try {
              return await attempt()
            } catch (error) {
              throw (last = error as Failed)
            }
          },
          { retries: retries - 1, minTimeout: 0, factor: 1, shouldRetry: ({ error }) => !(error as Failed).isFinal },
        )
      }

      return {
        traits: { retries: true, mayRetryRejections: given !== undefined },
        describe: () => `retry up to ${retries} more`,
        guard: {
          ...(meter !== undefined && { enter: () => (meter.seen(1), 0) }),
          recover: (error, input, call, next) => {
            if (!mayAsk(error, call)) return undefined
            const failed = (thrown: unknown): never => {
              throw new Failed(thrown, !mayAsk(thrown, call), asksFor(thrown))
            }
            return again((until) => (call.deadline > until ? [call] : []), () => next(input, call).catch(failed), new Failed(error, false, asksFor(error))).catch(unpack)
          },
        },
        many: async (next, inputs, batch) => {
          meter?.seen(inputs.length)
          const rows = await next(inputs, batch)
          const callOf = (index: number): Call => batch.rows[index] as Call
          const errorOf = (index: number): unknown => (rows[index] as RowFailure).error
          /** The rows to ask for again. */
          let open = rows.flatMap((row, index) => (isRowFailure(row) && mayAsk(row.error, callOf(index)) ? [index] : []))
          const failed = (): Failed => new Failed(errorOf(open[0] as number), false, open.reduce((most, index) => Math.max(most, asksFor(errorOf(index))), 0))
          if (open.length === 0) return rows
          try {
            await again(
              (until) => (open = open.filter((index) => callOf(index).deadline > until)).map(callOf),
              async () => {
                open = open.filter((index) => !callOf(index).isAborted)
                const answers: Row<unknown>[] = await next(pick(inputs, open), batch.pick(open))
                open.forEach((index, position) => (rows[index] = answers[position] as never))
                open = open.filter((index) => isRowFailure(rows[index]) && mayAsk(errorOf(index), callOf(index)))
                if (open.length > 0) throw failed()
              },
              failed(),
            )
          } catch (error) {
            if (!(error instanceof Failed)) throw error
            // The rows that are left keep the failure of their last attempt.
          }
          return rows
        },
      }
    })
}

/** Carries what was thrown through p-retry, which would refuse to retry a `TypeError` and wrap what is no `Error`. */
class Failed extends Error {
  readonly error: unknown
  readonly isFinal: boolean
  /** How long the error asks to wait. */
  readonly afterMs: number

  constructor(error: unknown, isFinal: boolean, afterMs = 0) {
    super('attempt failed')
    this.error = error
    this.isFinal = isFinal
    this.afterMs = afterMs
  }
}

const unpack = (failed: unknown): never => {
  throw failed instanceof Failed ? failed.error : failed
}

const mayPass = (error: unknown): boolean => {
  const outcome = outcomeOf(error)
  return (outcome === 'error' || outcome === 'timeout') && !hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT') && (error as { readonly retryable?: unknown } | null | undefined)?.retryable !== false
}

/** Waits on the clock; ends early when every call was aborted. The timer is awaited, so it keeps the process alive. */
const pause = (clock: Clock, ms: number, calls: readonly Call[]): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clock.clearTimeout(timer)
      for (const stop of stops) stop()
      resolve()
    }
    const timer = clock.setTimeout(done, ms)
    let stops: (() => void)[] = []
    stops = calls.map((call) =>
      call.onAbort(() => {
        if (calls.every((one) => one.isAborted)) done()
      }),
    )
  })
