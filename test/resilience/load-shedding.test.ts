import fc from 'fast-check'
import { fallback, pipe, predictor, seededRandom, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { loadShedding, type LoadSheddingOptions } from 'outrigger/resilience'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { countedStream, eventsOf, fateOf, rig, type Fate } from './_rig.js'

const overloaded = 'ERR_OUTRIGGER_OVERLOADED'
const levels = [{ workload: 'batch' as const }, { priority: -1 }, {}, { priority: 1 }]

describe('signals', () => {
  test('loadShedding sheds by rows in flight, scoring jobs first and high priorities last', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const shedding = loadShedding({ rowsInFlight: 100 })
    const predict = pipe(inner, shedding)
    const codes = async (): Promise<(string | undefined)[]> => {
      const fates = levels.map((options) => fateOf(predict(1, options)))
      await clock.settle()
      return fates.map(({ code }) => code)
    }
    fateOf(predict.batch(new Array(55).fill(0)))
    expect(await codes()).toEqual([undefined, undefined, undefined, undefined])
    fateOf(predict.batch(new Array(11).fill(0), { priority: 1 }))
    expect(shedding.load).toBeCloseTo(0.59)
    expect(await codes()).toEqual([overloaded, undefined, undefined, undefined])
    fateOf(predict.batch(new Array(7).fill(0), { priority: 1 }))
    fateOf(predict.batch(new Array(9).fill(0), { priority: 1 }))
    await clock.settle()
    expect((await codes()).slice(0, 2)).toEqual([overloaded, overloaded])
    for (const arrival of model.arrivals) arrival.answer(...arrival.inputs)
    await clock.settle()
    await clock.advance(2000)
    model.answers((x) => x)
    await predict(1)
    expect(shedding.load).toBe(0)
    expect(await codes()).toEqual([undefined, undefined, undefined, undefined])
  })

  test('loadShedding lets a first batch in that is larger than the limit: nothing is in its way', async () => {
    const { model, inner } = rig({ batches: true })
    model.answers((x) => x)
    expect((await pipe(inner, loadShedding({ rowsInFlight: 2 })).batch([1, 2, 3, 4])).length).toBe(4)
  })

  test('loadShedding sheds while even the quickest calls are slow, and lets somebody in again to find out', async () => {
    const { clock, model, inner } = rig()
    const shedding = loadShedding({ delay: { targetMs: 100, intervalMs: 200 }, holdMs: 0 })
    const predict = pipe(inner, shedding)
    model.delays(200, 1)
    const fates: Fate<number>[] = []
    for (let at = 0; at < 2000; at += 20) {
      fates.push(fateOf(predict(at)))
      await clock.advance(20)
    }
    expect(fates.filter(({ code }) => code === overloaded).length).toBeGreaterThan(50)
    model.delays(10, 1)
    await clock.advance(1000)
    const later: Fate<number>[] = []
    for (let at = 0; at < 1000; at += 20) {
      later.push(fateOf(predict(at)))
      await clock.advance(20)
    }
    expect(later.filter(({ code }) => code === overloaded)).toEqual([])
  })

  test('loadShedding does not take a burst for a standing queue', async () => {
    const { clock, inner, model } = rig()
    const predict = pipe(inner, loadShedding({ delay: { targetMs: 100, intervalMs: 200 } }))
    for (let at = 0; at < 2000; at += 20) {
      model.delays(at % 100 === 0 ? 10 : 300, 1)
      expect(fateOf(predict(at)).state).toBe('pending')
      await clock.advance(20)
    }
    expect((await Promise.race([predict(1).catch((error: { code: string }) => error.code), clock.advance(300).then(() => 'late')]))).toBe(1)
  })

  test('loadShedding takes a timeout for a delay, and answers of a fallback for none', async () => {
    const late = rig()
    const predict = pipe(late.inner, timeout({ ms: 150 }), loadShedding({ delay: { targetMs: 100, intervalMs: 200 } }))
    const fates: Fate<number>[] = []
    for (let at = 0; at < 2000; at += 20) {
      fates.push(fateOf(predict(at)))
      await late.clock.advance(20)
    }
    expect(fates.some(({ code }) => code === overloaded)).toBe(true)
    // The same model behind a fallback: what answers has stood in no queue, so that nothing says that there is one.
    const quick = rig()
    const hidden = pipe(quick.inner, timeout({ ms: 150 }), fallback(() => 0), loadShedding({ delay: { targetMs: 100, intervalMs: 200 } }))
    const answers: Fate<number>[] = []
    for (let at = 0; at < 2000; at += 20) {
      answers.push(fateOf(hidden(at)))
      await quick.clock.advance(20)
    }
    expect(answers.filter(({ code }) => code === overloaded)).toEqual([])
  })

  test('loadShedding sheds while the event loop is late, and closes no monitor of somebody else', async () => {
    let delayMs = 0
    let closed = 0
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, loadShedding({ eventLoop: { maxDelayMs: 50, monitor: { delayMs: () => delayMs, close: () => void (closed += 1) } } }))
    expect(await predict(1)).toBe(1)
    delayMs = 60
    await clock.advance(250)
    await expect(predict(2)).rejects.toMatchObject({ code: overloaded, load: 1.2, loadClass: 'normal' })
    await predict.close()
    expect(closed).toBe(0)
  })

  test('loadShedding asks `load` at each call; when it throws or gives no load it counts as none, with a notice', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const loads: (number | Error)[] = [0.5, 2, NaN, new Error('no load'), -1]
    const predict = pipe(inner, loadShedding({
      load: () => {
        const load = loads.shift() as number | Error
        if (load instanceof Error) throw load
        return load
      },
    }))
    const { notices } = eventsOf(predict)
    expect(await predict(1)).toBe(1)
    await expect(predict(2)).rejects.toMatchObject({ code: overloaded })
    for (const x of [3, 4, 5]) expect(await predict(x)).toBe(x)
    expect([notices.length, notices.every((notice) => notice.includes('`load`'))]).toEqual([3, true])
  })

  test('loadShedding takes the highest signal, and reads no clock for rows in flight alone', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const shedding = loadShedding({ rowsInFlight: 10 })
    const predict = pipe(inner, shedding)
    await predict(1)
    expect(clock.reads).toBe(0)
    const both = loadShedding({ rowsInFlight: 10, load: () => 0.4 })
    await pipe(inner, both)(1)
    expect(both.load).toBe(0.4)
  })
})

describe('what it tells', () => {
  test('loadShedding spreads retryAfterMs by half, and lengthens it by the load', async () => {
    const { inner } = rig()
    const predict = pipe(inner, loadShedding({ load: () => 2, retryAfterMs: 1000 }))
    const waits: number[] = []
    for (let call = 0; call < 200; call += 1) waits.push(await predict(1).catch((error: { retryAfterMs: number }) => error.retryAfterMs))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(3000)
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1500)
  })

  test('loadShedding tells when a class begins and ends to be shed, and counts rows by class', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    let load = 0
    const shedding = loadShedding({ load: () => load })
    const predict = pipe(inner, shedding)
    const { states } = eventsOf(predict)
    await predict.batch([1, 2], { workload: 'batch' })
    load = 0.75
    const rows = await predict.detailedBatch([1, 2, 3], { workload: 'batch' })
    expect(rows.map((row) => !row.ok && row.record.outcome)).toEqual(['rejected', 'rejected', 'rejected'])
    await predict(1)
    load = 0.1
    await predict(1, { workload: 'batch' })
    await clock.advance(1000)
    await predict(1, { workload: 'batch' })
    expect(states.map(({ subject, from, to, reason }) => [subject, from, to, reason])).toEqual([
      ['batch', 'admitting', 'shedding', 'the load is 0.75'],
      ['batch', 'shedding', 'admitting', 'the load is 0.10'],
    ])
    expect(shedding.counts).toEqual({ batch: { admitted: 4, shed: 3 }, low: { admitted: 0, shed: 0 }, normal: { admitted: 1, shed: 0 }, high: { admitted: 0, shed: 0 } })
  })

  test('loadShedding refuses options that make no sense', () => {
    for (const options of [{}, { rowsInFlight: 0 }, { load: 0.5 }, { load: () => 0, thresholds: { low: 0.5 } }, { load: () => 0, thresholds: { vip: 1 } }, { load: () => 0, ramp: 0 }, { delay: { targetMs: 0 } }, { delay: 5 }, { eventLoop: { maxDelayMs: -1 } }, { load: () => 0, hysteresis: -1 }, { load: () => 0, retryAfterMs: NaN }]) {
      expect(() => loadShedding(options as unknown as LoadSheddingOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

test('loadShedding counts a stream until it ends', async () => {
  const clock = fakeClock()
  const model = mockModel<number, AsyncIterable<number>>({ clock, batches: true })
  const shedding = loadShedding({ rowsInFlight: 1 })
  const predict = pipe(predictor(model, { clock }), shedding)
  model.answers(() => countedStream().stream)
  const single = await predict(0)
  await expect(predict(1)).rejects.toMatchObject({ code: overloaded, load: 1 })
  for await (const part of single) expect(part).toBeGreaterThan(0)
  await clock.advance(1000)
  await expect(predict(2).then(async (stream) => { for await (const part of stream) expect(part).toBeGreaterThan(0) })).resolves.toBeUndefined()
  const streams = await predict.batch([1, 2])
  await expect(predict(4)).rejects.toMatchObject({ code: overloaded, load: 2 })
  for (const stream of streams) for await (const part of stream) expect(part).toBeGreaterThan(0)
  await clock.advance(1000)
  const last = await predict(5)
  expect(shedding.load).toBe(0)
  for await (const part of last) expect(part).toBeGreaterThan(0)
})

test('loadShedding keeps the important calls quick at three times the capacity, at the cost of the others', async () => {
  const { clock, model, inner } = rig()
  model.delays(50, 1)
  const random = seededRandom(9)
  // Eight at a time, 50 ms each: 160 calls a second. There come 480: 80 important ones, 160 others, and a job's 240.
  const shedding = loadShedding({ rowsInFlight: 40 })
  const predict = pipe(inner, bulkhead({ concurrency: 8, queue: 100 }), shedding)
  const fates: Record<string, { readonly at: number; readonly fate: Fate<number>; doneAt: number }[]> = { high: [], normal: [], batch: [] }
  for (let at = 0; at < 5000; at += 5) {
    for (const [name, rate, options] of [['high', 0.2, { priority: 1 }], ['normal', 0.4, {}], ['batch', 0.6, { workload: 'batch' as const }]] as const) {
      for (let draw = 0; draw < 2; draw += 1) {
        if (random.next() >= rate) continue
        fates[name]?.push({ at, fate: fateOf(predict(1, options)), doneAt: Infinity })
      }
    }
    await clock.advance(5)
    for (const entries of Object.values(fates)) for (const entry of entries.slice(-200)) if (entry.fate.state === 'fulfilled' && entry.doneAt === Infinity) entry.doneAt = clock.now()
  }
  const share = (name: string): number => (fates[name] ?? []).filter(({ fate }) => fate.state === 'fulfilled').length / (fates[name] ?? []).length
  expect(share('high')).toBeGreaterThan(0.97)
  expect(share('normal')).toBeGreaterThan(0.3)
  expect(share('batch')).toBeLessThan(0.35)
  const slowest = Math.max(...(fates['high'] ?? []).filter(({ doneAt }) => doneAt < Infinity).map(({ at, doneAt }) => doneAt - at))
  expect(slowest).toBeLessThan(300)
}, 20_000)

test('loadShedding never loses count of the rows in flight under random calls, batches, aborts and faults', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed)
      const { clock, model, inner } = rig({ batches: true })
      const shedding = loadShedding({ rowsInFlight: 6, holdMs: 0 })
      const predict = pipe(inner, shedding)
      const callers: { readonly leaving: AbortController; readonly fate: Fate<unknown> }[] = []
      let settled = 0
      let asked = 0
      for (let step = 0; step < 80; step += 1) {
        const draw = random.next()
        if (draw < 0.6) {
          const leaving = new AbortController()
          const size = 1 + random.integer(3)
          asked += size
          const options = { signal: leaving.signal, ...levels[random.integer(4)] }
          callers.push({ leaving, fate: fateOf<unknown>(size === 1 ? predict(step, options) : predict.batch(new Array(size).fill(step), options)) })
        } else if (draw < 0.8 && settled < model.arrivals.length) {
          const arrival = model.arrivals[settled++]
          if (random.next() < 0.5) arrival?.fail(new Error('down'))
          else arrival?.answer(...arrival.inputs)
        } else callers[random.integer(Math.max(1, callers.length))]?.leaving.abort()
        if (random.next() < 0.5) await clock.settle()
      }
      await clock.settle()
      for (const arrival of model.arrivals) arrival.answer(...arrival.inputs)
      await clock.settle()
      const { counts } = shedding
      expect(Object.values(counts).reduce((sum, { admitted, shed }) => sum + admitted + shed, 0)).toBe(asked)
      expect(callers.filter(({ fate }) => fate.state === 'pending')).toEqual([])
      model.answers((x) => x)
      await predict(1)
      expect(shedding.load).toBe(0)
    }),
    { numRuns: 40, seed: 4 },
  )
})
