/** Rows that wait for a run, and what becomes of them: of single callers, and of callers of `batch`. */
import type { BatchCall, Call } from '../core/call.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { Place } from './_row-queue.js'

/** How the queue sees a row. */
export interface RowPlace {
  readonly group: string
  readonly client: unknown
}

/** A row that waits for its run. Settled exactly once, by who takes it out of the queue. */
export abstract class WaitingRow<I, O> extends Place {
  readonly input: I
  readonly call: Call
  /** When it began to wait, where somebody wants to know. */
  since = 0
  /** Ends listening for the caller's leaving. */
  stop: (() => void) | undefined = undefined

  constructor(input: I, call: Call, { group, client }: RowPlace) {
    // A job's rows go after those that somebody waits for, unless they are far more urgent.
    super(group, client, call.priority - (call.isBatchWork ? 10 : 0))
    this.input = input
    this.call = call
  }

  abstract settle(row: Row<O>): void
}

/** The row of a single call. */
export class SingleRow<I, O> extends WaitingRow<I, O> {
  readonly #resolve: (output: O) => void
  readonly #reject: (error: Error) => void

  constructor(input: I, call: Call, place: RowPlace, resolve: (output: O) => void, reject: (error: Error) => void) {
    super(input, call, place)
    this.#resolve = resolve
    this.#reject = reject
  }

  settle(row: Row<O>): void {
    if (isRowFailure(row)) this.#reject(row.error as Error)
    else this.#resolve(row)
  }
}

class BatchRow<I, O> extends WaitingRow<I, O> {
  readonly #rows: BatchRows<I, O>
  readonly #index: number

  constructor(input: I, call: Call, place: RowPlace, rows: BatchRows<I, O>, index: number) {
    super(input, call, place)
    this.#rows = rows
    this.#index = index
  }

  settle(row: Row<O>): void {
    this.#rows.settled(this.#index, row)
  }
}

/** What a batch asks of the queue. */
export interface RowsHost<I, O> {
  placeOf(input: I, call: Call, owner: object): RowPlace
  /** Takes a row in, or settles it at once; `false` when there is no room. */
  offer(row: WaitingRow<I, O>): boolean
  full(): unknown
  /** The most rows of one batch that wait at a time. */
  readonly window: number
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
      const input = this.#inputs[index] as I
      const call = this.#batch.rows[index] as Call
      this.#waiting += 1
      const row = new BatchRow(input, call, this.#host.placeOf(input, call, this), this, index)
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
