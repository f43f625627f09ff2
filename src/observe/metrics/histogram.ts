import { OptionRangeError } from '../../core/errors.js'
import { checkedBuckets, checkedDefinition, secondsBuckets, type HistogramDefinition, type MetricAttributes } from './definition.js'
import { Cells } from './_cells.js'
import type { Exemplar } from './exemplar.js'

/** How values are spread, in buckets with fixed bounds, with their sum. */
export class Histogram extends Cells<HistogramSeries> {
  readonly kind = 'histogram'
  readonly bounds: Float64Array
  /** The last exemplar of each bucket that had one, by its cell. */
  readonly exemplars: Map<number, Exemplar> = new Map<number, Exemplar>()

  constructor(definition: HistogramDefinition, maxSeries: number) {
    const bounds = checkedBuckets('a histogram', definition.buckets ?? secondsBuckets)
    // A cell per bucket, one for what is above the last bound, one for the sum.
    super(checkedDefinition('histogram', definition, ['buckets']), maxSeries, bounds.length + 2)
    this.bounds = bounds
  }

  protected make(place: number): HistogramSeries {
    return new HistogramSeries(this, place * this.width)
  }

  /** Records without a bound series; costs about 200 ns more. */
  record(value: number, attributes: MetricAttributes = {}): void {
    checked(this, value)
    this.bind(attributes).record(value)
  }
}

/** A series of a histogram, bound once. */
export class HistogramSeries {
  readonly histogram: Histogram
  /** Where its first bucket is among the histogram's cells. */
  readonly from: number

  constructor(histogram: Histogram, from: number) {
    this.histogram = histogram
    this.from = from
  }

  get count(): number {
    let count = 0
    for (let bucket = 0; bucket < this.histogram.width - 1; bucket += 1) count += this.histogram.cells[this.from + bucket] as number
    return count
  }

  get sum(): number {
    return this.histogram.cells[this.from + this.histogram.width - 1] as number
  }

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` for what is negative or not finite: one such value would spoil the sum for good */
  record(value: number, exemplar?: Exemplar): void {
    checked(this.histogram, value)
    const { bounds, cells } = this.histogram
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1
    const cell = this.from + bucket
    cells[cell]! += 1
    cells[this.from + bounds.length + 1]! += value
    if (exemplar !== undefined) this.histogram.exemplars.set(cell, exemplar)
  }
}

const checked = ({ name }: Histogram, value: number): void => {
  if (!(typeof value === 'number' && value >= 0 && value < Infinity)) throw new OptionRangeError(`Cannot record for ${name} as a histogram takes finite numbers of at least 0: current value is ${String(value)}`)
}
