import { normalQuantile } from '../../stats/normal.js'

/** Cells between order statistics of a sample. */
export interface RankCells {
  /** Increasing; cell i is (edges[i − 1], edges[i]], the last one is what lies above. */
  readonly edges: number[]
  /** Sample values per cell, and 1 more in the last one: over their sum, the chance of one more value to fall there. */
  readonly masses: number[]
}

const maximumCells = 256
const valuesPerCell = 8

/**
 * Cells of about equal mass, at most about 256, with eight values or more in each; equal values are in one cell, and those that have a cell's mass by themselves
 * share it with no lower ones.
 *
 * Between n order statistics of a continuous distribution are n + 1 gaps with equal expectations, jointly Dirichlet(1, …, 1) (Wilks, 1942).
 */
export const rankCells = (values: Float64Array): RankCells => {
  const sorted = values.slice().sort()
  const n = sorted.length
  const enough = n / Math.min(maximumCells, Math.max(2, Math.floor(n / valuesPerCell)))
  const edges: number[] = []
  const masses: number[] = []
  let start = 0
  const close = (end: number): void => {
    if (end === start) return
    edges.push((sorted[end - 1] as number) + 0)
    masses.push(end - start)
    start = end
  }
  for (let from = 0, to = 0; from < n; from = to) {
    while (to < n && sorted[to] === sorted[from]) to += 1
    if (to - from >= enough) close(from)
    if (to - start >= enough && to < n) close(to)
  }
  masses.push(n - start + 1)
  return { edges, masses }
}

/** The normal score of the middle of each cell. */
export const scoresOf = (masses: readonly number[]): number[] => {
  const total = masses.reduce((sum, mass) => sum + mass, 0)
  let before = 0
  return masses.map((mass) => {
    before += mass
    return normalQuantile((before - mass / 2) / total)
  })
}

/** The cell of a value. */
export const cellOf = (edges: readonly number[], value: number): number => {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (value <= (edges[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}
