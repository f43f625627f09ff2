import { describe, expect, test } from 'vitest'
import { layer } from 'outrigger'
import { layerConformance, type ConformingLayer } from 'outrigger/testing'

/** Layers that are wrong in one way each, and a check that must say so. */
const broken: Record<string, { readonly make: () => ConformingLayer; readonly caughtBy: string }> = {
  'changes answers': { make: () => layer<number, number>('plus', { one: async (next, input, call) => (await next(input, call)) + 1 }), caughtBy: 'an answer passes' },
  'loses the order of rows': {
    make: () => layer<number, number>('reversed', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch)).reverse() }),
    caughtBy: 'a batch equals single calls, in order',
  },
  'asks twice': {
    make: () => layer<number, number>('twice', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch), await next(inputs, batch)) }),
    caughtBy: 'a batch of rows asks for each row at most once',
  },
  'loses all rows for one': {
    make: () =>
      layer<number, number>('all-or-nothing', {
        one: (next, input, call) => next(input, call),
        many: async (next, inputs, batch) => {
          const rows = await next(inputs, batch)
          const failed = rows.find((row) => typeof row === 'object')
          return failed === undefined ? rows : rows.map(() => failed)
        },
      }),
    caughtBy: 'a row that fails does not lose the others',
  },
  'swallows errors': { make: () => layer<number, number>('swallow', { one: async (next, input, call) => await next(input, call).catch(() => 0) }), caughtBy: 'the error of the model arrives' },
  'ignores the call': {
    make: () =>
      layer<number, number>('deaf', {
        one: async (next, input, call) => await next(input, call.detach()),
      }),
    caughtBy: 'the abort of a caller rejects at once and reaches the model',
  },
  'changes inputs': {
    make: () => layer<number, number>('greedy', { one: (next, input, call) => next(input, call), many: (next, inputs, batch) => ((inputs as number[])[0] = 9, next(inputs, batch)) }),
    caughtBy: 'the inputs are not changed',
  },
}

describe('layerConformance', () => {
  test.each(Object.entries(broken))('finds a layer that %s', async (_name, { make, caughtBy }) => {
    const check = layerConformance(make).find(({ name }) => name === caughtBy)
    await expect(check?.run()).rejects.toThrow()
  })

  test('takes exceptions by name, and refuses unknown ones', () => {
    const make = broken['changes answers']!.make
    expect(layerConformance(make, { except: { 'an answer passes': 'it adds one' } }).some(({ name }) => name === 'an answer passes')).toBe(false)
    expect(() => layerConformance(make, { except: { nonsense: 'none' } })).toThrow(/nonsense/)
  })
})
