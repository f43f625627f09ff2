/**
 * Experiments in numbers: is the canary worse, is one arm better, are the arms what they should be, what would another policy have earned.
 *
 * Use it to decide about releases and A/B tests at any number of looks. Everything is synchronous, without a clock, and saved as JSON.
 * It assigns nobody (that is `outrigger/route`). Which test when: docs/which-test.md.
 *
 * @experimental
 */
export type { EvidenceState } from './_state.js'

// An experiment as a whole, and one arm against another, at every event.
export { averageEvidence } from './average-evidence.js'
export type { Draw } from './draw.js'
export { Experiment, type ExperimentOptions, type ExperimentState, type ExposureOptions } from './experiment.js'
export { ExceedanceAttribution, type ExceedanceAttributionOptions, type ExceedanceAttributionState, type UnitValue } from './exceedance-attribution.js'
export { FailureAttribution, type FailureAttributionOptions, type FailureAttributionState, type UnitFailure } from './failure-attribution.js'
export { aucMetric, type AucMetricOptions } from './metrics/auc-metric.js'
export { failureMetric, isFailed, type FailureMetricOptions } from './metrics/failure-metric.js'
export { brierMetric, logLossMetric, type LabelMetricOptions, type LogLossMetricOptions, type ScoredLabel } from './metrics/label-metrics.js'
export { latencyMetric, type LatencyMetricOptions } from './metrics/latency-metric.js'
export { meanMetric, type MeanMetricOptions } from './metrics/mean-metric.js'
export { type ArmSummary, type Metric, type MetricOptions, type MetricStatistics } from './metrics/metric.js'
export { quantileMetric, type QuantileMetricOptions } from './metrics/quantile-metric.js'
export { rateMetric } from './metrics/rate-metric.js'
export { ratioMetric, type RatioMetricOptions, type RatioValue } from './metrics/ratio-metric.js'
export { observeExperiment, type ExperimentObserver, type ObserveExperimentOptions } from './observe-experiment.js'
export { SampleRatio, type SampleRatioEpoch, type SampleRatioOptions, type SampleRatioState } from './sample-ratio.js'
export { verdictText, type Decision, type Evidence, type MetricVerdict, type Verdict } from './verdict.js'

// Intervals that hold at every look.
export { BoundedMean, differenceOfBounds, type BoundedMeanOptions, type BoundedMeanState } from './bounded-mean.js'
export { countRatioSequence, type CountGroup, type CountRatioOptions } from './count-ratio-sequence.js'
export { countSequence, type CountSequenceOptions, type CountSummary } from './count-sequence.js'
export { meanDifferenceSequence, meanSequence, type MeanSequenceOptions } from './mean-sequence.js'
export { mixtureSprt, type MixtureSprtOptions } from './mixture-sprt.js'
export { rateDifferenceSequence, rateSequence, type RateSequenceOptions } from './rate-sequence.js'
export type { SequentialInterval, SequentialOptions, Side } from './sequential-interval.js'

// For one look that was planned, and for planning it.
export { bayesianMeans, bayesianRates, type BayesianComparison, type BayesianMeans, type BayesianMeansOptions, type BayesianRatesOptions } from './bayesian-comparison.js'
export { cuped, ratioSummary, type CupedResult } from './cuped.js'
export { power, sampleSize, type Effect, type PowerOptions, type SampleSizeOptions } from './sample-size.js'

// From the logs of another policy.
export { offPolicy, type LoggedDecision, type OffPolicyEstimate, type OffPolicyMethod, type OffPolicyOptions, type OffPolicyRefusal, type OffPolicyResult } from './off-policy.js'
