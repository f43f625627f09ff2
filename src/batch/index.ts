/**
 * Batching: rows that travel together.
 *
 * `microBatched` is for a model that many callers ask for one row each, and that answers a hundred rows in little more
 * time than one: it gathers what comes while the engine is busy. Not for models that answer row by row; it finds out and
 * goes out of the way.
 */
export type { MicroBatchState } from './_batcher.js'
export type { RunTimeFit } from './_run-times.js'
export { microBatched } from './micro-batched.js'
export type { MicroBatchedLayer, MicroBatchedOptions, NeutralMicroBatchedLayer } from './micro-batched.js'
