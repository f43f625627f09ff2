/**
 * Why a prediction came out as it did, and whether it would again.
 *
 * Use `replay` before a change goes live, or to see which of last week's answers another version changes; `explain` for one prediction that
 * somebody asks about; `checkpoint` so that both can say where. Not for whether a model is good: labels and `experiment` say that.
 *
 * Stability: experimental.
 */
export { checkpoint } from './checkpoint.js'
export type { CheckpointOptions } from './checkpoint.js'
export type { Difference, ReplayTolerance } from './difference.js'
export type { FirstDifference } from './first-difference.js'
export type { Complete, Fields, InputForm, InputOptions } from './rebuilt-input.js'
export { replay } from './replay.js'
export type { ReplayOptions, ReplayRecords } from './replay.js'
export { ReplayReport } from './replay-report.js'
export type { ReplayCounts, ReplayExample, ReplayField } from './replay-report.js'
export type { ReplayContext, ReplayFactory, ReplaySubject, RerunOptions } from './_rerun.js'
export type { Slice, SliceValue } from './slice-table.js'
export { explain } from './explain.js'
export type { ExplainOptions } from './explain.js'
export { Explanation } from './explanation.js'
export type { StageFinding, StageName } from './explanation.js'
export type { RouteCheck } from './_bound-stages.js'
export type { ExplainSource } from './_found-record.js'
