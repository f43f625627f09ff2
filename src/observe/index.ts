/**
 * Telemetry: metrics for `/metrics` (`modelMetrics`, `metered`), objectives and alerts, and spans through `@opentelemetry/api`, which the host
 * installs and sets up.
 *
 * That package is loaded when `observed` is first used. To hear predictions in process, use `predictor.observe`.
 */
export { observed } from './observed.js'
export type { ObservedOptions } from './observed.js'
export { spanned } from './spanned.js'
export { logEvents } from './log-events.js'
export type { EventLogger, LogEventsOptions } from './log-events.js'
export { alerts } from './slo/alerts.js'
export type { Alerts, AlertsOptions, AlertsState } from './slo/alerts.js'
export type { AlertMessage, AlertSink, RuleReading } from './slo/alert-message.js'
export { objectives } from './slo/objective.js'
export type { AlertRule, AvailabilityObjective, CustomObjective, DriftObjective, FreshnessObjective, LatencyObjective, Objective, ObjectiveOptions, QualityObjective, Severity } from './slo/objective.js'
export { webhook } from './slo/webhook.js'
export type { WebhookOptions } from './slo/webhook.js'
export { grafanaDashboard } from './slo/grafana-dashboard.js'
export type { GrafanaDashboard, GrafanaPanel } from './slo/grafana-dashboard.js'
export { prometheusRules } from './slo/prometheus-rules.js'
export type { PrometheusOptions } from './slo/prometheus-rules.js'
export { MetricRegistry } from './metrics/metric-registry.js'
export type { Instrument, MetricRegistryOptions, WatchOptions } from './metrics/metric-registry.js'
export { bucketLabel, openMetricsText, prometheusText } from './metrics/exposition.js'
export { secondsBuckets } from './metrics/definition.js'
export type { AttributeValue, HistogramDefinition, MetricAttributes, MetricDefinition } from './metrics/definition.js'
export type { Counter, CounterSeries } from './metrics/counter.js'
export type { Exemplar } from './metrics/exemplar.js'
export type { Gauge, GaugeSeries } from './metrics/gauge.js'
export type { Histogram, HistogramSeries } from './metrics/histogram.js'
export { metered } from './metrics/metered.js'
export { ModelMetrics, modelMetrics } from './metrics/model-metrics.js'
export type { ModelMetricsOptions } from './metrics/model-metrics.js'
