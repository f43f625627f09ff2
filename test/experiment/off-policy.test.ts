import { describe, expect, test } from 'vitest'
import { offPolicy, type LoggedDecision, type OffPolicyEstimate, type OffPolicyOptions } from '../../src/experiment/index.js'
import { simulatedLog, truth, type World } from './_logs.js'

const world: World = { actions: 4, logging: 0, target: 6, rewards: 'binary', modelError: 0.2 }
const log = simulatedLog(3, 1500, world)
const estimated = (rows: readonly LoggedDecision[], options: OffPolicyOptions = {}): OffPolicyEstimate => {
  const result = offPolicy(rows, options)
  if (result.state !== 'estimated') throw new Error(JSON.stringify(result))
  return result
}
const sum = (value: (row: LoggedDecision) => number): number => log.reduce((total, row) => total + value(row), 0)
const weight = ({ target, propensity }: LoggedDecision): number => target / propensity

describe('offPolicy', () => {
  test('estimates by its formulas', () => {
    expect(estimated(log, { method: 'ips' }).estimate).toBeCloseTo(sum((row) => weight(row) * row.reward) / 1500, 10)
    expect(estimated(log).estimate).toBeCloseTo(sum((row) => weight(row) * row.reward) / sum(weight), 10)
    expect(estimated(log, { method: 'dr' }).estimate).toBeCloseTo(sum((row) => row.predictedTarget! + weight(row) * (row.reward - row.predicted!)) / 1500, 10)
    const clipped = estimated(log, { method: 'ips', clip: 2, rewardRange: [0, 1] })
    expect(clipped.estimate).toBeCloseTo(sum((row) => Math.min(2, weight(row)) * row.reward) / 1500, 10)
    expect(clipped.clippedShare).toBeCloseTo(1 - sum((row) => Math.min(2, weight(row))) / 1500, 10)
    expect(estimated(log).effectiveSamples).toBeCloseTo(sum(weight) ** 2 / sum((row) => weight(row) ** 2), 8)
    expect(estimated(log).logged).toBeCloseTo(sum(({ reward }) => reward) / 1500, 12)
  })

  test('of the policy that logged is the plain mean, with the width of a t-interval', () => {
    const same = log.map((row) => ({ ...row, target: row.propensity }))
    const { estimate, logged, lower, upper, effectiveSamples } = estimated(same)
    expect(estimate).toBeCloseTo(logged, 12)
    expect(effectiveSamples).toBeCloseTo(1500, 6)
    expect((upper - lower) / (2 * 1.96 * Math.sqrt((logged * (1 - logged)) / 1500))).toBeGreaterThan(0.93)
    expect((upper - lower) / (2 * 1.96 * Math.sqrt((logged * (1 - logged)) / 1500))).toBeLessThan(1.07)
  })

  test('has a skewed interval for skewed rewards', () => {
    const skewed = Array.from({ length: 400 }, (_, i) => ({ reward: Math.exp(2 * Math.sin(i * 12.9898) ** 5), propensity: 0.5, target: 0.5 }))
    const { estimate, lower, upper } = estimated(skewed.map((row, at) => (at % 100 === 0 ? { ...row, reward: 30 } : row)))
    expect((upper - estimate) / (estimate - lower)).toBeGreaterThan(1.3)
  })

  test('includes the bias of clipping, that a plain interval would miss', () => {
    const options = { method: 'ips', clip: 1.2, rewardRange: [0, 1] } as const
    const { estimate, lower, upper, clippedShare } = estimated(log, options)
    expect(upper - estimate).toBeGreaterThan(clippedShare)
    expect(estimate - lower).toBeLessThan(clippedShare)
    expect(lower <= truth(world) && truth(world) <= upper).toBe(true)
    expect(estimate).toBeLessThan(0.8 * truth(world))
  })

  test('is the same for the same seed, and for the model of rewards that knows all no noise is left', () => {
    expect(offPolicy(log, { seed: 4 })).toEqual(offPolicy(log, { seed: 4 }))
    expect(offPolicy(log, { seed: 4 })).not.toEqual(offPolicy(log, { seed: 5 }))
    const known = log.map((row) => ({ ...row, reward: 0.5, predicted: 0.5, predictedTarget: 0.5 }))
    expect(estimated(known, { method: 'dr' })).toMatchObject({ estimate: 0.5, lower: 0.5, upper: 0.5 })
  })

  test('answers insufficient, and no number, below the effective samples', () => {
    const result = offPolicy(log.slice(0, 300))
    expect(result).toMatchObject({ state: 'insufficient', reason: 'effective-samples' })
    expect(result).not.toHaveProperty('estimate')
    expect(offPolicy(log.slice(0, 300), { minimumEffective: 50 }).state).toBe('estimated')
    expect(offPolicy([])).toMatchObject({ state: 'insufficient', effectiveSamples: 0 })
    expect(offPolicy(log.map((row) => ({ ...row, target: 0 })))).toMatchObject({ state: 'insufficient', reason: 'effective-samples' })
  })

  test('answers insufficient when the propensities are not those of the log, or the log lacks what the policy does', () => {
    expect(offPolicy(log.map((row) => ({ ...row, propensity: Math.min(1, row.propensity * 1.5) })))).toMatchObject({ state: 'insufficient', reason: 'propensities' })
    expect(offPolicy(log.map((row) => ({ ...row, target: row.target * 0.7 })))).toMatchObject({ state: 'insufficient', reason: 'propensities' })
  })

  test.each<[Partial<Record<keyof LoggedDecision, unknown>>, OffPolicyOptions]>([
    [{ reward: NaN }, {}],
    [{ propensity: 0 }, {}],
    [{ propensity: 1.1 }, {}],
    [{ target: -0.1 }, {}],
    [{ target: undefined }, {}],
    [{ predicted: undefined }, { method: 'dr' }],
    [{ predictedTarget: NaN }, { method: 'dr' }],
    [{ reward: 2 }, { rewardRange: [0, 1] }],
  ])('refuses a row with %j, and says which', (change, options) => {
    const rows = log.map((row, at) => (at === 7 ? { ...row, ...change } : row)) as LoggedDecision[]
    expect(() => offPolicy(rows, options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT', message: expect.stringContaining('row 7') }))
  })

  test.each([{ method: 'x' }, { clip: 0.5, method: 'ips', rewardRange: [0, 1] }, { clip: 5 }, { clip: 5, method: 'ips' }, { minimumEffective: 0 }, { level: 1 }, { resamples: 5 }, { rewardRange: [1, 1] }, { what: 1 }])('refuses the options %j', (options) => {
    expect(() => offPolicy(log, options as OffPolicyOptions)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
