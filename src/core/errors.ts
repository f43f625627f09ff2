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
  | 'ERR_OUTRIGGER_ALERT_FAILED'
  | 'ERR_OUTRIGGER_INJECTED'

/** The codes without their prefix, by the outcome of a call that ends with them. */
const codes: Readonly<Record<ErrorSpec['outcome'], string>> = {
  error: 'INVALID_OPTION INVALID_INPUT MODEL_FAILED ROW_COUNT BATCH CLOSE_TIMEOUT BAD_ANSWER TOO_FEW_ANSWERS FALLBACK_EXHAUSTED UNCACHEABLE STORE_FAILED JOB UNROUTABLE PROFILE TOO_FEW_ROWS ROLLOUT MODEL_NOT_FOUND MODEL_EXISTS MODEL_CORRUPT MODEL_REFUSED ALIAS_CONFLICT MODEL_IN_USE MODEL_UNTRUSTED MODEL_TOO_LARGE ENGINE_UNKNOWN ENGINE_FAILED ENGINE_CRASHED SOURCE_FAILED PEER_MISSING ALERT_FAILED INJECTED',
  rejected: 'UNFIT_INPUT CLOSED CIRCUIT_OPEN BULKHEAD_FULL OVERLOADED RATE_LIMITED QUEUE_FULL MODEL_UNAVAILABLE MEMORY_BUDGET',
  aborted: 'ABORTED',
  timeout: 'TIMEOUT',
}

/** Names that are not the code's own words. */
const otherNames: Readonly<Record<string, string>> = { MODEL_FAILED: 'ModelError', BATCH: 'BatchPredictionError', ABORTED: 'AbortError', STORE_FAILED: 'StoreError', INJECTED: 'InjectedFaultError' }

const nameOf = (code: string): string => otherNames[code] ?? `${code.replaceAll(/_?(.)([A-Z]*)/g, (_, first: string, rest: string) => first + rest.toLowerCase())}Error`

/** Code → name and outcome. When each is thrown and what to do about it is in `error-table.ts`. */
export const errorSpecs = Object.fromEntries(
  Object.entries(codes).flatMap(([outcome, list]) => list.split(' ').map((code) => [`ERR_OUTRIGGER_${code}`, { name: nameOf(code), outcome }])),
) as Readonly<Record<ErrorCode, ErrorSpec>>

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
