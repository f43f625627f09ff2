/**
 * Putting predictors together: pre- and post-processing that belongs to the model, and one predictor of several.
 *
 * Use it where the model's own inputs differ from what callers have, where several models answer together, or a large
 * one is worth its price only for some rows. What only the transport needs (JSON, HTTP) is the host's work.
 */
export { cascade } from './cascade.js'
export type { CascadeCounts, CascadeOptions, CascadePredictor } from './cascade.js'
export type { Label } from './_combine.js'
export { ensemble } from './ensemble.js'
export type { Combine, EnsembleCounts, EnsembleOptions, EnsemblePredictor, MemberAnswer } from './ensemble.js'
export { mapInput } from './map-input.js'
export { mapOutput } from './map-output.js'
