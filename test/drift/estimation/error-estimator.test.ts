import { describe, expect, test } from 'vitest'
import { errorEstimator, type ErrorEstimatorOptions, type ErrorEstimatorState, type LabelledPrediction } from '../../../src/drift/estimation/error-estimator.js'
import { sealed } from '../../../src/drift/estimation/_saved.js'
import type { ErrorWindowState } from '../../../src/drift/estimation/error-window.js'
import { ExactSum } from '../../../src/stats/exact-sum.js'
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
  return estimator.estimate(window)
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
    expect(saved.estimate(window).rows).toBe(2)
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
    expect(estimator.estimate(window).rows).toBe(0)
    for (const label of [NaN, Infinity, 1e76, '3' as never]) expect(() => window.label(1, label)).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.label(1, 2, { hour: 'noon' })).toThrow(withCode('INVALID_INPUT'))
    expect(window.size.labels).toBe(0)
  })
})

describe('errorEstimator with late labels', () => {
  const estimator = errorEstimator({ reference: rowsOf(1, 4000) })
  const windowOf = (rows: ReturnType<typeof rowsOf>, labels: number) => {
    const window = estimator.window()
    rows.forEach(({ prediction, label, features }, row) => {
      window.count(prediction, features)
      if (row < labels) window.label(prediction, label, features)
    })
    return window
  }

  test('with all labels it is the truth, with no interval', () => {
    const rows = rowsOf(11, 600, { noise: 2 })
    const { state, labels, meanAbsoluteError: mae, rootMeanSquaredError: rmse } = estimator.corrected(windowOf(rows, 600))
    expect([state, labels]).toEqual(['ok', 600])
    const shown = truth(rows)
    for (const [found, wanted] of [[mae, shown.mae], [rmse, shown.rmse]] as const) for (const value of [found.value, found.low, found.high]) expect(value).toBeCloseTo(wanted, 10)
  })

  test('the interval becomes narrower as labels come, and narrower than that of the labels alone', () => {
    const rows = rowsOf(12, 3000)
    const widths = [50, 200, 1000, 2900].map((labels) => {
      const { low, high } = estimator.corrected(windowOf(rows, labels)).meanAbsoluteError
      return high - low
    })
    expect(widths).toEqual([...widths].sort((a, b) => b - a))
    const some = rows.slice(0, 1000).map(({ prediction, label }) => Math.abs(label - prediction))
    const mean = some.reduce((a, b) => a + b, 0) / 1000
    const alone = 2 * 1.96 * Math.sqrt(((1 - 1 / 3) * some.reduce((sum, error) => sum + (error - mean) ** 2, 0)) / 999 / 1000)
    expect(widths[2]!).toBeLessThan(0.95 * alone)
  })

  test('of one leaf it is the mean of the labelled, with the interval of a sample from a finite window', () => {
    const single = errorEstimator({ reference: rowsOf(1, 400), leaves: 1 })
    const window = single.window()
    const rows = rowsOf(16, 400)
    for (const { prediction } of rows) window.count(prediction)
    for (const { prediction, label } of rows.slice(0, 100)) window.label(prediction, label)
    const found = single.corrected(window)
    for (const [power, { value, low, high }] of [[1, found.meanAbsoluteError], [2, found.rootMeanSquaredError]] as const) {
      const losses = rows.slice(0, 100).map(({ prediction, label }) => Math.abs(label - prediction) ** power)
      const mean = losses.reduce((a, b) => a + b, 0) / 100
      const error = Math.sqrt(((1 - 100 / 400) * losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0)) / 98 / 100)
      expect(value).toBeCloseTo(mean ** (1 / power), 10)
      for (const [bound, sign] of [[low, -1], [high, 1]] as const) expect(bound).toBeCloseTo((mean * Math.exp((sign * 1.959963984540054 * error) / mean)) ** (1 / power), 9)
    }
  })

  test('few labels leave the estimate as it was, and say so', () => {
    const rows = rowsOf(13, 500)
    const plain = estimator.estimate(windowOf(rows, 0))
    expect(estimator.corrected(windowOf(rows, 29))).toEqual({ ...plain, state: 'too-few-labels' })
    expect(estimator.corrected(windowOf(rows.slice(0, 40), 40)).state).toBe('too-few-rows')
    expect(estimator.corrected(windowOf(rows, 30)).state).toBe('ok')
    const window = estimator.window()
    for (let row = 0; row < 200; row++) window.count(1, { city: 'Oslo', hour: 3 })
    window.label(9, 9, { city: 'Rome', hour: 3 })
    expect(() => estimator.corrected(window)).toThrow(withCode('INVALID_INPUT'))
  })

  test('windows merge to the byte in any order, and through JSON', () => {
    const rows = rowsOf(14, 900)
    const whole = windowOf(rows, 900)
    for (const order of [[0, 1, 2], [2, 0, 1]]) {
      const merged = estimator.window()
      for (const part of order) merged.merge(estimator.window(JSON.parse(JSON.stringify(windowOf(rows.slice(300 * part, 300 * part + 300), 300))) as ErrorWindowState))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
    }
  })

  test('a saved estimator or window that was edited is refused, field by field', () => {
    const { checksum: _, ...content } = estimator.toJSON()
    const [loss] = content.losses
    let endless: unknown = 0
    for (let depth = 0; depth < 2e5; depth++) endless = { column: 0, at: 1, low: endless, high: 1 }
    const deep = Array.from({ length: 400 }).reduce<unknown>((tree) => ({ column: 0, at: 1, low: tree, high: 1 }), 0)
    for (const edit of [
      { options: null }, { options: {} }, { options: { ...content.options, confidence: 2 } }, { options: { ...content.options, leaves: 1 } }, { options: { ...content.options, seed: null } },
      { features: null }, { features: [{ name: 1, ranks: null }] }, { features: [{ name: 'city', ranks: { Oslo: 'x' } }] }, { features: [] },
      { tree: null }, { tree: 0 }, { tree: deep }, { tree: { column: 0, at: null, low: 0, high: 1 } }, { tree: { column: 9, at: 1, low: 0, high: 1 } },
      { losses: [] }, { losses: null }, { losses: content.losses.slice(1) }, { losses: content.losses.map(() => [1, 1, 1, 1, 1]) }, { losses: content.losses.map(() => loss!.slice(1)) }, { losses: content.losses.map(() => [5, null, 1, 1, 1]) }, { losses: content.losses.map(() => [5, 1, -1, 1, 1]) },
      { range: [3, 1] }, { range: [1] }, { range: null }, { blocks: {} }, { blocks: { count: 3, absolute: 0, squared: 0 } }, { blocks: { count: 9, absolute: -1, squared: 0 } }, { blocks: undefined },
    ]) {
      const state = sealed({ ...content, ...edit }) as unknown as ErrorEstimatorState
      expect(() => errorEstimator({ state }), JSON.stringify(edit).slice(0, 80)).toThrow(withCode('PROFILE'))
    }
    for (const state of [null, 7, 'x', [], {}, { ...content, checksum: 'sha256:0' }, { ...content, tree: endless, checksum: '' }, { ...estimator.toJSON(), version: 2 }]) expect(() => errorEstimator({ state: state as unknown as ErrorEstimatorState })).toThrow(withCode('PROFILE'))

    const { checksum: __, ...window } = windowOf(rowsOf(15, 100), 20).toJSON()
    const [sums] = window.errors
    for (const edit of [{ estimator: 'other' }, { rows: [] }, { rows: window.rows.map(() => -1) }, { outside: -1 }, { outside: 101 }, { outside: null }, { errors: null }, { errors: window.errors.slice(1) }, { errors: window.errors.map(() => []) }, { errors: window.errors.map(() => [null, null, null]) }, { errors: window.errors.map(() => [sums![0], sums![1], new ExactSum().toJSON()]) }]) {
      expect(() => estimator.window(sealed({ ...window, ...edit }) as unknown as ErrorWindowState), JSON.stringify(edit).slice(0, 80)).toThrow(withCode('PROFILE'))
    }
    const other = errorEstimator({ reference: rowsOf(2, 400) })
    expect(() => other.estimate(estimator.window())).toThrow(withCode('PROFILE'))
    expect(() => other.corrected({} as never)).toThrow(withCode('PROFILE'))
    expect(() => other.window().merge(estimator.window())).toThrow(withCode('PROFILE'))
    expect(() => other.estimate(other.window(), { blocks: 0 })).toThrow(withCode('INVALID_OPTION'))
  })
})

describe('errorEstimator with blocks', () => {
  /** Blocks of 50 rows; with a spread, each has errors that are larger or smaller by a factor of its own. */
  const blocked = (seed: number, n: number, spread: number) => {
    const random = seeded(seed)
    let factor = 1
    return rowsOf(seed + 1, n).map((row, index) => {
      if (index % 50 === 0) factor = Math.exp(spread * random.normal())
      return { ...row, label: row.prediction + factor * (row.label - row.prediction), block: Math.floor(index / 50) }
    })
  }

  test('blockSpread is what blocks differ by, and about 0 where they do not', () => {
    const mean = (spread: number): number => [1, 2, 3, 4].reduce((sum, run) => sum + errorEstimator({ reference: blocked(run * 7919, 5000, spread) }).blockSpread / 4, 0)
    expect(mean(0)).toBeLessThan(0.06)
    expect(mean(0.3)).toBeGreaterThan(0.25)
    expect(mean(0.3)).toBeLessThan(0.38)
    expect(errorEstimator({ reference: rowsOf(1, 400) }).blockSpread).toBe(0)
  })

  test('a window of more blocks has a narrower interval, and one without blocks the narrowest', () => {
    const reference = blocked(5, 4000, 0.3)
    const estimator = errorEstimator({ reference })
    const plain = errorEstimator({ reference: reference.map(({ block: _, ...row }) => row) })
    const width = (of: typeof estimator, blocks: number): number => {
      const window = of.window()
      for (const { prediction, features } of rowsOf(6, 1000)) window.count(prediction, features)
      const { meanAbsoluteError: { low, high } } = of.estimate(window, { blocks })
      return high - low
    }
    const widths = [width(estimator, 1), width(estimator, 4), width(estimator, 1000), width(plain, 1)]
    expect(widths).toEqual([...widths].sort((a, b) => b - a))
    expect(widths[0]! / widths[1]!).toBeGreaterThan(1.6)
  })

  test('the interval holds the blocks of the window and those of the reference, in the proportions of the formula', () => {
    const reference = blocked(5, 4000, 0.3)
    const estimator = errorEstimator({ reference })
    const plain = errorEstimator({ reference: reference.map(({ block: _, ...row }) => row) })
    /** Of the logarithm: the relative variance behind the interval, in units of 1.96². */
    const variance = (of: typeof estimator, blocks: number): number => {
      const window = of.window()
      for (const { prediction, features } of rowsOf(6, 1000)) window.count(prediction, features)
      const { value, high } = of.estimate(window, { blocks }).meanAbsoluteError
      return (Math.log(high / value) / 1.959964) ** 2
    }
    const rows = variance(plain, 1)
    const spread = estimator.blockSpread ** 2
    // The reference has 80 blocks.
    for (const blocks of [1, 4, 1e9]) expect((variance(estimator, blocks) - rows) / spread / (1 / blocks + 1 / 80)).toBeCloseTo(1, 4)
  })

  test('blocks that are none, or too few, are refused', () => {
    const reference = blocked(7, 300, 0)
    expect(() => errorEstimator({ reference })).toThrow(withCode('TOO_FEW_ROWS'))
    expect(() => errorEstimator({ reference: [...reference, ...rowsOf(8, 1)] })).toThrow(withCode('INVALID_INPUT'))
  })
})
