import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planSwap, type SwapSituation } from '../../../src/models/loader/swap-plan.js'

const situation = (given: Partial<SwapSituation>): SwapSituation => ({ strategy: 'auto', budgetBytes: 100, incomingBytes: 40, liveBytes: 40, warmBytes: [], drainingBytes: 0, ...given })

describe('planSwap', () => {
  it.each<[string, Partial<SwapSituation>, object]>([
    ['available loads beside, whatever it takes', { strategy: 'available', incomingBytes: 1e9 }, { fits: true, evict: 0, unloadsFirst: false }],
    ['frugal unloads first', { strategy: 'frugal', incomingBytes: 1 }, { fits: true, evict: 0, unloadsFirst: true }],
    ['frugal has nothing to unload at first', { strategy: 'frugal', liveBytes: undefined }, { fits: true, evict: 0, unloadsFirst: false }],
    ['auto loads beside where both fit', {}, { fits: true, evict: 0, unloadsFirst: false }],
    ['auto loads beside where both fit exactly', { incomingBytes: 60 }, { fits: true, evict: 0, unloadsFirst: false }],
    ['auto unloads first where they do not', { incomingBytes: 61 }, { fits: true, evict: 0, unloadsFirst: true }],
    ['auto lets the warm ones go before the live one, as few as will do', { warmBytes: [10, 20, 5] }, { fits: true, evict: 2, unloadsFirst: false }],
    ['auto lets all of them go, and the live one', { incomingBytes: 70, warmBytes: [10, 10] }, { fits: true, evict: 2, unloadsFirst: true }],
    ['what drains takes room too', { drainingBytes: 21 }, { fits: true, evict: 0, unloadsFirst: true }],
    ['what does not fit alone is refused, and nothing goes for it', { incomingBytes: 101, warmBytes: [10] }, { fits: false, evict: 0, unloadsFirst: false }],
  ])('%s', (_, given, plan) => {
    expect(planSwap(situation(given))).toEqual(plan)
  })

  it('auto never plans to hold more than the budget beside a live version, and never lets go more than it has to', () => {
    const bytes = fc.integer({ min: 0, max: 60 })
    fc.assert(fc.property(bytes, fc.option(bytes, { nil: undefined }), fc.array(bytes, { maxLength: 4 }), bytes, (incomingBytes, liveBytes, warmBytes, drainingBytes) => {
      const { fits, evict, unloadsFirst } = planSwap(situation({ incomingBytes, liveBytes, warmBytes, drainingBytes }))
      expect(fits).toBe(true)
      const held = (evicted: number): number => incomingBytes + (liveBytes ?? 0) + drainingBytes + warmBytes.slice(evicted).reduce((sum, one) => sum + one, 0)
      if (liveBytes !== undefined) expect(unloadsFirst).toBe(held(warmBytes.length) > 100)
      else expect(unloadsFirst).toBe(false)
      if (!unloadsFirst && evict < warmBytes.length) expect(held(evict)).toBeLessThanOrEqual(100)
      if (evict > 0) expect(held(evict - 1)).toBeGreaterThan(100)
    }))
  })
})
