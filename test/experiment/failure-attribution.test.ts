import { describe, expect, test } from 'vitest'
import { averageEvidence, FailureAttribution, type FailureAttributionState } from '../../src/experiment/index.js'
import { UnitFilter, unitHash } from '../../src/experiment/_seen-units.js'

const failed = (list: readonly (readonly [unit: string, isCanary: boolean, chance: number])[], options = {}): FailureAttribution => {
  const failures = new FailureAttribution(options)
  for (const [unit, isCanary, canaryChance] of list) failures.fail({ unit, isCanary, canaryChance })
  return failures
}

test('FailureAttribution pays nothing while the canary is no worse: the mean of the evidence over all arms is 1, whatever the weights', () => {
  const chances = [0.01, 0.05, 0.3, 0.9, 0.5, 0.02]
  let mean = 0
  for (let arms = 0; arms < 2 ** chances.length; arms++) {
    let probability = 1
    const failures = failed(
      chances.map((chance, at) => {
        const isCanary = ((arms >> at) & 1) === 1
        probability *= isCanary ? chance : 1 - chance
        return [`unit ${at}`, isCanary, chance] as const
      }),
    )
    mean += probability * failures.evidence
  }
  expect(mean).toBeCloseTo(1, 12)
})

test('FailureAttribution is the mean of the likelihood ratios over the odds', () => {
  const ratio = (theta: number): number => ((theta / (1 + 0.1 * (theta - 1))) ** 2 * 1) / (1 + 0.2 * (theta - 1))
  expect(failed([['a', true, 0.1], ['b', false, 0.2], ['c', true, 0.1]], { odds: [2, 30] }).evidence).toBeCloseTo((ratio(2) + ratio(30)) / 2, 12)
})

test('FailureAttribution counts the first failure of a unit only, and nothing that could have gone one way alone', () => {
  const failures = new FailureAttribution()
  expect(failures.fail({ unit: 'a', isCanary: true, canaryChance: 0.05 })).toBe(true)
  const { evidence } = failures
  expect(failures.fail({ unit: 'a', isCanary: true, canaryChance: 0.05 })).toBe(false)
  expect(failures.fail({ unit: 'b', isCanary: false, canaryChance: 0 })).toBe(false)
  expect(failures.fail({ unit: 'c', isCanary: true, canaryChance: 1 })).toBe(false)
  expect(failures.evidence).toBe(evidence)
  expect(failures.counts).toEqual({ canary: 1, control: 0, expected: 0.05, repeated: 1 })
})

test('FailureAttribution.isWorse stays once the evidence has reached 1 / alpha', () => {
  const failures = failed(['a', 'b', 'c'].map((unit) => [unit, true, 0.05]))
  expect(failures.isWorse).toBe(true)
  for (let unit = 0; unit < 100; unit++) failures.fail({ unit, isCanary: false, canaryChance: 0.5 })
  expect(failures.evidence).toBeLessThan(1)
  expect(failures.isWorse).toBe(true)
  expect(failures.peak).toBeGreaterThan(100)
})

test('FailureAttribution does not overflow', () => {
  const failures = failed(Array.from({ length: 2000 }, (_, unit) => [`unit ${unit}`, true, 0.01]))
  expect(failures.logEvidence).toBeGreaterThan(5000)
  expect(failures.evidence).toBe(Infinity)
})

test.each([
  [{ unit: 'a', isCanary: true, canaryChance: NaN }],
  [{ unit: 'a', isCanary: true, canaryChance: -0.1 }],
  [{ unit: 'a', isCanary: true, canaryChance: 1.1 }],
  [{ unit: 'a', isCanary: true, canaryChance: 0 }],
  [{ unit: 'a', isCanary: false, canaryChance: 1 }],
  [{ unit: '', isCanary: false, canaryChance: 0.5 }],
  [{ unit: NaN, isCanary: false, canaryChance: 0.5 }],
  [{ unit: 'a', isCanary: 1 as unknown as boolean, canaryChance: 0.5 }],
])('FailureAttribution refuses %j and does not change', (failure) => {
  const failures = new FailureAttribution()
  expect(() => failures.fail(failure)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  expect(failures.toJSON()).toEqual(new FailureAttribution().toJSON())
})

test.each([{ alpha: 0 }, { alpha: NaN }, { odds: [] }, { odds: [1] }, { exactUnits: -1 }, { filterBits: 100 }, { odd: 3 }])('FailureAttribution refuses the options %j', (options) => {
  expect(() => new FailureAttribution(options as object)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})

describe('saved and restored', () => {
  test.each([{}, { exactUnits: 3 }])('FailureAttribution goes on from its state, options %j', (options) => {
    const list = Array.from({ length: 40 }, (_, at) => [`unit ${at % 25}`, at % 3 === 0, 0.1 + (at % 7) / 10] as const)
    const half = failed(list.slice(0, 20), options)
    const restored = new FailureAttribution(JSON.parse(JSON.stringify(half)) as FailureAttributionState)
    for (const [unit, isCanary, canaryChance] of list.slice(20)) restored.fail({ unit, isCanary, canaryChance })
    expect(restored.toJSON()).toEqual(failed(list, options).toJSON())
    expect(restored.counts.repeated).toBe(15)
  })

  test.each([
    [{ kind: 'sample-ratio' }],
    [{ version: 2 }],
    [{ canary: -1 }],
    [{ expected: NaN }],
    [{ logPeak: null }],
    [{ logRatios: [1] }],
    [{ units: [[1, 2]] }],
    [{ units: 5 }],
    [{ filter: 'AAAA' }],
    [{ filter: 7 }],
  ])('FailureAttribution refuses a state with %j', (change) => {
    const state = { ...failed([['a', true, 0.1]]).toJSON(), ...change }
    expect(() => new FailureAttribution(state as FailureAttributionState)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
  })
})

describe('over processes', () => {
  const list = Array.from({ length: 60 }, (_, at) => [`unit ${at}`, at % 4 === 0, at < 30 ? 0.1 : 0.25] as const)

  test.each([{}, { exactUnits: 10 }])('mergeSharded of parts is the whole, options %j', (options) => {
    const part = failed(list.filter((_, at) => at % 2 === 0), options)
    part.mergeSharded(failed(list.filter((_, at) => at % 2 === 1), options))
    const whole = failed(list, options)
    expect(part.logEvidence).toBeCloseTo(whole.logEvidence, 10)
    expect(part.counts.canary).toBe(whole.counts.canary)
    expect(part.counts.expected).toBeCloseTo(whole.counts.expected, 10)
    for (const [unit] of list) expect(part.fail({ unit, isCanary: true, canaryChance: 0.5 })).toBe(false)
  })

  test('mergeSharded refuses a unit that is in both, other odds, and itself', () => {
    const one = failed([['a', true, 0.1]])
    const before = one.toJSON()
    expect(() => one.mergeSharded(failed([['b', true, 0.1], ['a', true, 0.1]]))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(() => one.mergeSharded(new FailureAttribution({ odds: [2] }))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(() => one.mergeOverlapping(one)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(one.toJSON()).toEqual(before)
  })

  test('mergeOverlapping counts a unit of both once, and is the same in any order, to the bit', () => {
    const parts = [0, 1, 2].map((start) => failed(list.slice(10 * start, 10 * start + 40)))
    const merged = (order: readonly number[]): FailureAttribution => {
      const sum = new FailureAttribution()
      for (const at of order) sum.mergeOverlapping(parts[at] as FailureAttribution)
      return sum
    }
    const one = merged([0, 1, 2])
    expect(one.logEvidence).toBeCloseTo(failed(list).logEvidence, 10)
    expect(one.counts).toMatchObject({ canary: 15, control: 45, repeated: 60 })
    for (const order of [[2, 1, 0], [1, 0, 2]]) expect(merged(order).logEvidence).toBe(one.logEvidence)
    // Twice is once.
    one.mergeOverlapping(parts[1] as FailureAttribution)
    expect(one.logEvidence).toBe(merged([0, 1, 2]).logEvidence)
  })

  test('mergeOverlapping takes the failure at the lower weight, and the control of two at the same', () => {
    const both = (a: readonly [string, boolean, number], b: readonly [string, boolean, number]): number => {
      const [one, two] = [failed([a]), failed([b])]
      one.mergeOverlapping(two)
      return one.counts.canary
    }
    expect(both(['a', false, 0.1], ['a', true, 0.2])).toBe(0)
    expect(both(['a', true, 0.2], ['a', false, 0.1])).toBe(0)
    expect(both(['a', true, 0.1], ['a', false, 0.2])).toBe(1)
    expect(both(['a', true, 0.1], ['a', false, 0.1])).toBe(0)
    expect(both(['a', false, 0.1], ['a', true, 0.1])).toBe(0)
  })

  test('mergeOverlapping needs the units one by one', () => {
    expect(() => failed(list).mergeOverlapping(failed(list, { exactUnits: 5 }))).toThrow(/exactUnits/)
  })

  test('averageEvidence is the mean, and refuses what is no e-value', () => {
    expect(averageEvidence([3, 0])).toBe(1.5)
    for (const bad of [[], [NaN], [-1]]) expect(() => averageEvidence(bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  })
})

test('the filter of seen units forgets none, and takes few new ones for seen', () => {
  const filter = new UnitFilter(2 ** 16)
  for (let unit = 0; unit < 5000; unit++) filter.add(unitHash(unit))
  for (let unit = 0; unit < 5000; unit++) expect(filter.add(unitHash(unit))).toBe(false)
  const predicted = filter.falseShare
  expect(predicted).toBeGreaterThan(0.003)
  expect(predicted).toBeLessThan(0.006)
  const copy = new UnitFilter(2 ** 16, filter.toJSON())
  expect(copy.falseShare).toBe(predicted)
  // Few enough new ones that they do not fill it.
  let taken = 0
  for (let unit = 5000; unit < 6000; unit++) taken += Number(!copy.add(unitHash(unit)))
  expect(taken).toBeLessThan(20)
})
