import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isotonicRegression, isotonicValue } from '../../src/stats/isotonic-regression.js'

interface Case {
  readonly name: string
  readonly x: number[]
  readonly y: number[]
  readonly weights: number[] | null
  readonly at: number[]
  readonly values: number[]
  readonly fitted: number[]
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/isotonic/golden.json', import.meta.url), 'utf8')) as { readonly cases: readonly Case[] }

describe('isotonicRegression equals scikit-learn', () => {
  test.each(cases.map((golden) => [golden.name, golden] as const))('%s', (_, { x, y, weights, at, values, fitted }) => {
    const fit = isotonicRegression(x, y, weights === null ? {} : { weights })
    at.forEach((place, index) => expect(isotonicValue(fit, place)).toBeCloseTo(values[index] as number, 11))
    x.forEach((place, index) => expect(isotonicValue(fit, place)).toBeCloseTo(fitted[index] as number, 11))
  })
})

test('a fit never falls, and keeps the sum of the values', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -99, max: 99 })), { minLength: 1, maxLength: 40 }), (rows) => {
      const x = rows.map(([first]) => first)
      const y = rows.map(([, second]) => second)
      const fit = isotonicRegression(x, y)
      for (let i = 1; i < fit.x.length; i++) {
        expect(fit.x[i]).toBeGreaterThan(fit.x[i - 1] as number)
        expect(fit.y[i]).toBeGreaterThanOrEqual(fit.y[i - 1] as number)
      }
      const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
      expect(sum(x.map((place) => isotonicValue(fit, place)))).toBeCloseTo(sum(y), 8)
    }),
    { seed: 1, numRuns: 200 },
  )
})

test('isotonicRegression refuses what it cannot fit', () => {
  const code = 'ERR_OUTRIGGER_INVALID_INPUT'
  for (const [x, y, weights] of [[[1], [1, 2]], [[1], [1], [1, 1]], [[NaN], [1]], [[1], [Infinity]], [[1], [1], [-1]], [[1], [1], [0]], [[], []]] as const) {
    expect(() => isotonicRegression(x, y, weights === undefined ? {} : { weights })).toThrow(expect.objectContaining({ code }))
  }
})

test('isotonicValue of NaN is NaN, and no probability', () => {
  expect(isotonicValue({ x: [1, 2], y: [0.25, 1] }, NaN)).toBeNaN()
})
