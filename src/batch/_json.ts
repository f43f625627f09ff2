/** Rows as JSON, without what JSON would change in silence. */
import { jobError } from './_job-files.js'

const cannot = (value: string): never => {
  throw jobError(`Cannot write the row as JSON must have a word for every value (turn it into one in \`result\`): current value is ${value}`)
}

/** Typed arrays are written as arrays; a value that JSON would lose is refused. */
function exact(this: unknown, key: string, value: unknown): unknown {
  switch (typeof value) {
    case 'undefined':
      return Array.isArray(this) ? cannot('undefined in an array') : value
    case 'number':
      return Number.isFinite(value) ? value : cannot(String(value))
    case 'bigint':
    case 'function':
    case 'symbol':
      return cannot(`a ${typeof value}`)
    case 'object':
      // By now a date is its text.
      if (value === null && (this as Record<string, unknown>)[key] instanceof Date) return cannot('an invalid date')
      if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float64Array)
      return value instanceof Map || value instanceof Set ? cannot(`a ${value.constructor.name}`) : value
    default:
      return value
  }
}

/** One line of JSON. @throws `ERR_OUTRIGGER_JOB` when a value would not survive */
export const exactJson = (value: unknown): string => JSON.stringify(value, exact) ?? cannot('undefined')

/** For a reader's eyes: what JSON has no word for is written as text. */
const readable = (_key: string, value: unknown): unknown => {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Map || value instanceof Set) return [...value]
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Float64Array) : value
}

/** One line of JSON of whatever it is. @throws what JSON does for a ring */
export const readableJson = (value: unknown): string => JSON.stringify(value, readable) ?? 'null'
