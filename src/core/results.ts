/** What callers get back: predictions, outcomes of rows, and the error of a batch. */
import { OutriggerError } from './errors.js'
import type { PredictionRecord } from './record.js'
import { isRowFailure, type Row } from './rows.js'

/** An answer, and what is known about it. */
export interface Prediction<O> {
  readonly output: O
  readonly record: PredictionRecord
}

/** The outcome of one row of a batch. */
export type RowOutcome<O> = { readonly ok: true; readonly output: O } | { readonly ok: false; readonly error: unknown }

/** The outcome of one row of a batch, and what is known about it. */
export type RowResult<O> = RowOutcome<O> & { readonly record: PredictionRecord }

/** Thrown by `batch` when at least one row failed; `results` has the outcome of every row. */
export class BatchPredictionError<O = unknown> extends OutriggerError {
  readonly results: readonly RowOutcome<O>[]
  /** How many rows failed. */
  readonly failed: number

  constructor(results: readonly RowOutcome<O>[]) {
    const failures = results.filter((result) => !result.ok)
    const first = failures[0] as { readonly error: unknown } | undefined
    super('ERR_OUTRIGGER_BATCH', `Cannot give every row an answer as ${failures.length} of ${results.length} rows failed: the first with ${String(first?.error)}`, { cause: first?.error })
    this.results = results
    this.failed = failures.length
  }
}

/** A row as the caller sees it. */
export const outcomeOfRow = <O>(row: Row<O>): RowOutcome<O> => (isRowFailure(row) ? { ok: false, error: row.error } : { ok: true, output: row })
