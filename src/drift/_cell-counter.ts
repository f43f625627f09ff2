import { OutriggerError } from '../core/errors.js'
import { murmur3 } from '../core/hash.js'
import { magnitudeOf } from './_numeric-cells.js'
import { magnitudeCells, ordinaryCells, specialCells, type CategoricalCells, type FeatureCells, type FeatureRow } from './feature-cells.js'

const missing = 0
const nan = 1
const plusInfinity = 2
const minusInfinity = 3
const wrongType = 4
const nowhere = -1

interface Place {
  readonly name: string
  readonly isNumeric: boolean
  /** Whether the name is one that every object inherits, such as `constructor`. */
  readonly isInherited: boolean
  /** Where its counts begin, where the special ones do, and where the magnitudes do. */
  readonly offset: number
  readonly special: number
  readonly magnitudes: number
  readonly edgesFrom: number
  readonly edges: number
  readonly magnitudeBase: number
  readonly categories: ReadonlyMap<string, number>
  readonly tail: ReadonlySet<number>
  readonly isTailComplete: boolean
  readonly takesStrings: boolean
  readonly takesNumbers: boolean
  readonly takesBooleans: boolean
}

/**
 * Puts values into cells and counts them, as whole numbers in one flat array (doubles, exact up to 2⁵³).
 *
 * A row is placed completely before any of it is counted: a getter that throws leaves no half of a row behind. Nothing is
 * allocated per row.
 */
export class CellCounter {
  readonly counts: Float64Array
  readonly #places: readonly Place[]
  readonly #inputs: readonly Place[]
  readonly #output: Place | undefined
  readonly #edges: Float64Array
  /** Two cells per feature of the row at hand: its cell, and its magnitude. */
  readonly #found: Int32Array

  constructor(features: readonly FeatureCells[]) {
    this.#edges = Float64Array.from(features.flatMap((cells) => (cells.kind === 'numeric' ? [...cells.edges] : [])))
    let offset = 0
    let edgesFrom = 0
    this.#places = features.map((cells) => {
      const place = placeOf(cells, offset, edgesFrom)
      offset = place.magnitudes + (place.isNumeric ? magnitudeCells : 0)
      edgesFrom += place.edges
      return place
    })
    this.#inputs = this.#places.filter((_, index) => features[index]?.role === 'input')
    this.#output = this.#places.find((_, index) => features[index]?.role === 'output')
    this.counts = new Float64Array(offset)
    this.#found = new Int32Array(2 * features.length)
  }

  /** The counts of a feature: its own cells, then the special ones. A view, not a copy. */
  cells(feature: number): Float64Array {
    const { offset, magnitudes } = this.#places[feature] as Place
    return this.counts.subarray(offset, magnitudes)
  }

  /** The counts of a feature by half-octave of |x|; empty for a category. A view, not a copy. */
  magnitudes(feature: number): Float64Array {
    const { magnitudes, isNumeric } = this.#places[feature] as Place
    return this.counts.subarray(magnitudes, magnitudes + (isNumeric ? magnitudeCells : 0))
  }

  /** Counts one row of inputs. */
  countRow(row: FeatureRow): void {
    const inputs = this.#inputs
    const found = this.#found
    if (typeof row !== 'object' || row === null) throw notARow(row)
    if (Array.isArray(row) || ArrayBuffer.isView(row)) {
      const values = row as ArrayLike<unknown>
      if (values.length !== inputs.length) throw wrongLength(values.length, inputs.length)
      for (let index = 0; index < inputs.length; index++) this.#find(inputs[index] as Place, values[index], 2 * index)
    } else {
      const record = row as Readonly<Record<string, unknown>>
      for (let index = 0; index < inputs.length; index++) {
        const place = inputs[index] as Place
        this.#find(place, place.isInherited && !Object.hasOwn(record, place.name) ? undefined : record[place.name], 2 * index)
      }
    }
    this.#add(2 * inputs.length, found)
  }

  /** Counts one output; nothing when the profile has none. */
  countOutput(value: unknown): void {
    if (this.#output === undefined) return
    this.#find(this.#output, value, 0)
    this.#add(2, this.#found)
  }

  #add(length: number, found: Int32Array): void {
    const counts = this.counts
    for (let index = 0; index < length; index++) {
      const cell = found[index] as number
      if (cell !== nowhere) (counts[cell] as number)++
    }
  }

  #find(place: Place, value: unknown, at: number): void {
    const found = this.#found
    found[at + 1] = nowhere
    if (typeof value === 'number') {
      // Finite: not NaN, and no infinity.
      if (value - value === 0) {
        if (place.isNumeric) {
          found[at] = place.offset + this.#search(place, value)
          const half = magnitudeOf(value)
          if (half !== 0) {
            const cell = half - place.magnitudeBase
            found[at + 1] = place.magnitudes + (cell < 0 ? 0 : cell >= magnitudeCells ? magnitudeCells - 1 : cell)
          }
        } else found[at] = place.takesNumbers ? place.offset + category(place, String(value)) : place.special + wrongType
      } else found[at] = place.special + (value === Infinity ? plusInfinity : value === -Infinity ? minusInfinity : nan)
    } else if (value === undefined || value === null) found[at] = place.special + missing
    else if (typeof value === 'string' && place.takesStrings) found[at] = place.offset + category(place, value)
    else if (typeof value === 'boolean' && place.takesBooleans) found[at] = place.offset + category(place, value ? 'true' : 'false')
    else found[at] = place.special + wrongType
  }

  /** How many of the feature's edges lie below the value. */
  #search(place: Place, value: number): number {
    const edges = this.#edges
    let from = place.edgesFrom
    let length = place.edges
    while (length > 0) {
      const half = length >>> 1
      if ((edges[from + half] as number) < value) {
        from += half + 1
        length -= half + 1
      } else length = half
    }
    return from - place.edgesFrom
  }
}

const category = (place: Place, name: string): number => {
  const cell = place.categories.get(name)
  if (cell !== undefined) return cell
  const other = place.categories.size
  return !place.isTailComplete || (place.tail.size > 0 && place.tail.has(murmur3(name))) ? other : other + 1
}

const placeOf = (cells: FeatureCells, offset: number, edgesFrom: number): Place => {
  const special = offset + ordinaryCells(cells)
  const isNumeric = cells.kind === 'numeric'
  const { categories, tail, isTailComplete, types }: Pick<CategoricalCells, 'categories' | 'tail' | 'isTailComplete' | 'types'> = isNumeric
    ? { categories: [], tail: [], isTailComplete: true, types: [] }
    : cells
  // A feature of which the reference saw no value at all may turn out to be of any type.
  const takes = (type: 'string' | 'number' | 'boolean'): boolean => !isNumeric && (types.length === 0 || types.includes(type))
  return {
    name: cells.name,
    isNumeric,
    isInherited: cells.name in Object.prototype,
    offset,
    special,
    magnitudes: special + specialCells.length,
    edgesFrom,
    edges: isNumeric ? cells.edges.length : 0,
    magnitudeBase: isNumeric ? cells.magnitudeBase : 0,
    categories: new Map(categories.map((name, index) => [name, index])),
    tail: new Set(tail),
    isTailComplete,
    takesStrings: takes('string'),
    takesNumbers: takes('number'),
    takesBooleans: takes('boolean'),
  }
}

const notARow = (row: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a row as it must be a record of features or an array of numbers: current value is ${row === null ? 'null' : `a ${typeof row}`}`)

const wrongLength = (length: number, expected: number): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a row as it must have one number for each of the profile's ${expected} input features: current value is ${length} numbers`)
