/** Rows to learn cells from, and whether they are all there were. */
export interface RowSample<R> {
  readonly rows: readonly { readonly row: R; readonly index: number }[]
  /** How many rows there were. */
  readonly seen: number
  readonly isComplete: boolean
}

/**
 * A sample of at most `maximumRows` rows of unknown number, in one pass: those whose hashed index lies below a limit that is halved
 * when there are too many. Deterministic, and without the aliasing of "every n-th row" on data that repeat by the hour or the week.
 */
export const sampleRows = <R extends object>(rows: Iterable<R>, maximumRows: number): RowSample<R> => {
  // Somebody else's iterator may reuse its row; the rows of an array stay.
  const keep = Array.isArray(rows) ? (row: R): R => row : copyOf
  let kept: { row: R; index: number; hash: number }[] = []
  let limit = 2 ** 32
  let seen = 0
  for (const row of rows) {
    const index = seen++
    const hash = mixed(index)
    if (hash >= limit) continue
    kept.push({ row: keep(row), index, hash })
    while (kept.length > maximumRows) {
      limit /= 2
      kept = kept.filter((entry) => entry.hash < limit)
    }
  }
  return { rows: kept, seen, isComplete: kept.length === seen }
}

const copyOf = <R extends object>(row: R): R => {
  if (Array.isArray(row)) return row.slice() as unknown as R
  if (ArrayBuffer.isView(row)) return (row as unknown as Float64Array).slice() as unknown as R
  // What is no object is refused when it is counted.
  return typeof row === 'object' && row !== null ? { ...row } : row
}

/** A bijection of 32-bit integers that looks random: the finaliser of MurmurHash3. */
const mixed = (index: number): number => {
  let hash = index | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
