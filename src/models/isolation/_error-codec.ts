/** Errors on their way between isolates: name, message, code, stack, causes and plain fields survive; classes of ours do. */
import { errorSpecs, InvalidOptionError, isError, OutriggerError, type ErrorCode } from '../../core/errors.js'

/** An error as plain data. `thrown`: something that is no error. */
export type EncodedError =
  | { readonly name: string; readonly message: string; readonly stack?: string; readonly fields: Readonly<Record<string, unknown>>; readonly cause?: EncodedError }
  | { readonly thrown: unknown }

/** Causes of causes end here. */
const maxDepth = 5

const plainOf = (value: unknown): unknown => {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return typeof value === 'symbol' ? String(value) : value
  try {
    return structuredClone(value)
  } catch {
    return undefined // What cannot travel stays behind; the error matters more.
  }
}

/** Takes an error apart. Never throws, whatever the error does when it is looked at. */
export const encodeError = (error: unknown, depth = 0): EncodedError => {
  try {
    if (!isError(error)) return { thrown: plainOf(error) }
    const fields: Record<string, unknown> = {}
    for (const [field, value] of Object.entries(error)) {
      if (field === 'name' || field === 'cause') continue
      const plain = plainOf(value)
      if (plain !== undefined) fields[field] = plain
    }
    // Node's own errors have their code where `entries` does not look.
    const { code } = error as { readonly code?: unknown }
    if (typeof code === 'string' || typeof code === 'number') fields['code'] = code
    return {
      name: String(error.name),
      message: String(error.message),
      ...(typeof error.stack === 'string' ? { stack: error.stack } : {}),
      fields,
      ...(error.cause === undefined || depth >= maxDepth ? {} : { cause: encodeError(error.cause, depth + 1) }),
    }
  } catch {
    return { name: 'Error', message: 'An error that throws when it is looked at.', fields: {} }
  }
}

const builtIns: Readonly<Record<string, new (message: string) => Error>> = { TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError }

const isOurCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorSpecs, code)

const bare = (name: string, message: string, fields: Readonly<Record<string, unknown>>): Error => {
  const { code } = fields
  if (code === 'ERR_OUTRIGGER_INVALID_OPTION') return new InvalidOptionError(message)
  if (isOurCode(code)) return new OutriggerError(code, message, fields)
  return Object.assign(new (builtIns[name] ?? Error)(message), fields)
}

const own = (error: Error, field: string, value: unknown): void => void Object.defineProperty(error, field, { value, writable: true, configurable: true, enumerable: false })

/** Puts an error together again. The stack is that of the isolate it comes from. */
export const decodeError = (encoded: EncodedError): unknown => {
  if ('thrown' in encoded) return encoded.thrown
  const error = bare(encoded.name, encoded.message, encoded.fields)
  if (error.name !== encoded.name) own(error, 'name', encoded.name)
  if (encoded.stack !== undefined) own(error, 'stack', encoded.stack)
  if (encoded.cause !== undefined) own(error, 'cause', decodeError(encoded.cause))
  return error
}
