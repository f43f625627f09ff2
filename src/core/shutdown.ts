/** Draining several predictors when the process is to end. */
import type { Predictor } from './predictor.js'
import { numberOption, optionsObject } from './options.js'
import { systemClock, type Clock } from './clock.js'
import { closeAll } from './close-all.js'

/** Options of {@link shutdown}. */
export interface ShutdownOptions {
  /** All predictors together have this long, in milliseconds. @default 10_000 */
  readonly deadlineMs?: number
  /** @default the machine's */
  readonly clock?: Clock
}

/**
 * Closes predictors one after the other, in the order given: put those that others stand on last. What is left of the
 * deadline after one is what the next one has. Every predictor is closed, whatever the others did.
 *
 * @throws the error of the one that failed, or an `AggregateError` of all that did
 * @example
 * ```ts
 * import { predictor, shutdown } from 'outrigger'
 * const a = predictor((x: number) => x)
 * const b = predictor((x: number) => -x)
 * await shutdown([a, b], { deadlineMs: 1000 })
 * await assert.rejects(a(1), { code: 'ERR_OUTRIGGER_CLOSED' })
 * ```
 */
export const shutdown = async (predictors: readonly Pick<Predictor<never, unknown>, 'close'>[], options: ShutdownOptions = {}): Promise<void> => {
  optionsObject('a shutdown', options, ['deadlineMs', 'clock'])
  const { clock = systemClock } = options
  const end = clock.now() + numberOption('a shutdown', 'deadlineMs', options.deadlineMs ?? 10_000, { min: 0 })
  await closeAll(predictors.map((one) => (given) => one.close(given)), end, clock)
}

/** Whether every predictor can answer now: what a readiness probe asks. */
export const ready = (predictors: readonly Pick<Predictor<never, unknown>, 'ready'>[]): boolean => predictors.every((one) => one.ready())
