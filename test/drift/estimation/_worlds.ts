/** Worlds in which the truth is known, and how often an interval holds it there. */
import { performanceEstimator, type PerformanceEstimatorOptions } from '../../../src/drift/estimation/performance-estimator.js'
import type { MetricName, PerformanceEstimate } from '../../../src/drift/estimation/performance-estimate.js'
import { auc } from '../../../src/stats/auc.js'
import { seeded } from '../_seeded.js'

type Random = ReturnType<typeof seeded>
interface Row {
  readonly score: number
  readonly label: number
  readonly block?: number
}
const logistic = (x: number): number => 1 / (1 + Math.exp(-x))

/** A feature with this mean, a label by its odds, a score of the model that is `sharper` than the truth. */
export const world =
  ({ mean = -0.5, spread = 1.5, odds = 0, sharper = 1 } = {}) =>
  (random: Random, blockOdds = 0): Row => {
    const x = mean + spread * random.normal()
    return { score: logistic(sharper * x), label: Number(random.uniform() < logistic(x + odds + blockOdds)) }
  }

export const truth = (rows: readonly Row[]): Record<MetricName, number> => {
  const count = (positive: boolean, label: number): number => rows.filter((row) => row.score >= 0.5 === positive && row.label === label).length
  const [tp, fp, fn, tn] = [count(true, 1), count(true, 0), count(false, 1), count(false, 0)]
  return {
    accuracy: (tp + tn) / rows.length,
    precision: tp / (tp + fp),
    recall: tp / (tp + fn),
    f1: (2 * tp) / (2 * tp + fp + fn),
    auc: auc(rows.map(({ score }) => score), rows.map(({ label }) => label)),
    brier: rows.reduce((sum, { score, label }) => sum + (score - label) ** 2, 0) / rows.length,
  }
}

export interface Setting {
  readonly before?: ReturnType<typeof world>
  readonly after?: ReturnType<typeof world>
  readonly n?: number
  readonly m?: number
  readonly runs?: number
  /** The spread of the log odds of blocks of 100 rows. */
  readonly blockOdds?: number
  readonly knowsBlocks?: boolean
  readonly options?: Partial<PerformanceEstimatorOptions>
}

/** Rows of blocks that each have odds of their own; without a spread, rows. */
const drawRows = (random: Random, draw: ReturnType<typeof world>, rows: number, blockOdds: number): Row[] => {
  let odds = 0
  return Array.from({ length: rows }, (_, row) => {
    if (row % 100 === 0) odds = blockOdds * random.normal()
    return { ...draw(random, odds), block: Math.floor(row / 100) }
  })
}

/** The same rows, but each positive one is kept with a probability of `keep` only: the prevalence falls, and p(score | label) stays. */
export const fewerPositives =
  (draw: ReturnType<typeof world>, keep: number): ReturnType<typeof world> =>
  (random) => {
    for (;;) {
      const row = draw(random)
      if (row.label === 0 || random.uniform() < keep) return row
    }
  }

/** The share of runs whose interval holds the metric, its mean error and width; without labels, and with a share of them. */
export const simulate = ({ before = world(), after = before, n = 2000, m = 1000, runs = 150, blockOdds = 0, knowsBlocks = false, options = {} }: Setting, labelled = 0) => {
  const names = ['accuracy', 'precision', 'recall', 'f1', 'auc', 'brier'] as const
  const tally = Object.fromEntries(names.map((name) => [name, { held: 0, error: 0, width: 0 }])) as Record<MetricName, { held: number; error: number; width: number }>
  for (let run = 1; run <= runs; run++) {
    const random = seeded(run * 7919)
    const estimator = performanceEstimator({ reference: drawRows(random, before, n, blockOdds).map(({ block, ...row }) => (knowsBlocks ? { ...row, block: block as number } : row)), maps: labelled > 0 ? 20 : 50, seed: run, ...options })
    const window = estimator.window()
    const rows = drawRows(random, after, m, blockOdds)
    for (const { score, label } of rows) {
      window.count(score)
      if (random.uniform() < labelled) window.label(score, label)
    }
    const found: PerformanceEstimate = labelled > 0 ? estimator.corrected(window) : estimator.estimate(window, { blocks: knowsBlocks ? m / 100 : 1 })
    const shown = truth(rows)
    for (const name of names) {
      const estimate = found[name]
      if (estimate === undefined) continue
      tally[name].held += Number(Number.isNaN(shown[name]) || (estimate.low <= shown[name] && shown[name] <= estimate.high)) / runs
      tally[name].error += (Number.isNaN(shown[name]) ? 0 : estimate.value - shown[name]) / runs
      tally[name].width += (estimate.high - estimate.low) / runs
    }
  }
  return tally
}

/** A nominal 95 %, less three standard errors of a share of 150 runs. */
export const nominal = 0.95 - 3 * Math.sqrt((0.95 * 0.05) / 150)
export const show = (tally: ReturnType<typeof simulate>): string => Object.entries(tally).map(([name, { held, error, width }]) => `${name} ${held.toFixed(3)} ${error.toFixed(4)} ${width.toFixed(3)}`).join(' | ')
export const thresholdMetrics = ['accuracy', 'precision', 'recall', 'f1'] as const

