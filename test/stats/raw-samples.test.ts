import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { andersonDarlingMoments, cramerVonMisesMoments, limitTail } from '../../src/stats/_limit-tail.js'
import * as stats from '../../src/stats/index.js'
import { relativeError, tailBar } from './_golden.js'

interface Golden {
  readonly exact: readonly { a: number[]; b: number[]; D: number; ks: number; U: number; mw: number; T: number | null; cvm: number | null }[]
  readonly lattice: readonly [number[], number[], number, number][]
  readonly limits: readonly { a: number[]; b: number[]; U: number; mw: number; cvm: number | null; ad: number; w1: number; energy: number }[]
  readonly anderson: readonly [number[][], number, number][]
  readonly rows: readonly { a: number[][]; b: number[][]; bandwidth: number; mmd: number; energy: number }[]
  readonly g: readonly { a: number[]; b: number[]; G: number; p: number; corrected: number; hellinger: number }[]
  readonly cvmLimit: readonly [number, number][]
  readonly adLimit: readonly [number, number, number][]
  /** Of more than 100 samples. */
  readonly adMany: readonly [number, number, number][]
  readonly fdr: readonly [number[], number[]]
}

/** Values of SciPy, mpmath and whole-number counting, made by test/golden/stats/make_two_samples.py. */
const golden = JSON.parse(readFileSync(new URL('../golden/stats/two-samples.json', import.meta.url), 'utf8')) as Golden

const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })

describe('against references', () => {
  it('exact p-values of kolmogorovSmirnov, mannWhitney and cramerVonMises are those of counting all orders, with and without ties', () => {
    for (const { a, b, D, ks, U, mw, T, cvm } of golden.exact) {
      const name = `${a.length} ${b.length}`
      const smirnov = stats.kolmogorovSmirnov(a, b)
      expect(Math.abs(smirnov.statistic - D), name).toBeLessThan(1e-15)
      expect([relativeError(smirnov.pValue, ks) < 1e-12, smirnov.exact], name).toEqual([true, true])
      const whitney = stats.mannWhitney(a, b, { method: 'exact' })
      expect([whitney.statistic, whitney.effect], name).toEqual([U, U / a.length / b.length])
      expect(relativeError(whitney.pValue, mw), name).toBeLessThan(1e-12)
      if (T === null || cvm === null) continue
      const mises = stats.cramerVonMises(a, b)
      expect(Math.abs(mises.statistic - T), name).toBeLessThan(1e-14)
      expect([relativeError(mises.pValue, cvm) < 1e-12, mises.exact], name).toEqual([true, true])
    }
  })

  it('kolmogorovSmirnov stays exact on larger lattices', () => {
    for (const [a, b, D, p] of golden.lattice) {
      const { statistic, pValue, exact } = stats.kolmogorovSmirnov(a, b)
      expect(exact).toBe(true)
      expect(relativeError(statistic, D)).toBeLessThan(1e-14)
      expect(relativeError(pValue, p), `${p}`).toBeLessThan(1e-12)
    }
  })

  it('the limits of Cramér-von Mises and Anderson-Darling are good to 1e-12, far into the tail', () => {
    for (const [x, p] of golden.cvmLimit) expect(relativeError(limitTail(x, cramerVonMisesMoments, Math.PI ** 2 / 2), p), `${x}`).toBeLessThan(tailBar(p))
    for (const [x, k, p] of golden.adLimit) expect(relativeError(limitTail(x, andersonDarlingMoments(k - 1), 1), p), `${x} ${k}`).toBeLessThan(tailBar(p))
  })

  it('the limit of Anderson-Darling is good to 1e-12, or x ε, also for up to 1001 samples', () => {
    for (const [x, k, p] of golden.adMany) expect(relativeError(limitTail(x, andersonDarlingMoments(k - 1), 1), p), `${x} ${k}`).toBeLessThan(Math.max(tailBar(p), x * Number.EPSILON))
  })

  it('asymptotic statistics and p-values are those of SciPy', () => {
    for (const { a, b, U, mw, cvm, ad, w1, energy } of golden.limits) {
      const whitney = stats.mannWhitney(a, b)
      expect(whitney.exact).toBe(false)
      expect(whitney.statistic).toBe(U)
      expect(relativeError(whitney.pValue, mw)).toBeLessThan(1e-12)
      // T comes from SciPy's sum of ranks with half of its digits cancelled.
      if (cvm !== null) expect(relativeError(stats.cramerVonMises(a, b).pValue, cvm)).toBeLessThan(1e-10)
      expect(Math.abs(stats.andersonDarling([a, b]).standardized - ad)).toBeLessThan(1e-10 * Math.max(1, Math.abs(ad)))
      expect(relativeError(stats.wasserstein(a, b), w1)).toBeLessThan(1e-12)
      expect(relativeError(stats.energyDistance(a, b), energy)).toBeLessThan(1e-12)
    }
  })

  it('andersonDarling of 2, 3 and 5 samples gives the statistic of anderson_ksamp and the tail of the limit there', () => {
    for (const [samples, standardized, p] of golden.anderson) {
      const result = stats.andersonDarling(samples, { permutations: 0 })
      expect(Math.abs(result.standardized - standardized)).toBeLessThan(1e-10)
      if (new Set(samples.flat()).size === samples.flat().length) expect(relativeError(result.pValue, p)).toBeLessThan(1e-10)
      // With ties the library knows better the variance than the golden, which has that of no ties.
      else expect(Math.abs(result.pValue - p)).toBeLessThan(0.01)
    }
  })

  it('mmd, its bandwidth and energyDistance of rows are the plain formulas of NumPy', () => {
    for (const { a, b, bandwidth, mmd, energy } of golden.rows) {
      const result = stats.mmd(a, b, { permutations: 0 })
      expect(relativeError(result.bandwidth, bandwidth)).toBeLessThan(1e-13)
      expect(Math.abs(result.statistic - mmd)).toBeLessThan(1e-13)
      expect(Math.abs(stats.energyDistance(a, b) - energy)).toBeLessThan(1e-12)
    }
  })

  it('gTest is chi2_contingency with the log-likelihood, to all digits, and hellinger its formula', () => {
    for (const { a, b, G, p, corrected, hellinger } of golden.g) {
      const result = stats.gTest(a, b)
      expect(relativeError(result.statistic, G)).toBeLessThan(1e-12)
      expect(relativeError(result.pValue, p)).toBeLessThan(1e-12 + G * 1e-13)
      expect(relativeError(stats.gTest(a, b, { corrected: true }).pValue, corrected)).toBeLessThan(1e-12 + G * 1e-13)
      expect(relativeError(stats.hellinger(a, b), hellinger)).toBeLessThan(1e-12)
    }
  })

  it('benjaminiHochberg is false_discovery_control', () => {
    const [p, adjusted] = golden.fdr
    stats.benjaminiHochberg(p).forEach((value, index) => expect(relativeError(value, adjusted[index] as number)).toBeLessThan(1e-14))
  })
})

const tests = {
  kolmogorovSmirnov: (a: number[], b: number[], method?: 'asymptotic') => stats.kolmogorovSmirnov(a, b, method ? { method } : {}),
  mannWhitney: (a: number[], b: number[], method?: 'asymptotic') => stats.mannWhitney(a, b, method ? { method } : {}),
  cramerVonMises: (a: number[], b: number[], method?: 'asymptotic') => stats.cramerVonMises(a, b, method ? { method } : {}),
  andersonDarling: (a: number[], b: number[]) => stats.andersonDarling([a, b], { permutations: 0 }),
}
const tied = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 2, maxLength: 12 })
const untied = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 12 })
const sample = fc.oneof(tied, untied)

describe.each(Object.entries(tests))('%s', (name, run) => {
  test.each([undefined, 'asymptotic'] as const)('method %s: p is in (0, 1], the same for swapped samples, shuffled rows and any increasing map', (method) => {
    fc.assert(
      fc.property(sample, sample, (a, b) => {
        const { pValue, statistic } = run(a, b, method)
        expect(pValue > 0 && pValue <= 1).toBe(true)
        expect(statistic).toBeGreaterThanOrEqual(0)
        expect(Math.abs(run(b, a, method).pValue - pValue)).toBeLessThan(1e-12)
        expect(run([...a].reverse(), b, method)).toEqual(run(a, b, method))
        // Doubling has no rounding; the cube of whole numbers neither.
        expect(run(a.map((x) => 2 * x), b.map((x) => 2 * x), method)).toEqual(run(a, b, method))
        if ([...a, ...b].every(Number.isInteger)) expect(run(a.map((x) => x ** 3), b.map((x) => x ** 3), method)).toEqual(run(a, b, method))
      }),
      { numRuns: 80 },
    )
  })

  test('a sample against itself, and one value all over, are no difference', () => {
    const a = [3, 1, 4, 1, 5, 9, 2, 6]
    expect(run(a, a).pValue).toBeGreaterThan(0.9)
    expect(run([2, 2, 2], [2, 2]).pValue).toBe(1)
    expect(run(Array.from({ length: 50 }, () => 7), Array.from({ length: 71 }, () => 7)).pValue).toBe(1)
    expect(run([2, 2, 2], [2, 2], 'asymptotic').pValue).toBe(1)
  })

  test('takes typed arrays, and leaves them as they are', () => {
    const a = Float64Array.of(5, 1, 3)
    expect(run(a as unknown as number[], Float32Array.of(2, 9, 4) as unknown as number[]).pValue).toBe(run([5, 1, 3], [2, 9, 4]).pValue)
    expect([...a]).toEqual([5, 1, 3])
  })

  test('refuses what is no sample', () => {
    for (const bad of [[], [NaN, 1, 2], [1, Infinity], [-Infinity, 1], ['1', 2] as unknown as number[]]) {
      expect(() => run(bad, [1, 2, 3])).toThrow(invalid)
      expect(() => run([1, 2, 3], bad)).toThrow(invalid)
    }
    if (name !== 'andersonDarling') expect(() => run([1], [2], 'precise' as 'asymptotic')).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

test('the p-values of exact tests grow with the size of the group of orders that they count: a p-value is at most α in a share α of all orders', () => {
  const pooled = [1, 2, 2, 3, 4, 4, 4, 5, 7]
  for (const run of [tests.kolmogorovSmirnov, tests.mannWhitney, tests.cramerVonMises]) {
    const found: number[] = []
    for (let mask = 0; mask < 512; mask++) {
      const a = pooled.filter((_, index) => (mask >> index) & 1)
      if (a.length === 4) found.push(run(a, pooled.filter((_, index) => !((mask >> index) & 1))).pValue)
    }
    // Exactly as many orders have a p-value of at most p as p says.
    for (const p of found) expect(found.filter((other) => other <= p + 1e-12).length / found.length).toBeCloseTo(p, 12)
  }
})

test('kolmogorovSmirnov of 1 000 and 4 000 values is exact, of 2 001 and 2 000 no more, and the two agree', () => {
  const line = (size: number, shift: number): number[] => Array.from({ length: size }, (_, row) => (row + 0.5) / size + shift)
  expect(stats.kolmogorovSmirnov(line(1000, 0.04), line(4000, 0)).exact).toBe(true)
  const beyond = stats.kolmogorovSmirnov(line(2001, 0.043), line(2000, 0))
  expect(beyond.exact).toBe(false)
  const exact = stats.kolmogorovSmirnov(line(2001, 0.043), line(2000, 0), { method: 'exact' })
  expect(exact.pValue).toBeLessThan(beyond.pValue)
  expect(exact.pValue).toBeGreaterThan(beyond.pValue * 0.93)
})

test('exact tests refuse samples that take more memory than there is, and a long sample against a short one takes no longer than the other way round', () => {
  const line = (size: number): number[] => Array.from({ length: size }, (_, row) => row)
  const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  for (const run of [stats.mannWhitney, stats.cramerVonMises]) expect(() => run(line(400), line(420).map((x) => x + 300.5), { method: 'exact' })).toThrow(refused)
  // 18 values below, of 1001 places: 36 are as far from the middle.
  expect(relativeError(stats.mannWhitney(line(1000), [17.5]).pValue, 38 / 1001)).toBeLessThan(1e-12)
})

test('andersonDarling by permutation is seeded, close to the limit, and needs at least 2 samples and 4 values', () => {
  const [samples, , p] = golden.anderson[1] as [number[][], number, number]
  const found = stats.andersonDarling(samples, { permutations: 1999, seed: 3 }).pValue
  expect(stats.andersonDarling(samples, { permutations: 1999, seed: 3 }).pValue).toBe(found)
  expect(stats.andersonDarling([[1, 2, 3], [4, 5, 6, 7]]).pValue).toBe(stats.andersonDarling([[1, 2, 3], [4, 5, 6, 7]], { permutations: 9999 }).pValue)
  // 2 of 35 splits.
  expect(Math.abs(stats.andersonDarling([[1, 2, 3], [4, 5, 6, 7]]).pValue - 2 / 35)).toBeLessThan(0.007)
  expect(Math.abs(found - p)).toBeLessThan(0.05)
  for (const bad of [[], [[1, 2, 3, 4]], [[1, 2], [3]]]) expect(() => stats.andersonDarling(bad)).toThrow(invalid)
  for (const permutations of [-1, 1.5, NaN]) expect(() => stats.andersonDarling(samples, { permutations })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})

const cells = fc.integer({ min: 2, max: 30 }).chain((k) => {
  const counts = fc.array(fc.oneof(fc.constant(0), fc.nat(9), fc.nat(500)), { minLength: k, maxLength: k })
  return fc.tuple(counts, counts)
})

describe('gTest', () => {
  test('its contributions are never negative, add up to G to the bit, and G of a finer split is that of the coarser plus what is inside', () => {
    fc.assert(
      fc.property(cells, ([a, b]) => {
        const fine = stats.gTest(a, b, { minimumExpected: 0 })
        expect(fine.contributions.reduce((sum, part) => sum + part, 0)).toBe(fine.statistic)
        expect(fine.contributions.every((part) => part >= 0)).toBe(true)
        expect(fine.contributions.length).toBe(new Set([...fine.groups].filter((group) => group >= 0)).size)
        expect(Math.abs(stats.gTest(b, a, { minimumExpected: 0 }).statistic - fine.statistic)).toBeLessThan(1e-9)
        const half = a.length >> 1
        const [head, tail] = [[a.slice(0, half), b.slice(0, half)], [a.slice(half), b.slice(half)]] as [number[][], number[][]]
        const sum = (counts: number[]): number => counts.reduce((s, c) => s + c, 0)
        if ([...head, ...tail].some((counts) => sum(counts) === 0)) return
        const coarse = stats.gTest([sum(head[0]!), sum(tail[0]!)], [sum(head[1]!), sum(tail[1]!)], { minimumExpected: 0 }).statistic
        const inside = stats.gTest(head[0]!, head[1]!, { minimumExpected: 0 }).statistic + stats.gTest(tail[0]!, tail[1]!, { minimumExpected: 0 }).statistic
        expect(Math.abs(coarse + inside - fine.statistic)).toBeLessThan(1e-9 * Math.max(1, fine.statistic))
      }),
    )
  })

  test('merges as chiSquareHomogeneity does, and is close to it where the difference is small', () => {
    fc.assert(
      fc.property(cells, ([a, b]) => {
        const [g, chi] = [stats.gTest(a, b, { ordered: true }), stats.chiSquareHomogeneity(a, b, { ordered: true })]
        expect([g.groups, g.degreesOfFreedom]).toEqual([chi.groups, chi.degreesOfFreedom])
      }),
    )
    const [a, b] = [[1000, 2000, 3000], [1020, 1990, 2990]]
    expect(Math.abs(stats.gTest(a, b).statistic / stats.chiSquareHomogeneity(a, b).statistic - 1)).toBeLessThan(0.001)
    expect(stats.gTest([1, 2], [0, 0])).toMatchObject({ statistic: 0, pValue: 1, degreesOfFreedom: 0 })
    expect(() => stats.gTest([1, 2], [1, -1])).toThrow(invalid)
  })
})

test('hellinger is symmetric, in [0, 1], between total variation and its root, and NaN for an empty sample', () => {
  fc.assert(
    fc.property(cells, ([a, b]) => {
      const distance = stats.hellinger(a, b)
      expect(Number.isNaN(distance)).toBe([a, b].some((counts) => counts.every((count) => count === 0)))
      if (Number.isNaN(distance)) return
      expect(distance).toBe(stats.hellinger(b, a))
      const tv = stats.totalVariation(a, b)
      expect(distance ** 2 <= tv + 1e-12 && tv <= distance * Math.SQRT2 + 1e-12 && distance <= 1).toBe(true)
    }),
  )
  expect(() => stats.hellinger([1], [1, 2])).toThrow(invalid)
})

describe('distances of raw samples', () => {
  const near = (found: number, wanted: number): void => expect(Math.abs(found - wanted)).toBeLessThan(1e-9 * Math.max(1, Math.abs(wanted)))

  test('wasserstein and energyDistance are symmetric, scale with the values, forget a common shift, and know a plain shift', () => {
    fc.assert(
      fc.property(sample, sample, fc.integer({ min: -50, max: 50 }), (a, b, shift) => {
        for (const [distance, power] of [[stats.wasserstein, 1], [stats.energyDistance, 0.5]] as const) {
          near(distance(b, a), distance(a, b))
          near(distance(a.map((x) => 4 * x), b.map((x) => 4 * x)), distance(a, b) * 4 ** power)
          near(distance(a.map((x) => x + shift), b.map((x) => x + shift)) ** (1 / power), distance(a, b) ** (1 / power))
          expect(distance(a, a)).toBe(0)
        }
        near(stats.wasserstein(a, a.map((x) => x + shift)), Math.abs(shift))
        near(stats.wasserstein(a, b, { scale: 4 }), stats.wasserstein(a, b) / 4)
        near(stats.energyDistance(a.map((x) => [x]), b.map((x) => [x])) ** 2, stats.energyDistance(a, b) ** 2)
      }),
    )
  })

  test('mmd is symmetric, seeded, and its p-value stays between 1 / (1 + B) and 1', () => {
    fc.assert(
      fc.property(sample, sample, (a, b) => {
        const result = stats.mmd(a, b, { permutations: 19, seed: 'x' })
        expect(result).toEqual(stats.mmd(a, b, { permutations: 19, seed: 'x' }))
        near(stats.mmd(b, a, { permutations: 0 }).statistic, result.statistic)
        expect(result.pValue >= 1 / 20 - 1e-15 && result.pValue <= 1 && result.statistic <= 2).toBe(true)
      }),
      { numRuns: 60 },
    )
    expect(stats.mmd([1, 1, 1, 1], [1, 1, 1, 9], { permutations: 0 }).bandwidth).toBe(8)
    expect(stats.mmd([1, 1], [1, 1, 1])).toMatchObject({ bandwidth: 1, pValue: 1 })
  })

  test('refuse what is no sample', () => {
    for (const bad of [[], [1, NaN], [Infinity, 2]]) {
      for (const ask of [() => stats.wasserstein(bad, [1, 2]), () => stats.energyDistance([1, 2], bad), () => stats.energyDistance(bad.map((x) => [x]), [[1], [2]]), () => stats.mmd(bad, [1, 2])]) expect(ask).toThrow(invalid)
    }
    expect(() => stats.mmd([[1, 2], [1]], [[1, 2], [1, 3]])).toThrow(invalid)
    // Distances that are no doubles would make a statistic of NaN, which no shuffle reaches: the least of all p-values.
    for (const bad of [[1e200, -1e200], [[], []], [undefined, 1], [[1], null], ['1', '2']] as unknown as number[][]) {
      expect(() => stats.mmd(bad, [1, 2])).toThrow(invalid)
      expect(() => stats.energyDistance(bad, [[1], [2]])).toThrow(invalid)
    }
    for (const distance of [stats.wasserstein, stats.energyDistance]) expect(distance([-1.7e308, 1.7e308], [-1.7e308, 1.7e308])).toBe(0)
    for (const positions of [[0, NaN], [0, Infinity], [NaN, 0], [-Infinity, 0]]) expect(() => stats.wassersteinCounts([1, 1], [1, 1], { positions })).toThrow(invalid)
    expect(() => stats.energyDistance([[1, 2]], [3])).toThrow(invalid)
    expect(() => stats.mmd([1], [1, 2])).toThrow(invalid)
    expect(() => stats.wasserstein([1], [2], { scale: 0 })).toThrow(invalid)
    for (const options of [{ bandwidth: 0 }, { permutations: -1 }, { permutation: 5 }]) expect(() => stats.mmd([1, 2], [3, 4], options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('corrections', () => {
  const pValues = fc.array(fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(NaN)), { maxLength: 30 })

  test('benjaminiHochberg keeps the order, rejects all that holm does, and is what its step-up rule says', () => {
    fc.assert(
      fc.property(pValues, fc.double({ min: 0.01, max: 0.5, noNaN: true }), (p, level) => {
        const adjusted = stats.benjaminiHochberg(p)
        const strict = stats.holm(p)
        p.forEach((value, index) => {
          if (Number.isNaN(value)) return void expect(adjusted[index]).toBeNaN()
          expect((adjusted[index] as number) >= value && (adjusted[index] as number) <= (strict[index] as number) + 1e-15).toBe(true)
        })
        const sorted = p.filter((value) => !Number.isNaN(value)).sort((x, y) => x - y)
        const rejected = sorted.reduce((most, value, index) => ((value * sorted.length) / (index + 1) <= level ? index + 1 : most), 0)
        expect(adjusted.filter((value) => value <= level).length).toBe(rejected)
      }),
    )
    for (const bad of [-0.1, 1.1]) expect(() => stats.benjaminiHochberg([0.5, bad])).toThrow(invalid)
  })

  test('eBenjaminiHochberg is the step-up rule on 1 / e, and infinite e-values are always rejected', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.constant(Infinity), fc.constant(NaN)), { maxLength: 30 }), fc.double({ min: 0.01, max: 0.5, noNaN: true }), (e, level) => {
        const rejected = stats.eBenjaminiHochberg(e, level)
        const count = rejected.filter(Boolean).length
        const kept = e.filter((value) => !Number.isNaN(value)).length
        e.forEach((value, index) => {
          if (value === Infinity) expect(rejected[index]).toBe(true)
          if (rejected[index] === true) expect(value * count * level).toBeGreaterThanOrEqual(kept * (1 - 1e-12))
        })
      }),
    )
    for (const ask of [() => stats.eBenjaminiHochberg([-1], 0.1), () => stats.eBenjaminiHochberg([1], 0), () => stats.eBenjaminiHochberg([1], 1), () => stats.eBenjaminiHochberg([1], NaN)]) expect(ask).toThrow(invalid)
  })
})
