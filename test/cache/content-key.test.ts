import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { contentKey } from 'outrigger/cache'
import { describe, expect, test } from 'vitest'

/** Text with the characters that the encoding itself uses. */
const text = fc.string({ unit: fc.constantFrom('a', '1', '0', '-', ':', ';', 's', 'd', 'n', 'u', 'o', '\u0000', 'é', '\ud800'), maxLength: 5 })
const number = fc.oneof(fc.constantFrom(0, -0, 1, -1, 1.5, Number.NaN, Infinity, -Infinity, 2 ** 53, 5e-324), fc.double())
const bytes = fc.uint8Array({ minLength: 8, maxLength: 8 })

const { value: plain } = fc.letrec<{ value: unknown; leaf: unknown; key: string }>((tie) => ({
  key: text,
  leaf: fc.oneof(number, text, fc.boolean(), fc.constantFrom(null, undefined), fc.bigInt({ min: -3n, max: 3n })),
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'value' },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.sparseArray(tie('leaf'), { maxLength: 3, maxNumElements: 2 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(fc.tuple(tie('leaf'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
    fc.date({ noInvalidDate: true }),
    fc.tuple(bytes, fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint8Array, Uint8ClampedArray, BigInt64Array)).map(([raw, Kind]) => new Kind(raw.buffer.slice(0) as ArrayBuffer)),
    bytes.map((raw) => raw.buffer.slice(0)),
  ),
}))

/** Equal, with the keys of objects and Maps and the elements of Sets in another order. */
const shuffled = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value
  if (value instanceof Date) return new Date(value)
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length)
    for (const index of Object.keys(value)) copy[Number(index)] = shuffled(value[Number(index)])
    return copy
  }
  if (value instanceof Map) return new Map([...value].reverse().map(([key, item]) => [key, shuffled(item)]))
  if (value instanceof Set) return new Set([...value].reverse().map(shuffled))
  const copy = {}
  for (const [name, item] of Object.entries(value).reverse()) Object.defineProperty(copy, name, { value: shuffled(item), enumerable: true, writable: true, configurable: true })
  return copy
}

/** The same with one leaf or one structure changed, the places counted in depth-first order. */
const changed = (value: unknown, at: number): unknown => {
  let place = -1
  const walk = (part: unknown): unknown => {
    place += 1
    if (place === at) return typeof part === 'object' ? [part] : Object.is(part, 0) ? -0 : typeof part === 'number' ? `${part}` : null
    if (Array.isArray(part)) return Array.from(part, walk)
    if (typeof part === 'object' && part !== null && Object.getPrototypeOf(part) === Object.prototype) return Object.fromEntries(Object.entries(part).map(([name, item]) => [name, walk(item)]))
    return part
  }
  return walk(value)
}

describe('properties', () => {
  test('contentKey of two values is equal if and only if Node calls them deeply and strictly equal', () => {
    let equal = 0
    fc.assert(
      fc.property(plain, plain, (one, other) => {
        const same = isDeepStrictEqual(one, other)
        if (same) equal += 1
        expect(contentKey(one) === contentKey(other)).toBe(same)
      }),
      { numRuns: 5000, seed: 7 },
    )
    expect(equal).toBeGreaterThan(20)
  })

  test('contentKey does not see the order of keys', () => {
    fc.assert(fc.property(plain, (value) => void expect(contentKey(shuffled(value))).toBe(contentKey(value))), { numRuns: 2000, seed: 7 })
  })

  test('contentKey sees a change anywhere', () => {
    fc.assert(
      fc.property(plain, fc.nat(6), (value, at) => {
        const other = changed(value, at)
        expect(contentKey(other) === contentKey(value)).toBe(isDeepStrictEqual(other, value))
      }),
      { numRuns: 3000, seed: 7 },
    )
  })
})

describe('traps', () => {
  const sparse: unknown[] = []
  sparse.length = 1
  const different: readonly [string, unknown][] = [
    ['0', 0],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['null', null],
    ['undefined', undefined],
    ['Infinity', Infinity],
    ['1', 1],
    ['"1"', '1'],
    ['1n', 1n],
    ['true', true],
    ['"true"', 'true'],
    ['""', ''],
    ['"null"', 'null'],
    ['the encoding of 1 as text', contentKey(1)],
    ['[]', []],
    ['[hole]', sparse],
    ['[undefined]', [undefined]],
    ['[null]', [null]],
    ['[NaN]', [Number.NaN]],
    ['[Infinity]', [Infinity]],
    ['[-0]', [-0]],
    ['[0]', [0]],
    ['[1, 2]', [1, 2]],
    ['[2, 1]', [2, 1]],
    ['[[1], 2]', [[1], 2]],
    ['[[1, 2]]', [[1, 2]]],
    ['["1;d2"]', ['1;d2']],
    ['["a", "b"]', ['a', 'b']],
    ['["a,b"]', ['a,b']],
    ['["ab", ""]', ['ab', '']],
    // Were lengths left out, or only the values escaped, each of these would meet the next one.
    ['["as:b", "c"]', ['as:b', 'c']],
    ['["a", "bs:c"]', ['a', 'bs:c']],
    ['["as1:b", "c"]', ['as1:b', 'c']],
    ['["a", "bs1:c"]', ['a', 'bs1:c']],
    ['{ "ad1;b": 1, c: 1 }', { 'ad1;b': 1, c: 1 }],
    ['{ a: 1, "bd1;c": 1 }', { a: 1, 'bd1;c': 1 }],
    ['{}', {}],
    ['{ a: undefined }', { a: undefined }],
    ['{ a: null }', { a: null }],
    ['{ a: NaN }', { a: Number.NaN }],
    ['{ a: { b: 1 } }', { a: { b: 1 } }],
    ['{ a: 1, b: 1 }', { a: 1, b: 1 }],
    ['{ "a:1": 1 }', { 'a:1': 1 }],
    ['an own __proto__', JSON.parse('{"__proto__":1}')],
    ['a Date', new Date(1)],
    ['an invalid Date', new Date(Number.NaN)],
    ['an ISO date', new Date(1).toISOString()],
    ['an empty Map', new Map()],
    ['an empty Set', new Set()],
    ['Map { a → 1 }', new Map([['a', 1]])],
    ['Map { 1 → "a" }', new Map([[1, 'a']])],
    ['Map { a → 1, b → 2 }', new Map([['a', 1], ['b', 2]])],
    ['Map { a → 2, b → 1 }', new Map([['a', 2], ['b', 1]])],
    ['Set { 1 }', new Set([1])],
    ['Set { "1" }', new Set(['1'])],
    ['Set { 1, 2 }', new Set([1, 2])],
    ['Set { [1, 2] }', new Set([[1, 2]])],
    ['Float32Array [1]', new Float32Array([1])],
    ['Int32Array [1]', new Int32Array([1])],
    ['Float64Array [1]', new Float64Array([1])],
    ['Uint32Array [1]', new Uint32Array([1])],
    ['Int32Array with the bytes of Float32Array [1]', new Int32Array(new Float32Array([1]).buffer)],
    ['Float32Array []', new Float32Array()],
    ['Float64Array []', new Float64Array()],
    ['Float32Array [0]', new Float32Array([0])],
    ['Float32Array [-0]', new Float32Array([-0])],
    ['Float32Array [1] of shape [1]', Object.assign(new Float32Array([1]), { shape: [1] })],
    ['Float32Array [1] of shape [1, 1]', Object.assign(new Float32Array([1]), { shape: [1, 1] })],
    ['Uint8Array [1]', new Uint8Array([1])],
    ['Uint8ClampedArray [1]', new Uint8ClampedArray([1])],
    ['a Buffer [1]', Buffer.from([1])],
    ['a DataView [1]', new DataView(new Uint8Array([1]).buffer)],
    ['an ArrayBuffer [1]', new Uint8Array([1]).buffer],
  ]

  test(`contentKey tells ${different.length} look-alikes apart`, () => {
    const byKey = new Map<string, string>()
    for (const [name, value] of different) {
      const key = contentKey(value)
      expect(byKey.get(key), `${name} has the key of ${byKey.get(key)}`).toBeUndefined()
      byKey.set(key, name)
    }
  })

  test('contentKey looks at the part of the buffer that a view shows', () => {
    const buffer = new Float32Array([9, 1, 2, 9]).buffer
    expect(contentKey(new Float32Array(buffer, 4, 2))).toBe(contentKey(new Float32Array([1, 2])))
    expect(contentKey(new Float32Array(buffer, 4, 2))).not.toBe(contentKey(new Float32Array(buffer, 0, 2)))
  })

  test('contentKey takes an object without prototype, and one object in two places', () => {
    const shared = { x: 1 }
    expect(contentKey({ a: shared, b: shared })).toBe(contentKey({ a: { x: 1 }, b: { x: 1 } }))
    expect(contentKey(Object.assign(Object.create(null), { a: 1 }))).toBe(contentKey({ a: 1 }))
  })

  test('contentKey takes typed arrays of another realm, as Jest hands them over', () => {
    expect(contentKey(runInNewContext('new Float32Array([1, 2])'))).toBe(contentKey(new Float32Array([1, 2])))
  })
})

describe('what is refused', () => {
  class Row {
    x = 1
  }
  class Labelled extends Array<number> {
    label = 'x'
  }
  class Tagged extends Map<string, number> {
    tag = 'x'
  }
  class Image extends Uint8Array {
    width = 2
  }
  class Moment extends Date {
    zone = 'UTC'
  }
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic

  for (const [what, value] of [
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a promise', Promise.resolve(1)],
    ['an instance of a class', new Row()],
    ['a subclass of Array, whose own fields it would not see', Object.assign(new Labelled(), [1])],
    ['a subclass of Map', new Tagged([['a', 1]])],
    ['a subclass of Date', new Moment(1)],
    ['a subclass of a typed array', new Image([1])],
    ['a boxed number', Object(1)],
    ['an error', new Error('x')],
    ['a regular expression', /x/],
    ['a WeakMap', new WeakMap()],
    ['an object with symbol keys', { [Symbol('x')]: 1 }],
    ['a cyclic object', cyclic],
  ] as const) {
    test(`contentKey refuses ${what}, at the top and inside`, () => {
      for (const input of [value, [value], { a: { b: value } }, new Map([['a', value]])]) {
        expect(() => contentKey(input)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_UNCACHEABLE' }))
      }
    })
  }
})
