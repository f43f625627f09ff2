import fc from 'fast-check'
import { pipe, predictor, seededRandom, timeout } from 'outrigger'
import { bulkhead, type BulkheadOptions } from 'outrigger/resilience'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { countedStream, eventsOf, fateOf, rig, type Fate } from './_rig.js'

const full = 'ERR_OUTRIGGER_BULKHEAD_FULL'

describe('rows and bytes', () => {
  test('bulkhead bounds the rows in flight: a batch waits until all its rows have room', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, bulkhead({ rows: 4, queue: 5 }))
    const fates = [fateOf(predict.batch([1, 2, 3])), fateOf(predict.batch([4, 5])), fateOf(predict(6))]
    await clock.settle()
    // The single call would have room, but the batch came before it.
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2, 3]])
    model.answers((x) => x)
    model.arrivals[0]?.answer(1, 2, 3)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([[1, 2, 3], [4, 5], 6])
  })

  test('bulkhead lets in whoever stood behind one that was too large for the room, when that one leaves', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, bulkhead({ rows: 4, queue: 5 }))
    const leaving = new AbortController()
    fateOf(predict.batch([1, 2, 3]))
    fateOf(predict.batch([4, 5], { signal: leaving.signal }))
    fateOf(predict(6))
    await clock.settle()
    leaving.abort()
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2, 3], [6]])
  })

  test('bulkhead refuses a batch that is larger than the whole limit, at once and clearly', async () => {
    const { inner } = rig({ batches: true })
    const predict = pipe(inner, bulkhead({ rows: 2, queue: 5 }))
    const rows = await predict.detailedBatch([1, 2, 3])
    expect(rows.map((row) => !row.ok && (row.error as Error & { code: string }))).toEqual(new Array(3).fill(expect.objectContaining({ code: full, message: expect.stringContaining('larger than the whole limit') })))
  })

  test('bulkhead bounds the bytes in flight by the size of typed arrays', async () => {
    const clock = fakeClock()
    const model = mockModel<Float32Array, number>({ clock })
    const predict = pipe(predictor(model, { clock }), bulkhead({ bytes: 1000, queue: 1 }))
    const fates = [100, 100, 10].map((length) => fateOf(predict(new Float32Array(length))))
    await clock.settle()
    expect([model.arrivals.length, fates[2]?.code, fates[2]?.error]).toEqual([2, undefined, undefined])
    await expect(predict(new Float32Array(1))).rejects.toMatchObject({ code: full, bytes: 992, waiting: 1 })
    await expect(predict(new Float32Array(1000))).rejects.toThrow(/larger than the whole limit/)
    model.answers(1)
    model.arrivals[0]?.answer(1)
    model.arrivals[1]?.answer(1)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([1, 1, 1])
  })

  test('bulkhead weighs by `bytesOf`, and by the default with a notice when that throws or gives no weight', async () => {
    const { clock, model, inner } = rig()
    const weights: Record<number, number> = { 1: 60, 2: 60, 4: NaN }
    const predict = pipe(inner, bulkhead({ bytes: 100, bytesOf: (x) => weights[x] ?? (() => { throw new Error('no size') })() }))
    const { notices } = eventsOf(predict)
    fateOf(predict(1))
    await expect(predict(2)).rejects.toMatchObject({ code: full, bytes: 60 })
    for (const x of [3, 4]) fateOf(predict(x))
    await clock.settle()
    expect(model.arrivals.map(({ input }) => input)).toEqual([1, 3, 4])
    expect(notices.every((notice) => notice.includes('`bytesOf`'))).toBe(true)
    expect(notices.length).toBe(2)
  })

  test('bulkhead refuses options that limit nothing or make no sense', () => {
    for (const options of [{ rows: 0 }, { bytes: 0.5 }, { concurrency: Infinity, rows: Infinity }, { rows: 1, maxWaitMs: 0 }, { rows: 1, bytesOf: 3 }, { queue: 3 }, { rows: NaN }]) {
      expect(() => bulkhead(options as unknown as BulkheadOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('priorities', () => {
  test('bulkhead lets higher priorities in first, jobs last, and by arrival within a priority', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 10 }))
    fateOf(predict(0))
    fateOf(predict(1, { workload: 'batch' }))
    fateOf(predict(2))
    fateOf(predict(3, { priority: 5 }))
    fateOf(predict(4, { priority: -1 }))
    fateOf(predict(5))
    fateOf(predict(6, { priority: 5 }))
    for (let done = 0; done < 7; done += 1) {
      await clock.settle()
      model.arrivals[done]?.answer(0)
    }
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 3, 6, 2, 5, 4, 1])
  })

  test('bulkhead gives up the lowest one who waits for a call of higher priority, and no other', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 2 }))
    const fates = [fateOf(predict(0)), fateOf(predict(1)), fateOf(predict(2, { priority: -1 }))]
    const [high, same] = [fateOf(predict(3, { priority: 1 })), fateOf(predict(4))]
    await clock.settle()
    expect([fates[2]?.code, String(fates[2]?.error), same.code, high.state]).toEqual([full, expect.stringContaining('higher priority'), full, 'pending'])
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 3, 1])
  })
})

describe('limits of waiting', () => {
  test('bulkhead lets nobody wait longer than maxWaitMs', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 3, maxWaitMs: 100 }))
    const fates = [fateOf(predict(0)), fateOf(predict(1))]
    await clock.advance(60)
    fates.push(fateOf(predict(2)))
    await clock.advance(40)
    expect(fates.map(({ code, state }) => code ?? state)).toEqual(['pending', full, 'pending'])
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect([fates[2]?.value, model.arrivals.map(({ input }) => input)]).toEqual([2, [0, 2]])
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('bulkhead never asks the model for a waiter whose deadline has passed, also when the timer that should say so is late', async () => {
    const { clock, model } = rig()
    // A busy loop: time passes, and no timer has run yet when the permit comes free.
    let skewMs = 0
    const busy = { ...clock, now: () => clock.now() + skewMs }
    const predict = pipe(predictor(model, { clock: busy }), bulkhead({ concurrency: 1, queue: 3 }), timeout({ ms: 100 }))
    const fates = [fateOf(predict(0)), fateOf(predict(1))]
    await clock.settle()
    skewMs = 100
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect([model.arrivals.length, fates[0]?.value, fates[1]?.code]).toEqual([1, 0, 'ERR_OUTRIGGER_TIMEOUT'])
  })

  test('bulkhead reads no clock and sets no timer unless a limit asks for it', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 3 }))
    const fates = [fateOf(predict(0)), fateOf(predict(1)), fateOf(predict.batch([2, 3]))]
    await clock.settle()
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect(fates.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect([clock.reads, clock.timersSet]).toEqual([0, 0])
  })
})

test('bulkhead holds the permit of a batch until its last stream has ended', async () => {
  const clock = fakeClock()
  const model = mockModel<number, AsyncIterable<number>>({ clock, batches: true })
  const predict = pipe(predictor(model, { clock }), bulkhead({ concurrency: 1 }))
  const answer = predict.batch([1, 2])
  ;(await model.next()).answer(countedStream().stream, countedStream().stream)
  const [first, second] = await answer
  for await (const part of first!) expect(part).toBeGreaterThan(0)
  await expect(predict(3)).rejects.toMatchObject({ code: full })
  for await (const part of second!) expect(part).toBeGreaterThan(0)
  model.answers(countedStream().stream)
  await predict(3)
})

test('bulkhead never exceeds calls, rows or bytes, keeps its queue bounded, and loses no permit under random aborts, faults and timeouts', async () => {
  let calls = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 6 }), fc.integer({ min: 0, max: 4 }), async (seed, concurrency, rows, queue) => {
      const random = seededRandom(seed)
      const { clock, model, inner } = rig({ batches: true })
      const predict = pipe(inner, bulkhead({ concurrency, rows, bytes: 100, bytesOf: (x) => 1 + (x % 40), queue, maxWaitMs: 50 }))
      const callers: { readonly leaving: AbortController; readonly fate: Fate<unknown> }[] = []
      const settled = new Set<number>()
      const running = (): number[] => model.arrivals.flatMap((_, index) => (settled.has(index) ? [] : [index]))
      const end = (index: number): void => {
        settled.add(index)
        const arrival = model.arrivals[index]
        if (random.next() < 0.5) arrival?.fail(new Error('down'))
        else arrival?.answer(...arrival.inputs)
      }
      for (let step = 0; step < 80; step += 1) {
        const draw = random.next()
        if (draw < 0.5) {
          calls += 1
          const leaving = new AbortController()
          const options = { signal: leaving.signal, priority: random.integer(3), ...(random.next() < 0.3 ? { timeoutMs: 1 + random.integer(60) } : {}), ...(random.next() < 0.2 ? { workload: 'batch' as const } : {}) }
          callers.push({ leaving, fate: fateOf<unknown>(random.next() < 0.6 ? predict(step, options) : predict.batch(Array.from({ length: 1 + random.integer(4) }, () => step), options)) })
        } else if (draw < 0.75 && running().length > 0) end(running()[random.integer(running().length)] as number)
        else if (draw < 0.9) callers[random.integer(Math.max(1, callers.length))]?.leaving.abort()
        else await clock.advance(random.integer(30))
        const isSettled = random.next() < 0.5
        if (isSettled) await clock.settle()
        const inside = running().map((index) => model.arrivals[index]!.inputs)
        expect(inside.length).toBeLessThanOrEqual(concurrency)
        expect(inside.flat().length).toBeLessThanOrEqual(rows)
        expect(inside.flat().reduce((sum, x) => sum + 1 + (x % 40), 0)).toBeLessThanOrEqual(100)
        // Who is neither inside nor told waits: callers who left while their work runs have been told.
        if (isSettled) expect(callers.filter(({ fate }) => fate.state === 'pending').length).toBeLessThanOrEqual(inside.length + queue)
      }
      await clock.settle()
      while (running().length > 0) {
        for (const index of running()) end(index)
        await clock.settle()
      }
      expect(callers.filter(({ fate }) => fate.state === 'pending')).toEqual([])
      const before = model.arrivals.length
      const room = Math.min(concurrency, rows)
      const fates = Array.from({ length: room + queue + 1 }, () => fateOf(predict(0)))
      await clock.settle()
      expect([model.arrivals.length - before, fates.filter(({ state }) => state === 'rejected').length]).toEqual([room, 1])
      await clock.advance(50)
      for (const index of running()) end(index)
      await clock.settle()
      await predict.close()
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 60, seed: 11 },
  )
  expect(calls).toBeGreaterThan(1500)
}, 20_000)
