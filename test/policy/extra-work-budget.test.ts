import * as fc from 'fast-check'
import { extraWorkBudget } from 'outrigger/policy'
import { describe, expect, it } from 'vitest'

describe('extraWorkBudget', () => {
  it('counts a caller once, though several layers see it', () => {
    const budget = extraWorkBudget({ ratio: 0.1, minimumPerSecond: 0, burst: 5 })
    const [outer, inner] = [budget.meter(), budget.meter()]
    while (inner.spend(1, 0)) continue
    for (let row = 0; row < 20; row += 1) {
      outer.seen(1)
      if (row % 2 === 0) inner.seen(1)
    }
    expect([inner.spend(1, 0), outer.spend(1, 0), inner.spend(1, 0)]).toEqual([true, true, false])
    expect(budget.counts).toEqual({ spent: 7, refused: 2, left: 0 })
  })

  it('gives a quiet service its minimum per second', () => {
    const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 2, burst: 1 })
    const meter = budget.meter()
    expect([meter.spend(1, 0), meter.spend(1, 400), meter.spend(1, 600), meter.spend(1, 300), meter.spend(1, 1100)]).toEqual([true, false, true, false, true])
  })

  it('never allows more than burst + ratio · rows + minimum · time, whatever the history', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ seen: fc.nat(50), spend: fc.nat(20), wait: fc.nat(2000) }), { maxLength: 60 }), (steps) => {
        const budget = extraWorkBudget({ ratio: 0.2, minimumPerSecond: 3, burst: 10 })
        const meter = budget.meter()
        let now = 0
        let rows = 0
        for (const step of steps) {
          now += step.wait
          meter.seen(step.seen)
          rows += step.seen
          meter.spend(step.spend, now)
          expect(budget.counts.spent).toBeLessThanOrEqual(10 + 0.2 * rows + (3 * now) / 1000 + 1e-9)
        }
      }),
    )
  })

  it.each([{ ratio: -1 }, { ratio: Number.NaN }, { burst: 0 }, { minimumPerSecond: Infinity }, { budget: 1 } as never])('refuses %o', (options) => {
    expect(() => extraWorkBudget(options)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
