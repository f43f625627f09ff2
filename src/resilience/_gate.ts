/** Permits, and waiting for them: what a bulkhead and an adaptive limit have in common. */
import type { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import type { Clock } from '../core/clock.js'
import { Deadlines } from '../core/deadlines.js'
import { OutriggerError, rejection, type ErrorCode } from '../core/errors.js'
import { mustWait, refused } from '../core/fuse.js'
import type { NextBatch } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { failRows, type Row } from '../core/rows.js'
import { isStream, untilEnd } from '../core/streams.js'
import { PriorityQueue, type Waiting } from '../policy/priority-queue.js'

/** What a gate lets in. */
export interface GateLimits {
  calls: number
  readonly rows: number
  readonly bytes: number
  /** So many can wait. */
  readonly queue: number
  /** Nobody waits longer, in milliseconds. */
  readonly maxWaitMs: number | undefined
}

interface Waiter extends Waiting {
  readonly work: Call | BatchCall
  readonly rows: number
  readonly bytes: number
  enter(permit: number): void
  refuse(error: unknown): void
}

/** How a call ranks among those who wait: a scoring job's stand ten levels lower. */
const rankOf = (call: Call): number => call.priority - (call.isBatchWork ? 10 : 0)

/** Lets calls in as long as there is room; the others wait by priority. */
export class Gate {
  /** What is in flight. */
  calls = 0
  rows = 0
  bytes = 0
  readonly limits: GateLimits
  readonly #clock: Clock
  readonly #code: ErrorCode
  readonly #line: PriorityQueue<Waiter>
  readonly #deadlines: Deadlines | undefined

  /** @param code - of those who are turned away */
  constructor(clock: Clock, limits: GateLimits, code: ErrorCode) {
    this.#clock = clock
    this.limits = limits
    this.#code = code
    this.#line = new PriorityQueue(limits.queue)
    if (limits.maxWaitMs !== undefined) this.#deadlines = new Deadlines(clock, limits.maxWaitMs)
  }

  get waiting(): number {
    return this.#line.size
  }

  /** Gives `bytes` as the permit, or says that the call has to wait, or is refused. */
  enter(call: Call, rows: number, bytes: number): number {
    if (this.#line.size === 0 && this.#hasRoom(rows, bytes)) return this.#take(1, rows, bytes)
    return this.#isTooLarge(rows, bytes) || !this.#line.admits(rankOf(call)) ? refused : mustWait
  }

  /** Gives back what a call held, and lets in those whose turn it is. */
  leave(rows: number, bytes: number): void {
    this.#take(-1, -rows, -bytes)
    if (this.#line.size > 0) this.admit()
  }

  /** The error of a call that was refused. */
  refusal(rows: number, bytes: number): Error {
    return this.#error(this.#isTooLarge(rows, bytes) ? 'it is larger than the whole limit' : 'everything is taken')
  }

  /** Waits for a permit; rejects when all callers leave before, when somebody higher takes the place, and when it takes too long. */
  wait(work: Call | BatchCall, rows: number, bytes: number): Promise<number> {
    const calls = 'rows' in work ? work.rows : [work]
    const since = calls[0]?.isTimed === true ? this.#clock.now() : undefined
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = []
      const done = (): void => {
        for (const stop of stops) stop()
        if (since !== undefined) for (const call of calls) call.waited(this.#clock.now() - since)
      }
      const waiter: Waiter = { place: 0, work, rows, bytes, enter: (permit) => (done(), resolve(permit)), refuse: (error) => (done(), reject(error as Error)) }
      const leave = (error: unknown): void => {
        if (!this.#line.remove(waiter)) return
        waiter.refuse(error)
        this.admit()
      }
      this.#line.add(waiter, rankOf(calls[0] as Call))?.refuse(this.#error('a call of higher priority took its place'))
      const deadlines = this.#deadlines
      if (deadlines !== undefined) {
        const deadline = deadlines.add(() => leave(this.#error('it has waited as long as it may')))
        stops.push(() => deadlines.remove(deadline))
      }
      let wanted = calls.length
      for (const call of calls) {
        stops.push(
          call.onAbort((reason) => {
            wanted -= 1
            if (wanted === 0) leave(abortErrorOf(reason))
          }),
        )
      }
      this.admit()
    })
  }

  /** The batch form: one permit for the run, until its last stream has ended. */
  async many<I, O>(next: NextBatch<I, O>, inputs: readonly I[], batch: BatchCall, bytes: number): Promise<Row<O>[]> {
    const size = inputs.length
    const permit = this.enter(batch.rows[0] as Call, size, bytes)
    if (permit === refused) return failRows(size, this.refusal(size, bytes))
    if (permit === mustWait) {
      try {
        await this.wait(batch, size, bytes)
      } catch (error) {
        return failRows(size, error)
      }
    }
    return untilRowsEnd(await next(inputs, batch), () => this.leave(size, bytes))
  }

  /** Lets in those whose turn it is. Whoever is first and finds no room holds up the others, or it would never get its turn. */
  admit(): void {
    for (let first = this.#line.first; first !== undefined && this.#hasRoom(first.rows, first.bytes); first = this.#line.first) {
      this.#line.shift()
      // The timer that ends the call may be late itself, when the loop was busy.
      const { deadline } = first.work
      if (deadline < Infinity && deadline <= this.#clock.now()) first.refuse(rejection('ERR_OUTRIGGER_TIMEOUT', 'Cannot call the model any more as the deadline passed while the call waited'))
      else first.enter(this.#take(1, first.rows, first.bytes))
    }
  }

  close(): void {
    const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot wait for a permit as the predictor is closed')
    for (let first = this.#line.shift(); first !== undefined; first = this.#line.shift()) first.refuse(closed)
    this.#deadlines?.close()
  }

  #take(calls: number, rows: number, bytes: number): number {
    this.calls += calls
    this.rows += rows
    this.bytes += bytes
    return bytes
  }

  #hasRoom(rows: number, bytes: number): boolean {
    const { limits } = this
    return this.calls < limits.calls && this.rows + rows <= limits.rows && this.bytes + bytes <= limits.bytes
  }

  #isTooLarge(rows: number, bytes: number): boolean {
    return rows > this.limits.rows || bytes > this.limits.bytes
  }

  #error(why: string): Error {
    const { calls: running, rows, bytes, waiting } = this
    return rejection(this.#code, `Cannot call the model as ${why}: current value is ${running} running and ${waiting} waiting`, { running, rows, bytes, waiting })
  }
}

/** Calls back when every stream among the rows has ended; at once when there is none. The array is the layer's own. */
export const untilRowsEnd = <R>(rows: R[], onEnd: () => void): R[] => {
  let open = 1
  const end = (): void => {
    open -= 1
    if (open === 0) onEnd()
  }
  rows.forEach((row, index) => {
    if (!isStream(row)) return
    open += 1
    rows[index] = untilEnd(row, end)
  })
  end()
  return rows
}
