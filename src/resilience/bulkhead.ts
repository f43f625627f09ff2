import type { Call } from '../core/call.js'
import { OutriggerError, rejection } from '../core/errors.js'
import { mustWait } from '../core/fuse.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { numberOption, optionsObject } from '../core/options.js'
import { failRows } from '../core/rows.js'
import { isStream, untilEnd } from '../core/streams.js'

/** Options of {@link bulkhead}. */
export interface BulkheadOptions {
  /** So many calls run at once; a batch counts as one. */
  readonly concurrency: number
  /** So many calls wait for their turn, first come, first served. @default 0 */
  readonly queue?: number
}

interface Waiter {
  readonly enter: () => void
  readonly refuse: (error: unknown) => void
}

/**
 * Bounds how many calls run at once, and how many wait.
 *
 * A call beyond both bounds is rejected with `ERR_OUTRIGGER_BULKHEAD_FULL` at once. A waiting call whose caller leaves
 * gives its place away and never reaches the model. A permit is held until the work has ended; for a stream until the
 * stream has.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when `concurrency` is no integer of at least 1, or `queue` none of at least 0
 * @example
 * ```ts
 * import { bulkhead, pipe } from 'outrigger'
 * const predict = pipe(async (x: number) => x, bulkhead({ concurrency: 1, queue: 1 }))
 * const results = await Promise.allSettled([predict(1), predict(2), predict(3)])
 * assert.deepEqual(results.map((result) => result.status), ['fulfilled', 'fulfilled', 'rejected'])
 * ```
 */
export const bulkhead = (options: BulkheadOptions): NeutralLayer => {
  optionsObject('a bulkhead', options, ['concurrency', 'queue'])
  const concurrency = numberOption('a bulkhead', 'concurrency', options.concurrency, { min: 1, integer: true })
  const queue = numberOption('a bulkhead', 'queue', options.queue ?? 0, { min: 0, integer: true })

  return (inner) =>
    applyGuard(inner, 'bulkhead', ({ clock }) => {
      const waiting = new Set<Waiter>()
      let running = 0

      const leave = (): void => {
        for (const next of waiting) {
          waiting.delete(next)
          next.enter()
          return
        }
        running -= 1
      }
      const full = (): OutriggerError =>
        rejection('ERR_OUTRIGGER_BULKHEAD_FULL', `Cannot call the model as ${concurrency} calls run and ${queue} wait: current value is ${running} running and ${waiting.size} waiting`, { running, waiting: waiting.size })

      /** Waits for a permit; rejects when the caller leaves before. */
      const turn = (calls: readonly Call[], isAborted: () => boolean): Promise<void> => {
        const startedAt = calls[0]?.startedAt === undefined ? 0 : clock.now()
        return new Promise((resolve, reject) => {
          let stops: (() => void)[] = []
          const done = (): void => {
            for (const stop of stops) stop()
            if (calls[0]?.startedAt !== undefined) for (const call of calls) call.note().queueMs = clock.now() - startedAt
          }
          const waiter: Waiter = {
            enter: () => {
              done()
              resolve()
            },
            refuse: (error) => {
              waiting.delete(waiter)
              done()
              reject(error as Error)
            },
          }
          waiting.add(waiter)
          stops = calls.map((call) =>
            call.onAbort((reason) => {
              if (waiting.has(waiter) && isAborted()) waiter.refuse(abortErrorOf(reason))
            }),
          )
        })
      }

      return {
        describe: () => `bulkhead ${concurrency} at once${queue > 0 ? `, ${queue} waiting` : ''}`,
        guard: {
          enter: () => {
            if (running < concurrency) running += 1
            else if (waiting.size >= queue) throw full()
            else return mustWait
            return 0
          },
          wait: async (call) => {
            await turn([call], () => call.isAborted)
            return 0
          },
          pass: (_permit, output) => {
            if (isStream(output)) return untilEnd(output, leave)
            leave()
            return output
          },
          fail: leave,
        },
        many: async (next, inputs, batch) => {
          if (running < concurrency) running += 1
          else if (waiting.size >= queue) return failRows(inputs.length, full())
          else {
            try {
              await turn(batch.rows, () => batch.isAborted)
            } catch (error) {
              return failRows(inputs.length, error)
            }
          }
          const rows = await next(inputs, batch)
          leave()
          return rows
        },
        close: () => {
          const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot wait for a permit as the bulkhead is closed')
          for (const waiter of waiting) waiter.refuse(closed)
        },
      }
    })
}
