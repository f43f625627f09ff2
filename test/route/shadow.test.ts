import { AsyncLocalStorage } from 'node:async_hooks'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { layer, pipe, predictor, seededRandom, type PredictorEvent } from 'outrigger'
import { extraWorkBudget } from 'outrigger/policy'
import { murmur3 } from 'outrigger/core'
import { shadow } from 'outrigger/route'
import { fakeClock, faults, mockModel } from 'outrigger/testing'
import { swappable } from '../../src/testing/_swappable.js'

const rejections: unknown[] = []
const keep = (reason: unknown): void => void rejections.push(reason)
beforeEach(() => {
  rejections.length = 0
  process.on('unhandledRejection', keep)
})
afterEach(() => {
  process.off('unhandledRejection', keep)
  expect(rejections).toEqual([])
})

describe('shadow', () => {
  test('shadow gives the answer of the primary while the candidate hangs, and starts it only then', async () => {
    const primary = mockModel<number, string>()
    const candidate = mockModel<number, string>()
    const predict = pipe(primary, shadow(candidate))
    const answer = predict(1)
    const arrival = await primary.next()
    expect(candidate.arrivals).toHaveLength(0)
    arrival.answer('primary')
    expect(await answer).toBe('primary')
    const seen = await candidate.next()
    expect([seen.input, seen.call.isShadow]).toEqual([1, true])
    seen.answer('whatever')
  })

  test('shadow: a candidate that throws or rejects with anything costs the caller nothing and is counted', async () => {
    const failures = [
      () => {
        throw new Error('at once')
      },
      () => Promise.reject(new Error('later')),
      () => Promise.reject(undefined as never),
    ]
    for (const fails of failures) {
      const layer = shadow(fails as unknown as (x: number) => number)
      const predict = pipe((x: number) => x, layer)
      expect(await predict(1)).toBe(1)
      expect(await predict.batch([1, 2])).toEqual([1, 2])
      await layer.idle()
      expect(layer.counts).toMatchObject({ sampled: 3, compared: 0, agreed: 0, failed: 3, dropped: 0 })
    }
  })

  test('shadow: a candidate that changes its input changes a copy', async () => {
    const layer = shadow((row: { x: number }) => (row.x = 99))
    const predict = pipe((row: { x: number }) => row.x, layer)
    const row = { x: 1 }
    const rows = [{ x: 2 }, { x: 3 }]
    await predict(row)
    await predict.batch(rows)
    await layer.idle()
    expect([row, ...rows]).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }])
  })

  test('shadow compares what the caller got, even if the caller changes it', async () => {
    const compared: unknown[] = []
    const layer = shadow((x: number) => ({ score: x }), { onCompared: ({ primary, candidate }) => compared.push([primary, candidate]) })
    const predict = pipe((x: number) => ({ score: x }), layer)
    const answer = await predict(1)
    answer.score = 1000
    await layer.idle()
    expect(compared).toEqual([[{ score: 1 }, { score: 1 }]])
    expect(layer.counts.agreed).toBe(1)
  })

  test('shadow bounds its runs, and counts what it drops', async () => {
    const candidate = mockModel<number, number>()
    const layer = shadow(candidate, { concurrency: 2 })
    const predict = pipe((x: number) => x, layer)
    for (const x of [1, 2, 3, 4]) await predict(x)
    await candidate.next().then((arrival) => arrival.answer(1))
    await candidate.next().then((arrival) => arrival.answer(7))
    await layer.idle()
    expect(layer.counts).toMatchObject({ sampled: 4, compared: 2, agreed: 1, failed: 0, dropped: 2, coverage: 0.5 })
    expect(layer.counts.droppedBy).toMatchObject({ concurrency: 2, bytes: 0 })
  })

  test('shadow drops and counts what the budget of extra work does not allow', async () => {
    const budget = extraWorkBudget({ ratio: 0.5, minimumPerSecond: 0, burst: 1 })
    const layer = shadow((x: number) => x, { budget, guard: false })
    const predict = pipe((x: number) => x, layer)
    for (let x = 0; x < 5; x += 1) {
      await predict(x)
      await layer.idle()
    }
    // One was saved up, which the first two rows refill.
    expect(layer.counts).toMatchObject({ sampled: 5, compared: 3, dropped: 2 })
    expect([layer.counts.coverage, layer.verdict({ disagreement: 0.5 }).coverage]).toEqual([0.6, 0.6])
    expect(budget.counts).toMatchObject({ spent: 3, refused: 2 })
    // The rows of a batch fill it, too.
    await predict.batch([5, 6, 7, 8])
    expect(layer.counts.compared).toBe(3)
    await predict(9)
    await layer.idle()
    expect(layer.counts.compared).toBe(4)
    expect(() => shadow((x: number) => x, { budget: {} as never })).toThrow(/`budget`/)
  })

  test('shadow gives a run up at its limit, aborts it, and counts it once', async () => {
    const clock = fakeClock()
    const candidate = mockModel<number, number>()
    const layer = shadow(candidate, { timeoutMs: 100 })
    const predict = pipe(predictor((x: number) => x, { clock }), layer)
    await predict.batch([1, 2], {})
    const first = await candidate.next()
    const { signal } = first.call
    await clock.advance(100)
    expect([signal.aborted, layer.counts.failed]).toEqual([true, 2])
    first.answer(1)
    await candidate.next().then((arrival) => arrival.answer(2))
    await layer.idle()
    expect(layer.counts).toMatchObject({ sampled: 2, compared: 0, agreed: 0, failed: 2, timedOut: 2, dropped: 0, running: 0 })
    expect(clock.pending).toBe(0)
  })

  test('shadow samples calls whose key is no text, from JavaScript, as those without', async () => {
    const layer = shadow((x: number) => x, { rate: 0.5, guard: false })
    const predict = pipe((x: number) => x, layer)
    for (let key = 0; key < 100; key += 1) expect(await predict(key, { key: key as never })).toBe(key)
    expect(layer.counts.sampled).toBeGreaterThan(20)
    expect(layer.counts.sampled).toBeLessThan(80)
  })

  test('shadow samples by key: the same units always, about as many as the rate says', async () => {
    const seen = new Set<string>()
    const layer = shadow((_: string) => 0, { rate: 0.25, guard: false, onCompared: ({ input }) => seen.add(input) })
    const predict = pipe((_: string) => 0, layer)
    const units = Array.from({ length: 2000 }, (_, unit) => `unit-${unit}`)
    await predict.batch(units, { keys: units })
    await layer.idle()
    const first = [...seen].sort()
    seen.clear()
    await predict.batch(units, { keys: units })
    await layer.idle()
    expect([...seen].sort()).toEqual(first)
    expect(first).toEqual(units.filter((unit) => murmur3(`shadow:${unit}`, 0x73686164) < 0.25 * 2 ** 32).sort())
    // Three standard errors of a share of 0.25 among 2000.
    expect(Math.abs(first.length / 2000 - 0.25)).toBeLessThan(3 * Math.sqrt((0.25 * 0.75) / 2000))
    layer.setRate(0)
    await predict.batch(units, { keys: units })
    expect(layer.counts.sampled).toBe(2 * first.length)
    layer.setRate(0.3)
    await predict.batch(units, { keys: units })
    await layer.idle()
    expect(seen.size).toBeGreaterThan(first.length)
    expect(first.filter((unit) => !seen.has(unit))).toEqual([])
  })

  test('shadow counts rows that the primary failed apart, with what the candidate made of them', async () => {
    const seen: number[] = []
    const layer = shadow((x: number) => {
      seen.push(x)
      if (x < 0) throw new Error('neither')
      return x
    })
    const predict = pipe((x: number) => {
      if (x === 2 || x < 0) throw new Error('no')
      return x
    }, layer)
    await predict.detailedBatch([1, 2, 3])
    await predict(2).catch(() => {})
    await predict(-1).catch(() => {})
    await layer.idle()
    expect(seen).toEqual([1, 2, 3, 2, -1])
    expect(layer.counts).toMatchObject({ sampled: 5, compared: 2, agreed: 2, failed: 0, primaryFailed: 2, bothFailed: 1, coverage: 1 })
  })

  test('shadow: numbers agree within 1e-6, structures by content', async () => {
    const agreed = async (a: unknown, b: unknown): Promise<number> => {
      const layer = shadow((_: number): unknown => b)
      await pipe((_: number): unknown => a, layer)(1)
      await layer.idle()
      return layer.counts.agreed
    }
    expect(await agreed(1, 1 + 1e-9)).toBe(1)
    expect(await agreed(1, 1.001)).toBe(0)
    expect(await agreed([1, { p: 0.5 }], [1, { p: 0.5 }])).toBe(1)
    expect(await agreed([1, 2], [1])).toBe(0)
    expect(await agreed(Number.NaN, Number.NaN)).toBe(1)
    expect(await agreed('a', 'b')).toBe(0)
  })

  test('shadow: a callback that throws becomes a notice', async () => {
    const layer = shadow((x: number) => x, {
      onCompared: () => {
        throw new Error('mine')
      },
    })
    const predict = pipe((x: number) => x, layer)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    expect(await predict(1)).toBe(1)
    await layer.idle()
    expect(events).toMatchObject([{ type: 'notice', layer: 'shadow', error: { message: 'mine' } }])
  })

  test('shadow: an input that cannot be copied is dropped and counted', async () => {
    const layer = shadow((_: () => number) => 0)
    expect(await pipe((row: () => number) => row(), layer)(() => 5)).toBe(5)
    expect(layer.counts).toMatchObject({ sampled: 1, dropped: 1 })
  })

  test('shadow holds the lease of its candidate until the run has ended', async () => {
    const waiting: (() => void)[] = []
    const loader = swappable<number, number>({ old: () => new Promise<number>((resolve) => waiting.push(() => resolve(1))), new: () => 2 })
    const layer = shadow(loader.predictor)
    await pipe((x: number) => x, layer)(1)
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    loader.swap('new')
    expect(loader.leases('old')).toBe(1)
    waiting[0]!()
    await layer.idle()
    expect([loader.leases('old'), layer.counts.agreed]).toEqual([0, 1])
  })

  test('shadow: close aborts what runs, and closes a candidate that it owns', async () => {
    const candidate = mockModel<number, number>()
    const predict = pipe((x: number) => x, shadow(candidate))
    await predict(1)
    const arrival = await candidate.next()
    const { signal } = arrival.call
    await predict.close()
    expect([signal.aborted, candidate.closed]).toEqual([true, 1])
    arrival.answer(1)
  })

  test('shadow costs the caller no time, and no timer that would keep the process alive', async () => {
    const clock = fakeClock()
    const layered = shadow(mockModel<number, number>({ clock }).delays(5000, 1))
    const predict = pipe(predictor(mockModel<number, number>({ clock }).delays(30, 1), { clock }), layered)
    const answers = Promise.all([predict.detailed(1), predict.detailedBatch([1, 2])])
    await clock.advance(30)
    const [{ record }, rows] = await answers
    expect([record, ...rows.map((row) => row.record)].map(({ durations, isShadow }) => [durations.totalMs, isShadow])).toEqual(Array(3).fill([30, false]))
    expect(layered.counts.compared).toBe(0)
    await clock.advance(5000)
    expect([layered.counts.compared, layered.counts.agreed]).toEqual([3, 3])
    const hanging = pipe(predictor((x: number) => x, { clock }), shadow(mockModel<number, number>()))
    await hanging(1)
    await clock.settle()
    expect([clock.pending, clock.holding]).toEqual([1, 0])
    await hanging.close()
    expect(clock.pending).toBe(0)
  })

  test('shadow runs a candidate that takes batches once per batch, under the ids and keys of the rows', async () => {
    const candidate = mockModel<number, number>({ batches: true })
    const compared: string[] = []
    const layered = shadow(candidate, { onCompared: ({ id, input }) => compared.push(`${id}=${input}`) })
    await pipe((x: number) => x, layered).batch([1, 2, 3], { ids: ['a', 'b', 'c'], keys: ['x', 'y', 'z'] })
    const arrival = await candidate.next()
    expect(arrival.inputs).toEqual([1, 2, 3])
    expect((arrival.call as { rows: readonly { key: string; isShadow: boolean }[] }).rows.map(({ key, isShadow }) => [key, isShadow])).toEqual([['x', true], ['y', true], ['z', true]])
    arrival.answer(1, 2, 3)
    await layered.idle()
    expect([compared, candidate.arrivals.length]).toEqual([['a=1', 'b=2', 'c=3'], 1])
  })

  test('shadow: every row that was sampled is compared, failed or dropped once nothing runs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ rows: fc.integer({ min: 0, max: 4 }), waitMs: fc.nat(40) }), { maxLength: 12 }),
        fc.record({ rate: fc.double({ min: 0, max: 1, noNaN: true }), concurrency: fc.integer({ min: 1, max: 3 }), seed: fc.nat() }),
        async (calls, { rate, concurrency, seed }) => {
          const clock = fakeClock()
          const candidate = pipe(predictor((x: number) => x, { clock }), faults({ error: 0.2, rowError: 0.2, latency: 0.6, latencyMs: 60, seed }))
          const layered = shadow(candidate, { rate, concurrency, timeoutMs: 50, guard: false })
          const predict = pipe(predictor((x: number) => x, { clock, random: seededRandom(seed) }), layered)
          for (const { rows, waitMs } of calls) {
            await (rows === 0 ? predict(1) : predict.batch(Array(rows).fill(1)))
            await clock.advance(waitMs)
          }
          await clock.advance(200)
          await layered.idle()
          const { sampled, compared, agreed, failed, dropped } = layered.counts
          expect(compared + failed + dropped).toBe(sampled)
          expect(agreed).toBe(compared)
          expect(clock.pending).toBe(0)
        },
      ),
      { numRuns: 40, seed: 7 },
    )
  })

  test('shadow samples calls without a key at its rate', async () => {
    const layered = shadow((x: number) => x, { rate: 0.3, concurrency: 10_000, guard: false })
    const predict = pipe(predictor((x: number) => x, { random: seededRandom(7) }), layered)
    for (let call = 0; call < 1000; call += 1) await predict(call)
    await predict.batch(Array(1000).fill(1))
    expect(Math.abs(layered.counts.sampled / 2000 - 0.3)).toBeLessThan(4 * Math.sqrt((0.3 * 0.7) / 2000))
    await layered.idle()
    layered.setRate(1)
    await predict(1)
    layered.setRate(0)
    const { sampled } = layered.counts
    await predict(1)
    expect(layered.counts.sampled).toBe(sampled)
    for (const wrong of [-0.1, 1.1, Number.NaN, '1' as never]) expect(() => layered.setRate(wrong)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    await layered.idle()
  })

  test('shadow: a candidate that cannot be bound costs the caller nothing and is counted', async () => {
    const candidate = pipe(
      (x: number) => x,
      layer<number, number>('unbindable', {
        one: (next, input, call) => next(input, call),
        bind: () => {
          throw new Error('unbindable')
        },
      }),
    )
    const layered = shadow(candidate)
    const predict = pipe((x: number) => x, layered)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    expect([await predict(1), await predict.batch([1, 2])]).toEqual([1, [1, 2]])
    await layered.idle()
    expect(layered.counts).toMatchObject({ sampled: 3, failed: 3 })
    expect(events).toMatchObject([{ type: 'notice' }, { type: 'notice' }])
  })

  test('shadow runs outside of the async context of its caller', async () => {
    const request = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const layered = shadow((x: number) => (seen.push(request.getStore()), x), { onCompared: () => seen.push(request.getStore()) })
    const predict = pipe((x: number) => x, layered)
    await request.run('first', async () => [await predict(1), await predict.batch([2])])
    await layered.idle()
    expect(seen).toEqual(Array(4).fill(undefined))
  })

  test('shadow: a callback that rejects becomes a notice', async () => {
    const layered = shadow((x: number) => x, { onCompared: () => Promise.reject(new Error('later')) as unknown as void })
    const predict = pipe((x: number) => x, layered)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    await predict(1)
    await layered.idle()
    await new Promise((resolve) => setImmediate(resolve))
    expect(events).toMatchObject([{ type: 'notice', layer: 'shadow', error: { message: 'later' } }])
  })

  for (const [name, a, b, agrees] of [
    ['an infinity and a number', Infinity, 1, false],
    ['opposite infinities', Infinity, -Infinity, false],
    ['equal infinities', Infinity, Infinity, true],
    ['different dates', new Date(1), new Date(2), false],
    ['equal dates', new Date(1), new Date(1), true],
    ['different maps', new Map([['a', 1]]), new Map([['a', 2]]), false],
    ['close maps', new Map([['a', 1]]), new Map([['a', 1 + 1e-9]]), true],
    ['different sets', new Set(['a']), new Set(['b']), false],
    ['equal sets', new Set(['a']), new Set(['a']), true],
    ['an array and an object', [1], { 0: 1 }, false],
    ['close typed arrays', new Float32Array([1, 2]), new Float32Array([1, 2.000001]), true],
    ['different typed arrays', new Float32Array([1, 2]), new Float32Array([1, 3]), false],
    ['different bytes', new Uint8Array([1]).buffer, new Uint8Array([2]).buffer, false],
    ['null and an object', null, {}, false],
    ['undefined and a missing field', { a: undefined }, {}, false],
  ] as const) {
    test(`shadow: ${name} ${agrees ? 'agree' : 'do not agree'}`, async () => {
      for (const [primary, other] of [[a, b], [b, a]] as const) {
        const layered = shadow((_: number): unknown => other)
        await pipe((_: number): unknown => primary, layered)(1)
        await layered.idle()
        expect(layered.counts).toMatchObject({ compared: 1, agreed: agrees ? 1 : 0 })
      }
    })
  }

  test('shadow around two predictors: closing one leaves the runs of the other', async () => {
    const candidate = mockModel<number, number>()
    const layered = shadow(predictor(candidate))
    const [one, two] = [pipe((x: number) => x, layered), pipe((x: number) => x, layered)]
    await two(1)
    const arrival = await candidate.next()
    await one.close()
    expect(arrival.call.signal.aborted).toBe(false)
    arrival.answer(1)
    await layered.idle()
    expect(layered.counts.agreed).toBe(1)
  })

  test('shadow: a run that was to begin after close asks nobody and is counted', async () => {
    const candidate = mockModel<number, number>()
    const layered = shadow(candidate)
    const predict = pipe((x: number) => x, layered)
    await predict(1)
    await predict.close()
    await layered.idle()
    expect([candidate.arrivals.length, layered.counts.failed, layered.counts.droppedBy.closed]).toEqual([0, 0, 1])
  })

  test('shadow says its rate and its candidate in the description', () => {
    const twin = (x: number): number => x
    expect(pipe(twin, shadow(twin, { rate: 0.07 })).describe()).toBe('shadow shadow, 7 % of calls\n├─ candidate: twin (row by row)\n└─ twin (row by row)')
  })

  for (const options of [{ rate: 2 }, { rate: Number.NaN }, { concurrency: 0 }, { concurrency: 1.5 }, { timeoutMs: 0 }, { agree: 1 }, { onCompared: 'x' }, { name: '' }, { sampling: 1 }]) {
    test(`shadow refuses ${JSON.stringify(options)} by code`, () => {
      expect(() => shadow((x: number) => x, options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    })
  }
})
