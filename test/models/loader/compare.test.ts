import { describe, expect, it } from 'vitest'
import { difference, nonFinite } from '../../../src/models/loader/_compare.js'

describe('nonFinite', () => {
  it('finds NaN and infinities wherever they are, and nothing else', () => {
    expect(nonFinite({ a: [1, { b: new Float32Array([0, Number.NaN]) }] }, 'out')).toBe('out.a[1].b[1] is NaN')
    expect(nonFinite([-Infinity], 'out')).toBe('out[0] is -Infinity')
    for (const fine of [0, -1, 'NaN', null, undefined, true, [1, [2]], { a: {} }, new Float64Array(3), new Date(Number.NaN), 3n]) expect(nonFinite(fine, 'out')).toBeUndefined()
  })
})

describe('difference', () => {
  it.each([
    [1, 1 + 1e-9, 1e-6], [1000, 1000.05, 1e-4], [0, 1e-5, 1e-4], [[1, 2], new Float32Array([1, 2]), 0], [0, -0, 0],
    [{ a: 1, b: 'x' }, { b: 'x', a: 1, c: undefined }, 0], [null, null, 0], [true, true, 0], [[], [], 0],
  ])('%j and %j agree within %d', (expected, actual, tolerance) => {
    expect(difference(expected, actual, tolerance, 'out')).toBeUndefined()
  })

  it.each([
    [1, 1.1, 1e-3, 'out is 1.1 instead of 1 (tolerance 0.001)'], [1, Number.NaN, 1e9, 'out is NaN'], [1, '1', 0, 'out is "1" instead of 1'],
    [[1, 2], [1], 0, 'out is an array of 1 instead of an array of 2'], [[1, 2], [1, 3], 0, 'out[1] is 3 instead of 2'], [{ a: 1 }, { a: 1, b: 2 }, 0, 'out.b is 2 instead of undefined'],
    [{ a: 1 }, {}, 0, 'out.a is undefined instead of 1'], [{ a: 1 }, null, 0, 'out is null'], [[1], { 0: 1, length: 1 }, 0, 'out is an object'], ['a', 'b', 0, 'out is "b"'], [null, undefined, 0, 'out is undefined'], [false, 0, 0, 'out is 0'],
  ])('%j and %j do not agree within %d', (expected, actual, tolerance, message) => {
    expect(difference(expected, actual, tolerance, 'out')).toContain(message)
  })
})
