import { describe, expect, it } from 'vitest'
import { chiSquareDrift, hellingerDrift, jensenShannonDrift, kolmogorovSmirnovDrift, populationStabilityDrift, wassersteinDrift, type BatchDetectorOptions, type BatchVerdict } from '../../../src/drift/index.js'
import { noncentralInterval, noncentralScale } from '../../../src/drift/batch-detectors/_noncentral.js'
import { shuffledCounts } from '../../../src/drift/batch-detectors/_shuffled-counts.js'
import { mannWhitney } from '../../../src/stats/mann-whitney.js'
import { seeded } from '../_seeded.js'
import { categories, even, heavy, normal } from './_settings.js'

type Detect = (reference: unknown, live: unknown, options?: object) => BatchVerdict
const ofShares = { chiSquareDrift, hellingerDrift, jensenShannonDrift, populationStabilityDrift } as unknown as Record<string, Detect>
const ofNumbers = { kolmogorovSmirnovDrift, wassersteinDrift, ...ofShares } as unknown as Record<string, Detect>
const input = { code: 'ERR_OUTRIGGER_INVALID_INPUT' }
const option = { code: 'ERR_OUTRIGGER_INVALID_OPTION' }
const caught = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}

describe.each(Object.entries(ofNumbers))('%s of numbers', (_, detect) => {
  const random = seeded(5)
  const reference = normal()(random, 2000)
  const same = normal()(random, 600)

  it('says ok, drifted and too-few-rows', () => {
    expect(detect(reference, same).state).toBe('ok')
    expect(detect(reference, normal(0.8)(random, 600)).state).toBe('drifted')
    const few = detect(reference, same.slice(0, 40))
    expect(few.state).toBe('too-few-rows')
    expect(few.rows).toEqual({ reference: 2000, live: 40 })
    expect(few.rowsNeeded).toBeGreaterThan(100)
    expect(few.rowsNeeded).toBeLessThan(1000)
    // A large drift needs no more rows than it needs.
    expect(detect(reference, normal(3)(random, 40)).state).toBe('drifted')
    expect(detect(reference, normal(3)(random, 19)).state).toBe('too-few-rows')
  })

  it('gives an effect inside its interval, and the same answer for the same seed', () => {
    for (const live of [same, normal(0.3)(seeded(8), 300), normal(0, 2)(seeded(9), 300)]) {
      const verdict = detect(reference, live)
      expect(verdict.effect.low).toBeLessThanOrEqual(verdict.effect.value)
      expect(verdict.effect.value).toBeLessThanOrEqual(verdict.effect.high)
      expect(detect(reference, live)).toEqual(verdict)
    }
  })

  it('is not changed by one outlier of 1e6, in either sample', () => {
    const shifted = normal(0.8)(seeded(7), 300)
    for (const outlier of [1e6, -1e6]) {
      expect(detect(reference, [...same.slice(1), outlier]).state).toBe('ok')
      expect(detect([...reference.slice(1), outlier], same).state).toBe('ok')
      expect(detect(reference, [...shifted.slice(1), outlier]).state).toBe('drifted')
      expect(detect([...reference.slice(1), outlier], shifted).state).toBe('drifted')
      const effects = [shifted, [...shifted.slice(1), outlier]].map((live) => detect(reference, live).effect.value)
      expect(Math.abs(effects[1]! - effects[0]!)).toBeLessThan(0.15 * effects[0]!)
    }
  })

  it('sees a change of unit', () => {
    const verdict = detect(reference, same.map((x) => x * 1000))
    expect(verdict.state).toBe('drifted')
  })

  it('takes a heavy tail for no drift', () => {
    expect(detect(heavy(seeded(3), 5000), heavy(seeded(4), 1500)).state).toBe('ok')
  })

  it('answers an empty window or reference, and a constant one', () => {
    const empty = detect(reference, [])
    expect(empty.state).toBe('too-few-rows')
    expect([empty.pValue, empty.effect.value, empty.effect.low, empty.effect.high]).toEqual([NaN, NaN, NaN, NaN])
    expect(empty.rowsNeeded).toBeGreaterThanOrEqual(20)
    expect(detect([], same).rowsNeeded).toBe(Infinity)
    expect(detect([], []).state).toBe('too-few-rows')
    const constant = new Array<number>(2000).fill(4)
    const unchanged = detect(constant, constant)
    expect(unchanged).toMatchObject({ state: 'ok', effect: { value: 0, low: 0 } })
    expect(unchanged.pValue).toBeCloseTo(1, 12)
    expect(detect(constant, new Array<number>(500).fill(5)).state).toBe('drifted')
  })

  it('refuses bad input by code', () => {
    for (const bad of [[1, NaN], [1, Infinity], [1, '2'], ['1', 2], [1, null], 'text', null, undefined, 7, { counts: [1, -1] }, { counts: null }, { counts: 5 }, { counts: '12' }]) {
      expect(caught(() => detect(reference, bad)), String(bad)).toMatchObject(input)
      expect(caught(() => detect(bad, reference)), String(bad)).toMatchObject(input)
    }
    expect(caught(() => detect({ counts: [1, 2] }, { counts: [1, 2, 3] }))).toMatchObject(input)
    expect(caught(() => detect({ counts: 5 }, { counts: 5 }))).toMatchObject(input)
    expect(caught(() => detect({ counts: [1, 2.5] }, { counts: [1, 2] }))).toMatchObject(input)
    for (const bad of [{ alpha: 0 }, { alpha: 0.6 }, { tolerance: -1 }, { tolerance: 0.2, detect: 0.2 }, { level: 1 }, { seed: NaN }, { seed: {} }, { typo: 1 }, 7]) expect(caught(() => detect(reference, same, bad as BatchDetectorOptions)), JSON.stringify(bad)).toMatchObject(option)
  })
})

describe.each(Object.entries(ofShares))('%s of categories', (_, detect) => {
  const named = (counts: Record<string, number>): string[] => Object.entries(counts).flatMap(([name, count]) => new Array<string>(count).fill(name))

  it('is the same for categories and for their counts', () => {
    const verdict = detect(named({ a: 500, b: 300, c: 200 }), named({ a: 100, b: 120, c: 180 }))
    expect(verdict).toEqual(detect({ counts: [500, 300, 200] }, { counts: [100, 120, 180] }))
    expect(verdict.state).toBe('drifted')
  })

  it('takes null as a category', () => {
    expect(detect(named({ a: 1000, b: 1000 }), [...named({ a: 200, b: 200 }), ...new Array<null>(150).fill(null)]).state).toBe('drifted')
    expect(caught(() => detect(['a', 1], ['a']))).toMatchObject(input)
  })

  it('does not raise an alarm over one row of a new value', () => {
    const verdict = detect({ counts: [500, 500, 0] }, { counts: [500, 499, 1] })
    expect(verdict.state).not.toBe('drifted')
    expect(verdict.pValue).toBeGreaterThan(0.3)
  })

  it('does not take shares that happen to be the same for an effect of 0 without error', () => {
    for (const [same, near] of [[[20, 20], [20, 21]], [[7, 14, 21], [7, 14, 22]]] as const) {
      const reference = { counts: same.map((count) => 10 * count) }
      const [equal, other] = [same, near].map((counts) => detect(reference, { counts }).effect) as [BatchVerdict['effect'], BatchVerdict['effect']]
      expect([equal.value, equal.low]).toEqual([0, 0])
      expect(equal.high).toBeGreaterThan(0.5 * other.high)
      expect(equal.high).toBeLessThan(2 * other.high)
    }
  })

  it('takes counts of billions of rows beside few', () => {
    expect(detect({ counts: [2e9, 3e9] }, { counts: [13, 17] }).pValue).toBeGreaterThan(0.3)
    expect(detect({ counts: [2e9, 3e9] }, { counts: [29, 1] }).state).toBe('drifted')
  })

  it('does not raise an alarm over a hair, however many rows', () => {
    const verdict = detect({ counts: [500_000, 500_000] }, { counts: [505_000, 495_000] })
    expect(verdict.pValue).toBeLessThanOrEqual(0.001)
    expect(verdict.state).toBe('ok')
    expect(detect({ counts: [500_000, 500_000] }, { counts: [505_000, 495_000] }, { tolerance: 0 }).state).toBe('drifted')
  })

  it('refuses options that are none', () => {
    expect(caught(() => detect({ counts: [1] }, { counts: [1] }, { cells: 1 }))).toMatchObject(option)
    expect(caught(() => detect({ counts: [1] }, { counts: [1] }, { ordered: 'yes' }))).toMatchObject(option)
  })
})

it('an alpha that the shuffles cannot reach is refused', () => {
  for (const detect of [hellingerDrift, jensenShannonDrift, populationStabilityDrift]) expect(caught(() => detect({ counts: [9] }, { counts: [9] }, { alpha: 0.0005 }))).toMatchObject(option)
  expect(caught(() => wassersteinDrift([1], [2], { alpha: 0.0005 }))).toMatchObject(option)
  expect(caught(() => wassersteinDrift([1], [2], { permutations: 5 }))).toMatchObject(option)
  expect(caught(() => chiSquareDrift({ counts: [9] }, { counts: [9] }, { statistic: 'x' as 'g' }))).toMatchObject(option)
})

it('wassersteinDrift of counts needs their positions, and is then that of the values', () => {
  const before = Array.from({ length: 1000 }, (_, i) => i % 10)
  const after = Array.from({ length: 400 }, (_, i) => Math.min(9, (i % 10) + 2))
  const counted = (values: readonly number[]): { counts: number[] } => ({ counts: Array.from({ length: 10 }, (_, x) => values.filter((value) => value === x).length) })
  expect(wassersteinDrift(counted(before), counted(after), { positions: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] })).toEqual(wassersteinDrift(before, after))
  for (const positions of [undefined, [1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8, NaN]]) expect(caught(() => wassersteinDrift(counted(before), counted(after), positions === undefined ? {} : { positions }))).toMatchObject(input)
})

it('jensenShannonDrift sees ten rows of a new category among many, which chi-square merges away', () => {
  const shares = categories([...even(20).map((x) => x * 0.999), ...new Array<number>(10).fill(0.0001)])
  const reference = { counts: [...shares(seeded(1), 20_000).counts, 0] }
  const live = { counts: [...shares(seeded(2), 1000).counts, 10] }
  expect(jensenShannonDrift(reference, live, { tolerance: 0 }).pValue).toBeLessThan(0.05)
})

describe('the shuffles', () => {
  // The exact distribution of U is known to mannWhitney; that of the sum of positions is the same one.
  it.each([['rows', 15], ['cells', 400]])('deal %s with the exact probabilities', (_, size) => {
    const random = seeded(11)
    const [reference, live] = [0.3, 0.35].map((p) => {
      const counts = [0, 0, 0]
      for (let row = 0; row < size; row++) counts[random.index([p, 0.4, 0.6 - p])]! += 1
      return counts
    }) as [number[], number[]]
    const spread = (counts: readonly number[]): number[] => counts.flatMap((count, cell) => new Array<number>(count).fill(cell))
    const { statistic, pValue } = mannWhitney(spread(reference), spread(live), { method: size > 100 ? 'asymptotic' : 'exact' })
    expect(statistic).toBeGreaterThan(0)
    const u = (a: Float64Array, b: Float64Array): number => {
      let [below, sum] = [0, 0]
      for (let cell = 0; cell < 3; cell++) {
        sum += (a[cell] as number) * (below + (b[cell] as number) / 2)
        below += b[cell] as number
      }
      return Math.abs(sum - (size * size) / 2)
    }
    const permutations = 20_000
    const drawn = shuffledCounts(u, reference, live, { permutations, seed: 1 })
    expect(Math.abs(drawn.pValue - pValue)).toBeLessThan(4 * Math.sqrt((pValue * (1 - pValue)) / permutations) + 0.002)
  })

  // Cells of equal mass have the same totals in every window: one and the same set of shuffles would make one seed's false alarms 3 %, another's 7 %.
  it.each([['rows', [300, 300], [[12, 8], [11, 9]]], ['cells', [3000, 3000], [[320, 280], [310, 290]]]] as const)('of %s differ between windows with the same totals and seed, and are the same for the same window', (_, totals, windows) => {
    const dealt = (live: readonly number[]): number[] => {
      const seen: number[] = []
      shuffledCounts((_reference, [first]) => seen.push(first as number), totals.map((total, cell) => total - live[cell]!), [...live], { permutations: 50, seed: 1 })
      return seen.slice(1)
    }
    const [one, other] = windows.map(dealt)
    expect(one).not.toEqual(other)
    expect(dealt(windows[0])).toEqual(one)
  })

  it('deal cells with the mean and variance of the hypergeometric distribution', () => {
    for (const [reference, live] of [[[900, 50, 1050], [300, 30, 170]], [[38, 2], [34, 6]]] as const) {
      const [n, m] = [reference, live].map((counts) => counts.reduce((sum: number, count) => sum + count, 0)) as [number, number]
      reference.forEach((count, cell) => {
        const share = (count + live[cell]!) / (n + m)
        const { mean, variance } = shuffledCounts((_, b) => b[cell] as number, reference, live, { permutations: 20_000, seed: 3 })
        const exact = m * share * (1 - share) * (n / (n + m - 1))
        expect(Math.abs(mean - m * share)).toBeLessThan(4 * Math.sqrt(exact / 20_000))
        expect(Math.abs(variance / exact - 1)).toBeLessThan(4 * Math.sqrt(2 / 20_000))
      })
    }
  })
})

describe('the noncentral interval', () => {
  // By SciPy 1.x: brentq of ncx2.cdf(x, df, nc) − .975 and − .025 over nc.
  it('is that of the distribution to a percent of its width', () => {
    for (const [x, degreesOfFreedom, wantedLow, wantedHigh] of [[20, 5, 3.347, 36.557], [8, 1, 0.751, 22.929], [60, 31, 7.921, 60.409]] as const) {
      const [low, high] = noncentralInterval(x, { scale: 1, degreesOfFreedom }, 0.95)
      expect(Math.abs(low - wantedLow) / (wantedHigh - wantedLow)).toBeLessThan(0.01)
      expect(Math.abs(high - wantedHigh) / (wantedHigh - wantedLow)).toBeLessThan(0.01)
    }
    const [low, high] = noncentralInterval(20, { scale: 1, degreesOfFreedom: 5 }, 0.95)
    expect(noncentralInterval(4, { scale: 1, degreesOfFreedom: 5 }, 0.95)[0]).toBe(0)
    expect(noncentralInterval(40, { scale: 2, degreesOfFreedom: 5 }, 0.95)).toEqual([2 * low, 2 * high])
  })

  it('needs a smaller noise for a smaller effect, and for one near the tolerance', () => {
    const options = { alpha: 0.05, tolerance: 0, level: 0.95, power: 0.8 }
    // One degree of freedom: λ = (1.96 + .84)² = 7.85.
    expect(noncentralScale(1, 1, options)).toBeCloseTo(1 / 7.85, 2)
    expect(noncentralScale(0.5, 1, options)).toBeCloseTo(0.5 / 7.85, 2)
    expect(noncentralScale(1, 1, { ...options, tolerance: 0.5 })).toBeLessThan(noncentralScale(1, 1, options))
  })
})
