import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/core/random.js'
import { backoffDelay } from '../../src/policy/backoff.js'

test('backoffDelay grows by the factor up to the longest wait', () => {
  const backoff = { minDelayMs: 50, maxDelayMs: 300, factor: 2, jitter: 'none' } as const
  expect([1, 2, 3, 4, 5].map((retry) => backoffDelay(backoff, retry, seededRandom(1)))).toEqual([50, 100, 200, 300, 300])
})

test('backoffDelay with full jitter stays in [0, wait), and fills it', () => {
  const random = seededRandom(7)
  const shares = Array.from({ length: 2000 }, (_, index) => {
    const retry = 1 + (index % 6)
    const wait = backoffDelay({ minDelayMs: 10, maxDelayMs: 100, factor: 2, jitter: 'none' }, retry, random)
    return backoffDelay({ minDelayMs: 10, maxDelayMs: 100, factor: 2, jitter: 'full' }, retry, random) / wait
  })
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...shares)).toBeLessThan(1)
  // The mean of 2000 uniform numbers has a standard error of 0.0065.
  expect(Math.abs(shares.reduce((sum, share) => sum + share, 0) / 2000 - 0.5)).toBeLessThan(4 * 0.0065)
})

test('backoffDelay is finite, also after so many retries that the power overflows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 1, max: 100, noNaN: true }), fc.constantFrom(0, 1), (retry, factor, minDelayMs) => {
      expect(backoffDelay({ minDelayMs, maxDelayMs: 2000, factor, jitter: 'none' }, retry, seededRandom(1))).toBeLessThanOrEqual(2000)
    }),
    { seed: 7 },
  )
  expect(backoffDelay({ minDelayMs: 0, maxDelayMs: 0, factor: 2, jitter: 'none' }, 3, seededRandom(1))).toBe(0)
})

test('backoffDelay with decorrelated jitter lies between the first wait and three times the last one, under the cap, and fills that', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 0, max: 1000, noNaN: true }), fc.integer(), (minDelayMs, more, seed) => {
      const backoff = { minDelayMs, maxDelayMs: minDelayMs + more, factor: 1, jitter: 'decorrelated' } as const
      const random = seededRandom(seed)
      let previous: number | undefined
      for (let retry = 1; retry <= 20; retry += 1) {
        const delay = backoffDelay(backoff, retry, random, previous)
        expect(delay).toBeGreaterThanOrEqual(minDelayMs)
        expect(delay).toBeLessThanOrEqual(Math.min(backoff.maxDelayMs, 3 * (previous ?? minDelayMs)) + 1e-9)
        previous = delay
      }
    }),
    { seed: 7 },
  )
  const random = seededRandom(7)
  const first = Array.from({ length: 2000 }, () => backoffDelay({ minDelayMs: 50, maxDelayMs: 1000, factor: 1, jitter: 'decorrelated' }, 1, random))
  // Uniform between 50 and 150: mean 100, standard error 28.9 / √2000.
  expect(Math.abs(first.reduce((sum, delay) => sum + delay, 0) / 2000 - 100)).toBeLessThan((4 * 28.9) / Math.sqrt(2000))
})
