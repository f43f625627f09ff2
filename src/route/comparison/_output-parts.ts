/** What there is to compare in an output: labels, numbers, lists of scores, by name. */
import { plainKind } from '../../core/plain.js'

/** A part of an output. `other` can only be the same or not. */
export type OutputPart =
  | { readonly kind: 'label'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'scores'; readonly value: ArrayLike<number>; readonly shape: string; readonly isSingle: boolean }
  | { readonly kind: 'other'; readonly value: unknown }

const deepest = 4

/** Gives each part of an output with its name: `''` for an output that is one, `a.b` for a field within a record. */
export const partsOf = (output: unknown, most: number): Map<string, OutputPart> => {
  const parts = new Map<string, OutputPart>()
  read(output, '', 0, most, parts)
  return parts
}

const read = (value: unknown, name: string, depth: number, most: number, parts: Map<string, OutputPart>): void => {
  const part = partOf(value)
  // Parts beyond the most are compared, not measured.
  if (part !== undefined) parts.set(name, parts.size >= most ? { kind: 'other', value } : part)
  else if (depth >= deepest || parts.size >= most || plainKind(value as object) !== 'Object') parts.set(name, { kind: 'other', value })
  else {
    const names = Object.keys(value as object)
    if (names.length === 0) parts.set(name, { kind: 'other', value })
    for (const field of names) read((value as Record<string, unknown>)[field], name === '' ? field : `${name}.${field}`, depth + 1, most, parts)
  }
}

/** The part that a value is; `undefined` for a record, and for what is no part either. */
export const partOf = (value: unknown): OutputPart | undefined => {
  switch (typeof value) {
    case 'string':
      return { kind: 'label', value }
    case 'boolean':
      return { kind: 'label', value: String(value) }
    case 'number':
      return { kind: 'number', value }
    case 'bigint':
      return { kind: 'number', value: Number(value) }
    case 'object':
      return value === null ? { kind: 'other', value } : (scoresOf(value) ?? (isTensor(value) ? (scoresOf(value.data, value.shape) ?? { kind: 'other', value }) : undefined))
    default:
      return { kind: 'other', value }
  }
}

const isTensor = (value: object): value is { readonly data: object; readonly shape: readonly number[] } =>
  'data' in value && typeof value.data === 'object' && value.data !== null && 'shape' in value && Array.isArray(value.shape)

const scoresOf = (value: object, shape: readonly number[] = []): OutputPart | undefined => {
  const scores = (list: ArrayLike<number>): OutputPart => ({ kind: 'scores', value: list, shape: `${shape.join(',')}:${list.length}`, isSingle: value instanceof Float32Array })
  if (Array.isArray(value)) return value.every((item) => typeof item === 'number') ? scores(value) : { kind: 'other', value }
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return undefined
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return scores(Array.from(value, Number))
  return scores(value as Float64Array)
}
