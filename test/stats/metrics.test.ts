import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auc, aucCounts } from '../../src/stats/auc.js'
import { brierScore } from '../../src/stats/brier-score.js'
import { holm } from '../../src/stats/holm.js'
import { logLoss } from '../../src/stats/log-loss.js'
import { Moments } from '../../src/stats/moments.js'
import { golden, relativeError } from './_golden.js'

const { scores, labels } = golden.metrics

test('auc equals the Mann-Whitney U of SciPy with ties, from scores and from counts per score', () => {
  expect(relativeError(auc(scores, labels), golden.metrics.auc)).toBeLessThan(1e-14)
  const up = new Array<number>(101).fill(0)
  const down = new Array<number>(101).fill(0)
  scores.forEach((score, row) => {
    const side = labels[row] === 1 ? up : down
    const cell = Math.round(score * 100)
    side[cell] = (side[cell] as number) + 1
  })
  expect(relativeError(aucCounts(up, down), golden.metrics.auc)).toBeLessThan(1e-14)
})

test('auc takes infinite scores and boolean labels, and is NaN without both labels', () => {
  expect(auc([-Infinity, 0, Infinity, Infinity], [false, false, true, true])).toBe(1)
  expect(auc([Infinity, Infinity], [true, false])).toBe(0.5)
  expect([auc([], []), auc([1, 2], [1, 1]), aucCounts([0], [3])]).toEqual([NaN, NaN, NaN])
})

test('logLoss and brierScore equal their formulas in NumPy', () => {
  expect(relativeError(logLoss(scores, labels), golden.metrics.logLoss)).toBeLessThan(1e-13)
  expect(relativeError(brierScore(scores, labels), golden.metrics.brier)).toBeLessThan(1e-13)
})

test('logLoss of a sure and wrong prediction is finite', () => {
  expect(logLoss([0], [1])).toBeCloseTo(34.54, 2)
  expect(logLoss([1], [0])).toBeCloseTo(34.54, 1)
  expect(logLoss([1, 0], [1, 0])).toBeCloseTo(0, 14)
})

test('metrics refuse what is no probability and what is no label', () => {
  const code = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
  expect(() => logLoss([1.1], [1])).toThrow(code)
  expect(() => brierScore([NaN], [1])).toThrow(code)
  expect(() => auc([0.5], [2])).toThrow(code)
  expect(() => auc([0.5, 0.6], [1])).toThrow(code)
})

test('holm never rejects less than Bonferroni, keeps the order, and leaves untested ones out', () => {
  expect(holm([0.01, NaN, 0.04])).toEqual([0.02, NaN, 0.04])
  expect(holm([])).toEqual([])
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (p) => {
      const adjusted = holm(p)
      adjusted.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(p[i] as number)
        expect(value).toBeLessThanOrEqual(Math.min(1, (p[i] as number) * p.length))
        adjusted.forEach((other, j) => {
          if ((p[i] as number) < (p[j] as number)) expect(value).toBeLessThanOrEqual(other)
        })
      })
    }),
  )
})

test('Moments equal mpmath on values with a large mean', () => {
  const { values, mean, variance } = golden.moments
  const moments = new Moments()
  for (const value of values) moments.push(value)
  expect(relativeError(moments.mean, mean)).toBeLessThan(1e-15)
  // The condition number of a variance is mean / standard deviation, 3e5 here; the sum-of-squares formula would lose 1e-5.
  expect(relativeError(moments.variance, variance)).toBeLessThan(3e5 * Number.EPSILON)
})

test('Moments of parts, merged, equal the whole up to rounding, and survive JSON', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 50 }), fc.nat(50), (values, cut) => {
      const whole = new Moments()
      const left = new Moments()
      const right = new Moments()
      values.forEach((value, i) => {
        whole.push(value)
        ;(i < cut ? left : right).push(value)
      })
      left.merge(right)
      const again = new Moments(JSON.parse(JSON.stringify(left)))
      expect(again.count).toBe(whole.count)
      if (values.length > 0) expect(Math.abs(again.mean - whole.mean)).toBeLessThan(1e-9)
      if (values.length > 1) expect(again.variance).toBeCloseTo(whole.variance, -Math.log10(1e-9 * Math.max(1, whole.variance)))
    }),
  )
  expect([new Moments().mean, new Moments().variance]).toEqual([NaN, NaN])
})
