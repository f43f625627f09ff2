import type { Call } from '../core/call.js'
import { Deadlines } from '../core/deadlines.js'
import { OutriggerError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { numberOption, optionsObject } from '../core/options.js'
import { failRows } from '../core/rows.js'
import { discardStream, isStream, untilEnd } from '../core/streams.js'

/** A timer of Node that is longer fires at once. */
const longestMs = 2 ** 31 - 1

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /** The longest time what is inside may take, in milliseconds; above 0, at most 2³¹ − 1 (24 days). */
  readonly ms: number
  /** A batch may take so much longer for each row, in milliseconds. @default 0 */
  readonly msPerRow?: number
}

/**
 * Rejects a call that takes too long, and aborts what it abandons.
 *
 * At the limit the caller gets `ERR_OUTRIGGER_TIMEOUT` at once, and the signal of what is inside fires; a model that
 * looks at `call.signal` can stop. What the abandoned work does later changes nothing any more, but its leases are
 * held until it ends. Nothing is aborted after success. All calls share one timer; a call costs one clock read.
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
  optionsObject('a timeout', options, ['ms', 'msPerRow'])
  const ms = numberOption('a timeout', 'ms', options.ms, { min: 0, max: longestMs, exclusive: true })
  const msPerRow = numberOption('a timeout', 'msPerRow', options.msPerRow ?? 0, { min: 0 })

  return (inner) =>
    applyLayer(inner, 'timeout', ({ clock }) => {
      const deadlines = new Deadlines(clock, ms)
      return {
        trusted: true,
        describe: () => `timeout ${ms} ms${msPerRow > 0 ? ` + ${msPerRow} ms per row` : ''}`,

        one: (next, input, call) => {
          const attempt = call.fork()
          const answer = new Promise<never>(capture)
          const resolve = captured.resolve as (output: unknown) => void
          const { reject } = captured
          const deadline = deadlines.add(() => {
            const error = timeoutError(ms)
            call.attempts += attempt.attempts
            reject(error)
            attempt.abort(error)
          })
          attempt.deadline = deadline.expiresAt
          next(input, attempt).then(
            (output) => {
              const isLate = deadline.expire === undefined
              if (!isLate) {
                deadlines.remove(deadline)
                call.adopt(attempt)
              }
              if (isStream(output)) {
                const held = untilEnd(output, () => attempt.end())
                if (isLate) discardStream(held)
                else resolve(held)
                return
              }
              attempt.end()
              resolve(output)
            },
            (error: unknown) => {
              if (deadline.expire !== undefined) {
                deadlines.remove(deadline)
                call.adopt(attempt)
              }
              attempt.end()
              reject(error)
            },
          )
          return answer
        },

        many: (next, inputs, batch) => {
          const limitMs = Math.min(longestMs, ms + msPerRow * inputs.length)
          const attempt = batch.fork()
          return new Promise((resolve) => {
            let over = false
            const expire = (): void => {
              over = true
              const error = timeoutError(limitMs)
              batch.rows.forEach((call, index) => (call.attempts += (attempt.rows[index] as Call).attempts))
              resolve(failRows(inputs.length, error))
              attempt.abort(error)
            }
            // Limits of other lengths cannot share the queue; a batch has a timer of its own then.
            const deadline = msPerRow === 0 ? deadlines.add(expire) : undefined
            const timer = deadline === undefined ? clock.setTimeout(expire, limitMs) : undefined
            const expiresAt = deadline?.expiresAt ?? clock.now() + limitMs
            for (const call of attempt.rows) call.deadline = expiresAt
            void next(inputs, attempt).then((rows) => {
              if (deadline !== undefined) deadlines.remove(deadline)
              if (timer !== undefined) clock.clearTimeout(timer)
              if (!over) batch.adopt(attempt)
              attempt.end()
              resolve(rows)
            })
          })
        },

        close: () => deadlines.close(),
      }
    })
}

// What `Promise.withResolvers` does, which Node 20 has not: an executor that every promise shares costs a call no closure.
const captured: { resolve: (output: never) => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} }
const capture = (resolve: (output: never) => void, reject: (error: unknown) => void): void => {
  captured.resolve = resolve
  captured.reject = reject
}

const timeoutError = (ms: number): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the model any longer as its limit has passed: current value of the limit is ${ms} ms`, { timeoutMs: ms })
