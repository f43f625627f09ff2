/**
 * Experiments in numbers: is the canary worse, is one arm better, are the arms what they should be, what would another policy have earned.
 *
 * Use it to decide about releases and A/B tests at any number of looks. Everything is synchronous, without a clock, and saved as JSON.
 * It assigns nobody (that is `outrigger/route`). Which test when: docs/which-test.md.
 *
 * @experimental
 */
export { averageEvidence } from './average-evidence.js'
export { FailureAttribution, type FailureAttributionOptions, type FailureAttributionState, type UnitFailure } from './failure-attribution.js'
export { SampleRatio, type SampleRatioEpoch, type SampleRatioOptions, type SampleRatioState } from './sample-ratio.js'
export type { EvidenceState } from './_state.js'
