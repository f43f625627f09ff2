/** Claims of the failure attribution and of the sample ratio, in short; test/bench/rollback.ts has the long runs. */
import { describe, expect, test } from 'vitest'
import { SampleRatio } from '../../src/experiment/sample-ratio.js'
import { seeded } from '../drift/_seeded.js'
import { rollOuts } from './_rollout-traffic.js'

const ramp = [0.01, 0.05, 0.1, 0.25, 0.5]
const healthy = { requests: 120_000, ramp, users: 4000, heavy: true, baseRate: 0.0035, swing: 0.9 } as const
/** One percent, and three standard errors of a share of that many runs. */
const bound = (runs: number, alpha = 0.01): number => alpha + 3 * Math.sqrt((alpha * (1 - alpha)) / runs)

describe('a canary that is no worse is rolled back in at most 1 % of the runs', () => {
  test.each(['hash', 'stored', 'request'] as const)('sticky users, ramps and days, assigned by %s', (assignment) => {
    expect(rollOuts(100, { ...healthy, assignment }).share).toBeLessThan(bound(100))
  })

  test('a better one, whose failing users last longer', () => {
    expect(rollOuts(60, { ...healthy, assignment: 'hash', factor: 0.5 }).share).toBeLessThan(bound(100))
  })

  test('and it is the first failure per unit that makes it so: counting every request breaks it', () => {
    expect(rollOuts(100, { ...healthy, assignment: 'hash', count: 'requests' }).share).toBeGreaterThan(bound(100))
  })
})

describe('a canary that is worse is rolled back', () => {
  const bad = { requests: 200_000, users: 10_000, swing: 0 } as const
  test.each([
    ['at 50 % failures, weight 1 %', { ramp: [0.01], canaryRate: 0.5 }, 'request', 5],
    ['at 50 % failures, weight 5 %', { ramp: [0.05], canaryRate: 0.5 }, 'request', 8],
    ['at 10 times the base rate by request, weight 1 %', { ramp: [0.01], factor: 10 }, 'request', 100],
    ['at 10 times the base rate by request, weight 5 %', { ramp: [0.05], factor: 10 }, 'request', 100],
    ['at 10 times the base rate, sticky, weight 5 %', { ramp: [0.05], factor: 10, heavy: true, baseRate: 0.0035 }, 'hash', 150],
  ] as const)('%s', (_, change, assignment, most) => {
    const { share, median } = rollOuts(300, { ...bad, heavy: false, baseRate: 0.005, assignment, ...change })
    expect(share).toBeGreaterThan(0.99)
    expect(median).toBeLessThanOrEqual(most)
  })
})

describe('sample ratio', () => {
  /** At which exposure it alarms: at the true shares `shares`, under weights that change in the middle. */
  const alarm = (seed: number, shift: number, exposures: number): { readonly sequential: number; readonly fixed: number } => {
    const random = seeded(seed * 104_729)
    const ratio = new SampleRatio({ arms: 2 })
    let first = 0
    let fixed = Infinity
    for (let n = 1; n <= exposures; n++) {
      const weights = shift === 0 && n > exposures / 2 ? [0.9, 0.1] : [0.5, 0.5]
      const arm = random.uniform() < (weights[0] as number) + shift ? 0 : 1
      ratio.expose(arm, weights)
      if (arm === 0) first++
      // Chi-square with p < .001, looked at every 500 users.
      if (fixed === Infinity && n % 500 === 0 && (2 * first - n) ** 2 / n > 10.828) fixed = n
      if (ratio.isMismatch) return { sequential: n, fixed }
    }
    return { sequential: Infinity, fixed }
  }
  const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number

  test('alarms in at most 0.1 % of the experiments without a mismatch, looked at after every exposure', () => {
    const runs = 400
    const alarms = Array.from({ length: runs }, (_, seed) => alarm(seed + 1, 0, 20_000)).filter(({ sequential }) => sequential < Infinity).length
    expect(alarms / runs).toBeLessThan(bound(runs, 0.001))
  })

  test('finds 51 to 49 with at most twice the users of a fixed test', () => {
    const found = Array.from({ length: 60 }, (_, seed) => alarm(seed + 1, 0.01, 150_000))
    expect(median(found.map(({ sequential }) => sequential))).toBeLessThanOrEqual(2 * median(found.map(({ fixed }) => fixed)))
  })
})
