import { addMoments, carryMoments, rowsPerCarry } from './_moments.js'
import { nowhere, type CellFinder, type FoundCells, type Place } from './_cell-finder.js'

/** Counts and sums of one profile, or of one slice of it. All of them are whole numbers of something, so that adding and taking away is exact. */
export class Tally {
  counts: Float64Array | Uint32Array
  readonly sums: Float64Array
  #untilCarry = rowsPerCarry

  /** @param isSmall - 4 bytes per count, until there are 2³² rows */
  constructor(finder: CellFinder, isSmall = false) {
    this.counts = isSmall ? new Uint32Array(finder.counts) : new Float64Array(finder.counts)
    this.sums = new Float64Array(finder.sums)
  }

  /** Counts the cells that were found for these places. */
  add(places: readonly Place[], { cells, units }: FoundCells): void {
    const { counts, sums } = this
    if (--this.#untilCarry < 0) this.carry()
    for (let index = 0; index < places.length; index++) {
      const cell = cells[2 * index] as number
      counts[cell] = (counts[cell] as number) + 1
      const magnitude = cells[2 * index + 1] as number
      if (magnitude !== nowhere) counts[magnitude] = (counts[magnitude] as number) + 1
      const u = units[index] as number
      if (!Number.isNaN(u)) addMoments(sums, (places[index] as Place).sums, u)
    }
  }

  /** Makes room for so many more rows of one feature. */
  expect(rows: number): void {
    this.#untilCarry -= rows
    if (this.#untilCarry >= 0) return
    this.carry()
    this.#untilCarry -= rows
  }

  /** Makes the sums what they always are for the same values. */
  carry(): void {
    carryMoments(this.sums)
    this.#untilCarry = rowsPerCarry
  }

  /** Adds another one, or takes it away. */
  combine(other: Tally, sign: 1 | -1): void {
    const { counts, sums } = this
    const theirs = other.counts
    for (let cell = 0; cell < counts.length; cell++) counts[cell] = (counts[cell] as number) + sign * (theirs[cell] as number)
    this.carry()
    other.carry()
    for (let slot = 0; slot < sums.length; slot++) sums[slot] = (sums[slot] as number) + sign * (other.sums[slot] as number)
    this.carry()
  }

  clear(): void {
    this.counts.fill(0)
    this.sums.fill(0)
    this.#untilCarry = rowsPerCarry
  }
}
