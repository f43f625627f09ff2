/** On data that did not change, a cause of any kind is told in at most `alpha` of the runs; seeded. */
import { expect, test } from 'vitest'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile, type ReferenceProfile } from '../../src/drift/reference-profile.js'
import { rootCause } from '../../src/drift/root-cause.js'
import { seeded, zipf } from './_seeded.js'

const runs = 400

// The last number: how much more than `chance` unchanged data show. Where a cell expects one to five rows, G shows about a tenth more; it is no cause for that.

interface Row {
  readonly x: number | null
  readonly y: number
  readonly c: string
  readonly segment: string
}

const draw = (random: ReturnType<typeof seeded>, rows: number, shares: readonly number[], categories: readonly number[]): Row[] =>
  Array.from({ length: rows }, () => ({ x: random.uniform() < 0.02 ? null : random.normal(), y: Math.floor(5 * random.uniform()), c: `c${random.index(categories)}`, segment: `s${random.index(shares)}` }))

const count = (reference: ReferenceProfile, rows: readonly Row[]): LiveProfile => {
  const live = new LiveProfile(reference)
  for (const row of rows) live.count(row)
  return live
}
const bySegment = (reference: ReferenceProfile, rows: readonly Row[]): Map<string | null, LiveProfile> => {
  const segments = new Map<string | null, LiveProfile>()
  for (const row of rows) {
    const live = segments.get(row.segment) ?? new LiveProfile(reference)
    segments.set(row.segment, live)
    live.count(row)
  }
  return segments
}

test.each([
  ['5 even segments', new Array<number>(5).fill(0.2), 1000, 1000, 0],
  ['20 segments by Zipf, most of them small', zipf(20), 1500, 600, 0.11],
])('rootCause tells a cause of unchanged data in at most one of twenty runs, without any tolerance: %s', (_, shares, n, m, excess) => {
  const categories = zipf(40)
  let told = 0
  let unadjusted = 0
  // What y and the mix show above chance, as a part of it.
  const above: number[] = []
  for (let seed = 1; seed <= runs; seed++) {
    const random = seeded(seed * 7919)
    const [was, is] = [draw(random, n, shares, categories), draw(random, m, shares, categories)]
    const reference = referenceProfile(was, { features: ['x', 'y', 'c'] })
    const report = rootCause(reference, count(reference, is), { tolerance: 0, minimumRows: 20, segments: { segment: { before: bySegment(reference, was), after: bySegment(reference, is) } } })
    const parts = [...report.mixes.flatMap((mix) => mix.parts), ...report.features.flatMap((split) => [...split.cells, ...split.bySegment.flatMap((one) => one.parts)])]
    const y = report.features.find(({ feature }) => feature === 'y')!
    const [within, mix] = [y.bySegment[0]!, report.mixes[0]!]
    above.push((y.bits + within.within + mix.bits) / (y.chance + within.chance + mix.chance) - 1)
    if (parts.some(({ adjustedPValue }) => adjustedPValue <= 0.05)) told += 1
    if (parts.some(({ pValue }) => pValue <= 0.05)) unadjusted += 1
  }
  expect(told / runs).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs))
  const mean = above.reduce((sum, bits) => sum + bits, 0) / runs
  const error = Math.sqrt(above.reduce((sum, bits) => sum + (bits - mean) ** 2, 0) / runs / (runs - 1))
  expect(Math.abs(mean - excess)).toBeLessThan(3 * error + 0.01)
  // That it could have failed: without the correction there is nearly always one.
  expect(unadjusted / runs).toBeGreaterThan(0.5)
})
