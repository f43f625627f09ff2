import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chiSquareHomogeneity } from '../../src/stats/chi-square-homogeneity.js'
import { cramersV } from '../../src/stats/cramers-v.js'
import { energyDistance } from '../../src/stats/energy-distance.js'
import { fisherExact } from '../../src/stats/fisher-exact.js'
import { jensenShannonDistance, jensenShannonDivergence } from '../../src/stats/jensen-shannon.js'
import { gTest } from '../../src/stats/g-test.js'
import { kolmogorovSmirnov, kolmogorovSmirnovCounts } from '../../src/stats/kolmogorov-smirnov.js'
import { mannWhitney } from '../../src/stats/mann-whitney.js'
import { mergedCounts, mergeSparseCells } from '../../src/stats/merge-cells.js'
import { mmd } from '../../src/stats/mmd.js'
import { populationStability } from '../../src/stats/population-stability.js'
import { totalVariation } from '../../src/stats/total-variation.js'
import { wasserstein, wassersteinCounts } from '../../src/stats/wasserstein.js'
import { golden, relativeError, tailBar } from './_golden.js'

describe('against SciPy', () => {
  test('chiSquareHomogeneity gives statistic, degrees of freedom and p of chi2_contingency', () => {
    for (const { a, b, statistic, df, p } of golden.contingency) {
      const result = chiSquareHomogeneity(a, b)
      expect(result.degreesOfFreedom).toBe(df)
      expect(relativeError(result.statistic, statistic)).toBeLessThan(1e-12)
      // The statistic's own rounding moves p by half of it, relative.
      expect(relativeError(result.pValue, p)).toBeLessThan(1e-12 + statistic * 1e-13)
    }
  })

  test('fisherExact gives the two-sided p of fisher_exact', () => {
    for (const [x, n, y, m, p] of golden.fisher) expect(relativeError(fisherExact([x, n], [y, m]), p), `${x}/${n} ${y}/${m}`).toBeLessThan(1e-9)
  })

  test('kolmogorovSmirnovCounts gives the distance of ks_2samp and the asymptotic p', () => {
    for (const { a, b, ks, ksp } of golden.contingency) {
      const result = kolmogorovSmirnovCounts(a, b)
      expect(relativeError(result.statistic, ks)).toBeLessThan(1e-12)
      expect(relativeError(result.pValue, ksp)).toBeLessThan(tailBar(ksp))
    }
  })

  test('the effect sizes equal jensenshannon (base 2), wasserstein_distance and their formulas', () => {
    for (const { a, b, js, tv, v, positions, w1 } of golden.contingency) {
      expect(relativeError(jensenShannonDistance(a, b), js)).toBeLessThan(1e-12)
      expect(relativeError(totalVariation(a, b), tv)).toBeLessThan(1e-12)
      expect(relativeError(cramersV(a, b), v)).toBeLessThan(1e-10)
      expect(relativeError(wassersteinCounts(a, b, { positions }), w1)).toBeLessThan(1e-12)
      expect(relativeError(wassersteinCounts(a, b, { positions, scale: 4 }), w1 / 4)).toBeLessThan(1e-12)
    }
  })
})

const cells = fc.integer({ min: 1, max: 40 }).chain((k) => {
  const counts = fc.array(fc.oneof(fc.constant(0), fc.nat(3), fc.nat(200)), { minLength: k, maxLength: k })
  return fc.tuple(counts, counts)
})

test.each([{ ordered: true }, { ordered: false }, { ordered: true, maximumCells: 8 }])('mergeSparseCells %o loses no row, leaves no gap, and merges until 5 are expected', (options) => {
  fc.assert(
    fc.property(cells, ([a, b]) => {
      const groups = mergeSparseCells(a, b, options)
      const x = mergedCounts(a, groups)
      const y = mergedCounts(b, groups)
      const n = a.reduce((s, c) => s + c, 0)
      const m = b.reduce((s, c) => s + c, 0)
      expect([x.reduce((s, c) => s + c, 0), y.reduce((s, c) => s + c, 0)]).toEqual([n, m])
      const used = [...groups].filter((group) => group >= 0)
      expect(new Set(used).size).toBe(x.length)
      if (options.ordered) expect(used).toEqual([...used].sort((p, q) => p - q))
      if ('maximumCells' in options && options.maximumCells !== undefined) expect(x.length).toBeLessThanOrEqual(options.maximumCells)
      if (x.length > 1) for (let g = 0; g < x.length; g++) expect((((x[g] as number) + (y[g] as number)) * Math.min(n, m)) / (n + m)).toBeGreaterThanOrEqual(5 - 1e-9)
      groups.forEach((group, cell) => expect(group < 0).toBe((a[cell] as number) + (b[cell] as number) === 0))
    }),
  )
})

test('mergeSparseCells of ordered cells gives a sparse run to the group before when the next cell needs none', () => {
  expect([...mergeSparseCells([100, 1, 1, 300], [100, 1, 1, 300], { ordered: true })]).toEqual([0, 0, 0, 1])
  expect([...mergeSparseCells([100, 3, 3, 300, 1], [100, 3, 3, 300, 0], { ordered: true })]).toEqual([0, 1, 1, 2, 2])
})

test('chiSquareHomogeneity has nothing to say of an empty sample or a single cell', () => {
  expect(chiSquareHomogeneity([10, 20], [0, 0]).pValue).toBe(1)
  expect(chiSquareHomogeneity([10], [30]).pValue).toBe(1)
  expect(chiSquareHomogeneity([2, 1], [1, 2])).toMatchObject({ pValue: 1, degreesOfFreedom: 0 })
})

test('the measures refuse cells that do not match, and counts that are none', () => {
  for (const measure of [chiSquareHomogeneity, kolmogorovSmirnovCounts, totalVariation, jensenShannonDistance, cramersV, populationStability]) {
    for (const bad of [[1], [1, -1], [1, NaN], [Infinity, 1]]) expect(() => measure([1, 2], bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  }
  expect(() => wassersteinCounts([1, 2], [2, 1], { positions: [1, 0] })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  expect(() => wassersteinCounts([1, 2], [2, 1], { positions: [0, 1], scale: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
})

test('an empty sample has no distance', () => {
  for (const measure of [totalVariation, jensenShannonDistance, jensenShannonDivergence, cramersV, populationStability]) expect(measure([1, 2], [0, 0])).toBeNaN()
})

test('populationStability stays finite with an empty cell, and one row in it changes little', () => {
  const none = populationStability([5000, 5000, 0], [500, 500, 0])
  const one = populationStability([5000, 5000, 0], [500, 500, 1])
  expect(none).toBe(0)
  expect(one).toBeLessThan(0.02)
  expect(populationStability([1000, 1000, 0], [500, 500, 1000])).toBeGreaterThan(1)
})

test('the correction of the Jensen-Shannon divergence takes chance away and leaves drift', () => {
  // 64 cells of 1000 rows that differ as two samples do: every second cell is one standard deviation of a difference higher.
  const a = Array.from({ length: 64 }, (_, cell) => 1000 + (cell % 2 === 0 ? 22 : -22))
  const b = Array.from({ length: 64 }, () => 1000)
  expect(jensenShannonDivergence(a, b)).toBeGreaterThan(5e-5)
  expect(jensenShannonDivergence(a, b, { corrected: true })).toBe(0)
  expect(jensenShannonDistance([900, 100], [100, 900], { corrected: true })).toBeCloseTo(jensenShannonDistance([900, 100], [100, 900]), 2)
})

test('gTest has the parts of counts of any size, and counts that sum up to more than a double are refused', () => {
  const small = gTest([30, 40, 30], [50, 40, 10])
  for (const scale of [2 ** 300, 2 ** 520, 2 ** 990]) {
    const { statistic, contributions } = gTest([30 * scale, 40 * scale, 30 * scale], [50 * scale, 40 * scale, 10 * scale])
    expect(relativeError(statistic / scale, small.statistic)).toBeLessThan(1e-12)
    contributions.forEach((part, cell) => expect(Math.abs(part / scale - small.contributions[cell]!)).toBeLessThan(1e-12))
  }
  for (const measure of [gTest, chiSquareHomogeneity, kolmogorovSmirnovCounts]) expect(() => measure([1e308, 1e308], [1, 1])).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
})

test('what is no sample is refused with a code', () => {
  for (const bad of [null, undefined, 7, {}]) {
    for (const measure of [kolmogorovSmirnov, mannWhitney, wasserstein, energyDistance, mmd, gTest, kolmogorovSmirnovCounts, totalVariation]) {
      expect(() => measure(bad as never, [1, 2, 3] as never), measure.name).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
      expect(() => measure([1, 2, 3] as never, bad as never), measure.name).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    }
  }
})
