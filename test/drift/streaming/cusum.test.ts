import { expect, test } from 'vitest'
import { cusum } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'
import { signalsOf } from './_goldens.js'

// z = (x − 50) / 2:     1   −1    2   0.5  −0.5   3   1.5   (0)
const values = [52, 48, 54, 51, 49, 56, 53]
// S⁺ with k = 0.5:     .5    0   1.5  1.5   .5    3    4

test('cusum adds up as by hand: the sum of the excess over k, never below 0', () => {
  const detector = cusum({ target: 50, standardDeviation: 2, slack: 0.5, threshold: 3.9 })
  const sums = values.map((value) => {
    detector.update(value)
    return detector.state.memory['up']
  })
  expect(sums).toEqual([0.5, 0, 1.5, 1.5, 0.5, 3, 4])
  expect(detector.signal).toBe('drift')
  // The alarm was the end of that sum.
  detector.update(51.5)
  expect(detector.state.memory['up']).toBe(0.25)
})

test('cusum alarms above the threshold, not at it', () => {
  expect(signalsOf(cusum({ target: 50, standardDeviation: 2, threshold: 4 }), values)).not.toContain('drift')
})

test('cusum down is cusum up of the mirror image, and both is either', () => {
  const random = seeded(5)
  const stream = Array.from({ length: 5000 }, () => random.normal() + (random.uniform() < 0.01 ? 3 : 0))
  const up = signalsOf(cusum({ target: 0 }), stream)
  expect(up.filter((signal) => signal === 'drift').length).toBeGreaterThan(2)
  expect(signalsOf(cusum({ target: 0, direction: 'down' }), stream.map((x) => -x))).toEqual(up)
  const first = (direction: 'up' | 'down' | 'both'): number => signalsOf(cusum({ target: 0, direction }), stream).indexOf('drift')
  expect(first('both')).toBe(Math.min(first('up'), first('down')))
})

test('cusum alarms on clean normal values as often as Siegmund says', () => {
  const random = seeded(8)
  const detector = cusum({ target: 0 })
  const length = 300_000
  let alarms = 0
  for (let i = 0; i < length; i++) if (detector.update(random.normal()) === 'drift') alarms += 1
  const b = 5 + 1.166
  const meanRun = (Math.exp(b) - b - 1) / 0.5
  // Runs are close to exponential: the number of alarms is close to Poisson.
  expect(Math.abs(alarms - length / meanRun)).toBeLessThan(3 * Math.sqrt(length / meanRun))
})
