import fc from 'fast-check'
import { pipe, seededRandom, timeout } from 'outrigger'
import { bulkhead, type BulkheadOptions } from 'outrigger/resilience'
import { describe, expect, test } from 'vitest'
import { countedStream, fateOf, recordsOf, rig, type Fate } from './_rig.js'

describe('bounds', () => {
  test('bulkhead runs so many at once, lets so many wait, and rejects the rest at once', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 2, queue: 3 }))
    const fates = Array.from({ length: 10 }, (_, call) => fateOf(predict(call)))
    await clock.settle()
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 1])
    expect(fates.slice(0, 5).map(({ state }) => state)).toEqual(new Array(5).fill('pending'))
    for (const fate of fates.slice(5)) expect(fate.error).toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL', running: 2, waiting: 3 })
  })

  test('bulkhead lets those who wait in by their order of arrival, one for each that ends', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 2, queue: 10 }))
    for (let call = 0; call < 6; call += 1) fateOf(predict(call))
    await clock.settle()
    for (let done = 0; done < 4; done += 1) {
      const arrival = model.arrivals[done]
      if (done % 2 === 0) arrival?.answer(1)
      else arrival?.fail(new Error('down'))
      await clock.settle()
      expect(model.arrivals.map(({ input }) => input)).toEqual([0, 1, 2, 3, 4, 5].slice(0, done + 3))
    }
  })

  test('bulkhead does not let a newcomer overtake those who wait', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 10 }))
    fateOf(predict(0).then(() => predict(9)))
    fateOf(predict(1))
    await clock.settle()
    model.arrivals[0]?.answer(0)
    await clock.settle()
    model.arrivals[1]?.answer(0)
    await clock.settle()
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 1, 9])
  })

  test('bulkhead refuses options that make no sense', () => {
    for (const options of [{}, { concurrency: 0 }, { concurrency: 1.5 }, { concurrency: Infinity }, { concurrency: 1, queue: -1 }, { concurrency: 1, size: 1 }]) {
      expect(() => bulkhead(options as BulkheadOptions), `${JSON.stringify(options)}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })

  test('bulkhead takes one permit for a batch, and keeps the order of batches and calls', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 2 }))
    const [first, second, third] = [fateOf(predict.batch([1, 2, 3])), fateOf(predict.batch([4])), fateOf(predict(5))]
    const rejected = fateOf(predict.detailedBatch([6, 7]))
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2, 3]])
    expect(rejected.value?.map((row) => !row.ok && row.error)).toEqual(new Array(2).fill(expect.objectContaining({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })))
    model.answers((x) => x)
    model.arrivals[0]?.fail(new Error('down'))
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2, 3], [4], [5]])
    expect([first.state, second.value, third.value]).toEqual(['rejected', [4], 5])
  })
})

describe('leaving', () => {
  test('bulkhead gives away the place of a waiter who leaves, and never asks the model for him', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 2 }))
    const leaving = new AbortController()
    fateOf(predict(0))
    const left = fateOf(predict(1, { signal: leaving.signal }))
    const stays = fateOf(predict(2))
    leaving.abort()
    await clock.settle()
    expect(left.code).toBe('ERR_OUTRIGGER_ABORTED')
    const takesHisPlace = fateOf(predict(3))
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect(model.arrivals.map(({ input }) => input)).toEqual([0, 2, 3])
    expect([stays.value, takesHisPlace.value]).toEqual([2, 3])
  })

  test('bulkhead keeps the permit of a call whose caller left until the work has ended', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1 }))
    const left = fateOf(predict(0, { timeoutMs: 100 }))
    await clock.advance(100)
    expect(left.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })
    model.arrivals[0]?.answer(0)
    await clock.settle()
    model.answers(7)
    expect(await predict(2)).toBe(7)
  })

  test('bulkhead lets a batch wait as long as one of its rows is wanted', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 1 }))
    fateOf(predict(0))
    const [one, other] = [new AbortController(), new AbortController()]
    const batch = fateOf(predict.detailedBatch([1, 2], { signals: [one.signal, other.signal] }))
    one.abort()
    await clock.settle()
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })
    other.abort()
    await clock.settle()
    expect(batch.value?.map(({ ok }) => ok)).toEqual([false, false])
    const next = fateOf(predict(4))
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect([next.value, model.arrivals.length]).toEqual([4, 2])
  })

  test('bulkhead refuses those who wait when it is closed', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 2 }))
    const running = fateOf(predict(0))
    const waiting = [fateOf(predict(1)), fateOf(predict.batch([2]))]
    const closed = fateOf(predict.close({ deadlineMs: 50 }))
    await clock.advance(50)
    expect(waiting.map(({ code }) => code)).toEqual(['ERR_OUTRIGGER_CLOSED', 'ERR_OUTRIGGER_BATCH'])
    expect([closed.code, running.state]).toEqual(['ERR_OUTRIGGER_CLOSE_TIMEOUT', 'pending'])
    model.arrivals[0]?.answer(5)
    await clock.settle()
    expect([running.value, model.arrivals.length]).toEqual([5, 1])
  })
})

describe('streams', () => {
  const read = async (stream: AsyncIterable<number>): Promise<number[]> => {
    const parts: number[] = []
    for await (const part of stream) parts.push(part)
    return parts
  }

  for (const [how, use] of [
    ['is exhausted', async (stream: AsyncIterable<number>) => expect(await read(stream)).toEqual([1, 2])],
    [
      'is left by its reader',
      async (stream: AsyncIterable<number>) => {
        for await (const part of stream) {
          expect(part).toBe(1)
          break
        }
      },
    ],
    [
      'fails',
      async (stream: AsyncIterable<number>) => {
        const parts = stream[Symbol.asyncIterator]()
        await parts.next()
        await expect(parts.throw?.(new Error('broken pipe'))).rejects.toThrow('broken pipe')
      },
    ],
  ] as const) {
    test(`bulkhead holds the permit of a stream until it ${how}`, async () => {
      const { model, inner } = rig<AsyncIterable<number>>()
      const predict = pipe(inner, bulkhead({ concurrency: 1 }))
      const answer = predict(1)
      ;(await model.next()).answer(countedStream().stream)
      const stream = await answer
      await expect(predict(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })
      await use(stream)
      model.answers(countedStream().stream)
      expect(await read(await predict(3))).toEqual([1, 2])
    })
  }

  test('bulkhead gets the permit of a stream back that came after its timeout', async () => {
    const { clock, model, inner } = rig<AsyncIterable<number>>()
    const predict = pipe(inner, bulkhead({ concurrency: 1 }), timeout({ ms: 100 }))
    const late = fateOf(predict(1))
    await clock.advance(100)
    expect(late.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    model.arrivals[0]?.answer(countedStream().stream)
    await clock.settle()
    model.answers(countedStream().stream)
    expect(await read(await predict(2))).toEqual([1, 2])
  })
})

test('bulkhead writes the waiting time into the record', async () => {
  const { clock, model, inner } = rig()
  const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 1 }))
  const records = recordsOf(predict)
  const fates = [fateOf(predict(1)), fateOf(predict(2))]
  await clock.advance(30)
  model.arrivals[0]?.answer(1)
  await clock.settle()
  model.arrivals[1]?.answer(2)
  await clock.settle()
  expect(fates.map(({ value }) => value)).toEqual([1, 2])
  expect(records.map(({ durations }) => durations.queueMs)).toEqual([undefined, 30])
})

test('bulkhead adds its waiting time to that of others, also when an attempt of the call waited', async () => {
  const { clock, model, inner } = rig()
  const predict = pipe(inner, bulkhead({ concurrency: 1, queue: 2 }), timeout({ ms: 1000 }), bulkhead({ concurrency: 2, queue: 2 }))
  const records = recordsOf(predict)
  const fates = [1, 2, 3].map((input) => fateOf(predict(input)))
  for (const ms of [10, 20, 40]) {
    await clock.advance(ms)
    model.arrivals.at(-1)?.answer(0)
    await clock.settle()
  }
  expect(fates.map(({ value }) => value)).toEqual([0, 0, 0])
  // The second waits for the first; the third waits outside for the first, and inside for the second.
  expect(records.map(({ durations }) => durations.queueMs)).toEqual([undefined, 10, 30])
})

test('bulkhead leaks no permit and breaks no bound over thousands of random failures and aborts', async () => {
  let calls = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 4 }), async (seed, concurrency, queue) => {
      const random = seededRandom(seed)
      const { clock, model, inner } = rig({ batches: true })
      const predict = pipe(inner, bulkhead({ concurrency, queue }))
      const callers: { readonly leaving: AbortController; readonly fate: Fate<unknown> }[] = []
      const settled = new Set<number>()
      const running = (): number[] => model.arrivals.flatMap((_, index) => (settled.has(index) ? [] : [index]))
      const end = (index: number): void => {
        settled.add(index)
        const arrival = model.arrivals[index]
        if (random.next() < 0.5) arrival?.fail(new Error('down'))
        else arrival?.answer(...arrival.inputs)
      }
      for (let step = 0; step < 100; step += 1) {
        const draw = random.next()
        if (draw < 0.5) {
          const leaving = new AbortController()
          calls += 1
          callers.push({ leaving, fate: fateOf<unknown>(random.next() < 0.7 ? predict(step, { signal: leaving.signal }) : predict.batch([step, step], { signal: leaving.signal })) })
        } else if (draw < 0.8 && running().length > 0) end(running()[random.integer(running().length)] as number)
        else callers[random.integer(Math.max(1, callers.length))]?.leaving.abort()
        if (random.next() < 0.5) await clock.settle()
        expect(running().length).toBeLessThanOrEqual(concurrency)
      }
      await clock.settle()
      while (running().length > 0) {
        for (const index of running()) end(index)
        await clock.settle()
      }
      expect(callers.filter(({ fate }) => fate.state === 'pending')).toEqual([])
      // All permits are there again: as many calls run as may, and the next one over the queue is rejected.
      const before = model.arrivals.length
      const fates = Array.from({ length: concurrency + queue + 1 }, (_, call) => fateOf(predict(call)))
      await clock.settle()
      expect([model.arrivals.length - before, fates.filter(({ state }) => state === 'rejected').length]).toEqual([concurrency, 1])
    }),
    { numRuns: 60, seed: 7 },
  )
  expect(calls).toBeGreaterThan(2000)
})
