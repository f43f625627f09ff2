import type { Random } from '../../core/random.js'
import { isotonicRegression, isotonicValue } from '../../stats/isotonic-regression.js'
import { drawGamma } from './_draws.js'

/** Labelled reference rows as counts: per cell of score, the rows of each label; by block where rows have one. */
export interface LabelledCells {
  readonly positive: Float64Array
  readonly negative: Float64Array
}

/** What a reference says about the probability of a positive label in each cell. */
export interface Calibration {
  /** The chosen map: `none` is the mean score of the cell. */
  readonly kind: 'isotonic' | 'none'
  readonly map: Float64Array
  /** The maps that the reference cannot tell apart: the isotonic one, and the scores as they are where those were chosen. */
  readonly centres: readonly Float64Array[]
  /** The centres, in turn, as they would be had the reference been drawn again: one map per draw. */
  readonly maps: readonly Float64Array[]
  /** By how much the log odds of one block differ from those of the map, beyond chance: a standard deviation. 0 without blocks. */
  readonly blockSpread: number
}

const sum = (parts: readonly LabelledCells[], weights?: readonly number[]): LabelledCells => {
  const cells = (parts[0] as LabelledCells).positive.length
  const total = { positive: new Float64Array(cells), negative: new Float64Array(cells) }
  parts.forEach(({ positive, negative }, part) => {
    const weight = weights === undefined ? 1 : (weights[part] as number)
    for (let cell = 0; cell < cells; cell++) {
      total.positive[cell] = (total.positive[cell] as number) + weight * (positive[cell] as number)
      total.negative[cell] = (total.negative[cell] as number) + weight * (negative[cell] as number)
    }
  })
  return total
}

/**
 * The isotonic map from counts; cells without rows take it from their neighbours. Each predicted class has a fit of its own, from cell
 * `firstPositive` on: a pool across the threshold would raise what is above it and lower what is below, and promise too good a performance.
 */
const isotonicMap = ({ positive, negative }: LabelledCells, firstPositive: number): Float64Array => {
  const weights = positive.map((count, cell) => count + (negative[cell] as number))
  const rates = positive.map((count, cell) => ((weights[cell] as number) > 0 ? count / (weights[cell] as number) : 0))
  const sides = [weights.map((weight, cell) => (cell < firstPositive ? weight : 0)), weights.map((weight, cell) => (cell < firstPositive ? 0 : weight))]
  const places = rates.map((_, cell) => cell)
  const fits = sides.map((side) => isotonicRegression(places, rates, { weights: side.some((weight) => weight > 0) ? side : weights }))
  return places.map((cell) => isotonicValue(fits[cell < firstPositive ? 0 : 1] as (typeof fits)[number], cell))
}

/** Whether calibration helps on rows that it has not seen: an isotonic map of the other folds has a lower Brier score on each fold than the scores as they are. */
export const isIsotonicBetter = (folds: readonly LabelledCells[], scores: Float64Array, firstPositive: number): boolean => {
  let gain = 0
  folds.forEach((held, fold) => {
    const others = folds.filter((_, other) => other !== fold)
    if (others.every(({ positive, negative }) => !positive.some((n) => n > 0) && !negative.some((n) => n > 0))) return
    const map = isotonicMap(sum(others), firstPositive)
    map.forEach((p, cell) => {
      const raw = scores[cell] as number
      gain += (held.positive[cell] as number) * ((1 - raw) ** 2 - (1 - p) ** 2) + (held.negative[cell] as number) * (raw ** 2 - p ** 2)
    })
  })
  return gain > 0
}

/** A reference drawn again: the Bayesian bootstrap (Rubin, 1981), over blocks where there are several. */
const drawnAgain = (random: Random, blocks: readonly LabelledCells[]): LabelledCells => {
  if (blocks.length > 1) return sum(blocks, blocks.map(() => drawGamma(random, 1)))
  const { positive, negative } = blocks[0] as LabelledCells
  return { positive: positive.map((count) => drawGamma(random, count)), negative: negative.map((count) => drawGamma(random, count)) }
}

/**
 * A map of a drawn reference. A pool of n rows that never met an event says that it is rare, not that it cannot be: its
 * probability is drawn from Beta(1, n + 1), and the same at the other end.
 */
const drawnMap = (random: Random, blocks: readonly LabelledCells[], rows: Float64Array, firstPositive: number): Float64Array => {
  const map = isotonicMap(drawnAgain(random, blocks), firstPositive)
  for (const end of [0, 1]) {
    const n = rows.reduce((total, count, cell) => total + (map[cell] === end ? count : 0), 0)
    if (n === 0) continue
    const rare = 1 - Math.pow(1 - random.next(), 1 / (n + 1))
    const value = end === 0 ? rare : 1 - rare
    for (let cell = 0; cell < map.length; cell++) map[cell] = end === 0 ? Math.max(map[cell] as number, map[cell] === 0 ? value : 0) : Math.min(map[cell] as number, map[cell] === 1 ? value : 1)
  }
  return map
}

/** DerSimonian and Laird's moment estimate of the spread between blocks, on the log odds (Controlled Clinical Trials 7, 1986). */
const spreadOfBlocks = (blocks: readonly LabelledCells[], map: Float64Array): number => {
  if (blocks.length < 2) return 0
  const each = blocks.map(({ positive, negative }) => {
    let [excess, variance] = [0, 0]
    map.forEach((p, cell) => {
      const rows = (positive[cell] as number) + (negative[cell] as number)
      excess += (positive[cell] as number) - rows * p
      variance += rows * p * (1 - p)
    })
    return { excess, variance }
  })
  const total = each.reduce((rest, { variance }) => rest + variance, 0)
  if (total === 0) return 0
  const mean = each.reduce((rest, { excess }) => rest + excess, 0) / total
  const q = each.reduce((rest, { excess, variance }) => rest + (variance > 0 ? (excess - mean * variance) ** 2 / variance : 0), 0)
  const squares = each.reduce((rest, { variance }) => rest + variance * variance, 0)
  return Math.sqrt(Math.max(0, (q - (blocks.length - 1)) / (total - squares / total)))
}

/** The calibration of a reference. Deterministic: the same counts and random stream give the same maps. */
export const calibrationOf = (blocks: readonly LabelledCells[], options: { readonly scores: Float64Array; readonly firstPositive: number; readonly isIsotonic: boolean; readonly draws: number; readonly random: Random }): Calibration => {
  const { scores, firstPositive, isIsotonic, draws, random } = options
  const all = sum(blocks)
  const rows = all.positive.map((count, cell) => count + (all.negative[cell] as number))
  const fitted = isotonicMap(all, firstPositive)
  const map = isIsotonic ? fitted : scores
  const centres = isIsotonic ? [fitted] : [scores, fitted]
  const maps = Array.from({ length: draws }, (_, draw) => {
    const drawn = drawnMap(random, blocks, rows, firstPositive)
    const centre = centres[draw % centres.length] as Float64Array
    // Scores that seem good as they are still have only as much behind them as the reference has rows.
    return centre === fitted ? drawn : drawn.map((p, cell) => Math.min(1, Math.max(0, (centre[cell] as number) + p - (fitted[cell] as number))))
  })
  return { kind: isIsotonic ? 'isotonic' : 'none', map, centres, maps, blockSpread: spreadOfBlocks(blocks, map) }
}
