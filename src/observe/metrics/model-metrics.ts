import type { Observer } from '../../core/events.js'
import { optionsObject } from '../../core/options.js'
import { MetricRegistry, type Instrument, type MetricRegistryOptions } from './metric-registry.js'
import type { Gauge } from './gauge.js'
import { instrumentOf, modelMetricDefinitions } from './model-metrics-definitions.js'
import { PredictionCounts } from './_prediction-counts.js'
import { RecordCounts } from './_record-counts.js'
import { StateCounts } from './_state-counts.js'

/** Options of {@link modelMetrics}. */
export interface ModelMetricsOptions extends MetricRegistryOptions {
  /** The upper bounds of all durations, in seconds. @default secondsBuckets */
  readonly buckets?: readonly number[]
}

/** What {@link modelMetrics} gives: a registry with the metrics of predictions, and what fills them. */
export class ModelMetrics extends MetricRegistry {
  /** Counts the records, state changes and notices of a predictor. */
  readonly observer: Observer
  /** What the layer `metered` counts into. */
  readonly predictions: PredictionCounts
  readonly #series: Gauge

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
  constructor(options: ModelMetricsOptions = {}) {
    optionsObject('model metrics', options, ['maxSeries', 'clock', 'buckets'])
    const { buckets, ...rest } = options
    super(rest)
    this.predictions = new PredictionCounts(this, buckets)
    const records = new RecordCounts(this.predictions)
    const states = new StateCounts(this, this.predictions.versions)
    this.observer = (event) => (event.type === 'prediction' ? records.count(event.record) : states.count(event))
    this.#series = instrumentOf(this, modelMetricDefinitions.series)
  }

  override instruments(): Instrument[] {
    const instruments = super.instruments()
    for (const { name, table } of instruments) if (table.size > 0) this.#series.set(table.size, { 'ml.metric': name })
    return instruments
  }
}

/**
 * Metrics of predictions, for `/metrics` and for OpenTelemetry: how many, how fast, how they ended, from where the answers
 * came, and in which state everything is. docs/metrics.md has all of them.
 *
 * They are filled in one of two ways. The layer `metered(metrics)` counts as calls pass, without records, for two clock reads and about
 * 0.1 µs a call. Or `predict.observe(metrics.observer)` counts from the records: that costs a record, and tells more (marks, the time in
 * the model, exemplars that lead from a bucket to a prediction).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe, predictor } from 'outrigger'
 * import { modelMetrics, prometheusText } from 'outrigger/observe'
 * const metrics = modelMetrics()
 * const predict = pipe(predictor((km: number) => km * 1.6, { name: 'minutes', version: '3' }))
 * predict.observe(metrics.observer)
 * await predict.batch([1, 2])
 * assert.ok(prometheusText(metrics).includes('ml_inference_requests_total{ml_model_name="minutes",ml_model_version="3",ml_outcome="ok",ml_source="model"} 2'))
 * ```
 */
export const modelMetrics = (options: ModelMetricsOptions = {}): ModelMetrics => new ModelMetrics(options)
