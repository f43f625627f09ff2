import { mergeSparseCells } from '../stats/merge-cells.js'
import type { FeatureTable, Pair, SpecialCell } from './_feature-table.js'
import { rangeName, specialName } from './_moved-cells.js'
import { specialCells } from './feature-cells.js'

/** In how many ranges a number is told. */
const ranges = 10

/** The cells of a feature as they are told to people, and where its counts go. */
export interface CellGroups {
  readonly table: FeatureTable
  /** In words: the ordinary ones, then the special ones. */
  readonly names: readonly string[]
  readonly special: readonly SpecialCell[]
  /** Of each of the feature's cells, its group. */
  readonly groups: Int32Array
}

/**
 * About ten ranges of a number, or the categories whose name can be trusted, then each special cell. Chosen by both periods' rows together, so that
 * the choice favours neither; used for the whole and for every segment, so that their parts add up.
 */
export const cellGroups = (table: FeatureTable): CellGroups => {
  const { feature, firstCell, named } = table
  const special = [...table.special.keys()]
  const own = feature.counts.length - specialCells.length
  const groups = new Int32Array(feature.counts.length).fill(-1)
  const names: string[] = []
  if (feature.kind === 'numeric') {
    const merged = mergeSparseCells(table.before, table.after, { ordered: true, maximumCells: ranges })
    let from = 0
    let open = -1
    for (let cell = 0; cell <= merged.length; cell++) {
      const group = merged[cell] ?? Infinity
      // Cells that are empty in both periods go with those before them.
      if (group < 0 || group === open) continue
      if (open >= 0 || (cell === merged.length && cell > 0)) {
        groups.fill(names.length, firstCell + from, firstCell + cell)
        names.push(rangeName(feature, firstCell + from, firstCell + cell - 1))
        from = cell
      }
      open = group
    }
  } else {
    named.forEach((cell, index) => (groups[cell] = index))
    names.push(...named.map((cell) => JSON.stringify(feature.categories[cell])))
  }
  special.forEach((cell) => {
    const group = names.length
    names.push(specialName(cell, table))
    if (cell === 'below-range') groups[0] = group
    else if (cell === 'above-range') groups[own - 1] = group
    else if (cell === 'unnamed') groups.subarray(0, own).forEach((at, index) => at < 0 && (groups[index] = group))
    else groups[own + specialCells.indexOf(cell)] = group
  })
  return { table, names, special, groups }
}

/** Rows by group. */
export const grouped = ({ names, groups }: CellGroups, counts: ArrayLike<number>): number[] => {
  const sums = new Array<number>(names.length).fill(0)
  groups.forEach((group, cell) => (sums[group] = (sums[group] as number) + (counts[cell] as number)))
  return sums
}

/** The two samples of a part of the rows, as what the feature's test takes. */
export const groupedTable = ({ table, names, special }: CellGroups, before: readonly number[], after: readonly number[], n: number, m: number): FeatureTable => {
  const ordinary = names.length - special.length
  const pairs = special.map((cell, index): [SpecialCell, Pair] => [cell, { before: before[ordinary + index] as number, after: after[ordinary + index] as number }])
  return { ...table, n, m, before: before.slice(0, ordinary), after: after.slice(0, ordinary), special: new Map(pairs) }
}
