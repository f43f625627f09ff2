import { normalQuantile } from '../../stats/normal.js'
import { judged, liveRowsFor, power, type BatchDetectorOptions, type BatchVerdict, type EffectMeasure, type ShuffledDetectorOptions } from './batch-detector.js'
import { noncentralInterval, noncentralScale } from './_noncentral.js'
import type { SampleCells } from './sample-cells.js'
import { shuffledCounts } from './_shuffled-counts.js'

/** What sets one divergence apart from another. */
export interface Divergence {
  readonly measure: EffectMeasure
  /** The derivative of the divergence by the share of each cell, in the reference and in the live sample, given shares. */
  readonly slopes: (p: Float64Array, q: Float64Array) => readonly [Float64Array, Float64Array]
  /** The divergence is the effect to this power: 2 for distances that are roots. */
  readonly order: 1 | 2
  /** Of unchanged data the divergence is about this times (1/n + 1/m) times chi-square. */
  readonly noise: number
  readonly degreesOfFreedom: number
  readonly most: number
  /** The relative standard error of the unit in which the effect is measured. @default 0 */
  readonly unitError?: number
}

/** What the data say: the divergence, and the mean and variance it has on unchanged data of these sizes. */
export interface DivergenceFound {
  readonly divergence: number
  readonly mean: number
  readonly variance: number
  readonly pValue: number
}

/**
 * The verdict on a divergence. Its effect is the divergence less its mean on unchanged data. The interval is that of a scaled noncentral chi-square with the null's mean
 * and variance, which is right for small effects, widened to ± z standard errors of the root (delta method), which is right for large ones.
 */
export const divergenceVerdict = (of: Divergence, cells: SampleCells, found: DivergenceFound | undefined, options: Required<BatchDetectorOptions>): BatchVerdict => {
  const { n, m } = cells
  const { measure, order, noise, degreesOfFreedom } = of
  const { level } = options
  const spread = noncentralScale(options.detect ** order, Math.max(1, degreesOfFreedom), { ...options, tolerance: options.tolerance ** order, power }) / noise
  const rest = { measure, reference: n, live: m, rowsNeeded: n === 0 ? Infinity : liveRowsFor(spread, n) }
  if (found === undefined) return judged({ ...rest, value: NaN, low: NaN, high: NaN, pValue: NaN }, options)
  const { divergence, mean, variance, pValue } = found
  const effectOf = (value: number): number => Math.min(of.most, Math.max(0, value) ** (1 / order))
  // One cell only: there is nothing to differ.
  if (!(variance > 0)) return judged({ ...rest, value: effectOf(divergence), low: effectOf(divergence), high: effectOf(divergence), pValue }, options)
  const shape = { scale: variance / mean / 2, degreesOfFreedom: (2 * mean * mean) / variance }
  const [low, high] = noncentralInterval(divergence, shape, level)
  const value = Math.max(0, divergence - mean)
  // Of the root, whose error is about the same for all effects.
  const root = Math.sqrt(value)
  // Shares that happen to be the same (or but for rounding) have slopes of 0 and an error all the same: that of the root of `scale` times chi-square.
  const own = divergence > 1e-9 * mean ? standardError(of, cells) / 2 / Math.sqrt(divergence) : Math.sqrt(shape.scale)
  const error = normalQuantile((1 + level) / 2) * Math.hypot(own, root * (of.unitError ?? 0))
  return judged({ ...rest, value: effectOf(value), low: effectOf(Math.min(value, low, Math.max(0, root - error) ** 2)), high: effectOf(Math.max(value, high, (root + error) ** 2)), pValue }, options)
}

/** By the delta method, from the slopes at the shares seen. */
const standardError = ({ slopes }: Divergence, { reference, live, n, m }: SampleCells): number => {
  const p = Float64Array.from(reference, (count) => count / n)
  const q = Float64Array.from(live, (count) => count / m)
  const [left, right] = slopes(p, q)
  const variance = (shares: Float64Array, slope: Float64Array): number => {
    let mean = 0
    for (let cell = 0; cell < shares.length; cell++) if ((shares[cell] as number) > 0) mean += (shares[cell] as number) * (slope[cell] as number)
    let sum = 0
    for (let cell = 0; cell < shares.length; cell++) if ((shares[cell] as number) > 0) sum += (shares[cell] as number) * ((slope[cell] as number) - mean) ** 2
    return sum
  }
  return Math.sqrt(variance(p, left) / n + variance(q, right) / m)
}

/** The slopes of a divergence that is a sum over cells and the same either way round. */
export const symmetricSlopes =
  (slope: (own: number, other: number) => number): Divergence['slopes'] =>
  (p, q) => [p.map((own, cell) => slope(own, q[cell] as number)), q.map((own, cell) => slope(own, p[cell] as number))]

/** The divergence of two samples, and how it is distributed if their rows are shuffled; nothing if one is empty. */
export const shuffledDivergence = (divergence: (reference: ArrayLike<number>, live: ArrayLike<number>) => number, { reference, live, n, m }: SampleCells, options: Required<ShuffledDetectorOptions>): DivergenceFound | undefined =>
  n === 0 || m === 0 ? undefined : { divergence: divergence(reference, live), ...shuffledCounts(divergence, reference, live, options) }
