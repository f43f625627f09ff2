/** Looking after every unit: what it does to each test, in short; test/bench/peeking.ts has the long runs. */
import { describe, expect, test } from 'vitest'
import { BoundedMean, countSequence, differenceOfBounds, ExceedanceAttribution } from '../../src/experiment/index.js'
import { seeded } from '../drift/_seeded.js'
import { alarms, latencies, rates, type Stream } from './_peeking.js'

/** Five percent, and three standard errors of a share of that many runs. */
const bound = (runs: number, alpha = 0.05): number => alpha + 3 * Math.sqrt((alpha * (1 - alpha)) / runs)

describe('two equal arms, looked at after every unit, differ in at most 5 % of the runs', () => {
  test.each<[string, Stream]>([
    ['rate .1', rates(0.1, 0.1, 10_000)],
    ['rate .01', rates(0.01, 0.01, 20_000)],
    ['rate .001', rates(0.001, 0.001, 20_000)],
    ['rate .02, treatment 10 %', { ...rates(0.02, 0.02, 10_000), share: 0.1 }],
    ['log-normal latency, σ 1, treatment 2 %', { ...latencies(1, 1, 20_000), share: 0.02 }],
    ['log-normal latency, σ 1', latencies(1, 1, 10_000)],
    ['log-normal latency, σ 1.5', latencies(1.5, 1, 10_000)],
  ])('%s', (name, stream) => {
    const runs = 60
    const found = alarms(runs, stream)
    for (const each of ['meanDifferenceSequence', 'mixtureSprt', 'countRatioSequence', 'rateDifferenceSequence'] as const) expect(found[each].share, each).toBeLessThan(bound(runs))
    // The z-test in the same runs.
    if (name === 'rate .1') expect(found['z-test'].share).toBeGreaterThan(0.35)
  })
})

test('BoundedMean of two equal arms', () => {
  const runs = 100
  let differ = 0
  for (let seed = 1; seed <= runs; seed++) {
    const random = seeded(seed * 31)
    const [a, b] = [new BoundedMean({ alpha: 0.025 }), new BoundedMean({ alpha: 0.025 })]
    for (let n = 0; n < 2000; n++) {
      a.push(random.uniform() ** 4)
      b.push(random.uniform() ** 4)
      const { lower, upper } = differenceOfBounds(a, b)
      if (lower > 0 || upper < 0) {
        differ++
        break
      }
    }
  }
  expect(differ / runs).toBeLessThan(bound(runs))
})

test('a rate of 0.4 leaves its countSequence in at most 5 % of the runs, looked at after every event and every unit of exposure', () => {
  const runs = 400
  let left = 0
  for (let seed = 1; seed <= runs; seed++) {
    const random = seeded(seed * 389)
    let next = -Math.log(random.uniform()) / 0.4
    for (let exposure = 0, events = 0, isOut = false; exposure < 400 && !isOut; ) {
      const isEvent = next <= Math.floor(exposure) + 1
      exposure = isEvent ? next : Math.floor(exposure) + 1
      if (isEvent) {
        events += 1
        next -= Math.log(random.uniform()) / 0.4
      }
      isOut = countSequence({ events, exposure }, { expected: 1, nullValue: 0.4 }).evidence >= 20
      left += Number(isOut)
    }
  }
  expect(left / runs).toBeLessThan(bound(runs))
  expect(left).toBeGreaterThan(0)
})

test('ExceedanceAttribution of sticky users who are slow by nature rolls back at most 1 %, as slow as the canary is', () => {
  const runs = 150
  let worse = 0
  for (let seed = 1; seed <= runs; seed++) {
    const random = seeded(seed * 977)
    const users = Array.from({ length: 2000 }, () => ({ place: random.uniform(), slow: Math.exp(0.7 * random.normal()) }))
    const slow = new ExceedanceAttribution({ quantile: 0.95, warmUp: 200 })
    for (let request = 0; request < 20_000 && !slow.failures.isWorse; request++) {
      const unit = Math.floor(users.length * random.uniform() ** 2)
      const user = users[unit] as (typeof users)[number]
      const canaryChance = request < 10_000 ? 0.1 : 0.3
      slow.push({ unit, isCanary: user.place < canaryChance, canaryChance, value: user.slow * Math.exp(random.normal()) })
    }
    worse += Number(slow.failures.isWorse)
  }
  expect(worse / runs).toBeLessThan(bound(runs, 0.01))
})
