import { expect, it } from 'vitest'
import { byteRange } from '../../../src/models/sources/_byte-range.js'

it.each([
  [null, undefined], ['bytes=0-0', { start: 0, end: 0 }], ['bytes=3-', { start: 3, end: 9 }], ['bytes=3-5', { start: 3, end: 5 }], ['bytes=3-99', { start: 3, end: 9 }],
  ['bytes=-4', { start: 6, end: 9 }], ['bytes=-99', { start: 0, end: 9 }], ['bytes=-0', 'unsatisfiable'], ['bytes=10-', 'unsatisfiable'], ['bytes=99-100', 'unsatisfiable'],
  ['bytes=5-3', undefined], ['bytes=-', undefined], ['bytes=0-1,3-4', undefined], ['items=0-1', undefined], ['bytes=a-b', undefined], ['bytes=9999999999999999999-', undefined],
])('byteRange reads %j of ten bytes', (header, range) => {
  expect(byteRange(header, 10)).toEqual(range)
})

it('byteRange of an empty file is never satisfiable', () => {
  expect(byteRange('bytes=0-', 0)).toBe('unsatisfiable')
  expect(byteRange('bytes=-1', 0)).toBe('unsatisfiable')
})
