import pRetry from 'p-retry'
import type { Call } from '../core/call.js'
import type { Clock } from '../core/clock.js'
import { hasCode, outcomeOf } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { InvalidOptionError } from '../core/errors.js'
import { isRowFailure, pick, type Row, type RowFailure } from '../core/rows.js'
import { backoffDelay, type Jitter } from '../policy/backoff.js'
import { guarded } from './_guarded.js'

/** Options of {@link retry}. */
export interface RetryOptions {
  /** Asks the model at most so many times more. */
  readonly retries: number
  /** The wait before the first retry, in milliseconds. @default 50 */
  readonly minDelayMs?: number
  /** No wait is longer, in milliseconds. @default 2000 */
  readonly maxDelayMs?: number
  /** The wait grows by this factor with each retry; at least 1. @default 2 */
  readonly factor?: number
  /** @default 'full' */
  readonly jitter?: Jitter
  /**
   * Whether an error may pass when asked again.
   * @default errors and timeouts may; what a caller aborted, what was rejected (an open circuit, a full bulkhead), and
   * invalid inputs may not
   */
  readonly retryIf?: (error: unknown) => boolean
}

/** A timer of Node that is longer fires at once. */
const longestMs = 2 ** 31 - 1

const known = ['retries', 'minDelayMs', 'maxDelayMs', 'factor', 'jitter', 'retryIf'] as const

/**
 * Asks a model again when it failed, after a growing wait.
 *
 * The waits are on the stack's clock and end at once when the caller leaves. It gives up, with the last error, when
 * the retries are used up, when the next wait would pass the call's deadline, and for calls with `idempotent: false`.
 * A batch asks again only for the rows that failed. The engine is p-retry; it is entered after the first failure.
 *
 * Keep it near the model and have only one: attempts of nested retries multiply.
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
  const backoff = {
    minDelayMs,
    maxDelayMs: numberOption('a retry', 'maxDelayMs', options.maxDelayMs ?? Math.max(2000, minDelayMs), { min: minDelayMs, max: longestMs }),
    factor: numberOption('a retry', 'factor', options.factor ?? 2, { min: 1 }),
    jitter: options.jitter ?? 'full',
  }
  if (backoff.jitter !== 'none' && backoff.jitter !== 'full') throw new InvalidOptionError(`Cannot create a retry as \`jitter\` must be 'none' or 'full': current value is ${String(options.jitter)}`)
  const given = functionOption('a retry', 'retryIf', options.retryIf)

  return (inner) =>
    applyGuard(inner, 'retry', (host) => {
      const { clock, random } = host
      const retryIf = guarded(host, 'retryIf', given, mayPass)
      /** Runs the attempts after the first. `attempt` throws a {@link Failed} as long as something may be asked again. */
      const again = <T>(calls: () => readonly Call[], attempt: () => Promise<T>, first: Failed): Promise<T> => {
        let last = first
        return pRetry(
          async (number) => {
            const waiting = calls()
            const delayMs = backoffDelay(backoff, number, random)
            if (waiting.every((call) => call.deadline <= clock.now() + delayMs)) throw new Failed(last.error, true)
            if (delayMs > 0) await pause(clock, delayMs, waiting)
            if (waiting.every((call) => call.isAborted)) throw new Failed(abortErrorOf(waiting[0]?.abortReason), true)
            try {
              return await attempt()
            } catch (error) {
              last = error instanceof Failed ? error : new Failed(error, !retryIf(error))
              throw last
            }
          },
          { retries: retries - 1, minTimeout: 0, factor: 1, shouldRetry: ({ error }) => !(error as Failed).isFinal },
        )
      }

      return {
        traits: { retries: true, mayRetryRejections: given !== undefined },
        describe: () => `retry up to ${retries} more`,
        guard: {
          recover: (error, input, call, next) =>
            call.isIdempotent && !call.isAborted && retryIf(error) ? again(() => [call], () => next(input, call), new Failed(error, false)).catch(unpack) : undefined,
        },
        many: async (next, inputs, batch) => {
          const rows = await next(inputs, batch)
          const open = (): number[] => rows.flatMap((row, index) => (isRowFailure(row) && mayAsk(row, batch.rows[index] as Call) ? [index] : []))
          const mayAsk = (row: RowFailure, call: Call): boolean => call.isIdempotent && !call.isAborted && retryIf(row.error)
          let indices = open()
          if (indices.length === 0) return rows
          try {
            await again(
              () => batch.pick(indices).rows,
              async () => {
                const answers: Row<unknown>[] = await next(pick(inputs, indices), batch.pick(indices))
                indices.forEach((index, position) => (rows[index] = answers[position] as never))
                indices = open()
                if (indices.length > 0) throw new Failed((rows[indices[0] as number] as RowFailure).error, false)
              },
              new Failed((rows[indices[0] as number] as RowFailure).error, false),
            )
          } catch (failed) {
            if (!(failed instanceof Failed)) throw failed
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

  constructor(error: unknown, isFinal: boolean) {
    super('attempt failed')
    this.error = error
    this.isFinal = isFinal
  }
}

const unpack = (failed: unknown): never => {
  throw failed instanceof Failed ? failed.error : failed
}

const mayPass = (error: unknown): boolean => {
  const outcome = outcomeOf(error)
  return (outcome === 'error' || outcome === 'timeout') && !hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT')
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
