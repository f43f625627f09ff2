import fc from 'fast-check'
import { TokenBucket } from 'outrigger/policy'
import { describe, expect, test } from 'vitest'

describe('TokenBucket', () => {
  test('TokenBucket lets at most burst + rate · t be used by any time t, with credit, returns and waits of any kind', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 500, noNaN: true }),
        fc.double({ min: 1, max: 50, noNaN: true }),
        fc.array(fc.record({ cost: fc.double({ min: 0, max: 60, noNaN: true }), waits: fc.nat(300), goesOn: fc.nat(200), leaves: fc.boolean() }), { maxLength: 80 }),
        (perSecond, burst, steps) => {
          const bucket = new TokenBucket({ perSecond, burst })
          const used: { readonly at: number; readonly cost: number }[] = []
          let now = 0
          for (const { cost, waits, goesOn, leaves } of steps) {
            const { granted, waitMs } = bucket.take(cost, now, waits)
            if (granted) {
              expect(waitMs).toBeLessThanOrEqual(waits)
              if (leaves) bucket.giveBack(cost)
              else used.push({ at: now + waitMs, cost })
            } else expect(waitMs > waits).toBe(true)
            now += goesOn
          }
          used.sort((a, b) => a.at - b.at)
          let sum = 0
          for (const { at, cost } of used) expect((sum += cost)).toBeLessThanOrEqual(burst + (perSecond * at) / 1000 + 1e-6)
        },
      ),
    )
  })

  test('TokenBucket says exactly when asking again succeeds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 20 }), (perSecond, costs) => {
        const bucket = new TokenBucket({ perSecond, burst: 10 })
        let now = 0
        for (const cost of costs) {
          const { granted, waitMs } = bucket.take(cost, now)
          if (granted) continue
          expect(bucket.take(cost, now + waitMs * 0.99 - 1e-9).granted).toBe(false)
          now += waitMs + 1e-6
          expect(bucket.take(cost, now).granted).toBe(true)
        }
      }),
    )
  })

  test('TokenBucket adds nothing for a clock that stands still or jumps back, and goes on filling from there', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5 })
    bucket.take(5, 1_000_000)
    expect(bucket.tokens(1_000_000)).toBe(0)
    expect(bucket.tokens(0)).toBe(0)
    expect(bucket.tokens(200)).toBe(2)
    expect(bucket.tokens(10_000)).toBe(5)
  })

  test('TokenBucket never grants more than it holds when full, also not for a cost that is no number', () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 5 })
    for (const cost of [5.01, Infinity, NaN]) expect(bucket.take(cost, 0, Infinity)).toEqual({ granted: false, waitMs: Infinity })
    expect(bucket.take(5, 0).granted).toBe(true)
  })
})
