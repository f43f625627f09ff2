import fc from 'fast-check'
import { pipe, predictor, seededRandom } from 'outrigger'
import { rateLimit, type RateLimitOptions, type RateLimitRequest, type RateLimitStore } from 'outrigger/resilience'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { deferred, eventsOf, fateOf, recordsOf, rig, type Fate } from './_rig.js'

const limited = 'ERR_OUTRIGGER_RATE_LIMITED'

describe('one limit', () => {
  test('rateLimit lets a burst through, then so much per second, and says when to come back', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const limit = rateLimit({ perSecond: 10, burst: 3 })
    const predict = pipe(inner, limit)
    for (let call = 0; call < 3; call += 1) expect(await predict(call)).toBe(call)
    await expect(predict(3)).rejects.toMatchObject({ code: limited, retryAfterMs: 100 })
    await clock.advance(100)
    expect(await predict(4)).toBe(4)
    await clock.advance(10_000)
    const fates = Array.from({ length: 5 }, (_, call) => fateOf(predict(call)))
    await clock.settle()
    expect(fates.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'])
    expect(limit.counts).toEqual({ admitted: 7, waited: 0, rejected: 3, storeFailures: 0, keys: 1, forgotten: 0 })
    expect([clock.timersSet, model.arrivals.length]).toEqual([0, 7])
  })

  test('rateLimit lets calls wait for their tokens, first come, first served, and no longer than maxWaitMs', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 1, maxWaitMs: 250 }))
    const records = recordsOf(predict)
    const fates = [0, 1, 2, 3].map((call) => fateOf(predict(call)))
    await clock.settle()
    expect([model.arrivals.length, fates[3]?.code]).toEqual([1, limited])
    expect(fates[3]?.error).toMatchObject({ retryAfterMs: 300 })
    await clock.advance(100)
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 1])
    await clock.advance(100)
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 1, 2])
    expect(records.map(({ durations }) => durations.queueMs)).toEqual([undefined, undefined, 100, 200])
    expect(clock.pending).toBe(0)
  })

  test('rateLimit gives the tokens of a waiter who leaves back, and never asks the model for him', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 1, maxWaitMs: 1000 }))
    await predict(0)
    const leaving = new AbortController()
    const left = fateOf(predict(1, { signal: leaving.signal }))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect([left.code, clock.pending]).toEqual(['ERR_OUTRIGGER_ABORTED', 0])
    const next = fateOf(predict(2))
    await clock.advance(100)
    expect([next.value, model.arrivals.map(({ input }) => input)]).toEqual([2, [0, 2]])
  })

  test('rateLimit rejects at once who would wait beyond his deadline', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 1, maxWaitMs: 1000 }))
    await predict(0)
    const fate = fateOf(predict(1, { timeoutMs: 50 }))
    await clock.settle()
    expect(fate.code).toBe(limited)
    expect(await Promise.race([predict(2, { timeoutMs: 150 }), clock.advance(100).then(() => 'late')])).toBe(2)
  })

  test('rateLimit around two predictors is one limit for both', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const limit = rateLimit({ perSecond: 1, burst: 1 })
    const [one, other] = [pipe(inner, limit), pipe(inner, limit)]
    await one(1)
    await expect(other(2)).rejects.toMatchObject({ code: limited })
  })
})

describe('cost and keys', () => {
  test('rateLimit takes the cost of each input, and refuses clearly what costs more than the whole burst', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 1, burst: 10, cost: (x: number) => x }))
    expect(await predict(6)).toBe(6)
    await expect(predict(5)).rejects.toMatchObject({ code: limited, retryAfterMs: 1000 })
    expect(await predict(4)).toBe(4)
    await expect(predict(11)).rejects.toMatchObject({ code: limited, retryAfterMs: Infinity, message: expect.stringContaining('more than the whole burst of 10') })
  })

  test('rateLimit keeps a bucket per key, and shares one among calls without', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 1, burst: 1, key: 'call' }))
    for (const key of ['ann', 'bob', undefined]) {
      expect(await predict(1, { key })).toBe(1)
      await expect(predict(2, { key })).rejects.toMatchObject({ code: limited })
    }
  })

  test('rateLimit forgets the key that was used least recently, and counts it when that gave tokens away', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const limit = rateLimit({ perSecond: 1, burst: 1, key: 'call', maxKeys: 2 })
    const predict = pipe(inner, limit)
    await predict(1, { key: 'a' })
    await predict(1, { key: 'b' })
    await expect(predict(1, { key: 'a' })).rejects.toMatchObject({ code: limited })
    await predict(1, { key: 'c' })
    expect(limit.counts).toMatchObject({ keys: 2, forgotten: 1 })
    await expect(predict(1, { key: 'a' })).rejects.toMatchObject({ code: limited })
    await clock.advance(5000)
    await predict(1, { key: 'd' })
    await predict(1, { key: 'e' })
    expect(limit.counts.forgotten).toBe(1)
  })

  test('rateLimit goes on with the default, and a notice, when `cost` or `key` throws or gives what makes no sense', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const limit = rateLimit<number>({
      perSecond: 1,
      burst: 3,
      cost: (x) => (x === 1 ? NaN : x === 2 ? -5 : (() => { throw new Error('no cost') })()),
      key: (x) => (x === 1 ? (undefined as unknown as string) : (() => { throw new Error('no key') })()),
    })
    const predict = pipe(inner, limit)
    const { notices } = eventsOf(predict)
    for (const x of [1, 2, 3]) expect(await predict(x)).toBe(x)
    await expect(predict(1)).rejects.toMatchObject({ code: limited })
    expect([limit.counts.keys, notices.some((one) => one.includes('`cost`')), notices.some((one) => one.includes('`key`'))]).toEqual([1, true, true])
  })

  test('rateLimit refuses options that make no sense', () => {
    for (const options of [{}, { perSecond: 0 }, { perSecond: Infinity }, { perSecond: 1, burst: 0 }, { perSecond: 1, maxWaitMs: -1 }, { perSecond: 1, key: 'ip' }, { perSecond: 1, cost: 3 }, { perSecond: 1, maxKeys: 0 }, { perSecond: 1, largeBatches: 'cut' }, { perSecond: 1, store: {} }, { perSecond: 1, whenStoreFails: 'open' }, { perSecond: 1, rate: 2 }]) {
      expect(() => rateLimit(options as unknown as RateLimitOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('batches', () => {
  test('rateLimit takes the tokens of all rows at once, as one batch', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 5, maxWaitMs: 300 }))
    expect(await predict.batch([1, 2, 3])).toEqual([1, 2, 3])
    const waits = fateOf(predict.batch([4, 5, 6]))
    await clock.advance(99)
    expect(model.arrivals.length).toBe(1)
    await clock.advance(1)
    expect([waits.value, model.arrivals.map(({ inputs }) => inputs.length)]).toEqual([[4, 5, 6], [3, 3]])
    const rows = await predict.detailedBatch([1, 2, 3, 4, 5, 6])
    expect(rows.map((row) => !row.ok && String(row.error))).toEqual(new Array(6).fill(expect.stringContaining('whole burst')))
  })

  test('rateLimit decides about the rows of each key on their own, and sends those with tokens as one batch', async () => {
    const { model, inner } = rig({ batches: true })
    model.answers((x) => x * 10)
    const limit = rateLimit({ perSecond: 1, burst: 2, key: 'call' })
    const predict = pipe(inner, limit)
    const rows = await predict.detailedBatch([1, 2, 3, 4, 5, 6], { keys: ['a', 'b', 'b', 'a', 'b', 'c'] })
    expect(rows.map((row) => (row.ok ? row.output : (row.error as { code?: string }).code))).toEqual([10, limited, limited, 40, limited, 60])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 4, 6]])
    expect(limit.counts).toMatchObject({ admitted: 3, rejected: 3 })
  })

  test('rateLimit cuts a batch that is larger than the burst into parts that follow each other, when it may', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 2, maxWaitMs: 1000, largeBatches: 'split' }))
    const whole = fateOf(predict.batch([1, 2, 3, 4, 5]))
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2]])
    await clock.advance(300)
    expect([whole.value, model.arrivals.map(({ inputs }) => inputs)]).toEqual([[1, 2, 3, 4, 5], [[1, 2], [3, 4], [5]]])
  })

  test('rateLimit fails only the parts whose wait is too long', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, rateLimit({ perSecond: 10, burst: 2, maxWaitMs: 250, largeBatches: 'split' }))
    const rows = fateOf(predict.detailedBatch([1, 2, 3, 4, 5, 6]))
    await clock.advance(250)
    expect(rows.value?.map(({ ok }) => ok)).toEqual([true, true, true, true, false, false])
  })
})

describe('a store', () => {
  interface FakeStore extends RateLimitStore {
    readonly requests: RateLimitRequest[]
    behave: () => Promise<unknown>
  }
  const fakeStore = (): FakeStore => {
    const store: FakeStore = {
      requests: [],
      behave: async () => ({ granted: true, waitMs: 0 }),
      take: async (request) => {
        store.requests.push(request)
        return (await store.behave()) as never
      },
    }
    return store
  }
  const stack = (options: Partial<RateLimitOptions> = {}) => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const store = fakeStore()
    const limit = rateLimit({ perSecond: 10, burst: 2, store, storeTimeoutMs: 50, key: 'call', ...(options as object) })
    const predict = pipe(inner, limit)
    return { clock, model, store, limit, predict, ...eventsOf(predict) }
  }

  test('rateLimit lets the store decide, with one request per key', async () => {
    const { store, predict, model } = stack()
    expect(await predict.batch([1, 2, 3], { keys: ['a', 'a', 'b'] })).toEqual([1, 2, 3])
    expect(store.requests).toEqual([
      { key: 'a', cost: 2, perSecond: 10, burst: 2, maxWaitMs: 0 },
      { key: 'b', cost: 1, perSecond: 10, burst: 2, maxWaitMs: 0 },
    ])
    store.behave = async () => ({ granted: false, waitMs: 70 })
    await expect(predict(4)).rejects.toMatchObject({ code: limited, retryAfterMs: 70 })
    expect(model.arrivals.length).toBe(1)
  })

  test('rateLimit waits for a store no longer than storeTimeoutMs, then a limit of this process decides', async () => {
    const { clock, store, limit, predict, notices } = stack()
    store.behave = () => new Promise(() => {})
    const first = fateOf(predict(1))
    await clock.advance(49)
    expect(first.state).toBe('pending')
    await clock.advance(1)
    expect(first.value).toBe(1)
    // While the store rests nobody waits for it, and the local bucket holds.
    const fates = [2, 3].map((x) => fateOf(predict(x)))
    await clock.settle()
    expect([fates[0]?.value, fates[1]?.code, store.requests.length]).toEqual([2, limited, 1])
    expect([limit.counts.storeFailures, notices]).toEqual([1, ['The store of the rate limit failed.']])
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('rateLimit tries a failed store again with one call a second, and says when it is back', async () => {
    const { clock, store, limit, predict, notices } = stack({ burst: 100 })
    store.behave = async () => { throw new Error('ECONNREFUSED') }
    for (let x = 0; x < 5; x += 1) expect(await predict(x)).toBe(x)
    await clock.advance(1000)
    await Promise.all([predict(1), predict(2), predict(3)])
    expect([store.requests.length, limit.counts.storeFailures]).toEqual([2, 2])
    store.behave = async () => ({ granted: true, waitMs: 0 })
    await clock.advance(1000)
    await predict(4)
    await predict(5)
    expect([store.requests.length, notices]).toEqual([4, ['The store of the rate limit failed.', 'The store of the rate limit answers again.']])
  })

  test('rateLimit that fails closed rejects while the store is down', async () => {
    const { store, predict, model } = stack({ whenStoreFails: 'closed' })
    store.behave = async () => { throw new Error('down') }
    await expect(predict(1)).rejects.toMatchObject({ code: limited, retryAfterMs: 1000 })
    expect(model.arrivals.length).toBe(0)
  })

  test.each([undefined, null, 7, {}, { granted: 'yes', waitMs: 0 }, { granted: true, waitMs: NaN }, { granted: true, waitMs: -1 }])('rateLimit counts a store that gives %j as a failed one', async (answer) => {
    const { store, limit, predict } = stack()
    store.behave = async () => answer
    expect(await predict(1)).toBe(1)
    expect(limit.counts.storeFailures).toBe(1)
  })

  test('rateLimit does not ask the store for what can never be granted, and gives unused tokens back', async () => {
    const { clock, store, predict } = stack({ maxWaitMs: 1000 })
    await expect(predict.batch([1, 2, 3])).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BATCH' })
    expect(store.requests.length).toBe(0)
    store.behave = async () => ({ granted: true, waitMs: 500 })
    const leaving = new AbortController()
    const left = fateOf(predict(1, { signal: leaving.signal }))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect([left.code, store.requests.map(({ cost }) => cost), clock.pending]).toEqual(['ERR_OUTRIGGER_ABORTED', [1, -1], 0])
  })

  test('rateLimit lets a call whose store never answers be aborted at once', async () => {
    const { clock, store, predict, model } = stack()
    const { promise } = deferred<unknown>()
    store.behave = () => promise
    const leaving = new AbortController()
    const left = fateOf(predict(1, { signal: leaving.signal }))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect(left.code).toBe('ERR_OUTRIGGER_ABORTED')
    await clock.advance(50)
    expect([model.arrivals.length, clock.pending]).toEqual([0, 0])
  })
})

test('rateLimit never lets more than burst + rate · t reach the model, under random calls, batches, waits and aborts', async () => {
  let total = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 8 }), fc.constantFrom(0, 50, 500), fc.constantFrom('refuse' as const, 'split' as const), async (seed, perSecond, burst, maxWaitMs, largeBatches) => {
      const random = seededRandom(seed)
      const clock = fakeClock()
      const reached: { readonly at: number; readonly rows: number }[] = []
      const model = mockModel<number, number>({ clock, batches: true }).answers((x) => x)
      const predict = pipe(predictor(model, { clock }), rateLimit({ perSecond, burst, maxWaitMs, largeBatches }))
      const fates: Fate<unknown>[] = []
      const controllers: AbortController[] = []
      for (let step = 0; step < 60; step += 1) {
        const leaving = new AbortController()
        controllers.push(leaving)
        const options = { signal: leaving.signal, ...(random.next() < 0.2 ? { timeoutMs: 1 + random.integer(300) } : {}) }
        fates.push(fateOf<unknown>(random.next() < 0.6 ? predict(step, options) : predict.batch(Array.from({ length: 1 + random.integer(12) }, () => step), options)))
        if (random.next() < 0.3) controllers[random.integer(controllers.length)]?.abort()
        const before = model.arrivals.length
        await clock.advance(random.integer(60))
        for (const { inputs } of model.arrivals.slice(before)) reached.push({ at: clock.now(), rows: inputs.length })
      }
      await clock.advance(10_000)
      expect(fates.filter(({ state }) => state === 'pending')).toEqual([])
      let sum = 0
      for (const { at, rows } of reached) expect((sum += rows)).toBeLessThanOrEqual(burst + (perSecond * at) / 1000 + 1e-6)
      expect(clock.pending).toBe(0)
      total += sum
    }),
    { numRuns: 40, seed: 3 },
  )
  expect(total).toBeGreaterThan(500)
})

test('rateLimit lets a batch of 200 000 rows through', async () => {
  const rows = new Array<number>(200_000).fill(1)
  expect(await pipe({ predictBatch: async (inputs: readonly number[]) => inputs }, rateLimit({ perSecond: 1e6 })).batch(rows)).toEqual(rows)
})
