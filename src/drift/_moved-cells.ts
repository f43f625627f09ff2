import { mergeSparseCells } from '../stats/merge-cells.js'
import { sum, type FeatureTable, type SpecialCell } from './_feature-table.js'
import type { NumericCells } from './feature-cells.js'

/** A part of a feature's values, and its share of the rows then and now. */
export interface CellChange {
  /** In words: a category in quotes, a range of numbers, or `missing`, `NaN`, `above 40`… */
  readonly cell: string
  /** Share of the reference rows, in [0, 1]. */
  readonly before: number
  /** Share of the live rows, in [0, 1]. */
  readonly after: number
}

/** How many ranges a numeric feature is told in. */
const ranges = 10

/** The cells whose share changed most, the largest change first. Numbers are told in about ten ranges. */
export const movedCells = (table: FeatureTable, top: number): CellChange[] =>
  shownCells(table)
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
    .slice(0, top)
    .filter(({ before, after }) => before !== after)

/** The cells with rows: numbers in about ten ranges, in order; categories as the profile has them; then those that are no plain value. */
export const shownCells = (table: FeatureTable): CellChange[] => {
  const { feature, n, m } = table
  const changes: CellChange[] = []
  const add = (cell: string, before: number, after: number): void => {
    if (before !== after || before > 0) changes.push({ cell, before: before / n, after: after / m })
  }
  if (feature.kind === 'numeric') {
    const groups = mergeSparseCells(table.before, table.after, { ordered: true, minimumExpected: 0, maximumCells: ranges })
    for (let from = 0; from < groups.length; ) {
      let to = from
      while (to + 1 < groups.length && (groups[to + 1] === groups[from] || groups[to + 1] === -1)) to += 1
      add(rangeName(feature, table.firstCell + from, table.firstCell + to), sum(table.before.slice(from, to + 1)), sum(table.after.slice(from, to + 1)))
      from = to + 1
    }
  } else table.named.forEach((cell, index) => add(JSON.stringify(feature.categories[cell]), table.before[index] as number, table.after[index] as number))
  for (const [name, { before, after }] of table.special) add(specialName(name, table), before, after)
  return changes
}

/** A number for people: four digits. */
export const shown = (x: number): string => String(Number(x.toPrecision(4)))

/** A range of a number's cells, in words. */
export const rangeName = ({ edges, points }: NumericCells, from: number, to: number): string => {
  const point = points.get(from)
  if (from === to && point !== undefined) return shown(point)
  const low = edges[from - 1]
  const high = edges[to]
  if (low === undefined || high === undefined) return low === undefined ? (high === undefined ? 'any number' : `up to ${shown(high)}`) : `above ${shown(low)}`
  return `${shown(low)} to ${shown(high)}`
}

/** A special cell, in words. */
export const specialName = (cell: SpecialCell, { feature }: Pick<FeatureTable, 'feature'>): string => {
  if (cell === 'nan') return 'NaN'
  if (cell === 'wrong-type') return 'another type'
  if (cell === 'unnamed') return 'rare and new categories'
  if (feature.kind === 'numeric' && cell === 'below-range') return `below ${shown(feature.edges[0] as number)}`
  if (feature.kind === 'numeric' && cell === 'above-range') return `above ${shown(feature.edges[feature.edges.length - 1] as number)}`
  return cell
}
