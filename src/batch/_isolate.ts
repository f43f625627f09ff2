/** Finds the rows for which a run fails, by asking again for its halves. */
import { outcomeOf } from '../core/errors.js'
import { isRowFailure, type Row, type RowFailure } from '../core/rows.js'

/** The rows that failed together: sets of positions that share one failure, of at least two each. */
const failedTogether = (rows: readonly Row<unknown>[], indices: readonly number[]): number[][] => {
  let sets: Map<RowFailure, number[]> | undefined
  for (const index of indices) {
    const row = rows[index]
    if (!isRowFailure(row)) continue
    const set = (sets ??= new Map<RowFailure, number[]>()).get(row)
    if (set === undefined) sets.set(row, [index])
    else set.push(index)
  }
  // A run that was rejected, aborted or too slow says nothing about its rows.
  return sets === undefined ? [] : [...sets].filter(([failure, set]) => set.length > 1 && outcomeOf(failure.error) === 'error').map(([, set]) => set)
}

/** What {@link isolate} needs to ask again. */
export interface IsolateHost<O> {
  /** Asks for the rows at these positions once more. */
  ask(indices: readonly number[]): Promise<readonly Row<O>[]>
  /** Of these positions, those whose callers still wait. */
  stillWanted(indices: readonly number[]): number[]
  /** Whether so many rows may be asked for once more. */
  mayAsk(rows: number): boolean
}

/**
 * Rows that failed together are asked for again in halves, so that a row that makes a run fail ends up alone: at most
 * ⌈log₂ n⌉ times deep. What may not be asked again keeps its failure. Writes into `rows`.
 */
export const isolate = async <O>(rows: Row<O>[], host: IsolateHost<O>, indices: readonly number[] = rows.map((_, index) => index)): Promise<void> => {
  for (const set of failedTogether(rows, indices)) {
    const middle = set.length >> 1
    for (const half of [set.slice(0, middle), set.slice(middle)]) {
      const wanted = host.stillWanted(half)
      if (wanted.length === 0 || !host.mayAsk(wanted.length)) continue
      const again = await host.ask(wanted)
      wanted.forEach((index, position) => (rows[index] = again[position] as Row<O>))
      if (wanted.length > 1) await isolate(rows, host, wanted)
    }
  }
}
