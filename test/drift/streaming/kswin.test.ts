import { expect, test } from 'vitest'
import { kswin } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'
import { signalsOf } from './_goldens.js'

const normals = (seed: number, length: number, shift = 0): number[] => {
  const random = seeded(seed)
  return Array.from({ length }, () => random.normal() + shift)
}

test('kswin finds a large change with every seed, within a window', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const detector = kswin({ alpha: 0.0001, seed })
    signalsOf(detector, normals(seed, 1000))
    expect(signalsOf(detector, normals(seed + 100, 100, 3)), `seed ${seed}`).toContain('drift')
  }
})

test('kswin gives the same answers for the same seed, and others for another', () => {
  const values = normals(2, 6000)
  const [first, same, other] = [1, 1, 2].map((seed) => signalsOf(kswin({ seed }), values))
  expect(same).toEqual(first)
  expect(other).not.toEqual(first)
})

test('kswin alarms on values that never change, as often as its page says', () => {
  let [alarms, strict] = [0, 0]
  for (let seed = 1; seed <= 10; seed++) {
    const values = normals(seed * 31, 10_000)
    alarms += signalsOf(kswin({ seed }), values).filter((signal) => signal === 'drift').length
    strict += signalsOf(kswin({ seed, alpha: 0.0001 }), values).filter((signal) => signal === 'drift').length
  }
  // Per 10 000 values. Another implementation measured a mean run of 803 and of about 11 000.
  expect(alarms / 10).toBeGreaterThan(9)
  expect(alarms / 10).toBeLessThan(16)
  expect(strict / 10).toBeLessThan(2)
})

test('kswin asks for the gap that SciPy\'s exact p-value asks for', () => {
  // scipy.stats.ks_2samp, method="exact", 30 and 30 values: p(13/30) = .00655, p(14/30) = .00253; p(16/30) = .000293, p(17/30) = .0000874.
  const gapOf = (alpha: number): number => {
    for (let gap = 1; gap <= 30; gap++) {
      // A window of 30 and 30 leaves nothing to chance: all old values are drawn. `gap` of the newest are above all of them.
      const detector = kswin({ alpha, windowSize: 60, statSize: 30 })
      const old = Array.from({ length: 30 }, (_, i) => i)
      const newest = Array.from({ length: 30 }, (_, i) => (i < gap ? 100 + i : i - gap + 0.5))
      if (signalsOf(detector, [...old, ...newest]).at(-1) === 'drift') return gap
    }
    return NaN
  }
  expect(gapOf(0.005)).toBe(14)
  expect(gapOf(0.0001)).toBe(17)
})

test('kswin refuses a level that its samples cannot reach', () => {
  expect(() => kswin({ alpha: 1e-4, statSize: 5 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})
