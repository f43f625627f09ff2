/**
 * What a service shows of its models over HTTP: a dashboard for people, `/metrics` for a Prometheus.
 *
 * Handlers of fetch-style requests, to be mounted in the server that you have. There is no server here, and nothing that changes anything. Experimental.
 */
export { dashboard } from './dashboard.js'
export type { Dashboard, DashboardDrift, DashboardOptions } from './dashboard.js'
export type { DashboardData, DriftData, DriftFeatureData, ErrorLine, PredictionLine, PredictorData, RolloutData, ServedLine, ShadowData, StateLine } from './dashboard-data.js'
export { metricsHandler } from './metrics-handler.js'
