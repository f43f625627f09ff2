import { chiSquareHomogeneity } from '../stats/chi-square-homogeneity.js'
import { chiSquareSurvival } from '../stats/chi-square.js'
import { fSurvival } from '../stats/f-distribution.js'
import { fisherExact } from '../stats/fisher-exact.js'
import { jensenShannonDistance } from '../stats/jensen-shannon.js'
import { kolmogorovSmirnovCounts } from '../stats/kolmogorov-smirnov.js'
import { kolmogorovSurvival } from '../stats/kolmogorov.js'
import { mergedCounts, mergeSparseCells } from '../stats/merge-cells.js'
import type { FeatureTable, Pair, SpecialCell } from './_feature-table.js'

/** How many groups of ordered cells are compared at most: finer ones find narrower spikes, coarser ones smaller shifts. */
const maximumGroups = 32
const minimumExpected = 5
/** The part of the level that the tests over all cells get when there are sparse special cells; those share the rest. */
const mainShare = 0.8

/** Two samples over the same cells. */
interface Samples {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

/** What is tested of a feature. */
interface Comparison {
  /** The feature's own cells, merged until 5 rows are expected in both samples. */
  readonly ordinary: Samples
  /** The same and each special cell that is dense enough. */
  readonly main: Samples
  /** The same and all other special cells that hold a row. */
  readonly all: Samples
  readonly dense: ReadonlyMap<SpecialCell, Pair>
  /** Too few rows for chi-square, and too telling to be merged away: 10 rows of a new category among 1000 are no chance. */
  readonly sparse: ReadonlyMap<SpecialCell, Pair>
}

const comparisonOf = (table: FeatureTable): Comparison => {
  const { n, m, before, after, feature } = table
  const ordered = feature.kind === 'numeric'
  const groups = mergeSparseCells(before, after, ordered ? { ordered, minimumExpected, maximumCells: maximumGroups } : { ordered, minimumExpected })
  const ordinary = { before: [...mergedCounts(before, groups)], after: [...mergedCounts(after, groups)] }
  const enough = (minimumExpected * (n + m)) / Math.min(n, m)
  const [dense, sparse] = [new Map<SpecialCell, Pair>(), new Map<SpecialCell, Pair>()]
  for (const [cell, rows] of table.special) {
    if (rows.before + rows.after > 0) (rows.before + rows.after >= enough ? dense : sparse).set(cell, rows)
  }
  const main = and(ordinary, dense)
  return { ordinary, main, all: and(main, sparse), dense, sparse }
}

const and = ({ before, after }: Samples, more: ReadonlyMap<SpecialCell, Pair>): Samples => ({
  before: [...before, ...[...more.values()].map((pair) => pair.before)],
  after: [...after, ...[...more.values()].map((pair) => pair.after)],
})

/** A chi-square statistic, and its degrees of freedom. */
export interface Statistic {
  readonly value: number
  readonly freedom: number
}

/** What the tests of a feature are made of. */
export interface FeatureStatistics {
  /** Over all cells. */
  readonly cells: Statistic
  /** Kolmogorov–Smirnov: D² n m / (n + m), over its mean for independent rows; of numbers only. */
  readonly ranks: number | undefined
  /** Of the live rows in each special cell: the squared difference from what the reference leads to expect, and its variance for independent rows. */
  readonly special: ReadonlyMap<SpecialCell, { readonly square: number; readonly variance: number }>
}

/** Chi-square over what is merged already: a second merging would undo what belongs apart. */
const chiSquareOf = ({ before, after }: Samples): Statistic => {
  const { statistic, degreesOfFreedom } = chiSquareHomogeneity(before, after, { minimumExpected: 0 })
  return { value: statistic, freedom: degreesOfFreedom }
}

/** Of a share, from counts that are large enough. */
const shareOf = ({ before, after }: Pair, n: number, m: number): number => chiSquareOf({ before: [before, n - before], after: [after, m - after] }).value

/** E K² of the Kolmogorov distribution, and the degrees of freedom of the chi-square distribution with its mean and variance. */
const smirnovMean = Math.PI ** 2 / 12
const smirnovFreedom = 5

const ranksOf = ({ before, after, feature }: FeatureTable): number | undefined => {
  if (feature.kind !== 'numeric') return undefined
  const [n, m] = [before.reduce((sum, rows) => sum + rows, 0), after.reduce((sum, rows) => sum + rows, 0)]
  return n === 0 || m === 0 ? undefined : ((n / (n + m)) * m * kolmogorovSmirnovCounts(before, after).statistic ** 2) / smirnovMean
}

export const featureStatistics = (table: FeatureTable): FeatureStatistics => {
  const { n, m } = table
  const special = new Map<SpecialCell, { square: number; variance: number }>()
  for (const [cell, { before, after }] of table.special) {
    const share = (before + after) / (n + m)
    special.set(cell, { square: (after - (m * before) / n) ** 2, variance: m * share * (1 - share) * (1 + m / n) })
  }
  return { cells: chiSquareOf(comparisonOf(table).main), ranks: ranksOf(table), special }
}

/** How a statistic, over its degrees of freedom, varies between windows of unchanged data; 1 and those degrees for independent rows. */
export interface Spread {
  readonly mean: number
  /** Of the chi-square distribution that varies as much, in proportion to its mean. */
  readonly freedom: number
  /** From how many windows that was learned. */
  readonly windows: number
}

/** The same for each statistic of a feature; `undefined` for what no window held. */
export interface FeatureSpread {
  readonly cells: Spread | undefined
  readonly ranks: Spread | undefined
  readonly special: ReadonlyMap<SpecialCell, Spread>
}

const independent: Spread = { mean: 1, freedom: Infinity, windows: Infinity }

/**
 * The p-value of a statistic that has the spread of its windows: the larger of the plain one after division by the mean (Rao and Scott's first-order
 * correction), and that of an F distribution with mean and variance of the windows, and with the doubt that so few windows leave (their second-order one).
 */
const calibrated = ({ value, freedom }: Statistic, { mean, freedom: found, windows }: Spread, plain = (scaled: number): number => chiSquareSurvival(scaled, freedom)): number => {
  if (freedom === 0) return 1
  if (windows === Infinity) return plain(value)
  const numerator = Math.min(found, freedom)
  return Math.max(plain(value / mean), fSurvival(value / freedom / mean, { numerator, denominator: numerator * windows }))
}

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
 * Chi-square homogeneity over the feature's cells; Kolmogorov–Smirnov for numbers as well, which sees a small shift of everything where
 * chi-square sees a spike; the smaller p counts twice. A special cell that is sparse gets Fisher's exact test. These are combined by a weighted
 * Bonferroni: the smallest of p/0.8 and, over s sparse cells, p·s/0.2.
 *
 * @param spread - how the statistics vary between windows; that of independent rows without
 */
export const featureTest = (table: FeatureTable, spread?: FeatureSpread): FeatureTest => {
  const { n, m } = table
  const { ordinary, main, all, dense, sparse } = comparisonOf(table)
  const { cells = independent, ranks = independent, special } = spread ?? {}
  const rank = ranksOf(table)
  const smirnovP = rank === undefined ? undefined : calibrated({ value: rank * smirnovFreedom, freedom: smirnovFreedom }, ranks, (scaled) => kolmogorovSurvival(Math.sqrt((scaled / smirnovFreedom) * smirnovMean)))
  const mainP = either(calibrated(chiSquareOf(main), cells), smirnovP)
  const specialPValues = new Map<SpecialCell, number>()
  for (const [cell, rows] of dense) specialPValues.set(cell, calibrated({ value: shareOf(rows, n, m), freedom: 1 }, special?.get(cell) ?? independent))
  let rarest = 1
  for (const [cell, { before, after }] of sparse) {
    const part = 1 / (special?.get(cell) ?? independent).mean
    const p = fisherExact([Math.round(before * part), Math.round(n * part)], [Math.round(after * part), Math.round(m * part)])
    specialPValues.set(cell, p)
    rarest = Math.min(rarest, p)
  }
  const effective = (counts: readonly number[]): readonly number[] => (cells.mean === 1 ? counts : counts.map((rows) => rows / cells.mean))
  return {
    pValue: sparse.size === 0 ? mainP : Math.min(1, mainP / mainShare, (rarest * sparse.size) / (1 - mainShare)),
    distance: jensenShannonDistance(effective(all.before), effective(all.after), { corrected: true }),
    specialPValues,
    ordinaryPValue: either(calibrated(chiSquareOf(ordinary), cells), smirnovP),
  }
}

/** One p-value of two tests (Bonferroni), or of the one that was made. */
const either = (first: number, second: number | undefined): number => (second === undefined ? first : Math.min(1, 2 * Math.min(first, second)))
