import { expect, test } from 'vitest'
import { adwin } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'

const lengthOf = (list: unknown): number => (list as readonly number[]).length

test('adwin finds an error rate that rises from .2 to .3 after 5000 clean values in a median of 480, and misses none', () => {
  const delays: number[] = []
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed * 7919)
    const detector = adwin()
    for (let i = 0; i < 5000; i++) detector.update(Number(random.uniform() < 0.2))
    let delay = 1
    while (detector.update(Number(random.uniform() < 0.3)) !== 'drift' && delay < 5000) delay += 1
    delays.push(delay)
  }
  delays.sort((a, b) => a - b)
  expect(delays[29]).toBeLessThanOrEqual(480)
  expect(delays[59]).toBeLessThan(2500)
})

test('adwin remembers 100 000 values in logarithmic memory, with their mean and variance', () => {
  const random = seeded(4)
  const detector = adwin()
  const length = 100_000
  let [sum, squares, alarms] = [0, 0, 0]
  for (let i = 0; i < length; i++) {
    const value = random.uniform()
    sum += value
    squares += value * value
    if (detector.update(value) === 'drift') alarms += 1
  }
  expect(alarms).toBe(0)
  const { memory } = detector.state
  expect(memory['width']).toBe(length)
  expect(memory['total']).toBeCloseTo(sum, 6)
  expect(memory['squares']).toBeCloseTo(squares - (sum * sum) / length, 6)
  expect(lengthOf(memory['counts'])).toBeLessThanOrEqual(16)
  expect(lengthOf(memory['totals'])).toBe(6 * lengthOf(memory['counts']))
})

test('adwin takes one outlier for a change, as its page says', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed * 7919)
    const detector = adwin()
    for (let i = 0; i < 1024; i++) detector.update(random.normal())
    const signals = Array.from({ length: 32 }, (_, i) => detector.update(i === 0 ? 1e6 : random.normal()))
    expect(signals.at(-1)).toBe('drift')
  }
})
