/** What the writer makes of what was pushed: hashes in the place of what must not be kept, and one line of JSON. */
import { createHmac } from 'node:crypto'
import type { StateEvent } from '../core/events.js'
import type { Guarded } from '../core/guarded.js'
import { maskBy, type MaskableSchema, type Masked } from '../core/masking.js'
import type { PredictionRecord } from '../core/record.js'
import { ownReasons } from './own-reasons.js'
import type { Sample } from './sampling.js'

/** HMAC-SHA-256 (RFC 2104), its first 128 bits in hexadecimal. Who has no secret can neither guess nor join what was hashed. */
const keyedHash = (secret: string | Uint8Array, text: string): string => createHmac('sha256', secret).update(text).digest('hex').slice(0, 32)

/** Whatever is escaped: a whole surrogate pair, half of one, or something else. */
const escaped = /\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|ud[89a-f][0-9a-f]{2}|.)/g

/** JSON without halves of surrogate pairs, which not every reader takes: a U+FFFD stands for each. `JSON.stringify` writes halves, and nothing else, as `\ud…`. */
export const wellFormed = (json: string): string => (json.includes('\\ud') ? json.replace(escaped, (found) => (found.length === 6 ? '\ufffd' : found)) : json)

/** The text of a prediction. The fields of the record follow as they are: it was masked where it was made. */
export const predictionText = (record: PredictionRecord, name: string, sample: Sample, hashes: string): string =>
  `{"kind":"prediction","class":"${name}",${hashes}"sample":{"reason":"${sample.reason}","probability":${sample.probability}},${wellFormed(JSON.stringify(record)).slice(1)}`

/** The hashes of what a record left out, as the beginning of its text; empty if there is nothing. */
export const hashesText = (secret: string | Uint8Array, { key, fields }: Guarded): string => {
  // A hash says for what it is, so that the same text in two places does not show as such.
  const subject = key === undefined ? '' : `"subject":"${keyedHash(secret, `subject\n${key}`)}",`
  if (fields === undefined) return subject
  const keyed = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, keyedHash(secret, `field ${name}\n${typeof value === 'string' ? value : JSON.stringify(value)}`)]))
  return `${subject}"keyed":${wellFormed(JSON.stringify(keyed))},`
}

/** What may be kept of a label or an override: plain values; of records and lists the fields that a schema allows. */
export const valueMask = (schema: MaskableSchema | undefined): ((value: unknown) => Masked[string] | Masked | undefined) => {
  const names = Object.keys(schema?.fields ?? {})
  // Of a schema of one field a plain value is that field's, with its tags.
  const bare = maskBy({ fields: { value: names.length === 1 ? (schema?.fields[names[0] as string] ?? {}) : {} } })
  const mask = schema === undefined ? undefined : maskBy(schema)
  return (value) => {
    if (typeof value !== 'object' || value === null || value instanceof Date) return bare(value)['value']
    return mask?.(value)
  }
}

/** The text of a label, an override or a change. */
export const laterText = (kind: 'label' | 'override' | 'change', name: string, fields: object): string => wellFormed(JSON.stringify({ kind, class: name, v: 1, ...fields }))

/** What is kept of a change. Its `data` is not, nor a reason that the library did not write: layers put there what they like. */
export const changeFields = ({ layer, subject, from, to, reason, at }: StateEvent, id: string, texts: ReadonlySet<string>): object => ({ id, at, layer, subject, from, to, reason: ownReasons.has(layer) || texts.has(layer) ? reason : '' })
