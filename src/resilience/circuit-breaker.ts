import { systemClock, type Clock } from '../core/clock.js'
import { hasCode, outcomeOf, rejection, type OutriggerError } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { failRows, isRowFailure, type Row, type RowFailure } from '../core/rows.js'
import { Breaker, rejected, type BreakerSnapshot, type BreakerState } from '../policy/breaker.js'
import { guarded } from './_guarded.js'

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Opens when at least this share of the window failed; in (0, 1]. @default 0.5 */
  readonly failureRate?: number
  /** Does not open before so many calls are in the window. @default 20 */
  readonly minimumCalls?: number
  /** Looks at the last so many calls. @default 100 */
  readonly windowSize?: number
  /** Stays open for so long before it lets probes through, in milliseconds. @default 30_000 */
  readonly openForMs?: number
  /** So many probes must succeed before it closes. @default 1 */
  readonly probes?: number
  /**
   * Whether an error says that the model is unwell.
   * @default errors and timeouts are; what a caller aborted, what was rejected farther in, and invalid inputs are not
   */
  readonly isFailure?: (error: unknown) => boolean
}

/** The layer, and the handle of its breaker. Put around several predictors, it is one breaker for all of them. */
export interface CircuitBreakerLayer extends NeutralLayer {
  readonly state: BreakerState
  /** The share of failures in the window. */
  readonly failureRate: number
  /** What a later process can `restore`. */
  export(): BreakerSnapshot
  restore(snapshot: BreakerSnapshot): void
}

const known = ['failureRate', 'minimumCalls', 'windowSize', 'openForMs', 'probes', 'isFailure'] as const

/**
 * Stops calling a model that fails, and tries again later with a few calls.
 *
 * While it is open every call is rejected with `ERR_OUTRIGGER_CIRCUIT_OPEN` at once; put a `fallback` outside. After
 * `openForMs` it is half-open: up to `probes` calls go through, everybody else is rejected and waits for nobody. When
 * the probes succeed it closes, when one fails it opens again; a probe that never ends is given up after `openForMs`.
 *
 * In a batch a run that fails as a whole is one failure, and a run in which every row succeeds is one success; when
 * only some rows fail, each row counts, and they are judged together. While half-open a batch is one probe.
 *
 * Each change is a `state` event. A call costs O(1) at any traffic, and the clock is read only while it is not closed.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * const breaker = circuitBreaker({ minimumCalls: 2, windowSize: 2 })
 * const predict = pipe(async (x: number): Promise<number> => { throw new Error('down') }, breaker)
 * await assert.rejects(predict(1), /down/)
 * await assert.rejects(predict(2), /down/)
 * await assert.rejects(predict(3), { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
 * assert.equal(breaker.state, 'open')
 * ```
 */
export const circuitBreaker = (options: CircuitBreakerOptions = {}): CircuitBreakerLayer => {
  optionsObject('a circuit breaker', options, known)
  const windowSize = numberOption('a circuit breaker', 'windowSize', options.windowSize ?? 100, { min: 1, max: 1_000_000, integer: true })
  const rule = {
    failureRate: numberOption('a circuit breaker', 'failureRate', options.failureRate ?? 0.5, { min: 0, max: 1, exclusive: true }),
    minimumCalls: numberOption('a circuit breaker', 'minimumCalls', options.minimumCalls ?? Math.min(20, windowSize), { min: 1, max: windowSize, integer: true }),
    windowSize,
    openForMs: numberOption('a circuit breaker', 'openForMs', options.openForMs ?? 30_000, { min: 0, exclusive: true }),
    probes: numberOption('a circuit breaker', 'probes', options.probes ?? 1, { min: 1, integer: true }),
  }
  const given = functionOption('a circuit breaker', 'isFailure', options.isFailure)
  const hosts = new Set<{ readonly emit: (change: { from: BreakerState; to: BreakerState; reason: string }) => void }>()
  const breaker = new Breaker(rule, (change) => {
    for (const host of hosts) host.emit(change)
  })
  let clock: Clock = systemClock

  const open = (): OutriggerError => {
    const retryAfterMs = breaker.retryAfterMs(clock.now())
    return rejection('ERR_OUTRIGGER_CIRCUIT_OPEN', `Cannot call the model as its circuit breaker lets no call through: current value of its state is ${breaker.state}`, { retryAfterMs })
  }

  const wrap: NeutralLayer = (inner) =>
    applyGuard(inner, 'circuit-breaker', (host) => {
      clock = host.clock
      const isFailure = guarded(host, 'isFailure', given, saysUnwell)
      const now = (): number => host.clock.now()
      const listener = {
        emit: ({ from, to, reason }: { from: BreakerState; to: BreakerState; reason: string }) =>
          host.emit({ type: 'state', subject: inner.identity.name, from, to, reason, data: { failureRate: breaker.failureRate } }),
      }
      hosts.add(listener)
      const tell = (permit: number, error: unknown): void => {
        if (isFailure(error)) breaker.fail(permit, now)
        else breaker.ignore(permit)
      }
      return {
        traits: { countsFailures: true },
        describe: () => `circuit-breaker ${breaker.state}, opens at ${rule.failureRate * 100} % of ${rule.windowSize}`,
        guard: {
          // What the breaker gives for no permit is what says so to the fused function.
          enter: () => breaker.acquire(now),
          refusal: open,
          pass: (permit, output) => {
            breaker.succeed(permit)
            return output
          },
          fail: tell,
        },
        many: async (next, inputs, batch) => {
          const permit = breaker.acquire(now)
          if (permit === rejected) return failRows(inputs.length, open())
          const rows = await next(inputs, batch)
          breaker.settle(permit, outcomesOf(rows, isFailure), now)
          return rows
        },
        close: () => void hosts.delete(listener),
      }
    })
  return Object.defineProperties(wrap, {
    state: { get: () => breaker.state, enumerable: true },
    failureRate: { get: () => breaker.failureRate, enumerable: true },
    export: { value: () => breaker.export(clock.now()) },
    restore: { value: (snapshot: BreakerSnapshot) => breaker.restore(snapshot, clock.now()) },
  }) as CircuitBreakerLayer
}

const saysUnwell = (error: unknown): boolean => {
  const outcome = outcomeOf(error)
  return (outcome === 'error' || outcome === 'timeout') && !hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT')
}

/** What a run says: 0 when every row succeeded, else one outcome per row. Rows that failed together are one failure. */
const outcomesOf = <O>(rows: readonly Row<O>[], isFailure: (error: unknown) => boolean): readonly (0 | 1)[] => {
  const failures = new Set<RowFailure>()
  const outcomes: (0 | 1)[] = []
  for (const row of rows) {
    if (!isRowFailure(row)) outcomes.push(0)
    else if (!failures.has(row)) {
      failures.add(row)
      if (isFailure(row.error)) outcomes.push(1)
    }
  }
  return failures.size === 0 ? [0] : outcomes
}
