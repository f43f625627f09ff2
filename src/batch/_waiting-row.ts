/** Rows that wait for a run, and what becomes of them: of single callers, and of callers of `batch`. */
import type { BatchCall } from '../core/batch-call.js'
import type { AbortListener, Call } from '../core/call.js'
import { capture, captured } from '../core/capture.js'
import { abortErrorOf, toError } from '../core/model.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { Place } from './_row-queue.js'

/** What rows ask of who lets them wait. */
export interface RowsHost<I, O> {
  /** Rows of different groups never share a run. */
  groupOf(input: I, call: Call): string
  /** Whose row it is, if the host can tell. */
  clientOf(input: I, call: Call): unknown
  /** Takes a row in, or settles it at once; `false` when there is no room. */
  offer(row: WaitingRow<I, O>): boolean
  /** Lets a row go whose caller has left, if it still waits. */
  leave(row: WaitingRow<I, O>, error: unknown): void
  full(): unknown
  /** The most rows of one batch that wait at a time. */
  readonly window: number
}

/** A row that waits for its run. Settled exactly once, by who takes it out of the queue. */
export abstract class WaitingRow<I, O> extends Place implements AbortListener {
  readonly input: I
  readonly call: Call
  readonly #host: RowsHost<I, O>
  /** When it began to wait, where somebody wants to know. */
  since = 0
  #isListening = false

  constructor(input: I, call: Call, client: unknown, host: RowsHost<I, O>) {
    // A job's rows go after those that somebody waits for, unless they are far more urgent.
    super(host.groupOf(input, call), host.clientOf(input, call) ?? call.key ?? client, call.priority - (call.isBatchWork ? 10 : 0))
    this.input = input
    this.call = call
    this.#host = host
  }

  abstract settle(row: Row<O>): void

  /** From now on the row leaves when its caller does. */
  listen(): void {
    this.#isListening = true
    this.call.listen(this)
  }

  /** Ends listening. */
  stop(): void {
    if (!this.#isListening) return
    this.#isListening = false
    this.call.unlisten(this)
  }

  aborted(reason: unknown): void {
    this.#host.leave(this, abortErrorOf(reason))
  }
}

/** The row of a single call. */
export class SingleRow<I, O> extends WaitingRow<I, O> {
  readonly answer: Promise<O>
  readonly #resolve: (output: O) => void
  readonly #reject: (error: unknown) => void
  readonly #ended: ((call: Call) => void) | undefined

  constructor(input: I, call: Call, host: RowsHost<I, O>, ended: ((call: Call) => void) | undefined) {
    super(input, call, undefined, host)
    this.answer = new Promise<O>(capture)
    this.#resolve = captured.resolve as (output: O) => void
    this.#reject = captured.reject
    this.#ended = ended
  }

  settle(row: Row<O>): void {
    this.#ended?.(this.call)
    if (isRowFailure(row)) this.#reject(toError(row.error))
    else this.#resolve(row)
  }
}

class BatchRow<I, O> extends WaitingRow<I, O> {
  readonly #rows: BatchRows<I, O>
  readonly #index: number

  constructor(input: I, call: Call, host: RowsHost<I, O>, rows: BatchRows<I, O>, index: number) {
    super(input, call, rows, host)
    this.#rows = rows
    this.#index = index
  }

  settle(row: Row<O>): void {
    this.#rows.settled(this.#index, row)
  }
}

/**
 * The rows of a batch. No more of them wait at a time than a window; the next one is offered when one has settled. When
 * there is no room a batch waits for its own rows, and only one that has none waiting is refused.
 */
export class BatchRows<I, O> {
  readonly done: Promise<Row<O>[]>
  readonly #inputs: readonly I[]
  readonly #batch: BatchCall
  readonly #host: RowsHost<I, O>
  readonly #rows: Row<O>[]
  #resolve!: (rows: Row<O>[]) => void
  #next = 0
  #waiting = 0
  #isFeeding = false

  constructor(inputs: readonly I[], batch: BatchCall, host: RowsHost<I, O>) {
    this.#inputs = inputs
    this.#batch = batch
    this.#host = host
    this.#rows = new Array<Row<O>>(inputs.length)
    this.done = new Promise((resolve) => (this.#resolve = resolve))
    this.#feed()
  }

  settled(index: number, row: Row<O>): void {
    this.#rows[index] = row
    this.#waiting -= 1
    this.#feed()
  }

  #feed(): void {
    // A row that is settled while it is offered comes back here.
    if (this.#isFeeding) return
    this.#isFeeding = true
    while (this.#next < this.#inputs.length && this.#waiting < this.#host.window) {
      const index = this.#next
      this.#waiting += 1
      const row = new BatchRow(this.#inputs[index] as I, this.#batch.rows[index] as Call, this.#host, this, index)
      if (!this.#host.offer(row)) {
        this.#waiting -= 1
        if (this.#waiting > 0) break
        this.#rows[index] = new RowFailure(this.#host.full())
      }
      this.#next += 1
    }
    this.#isFeeding = false
    if (this.#next === this.#inputs.length && this.#waiting === 0) this.#resolve(this.#rows)
  }
}
