/** Options of `circuitBreaker`, and the rule of the state machine that they make. */
import type { Call } from '../core/call.js'
import { functionOption, numberOption, optionsObject, type NumberRange } from '../core/options.js'
import type { BreakerRule } from '../policy/breaker.js'
import { runThatShows } from '../policy/breaker-evidence.js'
import { CallWindow, type WindowKind } from '../policy/breaker-window.js'
import type { AnswerChecks } from './answer-checks.js'
import type { BreakerControl } from './breaker-control.js'
import type { GoldenProbe } from './golden-probe.js'
import type { SlowCalls } from './slow-calls.js'

/** Options of `circuitBreaker`. */
export interface CircuitBreakerOptions {
  /** Opens when the window shows this share of failures; in (0, 1]. @default 0.5 */
  readonly failureRate?: number
  /**
   * How sure it must be that the rate is above `failureRate`, in [0, 1): a few failures of a few calls do not open it then,
   * and no minimum of calls is needed. 0 takes the rate as it is. @default 0.99, or 0 when `minimumCalls` is given
   */
  readonly confidence?: number
  /** Does not open by a rate before so many calls are in the window. @default 1 with a confidence, else 20, or `windowSize` if that is less */
  readonly minimumCalls?: number
  /**
   * Opens when so many calls in a row failed; without a `failureRate` it is the only rule about failures.
   * @default so many that a model at `failureRate` would hardly ever show them, which are 14 at 0.5, or a whole `windowSize`; none without a confidence
   */
  readonly consecutiveFailures?: number
  /** Looks at the last so many calls. @default 100 */
  readonly windowSize?: number
  /** Looks at something else: `timeWindow({ ms: 10_000 })`. */
  readonly window?: WindowKind
  /** Opens when calls become slow: `slowCalls({ factor: 3 })`. @default off */
  readonly slow?: SlowCalls
  /**
   * Whether an error says that the model is unwell.
   * @default errors and timeouts are; what a caller aborted, what was rejected farther in, and invalid inputs are not
   */
  readonly isFailure?: (error: unknown) => boolean
  /** What is wrong with an answer, or `undefined`: a bad answer counts as a failure. See `answerChecks`. */
  readonly isBadAnswer?: AnswerChecks
  /** Gives callers the bad answer too; else they get `ERR_OUTRIGGER_BAD_ANSWER`, so that a fallback answers. @default false */
  readonly passBadAnswers?: boolean
  /** Stays open for so long before it lets probes through, in milliseconds; twice as long each time that it opens again at once. @default 30_000 */
  readonly openForMs?: number
  /** Never stays open for longer. @default 10 times `openForMs` */
  readonly maxOpenForMs?: number
  /** Up to this share of an open time is left off at random, so that processes do not probe together; in [0, 1]. @default 0.2 */
  readonly jitter?: number
  /** So many probes must succeed, and so many may run at once. @default 1 */
  readonly probes?: number
  /** A probe that takes longer has failed, in milliseconds. @default `openForMs` */
  readonly probeTimeoutMs?: number
  /** After the probes: the shares of calls that go through, step by step, as `[0.05, 0.25]`. @default none: it closes */
  readonly ramp?: readonly number[]
  /** So many calls make a step of the ramp. @default 10 */
  readonly rampCalls?: number
  /** Probes in the background with an input whose answer is known, instead of with a caller's: `goldenProbe({ input, accept })`. */
  readonly probe?: never
  /** What has a breaker of its own: each version that a loader or router inside serves, or each name that a function gives. @default 'version' */
  readonly scope?: 'version'
  /** So many breakers are kept; the one that was asked least recently is forgotten. @default 1000 */
  readonly maxScopes?: number
  /** By which it is opened, isolated, reset, saved and restored from outside, or only counts: `breakerControl()`. */
  readonly control?: BreakerControl
}

/** The same with a breaker for each name that a function of the input gives. */
export interface ScopedCircuitBreakerOptions<I> extends Omit<CircuitBreakerOptions, 'scope'> {
  /** What has a breaker of its own: each name that it gives. What it throws is a notice, and a scope of its own. */
  readonly scope: (input: I, call: Call) => string
}

/** The same with hooks that look at inputs or answers. */
export interface TypedCircuitBreakerOptions<I, O> extends Omit<CircuitBreakerOptions, 'isBadAnswer' | 'probe' | 'scope'> {
  /** What is wrong with an answer, or `undefined`: a bad answer counts as a failure. See `answerChecks`. */
  readonly isBadAnswer?: (output: O, input: I) => string | undefined
  /** Probes in the background with an input whose answer is known, instead of with a caller's: `goldenProbe({ input, accept })`. */
  readonly probe?: GoldenProbe<I, O>
  /** What has a breaker of its own: each version that a loader or router inside serves, or each name that the function gives. @default 'version' */
  readonly scope?: 'version' | ((input: I, call: Call) => string)
}

const owner = 'a circuit breaker'
const count = { min: 1, integer: true }
const positive = { min: 0, exclusive: true }
const numbers = {
  failureRate: { ...positive, max: 1 },
  confidence: { min: 0, max: 0.999999 },
  minimumCalls: count,
  consecutiveFailures: { ...count, infinite: true },
  windowSize: { ...count, max: 1_000_000 },
  openForMs: positive,
  maxOpenForMs: positive,
  jitter: { min: 0, max: 1 },
  probes: count,
  probeTimeoutMs: positive,
  rampCalls: count,
  maxScopes: count,
}

/** Checks the options, and gives the rule of the breakers. */
export const breakerRule = <I, O>(options: TypedCircuitBreakerOptions<I, O>): BreakerRule & { readonly maxScopes: number } => {
  optionsObject(owner, options, [...Object.keys(numbers), 'isFailure', 'isBadAnswer', 'passBadAnswers', 'slow', 'window', 'probe', 'scope', 'ramp', 'control'])
  const { slow, probe, scope, ramp = [], minimumCalls, consecutiveFailures } = options
  const number = (name: keyof typeof numbers, otherwise: number, more?: NumberRange): number => numberOption(owner, name, options[name] ?? otherwise, { ...numbers[name], ...more })
  functionOption(owner, 'isFailure', options.isFailure)
  functionOption(owner, 'isBadAnswer', options.isBadAnswer)
  if (scope !== 'version') functionOption(owner, 'scope', scope)
  ramp.reduce((below, share) => numberOption(owner, 'ramp', share, { min: below, max: 1, exclusive: true }), 0)

  const windowSize = number('windowSize', 100)
  const window: WindowKind = options.window ?? { name: `${windowSize} calls`, most: windowSize, create: () => new CallWindow(windowSize) }
  const failureRate = number('failureRate', 0.5)
  const confidence = number('confidence', minimumCalls === undefined ? 0.99 : 0)
  const openForMs = number('openForMs', 30_000)
  return {
    failureRate: consecutiveFailures !== undefined && options.failureRate === undefined ? Infinity : failureRate,
    slowRate: slow?.rate ?? Infinity,
    confidence,
    minimumCalls: number('minimumCalls', confidence > 0 ? 1 : Math.min(20, window.most), { max: window.most }),
    consecutiveFailures: number('consecutiveFailures', confidence > 0 ? Math.min(runThatShows(failureRate, confidence), window.most) : Infinity),
    window,
    openForMs,
    maxOpenForMs: number('maxOpenForMs', 10 * openForMs, { min: openForMs, exclusive: false }),
    jitter: number('jitter', 0.2),
    probes: number('probes', 1),
    probeTimeoutMs: number('probeTimeoutMs', openForMs),
    ramp,
    rampCalls: number('rampCalls', 10),
    probesApart: probe !== undefined,
    maxScopes: number('maxScopes', 1000),
  }
}
