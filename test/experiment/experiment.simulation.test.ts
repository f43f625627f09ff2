/** The levels and the power of whole experiments, in short; test/bench/experiments.ts has the long runs. */
import { describe, expect, test } from 'vitest'
import { meanMetric } from '../../src/experiment/metrics/mean-metric.js'
import { rateMetric } from '../../src/experiment/metrics/rate-metric.js'
import { ratioMetric } from '../../src/experiment/metrics/ratio-metric.js'
import { runExperiments, type ExperimentTraffic } from './_experiment-traffic.js'
import { seeded } from '../drift/_seeded.js'

/** A level, and three standard errors of a share of that many runs. */
const bound = (runs: number, alpha: number): number => alpha + 3 * Math.sqrt((alpha * (1 - alpha)) / runs)
/** Rollbacks at the level of promotions, so that few runs show whether it holds. */
const options = { rollbackAlpha: 0.05 } as const
const rate = rateMetric({ name: 'm', better: 'higher' })
const mean = meanMetric({ name: 'm', better: 'higher' })
const ramp = [0.1, 0.25, 0.5]
const byTrait: ExperimentTraffic['value'] = ({ random, trait, swing }) => random.uniform() < 0.4 * trait * swing
const exponential: ExperimentTraffic['value'] = ({ random, trait, swing }) => -Math.log(1 - random.uniform()) * trait * swing

describe('a candidate that does nothing is promoted in at most 5 % of the runs with a look after every event', () => {
  test.each<[string, number, Omit<ExperimentTraffic, 'options'>]>([
    ['a rate of 10 %, new users', 100, { metric: rate, visits: 8000, users: Infinity, ramp: [0.5], value: ({ random }) => random.uniform() < 0.1 }],
    ['a rate, users who come back through a ramp and days', 100, { metric: rate, visits: 6000, users: 2000, ramp, value: byTrait }],
    ['an unbounded mean, the same', 120, { metric: mean, visits: 6000, users: 2000, ramp, value: exponential }],
    ['an unbounded mean at a share of 5 %', 100, { metric: mean, visits: 10_000, users: Infinity, ramp: [0.05], value: exponential }],
    // Before the small arm has its first rare value, it seems to vary little.
    ['an unbounded mean of rare large values at a share of 2 %', 150, { metric: mean, visits: 12_000, users: Infinity, ramp: [0.02], every: 5, value: ({ random }) => (random.uniform() < 0.01 ? 100 * random.uniform() : 0) }],
    ['a ratio with rare large values at a share of 2 %', 150, { metric: ratioMetric({ name: 'm', better: 'higher' }), visits: 12_000, users: Infinity, ramp: [0.02], every: 5, value: ({ random }) => ({ numerator: random.uniform() < 0.01 ? 1 : 0, denominator: 1 }) }],
    ['a ratio of all values, through a ramp and days', 120, { metric: ratioMetric({ name: 'm', better: 'higher' }), visits: 6000, users: 2000, ramp, every: 5, value: (visit) => ({ numerator: byTrait(visit) === true ? 1 : 0, denominator: 1 }) }],
    // Who counted these users as new ones each time would count their luck twenty times.
    ['weights that change by little, twenty times, over the same users', 100, { metric: mean, visits: 8000, users: 300, ramp: Array.from({ length: 20 }, (_, step) => 0.4 + step / 200), value: ({ random, trait }) => 10 * trait + random.normal() }],
  ])('%s', (_, runs, traffic) => {
    const { promoted, rolledBack, mismatched } = runExperiments(runs, { ...traffic, options })
    expect(promoted).toBeLessThanOrEqual(bound(runs, 0.05))
    expect(rolledBack).toBeLessThanOrEqual(bound(runs, 0.05))
    expect(mismatched).toBeLessThanOrEqual(bound(runs, 0.001))
  })

  test('where a z-test at each look promotes or condemns more than a third', () => {
    let called = 0
    for (let seed = 1; seed <= 100; seed++) {
      const random = seeded(seed)
      const [n, x] = [[0, 0], [0, 0]] as [[number, number], [number, number]]
      for (let visit = 0; visit < 20_000; visit++) {
        const arm = random.uniform() < 0.5 ? 0 : 1
        n[arm] += 1
        if (random.uniform() < 0.1) x[arm] += 1
        if (visit % 20 !== 0 || visit < 200) continue
        const pooled = (x[0] + x[1]) / (n[0] + n[1])
        if (Math.abs(x[1] / n[1] - x[0] / n[0]) > 1.96 * Math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))) {
          called += 1
          break
        }
      }
    }
    expect(called).toBeGreaterThan(33)
  })
})

describe('a candidate that is better is promoted, and one that is worse rolled back', () => {
  test.each<[string, Omit<ExperimentTraffic, 'visits' | 'users' | 'ramp' | 'every'>, 'promoted' | 'rolledBack', number]>([
    ['a rate of 10 % against 12 %', { metric: rate, value: ({ random, isCandidate }) => random.uniform() < (isCandidate ? 0.12 : 0.1) }, 'promoted', 14_000],
    ['a rate of 1 % against 2 %', { metric: rate, value: ({ random, isCandidate }) => random.uniform() < (isCandidate ? 0.02 : 0.01) }, 'promoted', 11_000],
    ['a mean of 1 against 1.1', { metric: mean, value: ({ random, isCandidate }) => -Math.log(1 - random.uniform()) + (isCandidate ? 0.1 : 0) }, 'promoted', 4000],
    ['a rate of 10 % that is 5 % now', { metric: rate, value: ({ random, isCandidate }) => random.uniform() < (isCandidate ? 0.05 : 0.1) }, 'rolledBack', 3000],
  ])('%s', (_, traffic, what, most) => {
    const result = runExperiments(30, { ...traffic, visits: 60_000, users: Infinity, ramp: [0.5], every: 50 })
    expect(result[what]).toBe(1)
    expect(result.median).toBeLessThan(most)
  })

  test('a ramp over users who come back finds what their moves show', () => {
    const { promoted } = runExperiments(30, { metric: mean, visits: 12_000, users: 3000, ramp, every: 20, value: ({ random, trait, isCandidate }) => trait + random.normal() + (isCandidate ? 0.3 : 0) })
    expect(promoted).toBeGreaterThan(0.9)
  })
})
