/** A key compiled from the fields that a schema names. */
import { plainKind } from '../core/plain.js'
import type { MaskableSchema } from '../core/masking.js'
import { encode, encodePrimitive, type Parts } from './content-key.js'

/** Gives the text of an input, or `undefined` when it is no plain object of just these fields. */
export type SchemaKey = (input: unknown, parts: Parts) => string | undefined

/** Used by one key at a time. Numbers are written into it and become text in one go, which is far quicker than one by one. */
let numbers = new Float64Array(64)
let bytes = Buffer.from(numbers.buffer)

/**
 * Compiles the key of records with known fields: which of them are numbers, these as bits, then the other values in the
 * schema's order, without the names.
 *
 * It stays exact: values are encoded as what they are, whatever type the schema declares. Inputs with a field that the
 * schema does not name, and inputs that are no plain object, are not for it.
 */
export const schemaKey = (schema: MaskableSchema): SchemaKey => {
  const fields = Object.keys(schema.fields)
  const { length } = fields
  // A field named like what every object inherits could not be told from it quickly.
  if (fields.some((field) => field in Object.prototype)) return () => undefined
  /** So many words say which fields are numbers, a bit for each. */
  const words = Math.ceil(length / 64)
  if (numbers.length < words + length) {
    numbers = new Float64Array(words + length)
    bytes = Buffer.from(numbers.buffer)
  }
  return (input, parts) => {
    if (typeof input !== 'object' || input === null || plainKind(input) !== 'Object') return undefined
    const record = input as Readonly<Record<string, unknown>>
    for (let word = 0; word < words; word += 1) numbers[word] = 0
    let end = words
    let found = 0
    let others = ''
    for (let index = 0; index < length; index += 1) {
      const field = fields[index] as string
      const value = record[field]
      if (typeof value === 'number') {
        found += 1
        bytes[index >>> 3] = (bytes[index >>> 3] as number) | (1 << (index & 7))
        // All NaNs are one.
        numbers[end] = Number.isNaN(value) ? Number.NaN : value
        end += 1
      } else if (value === undefined && !Object.hasOwn(record, field)) {
        // What is there with the value undefined differs from what is missing.
        others += 'h'
      } else {
        found += 1
        others += encodePrimitive(value) ?? encode(value, [], parts)
      }
    }
    if (found !== Object.keys(record).length || Object.getOwnPropertySymbols(record).length > 0) return undefined
    return `z${bytes.toString('latin1', 0, end * 8)}${others}`
  }
}
