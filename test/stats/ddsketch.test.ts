import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DDSketch, type DDSketchState } from '../../src/stats/ddsketch.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
// Within 17 decades, which the buckets reach over.
const near = fc.double({ min: -1e4, max: 1e4, noNaN: true }).map((x) => (Math.abs(x) < 1e-9 ? 0 : x))

test('DDSketch.quantile is within the relative accuracy of the value of that rank', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(near, fc.integer({ min: -5, max: 5 })), { minLength: 1, maxLength: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.001, 0.01, 0.2), (values, q, relativeAccuracy) => {
      const sketch = new DDSketch({ relativeAccuracy, maxBuckets: 65_536 })
      for (const value of values) sketch.add(value)
      const sorted = Float64Array.from(values).sort()
      const truth = sorted[Math.floor(q * (values.length - 1))] as number
      const bound = Math.abs(truth) < 2 ** -1022 ? 2 ** -1022 : relativeAccuracy * Math.abs(truth) * (1 + 1e-9)
      expect(Math.abs(sketch.quantile(q) - truth)).toBeLessThanOrEqual(bound)
      expect([sketch.min, sketch.max, sketch.count]).toEqual([sorted[0]! + 0, sorted[sorted.length - 1]! + 0, values.length])
    }),
    { numRuns: 300 },
  )
})

test('DDSketch keeps its bound over the whole range of doubles, and at the edges of its buckets', () => {
  for (const relativeAccuracy of [0.5, 0.01]) {
    for (let exponent = -1022; exponent < 1024; exponent += 1) {
      for (const value of [2 ** exponent, 1.9999999 * 2 ** exponent, 1.37 * 2 ** exponent]) {
        const sketch = new DDSketch({ relativeAccuracy })
        // The neighbours keep `min` and `max` from giving it away.
        for (const x of [value / 8, value, value * 4]) if (Number.isFinite(x)) sketch.add(x)
        const estimate = sketch.quantile(sketch.count === 3 ? 0.5 : 1)
        expect(Math.abs(estimate / value - 1)).toBeLessThanOrEqual(relativeAccuracy * (1 + 1e-9))
      }
    }
  }
})

test('DDSketch of parts, merged in any order, equals one pass to the byte, also where buckets are collapsed', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(finite, near, fc.constantFrom(0, -0)), fc.nat(7)), { maxLength: 120 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), fc.constantFrom(16, 60, 2048), (values, order, maxBuckets) => {
      const whole = new DDSketch({ maxBuckets })
      const parts = order.map(() => new DDSketch({ maxBuckets }))
      for (const [value, part] of values) {
        whole.add(value)
        parts[part]!.add(value)
      }
      const merged = new DDSketch({ maxBuckets })
      for (const part of order) merged.merge(new DDSketch(JSON.parse(JSON.stringify(parts[part])) as DDSketchState))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
    }),
    { numRuns: 200 },
  )
})

test('DDSketch has at most maxBuckets, and the large quantiles keep their bound when the small ones share one', () => {
  const sketch = new DDSketch({ maxBuckets: 128 })
  const values = Array.from({ length: 5000 }, (_, i) => 10 ** ((i % 500) / 10 - 25))
  for (const value of values) sketch.add(value)
  const state = sketch.toJSON()
  expect(state.positive.counts.length).toBeLessThanOrEqual(128)
  expect(state.positive.counts.reduce((a, b) => a + b, 0)).toBe(5000)
  const sorted = Float64Array.from(values).sort()
  for (const q of [0.99, 0.995, 1]) expect(Math.abs(sketch.quantile(q) / (sorted[Math.floor(q * 4999)] as number) - 1)).toBeLessThanOrEqual(0.01 + 1e-9)
})

test('DDSketch refuses what is not finite, other options, and states that were changed', () => {
  const sketch = new DDSketch()
  expect(sketch.quantile(0.5)).toBeNaN()
  sketch.add(3)
  const saved = JSON.stringify(sketch)
  for (const bad of [NaN, Infinity]) expect(() => sketch.add(bad)).toThrow(code('INVALID_INPUT'))
  for (const bad of [-0.1, 1.1, NaN]) expect(() => sketch.quantile(bad)).toThrow(code('INVALID_INPUT'))
  expect(() => sketch.merge(new DDSketch({ relativeAccuracy: 0.02 }))).toThrow(code('INVALID_INPUT'))
  for (const bad of [{ relativeAccuracy: 0 }, { maxBuckets: 1.5 }, { accuracy: 0.1 }]) expect(() => new DDSketch(bad)).toThrow(code('INVALID_OPTION'))
  expect(JSON.stringify(sketch)).toBe(saved)
  const state = JSON.parse(saved) as DDSketchState
  for (const bad of [{ ...state, zeros: 1 }, { ...state, min: null }, { ...state, positive: { ...state.positive, from: 0 } }, { ...state, version: 2 }]) {
    expect(() => new DDSketch(bad as DDSketchState)).toThrow(code('PROFILE'))
  }
  // The order of keys says nothing.
  const { positive: { from, counts }, ...rest } = state
  expect(JSON.stringify(new DDSketch({ positive: { counts, from }, ...rest } as DDSketchState))).toBe(saved)
})
