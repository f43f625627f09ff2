import { chiSquareHomogeneity } from '../stats/chi-square-homogeneity.js'
import { fisherExact } from '../stats/fisher-exact.js'
import { jensenShannonDistance } from '../stats/jensen-shannon.js'
import { kolmogorovSmirnovCounts } from '../stats/kolmogorov-smirnov.js'
import { mergedCounts, mergeSparseCells } from '../stats/merge-cells.js'
import type { FeatureTable, Pair, SpecialCell } from './_feature-table.js'

/** How many groups of ordered cells are compared at most: finer ones find narrower spikes, coarser ones smaller shifts. */
const maximumGroups = 32
const minimumExpected = 5
/** The part of the level that the tests over all cells get when there are sparse special cells; those share the rest. */
const mainShare = 0.8

/** The outcome of one feature's tests. */
export interface FeatureTest {
  readonly pValue: number
  /** The corrected Jensen–Shannon distance (base 2) over all that was compared. */
  readonly distance: number
  /** p-value of each special cell that holds a row, of its share against all else. */
  readonly specialPValues: ReadonlyMap<SpecialCell, number>
  /** Whether the feature's values themselves are distributed otherwise, rows in special cells left out: a p-value. */
  readonly ordinaryPValue: number
}

/**
 * Compares the two samples of a feature.
 *
 * Chi-square homogeneity over the feature's cells, merged until 5 rows are expected in both samples; each special cell that is
 * dense enough is one more cell of it. Numbers are tested by Kolmogorov–Smirnov as well, which sees a small shift of
 * everything where chi-square sees a spike; the smaller p counts twice. A special cell that is sparse gets Fisher's exact test
 * instead of being merged away (10 rows of a new category among 1000 are no chance, whatever chi-square needs). These are combined by
 * a weighted Bonferroni: the smallest of p/0.8 and, over s sparse cells, p·s/0.2.
 */
export const featureTest = (table: FeatureTable): FeatureTest => {
  const { n, m, before, after, feature } = table
  const ordered = feature.kind === 'numeric'
  const options = ordered ? { ordered, minimumExpected, maximumCells: maximumGroups } : { ordered, minimumExpected }
  const groups = mergeSparseCells(before, after, options)
  const ordinary = { before: mergedCounts(before, groups), after: mergedCounts(after, groups) }
  const enough = (minimumExpected * (n + m)) / Math.min(n, m)
  const main = { before: [...ordinary.before], after: [...ordinary.after] }
  const all = { before: [...ordinary.before], after: [...ordinary.after] }
  const specialPValues = new Map<SpecialCell, number>()
  const sparse: number[] = []
  for (const [cell, rows] of table.special) {
    if (rows.before + rows.after === 0) continue
    const isDense = rows.before + rows.after >= enough
    const p = isDense ? shareTest(rows, n, m) : fisherExact([rows.before, n], [rows.after, m])
    specialPValues.set(cell, p)
    all.before.push(rows.before)
    all.after.push(rows.after)
    if (isDense) {
      main.before.push(rows.before)
      main.after.push(rows.after)
    } else sparse.push(p)
  }
  const smirnovP = ordered ? kolmogorovSmirnovCounts(before, after).pValue : undefined
  const mainP = either(unmerged(main), smirnovP)
  return {
    pValue: sparse.length === 0 ? mainP : Math.min(1, mainP / mainShare, (Math.min(...sparse) * sparse.length) / (1 - mainShare)),
    distance: jensenShannonDistance(all.before, all.after, { corrected: true }),
    specialPValues,
    ordinaryPValue: either(unmerged(ordinary), smirnovP),
  }
}

/** Chi-square over what is merged already: a second merging would undo what belongs apart. */
const unmerged = ({ before, after }: { readonly before: readonly number[]; readonly after: readonly number[] }): number =>
  chiSquareHomogeneity(before, after, { minimumExpected: 0 }).pValue

/** One p-value of two tests (Bonferroni), or of the one that was made. */
const either = (first: number, second: number | undefined): number => (second === undefined ? first : Math.min(1, 2 * Math.min(first, second)))

/** Whether a share differs, from counts that are large enough for chi-square. */
const shareTest = ({ before, after }: Pair, n: number, m: number): number => unmerged({ before: [before, n - before], after: [after, m - after] })
