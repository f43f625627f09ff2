import type { Field } from '../schema/schema.js'
import type { FieldRule } from './validation-policy.js'

/** Says which rule a value breaks, or `undefined`. */
export type FieldJudge = (value: unknown) => FieldRule | undefined

/** What a judge needs to know beside the field. */
export interface JudgeLimits {
  readonly mayBeAbsent: boolean
  readonly mayBeNull: boolean
  readonly mayBeNaN: boolean
  /** Numbers outside are outliers. */
  readonly outliers: readonly [low: number, high: number] | undefined
}

/** Compiles the rules of one field. A good number costs two comparisons. */
export const fieldJudge = (field: Field, limits: JudgeLimits): FieldJudge => {
  const judge = field.shape === undefined ? scalarJudge(field, limits) : listJudge(field.shape, scalarJudge(field, limits))
  return (value) => {
    if (value === undefined) return limits.mayBeAbsent ? undefined : 'missing'
    if (value === null) return limits.mayBeNull ? undefined : 'missing'
    return judge(value)
  }
}

const scalarJudge = (field: Field, limits: JudgeLimits): FieldJudge => {
  switch (field.type) {
    case 'number':
    case 'integer':
      return numberJudge(field, limits)
    case 'string':
      return (value) => (typeof value === 'string' ? undefined : 'type')
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? undefined : 'type')
    case 'category':
      return categoryJudge(field.categories)
    case 'date':
      return dateJudge(field)
  }
}

const numberJudge = ({ type, min = -Infinity, max = Infinity }: Field, { mayBeNaN, outliers }: JudgeLimits): FieldJudge => {
  const low = Math.max(-Number.MAX_VALUE, min, outliers?.[0] ?? -Infinity)
  const high = Math.min(Number.MAX_VALUE, max, outliers?.[1] ?? Infinity)
  const isInteger = type === 'integer'
  return (value) => {
    if (typeof value !== 'number') return 'type'
    if (value >= low && value <= high && (!isInteger || Number.isInteger(value))) return undefined
    if (Number.isNaN(value)) return mayBeNaN ? undefined : 'nan'
    if (!Number.isFinite(value)) return 'infinite'
    if (isInteger && !Number.isInteger(value)) return 'type'
    return value < min || value > max ? 'range' : 'outlier'
  }
}

const categoryJudge = (categories: readonly string[] | undefined): FieldJudge => {
  const known = categories === undefined ? undefined : new Set(categories)
  return (value) => {
    if (typeof value !== 'string' && typeof value !== 'boolean' && !(typeof value === 'number' && Number.isFinite(value))) return 'type'
    return known === undefined || known.has(typeof value === 'string' ? value : String(value)) ? undefined : 'category'
  }
}

const dateJudge = ({ min = -Infinity, max = Infinity }: Field): FieldJudge => (value) => {
  const at = timeOf(value)
  if (at === undefined) return 'type'
  return at < min || at > max ? 'range' : undefined
}

/** How an ISO 8601 text begins. `Date.parse` also takes "flight 12", for May 2001 or whatever its engine makes of it. */
const isoBegin = /^(\d{4}|[+-]\d{6})(-\d\d(-\d\d([T ]\d\d:\d\d.*)?)?)?$/

/** The time that a value says, in milliseconds since 1970; `undefined` if it says none. */
export const timeOf = (value: unknown): number | undefined => {
  const at = typeof value === 'number' ? value : value instanceof Date ? value.getTime() : typeof value === 'string' && isoBegin.test(value) ? Date.parse(value) : NaN
  return Number.isFinite(at) ? at : undefined
}

/** Lists, nested or flat and typed, and tensors `{ shape, data }`. */
const listJudge = (shape: readonly (number | null)[], judge: FieldJudge): FieldJudge => (value) => {
  if (isTensor(value)) {
    const fits = value.shape.length === shape.length && shape.every((length, axis) => length === null || length === value.shape[axis])
    return fits ? elementsJudge(value.data, value.shape, judge) : 'shape'
  }
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? elementsJudge(value as unknown as ArrayLike<unknown>, shape, judge) : nestedJudge(value, shape, 0, judge)
}

const isTensor = (value: unknown): value is { readonly shape: readonly number[]; readonly data: ArrayLike<unknown> } =>
  typeof value === 'object' && value !== null && 'shape' in value && Array.isArray(value.shape) && 'data' in value && typeof value.data === 'object' && value.data !== null && 'length' in value.data

const elementsJudge = (elements: ArrayLike<unknown>, shape: readonly (number | null)[], judge: FieldJudge): FieldRule | undefined => {
  const known = shape.reduce<number>((product, length) => product * (length ?? 1), 1)
  const isOpen = shape.includes(null)
  if (isOpen ? known === 0 || elements.length % known !== 0 : elements.length !== known) return 'shape'
  return eachJudge(elements, judge)
}

const eachJudge = (elements: ArrayLike<unknown>, judge: FieldJudge): FieldRule | undefined => {
  for (let index = 0; index < elements.length; index += 1) {
    const element = elements[index]
    const rule = element === undefined || element === null ? 'missing' : judge(element)
    if (rule !== undefined) return rule
  }
  return undefined
}

const nestedJudge = (value: unknown, shape: readonly (number | null)[], axis: number, judge: FieldJudge): FieldRule | undefined => {
  if (!Array.isArray(value)) return axis === 0 ? 'type' : 'shape'
  const length = shape[axis]
  if (length === undefined || (length !== null && length !== value.length)) return 'shape'
  if (axis === shape.length - 1) return value.some(Array.isArray) ? 'shape' : eachJudge(value, judge)
  for (const part of value) {
    const rule = nestedJudge(part, shape, axis + 1, judge)
    if (rule !== undefined) return rule
  }
  return undefined
}
