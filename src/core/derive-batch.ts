/** The batch form of a layer that defines only the single form. */
import { BatchCall } from './batch-call.js'
import type { Call } from './call.js'
import { toError } from './model.js'
import { failRows, isRowFailure, RowFailure, type Row } from './rows.js'

interface Waiting<I, O> {
  readonly input: I
  readonly call: Call
  readonly resolve: (output: O) => void
  readonly reject: (error: unknown) => void
}

/**
 * Runs the single form of every row at once, and gathers what they ask of `next` into batches.
 *
 * A gathered batch leaves when every row either waits in it or has settled, and in any case when everything that is
 * due now has run, so that a row that waits for something else holds up nobody. Rows whose errors are the same
 * object share one failure, as they did before they passed.
 */
export const deriveMany =
  <I, O, I2, O2>(
    one: (next: (input: I, call: Call) => Promise<O>, input: I2, call: Call) => O2 | PromiseLike<O2>,
    next: (inputs: readonly I[], batch: BatchCall) => Promise<Row<O>[]>,
  ) =>
  async (inputs: readonly I2[], batch: BatchCall): Promise<Row<O2>[]> => {
    let busy = inputs.length
    let gathered: Waiting<I, O>[] = []
    let isScheduled = false

    const leave = async (): Promise<void> => {
      const group = gathered
      gathered = []
      if (group.length === 0) return
      let rows: readonly Row<O>[]
      try {
        rows = await next(
          group.map((waiting) => waiting.input),
          new BatchCall(batch.runtime, group.map((waiting) => waiting.call)),
        )
      } catch (error) {
        // It should not reject; were it to, the rows must not wait for ever.
        rows = failRows(group.length, error)
      }
      busy += group.length
      group.forEach((waiting, index) => {
        const row = rows[index] as Row<O>
        if (isRowFailure(row)) waiting.reject(row.error)
        else waiting.resolve(row)
      })
    }
    const pause = (): void => {
      busy -= 1
      if (gathered.length === 0) return
      if (busy === 0) void leave()
      else if (!isScheduled) {
        isScheduled = true
        batch.runtime.clock.setImmediate(() => {
          isScheduled = false
          void leave()
        })
      }
    }
    const gather = (input: I, call: Call): Promise<O> =>
      new Promise((resolve, reject) => {
        gathered.push({ input, call, resolve, reject })
        pause()
      })

    const failures = new Map<unknown, RowFailure>()
    const row = async (input: I2, call: Call): Promise<Row<O2>> => {
      try {
        return await one(gather, input, call)
      } catch (error) {
        const known = failures.get(error)
        if (known !== undefined) return known
        const failure = new RowFailure(toError(error))
        failures.set(error, failure)
        return failure
      } finally {
        pause()
      }
    }
    return await Promise.all(inputs.map((input, index) => row(input, batch.rows[index] as Call)))
  }
