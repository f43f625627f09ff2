import { numberOption, optionsObject } from '../core/options.js'
import { SlowBaseline } from '../policy/slow-baseline.js'

/** Options of {@link slowCalls}. */
export interface SlowCallsOptions {
  /** Slow is what takes longer than so many times the median of healthy calls of its size. @default 3 */
  readonly factor?: number
  /** And at least so long, in milliseconds. @default 20 */
  readonly minimumMs?: number
  /** Opens when the window shows this share of slow calls; in (0, 1]. @default 0.5 */
  readonly rate?: number
}

/** What a circuit breaker makes of call times. */
export interface SlowCalls {
  readonly rate: number
  create(): SlowBaseline
}

/**
 * Lets a `circuitBreaker` open when calls become slow, against what it has learned of the model itself.
 *
 * The median is learned per size of the run (1 row, 2 to 3, 4 to 7…), so that a batch of 100 is not slow for being a batch,
 * from calls that are well, not slow, and of a breaker that is closed. Before twenty such calls nothing is slow. The time is that
 * from the breaker to the answer, with whatever waits inside. Costs two clock reads per call.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * import { slowCalls } from 'outrigger/resilience'
 * const breaker = circuitBreaker({ slow: slowCalls({ factor: 5, minimumMs: 50 }) })
 * const predict = pipe(async (x: number) => x * 2, breaker)
 * await predict(2)
 * assert.equal(breaker.state, 'closed')
 * ```
 */
export const slowCalls = (options: SlowCallsOptions = {}): SlowCalls => {
  const owner = 'a rule of slow calls'
  optionsObject(owner, options, ['factor', 'minimumMs', 'rate'])
  const rule = { factor: numberOption(owner, 'factor', options.factor ?? 3, { min: 1 }), minimumMs: numberOption(owner, 'minimumMs', options.minimumMs ?? 20, { min: 0 }) }
  return { rate: numberOption(owner, 'rate', options.rate ?? 0.5, { min: 0, max: 1, exclusive: true }), create: () => new SlowBaseline(rule) }
}
