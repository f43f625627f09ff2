import { OutriggerError } from '../core/errors.js'
import { cellOf, find, FoundCells, type CellFinder, type Place } from './_cell-finder.js'
import { addMoments } from './_moments.js'
import { magnitudeOf } from './_numeric-cells.js'
import type { Tally } from './_tally.js'
import { magnitudeCells } from './feature-cells.js'

/** Rows as columns: the values of a feature under its name. */
export type FeatureColumns = Readonly<Record<string, ArrayLike<unknown>>>

/** How many rows the columns have; a coded error if they do not agree. */
const rowsOf = (columns: FeatureColumns): number => {
  let rows: number | undefined
  for (const name of Object.keys(columns)) {
    const length = (columns[name] as ArrayLike<unknown> | undefined)?.length
    if (!Number.isSafeInteger(length) || (rows !== undefined && length !== rows)) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count columns as each must be an array, all of one length: current value is ${String(length)} values in ${JSON.stringify(name)}${rows === undefined ? '' : ` and ${rows} in others`}`)
    }
    rows = length
  }
  if (rows === undefined) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'Cannot count columns as there must be one: current value is no columns')
  return rows
}

/** Counts columns of inputs, and of `@output`, `@label` and `@score` where the profile has them; an input without a column is missing. How many rows there were. */
export const countColumns = (finder: CellFinder, tally: Tally, columns: FeatureColumns): number => {
  const rows = rowsOf(columns)
  const own = (name: string): ArrayLike<unknown> | undefined => (Object.hasOwn(columns, name) ? columns[name] : undefined)
  const { inputs, rowPlaces, output, label, score } = finder
  if (rowPlaces.length > inputs.length) {
    const found = new FoundCells(rowPlaces.length)
    for (let row = 0; row < rows; row++) {
      inputs.forEach((place, index) => find(place, own(place.name)?.[row], found, index))
      finder.findPairs(found)
      tally.add(rowPlaces, found)
    }
  } else for (const place of inputs) countColumn(tally, place, own(place.name), rows)
  for (const place of [...output, ...label, ...score]) {
    const values = own(place.name)
    if (values !== undefined) countColumn(tally, place, values, rows)
  }
  return rows
}

const slice = 2 ** 20

const countColumn = (tally: Tally, place: Place, values: ArrayLike<unknown> | undefined, rows: number): void => {
  if (place.isNumeric && (values instanceof Float64Array || values instanceof Float32Array)) {
    for (let from = 0; from < rows; from += slice) {
      const part = values.subarray(from, Math.min(rows, from + slice))
      tally.expect(part.length)
      countNumbers(tally, place, part)
    }
    return
  }
  const found = new FoundCells(1)
  const places = [place]
  for (let row = 0; row < rows; row++) {
    find(place, values?.[row], found, 0)
    tally.add(places, found)
  }
}

/** The loop of all loops: what `find`, `Tally.add` and `addMoments` do, on one feature. */
const countNumbers = ({ counts, sums }: Tally, place: Place, values: Float64Array | Float32Array): void => {
  const { offset, special, magnitudes, magnitudeBase, centre, perUnit, sums: at } = place
  let [fine, coarse, squareFine, squareCoarse] = [0, 0, 0, 0]
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number
    if (value - value !== 0) {
      const cell = special + (value === Infinity ? 2 : value === -Infinity ? 3 : 1)
      counts[cell] = (counts[cell] as number) + 1
      continue
    }
    const cell = offset + cellOf(place, value)
    counts[cell] = (counts[cell] as number) + 1
    const half = magnitudeOf(value)
    if (half !== 0) {
      const step = half - magnitudeBase
      const magnitude = magnitudes + (step < 0 ? 0 : step >= magnitudeCells ? magnitudeCells - 1 : step)
      counts[magnitude] = (counts[magnitude] as number) + 1
    }
    const u = (value - centre) * perUnit
    const square = u * u
    if (square < 1) {
      const head = u + roughly - roughly
      coarse += head
      fine += u - head + exactly - exactly
      const squareHead = square + roughly - roughly
      squareCoarse += squareHead
      squareFine += square - squareHead + exactly - exactly
    } else addMoments(sums, at, u)
  }
  sums[at] = (sums[at] as number) + fine
  sums[at + 1] = (sums[at + 1] as number) + coarse
  sums[at + 4] = (sums[at + 4] as number) + squareFine
  sums[at + 5] = (sums[at + 5] as number) + squareCoarse
}

/** The rounding constants of the grids 2⁻⁵² and 2⁻²⁶, as in `addMoments`. */
const exactly = 1.5
const roughly = 1.5 * 2 ** 26
