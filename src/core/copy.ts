/** Copies of plain data: what a layer keeps longer than its caller does is a copy of its own. */
import { plainKind } from './plain.js'
import { isStream } from './streams.js'

/**
 * A deep copy of plain data: primitives, plain objects, arrays, typed arrays, ArrayBuffer, DataView, Date, Map, Set.
 *
 * @param refuse - is told what cannot be copied (a stream, a function, an instance of a class), and throws
 */
export const copyPlain = <T>(value: T, refuse: (what: string) => never): T => copyPart(value, refuse, 0) as T

const copyPart = (part: unknown, refuse: (what: string) => never, depth: number): unknown => {
  if (typeof part !== 'object' || part === null) return typeof part === 'function' ? refuse('a function') : part
  if (ArrayBuffer.isView(part)) {
    const view = copyOfView(part)
    // A caller may change the dimensions, too.
    return 'shape' in part ? Object.assign(view, { shape: copyPart(part.shape, refuse, depth + 1) }) : view
  }
  return copyContainer(part, refuse, depth)
}

const copyContainer = (object: object, refuse: (what: string) => never, depth: number): unknown => {
  if (depth > deepest) return refuse(`an object that contains itself, or is nested more than ${deepest} deep`)
  if (isStream(object)) return refuse('a stream')
  switch (plainKind(object)) {
    case 'Object': {
      const result = Object.create(Object.getPrototypeOf(object) as object | null) as Record<string, unknown>
      for (const name of Object.keys(object)) {
        const field = copyPart((object as Record<string, unknown>)[name], refuse, depth + 1)
        // A field of this name, as JSON.parse makes it, must not become the prototype.
        if (name === '__proto__') Object.defineProperty(result, name, { value: field, writable: true, enumerable: true, configurable: true })
        else result[name] = field
      }
      return result
    }
    case 'Array':
      return (object as unknown[]).map((item) => copyPart(item, refuse, depth + 1))
    case 'Date':
      return new Date((object as Date).getTime())
    case 'ArrayBuffer':
      return (object as ArrayBuffer).slice(0)
    case 'Map':
      return new Map([...(object as Map<unknown, unknown>)].map(([key, item]) => [copyPart(key, refuse, depth + 1), copyPart(item, refuse, depth + 1)]))
    case 'Set':
      return new Set([...(object as Set<unknown>)].map((item) => copyPart(item, refuse, depth + 1)))
    default:
      return refuse(`an instance of ${(object.constructor as { name?: string } | undefined)?.name ?? 'a class'}`)
  }
}

/** Deeper data, and data that contains itself, would end in an overflow of the stack somewhere. */
export const deepest = 1000

/** A Buffer's own `slice` shares its memory; the typed array's copies it. */
const copyOfView = (view: ArrayBufferView): ArrayBufferView => {
  if (!('slice' in view)) return new DataView(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength))
  return Buffer.isBuffer(view) ? Buffer.from(view) : (view as Uint8Array).slice()
}

/** About how many bytes a value holds; for limits, not for accounting. */
export const roughBytes = (value: unknown): number => {
  switch (typeof value) {
    case 'string':
      return 16 + 2 * value.length
    case 'object': {
      if (value === null) return 8
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return 96 + value.byteLength
      const parts: unknown[] = value instanceof Map ? [...value].flat() : value instanceof Set || Array.isArray(value) ? [...value] : Object.entries(value).flat()
      return parts.reduce((sum: number, part) => sum + roughBytes(part), 32)
    }
    default:
      return 8
  }
}
