import type { Random } from '../../core/random.js'
import type { Calibration } from './_calibration.js'
import { drawBinomial, drawNormal } from './_draws.js'
import { isPredictedPositive, type ScoreCells } from './_score-cells.js'

/** A metric that was estimated, and the interval that holds, with the stated confidence, what the labels of these rows will show. */
export interface MetricEstimate {
  /** `NaN` where the metric does not exist, such as the precision of a window in which nothing is predicted positive. */
  readonly value: number
  readonly low: number
  readonly high: number
}

/**
 * Whether an estimate can be used: `outside-support` if more than 5 % of the scores are where the reference has none (the
 * interval allows for any probability there); `too-few-labels` if a corrected estimate was asked for and had to stay uncorrected.
 */
export type EstimateState = 'ok' | 'too-few-rows' | 'too-few-labels' | 'outside-support'

/** What a window's scores say about its performance. */
export interface PerformanceEstimate {
  readonly state: EstimateState
  readonly rows: number
  /** Rows whose label was used. */
  readonly labels: number
  /** The share of scores where the reference has none. */
  readonly outsideSupport: number
  readonly accuracy: MetricEstimate
  /** Of rows predicted positive, those that are. This and the next three: not for scores of the top class. */
  readonly precision?: MetricEstimate
  /** Of positive rows, those predicted so. */
  readonly recall?: MetricEstimate
  readonly f1?: MetricEstimate
  /** The area under the ROC curve. Not in a corrected estimate. */
  readonly auc?: MetricEstimate
  /** Only if all scores are probabilities. */
  readonly brier?: MetricEstimate
}

export type MetricName = 'accuracy' | 'precision' | 'recall' | 'f1' | 'auc' | 'brier'

/** The cells of a reference, and what it says about each of them. */
export interface ReferenceCells extends ScoreCells {
  /** The mean score of each cell. */
  readonly scores: Float64Array
  /** Whether the reference has rows in the cell. */
  readonly isInside: readonly boolean[]
  readonly metrics: readonly MetricName[]
  readonly calibration: Calibration
}

/** The metrics of rows whose positives per cell are known, or expected. O(cells). */
const metricsOf = (reference: ReferenceCells, rows: ArrayLike<number>, positives: ArrayLike<number>): Record<MetricName, number> => {
  let [truePositive, falsePositive, falseNegative, trueNegative, below, pairs, brier] = [0, 0, 0, 0, 0, 0, 0]
  for (let cell = 0; cell < rows.length; cell++) {
    const positive = positives[cell] as number
    const negative = (rows[cell] as number) - positive
    if (isPredictedPositive(reference, cell)) {
      truePositive += positive
      falsePositive += negative
    } else {
      falseNegative += positive
      trueNegative += negative
    }
    pairs += positive * (below + negative / 2)
    below += negative
    const score = reference.scores[cell] as number
    brier += positive * (1 - score) ** 2 + negative * score ** 2
  }
  const n = truePositive + falsePositive + falseNegative + trueNegative
  return {
    accuracy: (truePositive + trueNegative) / n,
    precision: truePositive / (truePositive + falsePositive),
    recall: truePositive / (truePositive + falseNegative),
    f1: (2 * truePositive) / (2 * truePositive + falsePositive + falseNegative),
    auc: pairs / ((truePositive + falseNegative) * below),
    brier: brier / n,
  }
}

/** The probability in each cell; where the reference has no rows, `part` of the way between its neighbours, or to 0 and 1. */
export const filledMap = (map: Float64Array, isInside: readonly boolean[], part: number): Float64Array => {
  const filled = Float64Array.from(map)
  for (let cell = 0; cell < map.length; cell++) {
    if (isInside[cell]) continue
    let [left, right] = [cell, cell]
    while (left >= 0 && !isInside[left]) left -= 1
    while (right < map.length && !isInside[right]) right += 1
    const low = left < 0 ? 0 : (map[left] as number)
    const high = right === map.length ? 1 : (map[right] as number)
    filled[cell] = low + part * (high - low)
  }
  return filled
}

/** Label draws for each map of the calibration. */
const drawsPerMap = 5

/**
 * The metrics of a window without its labels. The value has the expected labels of the chosen map. The interval is that of
 * labels drawn from the maps of the bootstrap, so that it holds the chance of these rows, what the reference leaves open, and, with blocks, that
 * a block has odds of its own.
 */
export const estimateMetrics = (reference: ReferenceCells, rows: Float64Array, options: { readonly confidence: number; readonly blocks: number; readonly random: Random }): Partial<Record<MetricName, MetricEstimate>> => {
  const { confidence, blocks, random } = options
  const { calibration, isInside, metrics } = reference
  const expected = (map: Float64Array): Record<MetricName, number> => metricsOf(reference, rows, filledMap(map, isInside, 0.5).map((p, cell) => p * (rows[cell] as number)))
  const values = expected(calibration.map)
  const drawn = Object.fromEntries(metrics.map((metric) => [metric, [] as number[]])) as Record<MetricName, number[]>
  const spread = calibration.blockSpread / Math.sqrt(blocks)
  // A map of a drawn reference separates that draw better than it should, as isotonic maps do: the draws are freed of that.
  const ofMaps = calibration.maps.map(expected)
  const ofCentres = calibration.centres.map(expected)
  const bias = (metric: MetricName): number => ofMaps.reduce((total, found, map) => total + found[metric] - (ofCentres[map % ofCentres.length] as Record<MetricName, number>)[metric], 0) / ofMaps.length
  const positives = new Float64Array(rows.length)
  for (const own of calibration.maps) {
    for (let draw = 0; draw < drawsPerMap; draw++) {
      const map = filledMap(own, isInside, random.next())
      const odds = spread === 0 ? 1 : Math.exp(spread * drawNormal(random))
      for (let cell = 0; cell < rows.length; cell++) {
        const p = map[cell] as number
        positives[cell] = drawBinomial(random, rows[cell] as number, odds === 1 ? p : (p * odds) / (p * odds + 1 - p))
      }
      const found = metricsOf(reference, rows, positives)
      for (const metric of metrics) if (!Number.isNaN(found[metric])) drawn[metric].push(found[metric])
    }
  }
  return Object.fromEntries(metrics.map((metric) => [metric, { value: values[metric], ...middle(drawn[metric], confidence, bias(metric)) }]))
}

/** The interval that leaves out equal parts at both ends, moved by the bias, within [0, 1]. */
const middle = (draws: number[], confidence: number, bias: number): { readonly low: number; readonly high: number } => {
  const sorted = Float64Array.from(draws).sort()
  const at = (q: number): number => (sorted.length === 0 ? NaN : Math.min(1, Math.max(0, (sorted[Math.round(q * (sorted.length - 1))] as number) - (bias || 0))))
  return { low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) }
}
