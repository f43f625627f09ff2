import { seededRandom } from 'outrigger'
import { describe, expect, test } from 'vitest'
import { SlowBaseline } from '../../src/policy/slow-baseline.js'

describe('SlowBaseline', () => {
  test('judges nothing before twenty calls of that size, then by factor and least time', () => {
    const baseline = new SlowBaseline({ factor: 3, minimumMs: 20 })
    for (let call = 0; call < 19; call += 1) expect(baseline.judge(10, 1, true)).toBe(false)
    expect([baseline.medianMs(1), baseline.judge(1e6, 1, false)]).toEqual([undefined, false])
    baseline.judge(10, 1, true)
    expect(baseline.medianMs(1)).toBe(10)
    expect([29, 30, 31].map((ms) => baseline.judge(ms, 1, false))).toEqual([false, false, true])
    const quick = new SlowBaseline({ factor: 3, minimumMs: 20 })
    for (let call = 0; call < 20; call += 1) quick.judge(0, 1, true)
    expect([19, 20].map((ms) => quick.judge(ms, 1, false))).toEqual([false, true])
  })

  test('holds a run of a hundred rows against such runs', () => {
    const baseline = new SlowBaseline({ factor: 3, minimumMs: 20 })
    for (let call = 0; call < 20; call += 1) {
      baseline.judge(10, 1, true)
      baseline.judge(800, 100, true)
    }
    expect([baseline.judge(900, 100, false), baseline.judge(900, 1, false), baseline.judge(2500, 100, false), baseline.judge(900, 4000, false)]).toEqual([false, true, true, false])
  })

  test('settles at the median, whatever the outliers', () => {
    const random = seededRandom(7)
    const baseline = new SlowBaseline({ factor: 1e9, minimumMs: 0 })
    // Median 50; one in ten takes a second, which the mean would follow to 145.
    const medians: number[] = []
    for (let call = 0; call < 20_000; call += 1) {
      baseline.judge(random.next() < 0.1 ? 1000 : 20 + random.next() * 67, 1, true)
      if (call > 1000) medians.push(baseline.medianMs(1) as number)
    }
    const mean = medians.reduce((sum, median) => sum + median, 0) / medians.length
    expect(mean).toBeGreaterThan(50)
    expect(mean).toBeLessThan(65)
  })

  test('does not learn from what is slow, nor from what it is told is unwell, nor from a clock that went back', () => {
    const baseline = new SlowBaseline({ factor: 3, minimumMs: 0 })
    for (let call = 0; call < 20; call += 1) baseline.judge(10, 1, true)
    for (let call = 0; call < 1000; call += 1) {
      baseline.judge(31, 1, true)
      baseline.judge(29, 1, false)
      baseline.judge(-5, 1, true)
    }
    expect(baseline.medianMs(1)).toBe(10)
    // Slower, but not slow: it follows.
    for (let call = 0; call < 200; call += 1) baseline.judge(15, 1, true)
    expect(baseline.medianMs(1)).toBeGreaterThan(14)
  })
})
