import { numberOption, optionsObject } from '../core/options.js'
import type { WindowKind } from '../policy/breaker-window.js'
import { TimeWindow } from '../policy/time-window.js'

/** Options of {@link timeWindow}. */
export interface TimeWindowOptions {
  /** Looks back on so many milliseconds; at least 10. */
  readonly ms: number
}

/**
 * Lets a `circuitBreaker` look back on the calls of the last so many milliseconds, instead of on the last hundred.
 *
 * Ten buckets, so that it is between nine and ten tenths of `ms`. Costs a clock read per call; sets no timer.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * import { timeWindow } from 'outrigger/resilience'
 * const breaker = circuitBreaker({ window: timeWindow({ ms: 10_000 }), failureRate: 0.2 })
 * const predict = pipe(async (x: number) => x * 2, breaker)
 * assert.equal(await predict(2), 4)
 * assert.equal(breaker.failureRate, 0)
 * ```
 */
export const timeWindow = (options: TimeWindowOptions): WindowKind => {
  optionsObject('a time window', options, ['ms'])
  const ms = numberOption('a time window', 'ms', options.ms, { min: 10 })
  return { name: `${ms} ms`, most: 1_000_000, create: () => new TimeWindow(ms) }
}
