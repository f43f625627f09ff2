import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { CellCounter } from './_cell-counter.js'
import { isRecord, isWhole, refused, wholeNumbers } from './_profile-file.js'
import type { FeatureRow, FeatureValue } from './feature-cells.js'
import { ReferenceProfile } from './reference-profile.js'

/** A live profile as plain data. */
export interface LiveProfileState {
  readonly format: 'outrigger-live-profile'
  readonly version: 1
  /** The checksum of the reference profile that it belongs to. */
  readonly reference: string
  readonly rows: number
  readonly counts: readonly number[]
}

/**
 * What a service sees, counted into the cells of a reference profile.
 *
 * Whole numbers only: `merge` and `subtract` are exact, in any order, so that eight workers merged equal one pass to the
 * byte. Memory is fixed by the reference (below 2 KB per numeric feature with 64 cells, 8 bytes per category); counting allocates nothing
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
  readonly #counter: CellCounter
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
    this.#counter = new CellCounter(reference.features)
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
    this.#counter.countRow(row)
    this.#rows += 1
  }

  /** Counts one output of the model. Does nothing if the reference has no output. */
  countOutput(output: FeatureValue): void {
    this.#counter.countOutput(output)
  }

  /** The counts of the reference's feature number `feature`: its own cells, then missing, NaN, +∞, −∞, wrong type. A view: do not write. */
  cells(feature: number): Float64Array {
    return this.#counter.cells(feature)
  }

  /** The counts of that feature by half-octave of |x|. A view: do not write. */
  magnitudes(feature: number): Float64Array {
    return this.#counter.magnitudes(feature)
  }

  /**
   * Adds the counts of another one.
   * @throws ERR_OUTRIGGER_PROFILE if it belongs to another reference
   */
  merge(other: LiveProfile): void {
    this.#sameReference(other)
    const counts = this.#counter.counts
    other.#counter.counts.forEach((count, cell) => (counts[cell] = (counts[cell] as number) + count))
    this.#rows += other.#rows
  }

  /**
   * Takes the counts of a part away, as when a window slides.
   * @throws ERR_OUTRIGGER_PROFILE if it belongs to another reference, or is no part of this one. Nothing changes then.
   */
  subtract(part: LiveProfile): void {
    this.#sameReference(part)
    const counts = this.#counter.counts
    const taken = part.#counter.counts
    if (part.#rows > this.#rows || taken.some((count, cell) => count > (counts[cell] as number))) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot subtract a live profile as it must be a part of the other: current value is ${part.#rows} of ${this.#rows} rows`)
    }
    taken.forEach((count, cell) => (counts[cell] = (counts[cell] as number) - count))
    this.#rows -= part.#rows
  }

  /** Forgets everything. */
  reset(): void {
    this.#counter.counts.fill(0)
    this.#rows = 0
  }

  /** The counts as plain data, to be saved, or sent to where they are merged. */
  toJSON(): LiveProfileState {
    return { format: 'outrigger-live-profile', version: 1, reference: this.reference.checksum, rows: this.#rows, counts: [...this.#counter.counts] }
  }

  #sameReference(other: LiveProfile): void {
    if (other.reference.checksum !== this.reference.checksum) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot combine live profiles as both must belong to reference ${this.reference.checksum}: current value is ${other.reference.checksum}`)
    }
  }

  #restore(state: unknown): void {
    if (!isRecord(state) || state['format'] !== 'outrigger-live-profile' || state['version'] !== 1) throw refused('a live profile must have `format` "outrigger-live-profile" and `version` 1', isRecord(state) ? state['version'] : state)
    if (state['reference'] !== this.reference.checksum) throw refused(`the live counts must belong to reference ${this.reference.checksum}`, state['reference'])
    if (!isWhole(state['rows'])) throw refused('the number of rows must be a whole number', state['rows'])
    this.#counter.counts.set(wholeNumbers(state['counts'], 'the live counts', this.#counter.counts.length))
    this.#rows = state['rows']
  }
}
