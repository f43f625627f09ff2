/**
 * Telemetry: spans and metrics of each call, through `@opentelemetry/api`, which the host installs and sets up.
 *
 * That package is loaded when `observed` is first used. To hear the same in process, use `predictor.observe`.
 */
export { observed } from './observed.js'
export type { ObservedOptions } from './observed.js'
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
