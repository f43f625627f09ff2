import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'

/** What a field holds. */
export type FieldType = 'number' | 'integer' | 'string' | 'category' | 'boolean' | 'date'

/** What is known about one field of an input or output. */
export interface Field {
  readonly type: FieldType
  /** Allowed smallest and largest value of a number, or of a date as milliseconds since 1970. */
  readonly min?: number
  readonly max?: number
  /** Allowed values of a category. */
  readonly categories?: readonly string[]
  /** Whether it may be missing. @default false */
  readonly optional?: boolean
  /** Whether it may be `null`. @default as `optional` */
  readonly nullable?: boolean
  /** Whether NaN is a value, as in data frames, where it means missing. @default false */
  readonly nan?: boolean
  /** It is a list of such values: the length of each dimension, outermost first; `null` for any. */
  readonly shape?: readonly (number | null)[]
  /** `pii`, `secret` and `key` keep the field out of records; other tags are free. */
  readonly tags?: readonly string[]
}

/** The fields of an input or output. The order of the fields is the order of a vector's elements. */
export interface Schema {
  readonly fields: Readonly<Record<string, Field>>
}

/** A list of strings. A single string would pass for a list of letters, and guard nothing. */
const stringsOption = (owner: string, name: string, value: unknown): void => {
  if (value === undefined || (Array.isArray(value) && value.every((item) => typeof item === 'string'))) return
  throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be an array of strings: current value is of type ${typeof value}`)
}

const types: readonly string[] = ['number', 'integer', 'string', 'category', 'boolean', 'date'] satisfies FieldType[]

/**
 * Declares the fields of an input or output.
 *
 * Give it to `predictor(model, { input })`: fields without a guarded tag then enter records. What no schema names
 * never does.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when a field has no known type, or says something that makes no sense
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { defineSchema } from 'outrigger/schema'
 * const input = defineSchema({ distance: { type: 'number', min: 0 }, passenger: { type: 'string', tags: ['pii'] } })
 * const predict = predictor((row: { distance: number; passenger: string }) => row.distance > 500, { input })
 * const { record } = await predict.detailed({ distance: 700, passenger: 'Ada' })
 * assert.deepEqual({ ...record.input }, { distance: 700 })
 * ```
 */
export const defineSchema = (fields: Readonly<Record<string, Field>>): Schema => {
  optionsObject('a schema', fields, Object.keys(fields ?? {}))
  for (const [name, field] of Object.entries(fields)) {
    const owner = `the field \`${name}\``
    optionsObject(owner, field, ['type', 'min', 'max', 'categories', 'optional', 'nullable', 'nan', 'shape', 'tags'])
    const { min = -Infinity, max = Infinity } = field
    numberOption(owner, 'min', min, { infinite: true })
    numberOption(owner, 'max', max, { min, infinite: true })
    stringsOption(owner, 'categories', field.categories)
    stringsOption(owner, 'tags', field.tags)
    for (const flag of ['optional', 'nullable', 'nan'] as const) {
      if (field[flag] !== undefined && typeof field[flag] !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`${flag}\` must be true or false: current value is ${String(field[flag])}`)
    }
    if (field.shape !== undefined && !Array.isArray(field.shape)) throw new InvalidOptionError(`Cannot create ${owner} as \`shape\` must be an array: current value is of type ${typeof field.shape}`)
    for (const length of field.shape ?? []) if (length !== null) numberOption(owner, 'shape', length, { min: 0, integer: true })
    if (!types.includes(field.type)) throw new InvalidOptionError(`Cannot create the field \`${name}\` as \`type\` must be one of ${types.join(', ')}: current value is ${String(field.type)}`)
    // It would be taken for a rule, and guard nothing.
    if (field.categories !== undefined && field.type !== 'category') throw new InvalidOptionError(`Cannot create ${owner} as only a field of type category may have \`categories\`: current value is ${field.type}`)
  }
  return Object.freeze({ fields: Object.freeze({ ...fields }) })
}
