/**
 * Several models side by side: `split` sends each unit to one of them, `shadow` lets a candidate see traffic unseen.
 *
 * Use it to release a model by evidence. Which evidence is enough is not decided here yet; see the roadmap.
 */
export { assigner } from './assigner.js'
export type { Assigner, AssignerOptions, Epoch, EpochOptions, Forced } from './assigner.js'
export { assign, isSampled, layOut } from './assignment.js'
export type { Stretch } from './assignment.js'
export { bandit } from './bandit/bandit.js'
export type { Bandit, BanditCounts, BanditOptions, BanditState, Weighed } from './bandit/bandit.js'
export type { ArmStatistics, BanditPolicy } from './bandit/bandit-policy.js'
export { epsilonGreedy, type EpsilonGreedyOptions } from './bandit/epsilon-greedy.js'
export { thompson, type ThompsonOptions } from './bandit/thompson.js'
export { upperConfidenceBound, type UpperConfidenceBoundOptions } from './bandit/upper-confidence-bound.js'
export { experimentNamespace } from './experiment-namespace.js'
export type { ExperimentNamespace, ExperimentNamespaceOptions } from './experiment-namespace.js'
export { growthBookAssignment, growthBookHash, growthBookRanges, growthBookResult, growthBookVariation, inGrowthBookNamespace } from './growthbook.js'
export type { GrowthBookAssignmentOptions, GrowthBookExperiment, GrowthBookRange, GrowthBookResult, GrowthBookStickyDoc, GrowthBookStickyDocs } from './growthbook.js'
export { shadow } from './shadow.js'
export type { ShadowLayer } from './shadow.js'
export type { ShadowCounts, ShadowDropReason } from './shadow-counts.js'
export type { Comparison, ShadowBreakerOptions, ShadowDeadline, ShadowGuardOptions, ShadowOptions } from './shadow-options.js'
export type { StickyCounts, StickyOptions } from './_sticky-choices.js'
export { memoryStickyStore, redisStickyStore } from './sticky-store.js'
export type { RedisStickyStoreOptions, StickyStore } from './sticky-store.js'
export { split } from './split.js'
export type { Assigned, AssignedSplitOptions, Assignment, HashSplitOptions, SplitBaseOptions, SplitOptions, SplitPredictor, Variant, VariantInput, VariantOutput } from './split.js'
