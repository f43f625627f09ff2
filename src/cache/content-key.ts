import { OutriggerError } from '../core/errors.js'
import { plainKind } from '../core/plain.js'

/**
 * The key of a value by its content: an exact encoding, not a hash. Two values have one key only if they are equal, so
 * that two different inputs can never share an answer.
 *
 * Equal means: the same type, and the same content. Objects and Maps are equal whatever the order of their keys, Sets
 * whatever the order of their elements, arrays only in the same order. Typed arrays need the same element type, the
 * same bytes and, where they carry one, the same `shape`. -0 and 0 differ; NaN equals NaN; `null`, `undefined`, a
 * missing field and an array hole all differ. Other fields that were put on an array are not looked at.
 *
 * Takes plain data: primitives, plain objects, arrays, typed arrays, ArrayBuffer, DataView, Date, Map, Set. Anything
 * else may hold state that cannot be seen, and is refused. Cost: about 0.5 µs for 3 kB of typed array; the key is as
 * long as the content.
 *
 * @throws `ERR_OUTRIGGER_UNCACHEABLE` for a function, a symbol, a promise, an instance of a class, or a cyclic value
 * @example
 * ```ts
 * import { contentKey } from 'outrigger/cache'
 * assert.equal(contentKey({ a: 1, b: [2] }), contentKey({ b: [2], a: 1 }))
 * assert.notEqual(contentKey(new Float32Array([1])), contentKey(new Int32Array([1])))
 * assert.notEqual(contentKey({ a: undefined }), contentKey({}))
 * assert.notEqual(contentKey([0]), contentKey([-0]))
 * ```
 */
export const contentKey = (value: unknown): string => encode(value, [])

const encode = (value: unknown, path: object[]): string => {
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? 'd-0;' : `d${value};`
    case 'string':
      return `s${value.length}:${value}`
    case 'boolean':
      return value ? 't' : 'f'
    case 'undefined':
      return 'u'
    case 'bigint':
      return `i${value};`
    case 'object':
      return value === null ? 'n' : encodeObject(value, path)
    default:
      throw uncacheable(`a ${typeof value}`)
  }
}

const encodeObject = (value: object, path: object[]): string => {
  if (ArrayBuffer.isView(value)) {
    // The class is part of the key: a Buffer is no Uint8Array to a model that looks.
    const { name } = value.constructor
    if (!views.has(name)) throw uncacheable(`an instance of ${name}`)
    const bytes = `v${name}:${value.byteLength}:${latin1(value.buffer, value.byteOffset, value.byteLength)}`
    const { shape } = value as { readonly shape?: unknown }
    return shape === undefined ? bytes : `${bytes}#${encode(shape, path)}`
  }
  if (path.includes(value)) throw uncacheable('an object that contains itself')
  path.push(value)
  const key = encodeContainer(value, path)
  path.pop()
  return key
}

/** By name, so that those of another realm are known too (Jest). Subclasses may hold fields that cannot be seen. */
const views = new Set(['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array', 'Float32Array', 'Float64Array', 'DataView', 'Buffer'])

const encodeContainer = (value: object, path: object[]): string => {
  switch (plainKind(value)) {
    case 'Object': {
      if (Object.getOwnPropertySymbols(value).length > 0) throw uncacheable('an object with symbol keys')
      const names = Object.keys(value).sort()
      let text = `o${names.length}:`
      for (const name of names) text += `${name.length}:${name}${encode((value as Record<string, unknown>)[name], path)}`
      return text
    }
    case 'Array': {
      const items = value as unknown[]
      let text = `a${items.length}:`
      // A hole is not undefined: a model that uses `in` or `forEach` sees the difference.
      for (let index = 0; index < items.length; index += 1) text += index in items ? encode(items[index], path) : 'h'
      return text
    }
    case 'Date':
      return `D${(value as Date).getTime()};`
    case 'Map': {
      const entries = [...(value as Map<unknown, unknown>)].map(([key, item]) => encode(key, path) + encode(item, path))
      return `m${entries.length}:${entries.sort().join('')}`
    }
    case 'Set': {
      const items = [...(value as Set<unknown>)].map((item) => encode(item, path))
      return `S${items.length}:${items.sort().join('')}`
    }
    case 'ArrayBuffer':
      return `B${(value as ArrayBuffer).byteLength}:${latin1(value as ArrayBuffer, 0, (value as ArrayBuffer).byteLength)}`
    default:
      throw uncacheable(`an instance of ${(value.constructor as { name?: string } | undefined)?.name ?? 'a class'}`)
  }
}

const latin1 = (buffer: ArrayBufferLike, offset: number, length: number): string => Buffer.from(buffer as ArrayBuffer, offset, length).toString('latin1')

const uncacheable = (what: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_UNCACHEABLE', `Cannot make a cache key as the input must be plain data (or give \`cached\` a \`key\` function): current value holds ${what}`)
