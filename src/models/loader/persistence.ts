/** Whether a fault of loading may pass. Pure. */
import { isOutriggerError, type ErrorCode } from '../../core/errors.js'
import type { RefusalStage } from './refusal.js'

/**
 * How long a fault is likely to last. `transient`: it may pass, so it is tried again. `doubtful`: it is tried again once,
 * as both are possible. `permanent`: the same bytes will fail again.
 */
export type Persistence = 'transient' | 'doubtful' | 'permanent'

const codes: Readonly<Partial<Record<ErrorCode, Persistence>>> = {
  ERR_OUTRIGGER_SOURCE_FAILED: 'transient',
  ERR_OUTRIGGER_STORE_FAILED: 'transient',
  ERR_OUTRIGGER_TIMEOUT: 'transient',
  ERR_OUTRIGGER_MEMORY_BUDGET: 'transient',
  ERR_OUTRIGGER_BULKHEAD_FULL: 'transient',
  ERR_OUTRIGGER_QUEUE_FULL: 'transient',
  ERR_OUTRIGGER_OVERLOADED: 'transient',
  ERR_OUTRIGGER_RATE_LIMITED: 'transient',
  ERR_OUTRIGGER_CIRCUIT_OPEN: 'transient',
  // It may have been killed for memory, by a neighbour or by hand; twice in a row it is the model.
  ERR_OUTRIGGER_ENGINE_CRASHED: 'doubtful',
  // Whatever caused them, they are verdicts.
  ERR_OUTRIGGER_MODEL_UNTRUSTED: 'permanent',
  ERR_OUTRIGGER_MODEL_TOO_LARGE: 'permanent',
  ERR_OUTRIGGER_ENGINE_UNKNOWN: 'permanent',
  ERR_OUTRIGGER_PEER_MISSING: 'permanent',
}

/** Of the system and of Node's HTTP client: no room, no connection, nobody there. A missing file or right is not among them. */
const systemCodes: ReadonlySet<string> = new Set([
  'EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'ENOSPC', 'EAGAIN', 'EBUSY', 'EINTR', 'EIO', 'ESTALE', 'ETIMEDOUT',
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENETDOWN', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN',
  'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ERR_WORKER_OUT_OF_MEMORY', 'ERR_WORKER_INIT_FAILED', 'ERR_MEMORY_ALLOCATION_FAILED',
])

/** So many causes are followed. */
const depth = 8

/**
 * The persistence of a fault, by its code or that of the nearest cause that says anything.
 *
 * @param stage - where it happened: what does not match its hash while it is read may have been damaged on the way
 */
export const persistenceOf = (error: unknown, stage?: RefusalStage): Persistence => {
  let current = error
  let verdict: Persistence = 'permanent'
  for (let level = 0; level < depth && typeof current === 'object' && current !== null; level += 1) {
    const { code, name, message, cause } = current as { readonly code?: unknown; readonly name?: unknown; readonly message?: unknown; readonly cause?: unknown }
    const known = isOutriggerError(current) ? codes[current.code] : undefined
    if (known !== undefined) return known
    if (stage === 'open' && code === 'ERR_OUTRIGGER_MODEL_CORRUPT') verdict = 'doubtful'
    if (typeof code === 'string' && systemCodes.has(code)) return 'transient'
    // What `AbortSignal.timeout` throws; and V8, when it gets no memory for an array.
    if (name === 'TimeoutError' || (name === 'RangeError' && message === 'Array buffer allocation failed')) return 'transient'
    current = cause
  }
  return verdict
}

/** Whether a fault of loading may pass by itself. */
export const isTransient = (error: unknown): boolean => persistenceOf(error) === 'transient'
