/** Where answers differ: rows counted by what they have in common. */
import { plainText, shownNumber } from './shown.js'

/** Rows that have something in common. */
export interface Slice {
  /** What they are told apart by: `version`, `day`, a field. */
  readonly by: string
  readonly value: string
  readonly rows: number
  readonly different: number
  /** Of numbers, the largest difference, and the mean of the rows that differ. */
  readonly largest: number
  readonly mean: number
}

/** What rows are told apart by, for one of them; `undefined` for nothing. */
export type SliceValue<R> = (record: R) => string | number | boolean | null | undefined

interface Tally {
  /** Whether its name was a number: a text of digits (a ZIP code) is none. */
  readonly isNumber: boolean
  rows: number
  different: number
  measured: number
  sum: number
  largest: number
}

/** Of each kind no more slices are kept; further values share one. */
const most = 20
const others = '(others)'

/** Counts rows by several kinds of slices. Memory: 20 slices a kind. */
export class SliceTable<R> {
  readonly #kinds: { readonly by: string; readonly of: SliceValue<R>; tallies: Map<string, Tally>; isCoarse: boolean }[]

  constructor(kinds: readonly (readonly [by: string, of: SliceValue<R>])[]) {
    this.#kinds = kinds.map(([by, of]) => ({ by, of, tallies: new Map(), isCoarse: false }))
  }

  /** @param by - how far the row's answers are apart; `undefined` if they are the same, not finite if they cannot be measured */
  add(record: R, by: number | undefined): void {
    for (const kind of this.#kinds) {
      const value = kind.of(record) ?? '(none)'
      let name = kind.isCoarse ? coarse(value) : String(value)
      if (!kind.tallies.has(name) && kind.tallies.size >= most) {
        if (!kind.isCoarse) {
          kind.isCoarse = true
          const fine = kind.tallies
          kind.tallies = new Map()
          for (const [text, tally] of fine) merge(tallyOf(kind.tallies, coarse(tally.isNumber ? Number(text) : text), false), tally)
          name = coarse(value)
        }
        if (!kind.tallies.has(name) && kind.tallies.size >= most) name = others
      }
      const tally = tallyOf(kind.tallies, name, typeof value === 'number')
      tally.rows += 1
      if (by === undefined) continue
      tally.different += 1
      if (!Number.isFinite(by)) continue
      tally.measured += 1
      tally.sum += by
      tally.largest = Math.max(tally.largest, by)
    }
  }

  /** By kind, those that differ most first. */
  get slices(): readonly Slice[] {
    return this.#kinds.flatMap(({ by, tallies }) =>
      [...tallies]
        .map(([value, { rows, different, measured, sum, largest }]) => ({ by, value, rows, different, largest, mean: measured === 0 ? 0 : sum / measured }))
        .sort((a, b) => b.different / b.rows - a.different / a.rows || b.rows - a.rows || (a.value < b.value ? -1 : 1)),
    )
  }
}

const tallyOf = (tallies: Map<string, Tally>, name: string, isNumber: boolean): Tally => {
  let tally = tallies.get(name)
  if (tally === undefined) tallies.set(name, (tally = { isNumber, rows: 0, different: 0, measured: 0, sum: 0, largest: 0 }))
  return tally
}

const merge = (into: Tally, tally: Tally): void => {
  for (const part of ['rows', 'different', 'measured', 'sum'] as const) into[part] += tally[part]
  into.largest = Math.max(into.largest, tally.largest)
}

/** Numbers of many values by their first digit: `300–400`. */
const coarse = (value: string | number | boolean | null): string => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value === 0) return String(value)
  const step = 10 ** Math.floor(Math.log10(Math.abs(value)))
  const low = Math.floor(value / step) * step
  return `${shownNumber(low)} to ${shownNumber(low + step)}`
}

/** The heads of a table of slices, and its rows: at most `each` of a kind. */
export const sliceRows = (slices: readonly Slice[], each: number): string[][] => {
  const seen = new Map<string, number>()
  const rows = slices.filter(({ by }) => {
    seen.set(by, (seen.get(by) ?? 0) + 1)
    return (seen.get(by) as number) <= each
  })
  return [['by', 'value', 'rows', 'differ', 'share', 'mean', 'largest'], ...rows.map(({ by, value, rows: count, different, mean, largest }) => [plainText(by, 16), plainText(value, 24), String(count), String(different), `${shownNumber((100 * different) / count)} %`, shownNumber(mean), shownNumber(largest)])]
}
