/** A key compiled from the fields that a schema names. */
import { plainKind } from '../core/plain.js'
import type { MaskableSchema } from '../core/masking.js'
import { encode, encodePrimitive, type Parts } from './content-key.js'

/** Gives the text of an input, or `undefined` when it is no plain object of just these fields. */
export type SchemaKey = (input: unknown, parts: Parts) => string | undefined

/**
 * Compiles the key of records with known fields: the values in the schema's order, without the names.
 *
 * It stays exact: values are encoded as what they are, whatever type the schema declares. Inputs with a field that the
 * schema does not name, and inputs that are no plain object, are not for it.
 */
export const schemaKey = (schema: MaskableSchema): SchemaKey => {
  const fields = Object.keys(schema.fields)
  const { length } = fields
  // A field named like what every object inherits could not be told from it quickly.
  if (fields.some((field) => field in Object.prototype)) return () => undefined
  return (input, parts) => {
    if (typeof input !== 'object' || input === null || plainKind(input) !== 'Object') return undefined
    const record = input as Readonly<Record<string, unknown>>
    let found = 0
    let text = 'z'
    for (let index = 0; index < length; index += 1) {
      const field = fields[index] as string
      const value = record[field]
      // What is there with the value undefined differs from what is missing.
      if (value === undefined && !Object.hasOwn(record, field)) text += 'h'
      else {
        found += 1
        text += encodePrimitive(value) ?? encode(value, [], parts)
      }
    }
    if (found !== Object.keys(record).length || Object.getOwnPropertySymbols(record).length > 0) return undefined
    return text
  }
}
