import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { find, finderOf, FoundCells, type CellFinder, type Place } from './_cell-finder.js'
import { countColumns, type FeatureColumns } from './_count-columns.js'
import { momentsFrom, momentsOf, wholeMoments, type FeatureMoments } from './_moments.js'
import { isRecord, isWhole } from './saved-json.js'
import { finiteRows, refused, wholeNumbers } from './_profile-file.js'
import { Tally } from './_tally.js'
import { magnitudeCells, type FeatureRow, type FeatureValue } from './feature-cells.js'
import { ReferenceProfile } from './reference-profile.js'

/** A live profile as plain data. */
export interface LiveProfileState {
  readonly format: 'outrigger-live-profile'
  readonly version: 2
  /** The checksum of the reference profile that it belongs to. */
  readonly reference: string
  readonly rows: number
  readonly counts: readonly number[]
  /** The exact sums behind the moments, as whole numbers. */
  readonly sums: readonly number[]
}

/**
 * What a service sees, counted into the cells of a reference profile.
 *
 * Whole numbers only, also in the sums behind mean and variance: `merge` and `subtract` are exact, in any order, so that eight workers
 * merged equal one pass to the byte. Memory is fixed by the reference (below 2 KB per numeric feature with 64 cells, 8 bytes per category); counting allocates nothing
 * and costs about 80 ns per feature. Not shared between threads: give each its own and merge their states.
 *
 * @example
 * ```ts
 * import { LiveProfile, referenceProfile } from 'outrigger/drift'
 * const reference = referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i })))
 * const [monday, tuesday] = [new LiveProfile(reference), new LiveProfile(reference)]
 * monday.count({ x: 5 })
 * tuesday.count({ x: null })
 * monday.merge(tuesday)
 * assert.equal(monday.rows, 2)
 * const again = new LiveProfile(reference, JSON.parse(JSON.stringify(monday)))
 * assert.deepEqual(again.toJSON(), monday.toJSON())
 * ```
 */
export class LiveProfile {
  readonly reference: ReferenceProfile
  readonly #finder: CellFinder
  readonly #tally: Tally
  readonly #found: FoundCells
  #rows = 0

  /**
   * @param reference - whose cells are used
   * @param state - what `toJSON` of another gave, possibly in another process; empty without
   * @throws ERR_OUTRIGGER_INVALID_OPTION if `reference` is no reference profile
   * @throws ERR_OUTRIGGER_PROFILE if the state is none, or belongs to another reference
   */
  constructor(reference: ReferenceProfile, state?: LiveProfileState) {
    if (!(reference instanceof ReferenceProfile)) {
      throw new InvalidOptionError(`Cannot create a live profile as \`reference\` must be a ReferenceProfile (read a saved one with parseReferenceProfile): current value is ${typeof reference}`)
    }
    this.reference = reference
    this.#finder = finderOf(reference.features)
    this.#tally = new Tally(this.#finder)
    this.#found = new FoundCells(reference.features.length)
    if (state !== undefined) this.#restore(state)
  }

  /** How many rows were counted. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Counts one row: a record of features, or numbers in the order of the profile's input features.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is neither. Nothing of it is counted then.
   */
  count(row: FeatureRow): void {
    this.#finder.findRow(row, this.#found)
    this.#tally.add(this.#finder.rowPlaces, this.#found)
    this.#rows += 1
  }

  /**
   * Counts many rows given as columns, under the names of the features (and `@output`, `@label`, `@score`): what `count` does row by row, but about
   * 25 to 40 million values a second for a `Float64Array` or `Float32Array` of a numeric feature. A feature without a column is missing.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if there is no column, or they are of different lengths. Nothing is counted then.
   */
  countColumns(columns: FeatureColumns): void {
    this.#rows += countColumns(this.#finder, this.#tally, columns)
  }

  /** Counts one output of the model. Does nothing if the reference has no output. */
  countOutput(output: FeatureValue): void {
    this.#countExtra(this.#finder.output, output)
  }

  /** Counts the truth about a row, when it is known. Does nothing if the reference has no label. */
  countLabel(label: FeatureValue): void {
    this.#countExtra(this.#finder.label, label)
  }

  /** Counts a score. Does nothing if the reference has no score. */
  countScore(score: FeatureValue): void {
    this.#countExtra(this.#finder.score, score)
  }

  /** The counts of the reference's feature number `feature`: its own cells, then missing, NaN, +∞, −∞, wrong type. A view: do not write. */
  cells(feature: number): Float64Array {
    const { offset, magnitudes } = this.#place(feature)
    return this.#counts.subarray(offset, magnitudes)
  }

  /** The counts of that feature by half-octave of |x|; empty for a category. A view: do not write. */
  magnitudes(feature: number): Float64Array {
    const { magnitudes, isNumeric } = this.#place(feature)
    return this.#counts.subarray(magnitudes, magnitudes + (isNumeric ? magnitudeCells : 0))
  }

  /** Mean and variance of that feature's finite values, the same in whatever parts they were counted; `undefined` for a category. */
  moments(feature: number): FeatureMoments | undefined {
    const cells = this.reference.features[feature]
    if (cells?.kind !== 'numeric') return undefined
    this.#tally.carry()
    const { sums } = this.#place(feature)
    return momentsOf(this.#tally.sums.subarray(sums), finiteRows(this.cells(feature)), cells)
  }

  /** @internal adds the counts of a slice */
  absorb(tally: Tally, rows: number): void {
    this.#tally.combine(tally, 1)
    this.#rows += rows
  }

  /**
   * Adds the counts of another one.
   * @throws ERR_OUTRIGGER_PROFILE if it belongs to another reference
   */
  merge(other: LiveProfile): void {
    this.#sameReference(other)
    this.#tally.combine(other.#tally, 1)
    this.#rows += other.#rows
  }

  /**
   * Takes the counts of a part away, as when a window slides.
   * @throws ERR_OUTRIGGER_PROFILE if it belongs to another reference, or is no part of this one. Nothing changes then.
   */
  subtract(part: LiveProfile): void {
    this.#sameReference(part)
    const counts = this.#counts
    const taken = part.#counts
    if (part.#rows > this.#rows || taken.some((count, cell) => count > (counts[cell] as number))) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot subtract a live profile as it must be a part of the other: current value is ${part.#rows} of ${this.#rows} rows`)
    }
    this.#tally.combine(part.#tally, -1)
    this.#rows -= part.#rows
  }

  /** Forgets everything. */
  reset(): void {
    this.#tally.clear()
    this.#rows = 0
  }

  /** The counts as plain data, to be saved, or sent to where they are merged. */
  toJSON(): LiveProfileState {
    this.#tally.carry()
    return { format: 'outrigger-live-profile', version: 2, reference: this.reference.checksum, rows: this.#rows, counts: [...this.#counts], sums: wholeMoments(this.#tally.sums) }
  }

  get #counts(): Float64Array {
    return this.#tally.counts as Float64Array
  }

  #place(feature: number): Place {
    return this.#finder.places[feature] as Place
  }

  #countExtra(place: readonly Place[], value: FeatureValue): void {
    if (place.length === 0) return
    find(place[0] as Place, value, this.#found, 0)
    this.#tally.add(place, this.#found)
  }

  #sameReference(other: LiveProfile): void {
    if (other.reference.checksum !== this.reference.checksum) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot combine live profiles as both must belong to reference ${this.reference.checksum}: current value is ${other.reference.checksum}`)
    }
  }

  #restore(state: unknown): void {
    if (!isRecord(state) || state['format'] !== 'outrigger-live-profile' || state['version'] !== 2) throw refused('a live profile must have `format` "outrigger-live-profile" and `version` 2', isRecord(state) ? state['version'] : state)
    if (state['reference'] !== this.reference.checksum) throw refused(`the live counts must belong to reference ${this.reference.checksum}`, state['reference'])
    if (!isWhole(state['rows'])) throw refused('the number of rows must be a whole number', state['rows'])
    const sums = momentsFrom(state['sums'], this.#tally.sums.length)
    if (sums === undefined) throw refused(`the live sums must be ${this.#tally.sums.length} whole numbers`, state['sums'])
    this.#counts.set(wholeNumbers(state['counts'], 'the live counts', this.#counts.length))
    this.#tally.sums.set(sums)
    this.#rows = state['rows']
  }
}
