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
export class RowSampler<R extends object> {
  readonly #maximumRows: number
  readonly #keep: (row: R) => R
  #kept: { row: R; index: number; hash: number }[] = []
  #limit = 2 ** 32
  seen = 0

  /** @param owned - whether the rows stay as they are; somebody else's iterator may reuse its row */
  constructor(maximumRows: number, owned: boolean) {
    this.#maximumRows = maximumRows
    this.#keep = owned ? (row) => row : copyOf
  }

  add(row: R): void {
    const index = this.seen++
    const hash = mixed(index)
    if (hash >= this.#limit) return
    this.#kept.push({ row: this.#keep(row), index, hash })
    while (this.#kept.length > this.#maximumRows) {
      this.#limit /= 2
      this.#kept = this.#kept.filter((entry) => entry.hash < this.#limit)
    }
  }

  sample(): RowSample<R> {
    return { rows: this.#kept, seen: this.seen, isComplete: this.#kept.length === this.seen }
  }
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
