import { roundedValue } from '../stats/exact-sum.js'

/** Mean and spread of a numeric feature's finite values. */
export interface FeatureMoments {
  /** How many values these are of. */
  readonly count: number
  /** Finite values so far out (2⁴⁰ units of the feature) that they are counted and not summed. */
  readonly beyond: number
  /** `NaN` without values. */
  readonly mean: number
  /** Divided by n − 1; `NaN` below two values. 0 below 2⁻⁵¹ squared units, a unit being some times the reference's median deviation. */
  readonly variance: number
  readonly standardDeviation: number
}

/**
 * The sums of one feature: four slots for Σu, six for Σu², one for values beyond, where u = (x − centre) / 2^exponent.
 *
 * Each u is cut into pieces of 26 bits on a fixed grid, by adding and taking away a constant that rounds to it. A slot is the sum of
 * the pieces on one grid: a whole multiple of it below 2⁵³, so that no addition rounds and the order does not matter. What is rounded is each
 * value, once, at 2⁻⁵² of the unit. Source: Demmel and Nguyen, Fast reproducible floating-point summation, ARITH (2013).
 */
export const momentSlots = 11
const squares = 4
const beyond = 10
const limit = 2 ** 40

/** The exponents of the grids of the slots. */
const grids = [-52, -26, 0, 26, -52, -26, 0, 26, 52, 78] as const
const steps = grids.map((grid) => 2 ** grid)
/** Adding 1.5 · 2^(grid + 52) leaves multiples of the grid. */
const rounders = grids.map((grid) => 1.5 * 2 ** (grid + 52))
const fine = 1.5
const coarse = 1.5 * 2 ** 26

/** A slot takes 2²⁶ pieces, each at most 2²⁶ of its grid, before its carry is due. */
export const rowsPerCarry: number = 2 ** 26

/** Adds one value, in units of its feature. */
export const addMoments = (sums: Float64Array, at: number, u: number): void => {
  const square = u * u
  if (square < 1) {
    const head = u + coarse - coarse
    sums[at + 1] = (sums[at + 1] as number) + head
    sums[at] = (sums[at] as number) + (u - head + fine - fine)
    const squareHead = square + coarse - coarse
    sums[at + squares + 1] = (sums[at + squares + 1] as number) + squareHead
    sums[at + squares] = (sums[at + squares] as number) + (square - squareHead + fine - fine)
  } else if (u < limit && u > -limit) {
    addFar(sums, at, 3, 0, u)
    addFar(sums, at, 9, squares, square)
  } else sums[at + beyond] = (sums[at + beyond] as number) + 1
}

const addFar = (sums: Float64Array, at: number, from: number, to: number, value: number): void => {
  let rest = value
  for (let slot = from; slot >= to; slot--) {
    const rounder = rounders[slot] as number
    const piece = rest + rounder - rounder
    rest -= piece
    sums[at + slot] = (sums[at + slot] as number) + piece
  }
}

/** Moves what a slot has too much of into the next one: afterwards the same total always has the same slots. */
export const carryMoments = (sums: Float64Array): void => {
  for (let at = 0; at < sums.length; at += momentSlots) {
    for (let slot = 0; slot < beyond - 1; slot++) {
      if (slot === squares - 1) continue
      const next = steps[slot + 1] as number
      const carry = Math.floor((sums[at + slot] as number) / next + 0.5) * next
      sums[at + slot] = (sums[at + slot] as number) - carry
      sums[at + slot + 1] = (sums[at + slot + 1] as number) + carry
    }
  }
}

/** The slots, after their carries, as whole numbers for JSON. */
export const wholeMoments = (sums: Float64Array): number[] => Array.from(sums, (sum, index) => sum / (steps[index % momentSlots] ?? 1) + 0)

/** The slots that `wholeMoments` gave these numbers of; `undefined` if they are none. */
export const momentsFrom = (whole: unknown, length: number): Float64Array | undefined => {
  if (!Array.isArray(whole) || whole.length !== length || !whole.every(Number.isSafeInteger)) return undefined
  return Float64Array.from(whole as number[], (count, index) => count * (steps[index % momentSlots] ?? 1))
}

const total = (sums: Float64Array, from: number, to: number): bigint => {
  let all = 0n
  for (let slot = to; slot >= from; slot--) all = (all << 26n) + BigInt((sums[slot] as number) / (steps[slot] as number))
  return all
}

/** The moments of one feature. @param sums - its slots @param finite - how many finite values were counted */
export const momentsOf = (sums: Float64Array, finite: number, { centre, exponent }: { readonly centre: number; readonly exponent: number }): FeatureMoments => {
  const far = sums[beyond] as number
  const count = finite - far
  if (count < 1) return { count: Math.max(0, count), beyond: far, mean: NaN, variance: NaN, standardDeviation: NaN }
  const n = BigInt(count)
  const first = total(sums, 0, squares - 1)
  const mean = centre + roundedValue((first << 64n) / n, exponent - 116)
  const second = total(sums, squares, beyond - 1)
  // n Σu² − (Σu)², in units of 2⁻¹⁰⁴. Each value was rounded; what that alone may amount to is no spread.
  const spread = n * (second << 52n) - first * first
  const noise = 2n * n * ((n << 52n) + second)
  const variance = count < 2 ? NaN : spread <= noise ? 0 : roundedValue((spread << 64n) / (n * (n - 1n)), 2 * exponent - 168)
  return { count, beyond: far, mean, variance, standardDeviation: Math.sqrt(variance) }
}
