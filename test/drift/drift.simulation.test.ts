/** Claims of statistics, tested as statistics: seeded, and asserted within their own bounds. */
import { describe, expect, test } from 'vitest'
import { driftVerdict } from '../../src/drift/drift-verdict.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { chiSquareHomogeneity } from '../../src/stats/chi-square-homogeneity.js'
import { kolmogorovSmirnovCounts } from '../../src/stats/kolmogorov-smirnov.js'
import { seeded, zipf } from './_seeded.js'
import { category, even, heavy, normal, simulate, type Draw } from './_verdict-shares.js'

/** 5 %, and three standard errors of a share of that many runs. */
const bound = (runs: number): number => 0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs)

describe('false alarms at a nominal 5 % on data that did not change', () => {
  test.each([3, 5, 10, 20])('chiSquareHomogeneity with %i categories, 1000 rows in both', (k) => {
    const runs = 1000
    let rejected = 0
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed * 104_729 + k)
      const [a, b] = [new Array<number>(k).fill(0), new Array<number>(k).fill(0)]
      for (const counts of [a, b]) {
        for (let row = 0; row < 1000; row++) {
          const cell = Math.floor(random.uniform() * k)
          counts[cell] = (counts[cell] as number) + 1
        }
      }
      if (chiSquareHomogeneity(a, b).pValue <= 0.05) rejected += 1
    }
    // Two-sided: a test that never rejects is as wrong as one that always does.
    expect(rejected / runs).toBeLessThan(bound(runs))
    expect(rejected / runs).toBeGreaterThan(0.1 - bound(runs))
  })

  test('kolmogorovSmirnovCounts is conservative with cells', () => {
    const runs = 500
    let rejected = 0
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed * 15_485_863)
      const [a, b] = [new Array<number>(64).fill(0), new Array<number>(64).fill(0)]
      for (const counts of [a, b]) {
        for (let row = 0; row < 500; row++) {
          const cell = Math.floor(random.uniform() * 64)
          counts[cell] = (counts[cell] as number) + 1
        }
      }
      if (kolmogorovSmirnovCounts(a, b).pValue <= 0.05) rejected += 1
    }
    expect(rejected / runs).toBeLessThan(0.05)
    expect(rejected / runs).toBeGreaterThan(0.01)
  })

  test.each<[string, number, number, number, Draw]>([
    ['5 categories', 300, 500, 1000, category(even(5))],
    ['20 categories', 300, 1000, 1000, category(even(20))],
    ['200 categories by Zipf', 200, 1000, 1000, category(zipf(200))],
    ['200 categories by Zipf, more rows than the reference', 100, 1000, 5000, category(zipf(200))],
    ['1000 even categories, most of them rare', 60, 3000, 1000, category(even(1000))],
    ['normal, 20 rows', 300, 1000, 20, normal],
    ['normal, 200 rows', 300, 1000, 200, normal],
    ['normal, 1000 rows', 200, 1000, 1000, normal],
    ['normal, a small reference', 200, 200, 1000, normal],
    ['Student t with 2 degrees of freedom', 200, 2000, 200, heavy],
    ['six in ten at zero', 200, 1000, 500, (random) => (random.uniform() < 0.6 ? 0 : random.uniform())],
    ['whole numbers', 200, 1000, 500, (random) => Math.floor(Math.exp(2 + random.normal()))],
    ['rare missing values and NaN', 200, 1000, 500, (random) => (random.uniform() < 0.004 ? null : random.uniform() < 0.003 ? NaN : random.normal())],
  ])('driftVerdict of %s', (_, runs, n, m, draw) => {
    const { rejected, drifted } = simulate(runs, n, m, draw)
    expect(rejected).toBeLessThan(bound(runs))
    expect(drifted).toBeLessThanOrEqual(rejected)
  })

  test('driftVerdict of 20 features at once alarms no more often than of one', () => {
    const runs = 100
    let alarms = 0
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed * 32_452_843)
      const row = (): number[] => Array.from({ length: 20 }, () => random.normal())
      const reference = referenceProfile(Array.from({ length: 500 }, row), { features: Array.from({ length: 20 }, (_, i) => `f${i}`) })
      const live = new LiveProfile(reference)
      for (let i = 0; i < 300; i++) live.count(row())
      if (driftVerdict(reference, live, { tolerance: 0 }).state === 'drifted') alarms += 1
    }
    expect(alarms / runs).toBeLessThan(bound(runs))
  })
})

describe('power', () => {
  test.each<[string, number, number, number, Draw, Draw, number]>([
    ['a shift by .25 standard deviations in 2000 rows', 40, 2000, 2000, normal, (random) => random.normal() + 0.25, 0.95],
    ['a shift by .25 standard deviations in 500 rows of a large reference', 40, 10_000, 500, normal, (random) => random.normal() + 0.25, 0.8],
    ['a spread by 1.5 in 500 rows', 40, 5000, 500, normal, (random) => 1.5 * random.normal(), 0.95],
    ['1 % of a new category in 2000 rows', 40, 5000, 2000, category([0.5, 0.3, 0.2]), (random) => (random.uniform() < 0.01 ? 'new' : category([0.5, 0.3, 0.2])(random)), 0.8],
    ['5 % missing in 500 rows', 40, 5000, 500, normal, (random) => (random.uniform() < 0.05 ? null : random.normal()), 0.95],
  ])('driftVerdict finds %s', (_, runs, n, m, before, after, least) => {
    expect(simulate(runs, n, m, before, after).drifted).toBeGreaterThanOrEqual(least)
  })

  test('driftVerdict owes small shifts to Kolmogorov-Smirnov: a tenth of a standard deviation in 2000 rows', () => {
    // Chi-square alone finds about half.
    expect(simulate(60, 10_000, 2000, normal, (random) => random.normal() + 0.1).rejected).toBeGreaterThan(0.72)
  })
})
