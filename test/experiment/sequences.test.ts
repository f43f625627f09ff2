import { describe, expect, test } from 'vitest'
import { BoundedMean, countRatioSequence, countSequence, ExceedanceAttribution, meanDifferenceSequence, meanSequence, mixtureSprt, rateDifferenceSequence, rateSequence, type BoundedMeanState, type ExceedanceAttributionState } from '../../src/experiment/index.js'
import { logBetaMixture } from '../../src/experiment/_beta-mixture.js'
import { seeded } from '../drift/_seeded.js'
import { goldens, off } from './_goldens.js'

const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
const option = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })

describe('meanSequence', () => {
  test('its evidence is the integral over the mixture, and its widths are the published ones', () => {
    for (const { sample, evidence, half, oneSided } of goldens.meanSequence) {
      const both = meanSequence(sample)
      expect(off(both.evidence, evidence)).toBeLessThan(1e-8)
      expect(off((both.upper - both.lower) / 2, half)).toBeLessThan(1e-12)
      expect(off(sample.mean - meanSequence(sample, { side: 'lower' }).lower, oneSided)).toBeLessThan(1e-12)
      expect(meanSequence(sample, { side: 'upper' }).lower).toBe(-Infinity)
    }
  })

  test.each(['both', 'lower', 'upper'] as const)('the p-value is alpha exactly where the null value leaves the interval, %s', (side) => {
    const sample = { count: 3000, mean: 0.4, variance: 2 }
    const { lower, upper } = meanSequence(sample, { side })
    for (const nullValue of [lower, upper].filter(Number.isFinite)) {
      expect(meanSequence(sample, { side, nullValue }).pValue).toBeCloseTo(0.05, 10)
      expect(meanSequence(sample, { side, nullValue: nullValue + (nullValue === lower ? -1e-3 : 1e-3) }).pValue).toBeLessThan(0.05)
    }
  })

  test('says nothing below the minimum, of constant samples, and for a null value on its own side', () => {
    for (const sample of [{ count: 99, mean: 5, variance: 1 }, { count: 0, mean: NaN, variance: NaN }, { count: 5000, mean: 3, variance: 0 }]) expect(meanSequence(sample)).toMatchObject({ lower: -Infinity, upper: Infinity, pValue: 1 })
    expect(meanSequence({ count: 5000, mean: -3, variance: 1 }, { side: 'lower' }).pValue).toBe(1)
    expect(meanSequence({ count: 5000, mean: 30, variance: 1 }, { side: 'lower' }).pValue).toBeLessThan(1e-200)
  })

  test('of a difference counts both samples, and mixtureSprt is the same mixture in other words', () => {
    const [control, treatment] = [{ count: 4000, mean: 1, variance: 2 }, { count: 1000, mean: 1.3, variance: 3 }]
    const variance = 2 / 4000 + 3 / 1000
    const sequence = meanDifferenceSequence(control, treatment)
    expect(sequence.estimate).toBeCloseTo(0.3, 12)
    const rho2 = (-2 * Math.log(0.05) + Math.log(-2 * Math.log(0.05) + 1)) / 5000
    // The other way round it is the mirror image.
    expect(meanDifferenceSequence(treatment, control).lower).toBeCloseTo(-sequence.upper, 12)
    // A prior variance of n rho² times that of the estimate.
    const sprt = mixtureSprt(control, treatment, { tau: Math.sqrt(variance * 5000 * rho2) })
    expect(sprt.evidence / sequence.evidence).toBeCloseTo(1, 9)
    expect(sprt.lower).toBeCloseTo(sequence.lower, 10)
    expect(mixtureSprt(control, treatment, { tau: 0.1, nullValue: mixtureSprt(control, treatment, { tau: 0.1 }).lower }).pValue).toBeCloseTo(0.05, 10)
  })
})

test('meanDifferenceSequence of a small arm that has not seen its rare values yet is not sure', () => {
  const [many, few] = [{ count: 9000, mean: 0.02, variance: 0.0196 }, { count: 250, mean: 0, variance: 0 }]
  for (const { pValue } of [meanDifferenceSequence(many, few), meanDifferenceSequence(few, many), mixtureSprt(many, few, { tau: 0.01 })]) expect(pValue).toBeGreaterThan(0.2)
  // Arms of one size have their own variances.
  for (const [one, other] of [[1, 3], [3, 1]] as const) {
    const even = meanDifferenceSequence({ count: 5000, mean: 0, variance: one }, { count: 5000, mean: 0.1, variance: other })
    expect(even.evidence).toBeCloseTo(meanSequence({ count: 10_000, mean: 0.1, variance: 8 }).evidence, 6)
  }
})

describe('rates and counts', () => {
  test('the mixtures are the integrals over the prior, also over one side of it', () => {
    for (const { hits, misses, a, b, p, both, lower, upper } of goldens.beta) {
      expect(off(Math.exp(logBetaMixture({ hits, misses }, { a, b }, p, 'both')), both)).toBeLessThan(1e-6)
      expect(off(Math.exp(logBetaMixture({ hits, misses }, { a, b }, p, 'lower')), lower)).toBeLessThan(1e-6)
      expect(off(Math.exp(logBetaMixture({ hits, misses }, { a, b }, p, 'upper')), upper)).toBeLessThan(1e-6)
    }
  })

  test.each(['both', 'lower', 'upper'] as const)('rateSequence %s: every rate outside has evidence of 1 / alpha or more, every one inside less', (side) => {
    for (const rate of [{ events: 3, trials: 1000 }, { events: 0, trials: 50 }, { events: 50, trials: 50 }, { events: 20, trials: 40 }]) {
      const { lower, upper } = rateSequence(rate, { side })
      for (let step = 1; step < 200; step++) {
        const p = step / 200
        const { evidence } = rateSequence(rate, { side, nullValue: p })
        expect(evidence >= 20).toBe(p < lower || p > upper)
      }
    }
  })

  test('rateSequence one-sided pays nothing on the other side: the mean evidence over all outcomes is at most 1', () => {
    const trials = 12
    const choose = (k: number): number => Array.from({ length: k }, (_, i) => (trials - i) / (i + 1)).reduce((product, factor) => product * factor, 1)
    const mean = (truth: number, nullValue: number, side: 'lower' | 'upper' | 'both'): number => Array.from({ length: trials + 1 }, (_, events) => choose(events) * truth ** events * (1 - truth) ** (trials - events) * rateSequence({ events, trials }, { side, nullValue }).evidence).reduce((sum, part) => sum + part, 0)
    for (const side of ['both', 'lower', 'upper'] as const) expect(mean(0.3, 0.3, side)).toBeCloseTo(1, 10)
    expect(mean(0.2, 0.3, 'lower')).toBeLessThan(1)
    expect(mean(0.4, 0.3, 'upper')).toBeLessThan(1)
    expect(mean(0.4, 0.3, 'lower')).toBeGreaterThan(1)
  })

  test('rateSequence knows the ends', () => {
    expect(rateSequence({ events: 0, trials: 0 })).toMatchObject({ lower: 0, upper: 1 })
    expect(rateSequence({ events: 0, trials: 10 }).lower).toBe(0)
    expect(rateSequence({ events: 10, trials: 10 }).upper).toBe(1)
    expect(rateSequence({ events: 1, trials: 10 }, { nullValue: 0 }).evidence).toBe(Infinity)
    expect(rateSequence({ events: 1, trials: 10 }, { nullValue: 0, side: 'upper' }).evidence).toBe(0)
  })

  test('countSequence is the integral over its Gamma prior, also over one side of it', () => {
    // By a sum over rates, of nothing in src; the prior of shape 2 and mean 3.
    const against = (events: number, exposure: number, rate: number, from: number, to: number): number => {
      let [above, below] = [0, 0]
      for (let at = 0.0005; at < 60; at += 0.001) {
        const density = at * Math.exp((-2 / 3) * at)
        if (at < from || at > to) continue
        below += density
        above += density * Math.exp(events * Math.log(at / rate) - (at - rate) * exposure)
      }
      return above / below
    }
    for (const [events, exposure, rate] of [[7, 2, 1.2], [0, 1.5, 2], [40, 10, 5]] as const) {
      for (const [side, from, to] of [['both', 0, 60], ['lower', rate, 60], ['upper', 0, rate]] as const) {
        const { evidence } = countSequence({ events, exposure }, { expected: 3, shape: 2, side, nullValue: rate })
        expect(evidence / against(events, exposure, rate, from, to), `${events} ${side}`).toBeCloseTo(1, 2)
      }
    }
  })

  test.each(['both', 'lower', 'upper'] as const)('countSequence %s: every rate outside has evidence of 1 / alpha or more, every one inside less', (side) => {
    for (const count of [{ events: 3, exposure: 10 }, { events: 0, exposure: 5 }, { events: 900, exposure: 100 }]) {
      const { lower, upper } = countSequence(count, { expected: 1, side })
      for (let rate = 0.03; rate < 20; rate *= 1.1) expect(countSequence(count, { expected: 1, side, nullValue: rate }).evidence >= 20, `${rate}`).toBe(rate < lower || rate > upper)
    }
  })

  test('countSequence knows the ends, and refuses what is no count', () => {
    expect(countSequence({ events: 0, exposure: 0 }, { expected: 1 })).toMatchObject({ lower: 0, upper: Infinity, evidence: 1 })
    expect(countSequence({ events: 2, exposure: 1 }, { expected: 1, nullValue: 0 }).evidence).toBe(Infinity)
    for (const bad of [{ events: -1, exposure: 1 }, { events: 0.5, exposure: 1 }, { events: 1, exposure: 0 }, { events: 1, exposure: NaN }]) expect(() => countSequence(bad, { expected: 1 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    for (const bad of [{}, { expected: 0 }, { expected: 1, shape: 0 }, { expected: 1, nullValue: -1 }]) expect(() => countSequence({ events: 1, exposure: 1 }, bad as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  test('rateDifferenceSequence joins the bounds of both, and its p-value is alpha where the null value leaves', () => {
    const [control, treatment] = [{ events: 30, trials: 3000 }, { events: 120, trials: 3000 }]
    const { lower, upper, estimate } = rateDifferenceSequence(control, treatment)
    expect(estimate).toBeCloseTo(0.03, 12)
    expect(lower).toBeGreaterThan(0)
    expect(lower).toBeCloseTo(rateSequence(treatment, { alpha: 0.0125, side: 'lower' }).lower - rateSequence(control, { alpha: 0.0125, side: 'upper' }).upper, 12)
    expect(rateDifferenceSequence(control, treatment, { nullValue: lower }).pValue).toBeCloseTo(0.05, 6)
    expect(rateDifferenceSequence(control, treatment, { nullValue: upper }).pValue).toBeCloseTo(0.05, 6)
    expect(rateDifferenceSequence(control, treatment, { nullValue: estimate }).pValue).toBe(1)
    expect(rateDifferenceSequence({ events: 0, trials: 0 }, treatment, { side: 'lower' }).upper).toBe(1)
  })

  test.each(['both', 'lower', 'upper'] as const)('countRatioSequence %s: its bounds are where the evidence is 1 / alpha, over groups of different shares', (side) => {
    const groups = [{ control: 80, treatment: 9, share: 0.05 }, { control: 40, treatment: 25, share: 0.3 }]
    const { lower, upper, estimate } = countRatioSequence(groups, { side })
    expect(lower < estimate && estimate < upper).toBe(true)
    for (const nullValue of [lower, upper].filter((bound) => bound > 0 && bound < Infinity)) expect(countRatioSequence(groups, { side, nullValue }).evidence).toBeCloseTo(20, 4)
    expect([lower === 0, upper === Infinity]).toEqual([side === 'upper', side === 'lower'])
    expect(countRatioSequence(groups, { side, nullValue: estimate }).pValue).toBeGreaterThan(0.5)
  })

  test('countRatioSequence estimates the ratio, and knows when an arm has no event', () => {
    expect(countRatioSequence([{ control: 100, treatment: 50, share: 0.2 }]).estimate).toBeCloseTo(2, 8)
    expect(countRatioSequence([])).toMatchObject({ lower: 0, upper: Infinity, pValue: 1 })
    expect(countRatioSequence([{ control: 0, treatment: 20, share: 0.5 }])).toMatchObject({ estimate: Infinity, upper: Infinity })
    expect(countRatioSequence([{ control: 0, treatment: 20, share: 0.5 }]).lower).toBeGreaterThan(1)
    expect(countRatioSequence([{ control: 20, treatment: 0, share: 0.5 }])).toMatchObject({ estimate: 0, lower: 0 })
    expect(countRatioSequence([{ control: 20, treatment: 0, share: 0.5 }]).upper).toBeLessThan(1)
  })
})

describe('BoundedMean', () => {
  const { values, lower, upper } = goldens.bernstein
  const after = (count: number, options = {}): BoundedMean => {
    const mean = new BoundedMean(options)
    for (const value of values.slice(0, count)) mean.push(value)
    return mean
  }

  test('is the formula in whole arrays', () => {
    ;[10, 100, 400].forEach((count, at) => {
      expect(after(count).lower).toBeCloseTo(lower[at]!, 10)
      expect(after(count).upper).toBeCloseTo(upper[at]!, 10)
    })
  })

  test('goes on from its state, scales, and merges to about the width of the whole', () => {
    const restored = new BoundedMean(JSON.parse(JSON.stringify(after(200))) as BoundedMeanState)
    for (const value of values.slice(200)) restored.push(value)
    expect(restored.toJSON()).toEqual(after(400).toJSON())
    const scaled = new BoundedMean({ min: -10, max: 30 })
    for (const value of values) scaled.push(-10 + 40 * value)
    expect(scaled.upper).toBeCloseTo(-10 + 40 * after(400).upper, 9)
    expect(scaled.estimate).toBeCloseTo(-10 + 40 * after(400).estimate, 9)
    const merged = after(200)
    const rest = new BoundedMean()
    for (const value of values.slice(200)) rest.push(value)
    merged.merge(rest)
    expect(merged.count).toBe(400)
    expect((merged.upper - merged.lower) / (after(400).upper - after(400).lower)).toBeLessThan(1.25)
  })

  test('knows nothing at the start, and refuses what is outside', () => {
    const mean = new BoundedMean()
    expect([mean.lower, mean.upper, mean.estimate]).toEqual([0, 1, NaN])
    for (const bad of [-0.1, 1.1, NaN]) expect(() => mean.push(bad)).toThrow(invalid)
    expect(mean.count).toBe(0)
    expect(() => mean.merge(new BoundedMean({ max: 2 }))).toThrow(invalid)
    for (const bad of [{ alpha: 1 }, { min: 1 }, { what: 1 }]) expect(() => new BoundedMean(bad as object)).toThrow(option)
    for (const bad of [{ kind: 'x' }, { sum: 5 }, { costs: -1 }, { count: 0.5 }]) expect(() => new BoundedMean({ ...mean.toJSON(), ...bad } as BoundedMeanState)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
  })
})

describe('ExceedanceAttribution', () => {
  const served = (slower: number, units: number, from?: ExceedanceAttribution, start = 0): ExceedanceAttribution => {
    const slow = from ?? new ExceedanceAttribution()
    const random = seeded(77 + start)
    for (let unit = start; unit < start + units; unit++) {
      const isCanary = random.uniform() < 0.1
      slow.push({ unit, isCanary, canaryChance: 0.1, value: Math.exp(random.normal()) * (isCanary ? slower : 1) })
    }
    return slow
  }

  test('finds a slower canary, and lets an equal one be', () => {
    expect(served(1.5, 20_000).failures.isWorse).toBe(true)
    const equal = served(1, 20_000)
    expect(equal.failures.isWorse).toBe(false)
    // 16 000 of the control's values: the 95th percentile of exp(normal) is 5.18.
    expect(equal.threshold).toBeGreaterThan(4.7)
    expect(equal.threshold).toBeLessThan(5.7)
    // The canary's values do not move it.
    expect(served(100, 20_000).threshold).toBe(equal.threshold)
    expect(equal.failures.counts.canary + equal.failures.counts.control).toBeGreaterThan(800)
  })

  test('judges nothing before the warm-up, goes on from its state, and refuses NaN', () => {
    expect(served(100, 400).failures.counts.canary).toBe(0)
    const restored = new ExceedanceAttribution(JSON.parse(JSON.stringify(served(1.2, 3000))) as ExceedanceAttributionState)
    expect(served(1.2, 500, restored, 3000).toJSON()).toEqual(served(1.2, 500, served(1.2, 3000), 3000).toJSON())
    const early = new ExceedanceAttribution(JSON.parse(JSON.stringify(served(1, 100))) as ExceedanceAttributionState)
    expect(early.threshold).toBe(Infinity)
    expect(() => early.push({ unit: 'a', isCanary: true, canaryChance: 0.5, value: NaN })).toThrow(invalid)
    expect(() => new ExceedanceAttribution({ ...early.toJSON(), threshold: 'x' as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
    expect(() => new ExceedanceAttribution({ quantile: 2 })).toThrow(option)
    expect(() => new ExceedanceAttribution({ what: 2 } as object)).toThrow(option)
  })
})

describe('refusals', () => {
  const sample = { count: 500, mean: 1, variance: 1 }
  test.each<[string, () => unknown]>([
    ['meanSequence of NaN', () => meanSequence({ count: 500, mean: NaN, variance: 1 })],
    ['meanSequence of a negative variance', () => meanSequence({ count: 500, mean: 1, variance: -1 })],
    ['meanDifferenceSequence of half a value', () => meanDifferenceSequence(sample, { count: 0.5, mean: 1, variance: 1 })],
    ['rateSequence of more events than trials', () => rateSequence({ events: 2, trials: 1 })],
    ['rateDifferenceSequence of NaN', () => rateDifferenceSequence({ events: NaN, trials: 1 }, { events: 0, trials: 1 })],
    ['countRatioSequence of a share of 1', () => countRatioSequence([{ control: 1, treatment: 1, share: 1 }])],
    ['countRatioSequence of a negative count', () => countRatioSequence([{ control: -1, treatment: 1, share: 0.5 }])],
  ])('%s', (_, make) => {
    expect(make).toThrow(invalid)
  })

  test.each<[string, () => unknown]>([
    ['meanSequence at alpha 1', () => meanSequence(sample, { alpha: 1 })],
    ['meanSequence on no side', () => meanSequence(sample, { side: 'left' as never })],
    ['meanSequence tuned at 0', () => meanSequence(sample, { tunedAt: 0 })],
    ['mixtureSprt without tau', () => mixtureSprt(sample, sample, {} as never)],
    ['rateSequence with an improper prior', () => rateSequence({ events: 0, trials: 1 }, { prior: { a: 0, b: 1 } })],
    ['countRatioSequence against a ratio of 0', () => countRatioSequence([], { nullValue: 0 })],
  ])('%s', (_, make) => {
    expect(make).toThrow(option)
  })
})
