/** The rows that disagree most. */
import { murmur3 } from '../../core/hash.js'
import type { Masked } from '../../core/masking.js'

/** A row on which the models disagree. */
export interface DisagreementExample {
  /** The prediction's id. */
  readonly id: string
  /** The part of the output that disagrees most; `''` for an output of one part. */
  readonly part: string
  /** The difference in tolerances; `Infinity` for another label, kind or shape. */
  readonly size: number
  readonly primary: string
  readonly candidate: string
  /** The allowed fields of the input, where the stack declares a schema for it. */
  readonly input?: Masked
}

type Ranked = Pick<DisagreementExample, 'id' | 'size'>

/** The larger first; of equal ones those of the smaller hash, which says nothing of when they came. */
const before = (a: Ranked, b: Ranked): number => (a.size === b.size ? murmur3(a.id) - murmur3(b.id) || (a.id < b.id ? -1 : 1) : b.size - a.size)

/** Keeps a few, in order. An id that comes again is one. O(kept) per row that gets in, O(1) for others. */
export class WorstRows {
  readonly rows: DisagreementExample[] = []
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Whether a row gets in, before anything is written down for it. */
  admits(row: Ranked): boolean {
    return this.#most > 0 && (this.rows.length < this.#most || before(row, this.rows.at(-1) as DisagreementExample) < 0)
  }

  add(example: DisagreementExample): void {
    if (!this.admits(example) || this.rows.some(({ id }) => id === example.id)) return
    const at = this.rows.findIndex((row) => before(example, row) < 0)
    this.rows.splice(at === -1 ? this.rows.length : at, 0, example)
    if (this.rows.length > this.#most) this.rows.pop()
  }
}
