import { retryAfterOf } from 'outrigger/policy'
import { expect, test } from 'vitest'

const wall = (): number => Date.UTC(2026, 0, 1)
const response = (value: string) => ({ headers: new Headers({ 'Retry-After': value }) })

test.each([
  ['milliseconds of its own', { retryAfterMs: 250 }, 250],
  ['milliseconds before anything else', { retryAfterMs: 0, retryAfter: 9 }, 0],
  ['seconds as a number', { retryAfter: 1.5 }, 1500],
  ['seconds as a text', { retryAfter: '3' }, 3000],
  ['a date', { retryAfter: 'Thu, 01 Jan 2026 00:00:10 GMT' }, 10_000],
  ['a date that has passed', { retryAfter: 'Thu, 01 Jan 2015 00:00:10 GMT' }, 0],
  ['a header of a Headers', response('2'), 2000],
  ['a header of a plain object', { headers: { 'retry-after': '2' } }, 2000],
  ['a header of its response', { response: response('2') }, 2000],
  ['a header of the plain object of its response', { response: { headers: { 'retry-after': 2 } } }, 2000],
  ['nothing', new Error('down'), undefined],
  ['nothing in its headers', { headers: new Headers(), response: { headers: {} } }, undefined],
  ['nonsense', { retryAfter: 'soon' }, undefined],
  ['an empty text', { retryAfter: ' ' }, undefined],
  ['a negative number', { retryAfterMs: -5 }, undefined],
  ['NaN', { retryAfterMs: Number.NaN }, undefined],
  ['an object', { retryAfter: {}, headers: 5, response: 'x' }, undefined],
  ['no object', 'retry-after: 5', undefined],
  ['null', null, undefined],
  ['undefined', undefined, undefined],
])('retryAfterOf reads an error with %s', (_, error, expected) => {
  expect(retryAfterOf(error, wall)).toBe(expected)
})

test('retryAfterOf reads the wall clock only for a date', () => {
  const never = (): number => {
    throw new Error('read')
  }
  expect([retryAfterOf({ retryAfter: 5 }, never), retryAfterOf({ headers: { 'retry-after': '5' } }, never)]).toEqual([5000, 5000])
})
