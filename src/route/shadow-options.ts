/** Options of `shadow`, and what they come to. */
import { InvalidOptionError } from '../core/errors.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption, type NumberRange } from '../core/options.js'
import type { BreakerRule } from '../policy/breaker.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { breakerRule, type CircuitBreakerOptions } from '../resilience/circuit-breaker-options.js'
import type { EventLoopMonitor } from '../resilience/event-loop.js'
import { outputComparison, type OutputComparison } from './comparison/output-comparison.js'

/** One row that both models have answered. */
export interface Comparison<I, O, C> {
  readonly id: string
  readonly input: I
  readonly primary: O
  readonly candidate: C
  /** How long each took, in milliseconds; for a row of a batch, the run. */
  readonly primaryMs: number
  readonly candidateMs: number
}

/** How long the candidate may take, by what the primary takes: `factor` times the 99th percentile of its sampled calls. */
export interface ShadowDeadline {
  /** @default 10 */
  readonly factor?: number
  /** Never less, in milliseconds. @default 1000 */
  readonly minMs?: number
  /** Never more, and the limit until 20 calls of the primary were seen, in milliseconds. @default 10_000 */
  readonly maxMs?: number
}

/** What the candidate may take of the main thread. */
export interface ShadowGuardOptions {
  /** Pauses when what is ready in the event loop waits longer than this on average, in milliseconds; runs again below half of it. @default 20 */
  readonly maxLagMs?: number
  /**
   * The share of the main thread's time, in (0, 1]; 1 is no limit. A run that holds the thread for longer than a tenth of the primary's
   * 99th percentile (at least 1 ms) counts as many times as it is longer. @default 0.05
   */
  readonly maxShare?: number
  /** @default the event loop of this thread, looked at four times a second while rows are sampled */
  readonly monitor?: EventLoopMonitor
}

/** When failures of the candidate stop it, as those of `circuitBreaker`. */
export type ShadowBreakerOptions = Pick<CircuitBreakerOptions, 'failureRate' | 'confidence' | 'minimumCalls' | 'consecutiveFailures' | 'windowSize' | 'openForMs' | 'maxOpenForMs' | 'jitter' | 'probes' | 'probeTimeoutMs'>

/** Options of `shadow`. */
export interface ShadowOptions<I, O, C> {
  /** The share of calls that the candidate sees too, in [0, 1]; by the call's `key` where it has one. @default 1 */
  readonly rate?: number
  /** So many runs of the candidate at once; what comes beyond is dropped and counted. @default 8 */
  readonly concurrency?: number
  /** So many runs wait for a place before rows are dropped. @default 0 */
  readonly queue?: number
  /** Inputs and answers that are kept for runs may take so many bytes, roughly; what comes beyond is dropped and counted. @default 67_108_864 */
  readonly maxBytes?: number
  /** A run of the candidate is given up after so long, in milliseconds. @default by `deadline` */
  readonly timeoutMs?: number
  /** The same by what the primary takes. */
  readonly deadline?: ShadowDeadline
  /** Stops the candidate for a while when it fails: 30 s at first, when more than half of the runs fail. `false` for never. */
  readonly breaker?: ShadowBreakerOptions | false
  /** Stops the candidate when the main thread is busy. `false` for never, where nobody waits or the candidate computes elsewhere and lag is no sign. */
  readonly guard?: ShadowGuardOptions | false
  /**
   * Whether two answers agree.
   * @default as `comparison` says: equal, numbers within 1e-6 relative or absolute
   */
  readonly agree?: (primary: O, candidate: C) => boolean
  /** Where answers are compared: `outputComparison({ tolerance: { absolute: 0.01 } })`, or one that was restored. */
  readonly comparison?: OutputComparison<O, C>
  /** Hears every row that both have answered. */
  readonly onCompared?: (comparison: Comparison<I, O, C>) => void
  /** The service's budget of extra work; a run that it does not allow is dropped and counted. @default no limit but the others */
  readonly budget?: ExtraWorkBudget
  /** Separates samples of several shadows. @default 'shadow' */
  readonly name?: string
}

const owner = 'a shadow'
const names = ['rate', 'concurrency', 'queue', 'maxBytes', 'timeoutMs', 'deadline', 'breaker', 'guard', 'agree', 'comparison', 'onCompared', 'budget', 'name']
const positive: NumberRange = { min: 0, exclusive: true }

/** A share, or a coded error. */
export const rateOption = (rate: unknown): number => numberOption(owner, 'rate', rate, { min: 0, max: 1 })

/** Options that were checked, with their defaults. */
export interface ShadowSettings<I, O, C> extends Required<Pick<ShadowOptions<I, O, C>, 'rate' | 'concurrency' | 'queue' | 'maxBytes' | 'name'>> {
  readonly timeoutMs: number | undefined
  readonly deadline: Required<ShadowDeadline>
  readonly breaker: BreakerRule | undefined
  readonly guard: (Required<Omit<ShadowGuardOptions, 'monitor'>> & Pick<ShadowGuardOptions, 'monitor'>) | undefined
  readonly comparison: OutputComparison<O, C>
  readonly onCompared: ShadowOptions<I, O, C>['onCompared']
  readonly budget: ExtraWorkBudget | undefined
}

export const shadowSettings = <I, O, C>(options: ShadowOptions<I, O, C>): ShadowSettings<I, O, C> => {
  optionsObject(owner, options, names)
  const { deadline = {}, guard = {}, breaker = {}, budget, comparison } = options
  const agree = functionOption(owner, 'agree', options.agree)
  if (comparison !== undefined && agree !== undefined) throw new InvalidOptionError('Cannot create a shadow as `agree` is an option of the comparison where one is given: current value has both')
  optionsObject('the deadline of a shadow', deadline, ['factor', 'minMs', 'maxMs'])
  const minMs = numberOption(owner, 'deadline.minMs', deadline.minMs ?? 1000, positive)
  if (guard !== false) optionsObject('the guard of a shadow', guard, ['maxLagMs', 'maxShare', 'monitor'])
  return {
    rate: rateOption(options.rate ?? 1),
    concurrency: numberOption(owner, 'concurrency', options.concurrency ?? 8, { min: 1, integer: true }),
    queue: numberOption(owner, 'queue', options.queue ?? 0, { min: 0, max: 10_000, integer: true }),
    maxBytes: numberOption(owner, 'maxBytes', options.maxBytes ?? 2 ** 26, { ...positive, infinite: true }),
    timeoutMs: options.timeoutMs === undefined ? undefined : numberOption(owner, 'timeoutMs', options.timeoutMs, positive),
    deadline: {
      factor: numberOption(owner, 'deadline.factor', deadline.factor ?? 10, positive),
      minMs,
      maxMs: numberOption(owner, 'deadline.maxMs', deadline.maxMs ?? Math.max(10_000, minMs), { min: minMs, max: 2 ** 31 - 1 }),
    },
    breaker: breaker === false ? undefined : breakerRule(breaker),
    guard:
      guard === false
        ? undefined
        : {
            maxLagMs: numberOption(owner, 'guard.maxLagMs', guard.maxLagMs ?? 20, { ...positive, infinite: true }),
            maxShare: numberOption(owner, 'guard.maxShare', guard.maxShare ?? 0.05, { ...positive, max: 1 }),
            ...(guard.monitor === undefined ? {} : { monitor: membersOption(owner, 'guard.monitor', guard.monitor, ['delayMs', 'close']) }),
          },
    comparison: comparison === undefined ? outputComparison(agree === undefined ? {} : { agree }) : membersOption(owner, 'comparison', comparison, ['add', 'addFailure', 'addDropped', 'useSchema']),
    onCompared: functionOption(owner, 'onCompared', options.onCompared),
    budget: budget === undefined ? undefined : membersOption(owner, 'budget', budget, ['meter']),
    name: stringOption(owner, 'name', options.name ?? 'shadow'),
  }
}
