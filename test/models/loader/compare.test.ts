import { describe, expect, it } from 'vitest'
import { difference, nonFinite } from '../../../src/models/loader/_compare.js'

describe('nonFinite', () => {
  it('finds NaN and infinities wherever they are, and nothing else', () => {
    expect(nonFinite({ a: [1, { b: new Float32Array([0, Number.NaN]) }] })).toEqual({ path: '.a[1].b[1]', actual: Number.NaN })
    expect(nonFinite([-Infinity])).toEqual({ path: '[0]', actual: -Infinity })
    expect(nonFinite(Number.NaN)).toEqual({ path: '', actual: Number.NaN })
    for (const fine of [0, -1, 'NaN', null, undefined, true, [1, [2]], { a: {} }, new Float64Array(3), new Date(Number.NaN), 3n]) expect(nonFinite(fine)).toBeUndefined()
  })
})

describe('difference', () => {
  it.each([
    [1, 1 + 1e-9, 1e-6], [1000, 1000.05, 1e-4], [0, 1e-5, 1e-4], [[1, 2], new Float32Array([1, 2]), 0], [0, -0, 0],
    [{ a: 1, b: 'x' }, { b: 'x', a: 1, c: undefined }, 0], [null, null, 0], [true, true, 0], [[], [], 0],
  ])('%j and %j agree within %d', (expected, actual, tolerance) => {
    expect(difference(expected, actual, tolerance)).toBeUndefined()
  })

  it.each<[unknown, unknown, number, string, unknown, unknown]>([
    [1, 1.1, 1e-3, '', 1, 1.1], [1, Number.NaN, 1e9, '', 1, Number.NaN], [1, '1', 0, '', 1, '1'],
    [[1, 2], [1], 0, '', [1, 2], [1]], [[1, 2], [1, 3], 0, '[1]', 2, 3], [{ a: 1 }, { a: 1, b: 2 }, 0, '.b', undefined, 2],
    [{ a: 1 }, {}, 0, '.a', 1, undefined], [{ a: 1 }, null, 0, '', { a: 1 }, null], [[1], { 0: 1, length: 1 }, 0, '', [1], { 0: 1, length: 1 }],
    [{ a: [{ b: 'a' }] }, { a: [{ b: 'b' }] }, 0, '.a[0].b', 'a', 'b'], [null, undefined, 0, '', null, undefined], [false, 0, 0, '', false, 0],
  ])('%j and %j do not agree within %d', (expected, actual, tolerance, path, wanted, found) => {
    expect(difference(expected, actual, tolerance)).toEqual({ path, expected: wanted, actual: found, isNumeric: typeof wanted === 'number' && typeof found === 'number' })
  })
})
