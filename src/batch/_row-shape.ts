/** Which rows may share a run: those of one type and shape. */

const views = new Set<unknown>([Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, BigInt64Array, BigUint64Array])

/** Rows that come together are mostly alike, so that the last shape is kept. */
let last: { readonly kind: unknown; readonly length: number; readonly shape: string } = { kind: undefined, length: 0, shape: '' }

/** The shape of so many numbers in a typed array, or in an array. */
const flat = (kind: unknown, length: number): string => {
  if (kind !== last.kind || length !== last.length) last = { kind, length, shape: kind === Array ? `[${length},]` : `${views.has(kind) ? (kind as NewableFunction).name : 'bytes'}[${length}]` }
  return last.shape
}

const nested = (row: readonly unknown[]): string => {
  if (typeof row[0] === 'number') return flat(Array, row.length)
  let shape = ''
  for (let part: unknown = row; ; part = part[0]) {
    if (Array.isArray(part)) shape += `${part.length},`
    else return typeof part === 'number' || typeof part === 'boolean' ? `[${shape}]` : ArrayBuffer.isView(part) ? `[${shape}]${shapeOf(part)}` : ''
  }
}

const shapeOf = (value: object): string => {
  if (ArrayBuffer.isView(value)) {
    const shape: unknown = 'shape' in value ? value.shape : undefined
    if (!Array.isArray(shape)) return flat(value.constructor, 'length' in value ? (value.length as number) : value.byteLength)
    return `${views.has(value.constructor) ? value.constructor.name : 'bytes'}[${shape.join(',')}]`
  }
  if (Array.isArray(value)) return nested(value)
  const { data, shape, dtype } = value as { data?: unknown; shape?: unknown; dtype?: unknown }
  if (Array.isArray(shape) && typeof data === 'object' && data !== null) return `${typeof dtype === 'string' ? dtype : ''}${ArrayBuffer.isView(data) ? data.constructor.name : ''}[${shape.join(',')}]`
  return ''
}

/**
 * The type and shape of a row: of a typed array, of nested arrays of numbers, of a tensor `{ shape, data }`, and of a
 * record of those by name. `''` for everything else: numbers, texts, records of plain features.
 */
export const rowShape = (row: unknown): string => {
  if (typeof row !== 'object' || row === null) return ''
  const own = shapeOf(row)
  if (own !== '' || Array.isArray(row)) return own
  let shape = ''
  for (const name of Object.keys(row)) {
    const part = (row as Record<string, unknown>)[name]
    if (typeof part !== 'object' || part === null) continue
    const inner = shapeOf(part)
    if (inner !== '') shape += `${name}:${inner};`
  }
  return shape
}
