import { specialCells, type SpecialName } from './feature-cells.js'
import type { FeatureProfile } from './reference-profile.js'

/** Cells that are tested by themselves, because a few rows in them mean something. */
export type SpecialCell = 'below-range' | 'above-range' | 'unnamed' | SpecialName

/** Rows of the reference and of the present in one cell or group. */
export interface Pair {
  readonly before: number
  readonly after: number
}

/** The two samples of a feature, side by side. */
export interface FeatureTable {
  readonly feature: FeatureProfile
  /** Rows of the reference, and of the present. */
  readonly n: number
  readonly m: number
  /** The ordered cells of a number, or the categories whose name can be trusted. */
  readonly before: readonly number[]
  readonly after: readonly number[]
  /** The first of them among the feature's own cells. */
  readonly firstCell: number
  /** For a category: which of the named ones `before` and `after` are about. */
  readonly named: readonly number[]
  readonly special: ReadonlyMap<SpecialCell, Pair>
  /** For a category: rows of categories that the reference's sample did not hold. */
  readonly unseen: Pair
  readonly liveMagnitudes: ArrayLike<number>
}

/**
 * Puts a feature's counts side by side, and sets apart the cells that are tested by themselves.
 *
 * @param reference - the counts to compare with, if these are not the feature's own; not always whole numbers
 */
export const featureTable = (feature: FeatureProfile, live: ArrayLike<number>, liveMagnitudes: ArrayLike<number>, reference: ArrayLike<number> = feature.counts): FeatureTable => {
  const own = feature.counts.length - specialCells.length
  const n = sum(reference)
  const m = sum(live)
  const special = new Map<SpecialCell, Pair>()
  const pair = (cell: number): Pair => ({ before: reference[cell] as number, after: live[cell] as number })
  const cells = feature.kind === 'numeric' ? orderedCells(feature, own, special, pair) : trustedCategories(feature, n, m, special, pair)
  specialCells.forEach((name, index) => special.set(name, pair(own + index)))
  return {
    feature,
    n,
    m,
    before: cells.map((cell) => reference[cell] as number),
    after: cells.map((cell) => live[cell] as number),
    firstCell: cells[0] ?? 0,
    named: cells,
    special,
    unseen: feature.kind === 'categorical' ? pair(own - 1) : { before: 0, after: 0 },
    liveMagnitudes,
  }
}

/** The first and the last cell lie outside all that the reference saw: how many rows get there is an exceedance test, exact without further assumption. */
const orderedCells = (feature: FeatureProfile, own: number, special: Map<SpecialCell, Pair>, pair: (cell: number) => Pair): number[] => {
  const cells = Array.from({ length: own }, (_, cell) => cell)
  if (feature.kind !== 'numeric' || feature.edges.length === 0) return cells
  special.set('below-range', pair(0))
  special.set('above-range', pair(own - 1))
  return cells.slice(1, -1)
}

/**
 * Puts together all that is not named and the categories that are named by luck.
 *
 * That a category is named was decided by the reference's own counts: the luckiest of many rare ones rank high, and are
 * rarer the next time. So a category counts by its name only if its *pooled* rows exceed what the commonest unnamed one
 * could have with luck of four standard deviations (0 rows in the reference if all are named): given the pooled rows, both samples
 * are alike. The others, seen and unseen, are one cell: "an unseen value" by itself is no drift where every value is rare.
 */
const trustedCategories = (feature: FeatureProfile, n: number, m: number, special: Map<SpecialCell, Pair>, pair: (cell: number) => Pair): number[] => {
  if (feature.kind !== 'categorical') return []
  const excluded = feature.largestTailShare * n
  const bar = ((excluded + 4 * Math.sqrt(excluded + 1)) * (n + m)) / Math.max(1, n)
  const trusted: number[] = []
  let before = 0
  let after = 0
  for (let cell = 0; cell < feature.categories.length + 2; cell++) {
    const rows = pair(cell)
    if (cell < feature.categories.length && rows.before + rows.after > bar) trusted.push(cell)
    else {
      before += rows.before
      after += rows.after
    }
  }
  special.set('unnamed', { before, after })
  return trusted
}

/** The sum of counts. */
export const sum = (counts: ArrayLike<number>): number => {
  let total = 0
  for (let cell = 0; cell < counts.length; cell++) total += counts[cell] as number
  return total
}
