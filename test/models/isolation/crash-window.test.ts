import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/core/random.js'
import { CrashWindow } from '../../../src/models/isolation/_crash-window.js'

const longest = { next: () => 0.999_999, integer: () => 0, substream: () => longest }

test('the first crash of a minute is made good at once, the next ones after growing pauses up to ten seconds', () => {
  const window = new CrashWindow(Infinity, longest)
  const delays = Array.from({ length: 12 }, () => Math.round(window.crashed(0) as number))
  expect(delays).toEqual([0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000])
})

test('more crashes in a minute than allowed are too many; a minute later they are forgotten', () => {
  const window = new CrashWindow(3, seededRandom(1))
  expect([window.crashed(0), window.crashed(1), window.crashed(2)].every((delay) => delay !== undefined)).toBe(true)
  expect(window.crashed(59_999)).toBe(undefined)
  const later = new CrashWindow(3, seededRandom(1))
  for (const at of [0, 30_000, 59_000]) later.crashed(at)
  expect(later.crashed(60_001)).toBeDefined()
  expect(new CrashWindow(0, seededRandom(1)).crashed(0)).toBe(undefined)
})

test('pauses are spread, so that those who crashed together do not come back together', () => {
  const delays = new Set(Array.from({ length: 20 }, (_, seed) => {
    const window = new CrashWindow(10, seededRandom(seed))
    window.crashed(0)
    return window.crashed(0)
  }))
  expect(delays.size).toBe(20)
})
