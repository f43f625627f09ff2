import fc from 'fast-check'
import { seededRandom } from 'outrigger'
import { loadClasses, LoadShedder, StandingDelay, type LoadShedderRule, type SheddingChange } from 'outrigger/policy'
import { describe, expect, test } from 'vitest'

const rule: LoadShedderRule = { thresholds: { batch: 0.7, low: 0.8, normal: 0.9, high: 1 }, ramp: 0.1, hysteresis: 0.05, holdMs: 1000 }
const shedder = (changes: SheddingChange[] = [], over: Partial<LoadShedderRule> = {}): LoadShedder => new LoadShedder({ ...rule, ...over }, (change) => changes.push(change))

describe('LoadShedder', () => {
  test('LoadShedder sheds batch work first, then low, normal and high, each entirely at its threshold + ramp', () => {
    const random = seededRandom(1)
    const shares = (load: number): number[] => {
      const one = shedder()
      return loadClasses.map((name) => {
        let shed = 0
        for (let call = 0; call < 400; call += 1) if (!one.admits(name, load, () => 0, random)) shed += 1
        return shed / 400
      })
    }
    expect(shares(0.69)).toEqual([0, 0, 0, 0])
    expect(shares(0.8)).toEqual([1, expect.closeTo(1 / 3, 0.9), 0, 0])
    expect(shares(0.9)).toEqual([1, 1, expect.closeTo(1 / 3, 0.9), 0])
    expect(shares(1.1)).toEqual([1, 1, 1, 1])
    expect(shares(Infinity)).toEqual([1, 1, 1, 1])
  })

  test('LoadShedder never sheds a class more than a less important one, at any load', () => {
    const one = shedder([], { holdMs: 0 })
    let least = 0
    for (let load = 0; load < 1.3; load += 0.01) {
      const shares = loadClasses.map((name) => {
        const random = seededRandom(1)
        let shed = 0
        for (let call = 0; call < 200; call += 1) if (!one.admits(name, load, () => 0, random)) shed += 1
        return shed
      })
      shares.slice(1).forEach((share, index) => expect(share).toBeLessThanOrEqual(shares[index] as number))
      // The same random numbers: what rises with the load is the share.
      expect(shares[2]).toBeGreaterThanOrEqual(least)
      least = shares[2] as number
    }
    expect(least).toBe(200)
  })

  test('LoadShedder sheds by a probability that rises evenly: within four standard deviations of it', () => {
    const random = seededRandom(2)
    for (const load of [0.9, 0.92, 0.95, 0.98]) {
      const one = shedder()
      const expected = (load - 0.85) / 0.15
      let shed = 0
      for (let call = 0; call < 4000; call += 1) if (!one.admits('normal', load, () => 0, random)) shed += 1
      expect(Math.abs(shed / 4000 - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / 4000))
    }
  })

  test('LoadShedder ends shedding only below the hysteresis, and after the hold, and reads no time while it sheds nobody', () => {
    const changes: SheddingChange[] = []
    const one = shedder(changes)
    const random = seededRandom(3)
    let now = 0
    let reads = 0
    const ask = (load: number): boolean => one.admits('normal', load, () => ((reads += 1), now), random)
    ask(0.89)
    expect([reads, one.isShedding('normal')]).toEqual([0, false])
    ask(0.95)
    for (now = 10; now < 5000; now += 10) ask(now % 20 === 0 ? 0.91 : 0.86)
    expect(changes.map(({ isShedding }) => isShedding)).toEqual([true])
    for (; now < 10_000; now += 10) ask(0.86)
    expect(one.isShedding('normal')).toBe(true)
    ask(0.91)
    const quiet = now
    for (; now < quiet + 980; now += 10) expect(ask(0.5)).toBe(true)
    expect(one.isShedding('normal')).toBe(true)
    now += 100
    expect([ask(0.5), one.isShedding('normal'), changes.length]).toEqual([true, false, 2])
  })

  test('LoadShedder is not held by a clock that jumped back', () => {
    const one = shedder()
    one.admits('normal', 2, () => 1_000_000, seededRandom(1))
    one.admits('normal', 0, () => 5, seededRandom(1))
    expect(one.isShedding('normal')).toBe(false)
  })
})

describe('StandingDelay', () => {
  test('StandingDelay is the least delay of the last whole interval over the target, or less when a quicker call has ended since', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ step: fc.integer({ min: 1, max: 60 }), delayMs: fc.nat(500) }), { minLength: 30, maxLength: 120 }), (calls) => {
        const delay = new StandingDelay(100, 200)
        let now = 0
        let begin: number | undefined
        let inside: number[] = []
        let expected = 0
        for (const { step, delayMs } of calls) {
          now += step
          begin ??= now
          if (now - begin >= 200) {
            if (inside.length > 0) expected = Math.min(...inside) / 100
            begin = now
            inside = []
          }
          inside.push(delayMs)
          expected = Math.min(expected, delayMs / 100)
          delay.saw(delayMs, now)
          expect(delay.load(now)).toBe(expected)
        }
        expect(delay.load(now + 401)).toBe(0)
      }),
    )
  })
})

test('StandingDelay forgets what was before a pause: the first quick call after it does not bring the old load back', () => {
  const delay = new StandingDelay(100, 200)
  for (let at = 0; at <= 1000; at += 50) delay.saw(500, at)
  expect(delay.load(1000)).toBe(5)
  delay.saw(500, 3000)
  expect(delay.load(3000)).toBe(0)
})
