import { OutriggerError } from '../core/errors.js'
import { murmur3 } from '../core/hash.js'
import { momentSlots } from './_moments.js'
import { magnitudeOf } from './_numeric-cells.js'
import { pairTable } from './_pair-cells.js'
import { magnitudeCells, ordinaryCells, specialCells, type CategoricalCells, type FeatureCells, type FeatureRole, type FeatureRow } from './feature-cells.js'

const missing = 0
const nan = 1
const plusInfinity = 2
const minusInfinity = 3
const wrongType = 4
export const nowhere = -1
const guides = 1024

/** Where a feature's counts and sums are, and how its values get there. */
export interface Place {
  readonly name: string
  readonly role: FeatureRole
  readonly isNumeric: boolean
  /** Whether the name is one that every object inherits, such as `constructor`. */
  readonly isInherited: boolean
  /** Where its counts begin, where the special ones do, and where the magnitudes do. */
  readonly offset: number
  readonly special: number
  readonly magnitudes: number
  readonly magnitudeBase: number
  /** Where its sums begin. */
  readonly sums: number
  /** Its place among the numeric features. */
  readonly numeric: number
  readonly edges: Float64Array
  /** How many edges surely lie below a value, by where it lies between the outer edges. */
  readonly guide: Uint16Array
  readonly guideFrom: number
  readonly guideScale: number
  readonly centre: number
  readonly perUnit: number
  readonly categories: ReadonlyMap<string, number>
  readonly tail: ReadonlySet<number>
  readonly isTailComplete: boolean
  readonly takesStrings: boolean
  readonly takesNumbers: boolean
  readonly takesBooleans: boolean
}

/** Where the values of one row belong. */
export class FoundCells {
  /** Two per value: its cell, and its magnitude; `nowhere` for none. */
  readonly cells: Int32Array
  /** Per value: in units of its feature, if it is a finite number of a numeric one; else `NaN`. */
  readonly units: Float64Array
  /** The value itself, likewise. */
  readonly numbers: Float64Array

  constructor(features: number) {
    this.cells = new Int32Array(2 * features)
    this.units = new Float64Array(features)
    this.numbers = new Float64Array(features)
  }
}

/** Finds the cells of values. One for a reference profile; it has no counts, and nothing is allocated per row. */
export class CellFinder {
  readonly places: readonly Place[]
  readonly inputs: readonly Place[]
  /** What a row of inputs is counted in: the inputs, then the pairs of them. */
  readonly rowPlaces: readonly Place[]
  /** One place each, or none. */
  readonly output: readonly Place[]
  readonly label: readonly Place[]
  readonly score: readonly Place[]
  readonly #pairs: readonly Pair[]
  /** How many counts, and how many sums, all features take. */
  readonly counts: number
  readonly sums: number
  readonly numerics: number

  constructor(features: readonly FeatureCells[]) {
    let offset = 0
    let numerics = 0
    this.places = features.map((cells) => {
      const place = placeOf(cells, offset, numerics)
      offset = place.magnitudes + (place.isNumeric ? magnitudeCells : 0)
      if (place.isNumeric) numerics += 1
      return place
    })
    this.inputs = this.places.filter(({ role }) => role === 'input')
    const pairs = this.places.filter(({ role }) => role === 'pair')
    this.rowPlaces = [...this.inputs, ...pairs]
    this.#pairs = pairs.map((place) => pairOf(place, features, this.inputs))
    const [output, label, score] = (['output', 'label', 'score'] as const).map((role) => this.places.filter((place) => place.role === role))
    this.output = output as readonly Place[]
    this.label = label as readonly Place[]
    this.score = score as readonly Place[]
    this.counts = offset
    this.sums = numerics * momentSlots
    this.numerics = numerics
  }

  /** Finds the cells of a row of inputs, all of them before anything is counted. */
  findRow(row: FeatureRow, found: FoundCells): void {
    const { inputs } = this
    if (typeof row !== 'object' || row === null) throw notARow(row)
    if (Array.isArray(row) || ArrayBuffer.isView(row)) {
      const values = row as ArrayLike<unknown>
      if (values.length !== inputs.length) throw wrongLength(values.length, inputs.length)
      for (let index = 0; index < inputs.length; index++) find(inputs[index] as Place, values[index], found, index)
    } else {
      const record = row as Readonly<Record<string, unknown>>
      for (let index = 0; index < inputs.length; index++) {
        const place = inputs[index] as Place
        find(place, place.isInherited && !Object.hasOwn(record, place.name) ? undefined : record[place.name], found, index)
      }
    }
    this.findPairs(found)
  }

  /** Finds the cells of the pairs, by those of the inputs. */
  findPairs({ cells, units }: FoundCells): void {
    const pairs = this.#pairs
    for (let index = 0; index < pairs.length; index++) {
      const { place, first, second, table, width } = pairs[index] as Pair
      const [x, y] = [(cells[2 * first.at] as number) - first.offset, (cells[2 * second.at] as number) - second.offset]
      const at = this.inputs.length + index
      cells[2 * at] = place.offset + (table[x * width + y] as number)
      cells[2 * at + 1] = nowhere
      units[at] = NaN
    }
  }
}

interface Pair {
  readonly place: Place
  readonly first: { readonly at: number; readonly offset: number }
  readonly second: { readonly at: number; readonly offset: number }
  readonly table: Uint16Array
  readonly width: number
}

const pairOf = (place: Place, features: readonly FeatureCells[], inputs: readonly Place[]): Pair => {
  const pair = features.find(({ name }) => name === place.name) as CategoricalCells
  const [first, second] = (pair.of as readonly [string, string]).map((name) => inputs.findIndex((input) => input.name === name)) as [number, number]
  const part = (at: number): FeatureCells => features.find(({ name, role }) => role === 'input' && name === inputs[at]?.name) as FeatureCells
  return {
    place,
    first: { at: first, offset: (inputs[first] as Place).offset },
    second: { at: second, offset: (inputs[second] as Place).offset },
    ...pairTable(pair, part(first), part(second)),
  }
}

const finders = new WeakMap<readonly FeatureCells[], CellFinder>()

/** The one finder of a profile's features: its tables are shared by all live counts. */
export const finderOf = (features: readonly FeatureCells[]): CellFinder => {
  const finder = finders.get(features) ?? new CellFinder(features)
  finders.set(features, finder)
  return finder
}

/** Finds the cells of one value. @param at - where in `found` */
export const find = (place: Place, value: unknown, found: FoundCells, at: number): void => {
  const { cells } = found
  cells[2 * at + 1] = nowhere
  found.units[at] = NaN
  if (typeof value === 'number') {
    // Finite: not NaN, and no infinity.
    if (value - value === 0) {
      if (place.isNumeric) {
        cells[2 * at] = place.offset + cellOf(place, value)
        cells[2 * at + 1] = magnitudeCell(place, magnitudeOf(value))
        found.units[at] = (value - place.centre) * place.perUnit
        found.numbers[at] = value
      } else cells[2 * at] = place.takesNumbers ? place.offset + category(place, String(value)) : place.special + wrongType
    } else cells[2 * at] = place.special + (value === Infinity ? plusInfinity : value === -Infinity ? minusInfinity : nan)
  } else if (value === undefined || value === null) cells[2 * at] = place.special + missing
  else if (typeof value === 'string' && place.takesStrings) cells[2 * at] = place.offset + category(place, value)
  else if (typeof value === 'boolean' && place.takesBooleans) cells[2 * at] = place.offset + category(place, value ? 'true' : 'false')
  else cells[2 * at] = place.special + wrongType
}

const magnitudeCell = (place: Place, half: number): number => {
  if (half === 0) return nowhere
  const cell = half - place.magnitudeBase
  return place.magnitudes + (cell < 0 ? 0 : cell >= magnitudeCells ? magnitudeCells - 1 : cell)
}

/**
 * How many of the feature's edges lie below a value. A guide table skips those that surely do; what is left is a step or two on data like the reference's.
 * Source: Chen and Asau, On generating random variates from an empirical distribution, AIIE Transactions 6 (1974).
 */
export const cellOf = (place: Place, value: number): number => {
  const { edges, guide } = place
  const position = (value - place.guideFrom) * place.guideScale
  // NaN (an infinity times 0) goes to the first.
  const slot = position > 0 ? (position < guides ? position | 0 : guides - 1) : 0
  let from = guide[slot] as number
  let length = (guide[slot + 1] as number) - from
  while (length > 4) {
    const half = length >>> 1
    if ((edges[from + half] as number) < value) {
      from += half + 1
      length -= half + 1
    } else length = half
  }
  const end = from + length
  while (from < end && (edges[from] as number) < value) from += 1
  return from
}

const category = (place: Place, name: string): number => {
  const cell = place.categories.get(name)
  if (cell !== undefined) return cell
  const other = place.categories.size
  return !place.isTailComplete || (place.tail.size > 0 && place.tail.has(murmur3(name))) ? other : other + 1
}

const none: Pick<CategoricalCells, 'categories' | 'tail' | 'isTailComplete' | 'types'> = { categories: [], tail: [], isTailComplete: true, types: [] }

const placeOf = (cells: FeatureCells, offset: number, numeric: number): Place => {
  const special = offset + ordinaryCells(cells)
  const isNumeric = cells.kind === 'numeric'
  const { categories, tail, isTailComplete, types } = isNumeric ? none : cells
  // A feature of which the reference saw no value at all may turn out to be of any type.
  const takes = (type: 'string' | 'number' | 'boolean'): boolean => !isNumeric && (types.length === 0 || types.includes(type))
  return {
    name: cells.name,
    role: cells.role,
    isNumeric,
    isInherited: cells.name in Object.prototype,
    offset,
    special,
    magnitudes: special + specialCells.length,
    magnitudeBase: isNumeric ? cells.magnitudeBase : 0,
    sums: numeric * momentSlots,
    numeric,
    ...guideOf(isNumeric ? cells.edges : new Float64Array()),
    centre: isNumeric ? cells.centre : 0,
    perUnit: isNumeric ? 2 ** -cells.exponent : 0,
    categories: new Map(categories.map((name, index) => [name, index])),
    tail: new Set(tail),
    isTailComplete,
    takesStrings: takes('string'),
    takesNumbers: takes('number'),
    takesBooleans: takes('boolean'),
  }
}

/** The guide of some edges. It reaches over the inner nine tenths of them: the outer ones may lie very far out. */
const guideOf = (edges: Float64Array): Pick<Place, 'edges' | 'guide' | 'guideFrom' | 'guideScale'> => {
  const outer = Math.floor(edges.length / 20)
  const guideFrom = edges[outer] ?? 0
  const width = (edges[edges.length - 1 - outer] ?? 0) - guideFrom
  const guideScale = width > 0 && guides / width < Infinity ? guides / width : 0
  const guide = new Uint16Array(guides + 1)
  // An edge counts as below a slot if it lies in a lower one: the position of a value never falls as the value grows.
  for (const edge of edges) {
    const position = (edge - guideFrom) * guideScale
    const slot = position > 0 ? (position < guides ? position | 0 : guides - 1) : 0
    for (let above = slot + 1; above <= guides; above++) (guide[above] as number)++
  }
  return { edges, guide, guideFrom, guideScale }
}

const notARow = (row: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a row as it must be a record of features or an array of numbers: current value is ${row === null ? 'null' : `a ${typeof row}`}`)

const wrongLength = (length: number, expected: number): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count a row as it must have one number for each of the profile's ${expected} input features: current value is ${length} numbers`)
