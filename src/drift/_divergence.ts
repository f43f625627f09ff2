import { chiSquareHomogeneity } from '../stats/chi-square-homogeneity.js'
import { fisherExact } from '../stats/fisher-exact.js'
import { gTest } from '../stats/g-test.js'
import { sum } from './_feature-table.js'

/** A divergence and its parts by cell, as G. */
export interface Divergence {
  readonly n: number
  readonly m: number
  readonly g: number
  /** What chance alone shows on average. */
  readonly chance: number
  readonly parts: readonly { readonly g: number; readonly chance: number }[]
}

/**
 * G of two samples over the same cells, by cell, and what of it chance would show: 1 − share for a cell, the degrees of freedom for all of
 * them; less for a cell of which the smaller sample expects fewer than one row.
 */
export const divergence = (before: readonly number[], after: readonly number[]): Divergence => {
  const [n, m] = [sum(before), sum(after)]
  if (n === 0 || m === 0) return { n, m, g: 0, chance: 0, parts: before.map(() => ({ g: 0, chance: 0 })) }
  const { statistic, contributions, groups } = gTest(before, after, { minimumExpected: 0 })
  const parts = before.map((rows, cell) => {
    const share = (rows + (after[cell] as number)) / (n + m)
    const group = groups[cell] as number
    return { g: group < 0 ? 0 : (contributions[group] as number), chance: (1 - share) * Math.min(1, share * Math.min(n, m)) }
  })
  return { n, m, g: statistic, chance: parts.reduce((total, part) => total + part.chance, 0), parts }
}

/** Whether the share of one cell differs: chi-square where it may be used, else exactly. `NaN` if a sample is empty. */
export const sharePValue = (before: number, after: number, n: number, m: number): number => {
  if (n === 0 || m === 0) return NaN
  const enough = (5 * (n + m)) / Math.min(n, m)
  const isDense = before + after >= enough && n + m - before - after >= enough
  return isDense ? chiSquareHomogeneity([before, n - before], [after, m - after], { minimumExpected: 0 }).pValue : fisherExact([before, n], [after, m])
}
