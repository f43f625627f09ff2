/** What goes wrong inside an engine, with a code. */
import { isError, isOutriggerError, OutriggerError } from '../../core/errors.js'

/** The error of an engine as one of ours: with a code it stays what it is, else it is the cause. */
export const engineError = (action: string, error: unknown): Error =>
  isOutriggerError(error) ? error : new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot ${action} as the engine failed: current value is ${isError(error) ? error.message : String(error)}`, { cause: error })
