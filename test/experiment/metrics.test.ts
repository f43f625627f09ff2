import { describe, expect, test } from 'vitest'
import { Experiment, type ExperimentOptions, type ExperimentState } from '../../src/experiment/experiment.js'
import { aucMetric } from '../../src/experiment/metrics/auc-metric.js'
import { failureMetric } from '../../src/experiment/metrics/failure-metric.js'
import { brierMetric, logLossMetric } from '../../src/experiment/metrics/label-metrics.js'
import { latencyMetric } from '../../src/experiment/metrics/latency-metric.js'
import { meanMetric } from '../../src/experiment/metrics/mean-metric.js'
import type { Metric } from '../../src/experiment/metrics/metric.js'
import { quantileMetric } from '../../src/experiment/metrics/quantile-metric.js'
import { rateMetric } from '../../src/experiment/metrics/rate-metric.js'
import { ratioMetric } from '../../src/experiment/metrics/ratio-metric.js'
import { auc } from '../../src/stats/auc.js'
import { seeded } from '../drift/_seeded.js'

type Random = ReturnType<typeof seeded>
type Values = (random: Random, isCandidate: boolean, unit: number) => unknown

/** One value per unit, under weights that change once. */
const feed = (experiment: Experiment, values: Values, { units = 6000, from = 0, seed = 1 } = {}): void => {
  const random = seeded(seed)
  for (let unit = from; unit < from + units; unit++) {
    const [epoch, share] = unit % 2 === 0 ? [1, 0.3] : [2, 0.5]
    const isCandidate = random.uniform() < share
    experiment.expose(unit, isCandidate ? 'candidate' : 'control', { at: unit, epoch, weights: [1 - share, share] })
    experiment.observe(unit, { m: values(random, isCandidate, unit) })
  }
}
const made = (metric: Metric, options: Partial<ExperimentOptions> = {}): Experiment => new Experiment({ name: 'e', metrics: [metric], ...options })
const scored = (random: Random, slope: number): unknown => {
  const truth = random.uniform()
  return { score: Math.min(1, Math.max(0, 0.5 + slope * (truth - 0.5))), label: random.uniform() < truth }
}

interface Case {
  readonly metric: Metric
  readonly better: Values
  readonly worse: Values
  /** The true difference of `better`, and what is allowed around it. */
  readonly difference?: readonly [number, number]
  /** Of the same values, which is no value of it. */
  readonly wrong: unknown
}

const cases: readonly Case[] = [
  { metric: rateMetric({ name: 'm', better: 'lower' }), better: (r, c) => r.uniform() < (c ? 0.2 : 0.3), worse: (r, c) => r.uniform() < (c ? 0.4 : 0.3), difference: [-0.1, 0.04], wrong: 0.5 },
  { metric: meanMetric({ name: 'm', better: 'higher', range: [0, 4] }), better: (r, c) => 3 * r.uniform() + (c ? 1 : 0.5), worse: (r, c) => 3 * r.uniform() + (c ? 0 : 0.5), difference: [0.5, 0.08], wrong: 5 },
  { metric: meanMetric({ name: 'm', better: 'higher' }), better: (r, c) => r.normal() * 10 + (c ? 103 : 100), worse: (r, c) => r.normal() * 10 + (c ? 97 : 100), difference: [3, 0.9], wrong: NaN },
  {
    metric: ratioMetric({ name: 'm', better: 'lower' }),
    better: (r, c) => ({ numerator: r.uniform() * (c ? 2 : 3), denominator: 1 + r.uniform() }),
    worse: (r, c) => ({ numerator: r.uniform() * (c ? 4 : 3), denominator: 1 + r.uniform() }),
    difference: [-1 / 3, 0.06],
    wrong: { numerator: 1 },
  },
  { metric: quantileMetric({ name: 'm', quantile: 0.8 }), better: (r, c) => r.normal() * 3 + (c ? 8 : 10), worse: (r, c) => r.normal() * 3 + (c ? 12 : 10), difference: [-0.133, 0.05], wrong: 'x' },
  { metric: logLossMetric({ name: 'm' }), better: (r, c) => scored(r, c ? 1 : 0), worse: (r, c) => scored(r, c ? -1 : 0.8), wrong: { score: 2, label: true } },
  { metric: brierMetric({ name: 'm' }), better: (r, c) => scored(r, c ? 1 : 0), worse: (r, c) => scored(r, c ? -1 : 0.8), difference: [-1 / 12, 0.02], wrong: { score: 1 } },
  { metric: aucMetric({ name: 'm' }), better: (r, c) => (c ? scored(r, 1) : { score: r.uniform(), label: r.uniform() < 0.5 }), worse: (r, c) => (c ? { score: r.uniform(), label: r.uniform() < 0.5 } : scored(r, 1)), wrong: null },
]

describe.each(cases)('$metric.kind metric, $metric.better is better', ({ metric, better, worse, difference, wrong }) => {
  test('finds the better candidate and the worse one, across two epochs', () => {
    const [good, bad] = [made(metric), made(metric)]
    feed(good, better)
    feed(bad, worse)
    const [verdict] = good.verdict({ at: 0 }).metrics
    expect(good.decision({ at: 0 })).toBe('promote')
    expect(bad.decision({ at: 0 })).toBe('rollback')
    if (difference !== undefined) expect(Math.abs((verdict?.estimate as number) - difference[0])).toBeLessThan(difference[1])
    const [lower, upper] = verdict!.interval!
    expect(lower).toBeLessThan(verdict?.estimate as number)
    expect(upper).toBeGreaterThan(verdict?.estimate as number)
    expect(lower > 0 || upper < 0).toBe(true)
  })

  test('goes on after a restart as if nothing had happened', () => {
    const whole = made(metric)
    feed(whole, better, { units: 1500 })
    const restored = new Experiment({ name: 'e', metrics: [metric] }, JSON.parse(JSON.stringify(whole)) as ExperimentState)
    for (const experiment of [whole, restored]) feed(experiment, better, { units: 500, from: 1400, seed: 2 })
    const [mine, theirs] = [restored.toJSON(), whole.toJSON()]
    expect({ ...mine, sampleRatio: 0 }).toEqual({ ...theirs, sampleRatio: 0 })
    expect(mine.sampleRatio.logPeak).toBeCloseTo(theirs.sampleRatio.logPeak as number, 9)
  })

  test('merged shards say what one pass says', () => {
    const [a, b, whole] = [made(metric), made(metric), made(metric)]
    feed(a, better)
    feed(b, better, { from: 6000, seed: 2 })
    feed(whole, better)
    feed(whole, better, { from: 6000, seed: 2 })
    a.merge(new Experiment({ name: 'e', metrics: [metric] }, JSON.parse(JSON.stringify(b.statistics())) as ExperimentState))
    const [merged, one] = [a, whole].map((experiment) => experiment.verdict({ at: 0 }).metrics[0]!)
    const isLearnt = metric.kind === 'quantile' // each shard's first units say where its quantile lies
    if (!isLearnt) expect(merged?.arms['candidate']!.units).toEqual(one?.arms['candidate']!.units)
    if (!isLearnt) expect(merged?.arms['candidate']!.value).toBeCloseTo(one?.arms['candidate']!.value as number, 9)
    const width = (one?.interval?.[1] as number) - (one?.interval?.[0] as number)
    expect(Math.abs((merged?.estimate as number) - (one?.estimate as number))).toBeLessThan(width / (isLearnt ? 4 : 10))
    expect(merged?.decision).toBe('promote')
  })

  test('refuses by code a value and a state that are none', () => {
    const experiment = made(metric)
    experiment.expose('a', 'control', { at: 0, weights: [1, 1] })
    expect(() => experiment.observe('a', { m: wrong })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    for (const state of [1, null, {}, { strata: 1, units: [], refused: 0 }, ...(metric.kind === 'ratio' ? [{ strata: [], units: [[1]], refused: 0 }] : []), { strata: [[1]], units: [], refused: 0 }]) {
      expect(() => metric.start(state), JSON.stringify(state)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
    }
  })
})

test('aucMetric has the AUC of the scores, but for ties within a cell', () => {
  const random = seeded(5)
  const rows = Array.from({ length: 3000 }, () => scored(random, 1) as { score: number; label: boolean })
  const experiment = made(aucMetric({ name: 'm' }))
  rows.forEach((row, unit) => {
    experiment.expose(unit, unit % 2 ? 'candidate' : 'control', { at: 0, weights: [1, 1] })
    experiment.observe(unit, { m: row })
  })
  const controls = rows.filter((_, unit) => unit % 2 === 0)
  const { arms, estimate } = experiment.verdict({ at: 0 }).metrics[0]!
  expect(Math.abs((arms['control']!.value as number) - auc(controls.map(({ score }) => score), controls.map(({ label }) => label)))).toBeLessThan(0.002)
  expect(estimate).toBeCloseTo((arms['candidate']!.value as number) - (arms['control']!.value as number), 9)
})

test('ratioMetric has all values of a unit as one unit, and none of a unit whose arm is certain', () => {
  const experiment = made(ratioMetric({ name: 'm', better: 'higher' }))
  for (const [unit, arm] of [['a', 'control'], ['b', 'candidate']] as const) {
    experiment.expose(unit, arm, { at: 0, weights: [0.5, 0.5] })
    for (let call = 0; call < 10; call++) experiment.observe(unit, { m: { numerator: call % 2, denominator: 1 } })
  }
  expect(experiment.verdict({ at: 0 }).metrics[0]!.arms).toEqual({ control: { units: 1, value: 0.5 }, candidate: { units: 1, value: 0.5 } })
  experiment.expose('b', 'candidate', { at: 1, epoch: 2, weights: [0.2, 0.8] })
  experiment.observe('b', { m: { numerator: 100, denominator: 1 } })
  expect(experiment.verdict({ at: 0 }).metrics[0]!.arms['candidate']).toEqual({ units: 1, value: 0.5 })
})

test('meanMetric needs about half of the units with a covariate that explains half of the variance', () => {
  const widths = [undefined, (unit: string | number) => seeded(Number(unit) + 1).normal()].map((before) => {
    const experiment = made(meanMetric({ name: 'm', better: 'higher', ...(before === undefined ? {} : { before }) }))
    feed(experiment, (random, _, unit) => seeded(unit + 1).normal() + random.normal())
    const [lower, upper] = experiment.verdict({ at: 0 }).metrics[0]!.interval!
    return upper - lower
  }) as [number, number]
  expect((widths[1] / widths[0]) ** 2).toBeGreaterThan(0.42)
  expect((widths[1] / widths[0]) ** 2).toBeLessThan(0.6)
})

test('latencyMetric rolls back a slow candidate after few of its requests, and not an equal one', () => {
  const runs = [1, 2].map((factor) => {
    const experiment = made(latencyMetric({ name: 'm' }))
    feed(experiment, (random, isCandidate) => 10 * Math.exp(random.normal() / 2) * (isCandidate ? factor : 1))
    return experiment
  }) as [Experiment, Experiment]
  expect(runs.map((experiment) => experiment.decision({ at: 0 }))).toEqual(['continue', 'rollback'])
  expect(runs[1].text({ at: 0 })).toMatch(/slow units are the candidate's, [\d.]+ expected; slow is above 2\d\.\d, quantile 0\.95 of the control/)
  const restored = new Experiment({ name: 'e', metrics: [latencyMetric({ name: 'm' })] }, JSON.parse(JSON.stringify(runs[1])) as ExperimentState)
  expect(restored.toJSON()).toEqual(runs[1].toJSON())
  expect(() => runs[0].observe(0, { m: NaN })).toThrow(/finite/)
})

test('metrics refuse options that are none by code', () => {
  const refused = /Cannot create a/
  for (const wrong of [
    () => rateMetric({ name: 'm' }),
    () => rateMetric({ name: '', better: 'higher' }),
    () => rateMetric({ name: 'm', better: 'up' as never }),
    () => rateMetric({ name: 'm', better: 'higher', role: 'other' as never }),
    () => rateMetric({ name: 'm', better: 'higher', margin: NaN }),
    () => rateMetric({ name: 'm', better: 'higher', weight: 0 }),
    () => rateMetric({ name: 'm', better: 'higher', other: 1 } as never),
    () => meanMetric({ name: 'm', better: 'higher', range: [1, 1] }),
    () => quantileMetric({ name: 'm', quantile: 1 }),
    () => logLossMetric({ name: 'm', clip: 0 }),
    () => failureMetric({ exactUnits: -1 }),
    () => failureMetric({ better: 'higher', other: 1 } as never),
    () => latencyMetric({ quantile: 2 }),
  ])
    expect(wrong).toThrow(refused)
})
