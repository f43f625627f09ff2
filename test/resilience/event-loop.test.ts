import { systemClock } from 'outrigger/core'
import { eventLoopMonitor } from 'outrigger/resilience'
import { expect, test } from 'vitest'
import { waitOf } from '../../src/resilience/event-loop.js'

test('waitOf weighs a gap by its length: one of a second among many short ones is no small matter', () => {
  const gaps = [...new Array<number>(99).fill(20), 1000]
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
  // A random moment falls into the long gap with probability 1000 / 2980, and waits 500 ms there on average.
  expect(waitOf(mean, deviation, 20)).toBeCloseTo((1000 * 500 + 1980 * 10) / 2980 - 10, 6)
})

test('waitOf is 0 for an idle loop, and for one that was not measured yet', () => {
  expect([waitOf(20, 0, 20), waitOf(NaN, NaN, 20), waitOf(0, 0, 20)]).toEqual([0, 0, 0])
})

test('eventLoopMonitor sees that the loop was held up, and may be closed twice', async () => {
  const monitor = eventLoopMonitor()
  const tick = (): Promise<void> => new Promise((resolve) => systemClock.setTimeout(resolve, 25))
  const until = systemClock.now() + 5000
  let delayMs = 0
  while (delayMs < 20 && systemClock.now() < until) {
    await tick()
    const end = systemClock.now() + 100
    while (systemClock.now() < end) continue
    await tick()
    delayMs = monitor.delayMs()
  }
  expect(delayMs).toBeGreaterThan(20)
  monitor.close()
  monitor.close()
}, 15_000)
