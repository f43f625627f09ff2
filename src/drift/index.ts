/**
 * Drift: whether what a model sees and answers in production still is what it was trained on.
 *
 * Use it around any model whose inputs come from a changing world: build a {@link referenceProfile} from the training rows, put
 * `driftMonitor` around the model, read the verdict. Not for single strange rows (that is a check of quality), and not a measure
 * of whether the model got worse: inputs may drift without harm, and harm may come without drift.
 *
 * @experimental
 */
export { driftVerdict, type DriftContext, type DriftState, type DriftVerdict, type DriftVerdictOptions, type FeatureVerdict } from './drift-verdict.js'
export type { FeatureColumns } from './_count-columns.js'
export type { FeatureKind, FeatureRole, FeatureRow, FeatureValue } from './feature-cells.js'
export type { FeatureMoments } from './_moments.js'
export type { CategoricalCells, FeatureCells, NumericCells, SpecialName } from './feature-cells.js'
export type { Finding, FindingKind } from './_findings.js'
export { LiveProfile, type LiveProfileState } from './live-profile.js'
export type { CellChange } from './_moved-cells.js'
export { featureDistribution } from './feature-distribution.js'
export { parseReferenceHistory, referenceHistory, ReferenceHistory, type ReferenceHistoryFile, type ReferenceHistoryOptions, type SeasonRows } from './reference-history.js'
export type { Season } from './season.js'
export { parseReferenceProfile } from './parse-reference-profile.js'
export type { ReferenceProfileFile } from './_profile-file.js'
export { labelFeature, outputFeature, referenceProfile, scoreFeature, ReferenceProfile, type FeatureProfile, type ReferenceProfileOptions } from './reference-profile.js'
export { SlicedProfile, type SlicedProfileOptions, type SlicedProfileState, type SlicePlace, type SliceWindow } from './sliced-profile.js'
export type { ProfileSliceState } from './_profile-slice.js'
export { fleetProfile, joinFleet, type FleetMember, type FleetReading, type JoinFleetOptions } from './profile-fleet.js'
export { memoryStateStore, type StateStore, type StoredState } from '../store/state-store.js'
export { fileStateStore, type FileStateStoreOptions } from '../store/file-state-store.js'
export { redisStateStore, type RedisStateStoreOptions } from '../store/redis-state-store.js'
export { referenceProfileFrom, type ReferenceProfileFromOptions, type ReferenceProfileProgress, type RowStream } from './reference-profile-from.js'
export { tableRows, type TableRow, type TableRowsOptions } from './table-rows.js'
export { rootCause, type RootCauseOptions, type RootCauseReport } from './root-cause.js'
export type { CellPart, DivergencePart, FeatureSplit, MixPart, MixSplit, SegmentPart, SegmentSplit } from './_divergence-split.js'
export type { RootCause } from './_ranked-causes.js'
export type { SegmentCounts, SegmentPeriods } from './_segment-counts.js'
export { driftMonitor, type DriftHandle, type DriftMonitor, type DriftMonitorOptions, type DriftMonitorState, type InputDriftMonitor, type OutputDriftMonitor, type TypedDriftMonitor } from './drift-monitor.js'

// Streaming detectors: one value at a time, an answer after each.
export { adwin, type AdwinOptions } from './streaming/adwin.js'
export { cusum, type CusumOptions } from './streaming/cusum.js'
export { ddm, type DdmOptions } from './streaming/ddm.js'
export type { Direction } from './streaming/direction.js'
export { eddm, type EddmOptions } from './streaming/eddm.js'
export { numericEDetector, type NumericEDetectorOptions } from './streaming/numeric-e-detector.js'
export { rateEDetector, type RateEDetectorOptions } from './streaming/rate-e-detector.js'
export type { Change, EDetector, Evidence, GuaranteeOptions } from './streaming/e-detector.js'
export { hddmA, type HddmAOptions } from './streaming/hddm-a.js'
export { hddmW, type HddmWOptions } from './streaming/hddm-w.js'
export { kswin, type KswinOptions } from './streaming/kswin.js'
export { pageHinkley, type PageHinkleyOptions } from './streaming/page-hinkley.js'
export type { DetectorOptions, DetectorState, StreamDetector, StreamSignal } from './streaming/stream-detector.js'

// Performance without labels, and with late ones.
export { errorEstimator, type ErrorEstimate, type ErrorEstimator, type ErrorEstimatorOptions, type ErrorEstimatorState, type ErrorFeatures, type LabelledPrediction } from './estimation/error-estimator.js'
export { ErrorWindow, type ErrorWindowState, type PredictedRow } from './estimation/error-window.js'
export { labelTracker, type LabelTracker, type LabelTrackerCounts, type LabelTrackerOptions, type LabelTrackerState, type LateLabelEstimator, type LateLabelWindow, type TrackedWindow } from './estimation/label-tracker.js'
export { performanceEstimator, type LabelledScore, type PerformanceEstimator, type PerformanceEstimatorOptions, type PerformanceEstimatorState } from './estimation/performance-estimator.js'
export type { EstimateState, MetricEstimate, PerformanceEstimate } from './estimation/performance-estimate.js'
export { PerformanceWindow, type PerformanceWindowState } from './estimation/performance-window.js'

// Batch detectors: two samples, one verdict.
export type { BatchDetectorOptions, BatchVerdict, EffectMeasure, ShuffledDetectorOptions } from './batch-detectors/batch-detector.js'
export type { Category, CellOptions, CountedSample, Sample } from './batch-detectors/sample-cells.js'
export { chiSquareDrift, type ChiSquareDriftOptions } from './batch-detectors/chi-square-drift.js'
export { domainClassifierDrift, type DomainClassifierDriftOptions } from './batch-detectors/domain-classifier-drift.js'
export type { EmbeddingOptions, EmbeddingSample } from './batch-detectors/embedding-sample.js'
export { hellingerDrift } from './batch-detectors/hellinger-drift.js'
export { jensenShannonDrift, type DivergenceDriftOptions } from './batch-detectors/jensen-shannon-drift.js'
export { kolmogorovSmirnovDrift } from './batch-detectors/kolmogorov-smirnov-drift.js'
export { mmdDrift, type EmbeddingDriftOptions } from './batch-detectors/mmd-drift.js'
export { pcaReconstructionDrift, type PcaReconstructionDriftOptions } from './batch-detectors/pca-reconstruction-drift.js'
export { populationStabilityDrift } from './batch-detectors/population-stability-drift.js'
export { wassersteinDrift, type WassersteinDriftOptions } from './batch-detectors/wasserstein-drift.js'
