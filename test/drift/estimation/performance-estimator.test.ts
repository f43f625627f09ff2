import { describe, expect, test } from 'vitest'
import { performanceEstimator, type LabelledScore, type PerformanceEstimatorOptions, type PerformanceEstimatorState } from '../../../src/drift/estimation/performance-estimator.js'
import type { PerformanceWindow, PerformanceWindowState } from '../../../src/drift/estimation/performance-window.js'
import { seeded } from '../_seeded.js'

const rowsOf = (seed: number, n: number, shift = 0): { readonly score: number; readonly label: number }[] => {
  const random = seeded(seed)
  return Array.from({ length: n }, () => {
    const score = random.uniform()
    return { score, label: Number(random.uniform() < score + shift) }
  })
}
const estimator = performanceEstimator({ reference: rowsOf(1, 4000), maps: 40 })
const windowOf = (rows: readonly { readonly score: number; readonly label: number }[], labels = 0) => {
  const window = estimator.window()
  rows.forEach(({ score, label }, row) => {
    window.count(score)
    if (row < labels) window.label(score, label)
  })
  return window
}
const withCode = (code: string) => expect.objectContaining({ code: `ERR_OUTRIGGER_${code}` }) as Error

describe('performanceEstimator', () => {
  test('estimates each metric of calibrated uniform scores', () => {
    const { state, rows, accuracy, precision, recall, f1, auc, brier } = estimator.estimate(windowOf(rowsOf(2, 5000)))
    expect([state, rows]).toEqual(['ok', 5000])
    // ∫ max(s, 1 − s) = 3/4; the AUC of s as density against 1 − s is 5/6, the Brier score ∫ s (1 − s) = 1/6.
    for (const [metric, exact] of [[accuracy, 0.75], [precision, 0.75], [recall, 0.75], [f1, 0.75], [auc, 5 / 6], [brier, 1 / 6]] as const) {
      expect(Math.abs((metric?.value ?? NaN) - exact)).toBeLessThan(0.02)
      expect(metric?.low).toBeLessThan(exact)
      expect(metric?.high).toBeGreaterThan(exact)
    }
  })

  test('calibrates scores that promise too much, and leaves good ones alone', () => {
    expect(estimator.calibration).toBe('none')
    const sharp = performanceEstimator({ reference: rowsOf(3, 4000).map(({ score, label }) => ({ score: score < 0.5 ? score ** 3 : 1 - (1 - score) ** 3, label })), maps: 20 })
    expect(sharp.calibration).toBe('isotonic')
    // Scores that are no probabilities have to be.
    const odds = performanceEstimator({ reference: rowsOf(3, 4000).map(({ score, label }) => ({ score: 10 * score - 5, label })), threshold: 0, maps: 20 })
    expect(odds.calibration).toBe('isotonic')
    const window = odds.window()
    for (let i = 0; i < 1000; i++) window.count((i % 100) / 10 - 5)
    expect(odds.estimate(window).brier).toBeUndefined()
    expect(Math.abs(odds.estimate(window).accuracy.value - 0.75)).toBeLessThan(0.03)
  })

  test('the same window gives the same estimate, and one that was saved or merged from parts too', () => {
    const rows = rowsOf(4, 900)
    const whole = windowOf(rows, 300)
    const [first, second] = [windowOf(rows.slice(0, 400), 300), windowOf(rows.slice(400))]
    second.merge(first)
    expect(JSON.stringify(second)).toBe(JSON.stringify(whole))
    const saved = performanceEstimator({ state: JSON.parse(JSON.stringify(estimator)) as PerformanceEstimatorState })
    const again = saved.window(JSON.parse(JSON.stringify(whole)) as PerformanceWindowState)
    expect(again.size).toEqual({ rows: 900, labels: 300 })
    expect(saved.estimate(again)).toEqual(estimator.estimate(whole))
    expect(saved.corrected(again)).toEqual(estimator.corrected(whole))
  })

  test('scores where the reference has none widen the interval and are told', () => {
    const narrow = performanceEstimator({ reference: rowsOf(5, 4000).filter(({ score }) => score < 0.7), maps: 40 })
    const window = narrow.window()
    for (let i = 0; i < 1000; i++) window.count((i % 100) / 100 + 0.005)
    const found = narrow.estimate(window)
    expect(found.state).toBe('outside-support')
    expect(found.outsideSupport).toBeCloseTo(0.3, 5)
    const inside = narrow.window()
    for (let i = 0; i < 1000; i++) inside.count((i % 70) / 100 + 0.005)
    const { accuracy } = narrow.estimate(inside)
    expect(found.accuracy.high - found.accuracy.low).toBeGreaterThan(1.5 * (accuracy.high - accuracy.low))
  })

  test('a threshold that no score of the reference reaches is no silent 0 or 1', () => {
    const random = seeded(14)
    const rare = performanceEstimator({ reference: rowsOf(6, 3000).map(({ score }) => ({ score: score / 10, label: Number(random.uniform() < score / 10) })), maps: 20 })
    const window = rare.window()
    for (let i = 0; i < 500; i++) window.count(i < 400 ? 0.05 : 0.9)
    const { state, precision } = rare.estimate(window)
    expect(state).toBe('outside-support')
    expect((precision?.high ?? 0) - (precision?.low ?? 0)).toBeGreaterThan(0.05)
  })

  test('too few rows are a state, and no rows are no number', () => {
    expect(estimator.estimate(windowOf(rowsOf(7, 50))).state).toBe('too-few-rows')
    const empty = estimator.estimate(estimator.window())
    expect(empty.state).toBe('too-few-rows')
    expect(empty.accuracy.value).toBeNaN()
  })

  test('all labels correct the estimate to what they show', () => {
    const rows = rowsOf(8, 1000, -0.2)
    const { state, labels, accuracy, precision, recall, f1 } = estimator.corrected(windowOf(rows, 1000))
    const count = (isPositive: boolean, label: number): number => rows.filter((row) => row.score >= 0.5 === isPositive && row.label === label).length
    const [tp, fp, fn, tn] = [count(true, 1), count(true, 0), count(false, 1), count(false, 0)]
    expect([state, labels]).toEqual(['ok', 1000])
    for (const [metric, exact] of [[accuracy, (tp + tn) / 1000], [precision, tp / (tp + fp)], [recall, tp / (tp + fn)], [f1, (2 * tp) / (2 * tp + fp + fn)]] as const) {
      expect(metric?.value).toBeCloseTo(exact, 12)
      expect((metric?.high ?? NaN) - (metric?.low ?? NaN)).toBeCloseTo(0, 12)
    }
  })

  test('the interval closes as the last labels come, as it is about these rows', () => {
    const rows = rowsOf(21, 2000)
    const width = (labels: number): number => {
      const { low, high } = estimator.corrected(windowOf(rows, labels)).accuracy
      return high - low
    }
    // √((1 − f) / f): of 95 % of the labels .23 times that of a half.
    expect(width(1900) / width(1000)).toBeGreaterThan(0.15)
    expect(width(1900) / width(1000)).toBeLessThan(0.32)
  })

  test('a pool that never met a positive row says rare, not never', () => {
    const reference = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? { score: 0.1, label: 0 } : { score: 0.9, label: Number(i % 20 !== 1) }))
    const careful = performanceEstimator({ reference, maps: 40 })
    const window = careful.window()
    for (let i = 0; i < 10_000; i++) window.count(0.1)
    const { accuracy } = careful.estimate(window)
    expect(accuracy.value).toBe(1)
    // Three in 500 at most, by the rule of three.
    expect(accuracy.low).toBeLessThan(0.998)
    expect(accuracy.low).toBeGreaterThan(0.985)
  })

  test('blocks that differ by chance alone have no spread', () => {
    const spreads = Array.from({ length: 10 }, (_, run) => performanceEstimator({ reference: rowsOf(30 + run, 2000).map((row, i) => ({ ...row, block: i % 40 })), maps: 20 }).blockSpread)
    expect(spreads.reduce((sum, spread) => sum + spread, 0) / 10).toBeLessThan(0.2)
  })

  test('some labels narrow the interval around what changed; a few are not enough', () => {
    const rows = rowsOf(9, 4000, -0.2)
    const exact = rows.filter(({ score, label }) => score >= 0.5 === (label === 1)).length / rows.length
    const before = estimator.estimate(windowOf(rows))
    const after = estimator.corrected(windowOf(rows, 600))
    expect(after.precision?.high).toBeLessThan(before.precision?.low ?? NaN)
    expect(Math.abs(after.accuracy.value - exact)).toBeLessThan(0.03)
    const few = estimator.corrected(windowOf(rows, 40))
    expect(few).toEqual({ ...before, state: 'too-few-labels' })
  })

  test('the confidence of the top class gives the accuracy of a model of many classes', () => {
    const random = seeded(10)
    const draw = (): LabelledScore => {
      const score = 0.3 + 0.7 * random.uniform()
      return { score, label: random.uniform() < score }
    }
    const many = performanceEstimator({ reference: Array.from({ length: 3000 }, draw), scoreOf: 'top-class', maps: 20 })
    const window = many.window()
    for (let i = 0; i < 1000; i++) window.count(0.3 + (i % 10) / 100)
    const found = many.estimate(window)
    expect(Object.keys(found).filter((name) => typeof found[name as 'accuracy'] === 'object').sort()).toEqual(['accuracy', 'brier'])
    expect(Math.abs(found.accuracy.value - 0.345)).toBeLessThan(0.03)
  })

  test('days that differ widen the interval, the less the more of them a window spans', () => {
    const random = seeded(11)
    const reference = Array.from({ length: 40 }, (_, day) => ({ day, odds: random.normal() })).flatMap(({ day, odds }) =>
      Array.from({ length: 100 }, () => {
        const score = random.uniform()
        return { score, block: day, label: Number(random.uniform() < 1 / (1 + ((1 - score) / score) * Math.exp(-odds))) }
      }),
    )
    const daily = performanceEstimator({ reference, maps: 60 })
    expect(daily.blockSpread).toBeGreaterThan(0.6)
    expect(daily.blockSpread).toBeLessThan(1.6)
    const window = daily.window()
    for (let i = 0; i < 2000; i++) window.count((i % 100) / 100)
    const width = (blocks: number): number => {
      const { precision } = daily.estimate(window, { blocks })
      return (precision?.high ?? NaN) - (precision?.low ?? NaN)
    }
    expect(width(1)).toBeGreaterThan(2 * width(20))
    for (const estimate of [estimator.estimate, estimator.corrected]) expect(() => estimate(windowOf(rowsOf(20, 400), 200), { blocks: 0 })).toThrow(withCode('INVALID_OPTION'))
  })
})

describe('performanceEstimator refuses', () => {
  const reference = rowsOf(12, 200)
  test.each<[string, string, unknown]>([
    ['no reference', 'INVALID_OPTION', {}],
    ['no array', 'INVALID_OPTION', { reference: 'rows' }],
    ['a misspelt option', 'INVALID_OPTION', { reference, treshold: 0.3 }],
    ['a kind of score that there is not', 'INVALID_OPTION', { reference, scoreOf: 'bottom-class' }],
    ['too few rows', 'TOO_FEW_ROWS', { reference: reference.slice(0, 99) }],
    ['one label only', 'TOO_FEW_ROWS', { reference: reference.map(({ score }) => ({ score, label: 1 })) }],
    ['a score that is NaN', 'INVALID_INPUT', { reference: [...reference, { score: NaN, label: 1 }] }],
    ['a score as text', 'INVALID_INPUT', { reference: [...reference, { score: '0.5', label: 1 }] }],
    ['a label that is none', 'INVALID_INPUT', { reference: [...reference, { score: 0.5, label: 2 }] }],
    ['a row that is null', 'INVALID_INPUT', { reference: [...reference, null] }],
    ['blocks in some rows', 'INVALID_INPUT', { reference: [...reference, { score: 0.5, label: 1, block: 1 }] }],
    ['too few blocks', 'TOO_FEW_ROWS', { reference: reference.map((row, i) => ({ ...row, block: i % 7 })) }],
  ])('%s', (_, code, options) => {
    expect(() => performanceEstimator(options as PerformanceEstimatorOptions)).toThrow(withCode(code))
  })

  test('scores and labels that are none, and labels without scores', () => {
    const window = estimator.window()
    expect(() => window.count(NaN)).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.count(undefined as unknown as number)).toThrow(withCode('INVALID_INPUT'))
    expect(() => window.label(0.5, NaN)).toThrow(withCode('INVALID_INPUT'))
    expect(window.size).toEqual({ rows: 0, labels: 0 })
    window.label(0.5, 1)
    expect(() => estimator.corrected(window)).toThrow(withCode('INVALID_INPUT'))
  })

  test('every state that was changed or cut, and windows of another estimator', () => {
    const text = JSON.stringify(estimator)
    const restore = (state: unknown) => () => performanceEstimator({ state: state as PerformanceEstimatorState })
    for (const state of [null, 1, [], {}, JSON.parse(text.replace('"version":1', '"version":2')), JSON.parse(text.replace('"threshold":0.5', '"threshold":0.4')), { ...(JSON.parse(text) as object), blocks: [] }]) {
      expect(restore(state)).toThrow(withCode('PROFILE'))
    }
    expect(() => performanceEstimator({ state: estimator.toJSON(), seed: 2 })).toThrow(withCode('INVALID_OPTION'))
    const saved = windowOf(rowsOf(13, 10)).toJSON()
    for (const state of [{}, { ...saved, version: 2 }, { ...saved, rows: saved.rows.map(() => 1) }]) expect(() => estimator.window(state as PerformanceWindowState)).toThrow(withCode('PROFILE'))
    const other = performanceEstimator({ reference, maps: 20 })
    expect(() => other.window(saved)).toThrow(withCode('PROFILE'))
    for (const window of [windowOf([]), null, undefined, {}]) for (const estimate of [other.estimate, other.corrected]) expect(() => estimate(window as PerformanceWindow)).toThrow(withCode('PROFILE'))
    expect(() => other.window().merge(windowOf([]))).toThrow(withCode('PROFILE'))
  })
})

test('a corrected Brier score has no bound above 1', () => {
  const window = estimator.window()
  for (let row = 0; row < 1000; row++) window.count(0.995)
  for (let row = 0; row < 40; row++) window.label(0.995, 0)
  const { state, brier } = estimator.corrected(window)
  expect(state).toBe('ok')
  expect(brier!.high).toBe(1)
})
