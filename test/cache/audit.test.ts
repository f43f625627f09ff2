import { pipe, predictor, seededRandom } from 'outrigger'
import { cached, type CachedOptions } from 'outrigger/cache'
import { extraWorkBudget } from 'outrigger/policy'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { eventsOf } from '../resilience/_rig.js'

const audited = (audit: NonNullable<CachedOptions<number, number>['audit']>, more: CachedOptions<number, number> = {}) => {
  const clock = fakeClock()
  const model = mockModel<number, number>({ clock, batches: true }).answers((x) => x * 10)
  const cache = cached<number, number>({ audit, ...more })
  const predict = pipe(predictor(model, { clock, random: seededRandom(7) }), cache)
  return { clock, model, cache, predict, events: eventsOf(predict) }
}

describe('audit', () => {
  test('cached checks its share of the hits with the live model, as a shadow, and nobody waits for it', async () => {
    const { model, cache, predict } = audited({ rate: 0.1, concurrency: 100 })
    await predict(1)
    for (let call = 0; call < 2000; call += 1) {
      await predict(1)
      if (call % 50 === 0) await cache.idle()
    }
    await cache.idle()
    const { checked, disagreed, failed, skipped } = cache.counts.audit
    // Three standard errors of a binomial of 2000 and 0.1.
    expect(Math.abs(checked - 200)).toBeLessThan(3 * Math.sqrt(2000 * 0.1 * 0.9))
    expect([disagreed, failed, skipped, model.arrivals.length]).toEqual([0, 0, 0, checked + 1])
    expect(model.arrivals.slice(1).every(({ call }) => call.isShadow)).toBe(true)
  })

  test('cached publishes that the live model disagrees, drops that answer, and says when it agrees again', async () => {
    const { model, cache, predict, events } = audited({ rate: 1 })
    await predict.batch([1, 2])
    model.answers((x) => x * 10 + (x === 1 ? 1 : 0))
    expect(await predict.batch([1, 2])).toEqual([10, 20])
    await cache.idle()
    expect(cache.counts.audit).toEqual({ checked: 2, disagreed: 1, failed: 0, skipped: 0 })
    expect(events.states.map(({ layer, subject, from, to, data }) => [layer, subject, from, to, data])).toEqual([['cached', 'audit', 'agreeing', 'disagreeing', { checked: 1, disagreed: 1, disagreementRate: 1 }]])
    expect(await predict(1)).toBe(11)
    for (let call = 0; call < 99; call += 1) {
      await predict(2)
      await cache.idle()
    }
    expect(events.states.map(({ to }) => to)).toEqual(['disagreeing', 'agreeing'])
  })

  test('cached compares by `agree`, which by default overlooks the last digits', async () => {
    const { model, cache, predict } = audited({ rate: 1 })
    await predict(1)
    model.answers(10 + 1e-7)
    await predict(1)
    await cache.idle()
    expect(cache.counts.audit).toMatchObject({ checked: 1, disagreed: 0 })
    const strict = audited({ rate: 1, agree: (a, b) => a === b })
    await strict.predict(1)
    strict.model.answers(10 + 1e-7)
    await strict.predict(1)
    await strict.cache.idle()
    expect(strict.cache.counts.audit).toMatchObject({ checked: 1, disagreed: 1 })
  })

  test('cached never audits more than its budget and its concurrency allow', async () => {
    const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: 3 })
    const { cache, predict, model } = audited({ rate: 1, budget, concurrency: 1000 })
    await predict(1)
    for (let call = 0; call < 10; call += 1) await predict(1)
    await cache.idle()
    expect([cache.counts.audit, model.arrivals.length, budget.counts.spent]).toEqual([{ checked: 3, disagreed: 0, failed: 0, skipped: 7 }, 4, 3])
    const narrow = audited({ rate: 1, concurrency: 2 })
    await narrow.predict.batch([1, 2, 3])
    narrow.model.hangs()
    await narrow.predict.batch([1, 2, 3])
    await narrow.clock.settle()
    expect([narrow.cache.counts.audit.skipped, narrow.model.arrivals.at(-1)?.inputs]).toEqual([1, [1, 2]])
    await narrow.predict.close()
    expect(narrow.model.arrivals.at(-1)?.call.signal.aborted).toBe(true)
  })

  test('cached counts an audit that failed, that threw while comparing, or that took too long, as no disagreement', async () => {
    const { clock, model, cache, predict, events } = audited({ rate: 1, agree: () => { throw new Error('mine') } })
    await predict(1)
    await predict(1)
    await cache.idle()
    model.fails(new Error('down'))
    await predict(1)
    await cache.idle()
    model.hangs()
    await predict(1)
    await clock.advance(30_000)
    expect(model.arrivals.at(-1)?.call.signal.aborted).toBe(true)
    model.arrivals.at(-1)?.answer(10)
    await cache.idle()
    expect([cache.counts.audit, events.notices, clock.pending]).toEqual([{ checked: 0, disagreed: 0, failed: 3, skipped: 0 }, ['Comparing a cached answer with the live model threw.'], 0])
  })

  test('cached asks for no audit of stale answers, of refusals, at rate 0, or of calls that are not idempotent', async () => {
    const { cache, predict, model } = audited({ rate: 1 })
    await predict(1)
    await predict(1, { idempotent: false })
    const off = audited({ rate: 0 })
    await off.predict(1)
    await off.predict(1)
    await Promise.all([cache.idle(), off.cache.idle()])
    expect([model.arrivals.length, off.model.arrivals.length]).toEqual([1, 1])
  })

  test('cached refuses an audit that makes no sense', () => {
    for (const audit of [{}, { rate: 2 }, { rate: -1 }, { rate: Number.NaN }, { rate: 1, concurrency: 0 }, { rate: 1, agree: 1 }, { rate: 1, every: 2 }, { rate: 1, budget: {} }]) {
      expect(() => cached({ audit } as never), JSON.stringify(audit)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})
