/** Reading and replacing fields of rows: records by name, lists by position. Nothing of the caller's is changed. */
import type { FieldPlan } from './_field-plan.js'

/** Whether a row is a list of its fields. */
export const isList = (row: object): boolean => Array.isArray(row) || (ArrayBuffer.isView(row) && !(row instanceof DataView))

/** The value of a field. */
export const valueOf = (row: object, { name, position, isInherited }: Pick<FieldPlan, 'name' | 'position' | 'isInherited'>): unknown => {
  if (isList(row)) return (row as ArrayLike<unknown>)[position]
  return isInherited && !Object.hasOwn(row, name) ? undefined : (row as Readonly<Record<string, unknown>>)[name]
}

/** A copy of a row, as deep as its fields. */
export const copyOf = (row: object): object => {
  if (isList(row)) return (row as { slice: () => object }).slice()
  return Object.assign(Object.create(Object.getPrototypeOf(row) as object | null) as object, row)
}

/** Writes a field of a copy. */
export const replace = (copy: object, { name, position }: Pick<FieldPlan, 'name' | 'position'>, value: unknown): void => {
  if (isList(copy)) (copy as unknown[])[position] = value
  // Defined, not assigned: a field may be called __proto__.
  else Object.defineProperty(copy, name, { value, writable: true, enumerable: true, configurable: true })
}
