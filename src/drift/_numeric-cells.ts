import { magnitudeCells, type NumericCells } from './feature-cells.js'

/** The fewest reference values that make a cell, or a point mass, worth having. */
const perCell = 10

/** Half-octaves of |x|: the exponent and one bit of the mantissa of a double. 0 for zero and subnormal numbers. */
export const magnitudeOf = (x: number): number => {
  double[0] = x
  const half = ((words[high] as number) >>> 19) & 0xfff
  return half < 2 ? 0 : half
}
const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const high = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/**
 * Chooses the cells of a numeric feature from a sample of its finite values.
 *
 * Quantile edges between values, so that cells hold about equally many rows and no outlier squeezes them. A value
 * that has a cell's share by itself is a point mass with a cell of its own, as wide as the rounding to a 32-bit float
 * (training rows are often stored as such); between two neighbouring point masses lies a cell for what should not be
 * there (a flag that was filled with its mean). Few distinct values are all point masses.
 *
 * @param values - finite, sorted upwards
 * @param limit - about how many cells; at most 2 · limit + 3 come out
 */
export const numericCells = (values: Float64Array, limit: number): Pick<NumericCells, 'edges' | 'points' | 'magnitudeBase' | 'centre' | 'exponent'> => {
  const distinct: number[] = []
  const counts: number[] = []
  for (const value of values) {
    if (distinct.length > 0 && distinct[distinct.length - 1] === value) counts[counts.length - 1] = (counts[counts.length - 1] as number) + 1
    else {
      distinct.push(value + 0) // -0 becomes 0
      counts.push(1)
    }
  }
  const wanted = Math.max(1, Math.min(limit, Math.floor(values.length / perCell)))
  const isDiscrete = distinct.length <= limit && distinct.length * perCell <= values.length
  const heavy = Math.max(perCell, values.length / wanted)
  const isPoint = counts.map((count) => isDiscrete || count >= heavy)
  const edges: number[] = []
  const points = new Map<number, number>()
  const push = (wanted: number): void => {
    const edge = Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, wanted))
    if (edges.length === 0 || edge > (edges[edges.length - 1] as number)) edges.push(edge)
  }
  const closePoint = (index: number): void => {
    push((distinct[index] as number) + marginOf(distinct, index))
    points.set(edges.length - 1, distinct[index] as number)
  }
  const cuts = quantileCuts(counts, isPoint, wanted / Math.max(1, values.length))
  for (let index = 0; index < distinct.length; index++) {
    if (index === 0 || isPoint[index]) push(below(distinct, index))
    if (isPoint[index]) closePoint(index)
    else if (index === distinct.length - 1) push((distinct[index] as number) + marginOf(distinct, index))
    else if (cuts.has(index)) push((distinct[index] as number) / 2 + (distinct[index + 1] as number) / 2)
  }
  return { edges: Float64Array.from(edges), points, magnitudeBase: magnitudeBaseOf(values), ...unitOf(values) }
}

/** After which distinct values to cut, inside each run between point masses, for cells of about equal mass. */
const quantileCuts = (counts: readonly number[], isPoint: readonly boolean[], cellsPerRow: number): Set<number> => {
  const cuts = new Set<number>()
  for (let start = 0; start < counts.length; ) {
    if (isPoint[start]) {
      start += 1
      continue
    }
    let end = start
    let mass = 0
    while (end < counts.length && !isPoint[end]) mass += counts[end++] as number
    const cells = Math.max(1, Math.round(mass * cellsPerRow))
    let before = 0
    let cut = 1
    for (let index = start; index + 1 < end; index++) {
      before += counts[index] as number
      if (before * cells < cut * mass) continue
      cuts.add(index)
      cut = Math.floor((before * cells) / mass) + 1
    }
    start = end
  }
  return cuts
}

/** How far from a value its rounding may lie: 2⁻²⁰ of it, and never past a quarter of the way to its neighbour. */
const marginOf = (distinct: readonly number[], index: number): number => {
  const value = distinct[index] as number
  const left = index > 0 ? value - (distinct[index - 1] as number) : Infinity
  const right = index + 1 < distinct.length ? (distinct[index + 1] as number) - value : Infinity
  const gap = Math.min(left, right)
  if (gap === Infinity) return 2 ** -20 * (Math.abs(value) || 1)
  return Math.min(2 ** -20 * Math.abs(value) + 2 ** -20 * gap, gap / 4)
}

/** An edge under a value, so that the value lies in the cell above it. */
const below = (distinct: readonly number[], index: number): number => {
  const value = distinct[index] as number
  const edge = value - marginOf(distinct, index)
  if (edge < value) return edge
  return index > 0 ? (distinct[index - 1] as number) : value - Math.max(Math.abs(value) * 2 ** -52, Number.MIN_VALUE)
}

/** Puts the median magnitude in the middle of the magnitude cells: 32 octaves of room on either side. */
const magnitudeBaseOf = (values: Float64Array): number => {
  const halves = Float64Array.from(values, magnitudeOf).filter((half) => half > 0).sort()
  const median = halves.length === 0 ? 0x7ff : (halves[halves.length >>> 1] as number)
  return Math.max(0, median - magnitudeCells / 2)
}

/** The exponent of about eight times the median distance from the median (of those that are not 0), and the median to a few bits: taking it away seldom rounds. */
const unitOf = (values: Float64Array): Pick<NumericCells, 'centre' | 'exponent'> => {
  const median = (values[values.length >>> 1] ?? 0) + 0
  const distances = Float64Array.from(values, (value) => Math.abs(value - median)).filter((distance) => distance > 0 && distance < Infinity).sort()
  const distance = distances[distances.length >>> 1] ?? (Math.abs(median) || 1)
  const exponent = Math.max(-1000, Math.min(1000, (magnitudeOf(distance) >>> 1) - 1023 + 4))
  const step = 2 ** (exponent - 6)
  const centre = Math.round(median / step) * step + 0
  return { centre: distances.length > 0 && Number.isFinite(centre) ? centre : median, exponent }
}
