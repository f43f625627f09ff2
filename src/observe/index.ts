/**
 * Telemetry: spans and metrics of each call, through `@opentelemetry/api`, which the host installs and sets up.
 *
 * That package is loaded when `observed` is first used. To hear the same in process, use `predictor.observe`.
 */
export { observed } from './observed.js'
export type { ObservedOptions } from './observed.js'
