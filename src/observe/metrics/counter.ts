import { OptionRangeError } from '../../core/errors.js'
import { checkedDefinition, type MetricAttributes, type MetricDefinition } from './definition.js'
import { Cells } from './_cells.js'

/** What only grows. */
export class Counter extends Cells<CounterSeries> {
  readonly kind = 'counter'

  constructor(definition: MetricDefinition, maxSeries: number) {
    super(checkedDefinition('counter', definition), maxSeries, 1)
  }

  protected make(place: number): CounterSeries {
    return new CounterSeries(this, place)
  }

  /** Counts without a bound series; costs about 200 ns more. */
  add(amount: number, attributes: MetricAttributes = {}): void {
    checked(this, amount)
    this.bind(attributes).add(amount)
  }
}

/** A series of a counter, bound once. */
export class CounterSeries {
  readonly counter: Counter
  /** Where its number is among the counter's cells. */
  readonly place: number

  constructor(counter: Counter, place: number) {
    this.counter = counter
    this.place = place
  }

  get value(): number {
    return this.counter.cells[this.place] as number
  }

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` for what is negative or not finite: a counter never goes back */
  add(amount = 1): void {
    checked(this.counter, amount)
    this.counter.cells[this.place]! += amount
  }
}

const checked = ({ name }: Counter, amount: number): void => {
  if (!(typeof amount === 'number' && amount >= 0 && amount < Infinity)) throw new OptionRangeError(`Cannot count for ${name} as a counter takes finite numbers of at least 0: current value is ${String(amount)}`)
}
