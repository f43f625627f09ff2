import type { CellFinder, FoundCells, Place } from './_cell-finder.js'
import { momentsFrom, wholeMoments } from './_moments.js'
import { isRecord, isWhole } from './saved-json.js'
import { refused } from './_profile-file.js'
import { Tally } from './_tally.js'

/** One segment in one slice of time, as plain data. */
export interface ProfileSliceState {
  /** The slice begins at this many times `sliceMs` after 1970. */
  readonly slice: number
  /** `null`: all segments that have no name. */
  readonly segment: string | null
  readonly rows: number
  readonly added: number
  /** Counts in the order of the reference; −n stands for n zeros. */
  readonly counts: readonly number[]
  readonly sums: readonly number[]
  /** Least and greatest value of each numeric feature; `null` without any. */
  readonly extremes: readonly (number | null)[]
}

/** A count takes 4 bytes below this, and 8 above. */
const smallLimit = 2 ** 32 - 1

/** What was counted of one segment in one slice of time: 4 bytes per cell. */
export class ProfileSlice {
  readonly tally: Tally
  readonly extremes: Float64Array
  rows = 0
  #added = 0

  constructor(finder: CellFinder) {
    this.tally = new Tally(finder, true)
    this.extremes = Float64Array.from({ length: 2 * finder.numerics }, (_, index) => (index % 2 === 0 ? Infinity : -Infinity))
  }

  /** How much memory its numbers take. */
  get bytes(): number {
    return this.tally.counts.byteLength + this.tally.sums.byteLength + this.extremes.byteLength
  }

  add(places: readonly Place[], found: FoundCells): void {
    this.#expect(1)
    this.tally.add(places, found)
    for (let index = 0; index < places.length; index++) {
      if (Number.isNaN(found.units[index])) continue
      const at = 2 * (places[index] as Place).numeric
      const value = (found.numbers[index] as number) + 0 // -0 becomes 0
      if (value < (this.extremes[at] as number)) this.extremes[at] = value
      if (value > (this.extremes[at + 1] as number)) this.extremes[at + 1] = value
    }
  }

  merge(other: ProfileSlice): void {
    this.#expect(other.#added)
    this.tally.combine(other.tally, 1)
    this.rows += other.rows
    other.extremes.forEach((extreme, at) => {
      const own = this.extremes[at] as number
      if (at % 2 === 0 ? extreme < own : extreme > own) this.extremes[at] = extreme
    })
  }

  toJSON(slice: number, segment: string | null): ProfileSliceState {
    this.tally.carry()
    return { slice, segment, rows: this.rows, added: this.#added, counts: packed(this.tally.counts), sums: wholeMoments(this.tally.sums), extremes: Array.from(this.extremes, (extreme) => (Number.isFinite(extreme) ? extreme : null)) }
  }

  /** Makes this empty slice the one that a state is of. */
  restore(state: unknown): void {
    const { rows, added } = isRecord(state) ? state : {}
    if (!isRecord(state) || !isWhole(rows) || !isWhole(added)) throw refused('a slice must have its numbers of rows', state)
    const sums = momentsFrom(state['sums'], this.tally.sums.length)
    const { extremes } = state
    const counts = unpacked(state['counts'], this.tally.counts.length)
    if (counts === undefined) throw refused(`the counts of a slice must be ${this.tally.counts.length} whole numbers`, state['counts'])
    if (sums === undefined) throw refused(`the sums of a slice must be ${this.tally.sums.length} whole numbers`, state['sums'])
    if (!Array.isArray(extremes) || extremes.length !== this.extremes.length || !extremes.every((extreme) => extreme === null || Number.isFinite(extreme))) throw refused(`the extremes of a slice must be ${this.extremes.length} numbers`, extremes)
    if (counts.some((count) => count > added)) throw refused('a slice must have added at least what it counted', added)
    this.#expect(added)
    this.tally.counts.set(counts)
    this.tally.sums.set(sums)
    extremes.forEach((extreme: number | null, at) => {
      if (extreme !== null) this.extremes[at] = extreme
    })
    this.rows = rows
  }

  /** No count is above the number of additions: as long as that is small, 4 bytes are enough. */
  #expect(additions: number): void {
    this.#added += additions
    if (this.#added > smallLimit && this.tally.counts instanceof Uint32Array) this.tally.counts = Float64Array.from(this.tally.counts)
  }
}

/** Counts with each run of zeros as one negative number. */
const packed = (counts: ArrayLike<number>): number[] => {
  const out: number[] = []
  let zeros = 0
  for (let cell = 0; cell < counts.length; cell++) {
    const count = counts[cell] as number
    if (count === 0) zeros += 1
    else {
      if (zeros > 0) out.push(-zeros)
      zeros = 0
      out.push(count)
    }
  }
  if (zeros > 0) out.push(-zeros)
  return out
}

const unpacked = (given: unknown, length: number): Float64Array | undefined => {
  if (!Array.isArray(given) || given.length > length) return undefined
  const counts = new Float64Array(length)
  let cell = 0
  for (const count of given as unknown[]) {
    if (!Number.isSafeInteger(count)) return undefined
    if ((count as number) < 0) cell -= count as number
    else counts[cell++] = count as number
    if (cell > length) return undefined
  }
  return cell === length ? counts : undefined
}
