/** Whose memory an output is: the store's own, or a caller's. */
import { copyPlain } from '../core/copy.js'
import { OutriggerError } from '../core/errors.js'
import { plainKind } from '../core/plain.js'
import { discardStream, isStream } from '../core/streams.js'

const refuse = (what: string): never => {
  throw new OutriggerError('ERR_OUTRIGGER_UNCACHEABLE', `Cannot cache the output as it must be plain data: current value holds ${what}`)
}

/** A copy for somebody who may change it. @throws `ERR_OUTRIGGER_UNCACHEABLE` for what is no plain data; a stream is ended */
export const copyOutput = <O>(output: O): O => {
  if (typeof output !== 'object' || output === null) return typeof output === 'function' ? refuse('a function') : output
  if (isStream(output)) discardStream(output)
  return copyPlain(output, refuse)
}

/** The store's output for one caller: frozen where it can be, else a copy. */
export const giveFrozen = <O>(output: O): O => {
  if (typeof output !== 'object' || output === null || Object.isFrozen(output)) return output
  if (!canFreeze(output)) return copyOutput(output)
  freeze(output)
  return output
}

/** Plain objects and arrays of primitives and of each other. The contents of typed arrays, Maps, Sets and Dates cannot be frozen. */
const canFreeze = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return true
  const kind = ArrayBuffer.isView(value) ? undefined : plainKind(value)
  return (kind === 'Object' || kind === 'Array') && Object.values(value).every(canFreeze)
}

const freeze = (value: unknown): void => {
  if (typeof value !== 'object' || value === null) return
  for (const part of Object.values(value)) freeze(part)
  Object.freeze(value)
}

/** Shared work may go on when the caller who began it has left and uses its input again: it works on a copy. */
export const keptInput = <I>(input: I): I => {
  try {
    return copyPlain(input, refuse)
  } catch {
    // Only an input with a `key` function of the user's can be no plain data; it is passed as it is.
    return input
  }
}
