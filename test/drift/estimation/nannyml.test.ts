import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { errorEstimator, performanceEstimator } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'

type MadeRows = readonly [seed: number, count: number, mean: number, other: number]
interface Case {
  readonly name: string
  readonly reference: MadeRows
  readonly window: MadeRows
  readonly estimated: readonly number[]
  readonly shown: readonly number[]
}
/** What NannyML estimated, and what the labels showed, made by test/golden/performance-estimation/make.py; `rowsOf` and `predictionsOf` have its formulas. */
const golden = JSON.parse(readFileSync(new URL('../../golden/performance-estimation/golden.json', import.meta.url), 'utf8')) as { readonly classifiers: readonly (Case & { readonly calibrated: boolean })[]; readonly regressions: readonly Case[] }

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))
const rowsOf = ([seed, count, mean, sharper]: MadeRows): { score: number; label: number }[] => {
  const random = seeded(seed)
  return Array.from({ length: count }, () => {
    const x = mean + 1.5 * random.normal()
    return { score: logistic(sharper * x), label: Number(random.uniform() < logistic(x)) }
  })
}
const predictionsOf = ([seed, count, mean, share]: MadeRows): { prediction: number; features: { city: number }; label: number }[] => {
  const random = seeded(seed)
  return Array.from({ length: count }, () => {
    const prediction = mean + 12 * random.normal()
    const city = Number(random.uniform() < share)
    return { prediction, features: { city }, label: prediction + (1 + Math.abs(prediction) / 50) * (city === 1 ? 3 : 1) * random.normal() }
  })
}
const distance = (one: readonly number[], other: readonly number[]): number => Math.max(...one.map((value, index) => Math.abs(value - (other[index] as number))))

describe('performanceEstimator and CBPE of NannyML on the same scores', () => {
  test.each(golden.classifiers.map((found) => [found.name, found] as const))('%s', (_, { reference, window, calibrated, estimated, shown }) => {
    for (const [cells, tolerance, maps] of [[64, 0.004, 100], [1000, 0.002, 20]] as const) {
      const estimator = performanceEstimator({ reference: rowsOf(reference), cells, maps })
      const rows = estimator.window()
      for (const { score } of rowsOf(window)) rows.count(score)
      const { accuracy, precision, recall, f1, auc } = estimator.estimate(rows)
      const found = [accuracy, precision, recall, f1, auc].map((metric) => metric as { value: number; low: number; high: number })
      const values = found.map(({ value }) => value)
      // NannyML may map scores that are good as they are; how far a map of 5000 rows is off, is the difference then.
      expect(distance(values, estimated)).toBeLessThan((estimator.calibration === 'isotonic') === calibrated ? tolerance : 0.03)
      found.forEach(({ low, high }, metric) => {
        for (const value of [estimated[metric], shown[metric]]) {
          expect(value).toBeGreaterThanOrEqual(low)
          expect(value).toBeLessThanOrEqual(high)
        }
      })
    }
  })

  test('scores that are not as they should be are mapped by both, and good ones not always', () => {
    expect(golden.classifiers.map(({ reference, calibrated }) => [performanceEstimator({ reference: rowsOf(reference), maps: 20 }).calibration, calibrated])).toEqual([
      ['none', true],
      ['none', true],
      ['none', false],
      ['isotonic', true],
      ['isotonic', true],
      ['isotonic', true],
    ])
  })
})

test.each(golden.regressions.map((found) => [found.name, found] as const))('the intervals of errorEstimator hold what DLE of NannyML (boosted trees) estimates, and what the labels show: %s', (_, { reference, window, estimated, shown }) => {
  const estimator = errorEstimator({ reference: predictionsOf(reference) })
  const rows = estimator.window()
  for (const { prediction, features } of predictionsOf(window)) rows.count(prediction, features)
  const { meanAbsoluteError, rootMeanSquaredError } = estimator.estimate(rows)
  ;[meanAbsoluteError, rootMeanSquaredError].forEach(({ low, high }, metric) => {
    expect((high - low) / low).toBeLessThan(0.2)
    for (const value of [estimated[metric], shown[metric]]) {
      expect(value).toBeGreaterThanOrEqual(low)
      expect(value).toBeLessThanOrEqual(high)
    }
  })
})
