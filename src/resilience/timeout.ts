import type { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import { capture, captured } from '../core/capture.js'
import type { Clock, Timer } from '../core/clock.js'
import { Deadlines, type Deadline } from '../core/deadlines.js'
import { OutriggerError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { numberOption, optionsObject } from '../core/options.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
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
      const limits: Limits = { clock, queue: new Deadlines(clock, ms), ms, graceMs }

      return {
        trusted: true,
        describe: () => `timeout ${ms} ms${msPerRow > 0 ? ` + ${msPerRow} ms per row` : ''}${graceMs > 0 ? `, ${graceMs} ms to stop` : ''}`,

        one: (next, input, call) => {
          const attempt = call.fork()
          const answer = new Promise<never>(capture)
          const limit = new CallLimit(limits, attempt, call, captured.resolve, captured.reject)
          if (!limit.begin(ms)) {
            attempt.end()
            limit.reject(timeoutError(0))
            return answer
          }
          attempt.deadline = limit.expiresAt
          next(input, attempt).then(
            (output) => limit.pass(output),
            (error: unknown) => limit.fail(error),
          )
          return answer
        },

        many: (next, inputs, batch) => {
          const attempt = batch.fork()
          return new Promise((resolve) => {
            const limit = new BatchLimit(limits, attempt, batch, (error) => resolve(failRows(inputs.length, error)))
            if (!limit.begin(Math.min(longestMs, ms + msPerRow * inputs.length))) {
              attempt.end()
              limit.reject(timeoutError(0))
              return
            }
            for (const call of attempt.rows) call.deadline = limit.expiresAt
            void next(inputs, attempt).then((rows) => resolve(limit.pass(rows)))
          })
        },

        close: () => limits.queue.close(),
      }
    })
}

/** What the limits of a layer share. */
interface Limits {
  readonly clock: Clock
  /** Holds those that are `ms` long. */
  readonly queue: Deadlines
  readonly ms: number
  readonly graceMs: number
}

/** The limit of a call or a run: an object and few closures, as every call makes one. */
abstract class Limit<W extends Call | BatchCall> implements Deadline {
  expiresAt = 0
  expire: (() => void) | undefined = onLimit
  before: Deadline | undefined = undefined
  after: Deadline | undefined = undefined
  /** There from the limit on, when the model has been told to stop. */
  error: OutriggerError | undefined = undefined
  /** Of a limit that cannot share the queue, as it is not as long as the others. */
  #timer: Timer | undefined = undefined
  readonly #limits: Limits
  readonly attempt: W
  readonly whole: W
  readonly reject: (error: unknown) => void

  constructor(limits: Limits, attempt: W, whole: W, reject: (error: unknown) => void) {
    this.#limits = limits
    this.attempt = attempt
    this.whole = whole
    this.reject = reject
  }

  /** Takes over what the attempt has noted: all of it when its answer is used, else how often it asked. */
  protected abstract adopt(isUsed: boolean): void

  /** Begins a limit of `limitMs`, or of what is left of the deadline of the whole; `false` when nothing is. */
  begin(limitMs: number): boolean {
    const { queue, clock, ms } = this.#limits
    const isShared = limitMs === ms
    // The queue reads the clock: one read per call is enough.
    if (isShared) queue.enqueue(this)
    else this.expiresAt = clock.now() + limitMs
    const { deadline } = this.whole
    if (isShared && deadline >= this.expiresAt) return true
    const leftMs = Math.min(limitMs, limitMs + deadline - this.expiresAt)
    if (isShared) queue.remove(this)
    if (leftMs <= 0) return false
    this.#arm(leftMs, () => this.onLimit(limitMs))
    return true
  }

  /** There is an answer: ends the limit, unless it is over. */
  stop(): void {
    if (this.expire === undefined) return
    if (this.#timer !== undefined) this.#limits.clock.clearTimeout(this.#timer)
    else if (this.error === undefined) this.#limits.queue.remove(this)
    this.expire = undefined
    this.adopt(true)
  }

  /** The work has ended. */
  end(): void {
    this.stop()
    this.attempt.end()
  }

  /** At the limit: tells the model to stop, and the caller that it is over, at once or after the grace that is left. */
  onLimit(limitMs: number = this.#limits.ms): void {
    const error = (this.error = timeoutError(limitMs))
    const leftMs = Math.min(this.#limits.graceMs, this.whole.deadline - this.expiresAt)
    if (leftMs > 0) this.#arm(leftMs, () => this.#giveUp(error))
    else this.#giveUp(error)
    this.attempt.abort(error)
  }

  #giveUp(error: OutriggerError): void {
    this.adopt(false)
    this.reject(error)
  }

  /** Gives the limit a timer of its own. One that is longer than a timer can be is none. */
  #arm(delayMs: number, expire: () => void): void {
    this.expire = () => {
      this.expire = undefined
      expire()
    }
    if (delayMs <= longestMs) this.#timer = this.#limits.clock.setTimeout(this.expire, delayMs)
  }
}

/** What all limits in the queue share. */
function onLimit(this: unknown): void {
  ;(this as Limit<Call>).onLimit()
}

class CallLimit extends Limit<Call> {
  readonly #resolve: (output: never) => void

  constructor(limits: Limits, attempt: Call, whole: Call, resolve: (output: never) => void, reject: (error: unknown) => void) {
    super(limits, attempt, whole, reject)
    this.#resolve = resolve
  }

  pass(output: unknown): void {
    if (isStream(output)) {
      this.#passStream(output)
      return
    }
    this.end()
    this.#resolve(output as never)
  }

  fail(error: unknown): void {
    this.end()
    this.reject(this.error ?? error)
  }

  protected override adopt(isUsed: boolean): void {
    if (isUsed) this.whole.adopt(this.attempt)
    else this.whole.attempts += this.attempt.attempts
  }

  /** A stream keeps its attempt until it ends. One that was told to stop is none any more. */
  #passStream(output: AsyncIterable<unknown>): void {
    const { attempt } = this
    const held = untilEnd(output, () => attempt.end())
    this.stop()
    if (this.error === undefined) return this.#resolve(held as never)
    discardStream(held)
    return this.reject(this.error)
  }
}

class BatchLimit extends Limit<BatchCall> {
  /** What becomes of the rows, whose array is ours: failures are timeouts once the model was told to stop, and streams are as in a single call. */
  pass<O>(rows: Row<O>[]): Row<O>[] {
    this.stop()
    const failure = this.error && new RowFailure(this.error)
    this.attempt.rows.forEach((call, index) => {
      const row = rows[index]
      if (!isStream(row)) {
        call.end()
        if (failure !== undefined && isRowFailure(row)) rows[index] = failure
        return
      }
      const held = untilEnd(row, () => call.end())
      rows[index] = failure ?? (held as O)
      if (failure !== undefined) discardStream(held)
    })
    return rows
  }

  protected override adopt(isUsed: boolean): void {
    if (isUsed) this.whole.adopt(this.attempt)
    else this.whole.rows.forEach((call, index) => (call.attempts += (this.attempt.rows[index] as Call).attempts))
  }
}

const timeoutError = (ms: number): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the model any longer as its limit has passed: current value of the limit is ${ms} ms`, { timeoutMs: ms })
