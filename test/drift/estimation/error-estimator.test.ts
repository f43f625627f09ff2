import { describe, expect, test } from 'vitest'
import { errorEstimator, type ErrorEstimatorOptions, type ErrorEstimatorState, type LabelledPrediction } from '../../../src/drift/estimation/error-estimator.js'
import { seeded } from '../_seeded.js'

/** Noise that grows with the prediction, and is three times as large in one city. */
const rowsOf = (seed: number, n: number, { from = 0, to = 10, oslo = 0.5, noise = 1 } = {}): (LabelledPrediction & { features: { city: string; hour: number | null } })[] => {
  const random = seeded(seed)
  return Array.from({ length: n }, () => {
    const prediction = from + (to - from) * random.uniform()
    const city = random.uniform() < oslo ? 'Oslo' : 'Rome'
    return { prediction, label: prediction + noise * (1 + prediction / 5) * (city === 'Oslo' ? 3 : 1) * random.normal(), features: { city, hour: random.uniform() < 0.1 ? null : Math.floor(24 * random.uniform()) } }
  })
}
const truth = (rows: readonly LabelledPrediction[]) => {
  const errors = rows.map(({ prediction, label }) => Math.abs(label - prediction))
  return { mae: errors.reduce((sum, error) => sum + error, 0) / rows.length, rmse: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / rows.length) }
}
const estimate = (estimator: ReturnType<typeof errorEstimator>, rows: ReturnType<typeof rowsOf>) => {
  const window = estimator.window()
  for (const { prediction, features } of rows) window.count(prediction, features)
  return window.estimate()
}
const withCode = (code: string) => expect.objectContaining({ code: `ERR_OUTRIGGER_${code}` }) as Error

describe('errorEstimator', () => {
  const estimator = errorEstimator({ reference: rowsOf(1, 4000) })

  test.each<[string, Parameters<typeof rowsOf>[2]]>([['nothing changed', {}], ['larger predictions', { from: 6 }], ['more of the noisy city', { oslo: 0.9 }]])('the interval holds the errors at its level: %s', (_, world) => {
    let [absolute, squared] = [0, 0]
    for (let run = 1; run <= 100; run++) {
      const own = errorEstimator({ reference: rowsOf(run * 7919, 2000), leaves: 16 })
      const rows = rowsOf(run * 104_729, 500, world)
      const { meanAbsoluteError: mae, rootMeanSquaredError: rmse } = estimate(own, rows)
      const shown = truth(rows)
      absolute += Number(mae.low <= shown.mae && shown.mae <= mae.high)
      squared += Number(rmse.low <= shown.rmse && shown.rmse <= rmse.high)
    }
    // 95 %, less three standard errors of 100 runs.
    expect(absolute).toBeGreaterThanOrEqual(88.5)
    expect(squared).toBeGreaterThanOrEqual(88.5)
  }, 20_000)

  test('concept drift is not seen: errors twice as large', () => {
    const rows = rowsOf(3, 2000, { noise: 2 })
    expect(estimate(estimator, rows).meanAbsoluteError.high).toBeLessThan(0.7 * truth(rows).mae)
  })

  test('states: too few rows, and predictions outside of the reference', () => {
    expect(estimate(estimator, rowsOf(4, 50)).state).toBe('too-few-rows')
    const far = estimate(estimator, rowsOf(5, 500, { from: 9, to: 19 }))
    expect(far.state).toBe('outside-support')
    expect(far.outsideSupport).toBeGreaterThan(0.8)
    expect(estimate(estimator, rowsOf(6, 500)).state).toBe('ok')
  })

  test('a saved estimator goes on as it was; categories never seen and missing features are taken', () => {
    const saved = errorEstimator({ state: JSON.parse(JSON.stringify(estimator)) as ErrorEstimatorState })
    expect(estimate(saved, rowsOf(7, 500))).toEqual(estimate(estimator, rowsOf(7, 500)))
    const window = saved.window()
    window.count(3, { city: 'Paris', hour: null })
    window.count(3)
    expect(window.estimate().rows).toBe(2)
  })

  test('it refuses what it cannot use', () => {
    const reference = rowsOf(8, 300)
    for (const [code, options] of [
      ['INVALID_OPTION', {}],
      ['INVALID_OPTION', { reference, leafs: 3 }],
      ['INVALID_OPTION', { reference, state: estimator.toJSON() }],
      ['TOO_FEW_ROWS', { reference: reference.slice(0, 199) }],
      ['INVALID_INPUT', { reference: [...reference, { prediction: NaN, label: 1 }] }],
      ['INVALID_INPUT', { reference: [...reference, { prediction: 1, label: Infinity }] }],
      ['INVALID_INPUT', { reference: [...reference, null] }],
      ['INVALID_INPUT', { reference: [...reference, { prediction: 1, label: 1, features: 'noon' }] }],
      ['INVALID_INPUT', { reference: [...reference, { prediction: 1, label: 1, features: { city: {} } }] }],
      ['INVALID_OPTION', { reference, seed: {} }],
      ['PROFILE', { state: { ...estimator.toJSON(), range: [0, 1] } }],
    ] as const) expect(() => errorEstimator(options as ErrorEstimatorOptions)).toThrow(withCode(code))
    const window = estimator.window()
    expect(() => window.count(NaN)).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.count(1, { hour: 'noon' })).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.count(1, null as never)).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.count(1, { city: {} as never })).toThrow(withCode('INVALID_INPUT'))
    expect(window.estimate().rows).toBe(0)
  })
})
