/** Reading and replacing fields of rows: records by name, lists by position. Nothing of the caller's is changed. */
import type { FieldPlan } from './_field-plan.js'

/** Whether a row is a list of its fields. */
export const isList = (row: object): boolean => Array.isArray(row) || (ArrayBuffer.isView(row) && !(row instanceof DataView))

/** The value of a field. */
export const valueOf = (row: object, { name, position, isInherited }: Pick<FieldPlan, 'name' | 'position' | 'isInherited'>): unknown => {
  if (isList(row)) return (row as ArrayLike<unknown>)[position]
  return isInherited && !Object.hasOwn(row, name) ? undefined : (row as Readonly<Record<string, unknown>>)[name]
}

/** Of all typed arrays. A Buffer has a `slice` of its own, which copies nothing. */
const { slice } = Uint8Array.prototype

/** A copy of a row, as deep as its fields. */
export const copyOf = (row: object): object => {
  if (Array.isArray(row)) return row.slice()
  if (isList(row)) return slice.call(row as Uint8Array)
  const prototype = Object.getPrototypeOf(row) as object | null
  // Spread and not assigned: a field may be called __proto__.
  const copy = { ...row }
  return prototype === Object.prototype ? copy : (Object.setPrototypeOf(copy, prototype) as object)
}

/** A copy of a good value that shares no memory with it: of a part of a large typed array that part alone. */
export const copyOfValue = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return new Date(value.getTime())
  if (Array.isArray(value)) return value.map(copyOfValue)
  if (ArrayBuffer.isView(value)) return value instanceof DataView ? value : slice.call(value as Uint8Array)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOfValue(part)]))
}

/** Writes a field of a copy. A typed array takes only what it has a place and a type for: whoever writes has to look again. */
export const replace = (copy: object, { name, position }: Pick<FieldPlan, 'name' | 'position'>, value: unknown): void => {
  if (isList(copy)) (copy as unknown[])[position] = value
  // Defined, not assigned: a field may be called __proto__.
  else Object.defineProperty(copy, name, { value, writable: true, enumerable: true, configurable: true })
}
