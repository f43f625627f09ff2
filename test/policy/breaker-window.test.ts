import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CallWindow } from '../../src/policy/breaker-window.js'
import { TimeWindow } from '../../src/policy/time-window.js'

const sums = ({ calls, failures, slow }: TimeWindow | CallWindow): number[] => [calls, failures, slow]
const outcome = fc.record({ failed: fc.boolean(), slow: fc.boolean() })

test('CallWindow counts the last so many calls', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(outcome, { maxLength: 40 }), (size, outcomes) => {
      const window = new CallWindow(size)
      for (const { failed, slow } of outcomes) window.add(failed, slow)
      const last = outcomes.slice(-size)
      expect(sums(window)).toEqual([last.length, last.filter(({ failed }) => failed).length, last.filter(({ slow }) => slow).length])
      const copy = new CallWindow(size)
      copy.restore(window.export())
      expect([sums(copy), copy.export()]).toEqual([sums(window), window.export()])
    }),
    { seed: 7 },
  )
})

describe('TimeWindow', () => {
  test('holds what happened in the last nine tenths, and nothing older than ten', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ failed: fc.boolean(), slow: fc.boolean(), after: fc.integer({ min: 0, max: 400 }) }), { maxLength: 60 }), (outcomes) => {
        const window = new TimeWindow(1000)
        const past: { at: number; failed: boolean }[] = []
        let now = 12_345
        for (const { failed, slow, after } of outcomes) {
          now += after
          window.add(failed, slow, () => now)
          past.push({ at: now, failed })
          const since = (ms: number): number => past.filter(({ at }) => at > now - ms).length
          expect(window.calls).toBeGreaterThanOrEqual(since(900))
          expect(window.calls).toBeLessThanOrEqual(since(1000))
        }
      }),
      { seed: 7 },
    )
  })

  test('counts on in the bucket it had reached when the clock steps back, and starts anew when it jumps', () => {
    const window = new TimeWindow(1000)
    window.add(true, false, () => 5000)
    window.add(true, false, () => 4800)
    expect(sums(window)).toEqual([2, 2, 0])
    // The second one is as old as the first: it is forgotten with it.
    window.add(false, false, () => 5999)
    expect(window.calls).toBe(3)
    window.add(false, false, () => 6000)
    expect(sums(window)).toEqual([2, 0, 0])
    for (const jump of [0, 1e12, -1e12]) {
      window.add(true, true, () => jump)
      expect(sums(window)).toEqual([1, 1, 1])
    }
  })

  test('is taken over with the ages of its calls', () => {
    const [first, second] = [new TimeWindow(1000), new TimeWindow(1000)]
    first.add(true, false, () => 100)
    first.add(false, true, () => 550)
    const saved = first.export(700)
    expect(saved).toEqual([6, 1, 1, 0, 2, 1, 0, 1])
    second.restore(saved, 90_000)
    expect(sums(second)).toEqual([2, 1, 1])
    second.add(false, false, () => 90_400)
    expect(sums(second)).toEqual([2, 0, 1])
  })
})
