import { pipe, predictor } from 'outrigger'
import { cached, tieredStore, type CacheReading, type CacheStore, type OpenCacheStore } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { Rest } from '../../src/cache/_guard.js'
import { eventsOf, fateOf } from '../resilience/_rig.js'

const never = new Promise<never>(() => {})
const identity = { name: 'm', version: '1', digest: undefined }
const answer = { output: 66, at: 0, freshUntil: Infinity, tookMs: 0, tags: [], identity }
const storeOf = (store: Partial<OpenCacheStore>): CacheStore => ({ open: () => ({ getMany: (keys) => keys.map(() => ({ answer: undefined })), set: () => {}, invalidate: () => {}, ...store }), describe: () => 'mine' })

const around = (store: CacheStore, options: Parameters<typeof cached<number>>[0] = {}) => {
  const clock = fakeClock()
  const model = mockModel<number, number>({ clock, batches: true }).answers((x) => x * 10)
  const cache = cached<number>({ store, storeTimeoutMs: 50, ttlMs: 60_000, ...options })
  const predict = pipe(predictor(model, { clock, version: '1' }), cache)
  return { clock, model, cache, predict, ...eventsOf(predict) }
}

describe('a store that misbehaves', () => {
  for (const [what, store, counted] of [
    ['throws at once', { getMany: () => { throw new Error('mine') } }, { storeErrors: 2 }],
    ['rejects', { getMany: () => Promise.reject(new Error('mine')) }, { storeErrors: 2 }],
    ['gives no array', { getMany: () => ({ length: 3 }) }, { garbage: 2 }],
    ['gives too few readings', { getMany: () => [] }, { garbage: 2 }],
    ['gives a promise of nothing', { getMany: () => Promise.resolve(undefined) }, { garbage: 2 }],
    ['gives readings that are none', { getMany: (keys: readonly unknown[]) => keys.map(() => 5) }, { garbage: 4 }],
    ['gives null', { getMany: async (keys: readonly unknown[]) => keys.map(() => null) }, { garbage: 4 }],
    ['gives an answer without a time', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: { output: 66 } })) }, { garbage: 4 }],
    ['gives an answer at NaN', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: { ...answer, at: Number.NaN } })) }, { garbage: 4 }],
    ['gives an answer with strange tags', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: { ...answer, tags: [1] } })) }, { garbage: 4 }],
    ['gives an answer of nobody', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: { ...answer, identity: {} } })) }, { garbage: 4 }],
    ['gives a refusal that is none', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: { ...answer, refusal: 'no' } })) }, { garbage: 4 }],
    ['gives readings that throw when looked at', { getMany: (keys: readonly unknown[]) => keys.map(() => ({ get answer() { throw new Error('mine') } })) }, { garbage: 4 }],
    ['throws when it stores', { set: () => { throw new Error('mine') } }, { storeErrors: 2 }],
    ['rejects when it stores', { set: () => Promise.reject(new Error('mine')) }, { storeErrors: 2 }],
  ] as const) {
    test(`cached gives every answer, counts it and tells observers once in a while when its store ${what}`, async () => {
      const { cache, predict, notices, model } = around(storeOf(store as never))
      expect([await predict(1), await predict.batch([1, 2, 3])]).toEqual([10, [10, 20, 30]])
      expect([model.arrivals.length, notices.length]).toEqual([2, 1])
      expect(cache.counts).toMatchObject({ misses: 4, hits: 0, ...counted })
    })
  }

  test('cached waits for a store that hangs for its limit, five times, then leaves it alone and tries it now and then', async () => {
    let asked = 0
    const { clock, cache, predict } = around(storeOf({ getMany: () => ((asked += 1), never) }))
    for (let call = 0; call < 5; call += 1) {
      const fate = fateOf(predict(call))
      await clock.advance(49)
      expect(fate.state).toBe('pending')
      await clock.advance(1)
      expect(fate.value).toBe(call * 10)
    }
    // It rests for 500 ms: nobody waits.
    for (let call = 0; call < 10; call += 1) expect(await predict(call)).toBe(call * 10)
    expect([asked, cache.counts.storeTimeouts, cache.counts.storeSkipped >= 10]).toEqual([5, 5, true])
    await clock.advance(500)
    const [trying, meanwhile] = [fateOf(predict(1)), fateOf(predict(2))]
    await clock.settle()
    expect([asked, trying.state, meanwhile.value]).toEqual([6, 'pending', 20])
    await clock.advance(50)
    expect([trying.value, clock.holding]).toEqual([10, 0])
  })

  test('cached uses a store again that has recovered', async () => {
    let isDown = true
    const kept = new Map<string, CacheReading>()
    const { clock, cache, predict } = around(
      storeOf({
        getMany: async (keys) => (isDown ? Promise.reject(new Error('down')) : keys.map(({ digest }) => kept.get(digest) ?? { answer: undefined })),
        set: async (fills) => {
          if (isDown) throw new Error('down')
          for (const fill of fills) kept.set(fill.key.digest, { answer: fill.answer })
        },
      }),
    )
    for (let call = 0; call < 20; call += 1) await predict(1)
    isDown = false
    await clock.advance(500)
    await predict(1)
    await clock.settle()
    expect([await predict(1), await predict.batch([1, 2]), cache.counts.hits]).toEqual([10, [10, 20], 2])
  })

  test('cached does not wait for what it stores', async () => {
    const { predict, clock, cache } = around(storeOf({ set: () => never }))
    expect([await predict(1), cache.counts.storeTimeouts]).toEqual([10, 0])
    await clock.advance(50)
    expect(cache.counts.storeTimeouts).toBe(1)
    const closing = fateOf((await predict(2), predict.close()))
    await clock.advance(49)
    expect(closing.state).toBe('pending')
    await clock.advance(1)
    expect([closing.state, clock.holding]).toEqual(['fulfilled', 0])
  })

  test('cached rejects an invalidation that did not get through, by code, also when the store hangs', async () => {
    for (const invalidate of [() => { throw new Error('mine') }, () => Promise.reject(new Error('mine')), () => never]) {
      const { cache, clock } = around(storeOf({ invalidate }))
      const fate = fateOf(cache.invalidate({ tag: 'x' }))
      await clock.advance(50)
      expect(fate.code).toBe('ERR_OUTRIGGER_STORE_FAILED')
    }
  })

  test('cached asks a store that answers later once for a key, however many callers come meanwhile', async () => {
    let asked = 0
    let give!: (readings: CacheReading[]) => void
    const { clock, cache, predict, model } = around(storeOf({ getMany: () => ((asked += 1), new Promise((resolve) => (give = resolve))) }))
    const fates = [fateOf(predict(1)), fateOf(predict(1)), fateOf(predict.batch([1, 1]))]
    await clock.settle()
    give([{ answer: { ...answer, at: clock.wall() } }])
    await clock.settle()
    expect([fates.map(({ value }) => value), asked, model.arrivals.length]).toEqual([[66, 66, [66, 66]], 1, 0])
    expect(cache.counts).toMatchObject({ hits: 4, coalesced: 0, misses: 0 })
  })

  test('cached serves what a store that answers later has past its time, linked to nobody\'s work, and renews it once', async () => {
    const kept = new Map<string, CacheReading>()
    const { clock, cache, predict, model } = around(storeOf({ getMany: async (keys) => keys.map(({ digest }) => kept.get(digest) ?? { answer: undefined }), set: async (fills) => fills.forEach(({ key, answer: one }) => kept.set(key.digest, { answer: one })) }), { staleWhileRevalidateMs: 1000 })
    await predict(1)
    await clock.advance(60_001)
    model.answers(11)
    const rows = await Promise.all([predict.detailed(1), predict.detailed(1)])
    expect(rows.map(({ output, record: { source, links } }) => [output, source, links])).toEqual(new Array(2).fill([10, 'stale', []]))
    await cache.idle()
    expect([await predict(1), model.arrivals.length, cache.counts.refreshed, cache.counts.coalesced]).toEqual([11, 2, 1, 0])
  })

  test('cached asks no model when everybody left while the store was asked', async () => {
    let give!: (readings: CacheReading[]) => void
    const { clock, predict, model } = around(storeOf({ getMany: () => new Promise((resolve) => (give = resolve)) }))
    const leaving = new AbortController()
    const fates = [fateOf(predict(1, { signal: leaving.signal })), fateOf(predict.batch([1, 2], { signal: leaving.signal }))]
    await clock.settle()
    leaving.abort()
    give([{ answer: undefined }])
    await clock.advance(50)
    expect([fates.map(({ state }) => state), model.arrivals.length, clock.holding]).toEqual([['rejected', 'rejected'], 0, 0])
  })

  test('cached refuses a store that is none, a limit that makes no sense, and a model without a version', () => {
    for (const options of [{ store: {} }, { store: { open: 1 } }, { store: storeOf({}), max: 5 }, { store: storeOf({}), storeTimeoutMs: 0 }, { store: storeOf({}), storeTimeoutMs: Number.NaN }]) {
      expect(() => cached(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
    expect(() => pipe((x: number) => x, cached({ store: storeOf({}) }))).toThrow(/must say which version it is/)
    for (const opened of [{}, undefined, { getMany: 1 }]) expect(() => pipe(predictor((x: number) => x, { version: '1' }), cached({ store: { open: () => opened as never, describe: () => '' } }))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => tieredStore({} as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('tieredStore', () => {
  /** A far store of this process, which a test turns off. */
  const far = () => {
    const kept = new Map<string, CacheReading>()
    const state = { isDown: false, reads: [] as number[], writes: 0, kept }
    const store = storeOf({
      getMany: async (keys) => {
        state.reads.push(keys.length)
        if (state.isDown) throw new Error('down')
        return keys.map(({ digest, scope }) => kept.get(scope.text + digest) ?? { answer: undefined })
      },
      set: async (fills) => {
        state.writes += fills.length
        if (state.isDown) throw new Error('down')
        for (const { key, answer: one } of fills) kept.set(key.scope.text + key.digest, { answer: structuredClone(one) })
      },
    })
    return { state, store }
  }

  test('tieredStore answers from memory for a while, then asks the far store again', async () => {
    const { state, store } = far()
    const { clock, predict, cache, model } = around(tieredStore({ far: store, nearTtlMs: 1000 }))
    await predict(1)
    await clock.settle()
    expect([state.reads, state.writes]).toEqual([[1], 1])
    for (let call = 0; call < 5; call += 1) await predict(1)
    expect(state.reads).toHaveLength(1)
    await clock.advance(1000)
    await predict(1)
    expect([state.reads.length, cache.counts.hits, model.arrivals.length]).toEqual([2, 6, 1])
    await predict(1)
    expect(state.reads).toHaveLength(2)
    // Another process has invalidated it.
    state.kept.clear()
    await clock.advance(1000)
    await predict(1)
    expect(model.arrivals).toHaveLength(2)
  })

  test('tieredStore asks the far store in one go for what memory has not', async () => {
    const { state, store } = far()
    const { clock, predict, model } = around(tieredStore({ far: store }))
    await predict.batch([1, 2, 3])
    await clock.settle()
    const other = around(tieredStore({ far: store }))
    await other.predict(1)
    expect(await other.predict.batch([1, 2, 3, 4, 2])).toEqual([10, 20, 30, 40, 20])
    expect([state.reads, other.model.arrivals.map(({ inputs }) => inputs), model.arrivals.length]).toEqual([[3, 1, 3], [[4]], 1])
  })

  test('tieredStore goes on from memory while the far store is down, also beyond its time there, and keeps what it learns', async () => {
    const { state, store } = far()
    const { clock, predict, cache, model } = around(tieredStore({ far: store, nearTtlMs: 1000 }))
    await predict(1)
    await clock.settle()
    state.isDown = true
    await clock.advance(5000)
    expect([await predict(1), await predict(2), await predict(2), model.arrivals.length]).toEqual([10, 20, 20, 2])
    expect(cache.counts).toMatchObject({ hits: 2, storeErrors: 2 })
    expect(state.writes).toBe(1)
  })

  test('tieredStore takes an answer that another process has renewed, without asking the model', async () => {
    const { state, store } = far()
    const [one, other] = [around(tieredStore({ far: store }), { staleWhileRevalidateMs: 10_000 }), around(tieredStore({ far: store }), { staleWhileRevalidateMs: 10_000 })]
    await one.predict(1)
    await one.clock.settle()
    await other.predict(1)
    for (const { clock } of [one, other]) await clock.advance(60_001)
    one.model.answers(11)
    await one.predict(1)
    await one.cache.idle()
    await one.clock.settle()
    expect([await other.predict(1), other.model.arrivals.length, state.kept.size]).toEqual([11, 0, 1])
  })
})

test('GuardedStore takes an output that is no plain data for garbage: the model is asked', async () => {
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  for (const output of [new (class Own {})(), () => 1, Promise.resolve(1), cyclic]) {
    for (const later of [false, true]) {
      const answer = { output, at: 0, freshUntil: Infinity, tookMs: 0, tags: [], identity: { name: 'm', version: '1', digest: undefined } }
      const store: CacheStore = { describe: () => 'garbage', open: () => ({ getMany: (keys) => { const readings = keys.map(() => ({ answer })); return later ? Promise.resolve(readings) : readings }, set: () => {}, invalidate: () => {} }) }
      const cache = cached<number>({ store })
      const predict = pipe(predictor((x: number) => 2 * x, { name: 'm', version: '1' }), cache)
      expect([await predict(1), await predict.batch([2, 3]), cache.counts.garbage]).toEqual([2, [4, 6], 3])
    }
  }
})

describe('Rest', () => {
  test('Rest lets one in after each rest, doubles it up to 30 s, and counts what failed together once', () => {
    const rest = new Rest()
    for (let failure = 0; failure < 4; failure += 1) rest.fail(0)
    expect(rest.allows(0)).toBe(true)
    for (let failure = 0; failure < 100; failure += 1) rest.fail(0)
    const rests: number[] = []
    let now = 0
    for (let round = 0; round < 9; round += 1) {
      const from = now
      while (!rest.allows(now)) now += 1
      rests.push(now - from)
      expect(rest.allows(now)).toBe(false)
      rest.fail(now)
    }
    expect(rests).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    now += 30_000
    expect(rest.allows(now)).toBe(true)
    rest.succeed()
    rest.fail(now)
    expect([rest.allows(now), rest.allows(now)]).toEqual([true, true])
  })
})
