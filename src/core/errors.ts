/**
 * The errors of outrigger. Recognise one by its `code`; `instanceof` fails across two copies of a package.
 *
 * What each code means is in `error-table.ts`, from which `docs/errors.md` is generated; the texts stand apart so that
 * a service does not load them.
 *
 * Messages read "Cannot <action> as <constraint>: current value is <v>".
 */
import { isNativeError } from 'node:util/types'

/** How a call ended, as records and metrics say it. */
export type Outcome = 'ok' | 'error' | 'timeout' | 'rejected' | 'aborted'

interface ErrorSpec {
  /** The `name` of the error. */
  readonly name: string
  /** The outcome of a call that ends with it. */
  readonly outcome: Exclude<Outcome, 'ok'>
}

const spec = (name: string, outcome: ErrorSpec['outcome'] = 'error'): ErrorSpec => ({ name, outcome })

/** A stable error code of outrigger. */
export type ErrorCode =
  | 'ERR_OUTRIGGER_INVALID_OPTION'
  | 'ERR_OUTRIGGER_INVALID_INPUT'
  | 'ERR_OUTRIGGER_UNFIT_INPUT'
  | 'ERR_OUTRIGGER_MODEL_FAILED'
  | 'ERR_OUTRIGGER_ROW_COUNT'
  | 'ERR_OUTRIGGER_BATCH'
  | 'ERR_OUTRIGGER_ABORTED'
  | 'ERR_OUTRIGGER_TIMEOUT'
  | 'ERR_OUTRIGGER_CLOSED'
  | 'ERR_OUTRIGGER_CLOSE_TIMEOUT'
  | 'ERR_OUTRIGGER_CIRCUIT_OPEN'
  | 'ERR_OUTRIGGER_BULKHEAD_FULL'
  | 'ERR_OUTRIGGER_OVERLOADED'
  | 'ERR_OUTRIGGER_RATE_LIMITED'
  | 'ERR_OUTRIGGER_QUEUE_FULL'
  | 'ERR_OUTRIGGER_BAD_ANSWER'
  | 'ERR_OUTRIGGER_TOO_FEW_ANSWERS'
  | 'ERR_OUTRIGGER_FALLBACK_EXHAUSTED'
  | 'ERR_OUTRIGGER_UNCACHEABLE'
  | 'ERR_OUTRIGGER_STORE_FAILED'
  | 'ERR_OUTRIGGER_JOB'
  | 'ERR_OUTRIGGER_UNROUTABLE'
  | 'ERR_OUTRIGGER_PROFILE'
  | 'ERR_OUTRIGGER_TOO_FEW_ROWS'
  | 'ERR_OUTRIGGER_ROLLOUT'
  | 'ERR_OUTRIGGER_MODEL_NOT_FOUND'
  | 'ERR_OUTRIGGER_MODEL_EXISTS'
  | 'ERR_OUTRIGGER_MODEL_CORRUPT'
  | 'ERR_OUTRIGGER_MODEL_REFUSED'
  | 'ERR_OUTRIGGER_MODEL_UNAVAILABLE'
  | 'ERR_OUTRIGGER_ALIAS_CONFLICT'
  | 'ERR_OUTRIGGER_MODEL_IN_USE'
  | 'ERR_OUTRIGGER_MODEL_UNTRUSTED'
  | 'ERR_OUTRIGGER_MODEL_TOO_LARGE'
  | 'ERR_OUTRIGGER_ENGINE_UNKNOWN'
  | 'ERR_OUTRIGGER_ENGINE_FAILED'
  | 'ERR_OUTRIGGER_ENGINE_CRASHED'
  | 'ERR_OUTRIGGER_SOURCE_FAILED'
  | 'ERR_OUTRIGGER_MEMORY_BUDGET'
  | 'ERR_OUTRIGGER_PEER_MISSING'
  | 'ERR_OUTRIGGER_INJECTED'

/** Code → name and outcome. When each is thrown and what to do about it is in `error-table.ts`. */
export const errorSpecs: Readonly<Record<ErrorCode, ErrorSpec>> = {
  ERR_OUTRIGGER_INVALID_OPTION: spec('InvalidOptionError'),
  ERR_OUTRIGGER_INVALID_INPUT: spec('InvalidInputError'),
  ERR_OUTRIGGER_UNFIT_INPUT: spec('UnfitInputError', 'rejected'),
  ERR_OUTRIGGER_MODEL_FAILED: spec('ModelError'),
  ERR_OUTRIGGER_ROW_COUNT: spec('RowCountError'),
  ERR_OUTRIGGER_BATCH: spec('BatchPredictionError'),
  ERR_OUTRIGGER_ABORTED: spec('AbortError', 'aborted'),
  ERR_OUTRIGGER_TIMEOUT: spec('TimeoutError', 'timeout'),
  ERR_OUTRIGGER_CLOSED: spec('ClosedError', 'rejected'),
  ERR_OUTRIGGER_CLOSE_TIMEOUT: spec('CloseTimeoutError'),
  ERR_OUTRIGGER_CIRCUIT_OPEN: spec('CircuitOpenError', 'rejected'),
  ERR_OUTRIGGER_BULKHEAD_FULL: spec('BulkheadFullError', 'rejected'),
  ERR_OUTRIGGER_OVERLOADED: spec('OverloadedError', 'rejected'),
  ERR_OUTRIGGER_RATE_LIMITED: spec('RateLimitedError', 'rejected'),
  ERR_OUTRIGGER_QUEUE_FULL: spec('QueueFullError', 'rejected'),
  ERR_OUTRIGGER_BAD_ANSWER: spec('BadAnswerError'),
  ERR_OUTRIGGER_TOO_FEW_ANSWERS: spec('TooFewAnswersError'),
  ERR_OUTRIGGER_FALLBACK_EXHAUSTED: spec('FallbackExhaustedError'),
  ERR_OUTRIGGER_UNCACHEABLE: spec('UncacheableError'),
  ERR_OUTRIGGER_STORE_FAILED: spec('StoreError'),
  ERR_OUTRIGGER_JOB: spec('JobError'),
  ERR_OUTRIGGER_UNROUTABLE: spec('UnroutableError'),
  ERR_OUTRIGGER_PROFILE: spec('ProfileError'),
  ERR_OUTRIGGER_TOO_FEW_ROWS: spec('TooFewRowsError'),
  ERR_OUTRIGGER_ROLLOUT: spec('RolloutError'),
  ERR_OUTRIGGER_MODEL_NOT_FOUND: spec('ModelNotFoundError'),
  ERR_OUTRIGGER_MODEL_EXISTS: spec('ModelExistsError'),
  ERR_OUTRIGGER_MODEL_CORRUPT: spec('ModelCorruptError'),
  ERR_OUTRIGGER_MODEL_REFUSED: spec('ModelRefusedError'),
  ERR_OUTRIGGER_MODEL_UNAVAILABLE: spec('ModelUnavailableError', 'rejected'),
  ERR_OUTRIGGER_ALIAS_CONFLICT: spec('AliasConflictError'),
  ERR_OUTRIGGER_MODEL_IN_USE: spec('ModelInUseError'),
  ERR_OUTRIGGER_MODEL_UNTRUSTED: spec('ModelUntrustedError'),
  ERR_OUTRIGGER_MODEL_TOO_LARGE: spec('ModelTooLargeError'),
  ERR_OUTRIGGER_ENGINE_UNKNOWN: spec('EngineUnknownError'),
  ERR_OUTRIGGER_ENGINE_FAILED: spec('EngineFailedError'),
  ERR_OUTRIGGER_ENGINE_CRASHED: spec('EngineCrashedError'),
  ERR_OUTRIGGER_SOURCE_FAILED: spec('SourceFailedError'),
  ERR_OUTRIGGER_MEMORY_BUDGET: spec('MemoryBudgetError', 'rejected'),
  ERR_OUTRIGGER_PEER_MISSING: spec('PeerMissingError'),
  ERR_OUTRIGGER_INJECTED: spec('InjectedFaultError'),
}

/** Data of an error: its cause, and fields that depend on the code. */
export interface ErrorData {
  readonly cause?: unknown
  readonly [field: string]: unknown
}

/**
 * The base of every error of outrigger.
 *
 * @example
 * ```ts
 * import { isOutriggerError, pipe, timeout } from 'outrigger'
 * const predict = pipe((x: number) => new Promise<number>(() => {}), timeout({ ms: 5 }))
 * const error = await predict(1).catch((thrown: unknown) => thrown)
 * assert.equal(isOutriggerError(error) && error.code, 'ERR_OUTRIGGER_TIMEOUT')
 * ```
 */
export class OutriggerError extends Error {
  override readonly name: string
  /** The stable code; see `docs/errors.md`. */
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, data?: ErrorData) {
    super(message)
    this.code = code
    this.name = errorSpecs[code].name
    if (data !== undefined) {
      const { cause, ...fields } = data
      if ('cause' in data) Object.defineProperty(this, 'cause', { value: cause, writable: true, configurable: true, enumerable: false })
      Object.assign(this, fields)
    }
  }
}

let mayLimitStack = true

/**
 * An error that is made often when a service is in trouble (an open circuit, a full queue): without a stack, which
 * would cost several times all the rest, just when there is no time to lose. Its message says where it is from.
 */
export const rejection = (code: ErrorCode, message: string, data?: ErrorData): OutriggerError => {
  const { stackTraceLimit } = Error
  if (mayLimitStack) {
    try {
      Error.stackTraceLimit = 0
    } catch {
      // A host that froze its intrinsics pays for the stack.
      mayLimitStack = false
    }
  }
  const error = new OutriggerError(code, message, data)
  if (mayLimitStack) Error.stackTraceLimit = stackTraceLimit
  return error
}

/** A mistake in the code that uses outrigger: a wrong option. It is a `TypeError`, and carries a code as well. */
export class InvalidOptionError extends TypeError {
  override readonly name = 'InvalidOptionError'
  readonly code = 'ERR_OUTRIGGER_INVALID_OPTION'
}

/** An option is of the right type, but out of its range. */
export class OptionRangeError extends RangeError {
  override readonly name = 'InvalidOptionError'
  readonly code = 'ERR_OUTRIGGER_INVALID_OPTION'
}

/** Whether something is an error, also one of another realm (Jest runs tests in one). */
export const isError = (thrown: unknown): thrown is Error => thrown instanceof Error || isNativeError(thrown)

/** Whether a thrown value is an error of outrigger, told by its code. */
export const isOutriggerError = (error: unknown): error is Error & { readonly code: ErrorCode } =>
  isError(error) && 'code' in error && typeof error.code === 'string' && Object.hasOwn(errorSpecs, error.code)

/** Whether a thrown value carries this code of outrigger. */
export const hasCode = (error: unknown, code: ErrorCode): boolean => isOutriggerError(error) && error.code === code

/** How a call that ended with this error is counted. */
export const outcomeOf = (error: unknown): Exclude<Outcome, 'ok'> =>
  isOutriggerError(error) ? errorSpecs[error.code].outcome : 'error'
