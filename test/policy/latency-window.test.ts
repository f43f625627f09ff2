import fc from 'fast-check'
import { seededRandom } from 'outrigger'
import { LatencyWindow } from 'outrigger/policy'
import { describe, expect, test } from 'vitest'

/** One bucket is 2^(1/8) wide. */
const width = 2 ** (1 / 8)

const exact = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
}

describe('LatencyWindow', () => {
  test('quantile is that of the values, to the width of a bucket', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.02, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (values, share) => {
        const window = new LatencyWindow()
        for (const value of values) window.record(value)
        const ratio = window.quantile(share) / exact(values, share)
        expect(ratio).toBeGreaterThan(1 / width - 1e-9)
        expect(ratio).toBeLessThan(width + 1e-9)
      }),
      { seed: 7 },
    )
  })

  test('quantile grows with the share', () => {
    const window = new LatencyWindow()
    const random = seededRandom(7)
    for (let call = 0; call < 500; call += 1) window.record(100 * random.next())
    let before = 0
    for (const share of [0.1, 0.3, 0.5, 0.9, 0.95, 0.99, 1]) {
      const at = window.quantile(share)
      expect(at).toBeGreaterThanOrEqual(before)
      before = at
    }
  })

  test('record forgets: after a shift the quantile follows within four times its size', () => {
    const window = new LatencyWindow(100)
    for (let call = 0; call < 1000; call += 1) window.record(10)
    expect(window.quantile(0.5)).toBeLessThan(10 * width)
    for (let call = 0; call < 400; call += 1) window.record(100)
    expect(window.quantile(0.5)).toBeGreaterThan(100 / width)
    expect(window.quantile(0.1)).toBeGreaterThan(100 / width)
    expect(window.count).toBeLessThanOrEqual(200)
  })

  test('record takes latencies of any size and ignores what is none', () => {
    const window = new LatencyWindow()
    expect([window.count, window.quantile(0.5)]).toEqual([0, 0])
    for (const odd of [-1, Number.NaN]) window.record(odd)
    expect(window.count).toBe(0)
    for (const ms of [0, 1e-9, 1e300, Infinity]) window.record(ms)
    expect(window.count).toBe(4)
    expect([window.quantile(0.01), window.quantile(1)].every(Number.isFinite)).toBe(true)
  })

  test('quantile is computed anew when a 32nd of the window has changed, or another share is asked for', () => {
    const window = new LatencyWindow()
    for (let call = 0; call < 320; call += 1) window.record(10)
    const before = window.quantile(0.99)
    for (let call = 0; call < 10; call += 1) window.record(1000)
    expect(window.quantile(0.99)).toBe(before)
    window.record(1000)
    expect(window.quantile(0.99)).toBeGreaterThan(500)
    for (let call = 0; call < 9; call += 1) window.record(1e5)
    expect(window.quantile(0.999)).toBeGreaterThan(5e4)
  })
})
