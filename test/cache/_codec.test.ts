import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../src/cache/_codec.js'
import { contentKey } from '../../src/cache/content-key.js'

const plain = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true, withNullPrototype: true, maxDepth: 4 })

describe('the codec', () => {
  test('decodeValue gives back exactly what encodeValue was given, for any plain data', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const back = decodeValue(encodeValue(value))
        // By the key, which tells apart what comparisons take for equal, and by the prototypes.
        return contentKey(back) === contentKey(value) && Object.getPrototypeOf(Object(back)) === Object.getPrototypeOf(Object(value))
      }),
      { numRuns: 3000, seed: 3 },
    )
  })

  for (const [name, value] of [
    ['a typed array with a shape', Object.assign(new Float32Array([1, -0, Number.NaN]), { shape: [3, 1] })],
    ['a part of a buffer', new Float64Array(new ArrayBuffer(64), 8, 3)],
    ['a Buffer', Buffer.from([1, 2, 255])],
    ['a DataView', new DataView(new ArrayBuffer(5), 1)],
    ['an invalid date', new Date(Number.NaN)],
    ['lone surrogates', '\ud800 \udfff'],
    ['a field named __proto__', JSON.parse('{"__proto__": {"a": 1}, "b": 2}')],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an array with holes', Object.assign(new Array(5), { 2: 1 })],
    ['a long text', 'ü'.repeat(100_000)],
  ] as const) {
    test(`decodeValue gives back ${name}, in memory of its own`, () => {
      const bytes = encodeValue(value)
      const back = decodeValue(bytes) as object
      bytes.fill(0)
      expect(contentKey(back)).toBe(contentKey(value))
      expect(Object.getPrototypeOf(Object(back))).toBe(Object.getPrototypeOf(Object(value)))
    })
  }

  test('encodeValue refuses what is no plain data', () => {
    for (const value of [() => 1, Symbol('x'), new (class Row {})(), Promise.resolve(), [() => 1], new Map([[1, /x/]]), new (class Image extends Uint8Array {})(3)]) expect(() => encodeValue(value)).toThrow(TypeError)
  })

  test('decodeValue throws, and does nothing worse, for bytes that are no value', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeValue(Buffer.from(bytes))
        } catch (error) {
          return error instanceof Error
        }
        return true
      }),
      { numRuns: 5000, seed: 4 },
    )
    for (const bytes of [[], [99], [9, 255, 255, 255, 255], [11, 255, 255, 255, 255], [15, 9, 0, 3, 0, 0, 0, 1, 2, 3], [15, 99, 0, 0, 0, 0, 0], [0, 0], [7, 1, 0, 0, 0, 120]]) expect(() => decodeValue(Buffer.from(bytes)), bytes.join()).toThrow()
  })
})
