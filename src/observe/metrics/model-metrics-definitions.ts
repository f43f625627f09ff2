/** Every metric of predictions: the instruments are made from this, and so is the table of docs/metrics.md (with the texts of metric-table.ts). */
import type { Counter } from './counter.js'
import type { HistogramDefinition } from './definition.js'
import type { Gauge } from './gauge.js'
import type { Histogram } from './histogram.js'
import type { MetricRegistry } from './metric-registry.js'
import type { MetricKind } from './_prometheus-names.js'

/** A metric of the table: which instrument it is, and what that is made from. */
export interface ModelMetricDefinition<K extends MetricKind = MetricKind> extends HistogramDefinition {
  readonly kind: K
}

const model = ['ml.model.name', 'ml.model.version']
/** What `observed` tells too. */
const request = [...model, 'ml.outcome', 'ml.source', 'ml.route.variant', 'error.type']
const rows = Object.freeze(Array.from({ length: 13 }, (_, power) => 2 ** power))

const define = <K extends MetricKind>(kind: K, name: string, unit: string, attributes: readonly string[], description: string, buckets?: readonly number[]): ModelMetricDefinition<K> => ({ kind, name, unit, attributes, description, ...(buckets === undefined ? {} : { buckets }) })

/** The metrics of the table, by a short name. */
export interface ModelMetricDefinitions {
  readonly duration: ModelMetricDefinition<'histogram'>
  readonly requests: ModelMetricDefinition<'counter'>
  readonly attempts: ModelMetricDefinition<'counter'>
  readonly marks: ModelMetricDefinition<'counter'>
  readonly batchSize: ModelMetricDefinition<'histogram'>
  readonly queue: ModelMetricDefinition<'histogram'>
  readonly modelDuration: ModelMetricDefinition<'histogram'>
  readonly cache: ModelMetricDefinition<'counter'>
  readonly fallback: ModelMetricDefinition<'counter'>
  readonly breaker: ModelMetricDefinition<'gauge'>
  readonly layerState: ModelMetricDefinition<'gauge'>
  readonly changes: ModelMetricDefinition<'counter'>
  readonly notices: ModelMetricDefinition<'counter'>
  readonly limit: ModelMetricDefinition<'gauge'>
  readonly drift: ModelMetricDefinition<'gauge'>
  readonly driftScore: ModelMetricDefinition<'gauge'>
  readonly info: ModelMetricDefinition<'info'>
  readonly swaps: ModelMetricDefinition<'counter'>
  readonly quarantined: ModelMetricDefinition<'counter'>
  readonly load: ModelMetricDefinition<'histogram'>
  readonly rollout: ModelMetricDefinition<'gauge'>
  readonly rolloutShare: ModelMetricDefinition<'gauge'>
  readonly weight: ModelMetricDefinition<'gauge'>
  readonly sloEvents: ModelMetricDefinition<'counter'>
  readonly sloBudget: ModelMetricDefinition<'gauge'>
  readonly series: ModelMetricDefinition<'gauge'>
}

export const modelMetricDefinitions: ModelMetricDefinitions = {
  duration: define('histogram', 'ml.inference.duration', 's', request, 'Time from the entry of a call, or of a batch run, to its answer.'),
  requests: define('counter', 'ml.inference.requests', '{request}', request, 'Rows that were asked for.'),
  attempts: define('counter', 'ml.inference.attempts', '{attempt}', model, 'How often a model was asked: more than requests where retries and hedges ask again, fewer where a cache answers.'),
  marks: define('counter', 'ml.inference.marks', '{mark}', ['ml.model.name', 'ml.mark'], 'What else happened on the way of a row, in fixed words.'),
  batchSize: define('histogram', 'ml.batch.size', '{item}', model, 'Rows of a batch run.', rows),
  queue: define('histogram', 'ml.queue.duration', 's', model, 'Waiting for a permit, for tokens or for a run to begin; only of calls that waited.'),
  modelDuration: define('histogram', 'ml.model.duration', 's', model, 'Time in the model itself, of a call or of a batch run.'),
  cache: define('counter', 'ml.cache.lookups', '{lookup}', [...model, 'ml.cache.result'], 'What the cache did for a row.'),
  fallback: define('counter', 'ml.fallback.answers', '{answer}', [...model, 'ml.fallback.rung'], 'Answers of a fallback rung, or of a stage of a cascade.'),
  breaker: define('gauge', 'ml.breaker.state', '', ['ml.model.name', 'ml.breaker.scope', 'ml.state'], '1 for the state that a circuit breaker is in, 0 for those that it was in.'),
  layerState: define('gauge', 'ml.layer.state', '', ['ml.layer', 'ml.subject', 'ml.state'], '1 for the state that a layer is in, 0 for those that it was in.'),
  changes: define('counter', 'ml.state.changes', '{change}', ['ml.layer', 'ml.subject', 'ml.state'], 'Changes of state, by the state that was entered.'),
  notices: define('counter', 'ml.notices', '{notice}', ['ml.layer'], 'Something failed that no caller was told.'),
  limit: define('gauge', 'ml.concurrency.limit', '{call}', ['ml.model.name'], 'How many calls an adaptive limit lets run at once.'),
  drift: define('gauge', 'ml.drift.state', '', ['ml.drift.monitor', 'ml.state'], '1 for the state that a drift monitor is in, 0 for those that it was in.'),
  driftScore: define('gauge', 'ml.drift.score', '{score}', ['ml.drift.monitor', 'ml.feature'], 'How far a drifted feature has moved, as the Jensen-Shannon distance in [0, 1].'),
  info: define('info', 'ml.model.info', '', [...model, 'ml.model.digest'], 'The versions that answer.'),
  swaps: define('counter', 'ml.model.swaps', '{swap}', model, 'Versions that went live.'),
  quarantined: define('counter', 'ml.model.quarantined', '{version}', [...model, 'ml.stage'], 'Versions that were refused, by the stage that refused them.'),
  load: define('histogram', 'ml.model.load.duration', 's', ['ml.model.name'], 'From the discovery of a version until it could go live.', [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]),
  rollout: define('gauge', 'ml.rollout.state', '', ['ml.rollout', 'ml.state'], '1 for the stage that a rollout is in, 0 for those that it was in.'),
  rolloutShare: define('gauge', 'ml.rollout.share', '1', ['ml.rollout'], 'The share of the units that the candidate of a rollout has.'),
  weight: define('gauge', 'ml.split.weight', '1', ['ml.split', 'ml.route.variant'], 'The share of the exposed units that a variant has.'),
  sloEvents: define('counter', 'ml.slo.events', '{event}', ['ml.slo', 'ml.slo.good'], 'Events of an objective, good and bad, as `alerts` counts them.'),
  sloBudget: define('gauge', 'ml.slo.budget', '1', ['ml.slo'], 'What is left of the error budget of an objective; below 0 too much is spent.'),
  series: define('gauge', 'ml.metrics.series', '{series}', ['ml.metric'], 'Series of an instrument; at the cap, further ones are in its overflow.'),
}

type InstrumentOf<K> = K extends 'counter' ? Counter : K extends 'histogram' ? Histogram : Gauge

/** The instrument of a metric of the table. */
export const instrumentOf = <K extends MetricKind>(registry: MetricRegistry, { kind, ...definition }: ModelMetricDefinition<K>, buckets: readonly number[] | undefined = definition.buckets): InstrumentOf<K> =>
  (kind === 'histogram' ? registry.histogram({ ...definition, ...(buckets === undefined ? {} : { buckets }) }) : registry[kind as Exclude<MetricKind, 'histogram'>](definition)) as InstrumentOf<K>
