/**
 * Putting predictors together: pre- and post-processing that belongs to the model.
 *
 * Use it where the model's own inputs differ from what callers have. What only the transport needs (JSON, HTTP) is the
 * host's work.
 */
export { mapInput } from './map-input.js'
export { mapOutput } from './map-output.js'
