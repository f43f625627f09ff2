/** What all instruments have: numbers in one typed array, so many for each series. */
import type { MetricAttributes, MetricDefinition } from './definition.js'
import { SeriesTable } from './_series-table.js'

export abstract class Cells<S extends object> {
  readonly name: string
  readonly definition: Required<MetricDefinition>
  readonly table: SeriesTable
  /** Numbers of all series, `width` for each place. Replaced when it grows. */
  cells: Float64Array
  readonly width: number
  readonly #bound: (S | undefined)[] = []

  constructor(definition: Required<MetricDefinition>, maxSeries: number, width: number) {
    this.name = definition.name
    this.definition = definition
    this.table = new SeriesTable(definition.name, definition.attributes, maxSeries)
    this.width = width
    this.cells = new Float64Array(4 * width)
  }

  protected abstract make(place: number): S

  /**
   * The series of these attributes, to be kept by who records often: recording into it costs about 10 ns. Beyond the cap it is
   * the overflow's.
   *
   * @throws `ERR_OUTRIGGER_INVALID_OPTION` for an attribute that the instrument does not have
   */
  bind(attributes: MetricAttributes): S {
    const place = this.table.place(attributes)
    const known = this.#bound[place]
    if (known !== undefined) return known
    if ((place + 1) * this.width > this.cells.length) {
      const cells = new Float64Array(Math.min(this.cells.length * 2, this.table.max * this.width))
      cells.set(this.cells)
      this.cells = cells
    }
    return (this.#bound[place] = this.make(place))
  }

  /** Ends a series, so that it is not told any more. Who still holds it records into nothing. */
  protected forget(attributes: MetricAttributes): S | undefined {
    const place = this.table.remove(attributes)
    if (place === undefined) return undefined
    const series = this.#bound[place]
    this.#bound[place] = undefined
    this.cells.fill(0, place * this.width, (place + 1) * this.width)
    return series
  }
}
