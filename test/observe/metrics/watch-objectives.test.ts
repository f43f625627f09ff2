import { expect, test } from 'vitest'
import { pipe } from 'outrigger'
import { alerts, modelMetrics, objectives, prometheusText, watchObjectives } from 'outrigger/observe'

test('watchObjectives tells the good and bad events of each objective, and its budget, until it is ended', async () => {
  const metrics = modelMetrics()
  const watch = alerts({ everyMs: Infinity, objectives: objectives([{ kind: 'availability', objective: 0.9 }, { kind: 'custom', name: 'positive', objective: 0.5, ofRecord: () => true }]) })
  const stop = watchObjectives(metrics, watch)
  const predict = pipe((x: number): number => {
    if (x < 0) throw new Error('negative')
    return x
  })
  predict.observe(watch.observer)
  for (const x of [1, 2, -1]) await predict(x).catch(() => {})
  const told = () => prometheusText(metrics).split('\n').filter((line) => line.startsWith('ml_slo'))
  expect(told()).toEqual([
    'ml_slo_events_total{ml_slo="availability",ml_slo_good="false"} 1',
    'ml_slo_events_total{ml_slo="availability",ml_slo_good="true"} 2',
    'ml_slo_events_total{ml_slo="positive",ml_slo_good="false"} 0',
    'ml_slo_events_total{ml_slo="positive",ml_slo_good="true"} 3',
    expect.stringMatching(/^ml_slo_budget_ratio\{ml_slo="availability"\} -2\.3/),
    'ml_slo_budget_ratio{ml_slo="positive"} 1',
  ])
  expect(() => watchObjectives(metrics, watch)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  stop()
  expect(told()).toEqual([])
  await watch.close()
})
