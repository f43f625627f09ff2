/**
 * Masking: the one place where values may enter a record.
 *
 * It is an allow-list. Only fields that the schema names, and that carry no guarded tag, are copied; everything else
 * stays out, also what the schema forgot. It is synchronous and runs where the record is made, so that no sink has a
 * second path to the raw value.
 */

/** Tags that keep a field out of records, in whatever case they are written. */
export const guardedTags: ReadonlySet<string> = new Set(['pii', 'secret', 'key'])

/** The part of a schema that masking needs. Field order is the order of a vector's elements. */
export interface MaskableSchema {
  readonly fields: Readonly<Record<string, { readonly tags?: readonly string[] | undefined }>>
}

declare const masked: unique symbol

/** Values that passed the allow-list. Sinks accept only this type. */
export type Masked = Readonly<Record<string, string | number | boolean | null>> & { readonly [masked]: true }

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

/**
 * Compiles the allow-list of a schema.
 *
 * @returns a function from a value (a record of fields; an array or typed array in the schema's field order; or a bare
 * value when the schema has one field) to its allowed fields. A field that is no plain value (an object, a function) is left out.
 */
export const maskBy = (schema: MaskableSchema): ((value: unknown) => Masked) => {
  const names = Object.keys(schema.fields)
  const allowed: [name: string, position: number][] = []
  names.forEach((name, position) => {
    const tags = schema.fields[name]?.tags ?? []
    if (!tags.some((tag) => guardedTags.has(tag.toLowerCase()))) allowed.push([name, position])
  })
  return (value) => {
    const result: Record<string, string | number | boolean | null> = {}
    const isVector = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
    for (const [name, position] of allowed) {
      let field: unknown
      if (isVector) field = (value as ArrayLike<unknown>)[position]
      else if (typeof value === 'object' && value !== null && !(value instanceof Date)) field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
      else if (names.length === 1) field = value
      const copy = plain(field)
      if (copy !== undefined) result[name] = copy
    }
    return Object.freeze(result) as Masked
  }
}
