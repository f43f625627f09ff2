import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, retry, seededRandom, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import type { PredictionRecord, Random } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const neutral = layer<number, number>('neutral', { one: async (next, input, call) => await next(input, call) })

describe('Predictor, one call', () => {
  it('the caller\'s signal reaches the model, and the caller is told at once', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, neutral, timeout({ ms: 1000 }), retry({ retries: 1 }), cached(), bulkhead({ concurrency: 1 }))
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await model.next()
    expect(arrival.call.signal.aborted).toBe(false)
    controller.abort(new Error('gone'))
    await expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED', cause: new Error('gone') })
    expect(arrival.call.signal.aborted).toBe(true)
    arrival.fail(arrival.call.signal.reason)
    await predict.close()
  })

  it('a signal that the model reads after the abort is aborted already', async () => {
    const model = mockModel<number, number>()
    const predict = predictor(model)
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await model.next()
    controller.abort()
    await expect(answer).rejects.toThrow()
    expect(arrival.call.signal.aborted).toBe(true)
  })

  it('an already aborted signal never calls the model', async () => {
    const model = mockModel<number, number>().answers(1)
    const batching = mockModel<number, number>({ batches: true }).answers(1)
    const signal = AbortSignal.abort('too late')
    for (const predict of [predictor(model), pipe(batching, cached(), timeout({ ms: 5 }))]) {
      await expect(predict(1, { signal })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED', cause: 'too late' })
      await expect(predict.detailed(1, { signal })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
      await expect(predict.batch([1, 2], { signal })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
      const results = await predict.detailedBatch([1, 2], { signals: [signal, signal] })
      expect(results.map((result) => result.record.outcome)).toEqual(['aborted', 'aborted'])
    }
    await tick()
    expect([model.arrivals.length, batching.arrivals.length]).toEqual([0, 0])
  })

  it('nothing is aborted after success', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, timeout({ ms: 10 }))
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await model.next()
    const { signal } = arrival.call
    arrival.answer(2)
    expect(await answer).toBe(2)
    controller.abort()
    await tick()
    expect(signal.aborted).toBe(false)
  })

  it('timeoutMs rejects the caller at the limit, sets the deadline and aborts the model', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const predict = predictor(model, { clock })
    const answer = predict(1, { timeoutMs: 50 })
    const arrival = await model.next()
    expect(arrival.call.deadline).toBe(50)
    const outcome = expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT', timeoutMs: 50 })
    await clock.advance(50)
    await outcome
    expect(arrival.call.signal.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('timeoutMs leaves no timer after an answer or a failure in time', async () => {
    const clock = fakeClock()
    const predict = predictor((x: number) => { if (x < 0) throw new Error('down'); return x }, { clock })
    await predict(1, { timeoutMs: 50 })
    await predict(-1, { timeoutMs: 50 }).catch(() => {})
    await predict.detailedBatch([1, -1], { timeoutMs: 50 })
    expect([clock.timersSet, clock.pending]).toEqual([3, 0])
  })

  it('timeoutMs that leaves no time never calls the model, and one that is no number is refused', async () => {
    const model = mockModel<number, number>().answers(1)
    const predict = predictor(model)
    for (const timeoutMs of [0, -1]) await expect(predict(1, { timeoutMs })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT' })
    for (const timeoutMs of [Number.NaN, '5']) await expect(predict(1, { timeoutMs: timeoutMs as number })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    expect(model.arrivals).toHaveLength(0)
    expect(await predict(1, { timeoutMs: Infinity })).toBe(1)
  })

  it('a call that was told once settles once: one record, whatever the model does later', async () => {
    const records: PredictionRecord[] = []
    const model = mockModel<number, number>()
    const predict = predictor(model)
    predict.observe((event) => event.type === 'prediction' && records.push(event.record))
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await model.next()
    controller.abort()
    await expect(answer).rejects.toThrow()
    arrival.answer(3)
    await tick()
    expect(records.map(({ outcome }) => outcome)).toEqual(['aborted'])
  })

  it('works as the callback of map, which passes an index as the second argument', async () => {
    expect(await Promise.all([1, 2, 3].map(predictor((x: number) => x * 2) as never))).toEqual([2, 4, 6])
  })

  it('leaves no listener on a caller\'s long-lived signal, and no timer, after answers, failures, aborts and timeouts', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock })
    const predict = pipe(predictor(model, { clock }), neutral, timeout({ ms: 100 }), retry({ retries: 1, minDelayMs: 1 }), cached({ ttlMs: 1 }), bulkhead({ concurrency: 2, queue: 100 }))
    const { signal } = new AbortController()
    const shortLived: AbortController[] = []
    const work: Promise<unknown>[] = []
    const keep = (...promises: Promise<unknown>[]): void => void work.push(Promise.allSettled(promises))
    for (let index = 0; index < 60; index += 1) {
      const kind = index % 4
      if (kind === 0) model.answers(1)
      else if (kind === 1) model.fails(new Error('down'))
      else model.hangs()
      if (kind === 2) {
        const controller = new AbortController()
        shortLived.push(controller)
        keep(predict(index, { signal: controller.signal }), predict.batch([index, index + 1000], { signal, signals: [controller.signal, undefined], timeoutMs: 200 }))
        await tick()
        controller.abort()
      } else keep(predict(index, { signal, timeoutMs: 200 }), predict.batch([index], { signals: [signal] }))
      await clock.advance(7)
    }
    await clock.advance(60_000)
    await Promise.all(work)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    for (const controller of shortLived) expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    expect(clock.holding).toBe(0)
  })

  it('each caller keeps its async context in the layers, and at the model where the work is its own', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: [string, unknown][] = []
    const spy = layer<string, string>('spy', {
      one: async (next, input, call) => {
        const output = await next(input, call)
        seen.push([input, storage.getStore()])
        return output
      },
    })
    const predict = pipe(
      async (x: string) => {
        await tick()
        seen.push([x, storage.getStore()])
        return x
      },
      timeout({ ms: 1000 }),
      spy,
      bulkhead({ concurrency: 1, queue: 10 }),
    )
    await Promise.all(['a', 'b', 'c'].map((name) => storage.run(name, async () => {
      await predict(name)
      await predict.batch([name])
      seen.push([name, storage.getStore()])
    })))
    expect(seen).toHaveLength(15)
    for (const [input, store] of seen) expect(store).toBe(input)
  })
})

describe('Predictor, work that several callers share', () => {
  it('one waiter who aborts disturbs no other', async () => {
    const model = mockModel<string, number>()
    const predict = pipe(model, timeout({ ms: 1000 }), cached())
    const leaver = new AbortController()
    const answers = [predict('x', { signal: leaver.signal }), predict('x'), predict('x', { timeoutMs: 10_000 })]
    const arrival = await model.next()
    leaver.abort()
    await expect(answers[0]).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(arrival.call.signal.aborted).toBe(false)
    arrival.answer(7)
    expect(await Promise.all(answers.slice(1))).toEqual([7, 7])
    expect(model.arrivals).toHaveLength(1)
  })

  it('the work is aborted when the last waiter leaves, and the next caller starts anew', async () => {
    const model = mockModel<string, number>()
    const predict = pipe(model, cached())
    const [first, second] = [new AbortController(), new AbortController()]
    const answers = [predict('x', { signal: first.signal }), predict('x', { signal: second.signal })]
    const arrival = await model.next()
    first.abort()
    second.abort()
    for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(arrival.call.signal.aborted).toBe(true)
    const next = predict('x')
    ;(await model.next()).answer(5)
    expect(await next).toBe(5)
  })

  it('shared work runs in no caller\'s async context, and every caller keeps its own', async () => {
    const storage = new AsyncLocalStorage<string>()
    const atModel: unknown[] = []
    const predict = pipe(async (x: number) => {
      atModel.push(storage.getStore())
      await tick()
      atModel.push(storage.getStore())
      return x
    }, cached())
    const after = await Promise.all(['a', 'b'].map((name) => storage.run(name, async () => {
      await predict(1)
      return storage.getStore()
    })))
    expect(after).toEqual(['a', 'b'])
    expect(atModel).toEqual([undefined, undefined])
  })

  it('the model sees that a call is not idempotent through shared work: it is not asked twice', async () => {
    const model = mockModel<number, number>().fails(new Error('down'))
    const predict = pipe(model, retry({ retries: 3, minDelayMs: 0 }), cached())
    await expect(predict(1, { idempotent: false })).rejects.toThrow('down')
    expect(model.arrivals).toHaveLength(1)
  })

  it('an abort listener of one caller does not run in the async context of another who set the shared timer', async () => {
    const fake = fakeClock()
    // Like a real timer: it calls back in the context in which it was set.
    const clock = { ...fake, setTimeout: (callback: () => void, ms: number) => fake.setTimeout(AsyncResource.bind(callback), ms) }
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const predict = pipe(
      predictor((_: string, call) => new Promise<number>((_resolve, reject) => {
        call.signal.addEventListener('abort', () => {
          seen.push(storage.getStore())
          reject(new Error('stopped'))
        })
      }), { clock }),
      timeout({ ms: 10 }),
    )
    const answers = ['a', 'b'].map((name) => storage.run(name, () => predict(name)))
    const outcomes = Promise.allSettled(answers)
    await fake.advance(10)
    await outcomes
    expect(seen).toHaveLength(2)
    expect(seen[1]).not.toBe('a')
  })
})

describe('Predictor, free when unused', () => {
  const countingRandom = (): Random & { readonly drawn: number } => {
    const seeded = seededRandom(1)
    let drawn = 0
    const wrap = (random: Random): Random => ({
      next: () => ((drawn += 1), random.next()),
      integer: (below) => ((drawn += 1), random.integer(below)),
      substream: (name) => wrap(random.substream(name)),
    })
    return { ...wrap(seeded), get drawn() { return drawn } }
  }

  it('nothing observes: five layers without a timeout make no record, read no clock, set no timer, draw no number', async () => {
    const clock = fakeClock()
    const random = countingRandom()
    const predict = pipe(
      predictor((x: number) => x + 1, { clock, random }),
      retry({ retries: 2 }),
      circuitBreaker(),
      bulkhead({ concurrency: 4 }),
      neutral,
      fallback(() => 0),
    )
    for (let index = 0; index < 100; index += 1) await predict(index)
    await predict.batch([1, 2, 3])
    expect([clock.reads, clock.timersSet, random.drawn]).toEqual([0, 0, 0])
  })

  it('cached without a TTL reads no clock either', async () => {
    const clock = fakeClock()
    const predict = pipe(predictor((x: number) => x + 1, { clock }), cached())
    for (let index = 0; index < 100; index += 1) await predict(index % 10)
    expect([clock.reads, clock.timersSet]).toEqual([0, 0])
  })

  it('a timeout costs exactly one clock read a call, and all calls share one timer', async () => {
    const clock = fakeClock()
    const predict = pipe(predictor((x: number) => x + 1, { clock }), retry({ retries: 2 }), timeout({ ms: 1000 }), bulkhead({ concurrency: 4 }), fallback(() => 0))
    for (let index = 0; index < 100; index += 1) await predict(index)
    expect([clock.reads, clock.timersSet, clock.holding]).toEqual([100, 1, 0])
    await predict.batch([1, 2, 3])
    expect([clock.reads, clock.timersSet]).toEqual([101, 1])
  })

  it('a signal alone costs no clock read and no timer', async () => {
    const clock = fakeClock()
    const predict = predictor((x: number) => x + 1, { clock })
    await predict(1, { signal: new AbortController().signal })
    await predict.batch([1], { signals: [new AbortController().signal] })
    expect([clock.reads, clock.timersSet]).toEqual([0, 0])
  })

  it('one who observes pays for records only as long as it observes', async () => {
    const clock = fakeClock()
    const predict = predictor((x: number) => x + 1, { clock })
    const stop = predict.observe(() => {})
    await predict(1)
    const { reads } = clock
    expect(reads).toBeGreaterThan(0)
    stop()
    await predict(1)
    expect(clock.reads).toBe(reads)
    predict.observe(() => {}, { predictions: false })
    await predict(1)
    expect(clock.reads).toBe(reads)
  })
})

describe('Predictor, streams', () => {
  const words = async function* (): AsyncGenerator<string> {
    yield 'a'
    yield 'b'
  }

  it('an output that is a stream keeps the call in flight until it has ended', async () => {
    const clock = fakeClock()
    const predict = predictor((_: number) => words(), { clock })
    for (const options of [undefined, { signal: new AbortController().signal }]) {
      const stream = await predict(1, options)
      expect(predict.ready()).toBe(true)
      const parts: string[] = []
      for await (const part of stream) parts.push(part)
      expect(parts).toEqual(['a', 'b'])
    }
    const stream = await predict(1)
    const closed = predict.close({ deadlineMs: 1000 })
    await clock.settle()
    expect(clock.pending).toBe(1)
    for await (const _ of stream) break
    await closed
    expect(clock.pending).toBe(0)
  })

  it('rows that are streams keep the batch in flight until all of them have ended', async () => {
    const clock = fakeClock()
    const predict = predictor((_: number) => words(), { clock })
    for (const options of [undefined, { signals: [undefined, new AbortController().signal] }]) {
      const streams = await predict.batch([1, 2], options)
      expect(predict.ready()).toBe(true)
      for (const stream of streams) for await (const _ of stream) break
    }
    const [first, second] = await predict.batch([1, 2])
    const closed = predict.close({ deadlineMs: 1000 })
    for await (const _ of first as AsyncGenerator<string>) { /* to the end */ }
    await clock.settle()
    expect(clock.pending).toBe(1)
    for await (const _ of second as AsyncGenerator<string>) { /* to the end */ }
    await closed
  })

  it('a stream stays abortable until it ends, and makes one record', async () => {
    const records: PredictionRecord[] = []
    let seen: AbortSignal | undefined
    const predict = predictor((_: number, call) => {
      seen = call.signal
      return words()
    })
    predict.observe((event) => event.type === 'prediction' && records.push(event.record))
    const controller = new AbortController()
    const stream = await predict(1, { signal: controller.signal })
    controller.abort()
    expect(seen?.aborted).toBe(true)
    for await (const _ of stream) break
    expect(records.map(({ outcome }) => outcome)).toEqual(['ok'])
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('a stream that comes after its caller has left is ended, so that nothing is held for it', async () => {
    const model = mockModel<number, AsyncIterable<string>>()
    const predict = pipe(model, bulkhead({ concurrency: 1 }))
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await model.next()
    controller.abort()
    await expect(answer).rejects.toThrow()
    arrival.answer(words())
    await tick()
    const next = predict(2)
    ;(await model.next()).answer(words())
    for await (const _ of await next) break
    await predict.close()
  })
})
