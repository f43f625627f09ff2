import { InvalidOptionError } from '../../core/errors.js'
import { checkedDefinition, type MetricAttributes, type MetricDefinition } from './definition.js'
import { Cells } from './_cells.js'

/** What goes up and down. An `info` is a gauge that is always 1: its attributes say what it is. */
export class Gauge extends Cells<GaugeSeries> {
  readonly kind: 'gauge' | 'info'

  constructor(definition: MetricDefinition, maxSeries: number, kind: 'gauge' | 'info' = 'gauge') {
    super(checkedDefinition(kind, definition), maxSeries, 1)
    this.kind = kind
  }

  protected make(place: number): GaugeSeries {
    return new GaugeSeries(this, place)
  }

  /** Sets without a bound series. */
  set(value: number, attributes: MetricAttributes = {}): void {
    checked(this, value)
    this.bind(attributes).set(value)
  }

  /** Ends a series: a version that is not there any more is not told any more. */
  remove(attributes: MetricAttributes): void {
    this.forget(attributes)?.end()
  }
}

/** A series of a gauge, bound once. */
export class GaugeSeries {
  readonly #gauge: Gauge
  #place: number

  constructor(gauge: Gauge, place: number) {
    this.#gauge = gauge
    this.#place = place
  }

  get value(): number {
    return this.#gauge.cells[this.#place] ?? Number.NaN
  }

  /** `NaN` says that it is not known. @throws `ERR_OUTRIGGER_INVALID_OPTION` for what is no number */
  set(value: number): void {
    checked(this.#gauge, value)
    this.#gauge.cells[this.#place] = value
  }

  end(): void {
    this.#place = -1
  }
}

const checked = ({ name }: Gauge, value: number): void => {
  if (typeof value !== 'number') throw new InvalidOptionError(`Cannot set ${name} as a gauge takes numbers: current value is of type ${typeof value}`)
}
