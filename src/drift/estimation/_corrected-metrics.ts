import { normalQuantile } from '../../stats/normal.js'
import { isPredictedPositive } from './_score-cells.js'
import { filledMap, type MetricEstimate, type MetricName, type ReferenceCells } from './performance-estimate.js'

/** Counts of a window: all rows per cell, and those whose label is known. */
export interface LateCounts {
  readonly rows: Float64Array
  readonly positive: Float64Array
  readonly negative: Float64Array
}

interface Mean {
  readonly mean: number
  readonly variance: number
}

/**
 * The mean of a number that a positive row has as `ofPositive` and a negative one as `ofNegative`, over the cells chosen.
 *
 * mean of λf over all rows + mean of (y − λf) over the labelled ones, with f its expectation and λ the slope of y on f
 * among the labelled: prediction-powered inference with power tuning (Angelopoulos et al., Science 382, 2023; Angelopoulos, Duchi and Zrnic, 2023),
 * here for the rows of the window and not for the world they came from, so that the error vanishes once all are labelled
 * (the difference estimator of survey sampling).
 */
const poweredMean = (counts: LateCounts, map: Float64Array, cells: readonly number[], ofPositive: (cell: number) => number, ofNegative: (cell: number) => number): Mean => {
  let [all, labelled, allF, labelledF, labelledY, squareF, product] = [0, 0, 0, 0, 0, 0, 0]
  const expectation = (cell: number): number => (map[cell] as number) * ofPositive(cell) + (1 - (map[cell] as number)) * ofNegative(cell)
  for (const cell of cells) {
    const f = expectation(cell)
    const [positive, negative] = [counts.positive[cell] as number, counts.negative[cell] as number]
    const y = positive * ofPositive(cell) + negative * ofNegative(cell)
    all += counts.rows[cell] as number
    allF += (counts.rows[cell] as number) * f
    labelled += positive + negative
    labelledF += (positive + negative) * f
    labelledY += y
    squareF += (positive + negative) * f * f
    product += f * y
  }
  if (all === 0) return { mean: 0, variance: 0 }
  const varianceF = squareF - (labelledF * labelledF) / labelled
  const slope = varianceF <= 1e-12 * labelled ? 0 : Math.min(1, Math.max(0, (product - (labelledF * labelledY) / labelled) / varianceF))
  const mean = (slope * allF) / all + (labelledY - slope * labelledF) / labelled
  const centre = (labelledY - slope * labelledF) / labelled
  // Two rows more, half of the range above and below: without them the variance is 0 until the first rare label comes.
  let [squares, range] = [0, 0]
  for (const cell of cells) {
    const f = expectation(cell)
    squares += (counts.positive[cell] as number) * (ofPositive(cell) - slope * f - centre) ** 2 + (counts.negative[cell] as number) * (ofNegative(cell) - slope * f - centre) ** 2
    if ((counts.rows[cell] as number) > 0) range = Math.max(range, Math.abs(ofPositive(cell) - ofNegative(cell)))
  }
  const variance = labelled === all ? 0 : ((1 - labelled / all) * (squares + (range * range) / 2)) / (labelled - 3) / labelled
  return { mean, variance }
}

const cellsOf = (reference: ReferenceCells, counts: LateCounts, isPositive: boolean): number[] => [...counts.rows.keys()].filter((cell) => isPredictedPositive(reference, cell) === isPositive)

/** The labels that the predicted class with the fewest has; a class in which all rows are labelled has enough. */
export const fewestLabels = (reference: ReferenceCells, counts: LateCounts): number => {
  const each = [true, false].map((isPositive) => {
    const cells = cellsOf(reference, counts, isPositive)
    const rows = cells.reduce((total, cell) => total + (counts.rows[cell] as number), 0)
    const labelled = cells.reduce((total, cell) => total + (counts.positive[cell] as number) + (counts.negative[cell] as number), 0)
    return rows === labelled ? Infinity : labelled
  })
  return Math.min(...each)
}

/** The metrics of a window, some of whose labels are known. Each predicted class is corrected by its own labels; ratios by the delta method. */
export const correctedMetrics = (reference: ReferenceCells, counts: LateCounts, confidence: number): Partial<Record<MetricName, MetricEstimate>> => {
  const map = filledMap(reference.calibration.map, reference.isInside, 0.5)
  const z = normalQuantile((1 + confidence) / 2)
  const up = cellsOf(reference, counts, true)
  const down = cellsOf(reference, counts, false)
  const total = (cells: readonly number[]): number => cells.reduce((rest, cell) => rest + (counts.rows[cell] as number), 0)
  const [n1, n0] = [total(up), total(down)]
  const clamp = (value: number): number => Math.min(1, Math.max(0, value))
  const one = (): number => 1
  const zero = (): number => 0
  // The rate of positive rows among those predicted positive, and among those predicted negative: all that the matrix needs.
  const a = poweredMean(counts, map, up, one, zero)
  const b = poweredMean(counts, map, down, one, zero)
  const tp = n1 * clamp(a.mean)
  const fn = n0 * clamp(b.mean)
  const from = (value: number, byA: number, byB: number): MetricEstimate => {
    const half = z * Math.sqrt(byA * byA * a.variance + byB * byB * b.variance)
    return { value, low: Math.max(0, value - half), high: Math.min(1, value + half) }
  }
  const f1Base = tp + n1 + fn
  const all: Record<Exclude<MetricName, 'auc' | 'brier'>, MetricEstimate> = {
    accuracy: from((tp + n0 - fn) / (n1 + n0), n1 / (n1 + n0), -n0 / (n1 + n0)),
    precision: from(tp / n1, 1, 0),
    recall: from(tp / (tp + fn), (n1 * fn) / (tp + fn) ** 2, (-n0 * tp) / (tp + fn) ** 2),
    f1: from((2 * tp) / f1Base, (2 * n1 * (n1 + fn)) / f1Base ** 2, (-2 * tp * n0) / f1Base ** 2),
  }
  const found: Partial<Record<MetricName, MetricEstimate>> = {}
  for (const metric of reference.metrics) {
    if (metric === 'auc') continue
    if (metric !== 'brier') {
      found[metric] = all[metric]
      continue
    }
    const loss = [up, down].map((cells) => poweredMean(counts, map, cells, (cell) => (1 - (reference.scores[cell] as number)) ** 2, (cell) => (reference.scores[cell] as number) ** 2))
    const [m1, m0] = loss as [Mean, Mean]
    const value = (n1 * m1.mean + n0 * m0.mean) / (n1 + n0)
    const half = (z * Math.sqrt(n1 * n1 * m1.variance + n0 * n0 * m0.variance)) / (n1 + n0)
    found.brier = { value, low: Math.max(0, value - half), high: Math.min(1, value + half) }
  }
  return found
}
