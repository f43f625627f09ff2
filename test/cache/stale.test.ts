import { circuitBreaker, OutriggerError, pipe, predictor, seededRandom } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { extraWorkBudget } from 'outrigger/policy'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { eventsOf, fateOf, recordsOf, rig } from '../resilience/_rig.js'

const down = new Error('down')

describe('stale while revalidate', () => {
  const old = async (options: Parameters<typeof cached<number>>[0] = {}, batches = false) => {
    const parts = rig({ batches })
    const cache = cached<number>({ ttlMs: 100, staleWhileRevalidateMs: 1000, ...options })
    const predict = pipe(parts.inner, cache)
    parts.model.answers(1)
    await predict.batch([1, 2, 3])
    parts.model.hangs()
    await parts.clock.advance(101)
    return { ...parts, cache, predict, asked: () => parts.model.arrivals.length - (batches ? 1 : 3) }
  }

  test('cached serves the stale value while one refresh runs, and the new one after it', async () => {
    const { model, clock, cache, predict, asked } = await old()
    const records = recordsOf(predict)
    expect([await predict(1), await predict(1), await predict.batch([1, 1])]).toEqual([1, 1, [1, 1]])
    await clock.settle()
    expect(asked()).toBe(1)
    model.arrivals.at(-1)?.answer(2)
    await cache.idle()
    expect([await predict(1), asked()]).toEqual([2, 1])
    expect(cache.counts).toMatchObject({ stale: 4, hits: 1, refreshed: 1, refreshFailed: 0 })
    expect(records.map(({ source, attempts, cache: note }) => [source, attempts, note])).toEqual([...new Array(4).fill(['stale', 0, { status: 'stale', ageMs: 101 }]), ['cache', 0, { status: 'hit', ageMs: 0 }]])
  })

  test('cached refreshes under a call of its own, which ends no lease early and which no caller aborts', async () => {
    const { clock, predict, model, cache } = await old()
    const leaving = new AbortController()
    await predict(1, { signal: leaving.signal, timeoutMs: 5 })
    await clock.settle()
    leaving.abort()
    const { call } = model.arrivals.at(-1) as (typeof model.arrivals)[0]
    expect([call.signal.aborted, call.isShadow, call.deadline]).toEqual([false, false, clock.now() + 30_000])
    model.arrivals.at(-1)?.answer(5)
    await cache.idle()
    expect([clock.holding, clock.pending]).toEqual([0, 0])
  })

  test('cached goes on with the stale value when a refresh fails, tells observers, and leaves that key alone for a while', async () => {
    const { model, clock, cache, predict, asked } = await old({ staleWhileRevalidateMs: 5000 })
    const { notices } = eventsOf(predict)
    model.fails(down)
    expect(await predict(1)).toBe(1)
    await cache.idle()
    expect([cache.counts.refreshFailed, notices]).toEqual([1, ['A refresh failed; the stale answer stays.']])
    expect([await predict(1), await predict(2), await predict(1)]).toEqual([1, 1, 1])
    await cache.idle()
    expect([asked(), cache.counts.refreshSkipped]).toEqual([2, 2])
    await clock.advance(1000)
    await predict(1)
    await cache.idle()
    expect(asked()).toBe(3)
  })

  test('cached asks for no refresh while the model turns calls away', async () => {
    const { model, clock, cache, predict, asked } = await old()
    model.fails(new OutriggerError('ERR_OUTRIGGER_CIRCUIT_OPEN', 'open'))
    await predict(1)
    await cache.idle()
    for (const x of [1, 2, 3]) expect(await predict(x)).toBe(1)
    await clock.settle()
    expect([asked(), cache.counts.refreshSkipped]).toEqual([1, 3])
    await clock.advance(1000)
    model.answers(2)
    await predict.batch([1])
    await cache.idle()
    expect(asked()).toBe(2)
  })

  test('cached asks in the callers\' place when the value is older than the window', async () => {
    const { model, clock, cache, predict } = await old()
    await clock.advance(1000)
    model.answers(2)
    expect([await predict(1), cache.counts.stale]).toEqual([2, 0])
  })

  test('cached lets callers join a refresh that is under way once the stale value is too old', async () => {
    const { model, clock, predict, asked, cache } = await old()
    await predict(1)
    await clock.settle()
    await clock.advance(1000)
    const [single, rows] = [fateOf(predict(1)), fateOf(predict.batch([1]))]
    await clock.settle()
    expect([asked(), single.state]).toEqual([1, 'pending'])
    model.arrivals.at(-1)?.answer(7)
    await clock.settle()
    expect([single.value, rows.value, cache.counts.coalesced]).toEqual([7, [7], 2])
  })

  test('cached does not abort a refresh because a caller who joined it leaves', async () => {
    const { model, clock, predict, cache } = await old()
    await predict(1)
    await clock.advance(1000)
    const leaving = new AbortController()
    const fate = fateOf(predict(1, { signal: leaving.signal }))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect([fate.code, model.arrivals.at(-1)?.call.signal.aborted]).toEqual(['ERR_OUTRIGGER_ABORTED', false])
    model.arrivals.at(-1)?.answer(7)
    await cache.idle()
    expect(await predict(1)).toBe(7)
  })

  test('cached refreshes the rows of a batch as one batch, each once', async () => {
    const { model, clock, predict, cache } = await old({}, true)
    expect(await predict.batch([1, 2, 1, 3, 2])).toEqual([1, 1, 1, 1, 1])
    await clock.settle()
    expect(model.arrivals.slice(1).map(({ inputs }) => inputs)).toEqual([[1, 2, 3]])
    model.arrivals.at(-1)?.answer(4, 5, 6)
    await cache.idle()
    expect(await predict.batch([1, 2, 3])).toEqual([4, 5, 6])
  })

  test('cached keeps to its concurrency and its budget', async () => {
    const { clock, predict, cache, asked } = await old({ refresh: { concurrency: 2 } })
    expect(await predict.batch([1, 2, 3])).toEqual([1, 1, 1])
    await clock.settle()
    expect([asked(), cache.counts.refreshSkipped]).toEqual([2, 1])
    const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: 1 })
    const poor = await old({ budget })
    expect(await poor.predict.batch([1, 2, 3])).toEqual([1, 1, 1])
    await poor.clock.settle()
    expect([poor.asked(), poor.cache.counts.refreshSkipped, budget.counts]).toEqual([1, 2, { spent: 1, refused: 2, left: 0 }])
  })

  test('cached gives a refresh up after its time, and who joined it gets the error', async () => {
    const { clock, model, predict, cache } = await old({ refresh: { timeoutMs: 2000 } })
    await predict(1)
    await clock.advance(1500)
    const joined = fateOf(predict(1))
    await clock.advance(500)
    expect([joined.code, model.arrivals.at(-1)?.call.signal.aborted, cache.counts.refreshFailed]).toEqual(['ERR_OUTRIGGER_TIMEOUT', true, 1])
    // It comes late: nobody's.
    model.arrivals.at(-1)?.answer(9)
    await cache.idle()
    expect([cache.counts.refreshed, cache.counts.refreshFailed, clock.pending]).toEqual([0, 1, 0])
    model.answers(3)
    expect(await predict(1)).toBe(3)
  })

  test('cached aborts its refreshes when it is closed, and asks for none for calls that are not idempotent', async () => {
    const { clock, model, predict, asked } = await old()
    await predict(2, { idempotent: false })
    await clock.settle()
    expect(asked()).toBe(0)
    await predict(1)
    await clock.settle()
    await predict.close()
    expect([asked(), model.arrivals.at(-1)?.call.signal.aborted, clock.pending]).toEqual([1, true, 0])
  })
})

describe('early refresh', () => {
  test('cached renews an answer before its time, seldom at first and nearly always at its end, when the model is slow', async () => {
    const share = async (atMs: number, tookMs: number): Promise<number> => {
      let renewed = 0
      const rounds = 300
      for (let round = 0; round < rounds; round += 1) {
        const clock = fakeClock()
        const model = mockModel<number, number>({ clock }).delays(tookMs, 1)
        const cache = cached({ ttlMs: 10_000, earlyRefresh: 1 })
        const predict = pipe(predictor(model, { clock, random: seededRandom(round) }), cache)
        const first = predict(1)
        await clock.advance(tookMs)
        await first
        model.answers(2)
        await clock.advance(atMs)
        const { output, record } = await predict.detailed(1)
        expect([output, record.source]).toEqual([1, 'cache'])
        await cache.idle()
        renewed += cache.counts.refreshed
      }
      return renewed / rounds
    }
    // P(renew) = exp(−(ttl − age) / took): within three standard errors.
    for (const [atMs, tookMs] of [[9000, 1000], [9900, 1000], [5000, 1000], [9000, 10]] as const) {
      const expected = Math.exp(-(10_000 - atMs) / tookMs)
      expect(Math.abs((await share(atMs, tookMs)) - expected)).toBeLessThan(3 * Math.sqrt((expected * (1 - expected)) / 300) + 1e-3)
    }
  }, 30_000)
})

describe('stale if error', () => {
  test('cached gives the old answer, marked, when the model fails, to the caller, to those who wait and to rows of batches', async () => {
    const { model, clock, inner } = rig()
    const cache = cached({ ttlMs: 100, staleIfErrorMs: 1000 })
    const predict = pipe(inner, cache)
    model.answers(1)
    await predict(1)
    await clock.advance(500)
    model.hangs()
    const records = recordsOf(predict)
    const fates = [fateOf(predict(1)), fateOf(predict(1)), fateOf(predict.batch([1]))]
    await clock.settle()
    expect(model.arrivals).toHaveLength(2)
    model.arrivals[1]?.fail(down)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([1, 1, [1]])
    expect(records.map(({ source, attempts, outcome, cache: note }) => [source, attempts, outcome, note])).toEqual([['stale', 1, 'ok', { status: 'stale', ageMs: 500 }], ['stale', 0, 'ok', { status: 'stale', ageMs: 500 }], ['stale', 0, 'ok', { status: 'stale', ageMs: 500 }]])
    expect(cache.counts).toMatchObject({ misses: 2, stale: 3, coalesced: 2, hits: 0 })
    model.fails(down)
    await clock.advance(601)
    await expect(predict(1)).rejects.toBe(down)
  })

  test('cached never hides an invalid input, the caller\'s own abort, or an error it has no answer for', async () => {
    const { model, clock, inner } = rig()
    const predict = pipe(inner, cached({ ttlMs: 100, staleIfErrorMs: 1000 }))
    model.answers(1)
    await predict(1)
    await clock.advance(500)
    model.fails(new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'bad'))
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    model.fails(down)
    await expect(predict(2)).rejects.toBe(down)
    model.hangs()
    const leaving = new AbortController()
    const fate = fateOf(predict(1, { signal: leaving.signal }))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect(fate.code).toBe('ERR_OUTRIGGER_ABORTED')
  })

  test('cached may stand in for rejections longer than for errors, or only for them', async () => {
    for (const [options, hidesError, hidesRejection] of [
      [{ staleIfErrorMs: 1000, staleIfOverloadMs: 10_000 }, false, true],
      [{ staleIfOverloadMs: 10_000 }, false, true],
      [{ staleIfErrorMs: 10_000 }, true, true],
      [{ staleIfErrorMs: 10_000, staleIfOverloadMs: 0 }, true, false],
      [{}, false, false],
    ] as const) {
      const { model, clock, inner } = rig()
      const predict = pipe(inner, cached({ ttlMs: 100, ...options }))
      model.answers(1)
      await predict(1)
      await clock.advance(5000)
      model.fails(down)
      const error = fateOf(predict(1))
      await clock.settle()
      model.fails(new OutriggerError('ERR_OUTRIGGER_RATE_LIMITED', 'no'))
      const rejection = fateOf(predict(1))
      await clock.settle()
      expect([error.value, rejection.value], JSON.stringify(options)).toEqual([hidesError ? 1 : undefined, hidesRejection ? 1 : undefined])
    }
  })

  test('cached stands in for an open circuit and a full bulkhead farther in', async () => {
    const { model, clock, inner } = rig()
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 60_000 })
    const predict = pipe(inner, bulkhead({ concurrency: 1 }), breaker, cached({ ttlMs: 100, staleIfOverloadMs: 60_000 }))
    model.answers(1)
    await predict.batch([1, 2])
    await clock.advance(200)
    model.hangs()
    const running = fateOf(predict(3))
    await clock.settle()
    // The bulkhead is full.
    expect(await predict(1)).toBe(1)
    model.arrivals.at(-1)?.fail(down)
    await clock.settle()
    expect([running.error, breaker.state]).toEqual([down, 'open'])
    expect((await predict.detailed(2)).record).toMatchObject({ source: 'stale', outcome: 'ok' })
  })

  test('cached gives an older version\'s answer only when the new one fails, and says whose it is', async () => {
    const clock = fakeClock()
    const [one, two] = [mockModel<number, string>({ clock }).answers('one'), mockModel<number, string>({ clock }).answers('two')]
    const models = swappable<number, string>({ 1: one, 2: two }, { clock })
    const cache = cached({ staleIfErrorMs: 1000, ttlMs: 60_000 })
    const predict = pipe(models.predictor, cache)
    await predict.batch([7, 8])
    models.swap('2')
    // Its time is not over, and yet it is of another version.
    expect(await predict(7)).toBe('two')
    two.fails(down)
    const { output, record } = await predict.detailed(8)
    expect([output, record.source, record.identity.version, record.cache?.status]).toEqual(['one', 'stale', '1', 'stale'])
    expect(await predict.batch([7, 8])).toEqual(['two', 'one'])
    await expect(predict(9)).rejects.toBe(down)
    await clock.advance(61_001)
    await expect(predict(8)).rejects.toBe(down)
    expect([models.leases('1'), models.leases('2')]).toEqual([0, 0])
  })

  test('cached without a time to live still has the older version for an error', async () => {
    const models = swappable<number, string>({ 1: () => 'one', 2: () => { throw down } })
    const predict = pipe(models.predictor, cached({ staleIfErrorMs: 0 }))
    await predict(7)
    models.swap('2')
    expect(await predict(7)).toBe('one')
    const strict = pipe(models.predictor, cached())
    models.swap('1')
    await strict(7)
    models.swap('2')
    await expect(strict(7)).rejects.toBe(down)
  })
})
