import { DDSketch } from '../stats/ddsketch.js'
import { finderOf, find, FoundCells, type CellFinder, type Place } from './_cell-finder.js'
import { extraFeatures, learnCells, type ExtraFeature } from './_learn-cells.js'
import { momentSlots } from './_moments.js'
import { featureProfile } from './_profile-file.js'
import type { RowSample } from './_row-sample.js'
import { Tally } from './_tally.js'
import { magnitudeCells, type FeatureCells, type FeatureRow } from './feature-cells.js'
import type { FeatureProfile, ReferenceProfileOptions } from './reference-profile.js'

/** Half the buckets of 1 %, and 35 decades before any must share one: an outlier takes no digits from the rest. */
const sketchAccuracy = 0.02

/** Counts the rows of a reference profile into the cells that a sample of them gave. */
export class ProfileBuilder<R extends FeatureRow> {
  readonly #cells: readonly FeatureCells[]
  readonly #finder: CellFinder
  readonly #tally: Tally
  readonly #found: FoundCells
  readonly #extra: FoundCells
  readonly #extras: readonly { readonly place: readonly [Place]; readonly of: ExtraFeature<R>['of'] }[]
  /** Of the finite numbers, per numeric feature. */
  readonly #sketches: readonly DDSketch[]
  rows = 0

  constructor(sample: RowSample<R>, options: ReferenceProfileOptions<R>) {
    this.#cells = learnCells(sample, options)
    this.#finder = finderOf(this.#cells)
    this.#tally = new Tally(this.#finder)
    this.#found = new FoundCells(this.#cells.length)
    this.#extra = new FoundCells(1)
    const extras = extraFeatures(options)
    this.#extras = extras.map(({ role, of }) => ({ place: [this.#finder.places.find((place) => place.role === role) as Place], of }))
    this.#sketches = Array.from({ length: this.#finder.numerics }, () => new DDSketch({ relativeAccuracy: sketchAccuracy }))
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
      if (!isNumeric) return featureProfile(cells, { counts })
      const sketch = this.#sketches[numeric] as DDSketch
      return featureProfile(cells, {
        counts,
        magnitudes: Float64Array.from(this.#tally.counts.subarray(magnitudes, magnitudes + magnitudeCells)),
        sums: this.#tally.sums.slice(sums, sums + momentSlots),
        min: sketch.min,
        max: sketch.max,
        sketch,
      })
    })
  }

  #add(places: readonly Place[], found: FoundCells): void {
    this.#tally.add(places, found)
    for (let index = 0; index < places.length; index++) {
      if (!Number.isNaN(found.units[index])) (this.#sketches[(places[index] as Place).numeric] as DDSketch).add(found.numbers[index] as number)
    }
  }
}
