import type { BatchCall, Call } from '../core/call.js'
import type { Timer } from '../core/clock.js'
import { Deadlines, type Deadline } from '../core/deadlines.js'
import { OutriggerError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { numberOption, optionsObject } from '../core/options.js'
import { failRows, isRowFailure, RowFailure } from '../core/rows.js'
import { discardStream, isStream, untilEnd } from '../core/streams.js'

/** A timer of Node that is longer fires at once. */
const longestMs = 2 ** 31 - 1

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /** The longest time what is inside may take, in milliseconds; above 0, at most 2³¹ − 1 (24 days). */
  readonly ms: number
  /** A batch may take so much longer for each row, in milliseconds. @default 0 */
  readonly msPerRow?: number
  /**
   * At the limit the model is only told to stop, and has so much longer to do so, in milliseconds; what it answers then
   * is the answer. `Infinity` waits for as long as it takes.
   * @default 0, which rejects at the limit
   */
  readonly graceMs?: number
}

/**
 * Rejects a call that takes too long, and aborts what it abandons.
 *
 * At the limit the caller gets `ERR_OUTRIGGER_TIMEOUT` at once, and the signal of what is inside fires; a model that
 * looks at `call.signal` can stop. What the abandoned work does later changes nothing any more, but its leases are
 * held until it ends. Nothing is aborted after success. All calls share one timer; a call costs one clock read.
 *
 * A call whose deadline is nearer has that limit instead, and one whose deadline has passed is rejected without asking
 * the model. With `graceMs` the signal fires at the limit and the caller is told when the model has stopped.
 *
 * A limit bounds the wait, not the work: a model that ignores the signal runs on. Put `bulkhead` inside of `timeout`
 * to bound the work as well.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when `ms` is not above 0
 * @example
 * ```ts
 * import { pipe, timeout } from 'outrigger'
 * let stopped = false
 * const predict = pipe(
 *   (x: number, call) => new Promise<number>((_, reject) => {
 *     call.signal.addEventListener('abort', () => {
 *       stopped = true
 *       reject(call.signal.reason)
 *     })
 *   }),
 *   timeout({ ms: 5 }),
 * )
 * await assert.rejects(predict(1), { code: 'ERR_OUTRIGGER_TIMEOUT' })
 * assert.equal(stopped, true)
 * ```
 */
export const timeout = (options: TimeoutOptions): NeutralLayer => {
  optionsObject('a timeout', options, ['ms', 'msPerRow', 'graceMs'])
  const ms = numberOption('a timeout', 'ms', options.ms, { min: 0, max: longestMs, exclusive: true })
  const msPerRow = numberOption('a timeout', 'msPerRow', options.msPerRow ?? 0, { min: 0 })
  const graceMs = numberOption('a timeout', 'graceMs', options.graceMs ?? 0, { min: 0, infinite: true })

  return (inner) =>
    applyLayer(inner, 'timeout', ({ clock }) => {
      const deadlines = new Deadlines(clock, ms)
      /** Gives a limit a timer of its own. One that is longer than a timer can be is none. */
      const arm = (limit: Limit, delayMs: number, expire: () => void): void => {
        limit.expire = () => {
          limit.expire = undefined
          expire()
        }
        if (delayMs <= longestMs) limit.timer = clock.setTimeout(limit.expire, delayMs)
      }
      /** Ends a limit, and says whether the work has ended before it did. */
      const isInTime = (limit: Limit): boolean => {
        if (limit.expire === undefined) return false
        if (limit.timer !== undefined) clock.clearTimeout(limit.timer)
        else if (limit.error === undefined) deadlines.remove(limit)
        limit.expire = undefined
        return true
      }
      /**
       * Begins the limit of a call that is due at `due`. At the limit `giveUp` is called, or at the end of the grace that
       * is left. Gives `undefined` when no time is left.
       */
      const begin = (limitMs: number, due: number, attempt: Call | BatchCall, giveUp: (error: OutriggerError) => void): Limit | undefined => {
        const expire = (): void => {
          const error = (limit.error = timeoutError(limitMs))
          const leftMs = Math.min(graceMs, due - limit.expiresAt)
          if (leftMs > 0) arm(limit, leftMs, () => giveUp(error))
          else giveUp(error)
          attempt.abort(error)
        }
        const isShared = limitMs === ms
        // The queue has read the clock: one read per call is enough.
        const limit: Limit = isShared ? deadlines.add(expire) : { expiresAt: clock.now() + limitMs, expire, before: undefined, after: undefined }
        const leftMs = limitMs + Math.min(0, due - limit.expiresAt)
        if (isShared && leftMs === ms) return limit
        // What is not as long as the others cannot share their queue.
        if (isShared) deadlines.remove(limit)
        if (leftMs <= 0) return undefined
        arm(limit, leftMs, expire)
        return limit
      }

      return {
        trusted: true,
        describe: () => `timeout ${ms} ms${msPerRow > 0 ? ` + ${msPerRow} ms per row` : ''}${graceMs > 0 ? `, ${graceMs} ms to stop` : ''}`,

        one: (next, input, call) => {
          const attempt = call.fork()
          const answer = new Promise<never>(capture)
          const resolve = captured.resolve as (output: unknown) => void
          const { reject } = captured
          const limit = begin(ms, call.deadline, attempt, (error) => {
            call.attempts += attempt.attempts
            reject(error)
          })
          if (limit === undefined) {
            attempt.end()
            reject(timeoutError(0))
            return answer
          }
          attempt.deadline = limit.expiresAt
          next(input, attempt).then(
            (output) => {
              if (isInTime(limit)) call.adopt(attempt)
              if (isStream(output)) {
                const held = untilEnd(output, () => attempt.end())
                if (limit.error === undefined) return resolve(held)
                // A stream that was told to stop is none any more.
                discardStream(held)
                return reject(limit.error)
              }
              attempt.end()
              resolve(output)
            },
            (error: unknown) => {
              if (isInTime(limit)) call.adopt(attempt)
              attempt.end()
              reject(limit.error ?? error)
            },
          )
          return answer
        },

        many: (next, inputs, batch) => {
          const attempt = batch.fork()
          return new Promise((resolve) => {
            const limit = begin(Math.min(longestMs, ms + msPerRow * inputs.length), batch.deadline, attempt, (error) => {
              batch.rows.forEach((call, index) => (call.attempts += (attempt.rows[index] as Call).attempts))
              resolve(failRows(inputs.length, error))
            })
            if (limit === undefined) {
              attempt.end()
              resolve(failRows(inputs.length, timeoutError(0)))
              return
            }
            for (const call of attempt.rows) call.deadline = limit.expiresAt
            void next(inputs, attempt).then((rows) => {
              if (isInTime(limit)) batch.adopt(attempt)
              attempt.end()
              const failure = limit.error && new RowFailure(limit.error)
              resolve(failure === undefined ? rows : rows.map((row) => (isRowFailure(row) ? failure : row)))
            })
          })
        },

        close: () => deadlines.close(),
      }
    })
}

/** A limit in the queue, or one with a timer of its own. */
interface Limit extends Deadline {
  timer?: Timer
  /** There from the limit on, when the model has been told to stop. */
  error?: OutriggerError
}

// What `Promise.withResolvers` does, which Node 20 has not: an executor that every promise shares costs a call no closure.
const captured: { resolve: (output: never) => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} }
const capture = (resolve: (output: never) => void, reject: (error: unknown) => void): void => {
  captured.resolve = resolve
  captured.reject = reject
}

const timeoutError = (ms: number): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the model any longer as its limit has passed: current value of the limit is ${ms} ms`, { timeoutMs: ms })
