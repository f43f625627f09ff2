/** What a source says when it could not be asked, and whether asking again may help. */
import { isOutriggerError, OutriggerError } from '../../core/errors.js'

/** The data of an `ERR_OUTRIGGER_SOURCE_FAILED`. */
export interface SourceFailure {
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** The status of HTTP, where there was an answer. */
  readonly status?: number
  /** When the server asked to be asked again. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export const sourceFailed = (action: string, constraint: string, value: unknown, data: SourceFailure): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_SOURCE_FAILED', `Cannot ${action} as ${constraint}: current value is ${String(value)}`, { ...data })

export const sourceCorrupt = (action: string, constraint: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot ${action} as ${constraint}: current value is ${String(value)}`)

export const sourceNotFound = (action: string, constraint: string, value: unknown, reference?: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_NOT_FOUND', `Cannot ${action} as ${constraint}: current value is ${String(value)}`, reference === undefined ? undefined : { reference })

/** Whether the source failed in a way that may pass. */
export const isTransient = (error: unknown): boolean =>
  isOutriggerError(error) && error.code === 'ERR_OUTRIGGER_SOURCE_FAILED' && (error as Partial<SourceFailure>).retryable === true

/** Whether a status of HTTP may be another one later: 408, 425, 429 and those of the server, save what it will never do. */
export const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505)

export const sourceTooLarge = (action: string, maxBytes: number, bytes: number | string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_TOO_LARGE', `Cannot ${action} as it may have at most ${maxBytes} bytes: current value is ${bytes}`, { maxBytes, bytes })

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
