/**
 * Experiments in numbers: is the canary worse, is one arm better, are the arms what they should be, what would another policy have earned.
 *
 * Use it to decide about releases and A/B tests at any number of looks. Everything is synchronous, without a clock, and saved as JSON.
 * It assigns nobody (that is `outrigger/route`). Which test when: docs/which-test.md.
 *
 * @experimental
 */
export { averageEvidence } from './average-evidence.js'
export { Experiment, type ExperimentOptions, type ExperimentState, type ExposureOptions } from './experiment.js'
export { FailureAttribution, type FailureAttributionOptions, type FailureAttributionState, type UnitFailure } from './failure-attribution.js'
export { failureMetric, type FailureMetricOptions } from './metrics/failure-metric.js'
export { meanMetric, type MeanMetricOptions } from './metrics/mean-metric.js'
export { type ArmSummary, type Draw, type Metric, type MetricOptions, type MetricStatistics } from './metrics/metric.js'
export { rateMetric } from './metrics/rate-metric.js'
export { SampleRatio, type SampleRatioEpoch, type SampleRatioOptions, type SampleRatioState } from './sample-ratio.js'
export { verdictText, type Decision, type Evidence, type MetricVerdict, type Verdict } from './verdict.js'
export type { EvidenceState } from './_state.js'
