import { finderOf, FoundCells } from './_cell-finder.js'
import { specialCells, type FeatureRow } from './feature-cells.js'
import type { ReferenceProfile } from './reference-profile.js'
import { RowSampler } from './_row-sample.js'

/** Rows that are looked at. */
const sampleRows = 5000
/** Into how many ranges of like mass a number is cut: few, as V falls with finer cuts of one and the same dependence. */
const ranges = 4
/** From which Cramér's V on two features are told as one: a correlation of normals of about .7. */
const together = 0.5

/**
 * Which of the profile's input features go together in these rows: connected by Cramér's V ≥ ½, in pairs.
 * @returns for each feature of the profile, the number of the first one of its group. Those that are not inputs are alone.
 */
export const featureGroups = (reference: ReferenceProfile, rows: Iterable<FeatureRow>): number[] => {
  const { features } = reference
  const finder = finderOf(features)
  const inputs = features.flatMap((feature, index) => (feature.role === 'input' ? [index] : []))
  const sampler = new RowSampler<FeatureRow>(sampleRows, Array.isArray(rows))
  for (const row of rows) sampler.add(row)
  const sample = sampler.sample().rows
  const found = new FoundCells(features.length)
  const codes = inputs.map(() => new Int32Array(sample.length))
  sample.forEach(({ row }, at) => {
    finder.findRow(row, found)
    codes.forEach((code, input) => (code[at] = (found.cells[2 * input] as number) - (finder.inputs[input]?.offset ?? 0)))
  })
  codes.forEach((code, input) => {
    const feature = features[inputs[input] as number]
    if (feature?.kind === 'numeric') intoRanges(code, feature.counts.length - specialCells.length)
  })
  const first = features.map((_, index) => index)
  const root = (index: number): number => (first[index] === index ? index : root(first[index] as number))
  for (let one = 0; one < inputs.length; one++) {
    for (let other = 0; other < one; other++) {
      const [x, y] = [root(inputs[one] as number), root(inputs[other] as number)]
      if (x !== y && association(codes[one] as Int32Array, codes[other] as Int32Array) >= together) first[Math.max(x, y)] = Math.min(x, y)
    }
  }
  return first.map((_, index) => root(index))
}

/** Cells of a number as quarters of the rows, in place; special cells stay apart. */
const intoRanges = (code: Int32Array, own: number): void => {
  const rows = new Float64Array(own)
  for (const cell of code) if (cell < own) rows[cell] = (rows[cell] as number) + 1
  const all = rows.reduce((total, count) => total + count, 0)
  let below = 0
  const range = rows.map((count) => {
    const middle = below + count / 2
    below += count
    return Math.floor((ranges * middle) / Math.max(1, all))
  })
  code.forEach((cell, at) => (code[at] = cell < own ? (range[cell] as number) : cell))
}

/** Cramér's V of two columns of codes, corrected for bias. Source: W. Bergsma, Journal of the Korean Statistical Society 42 (2013). */
const association = (x: Int32Array, y: Int32Array): number => {
  const [columnOf, rowOf] = [tally(x), tally(y)]
  const joint = new Map<number, number>()
  x.forEach((code, at) => {
    const key = code * 2 ** 20 + (y[at] as number)
    joint.set(key, (joint.get(key) ?? 0) + 1)
  })
  const rows = x.length
  let sum = 0
  for (const [key, count] of joint) sum += count ** 2 / ((columnOf.get(Math.floor(key / 2 ** 20)) as number) * (rowOf.get(key % 2 ** 20) as number))
  const rest = rows - 1
  const [r, k] = [columnOf.size, rowOf.size]
  const phi2 = Math.max(0, sum - 1 - ((r - 1) * (k - 1)) / rest)
  const width = Math.min(r - (r - 1) ** 2 / rest, k - (k - 1) ** 2 / rest) - 1
  return width > 0 ? Math.sqrt(phi2 / width) : 0
}

const tally = (codes: Int32Array): Map<number, number> => {
  const counts = new Map<number, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return counts
}
