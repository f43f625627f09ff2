/**
 * Several models side by side: `split` sends each unit to one of them, `shadow` lets a candidate see traffic unseen.
 *
 * Use it to release a model by evidence. Which evidence is enough is not decided here yet; see the roadmap.
 */
export { assign, isSampled, layOut } from './assignment.js'
export type { Stretch } from './assignment.js'
export { shadow } from './shadow.js'
export type { ShadowLayer } from './shadow.js'
export type { ShadowCounts, ShadowDropReason } from './shadow-counts.js'
export type { Comparison, ShadowBreakerOptions, ShadowDeadline, ShadowGuardOptions, ShadowOptions } from './shadow-options.js'
export { split } from './split.js'
export type { SplitOptions, SplitPredictor, Variant, VariantInput, VariantOutput } from './split.js'
