import { createContext, runInContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { pipe } from 'outrigger'
import { cached } from 'outrigger/cache'
import { contentKey } from 'outrigger/cache'
import { plainKind } from '../../src/core/plain.js'

const elsewhere = (code: string): object => runInContext(`(${code})`, createContext({})) as object

describe('plainKind', () => {
  test.each([
    ['({})', 'Object'],
    ['Object.create(null)', 'Object'],
    ['[1]', 'Array'],
    ['new Date(0)', 'Date'],
    ['new Map()', 'Map'],
    ['new Set()', 'Set'],
    ['new ArrayBuffer(4)', 'ArrayBuffer'],
    ['new (class extends Map {})()', undefined],
    ['new (class A {})()', undefined],
    ['new (class Object { constructor() { this.a = 1 } })()', undefined],
    ['new (class extends Array {})()', undefined],
    ['Promise.resolve()', undefined],
    ['/x/', undefined],
    ['new Proxy({}, {})', 'Object'],
  ])('plainKind of %s is %s, here and in another realm', (code, kind) => {
    expect(plainKind(elsewhere(code))).toBe(kind)
    // oxlint-disable-next-line no-eval -- The same text in both realms.
    expect(plainKind((0, eval)(`(${code})`) as object)).toBe(kind)
  })

  test('cached serves rows and answers of another realm, as in a Jest test', async () => {
    const code = '{ a: [1, , 2], when: new Date(5), m: new Map([[1, new Set([2])]]) }'
    expect(contentKey(elsewhere(code))).toBe(contentKey(elsewhere(code)))
    const predict = pipe((_: object) => elsewhere('{ at: new Date(7), list: [1] }') as { at: Date; list: number[] }, cached())
    await predict(elsewhere(code))
    const { output, record } = await predict.detailed(elsewhere(code))
    expect([output.at.getTime(), output.list.length, record.source]).toEqual([7, 1, 'cache'])
  })
})
