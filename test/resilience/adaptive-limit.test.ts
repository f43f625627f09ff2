import fc from 'fast-check'
import { pipe, predictor, seededRandom, timeout } from 'outrigger'
import { adaptiveConcurrency, type AdaptiveConcurrencyOptions } from 'outrigger/resilience'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { countedStream, eventsOf, fateOf, rig, type Fate } from './_rig.js'

const overloaded = 'ERR_OUTRIGGER_OVERLOADED'

describe('bounds', () => {
  test('adaptiveConcurrency rejects at once what is beyond limit and queue, and lets the higher priority in first', async () => {
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 2, queue: 2 })
    const predict = pipe(inner, limiter)
    const fates = [0, 1, 2].map((x) => fateOf(predict(x)))
    fates.push(fateOf(predict(3, { priority: 1 })), fateOf(predict(4)))
    await clock.settle()
    expect([limiter.limit, limiter.inFlight, limiter.waiting, fates[4]?.code]).toEqual([2, 2, 2, overloaded])
    model.answers((x) => x)
    model.arrivals[0]?.answer(0)
    await clock.settle()
    model.arrivals[1]?.answer(1)
    await clock.settle()
    expect([model.arrivals.map(({ input }) => input), limiter.inFlight]).toEqual([[0, 1, 3, 2], 0])
  })

  test('adaptiveConcurrency around two predictors is one limit for both, and closes with the last', async () => {
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 1, queue: 1 })
    const [one, other] = [pipe(inner, limiter), pipe(inner, limiter)]
    const fates = [fateOf(one(1)), fateOf(other(2))]
    await clock.settle()
    await expect(other(3)).rejects.toMatchObject({ code: overloaded })
    model.answers((x) => x)
    model.arrivals[0]?.answer(1)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([1, 2])
    await one.close()
    expect(await other(4)).toBe(4)
    await other.close()
  })

  test('adaptiveConcurrency takes one permit for a batch, and holds that of a stream until it ends', async () => {
    const clock = fakeClock()
    const model = mockModel<number, AsyncIterable<number>>({ clock, batches: true })
    const limiter = adaptiveConcurrency({ initial: 1 })
    const predict = pipe(predictor(model, { clock }), limiter)
    const answer = predict.batch([1, 2])
    ;(await model.next()).answer(countedStream().stream, countedStream().stream)
    for (const stream of await answer) {
      expect(limiter.inFlight).toBe(1)
      for await (const part of stream) expect(part).toBeGreaterThan(0)
    }
    expect(limiter.inFlight).toBe(0)
    model.answers(countedStream().stream)
    const stream = await predict(3)
    expect(limiter.inFlight).toBe(1)
    for await (const part of stream) expect(part).toBeGreaterThan(0)
    expect(limiter.inFlight).toBe(0)
  })

  test('adaptiveConcurrency refuses options that make no sense, and those of the other algorithm', () => {
    for (const options of [{ algorithm: 'vegas' }, { initial: 0 }, { min: 5, max: 4 }, { max: 10, initial: 11 }, { tolerance: 0.9 }, { smoothing: 0 }, { windowMs: 0 }, { latencyMs: 5 }, { algorithm: 'aimd', tolerance: 2 }, { algorithm: 'aimd', backoff: 1 }, { eventLoop: {} }, { eventLoop: { maxDelayMs: 0 } }, { eventLoop: { maxDelayMs: 1, monitor: {} } }, { isDropped: 1 }, { queue: -1 }, null]) {
      expect(() => adaptiveConcurrency(options as unknown as AdaptiveConcurrencyOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('what trains it', () => {
  /** Forty rounds of twenty calls that all end so, each after 20 ms. */
  const train = async (end: (arrival: { answer(value: number): void; fail(error: unknown): void }, caller: AbortController) => void, options: Partial<AdaptiveConcurrencyOptions> = {}): Promise<{ readonly limit: number; readonly inFlight: number }> => {
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 20, windowMs: 50, algorithm: 'aimd', latencyMs: 100, ...options } as AdaptiveConcurrencyOptions)
    const predict = pipe(inner, limiter)
    for (let round = 0; round < 40; round += 1) {
      const before = model.arrivals.length
      const callers = Array.from({ length: limiter.limit }, () => new AbortController())
      for (const caller of callers) fateOf(predict(round, { signal: caller.signal }))
      await clock.advance(20)
      model.arrivals.slice(before).forEach((arrival, index) => end(arrival, callers[index] as AbortController))
      await clock.settle()
    }
    return { limit: limiter.limit, inFlight: limiter.inFlight }
  }

  test('adaptiveConcurrency grows by answers', async () => {
    expect((await train((arrival) => arrival.answer(1))).limit).toBeGreaterThan(25)
  })

  test('adaptiveConcurrency learns nothing from failures, rejections farther in, and calls that their callers aborted', async () => {
    for (const end of [
      (arrival: { fail(error: unknown): void }) => arrival.fail(new Error('down')),
      (arrival: { fail(error: unknown): void }) => arrival.fail(Object.assign(new Error('full'), { code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })),
      (arrival: { answer(value: number): void }, caller: AbortController) => (caller.abort(), arrival.answer(1)),
      (arrival: { fail(error: unknown): void }, caller: AbortController) => (caller.abort(), arrival.fail(new Error('aborted'))),
    ]) {
      expect(await train(end)).toEqual({ limit: 20, inFlight: 0 })
    }
  })

  test('adaptiveConcurrency shrinks by timeouts, by servers that say 429 or 503, and by what `isDropped` says', async () => {
    for (const error of [Object.assign(new Error('late'), { code: 'ERR_OUTRIGGER_TIMEOUT' }), Object.assign(new Error('busy'), { status: 503 }), Object.assign(new Error('busy'), { status: 429 })]) {
      expect((await train((arrival) => arrival.fail(error))).limit).toBeLessThan(10)
    }
    const isDropped = (error: unknown): boolean => String(error).includes('busy')
    expect((await train((arrival) => arrival.fail(new Error('busy')), { isDropped })).limit).toBeLessThan(10)
    expect((await train((arrival) => arrival.fail(new Error('down')), { isDropped })).limit).toBe(20)
  })

  test('adaptiveConcurrency takes a timeout farther out as too much, and its time for no latency', async () => {
    for (const algorithm of ['gradient', 'aimd'] as const) {
      const { clock, model, inner } = rig()
      const limiter = adaptiveConcurrency({ algorithm, initial: 20, windowMs: 50 })
      const predict = pipe(inner, limiter, timeout({ ms: 10 }))
      for (let round = 0; round < 20; round += 1) {
        const before = model.arrivals.length
        for (let call = 0; call < 20; call += 1) fateOf(predict(round))
        await clock.advance(30)
        for (const arrival of model.arrivals.slice(before)) arrival.answer(1)
        await clock.settle()
      }
      expect(limiter.limit).toBeLessThan(10)
      expect(limiter.export().baselineMs.every((ms) => ms === 0)).toBe(true)
    }
  })

  test('adaptiveConcurrency compares a batch with batches of its size', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const limiter = adaptiveConcurrency({ initial: 4, windowMs: 50 })
    const predict = pipe(inner, limiter)
    for (let round = 0; round < 60; round += 1) {
      const before = model.arrivals.length
      for (let call = 0; call < limiter.limit; call += 1) fateOf<unknown>(round % 2 === 0 ? predict(1) : predict.batch(new Array(64).fill(1)))
      await clock.advance(round % 2 === 0 ? 5 : 200)
      for (const arrival of model.arrivals.slice(before)) arrival.answer(...arrival.inputs)
      await clock.settle()
    }
    expect(limiter.limit).toBeGreaterThan(6)
    expect(limiter.export().baselineMs.filter((ms) => ms > 0)).toEqual([5, 200])
  })

  test('adaptiveConcurrency shrinks while the event loop is late, asks the monitor now and then, and goes on when it throws', async () => {
    let delayMs = 200
    let asked = 0
    let closed = 0
    const monitor = {
      delayMs: () => {
        asked += 1
        if (delayMs < 0) throw new Error('no loop')
        return delayMs
      },
      close: () => void (closed += 1),
    }
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 20, windowMs: 300, eventLoop: { maxDelayMs: 50, monitor } })
    const predict = pipe(inner, limiter)
    const { notices } = eventsOf(predict)
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round += 1) {
        const before = model.arrivals.length
        for (let call = 0; call < limiter.limit; call += 1) fateOf(predict(round))
        await clock.advance(10)
        for (const arrival of model.arrivals.slice(before)) arrival.answer(1)
        await clock.settle()
      }
    }
    await rounds(300)
    expect(limiter.limit).toBeLessThan(12)
    expect(asked).toBeLessThanOrEqual(3000 / 250 + 1)
    const low = limiter.limit
    delayMs = 10
    await rounds(300)
    expect(limiter.limit).toBeGreaterThan(low)
    delayMs = -1
    await rounds(60)
    expect(notices[0]).toContain('monitor of the event loop threw')
    await predict.close()
    expect(closed).toBe(0)
  })
})

describe('state', () => {
  test('adaptiveConcurrency tells of large changes, not more than once a second', async () => {
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 20, windowMs: 20 })
    const predict = pipe(inner, limiter)
    const { states } = eventsOf(predict)
    for (let round = 0; round < 300; round += 1) {
      const before = model.arrivals.length
      for (let call = 0; call < limiter.limit; call += 1) fateOf(predict(round))
      await clock.advance(20)
      for (const arrival of model.arrivals.slice(before)) arrival.answer(1)
      await clock.settle()
    }
    expect(states.length).toBeGreaterThan(2)
    expect(states.length).toBeLessThanOrEqual(7)
    expect(states[0]).toMatchObject({ layer: 'adaptive-concurrency', from: '20', reason: expect.stringContaining('baseline') })
    states.slice(1).forEach((state, index) => {
      expect(state.from).toBe(states[index]?.to)
      expect(Math.abs(Math.log(Number(state.to) / Number(state.from)))).toBeGreaterThan(Math.log(1.24))
    })
  })

  test('adaptiveConcurrency goes on from an exported state, and refuses one that is none', async () => {
    const [saved, restored] = [adaptiveConcurrency({ initial: 33 }), adaptiveConcurrency()]
    restored.restore(JSON.parse(JSON.stringify(saved.export())))
    expect(restored.limit).toBe(33)
    for (const snapshot of [{}, { limit: NaN, baselineMs: [] }, { limit: 3 }, { limit: 3, baselineMs: ['x'] }, { limit: 3, baselineMs: [-1] }]) {
      expect(() => restored.restore(snapshot as never), JSON.stringify(snapshot)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
    restored.restore({ limit: 10_000, baselineMs: [] })
    expect(restored.limit).toBe(200)
  })

  test('adaptiveConcurrency lets those who wait in when a restored limit is larger', async () => {
    const { clock, model, inner } = rig()
    const limiter = adaptiveConcurrency({ initial: 1, queue: 5 })
    const predict = pipe(inner, limiter)
    for (let x = 0; x < 4; x += 1) fateOf(predict(x))
    limiter.restore({ limit: 3, baselineMs: [] })
    await clock.settle()
    expect(model.arrivals.length).toBe(3)
  })
})

test('adaptiveConcurrency finds the capacity of a server of four workers through the whole stack, where clients without it time out', async () => {
  const clock = fakeClock()
  const random = seededRandom(5)
  let busy = 0
  const line: (() => void)[] = []
  const serve = (): void => {
    if (busy >= 4) return
    const next = line.shift()
    if (next === undefined) return
    busy += 1
    clock.setTimeout(() => {
      busy -= 1
      next()
      serve()
    }, 40 + 20 * random.next())
  }
  const model = (x: number): Promise<number> =>
    new Promise((resolve) => {
      line.push(() => resolve(x))
      serve()
    })
  const limiter = adaptiveConcurrency({ initial: 40, windowMs: 300 })
  const predict = pipe(predictor(model, { clock }), limiter, timeout({ ms: 400 }))
  const fates: { readonly at: number; readonly fate: Fate<number> }[] = []
  const limits: number[] = []
  for (let at = 0; at < 30_000; at += 5) {
    fates.push({ at, fate: fateOf(predict(1)) })
    await clock.advance(5)
    limits.push(limiter.limit)
  }
  const settled = limits.slice(4000)
  const average = settled.reduce((sum, limit) => sum + limit, 0) / settled.length
  expect(average).toBeGreaterThan(4)
  expect(average).toBeLessThan(11)
  const late = fates.filter(({ at }) => at > 20_000)
  expect(late.filter(({ fate }) => fate.code === 'ERR_OUTRIGGER_TIMEOUT').length).toBe(0)
  // 4 workers, 50 ms each: 80 answers a second, of 200 calls a second.
  expect(late.filter(({ fate }) => fate.state === 'fulfilled').length / 10).toBeGreaterThan(74)
}, 20_000)

test('adaptiveConcurrency never lets more in than its limit, and loses no permit, under random aborts, faults and timeouts', async () => {
  let calls = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }), fc.constantFrom('gradient' as const, 'aimd' as const), async (seed, initial, queue, algorithm) => {
      const random = seededRandom(seed)
      const { clock, model, inner } = rig({ batches: true })
      const limiter = adaptiveConcurrency({ algorithm, initial, max: 8, queue, maxWaitMs: 60, windowMs: 20 })
      const predict = pipe(inner, limiter, timeout({ ms: 100 }))
      const callers: { readonly leaving: AbortController; readonly fate: Fate<unknown> }[] = []
      const settled = new Set<number>()
      const running = (): number[] => model.arrivals.flatMap((_, index) => (settled.has(index) ? [] : [index]))
      const end = (index: number): void => {
        settled.add(index)
        const arrival = model.arrivals[index]
        if (random.next() < 0.4) arrival?.fail(new Error('down'))
        else arrival?.answer(...arrival.inputs)
      }
      let most = 0
      for (let step = 0; step < 120; step += 1) {
        const draw = random.next()
        if (draw < 0.5) {
          calls += 1
          const leaving = new AbortController()
          callers.push({ leaving, fate: fateOf<unknown>(random.next() < 0.7 ? predict(step, { signal: leaving.signal, priority: random.integer(2) }) : predict.batch([step, step], { signal: leaving.signal })) })
        } else if (draw < 0.75 && running().length > 0) end(running()[random.integer(running().length)] as number)
        else if (draw < 0.85) callers[random.integer(Math.max(1, callers.length))]?.leaving.abort()
        else await clock.advance(random.integer(50))
        await clock.settle()
        most = Math.max(most, limiter.limit)
        expect(running().length).toBeLessThanOrEqual(most)
        expect(limiter.inFlight).toBe(running().length)
      }
      while (running().length > 0) {
        for (const index of running()) end(index)
        await clock.settle()
      }
      await clock.advance(200)
      expect([callers.filter(({ fate }) => fate.state === 'pending').length, limiter.inFlight, limiter.waiting]).toEqual([0, 0, 0])
      await predict.close()
      expect(clock.holding).toBe(0)
    }),
    { numRuns: 40, seed: 5 },
  )
  expect(calls).toBeGreaterThan(1500)
}, 20_000)
