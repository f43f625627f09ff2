import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { epsilonGreedy, thompson, upperConfidenceBound, type ArmStatistics } from 'outrigger/route'

interface Case {
  readonly belief: 'beta' | 'gaussian'
  readonly arms: readonly ArmStatistics[]
  readonly shares: readonly number[]
}
const { cases } = JSON.parse(readFileSync(new URL('../../golden/bandit/golden.json', import.meta.url), 'utf8')) as { readonly cases: readonly Case[] }
const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
const arm = (count: number, mean: number, squares = 0): ArmStatistics => ({ count, mean, squares })

describe('thompson', () => {
  test.each(cases.map((one, index) => [index, one] as const))('thompson gives each arm the probability to be best that SciPy integrates, case %i', (_, { belief, arms, shares }) => {
    const found = thompson({ belief }).shares(arms)
    found.forEach((share, index) => expect(Math.abs(share - (shares[index] as number))).toBeLessThan(1e-6))
    expect(found.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
  })

  test('thompson holds at extremes: one arm known to the sixth digit beside one that is not, and eight arms', () => {
    const [known, unknown] = thompson().shares([arm(1e8, 0.3), arm(0, 0)])
    expect(unknown).toBeCloseTo(0.7, 4)
    expect(known).toBeCloseTo(0.3, 4)
    for (const share of thompson().shares(Array.from({ length: 8 }, () => arm(500, 0.02)))) expect(share).toBeCloseTo(1 / 8, 6)
    expect(thompson({ belief: 'gaussian' }).shares([arm(1e6, 5, 1e6), arm(1e6, -5, 1e6)])[1]).toBeCloseTo(0, 9)
  })

  test('thompson accepts what its belief can learn from', () => {
    expect([0, 0.5, 1, 1.1, -0.1, Number.NaN].map(thompson().accepts)).toEqual([true, true, true, false, false, false])
    expect([-3, 1e9, Infinity, Number.NaN].map(thompson({ belief: 'gaussian' }).accepts)).toEqual([true, true, false, false])
  })

  test('thompson starts from the prior that it is given', () => {
    const [first] = thompson({ priorMean: 0.05, priorCount: 1000 }).shares([arm(10, 0.4), arm(10, 0)])
    const [eager] = thompson().shares([arm(10, 0.4), arm(10, 0)])
    expect(first).toBeLessThan(0.8)
    expect(eager).toBeGreaterThan(0.97)
  })

  test.each([{ belief: 'poisson' }, { priorCount: 0 }, { priorMean: 1 }, { priorMean: 0 }, { priorDeviation: 0 }, { draws: 10_000 }])('thompson refuses %j', (options) => {
    expect(() => thompson(options as never)).toThrow(invalid)
  })
})

describe('epsilonGreedy and upperConfidenceBound', () => {
  test('epsilonGreedy gives the best ε less than all; unknown arms come first and equal ones share', () => {
    const shares = (...arms: ArmStatistics[]): number[] => epsilonGreedy({ epsilon: 0.3 }).shares(arms).map((share) => Number(share.toFixed(12)))
    expect(shares(arm(9, 1), arm(9, 3), arm(9, 2))).toEqual([0.1, 0.8, 0.1])
    expect(shares(arm(9, 1), arm(9, 3), arm(0, 0))).toEqual([0.1, 0.1, 0.8])
    expect(shares(arm(9, 3), arm(9, 3), arm(9, 2))).toEqual([0.45, 0.45, 0.1])
    expect(() => epsilonGreedy({ epsilon: 2 })).toThrow(invalid)
  })

  test('upperConfidenceBound gives all to the largest mean + range √(2 ln N / n)', () => {
    // 0.5 + √(2 ln 1000 / 900) = 0.624, 0.2 + √(2 ln 1000 / 100) = 0.572; with range 2 it is 0.748 and 0.943.
    expect(upperConfidenceBound().shares([arm(900, 0.5), arm(100, 0.2)])).toEqual([1, 0])
    expect(upperConfidenceBound({ range: 2 }).shares([arm(900, 0.5), arm(100, 0.2)])).toEqual([0, 1])
    // The difference of both roots is 0.24779.
    expect([0.2522, 0.2523].map((mean) => upperConfidenceBound().shares([arm(900, 0.5), arm(100, mean)]))).toEqual([[1, 0], [0, 1]])
    expect(upperConfidenceBound().shares([arm(5, 9), arm(0, 0), arm(0, 0)])).toEqual([0, 0.5, 0.5])
    expect(() => upperConfidenceBound({ range: 0 })).toThrow(invalid)
  })
})
