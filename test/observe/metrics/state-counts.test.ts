import { expect, test } from 'vitest'
import { pipe, predictor, type StateEvent } from 'outrigger'
import { driftMonitor, referenceProfile } from 'outrigger/drift'
import { metered, modelMetrics, prometheusText, type ModelMetrics } from 'outrigger/observe'
import { split } from 'outrigger/route'
import { metricTable } from '../../../src/observe/metrics/metric-table.js'
import { modelMetricDefinitions } from '../../../src/observe/metrics/model-metrics-definitions.js'

const told = (metrics: ModelMetrics, pattern: RegExp): string[] => prometheusText(metrics).split('\n').filter((line) => pattern.test(line))
const state = (event: Partial<StateEvent>): StateEvent => ({ type: 'state', layer: 'x', subject: 's', from: 'a', to: 'b', reason: 'r', at: 0, ...event })

test('a version that goes live is told with its digest, as long as it is live', () => {
  const metrics = modelMetrics()
  const go = (version: string, from: string, to: string, data: object = {}) => metrics.observer(state({ layer: 'model-loader', subject: `de@lay@${version}`, from, to, data: { digest: version.repeat(64), ...data } }))
  go('1', 'checking', 'ready', { durations: { loading: 1500, warming: 500 } })
  go('1', 'ready', 'live')
  go('2', 'ready', 'live')
  go('1', 'live', 'draining')
  go('3', 'checking', 'quarantined', { stage: 'golden', durations: { loading: 100 } })
  expect(told(metrics, /^ml_model_(info|swaps|quarantined)/)).toEqual([
    'ml_model_info{ml_model_name="de@lay",ml_model_version="2",ml_model_digest="222222222222"} 1',
    'ml_model_swaps_total{ml_model_name="de@lay",ml_model_version="1"} 1',
    'ml_model_swaps_total{ml_model_name="de@lay",ml_model_version="2"} 1',
    'ml_model_quarantined_total{ml_model_name="de@lay",ml_model_version="3",ml_stage="golden"} 1',
  ])
  expect(told(metrics, /^ml_model_load_duration_seconds_(sum|count)/)).toEqual(['ml_model_load_duration_seconds_sum{ml_model_name="de@lay"} 2.1', 'ml_model_load_duration_seconds_count{ml_model_name="de@lay"} 2'])
  expect(told(metrics, /^ml_state_changes_total.*live/)).toEqual(['ml_state_changes_total{ml_layer="model-loader",ml_subject="de@lay",ml_state="live"} 2'])
})

test('a call of a version that is leaving does not tell it anew', async () => {
  const metrics = modelMetrics()
  const predict = pipe(predictor((x: number) => x, { name: 'm', version: '1', digest: 'a'.repeat(64) }), metered(metrics))
  await predict(1)
  metrics.observer(state({ layer: 'model-loader', subject: 'm@1', from: 'live', to: 'draining', data: { digest: 'a'.repeat(64) } }))
  await predict(1)
  expect(told(metrics, /^ml_model_info/)).toEqual([])
})

test.each(['metered', 'observer'])('the first call of a version may settle after it has left (%s), and it may come back', async (way) => {
  const metrics = modelMetrics()
  const digest = 'a'.repeat(64)
  const model = predictor((x: number) => x, { name: 'm', version: '1', digest })
  const predict = way === 'metered' ? pipe(model, metered(metrics)) : model
  if (way === 'observer') predict.observe(metrics.observer)
  metrics.observer(state({ layer: 'model-loader', subject: 'm@1', from: 'live', to: 'draining', data: { digest } }))
  await predict(1)
  expect(told(metrics, /^ml_(model_info|inference_requests)/)).toEqual(['ml_inference_requests_total{ml_model_name="m",ml_model_version="1",ml_outcome="ok",ml_source="model"} 1'])
  metrics.observer(state({ layer: 'model-loader', subject: 'm@1', from: 'ready', to: 'live', data: { digest } }))
  expect(told(metrics, /^ml_model_info/)).toHaveLength(1)
})

test('a rollout is told by its stage and its share', () => {
  const metrics = modelMetrics()
  const go = (from: string, to: string) => metrics.observer(state({ layer: 'rollout', subject: 'delays', from, to }))
  go('idle', 'shadow')
  go('shadow', 'canary 5 %')
  expect(told(metrics, /^ml_rollout/)).toEqual(['ml_rollout_state{ml_rollout="delays",ml_state="idle"} 0', 'ml_rollout_state{ml_rollout="delays",ml_state="shadow"} 0', 'ml_rollout_state{ml_rollout="delays",ml_state="canary"} 1', 'ml_rollout_share_ratio{ml_rollout="delays"} 0.05'])
  go('canary 5 %', 'canary 12.5 %')
  expect(told(metrics, /^ml_rollout_s.*(canary|ratio)/)).toEqual(['ml_rollout_state{ml_rollout="delays",ml_state="canary"} 1', 'ml_rollout_share_ratio{ml_rollout="delays"} 0.125'])
  go('canary 12.5 %', 'promoted')
  expect(told(metrics, /ratio/)).toContain('ml_rollout_share_ratio{ml_rollout="delays"} 1')
  expect(told(metrics, /^ml_state_changes_total.*canary/)).toEqual(['ml_state_changes_total{ml_layer="rollout",ml_subject="delays",ml_state="canary"} 2'])
})

test('the weights of a real split are told when they are set', () => {
  const metrics = modelMetrics()
  const predict = split({ name: 'release', variants: { control: (x: number) => x, canary: (x: number) => x }, weights: { control: 1, canary: 0 } })
  predict.observe(metrics.observer)
  predict.setWeights({ control: 0.75, canary: 0.25 })
  expect(told(metrics, /^ml_split/)).toEqual(['ml_split_weight_ratio{ml_split="release",ml_route_variant="control"} 0.75', 'ml_split_weight_ratio{ml_split="release",ml_route_variant="canary"} 0.25'])
  expect(told(metrics, /^ml_state_changes/)).toEqual(['ml_state_changes_total{ml_layer="split",ml_subject="release"} 1'])
})

test('a real drift monitor tells its state, and the scores of the features that drifted', async () => {
  const metrics = modelMetrics()
  const reference = referenceProfile(Array.from({ length: 2000 }, (_, row) => ({ km: row % 100, hour: row % 24 })))
  const predict = pipe((row: { km: number; hour: number }) => row.km, driftMonitor({ reference, name: 'inputs', windowRows: 500, confirm: 1 } as never), metered(metrics))
  for (let row = 0; row < 500; row += 1) await predict({ km: 200 + (row % 10), hour: row % 24 })
  expect(told(metrics, /^ml_drift_state/)).toContain('ml_drift_state{ml_drift_monitor="inputs",ml_state="drifted"} 1')
  const scores = told(metrics, /^ml_drift_score/)
  expect(scores).toHaveLength(1)
  expect(scores[0]).toMatch(/^ml_drift_score\{ml_drift_monitor="inputs",ml_feature="km"\} (0\.[5-9]|1)/)
  metrics.observer(state({ layer: 'drift-monitor', subject: 'inputs', from: 'drifted', to: 'ok', data: { features: [] } }))
  expect([told(metrics, /^ml_drift_score/), told(metrics, /^ml_drift_state.*ok/)]).toEqual([[], ['ml_drift_state{ml_drift_monitor="inputs",ml_state="ok"} 1']])
})

test('limits, places and layers of any name are told as they can be bounded', () => {
  const metrics = modelMetrics()
  metrics.observer(state({ layer: 'adaptive-concurrency', subject: 'm', from: '10', to: '14' }))
  metrics.observer(state({ layer: 'score-batch', subject: '/home/ann/out.jsonl', from: 'idle', to: 'running' }))
  metrics.observer(state({ layer: 'load-shedding', subject: 'low', from: 'admitting', to: 'shedding' }))
  metrics.observer({ type: 'notice', layer: 'cached', message: 'm', at: 0 })
  expect(told(metrics, /^ml_(conc|layer|state|notices)/).sort()).toEqual([
    'ml_concurrency_limit{ml_model_name="m"} 14',
    'ml_layer_state{ml_layer="load-shedding",ml_subject="low",ml_state="admitting"} 0',
    'ml_layer_state{ml_layer="load-shedding",ml_subject="low",ml_state="shedding"} 1',
    'ml_notices_total{ml_layer="cached"} 1',
    'ml_state_changes_total{ml_layer="adaptive-concurrency",ml_subject="m"} 1',
    'ml_state_changes_total{ml_layer="load-shedding",ml_subject="low",ml_state="shedding"} 1',
    'ml_state_changes_total{ml_layer="score-batch",ml_state="running"} 1',
  ])
  expect(prometheusText(metrics)).not.toContain('/home')
})

test('events with data of any kind do not throw', () => {
  const metrics = modelMetrics()
  for (const layer of ['circuit-breaker', 'drift-monitor', 'model-loader', 'rollout', 'split', 'adaptive-concurrency', 'score-batch', 'mine'])
    for (const data of [{}, { features: 3, weights: 'x', durations: 'x', digest: 3, scope: 3, stage: {} }, { features: [{ feature: 'x' }], weights: { a: 'b' }, durations: { loading: 'x' } }])
      metrics.observer(state({ layer, from: 'a', to: 'live', data }))
  expect(told(metrics, /NaN/).length).toBeLessThanOrEqual(1)
})

test('every metric of the table has its advice, and ends in a sentence', () => {
  expect(Object.keys(metricTable)).toEqual(Object.keys(modelMetricDefinitions))
  for (const text of [...Object.values(metricTable).flatMap(({ moves, action }) => [moves, action]), ...Object.values(modelMetricDefinitions).map(({ description }) => description)]) expect(text).toMatch(/^[A-Z0-9].*\.$/)
})

test('every instrument of modelMetrics is one of the table', () => {
  const names = modelMetrics().instruments().map(({ name }) => name)
  const own = Object.values(modelMetricDefinitions).map(({ name }) => name).filter((name) => !name.startsWith('ml.slo'))
  expect(new Set(names)).toEqual(new Set(own))
})
