/** From the masked input of a record back to an input. */
import { guardedTags, type MaskableSchema, type MaskedValue } from '../core/masking.js'
import type { PredictionRecord } from '../core/record.js'
import { failureOf } from './_failure.js'

/** Fields by name. */
export type Fields = Readonly<Record<string, unknown>>

/** How fields become an input: an object of them, a list in the schema's order, or the only field's value. */
export type InputForm<I> = 'object' | 'vector' | 'value' | ((fields: Fields, record: PredictionRecord) => I)

/** What masking left out, by field; `undefined` if it is not known. */
export type Complete = (record: PredictionRecord) => Fields | undefined | Promise<Fields | undefined>

/** How inputs are made again. */
export interface InputOptions<I> {
  /** The fields of the input, in order. A schema of `defineSchema` also says which are numbers and dates. @default what the predictor declares */
  readonly input?: MaskableSchema
  /** What the model takes. @default 'object' */
  readonly as?: InputForm<I>
  /** Gives the fields that are kept out of records. @default such records are skipped */
  readonly complete?: Complete
}

/** An input, or why there is none. */
export type Rebuilt<I> = { readonly input: I; readonly fields: Fields } | { readonly skipped: string }

/**
 * Makes the input of a record again.
 *
 * Of a schema of `defineSchema`, texts become what they were: `NaN` and `Infinity` in fields of numbers, whole numbers beyond 2⁵³ that were BigInts, and moments in fields
 * of dates, as a `Date` where the text is one that a `Date` gave. A field that may be in records and is not was not in the input.
 */
export const rebuildInput = async <I>(record: PredictionRecord, schema: MaskableSchema, { as = 'object', complete }: InputOptions<I>): Promise<Rebuilt<I>> => {
  if (record.input === undefined) return { skipped: 'the record has no input' }
  const hidden = Object.keys(schema.fields).filter((name) => isGuarded(schema, name))
  let added: Fields | undefined
  try {
    if (hidden.length > 0) added = await complete?.(record)
  } catch (error) {
    return { skipped: `\`complete\` failed with ${failureOf(error)}` }
  }
  const missing = hidden.find((name) => added === undefined || !Object.hasOwn(added, name))
  if (missing !== undefined) return { skipped: `the field \`${missing}\` is kept out of records, and not in \`complete\`` }
  const known = recordedFields(record, schema)
  const fields = Object.fromEntries(Object.keys(schema.fields).flatMap((name): [string, unknown][] => (isGuarded(schema, name) ? [[name, (added as Fields)[name]]] : Object.hasOwn(known, name) ? [[name, known[name]]] : [])))
  const names = Object.keys(schema.fields)
  if (typeof as !== 'function') return { input: (as === 'object' ? fields : as === 'vector' ? names.map((name) => fields[name]) : fields[names[0] as string]) as I, fields }
  try {
    return { input: as(fields, record), fields }
  } catch (error) {
    return { skipped: `\`as\` failed with ${failureOf(error)}` }
  }
}

/** The fields that the record has, as they were. */
export const recordedFields = ({ input }: PredictionRecord, { fields }: MaskableSchema): Fields =>
  Object.fromEntries(Object.entries(fields).flatMap(([name, { type }]): [string, unknown][] => (input !== undefined && Object.hasOwn(input, name) ? [[name, decoded(input[name] as MaskedValue, type)]] : [])))

/** Whether a field never enters a record. */
export const isGuarded = ({ fields }: MaskableSchema, name: string): boolean => fields[name]?.tags?.some((tag) => guardedTags.has(tag.toLowerCase())) === true

const decoded = (value: MaskedValue, type: string | undefined): unknown => {
  if (Array.isArray(value)) return value.map((item: MaskedValue) => decoded(item, type))
  if (typeof value !== 'string') return value
  if (type === 'number' || type === 'integer') return value === 'NaN' ? Number.NaN : value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : /^-?\d+$/.test(value) && !Number.isSafeInteger(Number(value)) ? BigInt(value) : value
  if (type !== 'date') return value
  const date = new Date(value)
  return value === 'Invalid Date' || (!Number.isNaN(date.getTime()) && date.toISOString() === value) ? date : value
}
