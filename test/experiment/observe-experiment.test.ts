import { expect, test } from 'vitest'
import { fallback } from '../../src/resilience/fallback.js'
import { pipe } from '../../src/core/pipe.js'
import { predictor, type Predictor } from '../../src/core/predictor.js'
import type { NoticeEvent } from '../../src/core/events.js'
import { Experiment } from '../../src/experiment/experiment.js'
import { failureMetric } from '../../src/experiment/metrics/failure-metric.js'
import { logLossMetric } from '../../src/experiment/metrics/label-metrics.js'
import { latencyMetric } from '../../src/experiment/metrics/latency-metric.js'
import { rateMetric } from '../../src/experiment/metrics/rate-metric.js'
import { observeExperiment } from '../../src/experiment/observe-experiment.js'
import { memoryStickyStore } from '../../src/route/sticky-store.js'
import { split } from '../../src/route/split.js'

const users = (count: number, from = 0): string[] => Array.from({ length: count }, (_, user) => `user-${from + user}`)
const broken = (): number => {
  throw new Error('broken')
}

test('observeExperiment feeds exposures and failures, and a broken candidate is rolled back', async () => {
  const predict = split({ name: 'v2', variants: { control: (x: number) => x, candidate: broken }, weights: { control: 0.9, candidate: 0.1 } })
  const experiment = new Experiment({ name: 'v2', metrics: [failureMetric(), latencyMetric()] })
  const { verdict, stop } = observeExperiment(predict, experiment)
  for (let round = 0; round < 2; round++) await predict.detailedBatch(users(100).map(() => 1), { keys: users(100) })
  const { decision, exposures, metrics, uncounted } = verdict({ at: 0 })
  expect(decision).toBe('rollback')
  expect(exposures['control']! + exposures['candidate']!).toBe(100)
  expect(metrics[0]!.arms).toMatchObject({ control: { units: 0 }, candidate: { units: exposures['candidate'] } })
  expect(uncounted).toEqual({ full: 0, crossed: 0, unexposed: 0 })
  stop()
  await predict.detailedBatch(users(9, 500).map(() => 1), { keys: users(9, 500) })
  expect(verdict({ at: 0 }).exposures).toEqual(exposures)
})

test('testers, units outside the experiment, and other splits do not count; a fallback that had to answer does, as a failure', async () => {
  const inner = split({ name: 'v2', variants: { control: (x: number) => x, candidate: broken }, weights: { control: 0.5, candidate: 0.5 }, exposure: 0.5, forced: { candidate: users(50) } })
  const predict = pipe(inner, fallback(() => 0))
  const experiment = new Experiment({ name: 'v2', metrics: [failureMetric()] })
  const { verdict } = observeExperiment(predict, experiment)
  await predict.batch(users(200).map(() => 1), { keys: users(200) })
  const { exposures, metrics } = verdict({ at: 0 })
  const all = exposures['control']! + exposures['candidate']!
  expect(all).toBeGreaterThan(45)
  expect(all).toBeLessThan(105)
  expect(metrics[0]!.arms['candidate']!.units).toBe(exposures['candidate'])
  expect(metrics[0]!.arms['control']!.units).toBe(0)
})

test('units through a ramp are drawn again, kept ones are not', async () => {
  for (const sticky of [undefined, { store: memoryStickyStore() }]) {
    const predict = split({ name: 'v2', variants: { control: (x: number) => x, candidate: (x: number) => x }, weights: { control: 0.8, candidate: 0.2 }, ...(sticky === undefined ? {} : { sticky }) })
    const experiment = new Experiment({ name: 'v2', metrics: [rateMetric({ name: 'ok', better: 'higher', from: ({ outcome }) => outcome === 'ok' })] })
    const { verdict } = observeExperiment(predict, experiment)
    await predict.batch(users(300).map(() => 1), { keys: users(300) })
    const before = verdict({ at: 0 })
    predict.setWeights({ control: 0.5, candidate: 0.5 })
    await predict.batch(users(300).map(() => 1), { keys: users(300) })
    const after = verdict({ at: 0 })
    expect(after.uncounted.crossed).toBe(0)
    expect(after.sampleRatio.isMismatch).toBe(false)
    const values = (which: typeof before): number => which.metrics[0]!.arms['control']!.units + which.metrics[0]!.arms['candidate']!.units
    expect(values(before)).toBe(300)
    // The 0.2 of before are in the candidate by certainty.
    expect(values(after)).toBe(sticky === undefined ? 600 - before.exposures['candidate']! : 300)
  }
})

test('a late label counts by the arm of its prediction, once, and what became of labels is told', async () => {
  const answers = (): Predictor<number, { late: number }> => predictor((_: number) => ({ late: 0.4 }), { output: { fields: { late: {} } } })
  const predict = split({
    name: 'v2',
    variants: { control: answers(), candidate: answers() },
    weights: { control: 0.5, candidate: 0.5 },
  })
  const metric = logLossMetric({ name: 'log loss', fromLabel: ({ record, label }) => ({ score: record.output?.['late'] as number, label: label.value as boolean }) })
  const experiment = new Experiment({ name: 'v2', metrics: [metric] })
  const observer = observeExperiment(predict, experiment)
  const ids = users(40)
  await predict.batch(ids.map(() => 1), { keys: ids, ids })
  const { exposures } = observer.verdict({ at: 0 })
  predict.setWeights({ control: 0, candidate: 1 })
  await predict.batch(ids.map(() => 1), { keys: ids, ids: ids.map((id) => `again ${id}`) })
  for (const id of [...ids.slice(0, 30), ids[0] as string, 'unknown']) observer.label(id, true, Date.now())
  const verdict = observer.verdict({ at: 0 })
  expect(verdict.labels).toEqual({ joined: 30, duplicate: 1, unmatched: 1, expired: 0, pending: 50 })
  expect(experiment.text({ at: 0, labels: observer.labels })).toMatch(/labels: 30 joined, 50 pending \(censored\), 0 expired, 1 unmatched, 1 duplicate/)
  const { arms } = verdict.metrics[0]!
  expect(arms['control']!.units + arms['candidate']!.units).toBe(30)
  expect(arms['control']!.units).toBeGreaterThan(5)
  expect(arms['control']!.units).toBeLessThanOrEqual(exposures['control']!)
  expect(arms['control']!.value).toBeCloseTo(-Math.log(0.4), 9)
})

test('what a metric throws is told by a notice, and the others count', async () => {
  const predict = split({ name: 'v2', variants: { control: (x: number) => x, candidate: (x: number) => x }, weights: { control: 0.5, candidate: 0.5 } })
  const metrics = [rateMetric({ name: 'bad', better: 'higher', from: () => 7 as never }), rateMetric({ name: 'ok', better: 'higher', from: () => true })]
  const experiment = new Experiment({ name: 'v2', metrics })
  const notices: NoticeEvent[] = []
  predict.observe((event) => void (event.type === 'notice' && notices.push(event)))
  observeExperiment(predict, experiment)
  await predict.batch(users(10).map(() => 1), { keys: users(10) })
  expect(notices.length).toBe(10)
  const { arms } = experiment.verdict({ at: 0 }).metrics[1]!
  expect(arms['control']!.units + arms['candidate']!.units).toBe(10)
})

test('arms of a split of three need their weights, and options are checked', async () => {
  const predict = split({ name: 'v2', variants: { control: (x: number) => x, candidate: (x: number) => x, other: (x: number) => x }, weights: { control: 0.4, candidate: 0.4, other: 0.2 } })
  const experiment = new Experiment({ name: 'v2', metrics: [failureMetric()] })
  const { verdict } = observeExperiment(predict, experiment, { weights: () => [0.4, 0.4], unit: ({ id }) => id })
  await predict.batch(users(3000).map(() => 1), { keys: users(3000) })
  const { exposures, sampleRatio } = verdict({ at: 0 })
  expect(exposures['control']! + exposures['candidate']!).toBeLessThan(2600)
  expect(sampleRatio.isMismatch).toBe(false)
  expect(() => observeExperiment({} as never, experiment)).toThrow(/Cannot create an observer of an experiment/)
  expect(() => observeExperiment(predict, experiment, { other: 1 } as never)).toThrow(/no option `other`/)
})
