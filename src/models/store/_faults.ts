/** The errors of a store. */
import { OutriggerError } from '../../core/errors.js'

export const corrupt = (what: string, constraint: string, value: unknown, cause?: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load ${what} as ${constraint}: current value is ${String(value)}`, { cause })

export const notFound = (what: string, constraint: string, value = 'nothing'): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_NOT_FOUND', `Cannot find ${what} as ${constraint}: current value is ${value}`, { reference: what })

export const tooLarge = (what: string, maxBytes: number, bytes: number, action = 'load'): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_TOO_LARGE', `Cannot ${action} ${what} as it must have at most ${maxBytes} bytes: current value is ${bytes}`, { maxBytes, bytes })
