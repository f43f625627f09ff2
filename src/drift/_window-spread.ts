import type { FeatureSpread, FeatureStatistics, Spread } from './_feature-test.js'
import type { SpecialCell } from './_feature-table.js'

/** How far, in standard errors, a variance is taken for larger than it was found. */
const doubt = 1.6449

/**
 * A ratio's mean, but not below 1, and the freedom that its variance leads to. Of few windows the variance is uncertain by √((2 + 12 / ν) / windows) of
 * itself, and small p-values hang on it: it is taken at its upper limit.
 */
const spreadOf = (mean: number, ratios: readonly number[], freedom: number): Spread => {
  const average = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
  const variance = ratios.reduce((sum, ratio) => sum + (ratio - average) ** 2, 0) / Math.max(1, ratios.length - 1)
  if (variance === 0) return { mean: Math.max(1, mean), freedom, windows: ratios.length }
  const found = Math.min(freedom, (2 * average * average) / variance)
  return { mean: Math.max(1, mean), freedom: found / (1 + doubt * Math.sqrt((2 + 12 / found) / ratios.length)), windows: ratios.length }
}

/** Enough rows for the share of a special cell to vary as chi-square does. */
const denseVariance = 5

/** How the statistics of one feature vary over windows, as far as these hold its values. */
export const featureSpread = (windows: readonly FeatureStatistics[]): FeatureSpread => {
  const cells = windows.filter(({ cells: { freedom } }) => freedom > 0)
  const cellRatios = cells.map(({ cells: { value, freedom } }) => value / freedom)
  const mean = (ratios: readonly number[]): number => ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
  const meanFreedom = mean(cells.map(({ cells: { freedom } }) => freedom))
  const ranks = windows.map((window) => window.ranks).filter((rank) => rank !== undefined)
  const special = new Map<SpecialCell, Spread>()
  for (const cell of windows[0]?.special.keys() ?? []) {
    const own = windows.map((window) => window.special.get(cell)).filter((entry) => entry !== undefined && entry.variance > 0) as { readonly square: number; readonly variance: number }[]
    const [squares, variances] = [own.reduce((sum, { square }) => sum + square, 0), own.reduce((sum, { variance }) => sum + variance, 0)]
    if (variances === 0) continue
    const dense = own.filter(({ variance }) => variance >= denseVariance).map(({ square, variance }) => square / variance)
    special.set(cell, dense.length < 2 ? { mean: Math.max(1, squares / variances), freedom: 1, windows: own.length } : spreadOf(squares / variances, dense, 1))
  }
  return {
    cells: cells.length === 0 ? undefined : spreadOf(mean(cellRatios), cellRatios, meanFreedom),
    ranks: ranks.length === 0 ? undefined : spreadOf(mean(ranks), ranks, 5),
    special,
  }
}
