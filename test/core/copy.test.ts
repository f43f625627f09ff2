import vm from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyPlain } from '../../src/core/copy.js'

const refuse = (what: string): never => {
  throw new Error(what)
}
const copy = <T>(value: T): T => copyPlain(value, refuse)

describe('copyPlain', () => {
  it('copies plain data deeply and exactly', () => {
    fc.assert(fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true }), (value) => {
      expect(copy(value)).toEqual(value)
    }), { seed: 2 })
  })

  it('keeps a field named __proto__ a field, as JSON.parse does', () => {
    const original = JSON.parse('{"__proto__": {"admin": true}, "a": 1}') as object
    const copied = copy(original)
    expect([JSON.stringify(copied), Object.getPrototypeOf(copied) === Object.prototype, 'admin' in copied]).toEqual(['{"__proto__":{"admin":true},"a":1}', true, false])
  })

  it('shares nothing with the original', () => {
    const floats = Float32Array.of(1, 2, 3)
    const original = { list: [{ a: 1 }], floats, part: floats.subarray(1, 2), buffer: Buffer.from('abc'), raw: new ArrayBuffer(2), view: new DataView(new ArrayBuffer(4), 1, 2), date: new Date(5), map: new Map([[{ k: 1 }, { v: 1 }]]), set: new Set([[1]]) }
    const made = copy(original)
    expect(made).toEqual(original)
    made.list[0]!.a = 9
    made.floats[1] = 9
    made.buffer[0] = 0
    made.view.setUint8(0, 7)
    made.date.setTime(0)
    expect([original.list[0]!.a, floats[1], original.part[0], original.buffer.toString(), original.view.getUint8(0), original.date.getTime()]).toEqual([1, 2, 2, 'abc', 0, 5])
    expect([made.part.length, made.view.byteLength, Buffer.isBuffer(made.buffer), [...made.map.keys()][0] === [...original.map.keys()][0]]).toEqual([1, 2, true, false])
  })

  it('takes plain data of another realm', () => {
    const foreign = vm.runInNewContext('({ list: [1, new Date(3)], map: new Map([[1, new Set([2])]]), floats: Float32Array.of(1) })') as { list: [number, Date]; floats: Float32Array }
    const made = copy(foreign)
    expect([made.list[0], made.list[1].getTime(), made.floats[0]]).toEqual([1, 3, 1])
    made.floats[0] = 2
    expect(foreign.floats[0]).toBe(1)
  })

  it.each([
    ['a function', () => 1],
    ['a function in a field', { f: () => 1 }],
    ['a stream', (async function* () {})()],
    ['an instance of a class', new (class Thing {})()],
    ['an instance of a subclass', new (class Own extends Map {})()],
    ['a promise', Promise.resolve()],
    ['an error', new Error('x')],
    ['a regular expression', /x/],
  ])('refuses %s', (_, value) => {
    expect(() => copy(value)).toThrow()
  })
})
