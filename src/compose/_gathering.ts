/** Which members have answered which rows, and whether that is enough. Pure: told of answers, asked for a decision. */
import { isRowFailure, type Row } from '../core/rows.js'

/** The answers of one row. */
export interface GatheredRow {
  /** Positions of the members that answered, in order, and their answers. */
  readonly answered: readonly number[]
  readonly outputs: readonly unknown[]
  /** Positions of the members that failed, in order, and why. */
  readonly failed: readonly number[]
  readonly errors: readonly unknown[]
}

export class Gathering {
  readonly #minimum: number
  readonly #size: number
  /** By member: one answer or failure per row, once it has given them. */
  readonly #given: (readonly Row<unknown>[] | undefined)[]
  #pending: number

  constructor(members: number, minimum: number, size: number) {
    this.#minimum = minimum
    this.#size = size
    this.#given = new Array<readonly Row<unknown>[] | undefined>(members).fill(undefined)
    this.#pending = members
  }

  /** A member has answered, or failed, for every row. */
  tell(member: number, rows: readonly Row<unknown>[]): void {
    this.#given[member] = rows
    this.#pending -= 1
  }

  hasTold(member: number): boolean {
    return this.#given[member] !== undefined
  }

  /**
   * Whether every row can be settled now: its members have all answered or failed, or too many have failed for the
   * minimum to be reached, or nobody is waited for any more and the minimum is there.
   */
  isDecided(isLate: boolean): boolean {
    if (this.#pending === 0) return true
    const mayFail = this.#given.length - this.#minimum
    for (let row = 0; row < this.#size; row += 1) {
      let answered = 0
      let failed = 0
      for (const rows of this.#given) {
        if (rows === undefined) continue
        if (isRowFailure(rows[row])) failed += 1
        else answered += 1
      }
      if (failed <= mayFail && !(isLate && answered >= this.#minimum)) return false
    }
    return true
  }

  row(index: number): GatheredRow {
    const gathered = { answered: [] as number[], outputs: [] as unknown[], failed: [] as number[], errors: [] as unknown[] }
    this.#given.forEach((rows, member) => {
      if (rows === undefined) return
      const row = rows[index]
      if (isRowFailure(row)) {
        gathered.failed.push(member)
        gathered.errors.push(row.error)
      } else {
        gathered.answered.push(member)
        gathered.outputs.push(row)
      }
    })
    return gathered
  }
}
