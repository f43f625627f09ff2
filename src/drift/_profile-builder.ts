import { finderOf, find, FoundCells, type CellFinder, type Place } from './_cell-finder.js'
import { extraFeatures, learnCells, type ExtraFeature } from './_learn-cells.js'
import { momentSlots } from './_moments.js'
import { featureProfile } from './_profile-file.js'
import type { RowSample } from './_row-sample.js'
import { Tally } from './_tally.js'
import { magnitudeCells, type FeatureCells, type FeatureRow } from './feature-cells.js'
import type { FeatureProfile, ReferenceProfileOptions } from './reference-profile.js'

/** Counts the rows of a reference profile into the cells that a sample of them gave. */
export class ProfileBuilder<R extends FeatureRow> {
  readonly #cells: readonly FeatureCells[]
  readonly #finder: CellFinder
  readonly #tally: Tally
  readonly #found: FoundCells
  readonly #extra: FoundCells
  readonly #extras: readonly { readonly place: readonly [Place]; readonly of: ExtraFeature<R>['of'] }[]
  /** Least and greatest, per numeric feature. */
  readonly #extremes: Float64Array
  rows = 0

  constructor(sample: RowSample<R>, options: ReferenceProfileOptions<R>) {
    this.#cells = learnCells(sample, options)
    this.#finder = finderOf(this.#cells)
    this.#tally = new Tally(this.#finder)
    this.#found = new FoundCells(this.#cells.length)
    this.#extra = new FoundCells(1)
    const extras = extraFeatures(options)
    this.#extras = extras.map(({ role, of }) => ({ place: [this.#finder.places.find((place) => place.role === role) as Place], of }))
    this.#extremes = Float64Array.from({ length: 2 * this.#finder.numerics }, (_, index) => (index % 2 === 0 ? Infinity : -Infinity))
  }

  count(row: R, index: number): void {
    this.#finder.findRow(row, this.#found)
    this.#add(this.#finder.rowPlaces, this.#found)
    for (const { place, of } of this.#extras) {
      find(place[0], of(row, index), this.#extra, 0)
      this.#add(place, this.#extra)
    }
    this.rows += 1
  }

  features(): FeatureProfile[] {
    this.#tally.carry()
    return this.#cells.map((cells, index) => {
      const { offset, magnitudes, sums, isNumeric, numeric } = this.#finder.places[index] as Place
      const counts = Float64Array.from(this.#tally.counts.subarray(offset, magnitudes))
      if (!isNumeric) return featureProfile(cells, { counts, magnitudes: new Float64Array(), sums: new Float64Array(), min: NaN, max: NaN })
      const [min, max] = [this.#extremes[2 * numeric] as number, this.#extremes[2 * numeric + 1] as number]
      return featureProfile(cells, {
        counts,
        magnitudes: Float64Array.from(this.#tally.counts.subarray(magnitudes, magnitudes + magnitudeCells)),
        sums: this.#tally.sums.slice(sums, sums + momentSlots),
        min: min <= max ? min : NaN,
        max: min <= max ? max : NaN,
      })
    })
  }

  #add(places: readonly Place[], found: FoundCells): void {
    this.#tally.add(places, found)
    widen(this.#extremes, places, found)
  }
}

/** Takes the numbers that were found into the least and the greatest of their features. */
export const widen = (extremes: Float64Array, places: readonly Place[], { units, numbers }: FoundCells): void => {
  for (let index = 0; index < places.length; index++) {
    const u = units[index] as number
    if (Number.isNaN(u)) continue
    const at = 2 * (places[index] as Place).numeric
    const value = numbers[index] as number
    if (value < (extremes[at] as number)) extremes[at] = value + 0
    if (value > (extremes[at + 1] as number)) extremes[at + 1] = value + 0
  }
}
