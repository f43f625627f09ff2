import { seededRandom, type Random } from '../../core/random.js'
import { logGamma } from '../../stats/log-gamma.js'

/** Rows that are dealt one by one are written out, four bytes each: not for the counts of a year. */
const mostRows = 1e6

/** How the rows fall if it is chance which sample a row is of. */
export interface NullDraws {
  readonly mean: number
  readonly variance: number
  /** (1 + how many shuffles reach what was seen) / (1 + all). */
  readonly pValue: number
}

/**
 * The permutation distribution of a statistic of two samples of counts: their pooled rows are dealt out anew, n and m of them.
 *
 * Rows are dealt one by one where the smaller sample is small; else cell by cell, each a hypergeometric number. The answer has the same
 * distribution either way. O(permutations · min(rows of the smaller sample, Σ √rows of a cell)).
 *
 * The counts are part of the seed. Cells of equal pooled mass have the same totals in every window; by the seed alone all windows would then be dealt the very
 * same shuffles, and false alarms at 5 % would be 3.5 to 7.3 % for good, as the seed has it (30 seeds, 999 shuffles).
 */
export const shuffledCounts = (statistic: (reference: Float64Array, live: Float64Array) => number, reference: readonly number[], live: readonly number[], options: { readonly permutations: number; readonly seed: number | string }): NullDraws => {
  const { permutations, seed } = options
  const random = seededRandom(`${seed}/${reference.join()}/${live.join()}`)
  const pooled = Float64Array.from(reference, (count, cell) => count + (live[cell] as number))
  const [n, m] = [reference, live].map((counts) => counts.reduce((sum, count) => sum + count, 0)) as [number, number]
  const seen = statistic(Float64Array.from(reference), Float64Array.from(live))
  const smaller = new Float64Array(pooled.length)
  const larger = new Float64Array(pooled.length)
  const deal = Math.min(n, m) <= 16 * pooled.length && n + m <= mostRows ? byRow(pooled, Math.min(n, m)) : byCell(pooled, n + m, Math.min(n, m))
  let reached = 0
  let mean = 0
  let squares = 0
  for (let round = 1; round <= permutations; round++) {
    deal(smaller, random)
    for (let cell = 0; cell < pooled.length; cell++) larger[cell] = (pooled[cell] as number) - (smaller[cell] as number)
    const value = m <= n ? statistic(larger, smaller) : statistic(smaller, larger)
    // Equal splits may differ by rounding.
    if (value >= seen * (1 - 1e-12) - 1e-300) reached += 1
    const deviation = value - mean
    mean += deviation / round
    squares += deviation * (value - mean)
  }
  return { mean, variance: squares / (permutations - 1), pValue: (1 + reached) / (1 + permutations) }
}

type Deal = (counts: Float64Array, random: Random) => void

const byRow = (pooled: Float64Array, size: number): Deal => {
  const rows = new Uint32Array(pooled.reduce((sum, count) => sum + count, 0))
  let filled = 0
  pooled.forEach((count, cell) => rows.fill(cell, filled, (filled += count)))
  return (counts, random) => {
    counts.fill(0)
    for (let index = 0; index < size; index++) {
      const other = index + random.integer(rows.length - index)
      const cell = rows[other] as number
      rows[other] = rows[index] as number
      rows[index] = cell
      counts[cell] = (counts[cell] as number) + 1
    }
  }
}

const byCell = (pooled: Float64Array, all: number, size: number): Deal => (counts, random) => {
  let rest = all
  let open = size
  for (let cell = 0; cell < pooled.length; cell++) {
    const here = pooled[cell] as number
    const drawn = hypergeometric(random, here, rest, open)
    counts[cell] = drawn
    rest -= here
    open -= drawn
  }
}

/** How many of `size` rows, drawn from `all`, are among the `here` of a cell: by inversion, from the mode outwards. */
const hypergeometric = (random: Random, here: number, all: number, size: number): number => {
  const low = Math.max(0, size - (all - here))
  const high = Math.min(here, size)
  if (low === high) return low
  const mode = Math.min(high, Math.max(low, Math.floor(((here + 1) * (size + 1)) / (all + 2))))
  const choices = (from: number, of: number): number => logGamma(from + 1) - logGamma(of + 1) - logGamma(from - of + 1)
  const atMode = Math.exp(choices(here, mode) + choices(all - here, size - mode) - choices(all, size))
  /** Weight of k + 1 over weight of k. */
  const ratio = (k: number): number => ((here - k) * (size - k)) / ((k + 1) * (all - here - size + k + 1))
  let left = random.next() - atMode
  let [up, down] = [mode, mode]
  let [weightUp, weightDown] = [atMode, atMode]
  while (left > 0) {
    if (up < high) {
      weightUp *= ratio(up++)
      left -= weightUp
      if (left <= 0) return up
    }
    if (down > low) {
      weightDown /= ratio(--down)
      left -= weightDown
      if (left <= 0) return down
    }
    // What rounding has left over.
    if ((up >= high || weightUp < 1e-18) && (down <= low || weightDown < 1e-18)) return mode
  }
  return mode
}
