import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Experiment, type ExperimentOptions, type ExperimentState } from '../../src/experiment/experiment.js'
import { failureMetric } from '../../src/experiment/metrics/failure-metric.js'
import { meanMetric } from '../../src/experiment/metrics/mean-metric.js'
import { rateMetric } from '../../src/experiment/metrics/rate-metric.js'
import { ratioMetric } from '../../src/experiment/metrics/ratio-metric.js'
import { Moments } from '../../src/stats/moments.js'
import { normalSurvival } from '../../src/stats/normal.js'
import { welch } from '../../src/stats/welch.js'
import { seeded } from '../drift/_seeded.js'

const rate = rateMetric({ name: 'good', better: 'higher' })
const made = (options: Partial<ExperimentOptions> = {}): Experiment => new Experiment({ name: 'e', metrics: [rate], ...options })
const even = { at: 0, weights: [0.5, 0.5] } as const

/** Units with a place in the hash space, a base chance of their own, and an effect. */
const run = (experiment: Experiment, { seed = 1, units = 2000, share = 0.5, base = 0.5, effect = 0, epoch = 1, from = 0 }): void => {
  const random = seeded(seed)
  for (let unit = from; unit < from + units; unit++) {
    const isCandidate = random.uniform() < share
    experiment.expose(unit, isCandidate ? 'candidate' : 'control', { at: unit, epoch, weights: [1 - share, share] })
    experiment.observe(unit, { good: random.uniform() < base + (isCandidate ? effect : 0) })
  }
}

describe('Experiment decides', () => {
  test('promote on evidence that the candidate is better, with the numbers', () => {
    const experiment = made()
    run(experiment, { effect: 0.2 })
    const verdict = experiment.verdict({ at: 5000 })
    expect(verdict.decision).toBe('promote')
    const [good] = verdict.metrics
    expect(good?.estimate).toBeGreaterThan(0.12)
    expect(good?.interval?.[0]).toBeGreaterThan(0)
    expect(good?.interval?.[1]).toBeGreaterThan(good?.estimate as number)
    expect(good?.arms['control']?.units as number).toBe(verdict.exposures['control'])
    expect(experiment.decision({ at: 5000 })).toBe('promote')
  })

  test('rollback on evidence that it is worse, also in a primary metric', () => {
    const experiment = made()
    run(experiment, { effect: -0.2 })
    expect(experiment.verdict({ at: 0 }).decision).toBe('rollback')
  })

  test('an interval excludes the margin exactly when the metric passes', () => {
    for (const units of [200, 400, 800, 1600]) {
      const experiment = made({ minimumUnits: 1 })
      run(experiment, { effect: 0.15, units })
      const [good] = experiment.verdict({ at: 0 }).metrics
      expect((good?.interval?.[0] as number) > 0).toBe(good?.decision === 'promote')
    }
  })

  test('a margin makes equal good enough, and a negative one asks for more than better', () => {
    const decisions = [0, 0.1, -0.3].map((margin) => {
      const experiment = made({ metrics: [rateMetric({ name: 'good', better: 'higher', margin })] })
      run(experiment, { effect: margin < 0 ? 0.15 : 0, units: 4000 })
      return experiment.decision({ at: 0 })
    })
    expect(decisions).toEqual(['continue', 'promote', 'continue'])
  })

  test('continue without data, and insufficient at a deadline only', () => {
    const experiment = made({ deadlineMs: 1000, deadlineUnits: 50 })
    expect(experiment.decision({ at: 1e12 })).toBe('continue')
    experiment.expose('a', 'control', even)
    expect(experiment.decision({ at: 999 })).toBe('continue')
    expect(experiment.decision({ at: 1000 })).toBe('insufficient')
    for (let unit = 1; unit < 50; unit++) experiment.expose(unit, unit % 2 ? 'candidate' : 'control', even)
    expect(experiment.decision({ at: 1 })).toBe('insufficient')
  })

  test('all primary metrics must pass, and after the minimum of units and time', () => {
    const experiment = made({ metrics: [rate, meanMetric({ name: 'error', better: 'lower', range: [0, 10], margin: 1 })], minimumUnits: 900, minimumMs: 50 })
    run(experiment, { effect: 0.3 })
    expect(experiment.verdict({ at: 60 }).reason).toMatch(/too few units in error/)
    for (let unit = 0; unit < 2000; unit++) experiment.observe(unit, { error: unit % 3 })
    expect(experiment.verdict({ at: 40 }).reason).toMatch(/40 of at least 50 ms/)
    expect(experiment.decision({ at: 60 })).toBe('promote')
  })

  test('failures roll back after few, and never promote', () => {
    const experiment = made({ metrics: [failureMetric()] })
    for (let unit = 0; unit < 3; unit++) {
      experiment.expose(unit, 'candidate', { at: 0, weights: [0.99, 0.01] })
      experiment.observe(unit, { failures: true })
    }
    expect(experiment.decision({ at: 0 })).toBe('rollback')
    expect(experiment.text({ at: 0 })).toMatch(/3 of 3 failing units are the candidate's, 0\.0300 expected/)
    const healthy = made({ metrics: [failureMetric()] })
    run(made(), {})
    expect(healthy.verdict({ at: 0 }).reason).toMatch(/no primary metric/)
  })

  test('a sample ratio mismatch freezes promotion, and says so', () => {
    const experiment = made()
    run(experiment, { effect: 0.3 })
    for (let unit = 0; unit < 600; unit++) experiment.expose(`more ${unit}`, 'control', even)
    const verdict = experiment.verdict({ at: 0 })
    expect(verdict.decision).toBe('continue')
    expect(verdict.sampleRatio.isMismatch).toBe(true)
    expect(experiment.text({ at: 0 })).toMatch(/sample ratio MISMATCH/)
  })

  test('a fixed horizon decides once both arms have their units, by what they had then', () => {
    const experiment = made({ horizon: 'fixed', units: 1000 })
    run(experiment, { effect: 0.1, units: 999 })
    expect(experiment.decision({ at: 0 })).toBe('continue')
    run(experiment, { effect: 0.1, units: 500, from: 999, seed: 2 })
    const { arms, pass } = experiment.verdict({ at: 0 }).metrics[0]!
    expect(arms['control']!.units + arms['candidate']!.units).toBe(1000)
    expect(experiment.decision({ at: 0 })).toBe(pass!.eValue >= 20 ? 'promote' : 'continue')
    expect(pass!.eValue).toBeGreaterThan(20)
  })
})

test('the level of rollbacks is divided among the metrics by their weights', () => {
  const experiment = made({ metrics: [rate, rateMetric({ name: 'other', better: 'lower', weight: 3 })], rollbackAlpha: 0.02 })
  expect(experiment.verdict({ at: 0 }).metrics.map(({ worse }) => Math.round(worse.needed))).toEqual([200, 67])
})

test('at a fixed horizon p is Welch\'s for a mean, and the delta method\'s for a ratio, with no smaller variance than the pooled one', () => {
  const random = seeded(8)
  const metrics = [meanMetric({ name: 'mean', better: 'higher' }), ratioMetric({ name: 'ratio', better: 'higher' })]
  const experiment = made({ metrics, horizon: 'fixed', units: 3000 })
  const arms = [0, 1].map(() => ({ values: new Moments(), rows: [] as [number, number][] })) as { values: Moments; rows: [number, number][] }[]
  for (let unit = 0; unit < 3000; unit++) {
    const at = random.uniform() < 0.4 ? 1 : 0
    const [value, denominator] = [random.normal() + at * 0.05, 1 + 3 * random.uniform()]
    experiment.expose(unit, at === 1 ? 'candidate' : 'control', { at: 0, weights: [0.6, 0.4] })
    experiment.observe(unit, { mean: value, ratio: { numerator: value + denominator, denominator } })
    arms[at]?.values.push(value)
    arms[at]?.rows.push([value + denominator, denominator])
  }
  const [mean, ratio] = experiment.verdict({ at: 0 }).metrics.map(({ pass }) => 1 / (pass?.eValue as number)) as [number, number]
  const { pValue, difference } = welch(arms[0]!.values, arms[1]!.values)
  expect(difference).toBeGreaterThan(0)
  expect(Math.abs(mean - pValue / 2) / mean).toBeLessThan(0.1)
  const parts = arms.map(({ rows }) => {
    const [n, d] = rows.reduce(([a, b], [x, y]) => [a + x, b + y], [0, 0])
    const rest = new Moments()
    for (const [x, y] of rows) rest.push(x - (n / d) * y)
    return { r: n / d, s: rest.variance, n: rows.length, mean: d / rows.length }
  })
  const pooled = parts.reduce((sum, { s, n }) => sum + s * (n - 1), 0) / 2998
  const z = (parts[1]!.r - parts[0]!.r) / Math.sqrt(parts.reduce((sum, { s, n, mean: each }) => sum + Math.max(s, pooled) / n / each ** 2, 0))
  expect(ratio).toBeCloseTo(normalSurvival(z), 9)
})

describe('Experiment counts', () => {
  test('a unit once per epoch, a value once per draw, and nothing of the unexposed', () => {
    const experiment = made()
    expect(experiment.observe('a', { good: true })).toBe(0)
    expect(experiment.expose('a', 'control', even)).toBe(true)
    expect(experiment.expose('a', 'control', even)).toBe(false)
    expect(experiment.expose('a', 'candidate', even)).toBe(false)
    expect(experiment.observe('a', { good: true })).toBe(1)
    expect(experiment.observe('a', { good: false })).toBe(0)
    expect(experiment.expose('a', 'candidate', { at: 0, epoch: 2, weights: [0.2, 0.8] })).toBe(true)
    expect(experiment.observe('a', { good: true })).toBe(1)
    expect(experiment.expose('a', 'candidate', { at: 0, epoch: 3, weights: [0.1, 0.9] })).toBe(true)
    expect(experiment.observe('a', { good: true })).toBe(0)
    expect(experiment.expose('a', 'control', { at: 0, epoch: 4, weights: [0.1, 0.9] })).toBe(false)
    expect(experiment.expose('a', 'control', { at: 0, epoch: 1, weights: [0.5, 0.5] })).toBe(false)
    const { exposures, uncounted } = experiment.verdict({ at: 0 })
    expect(exposures).toEqual({ control: 1, candidate: 2 })
    expect(uncounted).toEqual({ full: 0, crossed: 2, unexposed: 1 })
  })

  test('no first value of a unit that stays by certainty, beside which those who moved are missing', () => {
    const experiment = made({ metrics: [rate, failureMetric()] })
    experiment.expose('stays', 'candidate', { at: 0, weights: [0.8, 0.2] })
    experiment.expose('moves', 'control', { at: 0, weights: [0.8, 0.2] })
    const before = experiment.drawOf('stays')
    for (const unit of ['stays', 'moves']) expect(experiment.expose(unit, 'candidate', { at: 1, epoch: 2, weights: [0.5, 0.5] })).toBe(true)
    expect(experiment.observe('stays', { good: true, failures: true })).toBe(1)
    expect(experiment.observe('moves', { good: true })).toBe(1)
    expect(experiment.drawOf('moves')?.chance).toBeCloseTo(0.375, 12)
    // What was predicted before the weights changed, and is known only now, counts by its own draw.
    expect(experiment.observe('stays', { good: true }, { draw: before })).toBe(1)
  })

  test('what is told twice once', () => {
    const [once, twice] = [made({ metrics: [rate, failureMetric()] }), made({ metrics: [rate, failureMetric()] })]
    const random = seeded(4)
    for (let unit = 0; unit < 500; unit++) {
      const [arm, good, failures] = [random.uniform() < 0.5 ? 'candidate' : 'control', random.uniform() < 0.5, random.uniform() < 0.1]
      for (const experiment of [once, twice, twice]) {
        experiment.expose(unit, arm, even)
        experiment.observe(unit, { good, failures })
      }
    }
    expect(twice.verdict({ at: 0 })).toEqual(once.verdict({ at: 0 }))
  })

  test('no more units than it may remember, or the latest ones', () => {
    const stop = made({ maxUnits: 10 })
    const forget = made({ maxUnits: 10, whenFull: 'forget' })
    for (let unit = 0; unit < 100; unit++) for (const experiment of [stop, forget]) experiment.expose(unit, unit % 2 ? 'candidate' : 'control', even)
    expect(stop.verdict({ at: 0 })).toMatchObject({ exposures: { control: 5, candidate: 5 }, uncounted: { full: 90 } })
    expect(forget.verdict({ at: 0 })).toMatchObject({ exposures: { control: 50, candidate: 50 }, uncounted: { full: 0 } })
    expect(forget.observe(99, { good: true })).toBe(1)
    expect(forget.observe(1, { good: true })).toBe(0)
  })

  test('a change of weights does not make Simpson\'s paradox', () => {
    const experiment = made()
    // The candidate does nothing. It grows just when everything gets better.
    run(experiment, { units: 4000, share: 0.1, base: 0.2 })
    run(experiment, { units: 4000, share: 0.9, base: 0.8, epoch: 2, from: 4000, seed: 2 })
    const [good] = experiment.verdict({ at: 0 }).metrics
    expect((good!.arms['candidate']!.value as number) - (good!.arms['control']!.value as number)).toBeGreaterThan(0.3)
    expect(Math.abs(good!.estimate as number)).toBeLessThan(0.05)
    expect(good!.decision).toBe('continue')
  })

  test('it refuses by code what is none', () => {
    const experiment = made()
    const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    for (const wrong of [
      () => experiment.expose('a', 'other', even),
      () => experiment.expose('', 'control', even),
      () => experiment.expose('a', 'control', { at: NaN, weights: [1, 1] }),
      () => experiment.expose('a', 'control', { at: 0, weights: [0, 0] }),
      () => experiment.expose('a', 'control', { at: 0, epoch: 0.5, weights: [1, 1] }),
    ])
      expect(wrong).toThrow(refused)
    experiment.expose('a', 'control', even)
    expect(() => experiment.observe('a', { good: 2 })).toThrow(refused)
    expect(() => experiment.observe('a', { other: 1 })).toThrow(refused)
    expect(experiment.observe('a', { good: true })).toBe(1)
    for (const options of [{ metrics: [] }, { metrics: [rate, rate] }, { arms: ['a', 'a'] }, { alpha: 0 }, { horizon: 'fixed' }, { units: 5 }, { other: 1 }]) {
      expect(() => made(options as never)).toThrow(/Cannot create an experiment/)
    }
  })
})

describe('Experiment is saved and merged', () => {
  const full = (): Experiment => made({ metrics: [rate, meanMetric({ name: 'error', better: 'lower', before: (unit) => (typeof unit === 'number' ? unit % 7 : undefined) }), failureMetric()], maxUnits: 500 })
  const feed = (experiment: Experiment, units: number, from = 0, seed = 1): void => {
    const random = seeded(seed)
    for (let unit = from; unit < from + units; unit++) {
      const isCandidate = random.uniform() < 0.4
      experiment.expose(unit, isCandidate ? 'candidate' : 'control', { at: unit, weights: [0.6, 0.4] })
      experiment.observe(unit, { good: random.uniform() < 0.5, error: random.normal() + (unit % 7), failures: random.uniform() < 0.1 })
    }
  }

  test('restored in the middle it goes on as if nothing had happened', () => {
    const whole = full()
    feed(whole, 300)
    const restored = new Experiment({ name: 'e', metrics: [rate, meanMetric({ name: 'error', better: 'lower', before: (unit) => Number(unit) % 7 }), failureMetric()], maxUnits: 500 }, JSON.parse(JSON.stringify(whole)) as ExperimentState)
    for (const experiment of [whole, restored]) {
      feed(experiment, 10, 290, 3) // known ones do not count again
      feed(experiment, 300, 300, 2)
    }
    expect(restored.toJSON()).toEqual(whole.toJSON())
    expect(restored.verdict({ at: 1 })).toEqual(whole.verdict({ at: 1 }))
  })

  test('merged shards have the counts, means and sample ratio of one pass', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }), (first, second) => {
        const [a, b, whole] = [full(), full(), full()]
        feed(a, first)
        feed(b, second, 1000, 2)
        feed(whole, first)
        feed(whole, second, 1000, 2)
        a.merge(b)
        const [merged, one] = [a.verdict({ at: 0 }), whole.verdict({ at: 0 })]
        expect(merged.exposures).toEqual(one.exposures)
        // One pass has also seen the peaks in between.
        expect(merged.sampleRatio.pValue).toBeGreaterThanOrEqual(one.sampleRatio.pValue * (1 - 1e-9))
        merged.metrics.forEach((metric, at) => {
          for (const arm of ['control', 'candidate']) {
            expect(metric.arms[arm]?.units).toBe(one.metrics[at]?.arms[arm]?.units)
            if (metric.arms[arm]?.value !== undefined) expect(metric.arms[arm]?.value).toBeCloseTo(one.metrics[at]?.arms[arm]?.value as number, 9)
          }
        })
        expect(merged.metrics[2]?.worse.eValue).toBeLessThanOrEqual((one.metrics[2]?.worse.eValue as number) * (1 + 1e-9))
        expect(merged.metrics[2]?.note).toBe(one.metrics[2]?.note)
      }),
      { numRuns: 20 },
    )
  })

  test('units in both are refused, and nothing changes', () => {
    const [a, b] = [full(), full()]
    feed(a, 50)
    feed(b, 50, 49, 2)
    const before = JSON.stringify(a)
    expect(() => a.merge(b)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(() => a.merge(a)).toThrow(/two/)
    expect(() => a.merge(made())).toThrow(/two/)
    expect(JSON.stringify(a)).toBe(before)
  })

  test('the statistics alone are small and can be merged', () => {
    const [sum, b] = [made(), made()]
    run(b, { units: 400 })
    sum.merge(new Experiment({ name: 'e', metrics: [rate] }, b.statistics()))
    expect(sum.verdict({ at: 0 }).metrics).toEqual(b.verdict({ at: 0 }).metrics)
    expect(JSON.stringify(b.statistics()).length).toBeLessThan(2000)
  })

  test('a state that is none is refused by code, field by field', () => {
    const experiment = full()
    feed(experiment, 40)
    const state = JSON.parse(JSON.stringify(experiment)) as Record<string, unknown>
    const options = { name: 'e', metrics: [rate, meanMetric({ name: 'error', better: 'lower' }), failureMetric()], maxUnits: 500 } as const
    const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' })
    for (const [field, value] of Object.entries({ kind: 'other', version: 2, name: 'f', arms: ['a', 'b'], startedAt: 'x', exposures: [1], uncounted: {}, sampleRatio: 1, metrics: { good: { kind: 'mean', statistics: {} } }, units: 'AAAA' })) {
      expect(() => new Experiment(options, { ...state, [field]: value } as never), field).toThrow(refused)
    }
    const metrics = state['metrics'] as Record<string, { statistics: Record<string, unknown> }>
    for (const [field, value] of Object.entries({ score: 'x', squares: -1, weight: null, control: {}, centres: [[1]], pairs: -1 })) {
      const changed = { ...state, metrics: { ...metrics, good: { kind: 'rate', statistics: { ...metrics['good']?.statistics, [field]: value } } } }
      expect(() => new Experiment(options, changed as never), field).toThrow(refused)
    }
    expect(() => new Experiment({ ...options, maxUnits: 10 }, state as never)).toThrow(refused)
  })
})
