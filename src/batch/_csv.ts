/** Records of CSV as RFC 4180 has them: fields between delimiters, quoted where they hold one, a quote or a line break. */
import type { Field } from '../schema/schema.js'
import { jobError } from './_job-files.js'

/** A field; `undefined` when nothing stands there, not even quotes. */
export type CsvField = string | undefined

/** Not `replaceAll`, nor a regular expression: their results cost the garbage collector more than all the rest (Node 20). */
const withEach = (text: string, from: string, to: string): string => text.split(from).join(to)

/**
 * The fields of a record without its line break.
 * @throws `ERR_OUTRIGGER_JOB` when its quotes are not in order
 */
export const parseCsvRecord = (text: string, delimiter: string): CsvField[] => {
  const fields: CsvField[] = []
  let at = 0
  for (;;) {
    if (text[at] === '"') {
      const start = at + 1
      let end = text.indexOf('"', start)
      let hasQuotes = false
      for (; text[end + 1] === '"' && end !== -1; end = text.indexOf('"', end + 2)) hasQuotes = true
      if (end === -1) throw jobError(`Cannot read the record as a quoted field must end with a quote: current value is ${JSON.stringify(text.slice(0, 200))}`)
      const inside = text.slice(start, end)
      const field = hasQuotes ? withEach(inside, '""', '"') : inside
      at = end + 1
      if (at < text.length && text[at] !== delimiter) throw jobError(`Cannot read the record as a delimiter must follow a quoted field: current value is ${JSON.stringify(text.slice(0, 200))}`)
      fields.push(field)
    } else {
      const found = text.indexOf(delimiter, at)
      const end = found === -1 ? text.length : found
      fields.push(end === at ? undefined : text.slice(at, end))
      at = end
    }
    if (at >= text.length) return fields
    at += 1
    // A delimiter at the end: one more field, with nothing in it.
    if (at === text.length) return [...fields, undefined]
  }
}

/** A value as a field. */
export const formatCsvField = (field: CsvField, delimiter: string): string => {
  if (field === undefined) return ''
  return field === '' || field.includes('"') || field.includes(delimiter) || field.includes('\n') || field.includes('\r') ? `"${withEach(field, '"', '""')}"` : field
}

/** A record with its line break. One that would be a blank line, which readers skip, is a pair of quotes. */
export const formatCsvRecord = (fields: readonly CsvField[], delimiter: string): string => {
  const text = fields.map((field) => formatCsvField(field, delimiter)).join(delimiter)
  return text === '' ? '""\n' : `${text}\n`
}

/** The value of a field as its schema has it. @throws `ERR_OUTRIGGER_JOB` */
export const typedField = (name: string, text: CsvField, field: Field): unknown => {
  const refuse = (constraint: string): never => {
    throw jobError(`Cannot read the field \`${name}\` as it must be ${constraint}: current value is ${text === undefined ? 'missing' : JSON.stringify(text.slice(0, 200))}`)
  }
  if (text === undefined) return field.optional === true ? undefined : refuse('there')
  switch (field.type) {
    case 'number':
    case 'integer': {
      const value = text.trim() === '' ? Number.NaN : Number(text)
      if (!Number.isFinite(value)) return refuse('a number')
      if (field.type === 'integer' && !Number.isSafeInteger(value)) return refuse('an integer that a number holds exactly')
      return value
    }
    case 'boolean':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : refuse('true, false, 1 or 0')
    case 'date': {
      const value = new Date(text)
      return Number.isNaN(value.getTime()) ? refuse('a date') : value
    }
    default:
      return text
  }
}
