/**
 * JSON with one spelling per value: keys sorted by UTF-16 code units, no white space, numbers as ECMAScript prints them
 * (the rules of RFC 8785). The hash of such a text is the hash of the value.
 */
import { InvalidOptionError } from '../../core/errors.js'

/** What JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject

/** A record of JSON values. */
export interface JsonObject { readonly [key: string]: JsonValue }

const maxDepth = 64

const refuse = (where: string, constraint: string, value: unknown): never => {
  throw new InvalidOptionError(`Cannot store ${where} as ${constraint}: current value is ${Object.prototype.toString.call(value)} ${typeof value === 'object' ? '' : String(value)}`.trimEnd())
}

const isNumeric = (value: unknown): value is ArrayLike<number> =>
  ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array)

const write = (value: unknown, where: string, depth: number): string => {
  if (depth > maxDepth) return refuse(where, `it is nested deeper than ${maxDepth} levels (or cyclic)`, value)
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    return Number.isFinite(value) ? JSON.stringify(value) : refuse(where, 'JSON has no NaN and no infinity', value)
  }
  if (isNumeric(value)) return write(Array.from(value), where, depth)
  if (Array.isArray(value)) {
    return `[${value.map((item: unknown, index) => write(item, `${where}[${index}]`, depth + 1)).join(',')}]`
  }
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return refuse(where, 'only plain objects, arrays, typed arrays of numbers and JSON\'s simple values are kept', value)
    const entries = Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${write(item, `${where}.${key}`, depth + 1)}`).join(',')}}`
  }
  return refuse(where, 'JSON has no such value', value)
}

/**
 * The canonical text of a value. Typed arrays of numbers become arrays, `undefined` properties are left out; what JSON
 * cannot say (NaN, functions, dates, class instances, cycles) is an `ERR_OUTRIGGER_INVALID_OPTION` that names the place.
 */
export const canonicalJson = (value: unknown, where = 'the value'): string => write(value, where, 0)
