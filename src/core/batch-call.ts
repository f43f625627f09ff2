/** The rows of one run: {@link BatchCall}. */
import { leftUntil, type Call, type ModelCall } from './call.js'
import type { TraceContext } from './call-notes.js'
import type { Runtime } from './runtime.js'

/** What a model's `predictBatch` sees of its run. */
export interface ModelBatchCall {
  /** Fires when nobody wants any row of the run any more. */
  readonly signal: AbortSignal
  /** The calls of the rows, in order. */
  readonly rows: readonly ModelCall[]
  /** The latest deadline of the rows, or `Infinity`. */
  readonly deadline: number
  /** How long somebody still waits for a row, in milliseconds. See {@link ModelCall.remainingMs}. */
  remainingMs(): number
  readonly isShadow: boolean
  /** Whether the run may be made twice for its answers. See {@link ModelCall.isIdempotent}. */
  readonly isIdempotent: boolean
  /** See {@link ModelCall.traceContext}; `undefined` too where the rows are of several traces. */
  readonly traceContext?: TraceContext | undefined
}

/** The calls of the rows that travel together. It has no state of its own: it is aborted when all its rows are. */
export class BatchCall implements ModelBatchCall {
  readonly rows: readonly Call[]
  readonly runtime: Runtime
  #controller: AbortController | undefined = undefined

  constructor(runtime: Runtime, rows: readonly Call[]) {
    this.runtime = runtime
    this.rows = rows
  }

  get size(): number {
    return this.rows.length
  }

  get deadline(): number {
    let latest = -Infinity
    for (const row of this.rows) if (row.deadline > latest) latest = row.deadline
    return latest
  }

  remainingMs(): number {
    return leftUntil(this.deadline, this.runtime)
  }

  get isShadow(): boolean {
    return this.rows[0]?.isShadow === true
  }

  get isIdempotent(): boolean {
    return this.rows[0]?.isIdempotent !== false
  }

  get traceContext(): TraceContext | undefined {
    const context = this.rows[0]?.traceContext
    return this.rows.every((row) => row.traceContext === context) ? context : undefined
  }

  get isAborted(): boolean {
    for (const row of this.rows) if (!row.isAborted) return false
    return this.rows.length > 0
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = (this.#controller = new AbortController())
      let waiting = this.rows.length
      for (const row of this.rows) {
        row.onAbort((reason) => {
          waiting -= 1
          if (waiting === 0) controller.abort(reason)
        })
      }
    }
    return this.#controller.signal
  }

  /** The calls of some of the rows. */
  pick(indices: readonly number[]): BatchCall {
    return new BatchCall(this.runtime, indices.map((index) => this.rows[index] as Call))
  }

  /** An attempt of the run that may be given up. See {@link Call.fork}. */
  fork(): BatchCall {
    return new BatchCall(this.runtime, this.rows.map((row) => row.fork()))
  }

  /** Takes over what a fork noted, row by row. */
  adopt(fork: BatchCall): void {
    for (let index = 0; index < this.rows.length; index += 1) (this.rows[index] as Call).adopt(fork.rows[index] as Call)
  }

  abort(reason: unknown): void {
    for (const row of this.rows) row.abort(reason)
  }

  /** Ends the work of every row. */
  end(): void {
    for (const row of this.rows) row.end()
  }
}
