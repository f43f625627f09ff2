import { createRequire } from 'node:module'
import { afterEach, expect, it } from 'vitest'
import { tfjsNodeShim } from '../../../src/models/engines/tfjs-node-shim.js'

// As tfjs-node sees it.
const util = createRequire(import.meta.url)('util') as Record<string, unknown>
const before = { isNullOrUndefined: util['isNullOrUndefined'], isArray: util['isArray'] }

afterEach(() => {
  for (const [name, value] of Object.entries(before)) if (value === undefined) delete util[name]; else util[name] = value
})

it('tfjsNodeShim leaves alone what Node still has', () => {
  const own = (): boolean => false
  util['isNullOrUndefined'] = own
  util['isArray'] = own
  expect(tfjsNodeShim()).toEqual([])
  expect(util).toMatchObject({ isNullOrUndefined: own, isArray: own })
})

it('tfjsNodeShim gives back what Node removed, to whoever required util before', () => {
  delete util['isNullOrUndefined']
  delete util['isArray']
  expect(tfjsNodeShim()).toEqual(['isNullOrUndefined', 'isArray'])
  const { isNullOrUndefined, isArray } = util as Record<string, (value: unknown) => boolean>
  expect([null, undefined, 0, '', false, NaN].map((value) => isNullOrUndefined?.(value))).toEqual([true, true, false, false, false, false])
  expect([[], {}, 'a', new Float32Array(1)].map((value) => isArray?.(value))).toEqual([true, false, false, false])
  expect(tfjsNodeShim()).toEqual([])
})
