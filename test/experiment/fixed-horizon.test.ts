import { describe, expect, test } from 'vitest'
import { bayesianMeans, bayesianRates, cuped, power, ratioSummary, sampleSize, SampleRatio } from '../../src/experiment/index.js'
import { PairedMoments, twoProportions, welch } from '../../src/stats/index.js'
import { seeded } from '../drift/_seeded.js'
import { goldens, off } from './_goldens.js'

const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
const option = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })

describe('equal to SciPy and statsmodels', () => {
  test('welch', () => {
    for (const { first, second, statistic, pValue, df, lower, upper } of goldens.welch) {
      const result = welch(first, second, { level: 0.9 })
      expect(off(result.statistic, statistic)).toBeLessThan(1e-9)
      expect(off(result.pValue, pValue)).toBeLessThan(1e-9)
      expect(off(result.degreesOfFreedom, df)).toBeLessThan(1e-10)
      expect(result.lower).toBeCloseTo(lower, 9)
      expect(result.upper).toBeCloseTo(upper, 9)
    }
  })

  test('twoProportions', () => {
    for (const { first, second, statistic, pValue, lower, upper } of goldens.proportions) {
      const result = twoProportions(first, second)
      expect(off(result.statistic, statistic)).toBeLessThan(1e-10)
      expect(off(result.pValue, pValue)).toBeLessThan(1e-10)
      expect(result.lower).toBeCloseTo(lower, 10)
      expect(result.upper).toBeCloseTo(upper, 10)
    }
  })

  test('SampleRatio', () => {
    for (const { weights, counts, logEvidence } of goldens.ratio) {
      const ratio = new SampleRatio({ arms: weights.length })
      counts.forEach((count, arm) => {
        for (let unit = 0; unit < count; unit++) ratio.expose(arm, weights)
      })
      expect(Math.log(ratio.evidence)).toBeCloseTo(logEvidence, 7)
    }
  })

  test('cuped: the difference and the slope of an analysis of covariance', () => {
    for (const { control, treatment, theta, difference, variances } of goldens.cuped) {
      const adjusted = cuped([control, treatment])
      expect(off(adjusted.theta, theta)).toBeLessThan(1e-10)
      expect(adjusted.arms[1]!.mean - adjusted.arms[0]!.mean).toBeCloseTo(difference, 10)
      // Nothing is added or taken away over all.
      const whole = (means: readonly number[]): number => (control.count * means[0]! + treatment.count * means[1]!) / (control.count + treatment.count)
      expect(whole(adjusted.arms.map(({ mean }) => mean))).toBeCloseTo(whole([control.meanY, treatment.meanY]), 10)
      adjusted.arms.forEach(({ variance }, arm) => expect(off(variance, variances[arm]!)).toBeLessThan(1e-10))
    }
  })

  test('ratioSummary', () => {
    const { pairs, mean, variance } = goldens.ratioMetric
    expect(off(ratioSummary(pairs).mean, mean)).toBeLessThan(1e-12)
    expect(off(ratioSummary(pairs).variance, variance)).toBeLessThan(1e-12)
  })

  test('bayesianRates', () => {
    for (const { control, treatment, prior, better, lossOfTreatment, lossOfControl } of goldens.bayes) {
      const result = bayesianRates(control, treatment, { prior })
      expect(off(result.probabilityBetter, better)).toBeLessThan(1e-7)
      expect(off(result.lossOfTreatment, lossOfTreatment)).toBeLessThan(1e-5)
      expect(off(result.lossOfControl, lossOfControl)).toBeLessThan(1e-5)
    }
  })

  test('sampleSize and power', () => {
    for (const { effect, share, power: wanted, units } of goldens.power) {
      // Theirs is no integer.
      expect(sampleSize(effect, { share, power: wanted }) - units).toBeGreaterThan(-1)
      expect(sampleSize(effect, { share, power: wanted }) - units).toBeLessThan(3)
      // They count findings on the wrong side as well: 1e-6 of them.
      expect(power(effect, units, { share })).toBeCloseTo(wanted, 5)
    }
  })
})

test('PairedMoments: merged halves and restored states are the whole', () => {
  const random = seeded(5)
  const pairs = Array.from({ length: 200 }, () => [1e6 + random.normal(), random.normal()] as const)
  const made = (list: typeof pairs): PairedMoments => {
    const moments = new PairedMoments()
    for (const [x, y] of list) moments.push(x, y)
    return moments
  }
  const whole = made(pairs)
  const merged = new PairedMoments(JSON.parse(JSON.stringify(made(pairs.slice(0, 70)))))
  merged.merge(made(pairs.slice(70)))
  merged.merge(new PairedMoments())
  for (const name of ['count', 'meanX', 'meanY', 'varianceX', 'varianceY', 'covariance'] as const) expect(merged[name]).toBeCloseTo(whole[name], 8)
  const mean = (at: 0 | 1): number => pairs.reduce((sum, pair) => sum + pair[at], 0) / 200
  expect(whole.covariance).toBeCloseTo(pairs.reduce((sum, [x, y]) => sum + (x - mean(0)) * (y - mean(1)), 0) / 199, 7)
  expect(() => whole.push(NaN, 1)).toThrow(invalid)
  expect(() => new PairedMoments({ ...whole.toJSON(), xx: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
  expect(new PairedMoments().covariance).toBeNaN()
})

test('welch and twoProportions of what does not vary', () => {
  const constant = (mean: number) => ({ count: 5, mean, variance: 0 })
  expect(welch(constant(1), constant(1))).toMatchObject({ pValue: 1, statistic: 0 })
  expect(welch(constant(1), constant(2))).toMatchObject({ pValue: 0, statistic: Infinity })
  const none = twoProportions({ events: 0, trials: 10 }, { events: 0, trials: 10 })
  expect(none).toMatchObject({ pValue: 1, statistic: 0 })
  expect(none.lower).toBeLessThan(-0.2)
})

test('cuped leaves a metric alone whose covariate says nothing, and one without variance', () => {
  const arm = { count: 10, meanX: 3, meanY: 5, varianceX: 0, varianceY: 2, covariance: 0 }
  expect(cuped([arm, arm])).toEqual({ theta: 0, varianceReduction: 0, arms: [{ count: 10, mean: 5, variance: 2 }, { count: 10, mean: 5, variance: 2 }] })
})

test('bayesianMeans shrinks towards the prior, and its losses differ by the difference', () => {
  const [control, treatment] = [{ count: 50, mean: 5, variance: 4 }, { count: 80, mean: 5.6, variance: 5 }]
  const wide = bayesianMeans(control, treatment, { priorDeviation: 1e6 })
  expect(wide.difference).toBeCloseTo(0.6, 8)
  const narrow = bayesianMeans(control, treatment, { priorDeviation: 0.1, priorMean: -0.2 })
  expect(narrow.difference).toBeLessThan(0)
  for (const { difference, lossOfTreatment, lossOfControl, probabilityBetter } of [wide, narrow]) {
    expect(lossOfControl - lossOfTreatment).toBeCloseTo(difference, 8)
    expect(probabilityBetter > 0.5).toBe(difference > 0)
  }
  expect(bayesianMeans({ count: 5, mean: 1, variance: 0 }, { count: 5, mean: 3, variance: 0 }, { priorDeviation: 1 })).toMatchObject({ probabilityBetter: 1, lossOfTreatment: 0, lossOfControl: 2 })
})

test('sampleSize with tunedAt is that at which the sequence has the power', () => {
  const effect = { control: 0.1, treatment: 0.12 }
  const units = sampleSize(effect, { tunedAt: 8000 })
  expect(power(effect, units, { tunedAt: 8000 })).toBeGreaterThanOrEqual(0.8)
  expect(power(effect, units - 2, { tunedAt: 8000 })).toBeLessThan(0.8)
  expect(units / sampleSize(effect)).toBeGreaterThan(1.3)
})

describe('refusals', () => {
  test.each<[string, () => unknown]>([
    ['welch of one value', () => welch({ count: 1, mean: 1, variance: 0 }, { count: 5, mean: 1, variance: 1 })],
    ['welch of NaN', () => welch({ count: 5, mean: NaN, variance: 0 }, { count: 5, mean: 1, variance: 1 })],
    ['welch of a negative variance', () => welch({ count: 5, mean: 1, variance: -1 }, { count: 5, mean: 1, variance: 1 })],
    ['twoProportions of no trials', () => twoProportions({ events: 0, trials: 0 }, { events: 0, trials: 1 })],
    ['twoProportions of more events than trials', () => twoProportions({ events: 2, trials: 1 }, { events: 0, trials: 1 })],
    ['bayesianRates of half an event', () => bayesianRates({ events: 0.5, trials: 1 }, { events: 0, trials: 1 })],
    ['cuped of no arms', () => cuped([])],
    ['cuped of an impossible covariance', () => cuped([{ count: 5, meanX: 1, meanY: 1, varianceX: 1, varianceY: 1, covariance: 2 }])],
    ['ratioSummary of a zero denominator', () => ratioSummary({ count: 5, meanX: 0, meanY: 1, varianceX: 1, varianceY: 1, covariance: 0 })],
  ])('%s', (_, make) => {
    expect(make).toThrow(invalid)
  })

  test.each<[string, () => unknown]>([
    ['welch at level 1', () => welch({ count: 5, mean: 1, variance: 1 }, { count: 5, mean: 1, variance: 1 }, { level: 1 })],
    ['bayesianRates with an improper prior', () => bayesianRates({ events: 1, trials: 2 }, { events: 1, trials: 2 }, { prior: { a: 0, b: 0 } })],
    ['bayesianMeans without a prior', () => bayesianMeans({ count: 5, mean: 1, variance: 1 }, { count: 5, mean: 1, variance: 1 }, {} as never)],
    ['sampleSize of no effect', () => sampleSize({ control: 0.1, treatment: 0.1 })],
    ['sampleSize of power 1', () => sampleSize({ control: 0.1, treatment: 0.2 }, { power: 1 })],
    ['sampleSize of a rate of 1', () => sampleSize({ control: 0.1, treatment: 1 })],
    ['power with share 0', () => power({ difference: 1, standardDeviation: 1 }, 10, { share: 0 })],
    ['power of NaN units', () => power({ difference: 1, standardDeviation: 1 }, NaN)],
  ])('%s', (_, make) => {
    expect(make).toThrow(option)
  })
})
