/** Numbers that somebody else keeps: read when the metrics are. */
import { InvalidOptionError } from '../../core/errors.js'
import { Cells } from './_cells.js'
import { checkedDefinition, type MetricAttributes, type MetricDefinition } from './definition.js'
import { overflowPlace } from './_series-table.js'

interface Reader {
  readonly read: () => number
  hasFailed: boolean
}

export class Watched extends Cells<{ readonly place: number }> {
  readonly kind: 'gauge' | 'counter'
  readonly #readers = new Map<number, Reader>()
  readonly #failed: (error: unknown) => void

  constructor(kind: 'gauge' | 'counter', definition: MetricDefinition, maxSeries: number, failed: (error: unknown) => void) {
    super(checkedDefinition('watch', definition), maxSeries, 1)
    this.kind = kind
    this.#failed = failed
  }

  protected make(place: number): { readonly place: number } {
    return { place }
  }

  add(attributes: MetricAttributes, read: () => number): () => void {
    const { place } = this.bind(attributes)
    if (place === overflowPlace || this.#readers.has(place)) throw new InvalidOptionError(`Cannot watch ${this.name} as ${place === overflowPlace ? `it has as many series as it may (${this.table.max})` : 'this series must not be watched yet'}: current value is ${JSON.stringify(attributes)}`)
    const reader = { read, hasFailed: false }
    this.#readers.set(place, reader)
    return () => {
      if (this.#readers.get(place) !== reader) return
      this.#readers.delete(place)
      this.forget(attributes)
    }
  }

  /** Reads all. What cannot be read is `NaN`, which is told to nobody. */
  read(): void {
    for (const [place, reader] of this.#readers) {
      let value: unknown = Number.NaN
      try {
        value = reader.read()
        if (typeof value !== 'number' || (this.kind === 'counter' && !(value >= 0 && value < Infinity))) throw new InvalidOptionError(`Cannot tell ${this.name} as a ${this.kind} must be a number${this.kind === 'counter' ? ' that is finite and at least 0' : ''}: current value is ${String(value)}`)
        reader.hasFailed = false
      } catch (error) {
        value = Number.NaN
        if (!reader.hasFailed) this.#failed(error)
        reader.hasFailed = true
      }
      this.cells[place] = value as number
    }
  }
}
