import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pipe, predictor, type PredictorEvent } from 'outrigger'
import { shadow } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'
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
      expect(layer.counts).toEqual({ sampled: 3, compared: 0, agreed: 0, failed: 3, dropped: 0 })
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
    expect(layer.counts).toEqual({ sampled: 4, compared: 2, agreed: 1, failed: 0, dropped: 2 })
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
    expect(layer.counts).toEqual({ sampled: 2, compared: 0, agreed: 0, failed: 2, dropped: 0 })
    expect(clock.pending).toBe(0)
  })

  test('shadow samples by key: the same units always, about as many as the rate says', async () => {
    const seen = new Set<string>()
    const layer = shadow((_: string) => 0, { rate: 0.25, concurrency: 10_000, onCompared: ({ input }) => seen.add(input) })
    const predict = pipe((_: string) => 0, layer)
    const units = Array.from({ length: 2000 }, (_, unit) => `unit-${unit}`)
    await predict.batch(units, { keys: units })
    await layer.idle()
    const first = [...seen].sort()
    seen.clear()
    await predict.batch(units, { keys: units })
    await layer.idle()
    expect([...seen].sort()).toEqual(first)
    // Three standard errors of a share of 0.25 among 2000.
    expect(Math.abs(first.length / 2000 - 0.25)).toBeLessThan(3 * Math.sqrt((0.25 * 0.75) / 2000))
    layer.setRate(0)
    await predict.batch(units, { keys: units })
    expect(layer.counts.sampled).toBe(2 * first.length)
  })

  test('shadow does not send rows that the primary failed', async () => {
    const seen: number[] = []
    const layer = shadow((x: number) => (seen.push(x), x))
    const predict = pipe((x: number) => {
      if (x === 2) throw new Error('no')
      return x
    }, layer)
    await predict.detailedBatch([1, 2, 3])
    await predict(2).catch(() => {})
    await layer.idle()
    expect(seen).toEqual([1, 3])
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
})
