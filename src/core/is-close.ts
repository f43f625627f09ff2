/** Comparing answers: the same model gives slightly other numbers in another batch, or on another machine. */

/** Whether two answers agree: equal in structure, with numbers within 1e-6, relative or absolute. */
export const isClose = (a: unknown, b: unknown): boolean => {
  if (typeof a === 'number' && typeof b === 'number') return Object.is(a, b) || (Number.isFinite(a - b) && Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b)))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b)
  const kind = kindOf(a)
  if (kind !== kindOf(b)) return false
  // By their kind and not by `instanceof`: they may be of another realm.
  if (kind === '[object Date]') return Object.is(Number(a), Number(b))
  if (kind === '[object Set]') return (a as Set<unknown>).size === (b as Set<unknown>).size && [...(a as Set<unknown>)].every((item) => (b as Set<unknown>).has(item))
  if (kind === '[object Map]') return isCloseMap(a as Map<unknown, unknown>, b as Map<unknown, unknown>)
  if (kind === '[object ArrayBuffer]' || kind === '[object DataView]') return bytesOf(a as ArrayBuffer | DataView).equals(bytesOf(b as ArrayBuffer | DataView))
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((key) => Object.hasOwn(b, key) && isClose((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}

const isCloseMap = (a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean => a.size === b.size && [...a].every(([key, item]) => b.has(key) && isClose(item, b.get(key)))

const kindOf = (value: object): string => Object.prototype.toString.call(value)

const bytesOf = (data: ArrayBuffer | DataView): Buffer => (ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data))
