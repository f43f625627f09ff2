import { describe, expect, test } from 'vitest'
import { layer, OutriggerError, pipe, predictor, timeout, type Clock, type PredictorEvent } from 'outrigger'
import { extraWorkBudget } from 'outrigger/policy'
import { bulkhead } from 'outrigger/resilience'
import { outputComparison, shadow } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'

const statesOf = (events: readonly PredictorEvent[]): string[] => events.flatMap((event) => (event.type === 'state' ? [`${String(event.data?.['part'])}: ${event.from} → ${event.to}`] : []))
/** A clock that a candidate moves on by holding the thread. */
const heldClock = (): { clock: Clock & ReturnType<typeof fakeClock>; hold: (ms: number) => void } => {
  const clock = fakeClock()
  let held = 0
  return { clock: Object.assign(Object.create(clock) as typeof clock, { now: () => clock.now() + held }), hold: (ms) => (held += ms) }
}

describe('shadow', () => {
  test('shadow returns the very promise of what it wraps, for calls that are sampled and for others', async () => {
    const seen: Promise<unknown>[] = []
    const spy = layer<number, number>('spy', {
      one: (next, input, call) => {
        const promise = next(input, call)
        seen.push(promise)
        return promise
      },
      many: (next, inputs, batch) => {
        const promise = next(inputs, batch)
        seen.push(promise)
        return promise
      },
    })
    for (const rate of [0, 1]) {
      seen.length = 0
      const layered = shadow((x: number) => x, { rate })
      await pipe((x: number) => x, spy, layered, spy)(1)
      // The inner one has it first.
      expect(seen[1]).toBeInstanceOf(Promise)
      expect(seen[0]).toBe(seen[1])
      await layered.idle()
    }
  })

  test('shadow: a caller that changes its input as soon as it has its answer changes nothing for the candidate', async () => {
    const seen: number[] = []
    const layered = shadow((row: { x: number }) => (seen.push(row.x), row.x))
    const predict = pipe(async (row: { x: number }) => row.x, layered)
    const row = { x: 1 }
    await predict(row).then(() => (row.x = 2))
    await layered.idle()
    expect(seen).toEqual([1])
  })

  test('shadow leaves out rows whose caller has left, or that the primary had no room for', async () => {
    const clock = fakeClock()
    const layered = shadow((x: number) => x, { guard: false })
    const predict = pipe(predictor(mockModel<number, number>({ clock }).delays(100, 1), { clock }), bulkhead({ concurrency: 1 }), layered)
    const answers = Promise.allSettled([predict(1, { timeoutMs: 50 }), predict(2)])
    await clock.advance(200)
    await answers
    await layered.idle()
    expect(layered.counts).toMatchObject({ sampled: 2, compared: 0, dropped: 2, coverage: 0 })
    expect(layered.counts.droppedBy.primary).toBe(2)
  })

  test('shadow keeps no more bytes than it may, and gives them back', async () => {
    const candidate = mockModel<Float32Array, number>()
    const layered = shadow(candidate, { maxBytes: 10_000 })
    const predict = pipe((_: Float32Array) => 1, layered)
    for (let call = 0; call < 4; call += 1) await predict(new Float32Array(1000))
    expect(layered.counts).toMatchObject({ dropped: 2, running: 2 })
    expect([layered.counts.droppedBy.bytes, layered.counts.bytes > 8000, layered.counts.bytes <= 10_000]).toEqual([2, true, true])
    for (let call = 0; call < 2; call += 1) await candidate.next().then((arrival) => arrival.answer(1))
    await layered.idle()
    expect(layered.counts).toMatchObject({ bytes: 0, compared: 2 })
  })

  test('shadow with a queue runs what waits in the order in which it came, also after a run that was given up has ended', async () => {
    const candidate = mockModel<number, number>()
    const layered = shadow(candidate, { concurrency: 1, queue: 2 })
    const predict = pipe((x: number) => x, layered)
    for (const x of [1, 2, 3, 4]) await predict(x)
    expect(layered.counts).toMatchObject({ running: 1, waiting: 2 })
    expect(layered.counts.droppedBy.concurrency).toBe(1)
    const seen: number[] = []
    for (let run = 0; run < 3; run += 1) await candidate.next().then((arrival) => (seen.push(arrival.input), arrival.answer(arrival.input)))
    await layered.idle()
    expect([seen, layered.counts.agreed, layered.counts.waiting]).toEqual([[1, 2, 3], 3, 0])
  })

  test('shadow: what waits when the predictor closes is turned away and counted', async () => {
    const candidate = mockModel<number, number>()
    const layered = shadow(candidate, { concurrency: 1, queue: 2 })
    const predict = pipe((x: number) => x, layered)
    for (const x of [1, 2]) await predict(x)
    const running = await candidate.next()
    await predict.close()
    running.answer(1)
    await layered.idle()
    expect(layered.counts).toMatchObject({ sampled: 2, compared: 0, failed: 0, dropped: 2, bytes: 0, waiting: 0 })
    expect([layered.counts.droppedBy.closed, candidate.arrivals.length]).toEqual([2, 1])
  })

  test('shadow gives a run up after ten times the 99th percentile of the primary, between its limits', async () => {
    const limitOf = async (primaryMs: number, calls: number, options: object = {}): Promise<number> => {
      const clock = fakeClock()
      const candidate = mockModel<number, number>()
      const layered = shadow(candidate, { concurrency: 1, guard: false, ...options })
      const predict = pipe(predictor(mockModel<number, number>({ clock }).delays(primaryMs, 1), { clock }), layered)
      layered.setRate(1)
      for (let call = 0; call < calls; call += 1) {
        const answer = predict(call)
        await clock.advance(primaryMs)
        await answer
        if (call < calls - 1) {
          await candidate.next().then((arrival) => arrival.answer(1))
          await layered.idle()
        }
      }
      const since = clock.now()
      const { signal } = (await candidate.next()).call
      while (!signal.aborted) await clock.advance(10)
      return clock.now() - since
    }
    // The window's buckets are 9 % wide, and what is above is known to 10 ms.
    const follows = await limitOf(150, 20)
    expect(follows).toBeGreaterThan(1320)
    expect(follows).toBeLessThan(1680)
    const closer = await limitOf(50, 20, { deadline: { factor: 2, minMs: 10 } })
    expect(closer).toBeGreaterThan(88)
    expect(closer).toBeLessThan(120)
    expect(await limitOf(50, 19, { deadline: { maxMs: 2000 } })).toBe(2000)
    expect(await limitOf(5, 20)).toBe(1000)
    expect(await limitOf(150, 20, { deadline: { maxMs: 1100 } })).toBe(1100)
    expect(await limitOf(50, 20, { timeoutMs: 70 })).toBe(70)
  })

  test('shadow stops a candidate that fails, tries it again later, and says both', async () => {
    const clock = fakeClock()
    let isWell = false
    const layered = shadow((x: number) => (isWell ? x : Promise.reject(new Error('unwell'))), { guard: false, breaker: { openForMs: 1000, jitter: 0 } })
    const predict = pipe(predictor((x: number) => x, { clock }), layered)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    const calls = async (count: number): Promise<void> => {
      for (let call = 0; call < count; call += 1) {
        await predict(call)
        await layered.idle()
      }
    }
    await calls(100)
    const { failed, droppedBy } = layered.counts
    expect(failed + droppedBy.breaker).toBe(100)
    expect(failed).toBeLessThan(15)
    expect(layered.comparison.summary()).toMatchObject({ candidateFailed: failed, bothFailed: 0 })
    isWell = true
    await clock.advance(1000)
    await calls(10)
    expect(layered.counts.compared).toBe(10)
    expect(statesOf(events)).toEqual(['breaker: closed → open', 'breaker: open → half-open', 'breaker: half-open → closed'])
    expect(events[0]).toMatchObject({ layer: 'shadow', subject: 'shadow', reason: expect.stringMatching(/calls (in a row )?failed/) as unknown })
  })

  test('shadow: a probe that the budget does not allow leaves the breaker to the next', async () => {
    const clock = fakeClock()
    let isWell = false
    const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 5, burst: 20 })
    const layered = shadow((x: number) => (isWell ? x : Promise.reject(new Error('unwell'))), { guard: false, budget, breaker: { consecutiveFailures: 5, openForMs: 100, jitter: 0 } })
    const predict = pipe(predictor((x: number) => x, { clock }), layered)
    const call = async (): Promise<void> => {
      await predict(1)
      await layered.idle()
    }
    for (let row = 0; row < 10; row += 1) await call()
    const { spend } = budget.meter()
    while (spend(1, clock.now()));
    isWell = true
    await clock.advance(100)
    await call()
    expect(layered.counts.droppedBy.budget).toBe(1)
    await clock.advance(100)
    await call()
    expect(layered.counts.compared).toBe(1)
  })

  test('shadow: a candidate that refuses an input which the primary took has failed', async () => {
    const layered = shadow((_: number) => Promise.reject(new OutriggerError('ERR_OUTRIGGER_UNFIT_INPUT', 'Cannot take this')), { guard: false })
    await pipe((x: number) => x, layered)(1)
    await layered.idle()
    expect(layered.counts).toMatchObject({ failed: 1, dropped: 0 })
  })

  test('shadow: primaries that fail, and runs of several rows, say nothing of how long one row may take', async () => {
    for (const kind of ['fails', 'batch'] as const) {
      const clock = fakeClock()
      let isAsked = false
      const layered = shadow((x: number) => (isAsked ? new Promise<number>(() => {}) : x), { guard: false, breaker: false })
      const slow = async (x: number): Promise<number> => {
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, 500))
        if (x < 0) throw new Error('no')
        return x
      }
      const predict = pipe(predictor(slow, { clock }), layered)
      const ask = async (answer: Promise<unknown>): Promise<void> => {
        answer.catch(() => {})
        await clock.advance(500)
        await answer.catch(() => {})
      }
      for (let call = 0; call < 25; call += 1) {
        await ask(kind === 'fails' ? predict(-1) : predict.batch([1, 2]))
        await layered.idle()
      }
      isAsked = true
      await ask(predict(1))
      await clock.advance(9000)
      expect([kind, layered.counts.timedOut]).toEqual([kind, 0])
      await clock.advance(1500)
      expect([kind, layered.counts.timedOut]).toEqual([kind, 1])
    }
  })

  test('shadow: rows that fail both models, and ones that the candidate has no room for, do not open its breaker', async () => {
    const failing = shadow((_: number) => Promise.reject(new Error('bad row')), { guard: false })
    const predict = pipe((_: number) => Promise.reject(new Error('bad row')), failing)
    for (let call = 0; call < 40; call += 1) {
      await predict(call).catch(() => {})
      await failing.idle()
    }
    expect(failing.counts).toMatchObject({ bothFailed: 40, dropped: 0 })
    expect(failing.comparison.summary()).toMatchObject({ candidateFailed: 0, bothFailed: 40 })
    const narrow = shadow(pipe(mockModel<number, number>(), bulkhead({ concurrency: 1 })), { guard: false, concurrency: 100 })
    const busy = pipe((x: number) => x, narrow)
    for (let call = 0; call < 41; call += 1) await busy(call)
    for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(narrow.counts).toMatchObject({ failed: 0, dropped: 40 })
    expect(narrow.counts.droppedBy.rejected).toBe(40)
  })

  test('shadow: a candidate that never ends holds its places only, and somebody is told', async () => {
    const clock = fakeClock()
    const layered = shadow((_: number) => new Promise<number>(() => {}), { guard: false, timeoutMs: 10 })
    const predict = pipe(predictor((x: number) => x, { clock }), layered)
    const notices: string[] = []
    predict.observe((event) => event.type === 'notice' && notices.push(event.message), { predictions: false })
    for (let call = 0; call < 100; call += 1) {
      expect(await predict(call)).toBe(call)
      if (call % 10 === 9) await clock.advance(10)
    }
    expect(layered.counts).toMatchObject({ failed: 8, timedOut: 8, running: 8, dropped: 92 })
    expect(notices).toEqual(['All 8 places of the shadow are held by runs that were given up and go on.'])
  })

  test('shadow pauses a candidate that takes more of the main thread than its share, and says so', async () => {
    const { clock, hold } = heldClock()
    const layered = shadow((x: number) => (hold(20), x), { guard: { maxLagMs: Infinity } })
    const predict = pipe(predictor((x: number) => x, { clock }), layered)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    for (let call = 0; call < 12_000; call += 1) {
      await predict(call)
      if (layered.counts.running > 0) await layered.idle()
      hold(5)
    }
    const { compared, droppedBy } = layered.counts
    expect(compared + droppedBy.guard).toBe(12_000)
    // A minute: ten runs at first, while nothing is known of the primary; then one in eight seconds.
    expect(compared).toBeGreaterThan(10)
    expect(compared).toBeLessThan(25)
    expect(statesOf(events)).toEqual(['guard: running → paused'])
    layered.setRate(1)
    hold(11_000)
    await predict(0)
    expect(statesOf(events)).toEqual(['guard: running → paused', 'guard: paused → running'])
  })

  test('shadow counts what a candidate computes in promises, and what comparing takes, once', async () => {
    for (const [candidateMs, agreeMs] of [[20, 0], [0, 20], [10, 10]] as const) {
      const { clock, hold } = heldClock()
      const layered = shadow((x: number) => Promise.resolve().then(() => (hold(candidateMs), x)), { guard: { maxLagMs: Infinity }, agree: () => (hold(agreeMs), true) })
      const predict = pipe(predictor((x: number) => x, { clock }), layered)
      // 200 ms are saved up, and 11 are earned meanwhile.
      for (let call = 0; call < 15; call += 1) {
        await predict(call)
        await layered.idle()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect([layered.counts.compared, layered.counts.droppedBy.guard]).toEqual([11, 4])
    }
  })

  test('shadow pauses while the event loop is late, and a monitor that throws is left out', async () => {
    const clock = fakeClock()
    let lag = (): number => 50
    const monitor = { delayMs: () => lag(), close: () => closed.push(1) }
    const closed: number[] = []
    const layered = shadow((x: number) => x, { guard: { monitor } })
    const predict = pipe(predictor((x: number) => x, { clock }), layered)
    const events: PredictorEvent[] = []
    predict.observe((event) => events.push(event), { predictions: false })
    await predict(1)
    expect(layered.counts.droppedBy.guard).toBe(1)
    await clock.advance(250)
    lag = () => {
      throw new Error('no monitor')
    }
    await predict(1)
    await layered.idle()
    expect(layered.counts.compared).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['state', 'notice'])
    await predict.close()
    expect(closed).toEqual([]) // It is its owner's.
  })

  test('shadow: what throws, hangs, leaks or changes its rows costs callers nothing, and what is kept for it stays small', async () => {
    const kept: unknown[] = []
    const candidates: Record<string, (row: { values: Float64Array }) => unknown> = {
      throws: () => {
        throw new Error('no')
      },
      hangs: () => new Promise(() => {}),
      leaks: (row) => (kept.push(row), 1),
      mutates: (row) => row.values.fill(-1),
      poisons: () => Object.defineProperty({}, 'score', { enumerable: true, get: () => { throw new Error('a getter') } }),
    }
    for (const candidate of Object.values(candidates)) {
      const clock = fakeClock()
      const layered = shadow(candidate as (row: { values: Float64Array }) => number, { guard: false, maxBytes: 50_000 })
      const predict = pipe(predictor(({ values }: { values: Float64Array }) => values[0] as number, { clock }), layered)
      for (let call = 0; call < 200; call += 1) {
        const row = { values: new Float64Array(100).fill(call) }
        expect(await predict(row)).toBe(call)
        expect(row.values.every((value) => value === call)).toBe(true)
        const { bytes, running, waiting } = layered.counts
        expect(bytes <= 50_000 && running <= 8 && waiting === 0).toBe(true)
      }
      // One run begins per turn.
      for (let turn = 0; turn < 10; turn += 1) await clock.settle()
      await clock.advance(20_000)
      expect(clock.now()).toBe(20_000) // No call took any time.
      const { sampled, compared, failed, dropped } = layered.counts
      expect([sampled, compared + failed + dropped]).toEqual([200, 200])
    }
  })

  test('shadow answers by limits that are stated, and guards its examples by the schema of the stack', async () => {
    const layered = shadow((x: number) => ({ price: x < 100 ? x : x + 5, note: 'b' }), { guard: false, comparison: outputComparison({ tolerance: { absolute: 1 } }) })
    const typed = layer<number, { price: number; note: string }>('typed', { one: (next, input, call) => next(input, call) })
    const predict = pipe((x: number) => ({ price: x, note: 'b' }), typed, layered)
    for (let x = 0; x < 200; x += 1) {
      await predict(x)
      await layered.idle()
    }
    expect(layered.verdict({ disagreement: 0.2 })).toMatchObject({ answer: 'differs', rows: 200, coverage: 1 })
    expect(layered.verdict({ flips: 0.1 })).toMatchObject({ answer: 'agrees' })
    expect(layered.text({ disagreement: 0.2 })).toMatch(/^The candidate differs.*\n.*\nThe candidate saw 100 % of the sampled rows\.\n200 rows compared, 50 % agreed/)
    expect(layered.text()).toMatch(/^200 rows compared/)
    expect(layered.comparison.rows).toBe(layered.counts.compared)
    expect(() => shadow((x: number) => x, { agree: () => true, comparison: outputComparison() })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  test('shadow begins one run per turn of the event loop, so that callers come in between', async () => {
    const order: string[] = []
    const layered = shadow((x: number) => (order.push(`run ${x}`), setImmediate(() => order.push(`caller after ${x}`)), x), { guard: false })
    await pipe((x: number) => x, layered)(1)
    const predict = pipe((x: number) => x, layered)
    await Promise.all([predict(2), predict(3)])
    await layered.idle()
    await new Promise((resolve) => setImmediate(resolve))
    expect(order.indexOf('caller after 2')).toBeLessThan(order.indexOf('run 3'))
    expect(order.filter((what) => what.startsWith('run'))).toEqual(['run 1', 'run 2', 'run 3'])
  })

  test('shadow inside of a timeout: a primary that takes too long is the callers\' affair', async () => {
    const clock = fakeClock()
    const layered = shadow((x: number) => x, { guard: false })
    const predict = pipe(predictor(mockModel<number, number>({ clock }).delays(100, 1), { clock }), layered, timeout({ ms: 10 }))
    const answer = predict(1).catch((error: { code: string }) => error.code)
    await clock.advance(200)
    expect(await answer).toBe('ERR_OUTRIGGER_TIMEOUT')
    expect(layered.counts.droppedBy.primary).toBe(1)
  })

  for (const options of [{ queue: -1 }, { maxBytes: 0 }, { guard: true }, { guard: { maxShare: 0 } }, { guard: { maxLag: 1 } }, { guard: { monitor: {} } }, { breaker: { openForMs: 0 } }, { deadline: { minMs: 10, maxMs: 5 } }, { deadline: { factor: 0 } }]) {
    test(`shadow refuses ${JSON.stringify(options)} by code`, () => {
      expect(() => shadow((x: number) => x, options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    })
  }
})
