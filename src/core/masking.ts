/**
 * Masking: the one place where values may enter a record.
 *
 * It is an allow-list. Only fields that the schema names, and that carry no guarded tag, are copied; everything else
 * stays out, also what the schema forgot. It is synchronous and runs where the record is made, so that no sink has a
 * second path to the raw value.
 */
import { hex, murmur3 } from './hash.js'

/** Tags that keep a field out of records, in whatever case they are written. */
export const guardedTags: ReadonlySet<string> = new Set(['pii', 'secret', 'key'])

/** The part of a schema that masking needs. Field order is the order of a vector's elements. */
export interface MaskableSchema {
  readonly fields: Readonly<Record<string, { readonly tags?: readonly string[] | undefined; readonly type?: string | undefined; readonly shape?: readonly (number | null)[] | undefined }>>
}

declare const masked: unique symbol

/** A value of a record: plain, or a list of such values where the field declares a `shape`. */
export type MaskedValue = string | number | boolean | null | readonly MaskedValue[]

/** Values that passed the allow-list. Sinks accept only this type. */
export type Masked = Readonly<Record<string, MaskedValue>> & { readonly [masked]: true }

const isList = (value: unknown): value is Iterable<unknown> & ArrayLike<unknown> => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

/** As deep as the shape says, so that a list in itself ends; what is no plain value there is `null`. */
const listOf = (value: unknown, depth: number): MaskedValue => {
  if (!isList(value) || depth === 0) return plain(value) ?? null
  const list: MaskedValue[] = [] // `Array.from` with a function takes five times as long
  for (const item of value) list.push(listOf(item, depth - 1))
  return Object.freeze(list)
}

const plain = (value: unknown): string | number | boolean | null | undefined => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return value.toString()
    default:
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
      return value === null ? null : undefined
  }
}

/** The guarded tag of a field, the strictest of several: what may not even be hashed is not `key`. */
const guardOf = (tags: readonly string[] = []): string | undefined => {
  const guards = tags.map((tag) => tag.toLowerCase()).filter((tag) => guardedTags.has(tag))
  return guards.find((tag) => tag !== 'key') ?? guards[0]
}

/**
 * Compiles the allow-list of a schema.
 *
 * @returns a function from a value (a record of fields; an array or typed array in the schema's field order; or a bare
 * value when the schema has one field) to its allowed fields. A field that is no plain value (an object, a function, a list where
 * no `shape` is declared) is left out.
 */
export const maskBy = (schema: MaskableSchema): ((value: unknown) => Masked) => chosen(schema, undefined)

/** The same for the fields that only a keyed hash may stand for: tagged `key`, and neither `pii` nor `secret`. */
export const keysBy = (schema: MaskableSchema): ((value: unknown) => Masked) => chosen(schema, 'key')

const chosen = (schema: MaskableSchema, guard: 'key' | undefined): ((value: unknown) => Masked) => {
  const fields = Object.entries(schema.fields)
  const allowed = fields.flatMap(([name, { tags, shape }], position) => (guardOf(tags) === guard ? [{ name, position, shape }] : []))
  return (value) => {
    const result: Record<string, MaskedValue> = {}
    const isVector = isList(value)
    for (const { name, position, shape } of allowed) {
      let field: unknown
      if (isVector) field = fields.length === 1 && shape !== undefined ? value : value[position]
      else if (typeof value === 'object' && value !== null && !(value instanceof Date)) field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
      else if (fields.length === 1) field = value
      const kept = shape === undefined || field === undefined ? plain(field) : listOf(field, shape.length)
      if (kept !== undefined) result[name] = kept
    }
    return Object.freeze(result) as Masked
  }
}

/** A short name for what a schema declares: 64 bits in hexadecimal, the same for the same fields in the same order. */
export const schemaId = ({ fields }: MaskableSchema): string => {
  const text = JSON.stringify(Object.entries(fields).map(([name, { type, shape, tags }]) => [name, type, shape, tags]))
  return hex(murmur3(text, 0), 8) + hex(murmur3(text, 1), 8)
}
