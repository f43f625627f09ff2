/**
 * What travels between layers in a batch: one {@link Row} per input, in order, either the output or a
 * {@link RowFailure}. A failure is a value there, not an exception, so that one bad row does not lose the rest.
 */

const MARK: unique symbol = Symbol.for('outrigger.row-failure.1') as never

/**
 * The failure of a row. Rows that failed together share one instance: a run that failed as a whole is one failure,
 * and is counted once; rows that failed on their own have one each.
 */
export class RowFailure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

// Known by this mark, not by its class: two copies of the package have two classes.
Object.defineProperty(RowFailure.prototype, MARK, { value: true })

/** The outcome of one row between layers. */
export type Row<O> = O | RowFailure

/** Whether a row failed. */
export const isRowFailure = (row: unknown): row is RowFailure => typeof row === 'object' && row !== null && MARK in row

/** The rows of a run that failed as a whole: every row is the same failure. */
export const failRows = (count: number, error: unknown): RowFailure[] => new Array<RowFailure>(count).fill(new RowFailure(error))

/** The positions of the rows that failed. */
export const failedRows = (rows: readonly unknown[]): number[] => {
  const failed: number[] = []
  for (let index = 0; index < rows.length; index += 1) if (isRowFailure(rows[index])) failed.push(index)
  return failed
}

/** The elements at these positions. */
export const pick = <T>(values: readonly T[], indices: readonly number[]): T[] => indices.map((index) => values[index] as T)
