/**
 * Every error of outrigger, in one table.
 *
 * The table is the source: the classes below read their `name` and their outcome from it, and `docs/errors.md` is
 * generated from it. Recognise an error by its `code`; `instanceof` fails across two copies of a package.
 *
 * Messages read "Cannot <action> as <constraint>: current value is <v>".
 */

/** How a call ended, as records and metrics say it. */
export type Outcome = 'ok' | 'error' | 'timeout' | 'rejected' | 'aborted'

interface ErrorSpec {
  /** The class that carries the code, and the error's `name`. */
  readonly name: string
  /** The outcome of a call that ends with it. */
  readonly outcome: Exclude<Outcome, 'ok'>
  /** When it is thrown. */
  readonly when: string
  /** What the reader should do about it. */
  readonly fix: string
}

/** Code → what it means. `docs/errors.md` is generated from this table. */
export const errorTable = {
  ERR_OUTRIGGER_INVALID_OPTION: {
    name: 'InvalidOptionError',
    outcome: 'error',
    when: 'An option of a layer, a store or a call is missing, of the wrong type or out of its range. Thrown at construction.',
    fix: 'Correct the option that the message names. It is a mistake in the code, not in the data.',
  },
  ERR_OUTRIGGER_INVALID_INPUT: {
    name: 'InvalidInputError',
    outcome: 'error',
    when: 'An input does not fit what the model or a layer declares: a wrong shape, a value that cannot be keyed, a missing feature.',
    fix: 'Correct the input, or put a layer that repairs or rejects such rows in front.',
  },
  ERR_OUTRIGGER_MODEL_FAILED: {
    name: 'ModelError',
    outcome: 'error',
    when: 'The model threw or rejected with something that is not an `Error` (a string, `undefined`). The thing itself is in `cause`.',
    fix: 'Look at `cause`; let the model throw real errors.',
  },
  ERR_OUTRIGGER_ROW_COUNT: {
    name: 'RowCountError',
    outcome: 'error',
    when: '`predictBatch` (or a layer) gave back another number of rows than it was given, or something that is not an array.',
    fix: 'Return exactly one output per input, in the order of the inputs.',
  },
  ERR_OUTRIGGER_BATCH: {
    name: 'BatchPredictionError',
    outcome: 'error',
    when: 'At least one row of a `batch` call failed. `results` holds the outcome of every row, also of those that did not fail.',
    fix: 'Read `results`, or call `detailedBatch`, which never rejects for a row.',
  },
  ERR_OUTRIGGER_ABORTED: {
    name: 'AbortError',
    outcome: 'aborted',
    when: 'The caller aborted the call by its signal. The signal\'s reason is in `cause`.',
    fix: 'Nothing: the caller asked for it.',
  },
  ERR_OUTRIGGER_TIMEOUT: {
    name: 'TimeoutError',
    outcome: 'timeout',
    when: 'A call took longer than its `timeout` layer or its `timeoutMs` allows. What it abandoned was aborted.',
    fix: 'Find out why the model is slow, raise the limit, or put a `fallback` around it.',
  },
  ERR_OUTRIGGER_CLOSED: {
    name: 'ClosedError',
    outcome: 'rejected',
    when: 'A call came after `close()`, or a queue was given up because of it.',
    fix: 'Close after the last call; create a new predictor to go on.',
  },
  ERR_OUTRIGGER_CLOSE_TIMEOUT: {
    name: 'CloseTimeoutError',
    outcome: 'error',
    when: 'Calls were still in flight when the deadline of `close()` or `shutdown()` passed. What is owned was closed all the same.',
    fix: 'Give a longer deadline, or put a `timeout` around the model.',
  },
  ERR_OUTRIGGER_CIRCUIT_OPEN: {
    name: 'CircuitOpenError',
    outcome: 'rejected',
    when: 'The circuit breaker is open (or half-open with no free probe), so that the model was not called. `retryAfterMs` says when the next probe is due.',
    fix: 'Put a `fallback` outside the breaker; look at why the model fails.',
  },
  ERR_OUTRIGGER_BULKHEAD_FULL: {
    name: 'BulkheadFullError',
    outcome: 'rejected',
    when: 'As many calls run as the bulkhead allows, and its queue is full.',
    fix: 'Shed load, raise `concurrency` or `queue`, or put a `fallback` outside.',
  },
  ERR_OUTRIGGER_FALLBACK_EXHAUSTED: {
    name: 'FallbackExhaustedError',
    outcome: 'error',
    when: 'The model and every rung of its fallback failed. `errors` holds all of them in order; `cause` is the model\'s own.',
    fix: 'Let the last rung be something that cannot fail, such as a constant.',
  },
  ERR_OUTRIGGER_UNCACHEABLE: {
    name: 'UncacheableError',
    outcome: 'error',
    when: 'An input cannot be turned into a key (a function, a promise, a cyclic object), or an output cannot be copied (a stream, a live tensor).',
    fix: 'Give `cached` a `key` function, or take the layer away.',
  },
  ERR_OUTRIGGER_UNROUTABLE: {
    name: 'UnroutableError',
    outcome: 'error',
    when: 'A `split` has neither the call\'s `key` nor a `by` function that gives one, so that the call cannot stick to a variant.',
    fix: 'Pass `{ key }` with the call, or give `split` a `by` function.',
  },
  ERR_OUTRIGGER_PROFILE: {
    name: 'ProfileError',
    outcome: 'error',
    when: 'A drift profile cannot be read, is of another format version, was changed after it was saved, or does not fit the rows it is compared with.',
    fix: 'Build the profile again from the training rows of the version that serves.',
  },
  ERR_OUTRIGGER_TOO_FEW_ROWS: {
    name: 'TooFewRowsError',
    outcome: 'error',
    when: 'A profile is to be built from fewer rows than its statistics need.',
    fix: 'Give more training rows.',
  },
  ERR_OUTRIGGER_MODEL_NOT_FOUND: {
    name: 'ModelNotFoundError',
    outcome: 'error',
    when: 'The store holds no such model, version, alias or digest.',
    fix: 'Publish it first; `store.list()` says what is there.',
  },
  ERR_OUTRIGGER_MODEL_EXISTS: {
    name: 'ModelExistsError',
    outcome: 'error',
    when: 'A version of that number is already published. Versions never change.',
    fix: 'Publish under the next number.',
  },
  ERR_OUTRIGGER_MODEL_CORRUPT: {
    name: 'ModelCorruptError',
    outcome: 'error',
    when: 'A manifest cannot be read, or a file of a version is missing, of another size, or of another SHA-256 than the manifest says.',
    fix: 'Publish the version again; find out who changed the store.',
  },
  ERR_OUTRIGGER_MODEL_REFUSED: {
    name: 'ModelRefusedError',
    outcome: 'error',
    when: 'A version did not pass the gate of the loader: it did not load, its golden predictions differ, or it answers with NaN. The live version stays.',
    fix: 'Read `reason`; repair and publish a new version.',
  },
  ERR_OUTRIGGER_ALIAS_CONFLICT: {
    name: 'AliasConflictError',
    outcome: 'error',
    when: 'An alias was to be moved from one version to another, but it pointed elsewhere by then.',
    fix: 'Read the alias again and decide anew.',
  },
  ERR_OUTRIGGER_PEER_MISSING: {
    name: 'PeerMissingError',
    outcome: 'error',
    when: 'An optional package that an adapter needs is not installed.',
    fix: 'Install the package that the message names.',
  },
  ERR_OUTRIGGER_INJECTED: {
    name: 'InjectedFaultError',
    outcome: 'error',
    when: 'The fault layer of `outrigger/testing` made the call fail on purpose.',
    fix: 'Nothing, in a test. Never run that layer in production.',
  },
} as const satisfies Record<string, ErrorSpec>

/** A stable error code of outrigger. */
export type ErrorCode = keyof typeof errorTable

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
    this.name = errorTable[code].name
    if (data !== undefined) {
      const { cause, ...fields } = data
      if ('cause' in data) Object.defineProperty(this, 'cause', { value: cause, writable: true, configurable: true, enumerable: false })
      Object.assign(this, fields)
    }
  }
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

/** Whether a thrown value is an error of outrigger, told by its code. */
export const isOutriggerError = (error: unknown): error is Error & { readonly code: ErrorCode } =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && Object.hasOwn(errorTable, error.code)

/** Whether a thrown value carries this code of outrigger. */
export const hasCode = (error: unknown, code: ErrorCode): boolean => isOutriggerError(error) && error.code === code

/** How a call that ended with this error is counted. */
export const outcomeOf = (error: unknown): Exclude<Outcome, 'ok'> =>
  isOutriggerError(error) ? errorTable[error.code].outcome : 'error'
