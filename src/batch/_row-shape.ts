/** Which rows may share a run: those of one type and shape. */

const views = new Set<unknown>([Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, BigInt64Array, BigUint64Array])

const nested = (row: readonly unknown[]): string => {
  let shape = ''
  for (let part: unknown = row; ; part = part[0]) {
    if (Array.isArray(part)) shape += `${part.length},`
    else return typeof part === 'number' || typeof part === 'boolean' ? `[${shape}]` : ArrayBuffer.isView(part) ? `[${shape}]${shapeOf(part)}` : ''
  }
}

const shapeOf = (value: object): string => {
  if (ArrayBuffer.isView(value)) {
    const { constructor } = value
    const shape: unknown = 'shape' in value ? value.shape : undefined
    return `${views.has(constructor) ? constructor.name : 'bytes'}[${Array.isArray(shape) ? shape.join(',') : 'length' in value ? String(value.length) : value.byteLength}]`
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
