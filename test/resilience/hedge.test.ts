import { fallback, layer, pipe, predictor, retry, RowFailure, seededRandom, timeout, type Predictor } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import type { Call } from 'outrigger/core'
import { extraWorkBudget } from 'outrigger/policy'
import { hedge, type HedgeOptions } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { countedStream, eventsOf, fateOf, recordsOf, rig, type Rig } from './_rig.js'

const down = new Error('down')
/** Ends the set-up calls of a learned delay: `count` calls that take `ms` each. */
const learn = async (predict: Predictor<number, number>, { clock, model }: Rig<number>, count = 200, ms = 10): Promise<void> => {
  model.delays(ms, (x) => x)
  for (let call = 0; call < count; call += 1) {
    const fate = fateOf(predict(call))
    await clock.advance(ms)
    expect(fate.state).toBe('fulfilled')
  }
  model.hangs()
}

describe('a fixed delay', () => {
  test('hedge asks once when the answer is in time, and leaves no timer', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50 })
    model.answers((x) => x)
    expect(await pipe(inner, hedged)(0)).toBe(0)
    expect([model.arrivals.length, clock.pending, hedged.counts]).toEqual([1, 0, { rows: 1, sent: 0, won: 0, lost: 0, failed: 0, refused: 0 }])
  })

  test('hedge sends a second attempt at the delay, takes its answer, aborts the first and waits for nobody', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50 })
    const fate = fateOf(pipe(inner, hedged).detailed(7))
    const first = await model.next()
    await clock.advance(49)
    expect(model.arrivals).toHaveLength(1)
    await clock.advance(1)
    const second = await model.next()
    expect([second.input, first.call.signal.aborted, second.call.signal.aborted, second.call.signal === first.call.signal]).toEqual([7, false, false, false])
    second.answer(70)
    await clock.settle()
    expect([fate.value?.output, first.call.signal.aborted, second.call.signal.aborted]).toEqual([70, true, false])
    expect((first.call.signal.reason as { code: string }).code).toBe('ERR_OUTRIGGER_ABORTED')
    expect(fate.value?.record).toMatchObject({ outcome: 'ok', source: 'model', attempts: 2, marks: ['hedge-answered'], durations: { totalMs: 50 } })
    first.fail(new Error('late'))
    await clock.advance(1000)
    expect([hedged.counts, clock.pending]).toEqual([{ rows: 1, sent: 1, won: 1, lost: 0, failed: 0, refused: 0 }, 0])
  })

  test('hedge takes the first attempt when that answers first, and aborts the second', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50 })
    const fate = fateOf(pipe(inner, hedged).detailed(7))
    await clock.advance(50)
    const [first, second] = model.arrivals
    first?.answer(70)
    await clock.settle()
    expect([fate.value?.output, first?.call.signal.aborted, second?.call.signal.aborted]).toEqual([70, false, true])
    expect(fate.value?.record).toMatchObject({ attempts: 2, marks: ['hedged'] })
    expect(hedged.counts).toMatchObject({ sent: 1, won: 0, lost: 1 })
  })

  test('hedge sends up to `max` further attempts, one after each delay', async () => {
    const { clock, model, inner } = rig()
    const fate = fateOf(pipe(inner, hedge({ delayMs: 50, max: 2 }))(7))
    await clock.advance(100)
    expect(model.arrivals).toHaveLength(3)
    await clock.advance(1000)
    expect(model.arrivals).toHaveLength(3)
    model.arrivals[1]?.answer(1)
    await clock.settle()
    expect([fate.value, model.arrivals.map(({ call }) => call.signal.aborted), clock.pending]).toEqual([1, [true, false, true], 0])
  })
})

describe('failures', () => {
  test('hedge does not ask again when the first attempt fails before it is late', async () => {
    const { clock, model, inner } = rig()
    model.fails(down)
    await expect(pipe(inner, hedge({ delayMs: 50 }))(1)).rejects.toBe(down)
    await clock.advance(1000)
    expect([model.arrivals.length, clock.pending]).toEqual([1, 0])
  })

  for (const failsFirst of [0, 1] as const) {
    test(`hedge waits for the other attempt when the ${failsFirst === 0 ? 'first' : 'second'} one fails`, async () => {
      const { clock, model, inner } = rig()
      const hedged = hedge({ delayMs: 50 })
      const fate = fateOf(pipe(inner, hedged).detailed(1))
      await clock.advance(50)
      model.arrivals[failsFirst]?.fail(down)
      await clock.settle()
      expect(fate.state).toBe('pending')
      model.arrivals[1 - failsFirst]?.answer(5)
      await clock.settle()
      expect([fate.value?.output, fate.value?.record.marks]).toEqual([5, [failsFirst === 0 ? 'hedge-answered' : 'hedge-failed']])
      expect(hedged.counts).toMatchObject(failsFirst === 0 ? { won: 1, failed: 0 } : { won: 0, failed: 1 })
    })

    test(`hedge gives the first attempt's error when both fail, ${failsFirst === 0 ? 'the first' : 'the second'} one first`, async () => {
      const { clock, model, inner } = rig()
      const fate = fateOf(pipe(inner, hedge({ delayMs: 50 })).detailed(1))
      await clock.advance(50)
      const [first, second] = [new Error('first'), new Error('second')]
      for (const index of [failsFirst, 1 - failsFirst]) model.arrivals[index]?.fail(index === 0 ? first : second)
      await clock.settle()
      expect(fate.error).toBe(first)
    })
  }
})

describe('what is not hedged', () => {
  const unhedged = async (predict: Predictor<number, number>, { clock, model }: Rig<number>, options: object): Promise<number> => {
    fateOf(predict(1, options))
    fateOf(predict.batch([1, 2], options))
    await clock.advance(10_000)
    return model.arrivals.length
  }

  test('hedge asks once for calls that are not idempotent, and for scoring jobs', async () => {
    for (const options of [{ idempotent: false }, { workload: 'batch' }] as const) {
      const setup = rig({ batches: true })
      expect(await unhedged(pipe(setup.inner, hedge({ delayMs: 50 })), setup, options)).toBe(2)
    }
  })

  test('hedge sends nothing that would come at or after the deadline', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, hedge({ delayMs: 50 }))
    fateOf(predict(1, { timeoutMs: 50 }))
    // The caller's own limit, and no timer beside it.
    expect(clock.pending).toBe(1)
    fateOf(predict(2, { timeoutMs: 51 }))
    await clock.advance(50)
    expect(model.arrivals.map(({ input }) => input)).toEqual([1, 2, 2])
  })

  test('hedge sends nothing after the caller has left, and passes his abort on to every attempt', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50, max: 3 })
    const predict = pipe(inner, hedged)
    const [early, late] = [new AbortController(), new AbortController()]
    const [first, second] = [fateOf(predict(1, { signal: early.signal })), fateOf(predict(2, { signal: late.signal }))]
    await clock.settle()
    const signals = model.arrivals.map(({ call }) => call.signal)
    early.abort()
    await clock.advance(50)
    expect([first.code, model.arrivals.length]).toEqual(['ERR_OUTRIGGER_ABORTED', 3])
    signals.push((model.arrivals[2] as (typeof model.arrivals)[0]).call.signal)
    late.abort()
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
    for (const arrival of model.arrivals) arrival.fail(down)
    await clock.advance(1000)
    expect([second.code, model.arrivals.length, clock.pending]).toEqual(['ERR_OUTRIGGER_ABORTED', 3, 0])
    expect(hedged.counts).toMatchObject({ sent: 1, won: 0, lost: 0, failed: 0 })
  })

  test('hedge asks the budget for each row, and says in the record that it refused', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const budget = extraWorkBudget({ ratio: 0.5, minimumPerSecond: 0, burst: 1 })
    const hedged = hedge({ delayMs: 50, budget })
    const predict = pipe(inner, hedged)
    const records = recordsOf(predict)
    const fates = [fateOf(predict(1)), fateOf(predict.batch([2, 3, 4])), fateOf(predict(5))]
    await clock.advance(50)
    expect([model.arrivals.length, budget.counts.spent, hedged.counts]).toMatchObject([4, 1, { rows: 5, sent: 1, refused: 4 }])
    for (const arrival of model.arrivals) arrival.answer(...arrival.inputs)
    await clock.settle()
    expect([fates.map(({ state }) => state), records.map(({ marks }) => marks)]).toEqual([['fulfilled', 'fulfilled', 'fulfilled'], [['hedged'], ['hedge-refused'], ['hedge-refused'], ['hedge-refused'], ['hedge-refused']]])
  })

  test('hedge has a budget of one in ten of its own', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50, concurrency: 10_000 })
    const predict = pipe(inner, hedged)
    model.hangs()
    for (let call = 0; call < 2000; call += 1) fateOf(predict(call))
    await clock.advance(50)
    // 100 are saved up, no more.
    expect(hedged.counts).toMatchObject({ rows: 2000, sent: 100, refused: 1900 })
  })

  test('hedge has no more than `concurrency` further attempts under way, until their work has really ended', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50, concurrency: 1 })
    const predict = pipe(inner, hedged)
    fateOf(predict(1))
    await clock.advance(50)
    model.arrivals[0]?.answer(1)
    const second = fateOf(predict(2))
    await clock.advance(50)
    expect([model.arrivals.length, hedged.counts.refused]).toEqual([3, 1])
    model.arrivals[1]?.fail(down)
    model.arrivals[2]?.answer(2)
    await clock.settle()
    expect(second.value).toBe(2)
    fateOf(predict(3))
    await clock.advance(50)
    expect(model.arrivals).toHaveLength(5)
  })
})

describe('a learned delay', () => {
  test('hedge asks again when an answer takes longer than 95 % of them did, and not before it knows', async () => {
    const setup = rig()
    const { clock, model } = setup
    const hedged = hedge()
    const predict = pipe(setup.inner, hedged)
    await learn(predict, setup, 99)
    fateOf(predict(1))
    await clock.advance(1000)
    expect(hedged.counts.sent).toBe(0)
    model.arrivals.at(-1)?.answer(1)
    await clock.settle()
    const before = model.arrivals.length
    fateOf(predict(1))
    await clock.advance(9)
    expect(model.arrivals.length - before).toBe(1)
    await clock.advance(3)
    expect(model.arrivals.length - before).toBe(2)
  })

  test('hedge learns nothing from calls that failed, timed out or were aborted', async () => {
    const setup = rig()
    const { clock, model } = setup
    const hedged = hedge({ quantile: 0.9 })
    const predict = pipe(setup.inner, timeout({ ms: 1000 }), hedged)
    for (let call = 0; call < 60; call += 1) {
      const leaving = new AbortController()
      fateOf(predict(call, { signal: leaving.signal }))
      await clock.advance(500)
      if (call % 3 === 0) leaving.abort()
      else if (call % 3 === 1) model.arrivals.at(-1)?.fail(down)
      await clock.advance(500)
    }
    await learn(predict, setup, 50)
    for (let call = 0; call < 30; call += 1) {
      const leaving = new AbortController()
      fateOf(predict(call, { signal: leaving.signal }))
      await clock.advance(500)
      leaving.abort()
      // The further attempt ends first.
      for (const arrival of model.arrivals.slice(-2).toReversed()) {
        arrival.fail(down)
        await clock.settle()
      }
    }
    expect(hedged.counts.sent).toBe(30)
    fateOf(predict(1))
    await clock.advance(12)
    expect(hedged.counts.sent).toBe(31)
  })

  test('hedge keeps its quantile although it cuts the calls that are beyond it', async () => {
    const clock = fakeClock()
    const random = seededRandom(7)
    // A long tail (Pareto): half of the calls take up to 10 ms, one in ten more than 50, one in a hundred more than 500.
    const model = predictor((x: number, call) => new Promise<number>((resolve, reject) => {
      const timer = clock.setTimeout(() => resolve(x), Math.min(5 / (1 - random.next()), 2000))
      call.signal.addEventListener('abort', () => {
        clock.clearTimeout(timer)
        reject(down)
      })
    }), { clock })
    const hedged = hedge({ quantile: 0.85, budget: extraWorkBudget({ ratio: 1 }) })
    const predict = pipe(model, hedged)
    for (let call = 0; call < 3000; call += 1) {
      const fate = fateOf(predict(call))
      await clock.advance(4000)
      expect(fate.state).toBe('fulfilled')
    }
    // Were the cut calls left out, the quantile would sink with every hedge, and a third of the calls would be hedged.
    expect(hedged.counts.sent / 3000).toBeGreaterThan(0.12)
    expect(hedged.counts.sent / 3000).toBeLessThan(0.18)
    expect(clock.pending).toBe(0)
  }, 30_000)

  test('hedge learns batches by their number of rows', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const hedged = hedge({ quantile: 0.5 })
    const predict = pipe(inner, hedged)
    for (const [size, ms] of [[1, 10], [8, 100]] as const) {
      model.delays(ms, (x) => x)
      for (let call = 0; call < 30; call += 1) {
        fateOf(predict.batch(Array.from({ length: size }, (_, index) => index)))
        await clock.advance(ms)
      }
    }
    model.hangs()
    const before = hedged.counts.sent
    fateOf(predict.batch([1, 2, 3, 4, 5, 6, 7]))
    fateOf(predict.batch([1]))
    await clock.advance(20)
    expect(hedged.counts.sent - before).toBe(1)
    await clock.advance(100)
    expect(hedged.counts.sent - before).toBe(8)
  })
})

describe('another model', () => {
  test('hedge sends the second attempt to another model, whose identity is in the record', async () => {
    const { clock, model, inner } = rig()
    const other = mockModel<number, string>()
    const predict = pipe(inner, hedge({ delayMs: 50, to: predictor(other, { name: 'replica', version: '2' }) }))
    const fate = fateOf(predict.detailed(7))
    await clock.advance(50)
    ;(await other.next()).answer('seven')
    await clock.settle()
    expect(fate.value).toMatchObject({ output: 'seven', record: { source: 'fallback', attempts: 2, marks: ['hedge-answered'], identity: { name: 'replica', version: '2' } } })
    expect(model.arrivals).toHaveLength(1)
    const again = fateOf(predict.detailed(8))
    await clock.advance(50)
    model.arrivals[1]?.answer(80)
    await clock.settle()
    expect(again.value).toMatchObject({ output: 80, record: { marks: ['hedged'], identity: { name: 'model' } } })
    expect(predict.describe()).toMatch(/hedge after 50 ms[\s\S]*to: replica/)
  })

  test('hedge goes on with the first attempt when the other model cannot be bound', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const unbindable = pipe((x: number) => x, layer<number, number>('unbindable', { one: (next, input, call) => next(input, call), bind: () => { throw down } }))
    const hedged = hedge({ delayMs: 50, to: unbindable })
    const [call, batch] = [fateOf(pipe(inner, hedged)(1)), fateOf(pipe(inner, hedged).batch([1, 2]))]
    await clock.advance(50)
    for (const arrival of model.arrivals) arrival.answer(...arrival.inputs)
    await clock.settle()
    expect([call.value, batch.value, hedged.counts.failed, hedged.counts.sent]).toEqual([1, [1, 2], 3, 3])
  })

  test('hedge closes the model that it was given as a function or an object, and not a predictor', async () => {
    let closed = 0
    const object = { predict: (x: number) => x, close: () => void (closed += 1) }
    await pipe((x: number) => x, hedge({ delayMs: 5, to: object })).close()
    await pipe((x: number) => x, hedge({ delayMs: 5, to: predictor(object) })).close()
    expect(closed).toBe(1)
  })
})

describe('batches', () => {
  test('hedge sends the rows again as one batch, and gives each row its first answer', async () => {
    const { clock, model, inner } = rig<number | RowFailure>({ batches: true })
    const hedged = hedge({ delayMs: 50 })
    const fate = fateOf(pipe(inner, hedged).detailedBatch([1, 2, 3]))
    await clock.advance(50)
    const [first, second] = model.arrivals
    expect(second?.inputs).toEqual([1, 2, 3])
    second?.answer(10, new RowFailure(new Error('second')), new RowFailure(new Error('second')))
    await clock.settle()
    expect(fate.state).toBe('pending')
    first?.answer(11, 12, new RowFailure(new Error('first')))
    await clock.settle()
    expect(fate.value?.map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([10, 12, 'first'])
    expect(fate.value?.map(({ record }) => [record.attempts, record.marks])).toEqual([[2, ['hedge-answered']], [2, ['hedge-failed']], [2, ['hedge-failed']]])
    expect(hedged.counts).toMatchObject({ rows: 3, sent: 3, won: 1, lost: 0, failed: 2 })
  })

  test('hedge of a batch leaves out the rows whose callers have left', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const leaving = new AbortController()
    const fate = fateOf(pipe(inner, hedge({ delayMs: 50 })).detailedBatch([1, 2], { signals: [leaving.signal, undefined] }))
    await clock.advance(10)
    leaving.abort()
    await clock.advance(40)
    const [first, second] = model.arrivals
    expect(second?.inputs).toEqual([2])
    second?.answer(20)
    await clock.settle()
    expect(fate.state).toBe('pending')
    first?.fail(down)
    await clock.settle()
    expect(fate.value?.map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual(['ERR_OUTRIGGER_ABORTED', 20])
  })
})

describe('what is held', () => {
  test('hedge keeps every attempt with the version that the call was bound to, and gives every lease back', async () => {
    const waiting: (() => void)[] = []
    const loader = swappable<number, number>({ old: () => new Promise((resolve) => waiting.push(() => resolve(1))), new: () => 2 })
    const predict = pipe(loader.predictor, hedge({ delayMs: 1 }))
    const answer = predict.detailed(1)
    const rows = predict.detailedBatch([1])
    while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve))
    loader.swap('new')
    while (waiting.length < 4) await new Promise((resolve) => setImmediate(resolve))
    waiting[2]?.()
    waiting[3]?.()
    expect([(await answer).record.identity.version, (await rows)[0]?.record.identity.version]).toEqual(['old', 'old'])
    expect(loader.leases('old')).toBeGreaterThan(0)
    for (const end of waiting) end()
    await new Promise((resolve) => setImmediate(resolve))
    expect([loader.leases('old'), loader.leases('new'), loader.askedUnleased]).toEqual([0, 0, 0])
  })

  test('hedge lets a stream win when it begins, does not abort it, and ends the one that loses', async () => {
    const { clock, model, inner } = rig<AsyncIterable<number>>()
    const fate = fateOf(pipe(inner, hedge({ delayMs: 50 }))(1))
    await clock.advance(50)
    const [slow, fast] = [countedStream(), countedStream()]
    const [first, second] = model.arrivals
    const signal = second?.call.signal
    second?.answer(fast.stream)
    await clock.settle()
    first?.answer(slow.stream)
    await clock.settle()
    const read: number[] = []
    for await (const part of fate.value as AsyncIterable<number>) read.push(part)
    expect([read, signal?.aborted, slow.ended(), fast.ended(), clock.pending]).toEqual([[1, 2], false, true, true, 0])
  })

  test('hedge gives a permit of a bulkhead inside back when the loser has ended', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, bulkhead({ concurrency: 2 }), hedge({ delayMs: 50 }))
    const fate = fateOf(predict(1))
    await clock.advance(50)
    model.arrivals[1]?.answer(1)
    await clock.settle()
    model.arrivals[0]?.fail(down)
    await clock.settle()
    expect(fate.value).toBe(1)
    for (const x of [2, 3]) fateOf(predict(x))
    await clock.settle()
    expect(model.arrivals).toHaveLength(4)
  })

  test('hedge sends nothing once it is closed over a call that hangs', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, hedge({ delayMs: 50 }))
    fateOf(predict(1))
    fateOf(predict.close({ deadlineMs: 10 }))
    await clock.advance(1000)
    expect([model.arrivals.length, clock.pending]).toEqual([1, 0])
  })
})

describe('switching itself off', () => {
  test('hedge switches itself off for a model that computes on this thread, says so, and tries again later', async () => {
    const clock = fakeClock()
    // A clock that the model moves: it computes for 5 ms, and its promise is settled at once.
    let computed = 0
    const busy = { ...clock, now: () => clock.now() + computed }
    let asked = 0
    const model = predictor(async (x: number) => {
      asked += 1
      computed += 5
      return x
    }, { clock: busy, name: 'tree' })
    const predict = pipe(model, hedge({ delayMs: 50 }))
    const { states } = eventsOf(predict)
    for (let call = 0; call < 20; call += 1) await predict(call)
    expect(states).toMatchObject([{ layer: 'hedge', subject: 'tree', from: 'on', to: 'off', reason: 'the model computes on this thread', data: { rows: 20, sent: 0 } }])
    expect(predict.describe()).toMatch(/hedge after 50 ms \(off\)/)
    const reads = clock.reads
    for (let call = 0; call < 999; call += 1) await predict(call)
    expect([clock.reads - reads, states.length]).toEqual([0, 1])
    for (let call = 0; call < 20; call += 1) await predict(call)
    expect(states.map(({ to }) => to)).toEqual(['off', 'on', 'off'])
    expect(asked).toBe(1039)
  })

  test('hedge switches itself off when hedges do not answer earlier', async () => {
    const { clock, model, inner } = rig()
    const hedged = hedge({ delayMs: 50 })
    const predict = pipe(inner, hedged)
    const { states } = eventsOf(predict)
    for (let call = 0; call < 30; call += 1) {
      fateOf(predict(call))
      await clock.advance(60)
      // Whatever was asked first answers first: they share one worker.
      for (const arrival of model.arrivals) arrival.answer(1)
      await clock.settle()
    }
    expect(states.map(({ to, reason }) => [to, reason])).toEqual([['off', 'hedges did not answer earlier']])
    expect(hedged.counts).toMatchObject({ sent: 20, lost: 20 })
  })

  test('hedge stays on while hedges answer earlier', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, hedge({ delayMs: 50 }))
    const { states } = eventsOf(predict)
    for (let call = 0; call < 60; call += 1) {
      fateOf(predict(call))
      await clock.advance(60)
      model.arrivals[2 * call + (call % 4 === 0 ? 1 : 0)]?.answer(1)
      await clock.settle()
      for (const arrival of model.arrivals) arrival.fail(down)
    }
    expect(states).toEqual([])
  })
})

describe('in company', () => {
  test('hedge inside of retry and fallback: a call that fails in both attempts is one failure', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, hedge({ delayMs: 50 }), retry({ retries: 1, minDelayMs: 10, jitter: 'none' }), fallback((x: number) => -x))
    const fate = fateOf(predict.detailed(3))
    for (const _ of [1, 2]) {
      await clock.advance(60)
      for (const arrival of model.arrivals) arrival.fail(down)
      await clock.advance(10)
    }
    expect(fate.value).toMatchObject({ output: -3, record: { source: 'fallback', attempts: 5 } })
  })

  test('hedge runs the second attempt in the context and under the deadline of its caller', async () => {
    const { clock, model, inner } = rig()
    fateOf(pipe(inner, hedge({ delayMs: 50 }))(1, { timeoutMs: 200, key: 'k' }))
    await clock.advance(50)
    const calls = model.arrivals.map(({ call }) => call as Call)
    expect(calls.map(({ deadline, key }) => [deadline, key])).toEqual([[200, 'k'], [200, 'k']])
  })
})

test('hedge refuses options that make no sense', () => {
  for (const options of [{ quantile: 0 }, { quantile: 1 }, { delayMs: -1 }, { delayMs: 2 ** 31 }, { delayMs: 5, quantile: 0.9 }, { max: 0 }, { max: 11 }, { concurrency: 0 }, { budget: {} }, { delay: 5 }]) {
    expect(() => hedge(options as HedgeOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  }
  expect(() => pipe(() => 1, hedge({ delayMs: 5, to: 5 as never }))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})

test.each([['of another version', '2', [-7, 7]], ['of the same version', '1', [-7, -7]]] as const)('hedge to a model %s: whether a cache outside keeps its answer', async (_, version, outputs) => {
  const clock = fakeClock()
  const late = (ms: number, sign: number) => (x: number) => new Promise<number>((resolve) => void clock.setTimeout(() => resolve(sign * x), ms))
  const first = predictor(late(100, 1), { clock, name: 'delay', version: '1' })
  const hedged = hedge({ delayMs: 10, to: predictor(late(10, -1), { clock, name: 'delay', version }) })
  const predict = pipe(first, hedged, cached<number>({ max: 10 }))
  const asked = fateOf(predict(7))
  await clock.advance(200)
  const again = fateOf(predict.detailed(7, { idempotent: false }))
  await clock.advance(200)
  expect([asked.value, again.value?.output]).toEqual(outputs)
})
