/**
 * Pure numbers: distributions, two-sample tests from counts, effect sizes, model metrics.
 *
 * Use it to judge two samples or a model's scores in plain Node, without Python: every function is synchronous, has no
 * dependency and states its formula. Not a data-frame library, and not for raw two-sample tests on small samples yet: the tests here take
 * counts over cells, which is what a running service can keep.
 *
 * @experimental
 */
export { auc, aucCounts } from './auc.js'
export { betaCumulative, betaDensity, betaSurvival } from './beta-distribution.js'
export { binomialCumulative, binomialMass, binomialSurvival, type BinomialTrials } from './binomial.js'
export { brierScore } from './brier-score.js'
export { chiSquareHomogeneity, type ChiSquareResult } from './chi-square-homogeneity.js'
export { chiSquareCumulative, chiSquareSurvival } from './chi-square.js'
export { cramersV } from './cramers-v.js'
export { DDSketch, type DDSketchOptions, type DDSketchState, type LogBucketsState } from './ddsketch.js'
export { erf, erfc } from './erf.js'
export { ExactSum, type ExactSumState } from './exact-sum.js'
export { fCumulative, fSurvival, type FDegreesOfFreedom } from './f-distribution.js'
export { fisherExact } from './fisher-exact.js'
export { holm } from './holm.js'
export { HyperLogLog, type HyperLogLogOptions, type HyperLogLogState } from './hyperloglog.js'
export { incompleteBetaLower, incompleteBetaUpper, type BetaShape } from './incomplete-beta.js'
export { gammaP, gammaQ } from './incomplete-gamma.js'
export { jensenShannonDistance, jensenShannonDivergence, type JensenShannonOptions } from './jensen-shannon.js'
export { kolmogorovSmirnovCounts, type KolmogorovSmirnovResult } from './kolmogorov-smirnov.js'
export { kolmogorovCumulative, kolmogorovSurvival } from './kolmogorov.js'
export { logGamma } from './log-gamma.js'
export { logLoss } from './log-loss.js'
export { mergedCounts, mergeSparseCells, type MergeCellsOptions } from './merge-cells.js'
export { Moments, type MomentsState } from './moments.js'
export { normalCumulative, normalDensity, normalQuantile, normalSurvival } from './normal.js'
export { poissonCumulative, poissonMass, poissonSurvival } from './poisson.js'
export { populationStability } from './population-stability.js'
export { Reservoir, type Drawn, type ReservoirOptions, type ReservoirState } from './reservoir.js'
export { SpaceSaving, type HeavyHitter, type SpaceSavingOptions, type SpaceSavingState } from './space-saving.js'
export { studentTCumulative, studentTSurvival } from './student-t.js'
export { totalVariation } from './total-variation.js'
export { wassersteinCounts, type WassersteinOptions } from './wasserstein.js'
