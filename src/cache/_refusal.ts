/** Refusals that are kept: an input that the model will refuse every time. */
import { copyPlain } from '../core/copy.js'
import { errorSpecs, hasCode, isError, outcomeOf, rejection, type ErrorCode } from '../core/errors.js'

/** An error as plain data. */
export interface Refusal {
  readonly name: string
  readonly code: string | undefined
  readonly message: string
  readonly data: Readonly<Record<string, unknown>>
}

/** The default of `refusals`: what the input itself is to blame for. */
export const isInvalidInput = (error: unknown): boolean => hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT')

/** Whether it may be kept at all. Who was turned away, gave up or waited too long was refused by the moment, not for the input. */
export const isLasting = (error: unknown): boolean => outcomeOf(error) === 'error'

/** The error as plain data; fields that are none are left out, and so are its cause and its stack. */
export const toRefusal = (error: unknown): Refusal => {
  const { name, code, message, ...fields } = isError(error) ? { ...error, name: error.name, message: error.message, code: 'code' in error ? error.code : undefined } : { name: 'Error', message: String(error), code: undefined }
  const data: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(fields)) {
    try {
      data[field] = copyPlain(value, () => {
        throw new TypeError('no plain data')
      })
    } catch {
      // Left out.
    }
  }
  return { name, code: typeof code === 'string' ? code : undefined, message, data }
}

/** The error anew, for one caller. One of the library is of its class again, any other one is an `Error` of that name. */
export const fromRefusal = ({ name, code, message, data }: Refusal): Error => {
  const error = isErrorCode(code) ? rejection(code, message, data) : Object.assign(new Error(message), data, code === undefined ? {} : { code })
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true, enumerable: false })
  return error
}

const isErrorCode = (code: string | undefined): code is ErrorCode => code !== undefined && Object.hasOwn(errorSpecs, code)
