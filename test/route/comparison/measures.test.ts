import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { kendallTau, topOverlap, ulpDistance } from 'outrigger/route'
import { topIndices } from '../../../src/route/comparison/top-k.js'

const golden = JSON.parse(readFileSync(new URL('../../golden/comparison/golden.json', import.meta.url), 'utf8')) as {
  kendall: [number[], number[], number][]
  ulps: [number, number, boolean, number][]
  overlap: [number[], number[], number, number][]
}

describe('measures of a comparison', () => {
  test('kendallTau equals SciPy, also with ties', () => {
    for (const [a, b, tau] of golden.kendall) expect(kendallTau(a, b)).toBeCloseTo(tau, 12)
  })

  test('kendallTau says nothing of lists without an order', () => {
    for (const [a, b] of [[[], []], [[1], [1]], [[1, 1], [1, 2]], [[1, 2], [1, 2, 3]], [[1, Number.NaN], [1, 2]]] as const) expect(kendallTau(a, b)).toBe(NaN)
    expect(kendallTau([1, 2], [-Infinity, Infinity])).toBe(1)
  })

  test('ulpDistance equals the steps of NumPy', () => {
    for (const [a, b, isSingle, steps] of golden.ulps) expect([ulpDistance(a, b, isSingle), ulpDistance(b, a, isSingle), ulpDistance(-a, -b, isSingle)]).toEqual([steps, steps, steps])
  })

  test('ulpDistance of what is no number', () => {
    expect([ulpDistance(NaN, NaN), ulpDistance(0, -0), ulpDistance(Infinity, Infinity), ulpDistance(NaN, 1), ulpDistance(1, Infinity), ulpDistance(0, -0, true)]).toEqual([0, 0, 0, Infinity, Infinity, 0])
  })

  test('topOverlap equals sorting, and takes the first of equal ones', () => {
    for (const [a, b, k, share] of golden.overlap) expect(topOverlap(a, b, k)).toBeCloseTo(share, 12)
    expect(topIndices([1, 3, 3, Number.NaN, 2], 4)).toEqual([1, 2, 4, 0])
    expect(topIndices([1, 2], 5)).toEqual([1, 0])
    expect([topOverlap([], [], 3), topOverlap([1, 2], [2, 1], 5)]).toEqual([1, 1])
  })
})
