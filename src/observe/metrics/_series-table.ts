/**
 * Which series an instrument has: attributes → the place of its numbers.
 *
 * There are at most `maxSeries` of them, the overflow included. What would be one more is the overflow's, whatever its
 * attributes: that costs no memory, so that a label that somebody else fills cannot fill the process.
 */
import { InvalidOptionError } from '../../core/errors.js'
import type { AttributeValue, MetricAttributes } from './definition.js'

/** An attribute's value is kept up to so many characters: 2 000 series of long texts would be memory without a bound too. */
const longestValue = 128

/** The place of what found no other. */
export const overflowPlace = 0

export class SeriesTable {
  readonly attributes: readonly string[]
  readonly max: number
  /** Values of the attributes, by place; `undefined` where there is no series. The overflow's are empty. */
  readonly values: (readonly (string | undefined)[] | undefined)[] = [undefined]
  /** Counts changes of what is at a place: who keeps something by place looks whether it is still true. */
  changes = 0
  readonly #metric: string
  readonly #places = new Map<string, number>()
  readonly #free: number[] = []

  constructor(metric: string, attributes: readonly string[], max: number) {
    this.#metric = metric
    this.attributes = attributes
    this.max = max
  }

  /** Places that are taken, and those below them. */
  get length(): number {
    return this.values.length
  }

  /** How many series there are. */
  get size(): number {
    return this.#places.size + (this.values[overflowPlace] === undefined ? 0 : 1)
  }

  /** The place of a series, made if it is new. */
  place(attributes: MetricAttributes): number {
    const values = this.#valuesOf(attributes)
    const key = keyOf(values)
    const known = this.#places.get(key)
    if (known !== undefined) return known
    if (this.#places.size >= this.max - 1) {
      if (this.values[overflowPlace] === undefined) {
        this.values[overflowPlace] = []
        this.changes += 1
      }
      return overflowPlace
    }
    const place = this.#free.pop() ?? this.values.length
    this.values[place] = values
    this.#places.set(key, place)
    this.changes += 1
    return place
  }

  /** Forgets a series; gives the place that it had. */
  remove(attributes: MetricAttributes): number | undefined {
    const key = keyOf(this.#valuesOf(attributes))
    const place = this.#places.get(key)
    if (place === undefined) return undefined
    this.#places.delete(key)
    this.values[place] = undefined
    this.#free.push(place)
    this.changes += 1
    return place
  }

  #valuesOf(attributes: MetricAttributes): (string | undefined)[] {
    for (const name in attributes) if (!this.attributes.includes(name)) throw new InvalidOptionError(`Cannot tell ${this.#metric} as it has no attribute \`${name.slice(0, 80)}\` (it has ${this.attributes.join(', ') || 'none'}): current value is ${JSON.stringify(String(attributes[name]).slice(0, 80))}`)
    return this.attributes.map((name) => clipped(attributes[name]))
  }
}

/** With their lengths, as a value may hold whatever separates two. */
const keyOf = (values: readonly (string | undefined)[]): string => {
  let key = ''
  for (const value of values) key += value === undefined ? '-' : `${value.length}:${value}`
  return key
}

const clipped = (value: AttributeValue): string | undefined => {
  const text = value === undefined ? '' : String(value)
  // To Prometheus an empty one is none.
  if (text === '') return undefined
  // A slice would keep all of the text it is of; half a character (a lone surrogate) becomes the replacement character.
  return text.length <= longestValue && !/\p{Surrogate}/u.test(text) ? text : Buffer.from(text.slice(0, longestValue)).toString()
}
