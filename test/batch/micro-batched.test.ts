import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { layer, pipe, predictor, RowFailure, seededRandom, timeout, type Layer, type OutriggerError, type Prediction, type Predictor } from 'outrigger'
import { microBatched, type MicroBatchedOptions } from 'outrigger/batch'
import { extraWorkBudget } from 'outrigger/policy'
import { split } from 'outrigger/route'
import { fakeClock, mockModel, type FakeClock, type MockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { countedStream, eventsOf, fateOf, recordsOf, rig, type Fate } from '../resilience/_rig.js'

/** Batching whatever the runs say: what the model's times teach is tested apart. */
const always = { adaptive: false } as const

const sizes = (model: MockModel<number, number>): number[] => model.arrivals.map(({ inputs }) => inputs.length)
const runs = (model: MockModel<number, number>): (readonly number[])[] => model.arrivals.map(({ inputs }) => inputs)
/** Answers the newest run by ten times its rows. */
const answer = async (model: MockModel<number, number>, clock: FakeClock): Promise<void> => {
  const run = model.arrivals.at(-1)
  run?.answer(...run.inputs.map((x) => x * 10))
  await clock.settle()
}
/** A stack whose first call is under way, so that further ones gather. */
const busy = async (options: MicroBatchedOptions<number> = always, seed = 7): Promise<{ clock: FakeClock; model: MockModel<number, number>; predict: Predictor<number, number>; first: Fate<number> }> => {
  const { clock, model, inner } = rig({ batches: true, seed })
  const predict = pipe(inner, microBatched(options))
  const first = fateOf(predict(0))
  await clock.settle()
  return { clock, model, predict, first }
}

/** A stack whose only caller has always been alone; `alone` makes such calls and gives how many of them did not wait. */
const lonely = async () => {
  const clock = fakeClock()
  const seen: (readonly number[])[] = []
  let closed: Promise<void> | undefined
  const gate = { open: (): void => {}, close: (): void => void (closed = new Promise((resolve) => (gate.open = () => { closed = undefined; resolve() }))) }
  const model = { predictBatch: async (rows: readonly number[]) => (seen.push(rows), await closed, rows.map((x) => x * 10)) }
  const batching = microBatched(always)
  const predict = pipe(predictor<number, number>(model, { clock }), batching)
  const alone = async (calls: number): Promise<number> => {
    let atOnce = 0
    for (let call = 0; call < calls; call += 1) {
      const fate = fateOf(predict(call))
      atOnce += seen.length
      await clock.settle()
      expect([fate.value, seen.splice(0)]).toEqual([call * 10, [[call]]])
    }
    return atOnce
  }
  await alone(64)
  return { clock, seen, gate, batching, predict, alone }
}

/** A layer that takes a lease for each call. */
const leases = (): { leasing: Layer<number, number>; held: () => number } => {
  let held = 0
  const leasing = layer<number, number>('leasing', () => {
    const owner = {}
    return {
      one: async (next, input, call) => await next(input, call),
      many: async (next, rows, batch) => await next(rows, batch),
      bind: (call) => {
        held += 1
        call.bindTo({ owner, identity: { name: 'm', version: undefined, digest: undefined } as never, retain: () => void (held += 1), release: () => void (held -= 1) })
      },
    }
  })
  return { leasing, held: () => held }
}

describe('gathering', () => {
  test('microBatched lets calls that come together travel as one batch, and gives each its own row', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched())
    const fates = [1, 2, 3].map((x) => fateOf(predict(x)))
    await clock.settle()
    expect(runs(model)).toEqual([[1, 2, 3]])
    await answer(model, clock)
    expect(fates.map(({ value }) => value)).toEqual([10, 20, 30])
  })

  test('microBatched joins calls that come by different numbers of promises within one turn', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched())
    const after = async (turns: number): Promise<number> => {
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      return await predict(turns)
    }
    for (const turns of [0, 1, 5, 20]) fateOf(after(turns))
    await clock.settle()
    expect(runs(model)).toEqual([[0, 1, 5, 20]])
  })

  test('microBatched asks for a row that stays alone by the single form', async () => {
    const { clock, model } = await busy()
    expect(model.arrivals.map(({ isBatch }) => isBatch)).toEqual([false])
    await answer(model, clock)
  })

  test('microBatched lets who was always alone leave at once, but for one in 16, and those who come with it once gather while it runs', async () => {
    const { clock, seen, gate, batching, predict, alone } = await lonely()
    expect(await alone(160)).toBe(150)
    const before = batching.state
    gate.close()
    const fates = [1, 2].map((x) => fateOf(predict(x)))
    expect([seen.splice(0), batching.state.running, batching.state.waiting]).toEqual([[[1]], 1, 1])
    gate.open()
    for (let turn = 0; turn < 3; turn += 1) await clock.settle()
    expect([seen.splice(0), fates.map(({ value }) => value), batching.state.runs - before.runs, batching.state.rows - before.rows]).toEqual([[[2]], [10, 20], 2, 2])
    // There was company, so that there is some expected; and then who is alone must have been so for long again.
    expect([await alone(16), await alone(60), await alone(16)]).toEqual([0, 0, 13])
  })

  test('microBatched lets nobody leave at once who has a deadline, or whose wait is recorded, or who comes too late', async () => {
    const { clock, seen, batching, predict } = await lonely()
    const inQueue = async (ask: () => Promise<unknown>): Promise<[number, Fate<unknown>]> => {
      const fate = fateOf(ask())
      const { waiting } = batching.state
      await clock.settle()
      return [waiting, fate]
    }
    const [waited, late] = await inQueue(() => predict(1, { timeoutMs: 50 }))
    const [watched, recorded] = await inQueue(() => predict.detailed(2))
    expect([waited, late.value, watched, (recorded.value as Prediction<number>).record.durations.queueMs]).toEqual([1, 10, 1, 0])
    const { runs: before } = batching.state
    seen.length = 0
    const leaving = pipe(predict, layer<number, number>('leaving', { one: (next, x, call) => { const attempt = call.fork(); attempt.abort('left'); return next(x, attempt) } }))
    const [, left] = await inQueue(() => leaving(3))
    await predict.close()
    const outer = pipe(predict, layer<number, number>('outer', { one: (next, x, call) => next(x, call) }))
    const [, closed] = await inQueue(() => outer(4))
    expect([(left.error as OutriggerError).code, (closed.error as OutriggerError).code, seen, batching.state.runs - before]).toEqual(['ERR_OUTRIGGER_ABORTED', 'ERR_OUTRIGGER_CLOSED', [], 0])
  })

  test('microBatched lets calls gather while a run goes on, and sets no timer', async () => {
    const { clock, model, predict } = await busy({ ...always, maxSize: 3 })
    for (const x of [1, 2, 3, 4]) {
      fateOf(predict(x))
      await clock.settle()
    }
    expect(runs(model)).toEqual([[0]])
    await answer(model, clock)
    expect(runs(model)).toEqual([[0], [1, 2, 3]])
    await answer(model, clock)
    expect(runs(model)).toEqual([[0], [1, 2, 3], [4]])
    expect(clock.timersSet).toBe(0)
  })

  test('microBatched lets who asks again after an answer join those who waited', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched(always))
    fateOf(predict(0).then(() => predict(9)))
    await clock.settle()
    fateOf(predict(1))
    await answer(model, clock)
    expect(runs(model)).toEqual([[0], [1, 9]])
  })

  test('microBatched lets several runs go on at once, and shares what waits among them', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ ...always, concurrency: 2, maxSize: 4 }))
    for (let x = 0; x < 6; x += 1) fateOf(predict(x))
    await clock.settle()
    expect(runs(model)).toEqual([[0, 1, 2], [3, 4, 5]])
    for (let x = 6; x < 16; x += 1) fateOf(predict(x))
    await clock.settle()
    expect(model.arrivals.length).toBe(2)
    model.arrivals[0]?.answer(0, 0, 0)
    await clock.settle()
    expect(runs(model).at(-1)).toEqual([6, 7, 8, 9])
  })

  test('microBatched waits up to maxDelayMs for company, with one timer, and leaves when the run is full', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ ...always, maxDelayMs: 10, maxSize: 3 }))
    fateOf(predict(0))
    await clock.advance(4)
    fateOf(predict(1))
    await clock.advance(5)
    expect([model.arrivals.length, clock.pending]).toEqual([0, 1])
    await clock.advance(1)
    expect([runs(model), clock.pending, clock.timersSet]).toEqual([[[0, 1]], 0, 1])
    await answer(model, clock)
    for (let x = 2; x < 5; x += 1) fateOf(predict(x))
    await clock.settle()
    expect([runs(model).at(-1), clock.pending]).toEqual([[2, 3, 4], 0])
  })

  test('microBatched leaves early enough for the earliest deadline, by what runs take', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ ...always, maxDelayMs: 1000, maxSize: 8 }))
    model.delays(50, (x) => x)
    // It learns that runs take 50 ms whatever their size.
    for (let run = 0; run < 30; run += 1) {
      for (let x = 0; x < 1 + (run % 8); x += 1) fateOf(predict(x))
      await clock.advance(1100)
    }
    const before = model.arrivals.length
    const fate = fateOf(predict(1, { timeoutMs: 100 }))
    fateOf(predict(2))
    await clock.advance(20)
    expect(model.arrivals.length).toBe(before)
    await clock.advance(79)
    expect(fate).toMatchObject({ state: 'fulfilled', value: 1 })
  })
})

describe('leaving', () => {
  test('microBatched never asks for a row whose caller left before the run', async () => {
    const batching = microBatched(always)
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, batching)
    fateOf(predict(0))
    await clock.settle()
    const leaving = new AbortController()
    const [left, stays] = [fateOf(predict(1, { signal: leaving.signal })), fateOf(predict(2))]
    leaving.abort()
    await clock.settle()
    expect([left.code, batching.state.waiting]).toEqual(['ERR_OUTRIGGER_ABORTED', 1])
    await answer(model, clock)
    await answer(model, clock)
    expect([runs(model), stays.value]).toEqual([[[0], [2]], 20])
  })

  test('microBatched keeps no timer when all who waited for company have left', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ ...always, maxDelayMs: 50 }))
    const leaving = new AbortController()
    for (const x of [1, 2]) fateOf(predict(x, { signal: leaving.signal }))
    await clock.settle()
    expect(clock.pending).toBe(1)
    leaving.abort()
    await clock.settle()
    expect([clock.pending, model.arrivals.length]).toEqual([0, 0])
  })

  test('microBatched gives an aborted row back at once, also when a run hangs for ever', async () => {
    const { clock, model, inner } = rig({ batches: true })
    let settled = 0
    const outer = layer<number, number>('outer', {
      one: async (next, input, call) => {
        const fork = call.fork()
        const work = next(input, fork).catch(() => {
          settled += 1
          return -1
        })
        fork.abort(new Error('changed my mind'))
        return await work
      },
    })
    const batched = pipe(inner, microBatched(always))
    fateOf(batched(0))
    await clock.settle()
    const fate = fateOf(pipe(batched, outer)(1))
    await clock.settle()
    expect([settled, fate.value, sizes(model)]).toEqual([1, -1, [1]])
  })

  test('microBatched holds the lease of a call until its run has ended, however it ends, and no longer than the caller waits for its answer', async () => {
    for (const layers of ['batching', 'direct'] as const) {
      const { leasing, held } = leases()
      const gates: ((error?: Error) => void)[] = []
      const gated = (): Promise<void> => new Promise((open, fail) => gates.push((error) => (error === undefined ? open() : fail(error))))
      const inner = layers === 'direct' ? (x: number) => gated().then(() => x) : { predictBatch: (rows: readonly number[]) => gated().then(() => [...rows]) }
      const predict = pipe(predictor<number, number>(inner), leasing, microBatched(layers === 'direct' ? {} : { ...always, bisect: false }))
      for (const error of [undefined, new Error('down')]) {
        const seen: number[] = []
        const fates = [1, 2].map((x) => predict(x).then(() => seen.push(held()), () => seen.push(held())))
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setImmediate(resolve))
        expect(held()).toBe(2)
        for (const open of gates.splice(0)) open(error)
        await Promise.all(fates)
        expect(seen.every((count) => count < 2) && held() === 0).toBe(true)
      }
    }
  })

  test('microBatched rejects a row at its deadline, and lets it leave before the run', async () => {
    const { clock, model, predict } = await busy()
    const late = fateOf(predict(1, { timeoutMs: 10 }))
    const patient = fateOf(predict(2, { timeoutMs: 1000 }))
    await clock.advance(10)
    expect(late.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    await answer(model, clock)
    await answer(model, clock)
    expect([runs(model), patient.value]).toEqual([[[0], [2]], 20])
  })

  test('microBatched lets rows leave whose deadline has passed though no timer has said so', async () => {
    const { clock, model, inner } = rig({ batches: true })
    // Shared work of a cache has a deadline, but nobody who aborts it.
    const detached = layer<number, number>('detached', {
      one: async (next, input, call) => {
        const child = call.detach()
        child.deadline = input === 1 ? clock.now() + 10 : Infinity
        try {
          return await next(input, child)
        } finally {
          child.end()
        }
      },
    })
    const predict = pipe(inner, microBatched(always), detached)
    fateOf(predict(0))
    await clock.settle()
    const [late, other] = [fateOf(predict(1)), fateOf(predict(2))]
    await clock.advance(20)
    await answer(model, clock)
    await answer(model, clock)
    expect([late.code, other.value, runs(model)]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 20, [[0], [2]]])
  })

  test('microBatched disturbs nobody when one caller of a run leaves, and aborts the run when the last one has', async () => {
    const { clock, model, predict } = await busy()
    const [one, two] = [new AbortController(), new AbortController()]
    const fates = [fateOf(predict(1, { signal: one.signal })), fateOf(predict(2, { signal: two.signal }))]
    await answer(model, clock)
    const { signal } = model.arrivals[1]!.call
    one.abort()
    await clock.settle()
    expect([fates[0]?.code, fates[1]?.state, signal.aborted]).toEqual(['ERR_OUTRIGGER_ABORTED', 'pending', false])
    two.abort()
    await clock.settle()
    expect([fates[1]?.code, signal.aborted]).toEqual(['ERR_OUTRIGGER_ABORTED', true])
    expect([getEventListeners(one.signal, 'abort').length, getEventListeners(two.signal, 'abort').length]).toEqual([0, 0])
  })

  test('microBatched gives a run the latest deadline of its rows', async () => {
    const { clock, model, predict } = await busy()
    for (const timeoutMs of [50, 100, 70]) fateOf(predict(1, { timeoutMs }))
    await answer(model, clock)
    expect(model.arrivals[1]?.call.deadline).toBe(100)
    await clock.advance(100)
  })

  test('microBatched runs those first whose deadline leaves no time for all, when nobody else waits', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ ...always, maxSize: 64 }))
    let delay = 0
    model.delays(0, (x) => x)
    const send = async (count: number): Promise<void> => {
      delay = 5 + count
      model.delays(delay, (x) => x)
      for (let x = 0; x < count; x += 1) fateOf(predict(x))
      await clock.advance(delay)
    }
    for (let round = 0; round < 10; round += 1) for (const count of [1, 8, 32, 16]) await send(count)
    model.hangs()
    for (let x = 0; x < 30; x += 1) fateOf(predict(x))
    fateOf(predict(30, { timeoutMs: 12 }))
    await clock.settle()
    const run = model.arrivals.at(-1)!
    expect(run.inputs).toContain(30)
    expect(run.inputs.length).toBeLessThan(8)
    expect(run.inputs.length).toBeGreaterThan(4)
    run.answer(...run.inputs)
    await clock.settle()
    expect(model.arrivals.at(-1)!.inputs.length).toBe(31 - run.inputs.length)
    await clock.advance(12)
  })

  test('microBatched rejects those who wait when it is closed, and those who come later', async () => {
    const { clock, model, predict } = await busy()
    const waiting = fateOf(predict(1))
    const closing = predict.close({ deadlineMs: 10 }).catch(() => {})
    await clock.advance(10)
    await closing
    expect(waiting.code).toBe('ERR_OUTRIGGER_CLOSED')
    await answer(model, clock)
    await expect(predict(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(clock.pending).toBe(0)
  })

  test('microBatched lets those who wait be answered while close has time', async () => {
    const { clock, model, predict, first } = await busy()
    const waiting = fateOf(predict(1))
    const closing = predict.close()
    await answer(model, clock)
    await answer(model, clock)
    await closing
    expect([first.value, waiting.value]).toEqual([0, 10])
  })
})

describe('who goes first', () => {
  test('microBatched lets higher priorities go first, and jobs last', async () => {
    const { clock, model, predict } = await busy({ ...always, maxSize: 2 })
    fateOf(predict(1, { workload: 'batch' }))
    for (const [x, priority] of [[2, 0], [3, 5], [4, 0], [5, 9]] as const) fateOf(predict(x, { priority }))
    for (let run = 0; run < 3; run += 1) await answer(model, clock)
    expect(runs(model).slice(1)).toEqual([[5, 3], [2, 4], [1]])
  })

  test('microBatched gives each key its turn, so that a noisy client does not starve the others', async () => {
    const { clock, model, predict } = await busy({ ...always, maxSize: 4 })
    for (let x = 100; x < 150; x += 1) fateOf(predict(x, { key: 'noisy' }))
    for (const x of [1, 2]) fateOf(predict(x, { key: `quiet ${x}` }))
    await answer(model, clock)
    expect(runs(model)[1]).toEqual([100, 1, 2, 101])
  })

  test('microBatched takes clients from fairBy, and the key when that throws, with a notice', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched<number>({ ...always, maxSize: 3, fairBy: (x) => (x === 7 ? JSON.parse('{') : Math.floor(x / 100)) }))
    const { notices } = eventsOf(predict as Predictor<never, unknown>)
    fateOf(predict(0))
    await clock.settle()
    for (const x of [100, 101, 102, 200, 7]) fateOf(predict(x, { key: 'k' }))
    await answer(model, clock)
    expect(runs(model)[1]).toEqual([100, 200, 7])
    expect(notices).toEqual(['`fairBy` threw; the key of the call is used.'])
  })

  test('microBatched treats a batch as one client, so that single calls need not wait for all of it', async () => {
    const { clock, model, predict } = await busy({ ...always, maxSize: 4 })
    const batch = fateOf(predict.batch([10, 11, 12, 13, 14, 15, 16, 17]))
    fateOf(predict(1))
    for (let run = 0; run < 4; run += 1) await answer(model, clock)
    expect(runs(model)).toEqual([[0], [10, 1, 11, 12], [13, 14, 15, 16], [17]])
    expect(batch.value).toEqual([100, 110, 120, 130, 140, 150, 160, 170])
  })
})

describe('a full queue', () => {
  test('microBatched rejects who finds no room, without a stack, and says how many wait', async () => {
    const { clock, model, predict } = await busy({ ...always, maxQueue: 2 })
    const fates = [1, 2, 3].map((x) => fateOf(predict(x)))
    await clock.settle()
    expect(fates.map(({ code }) => code)).toEqual([undefined, undefined, 'ERR_OUTRIGGER_QUEUE_FULL'])
    expect(fates[2]?.error).toMatchObject({ waiting: 2, maxQueue: 2 })
    expect((fates[2]?.error as Error | undefined)?.stack?.split('\n').length).toBe(1)
    await answer(model, clock)
    expect(sizes(model)).toEqual([1, 2])
  })

  test('microBatched rejects the newest of the lowest priority for one of a higher', async () => {
    const { clock, predict } = await busy({ ...always, maxQueue: 2 })
    const fates = ([[1, 0], [2, 0], [3, 1]] as const).map(([x, priority]) => fateOf(predict(x, { priority })))
    await clock.settle()
    expect(fates.map(({ code }) => code)).toEqual([undefined, 'ERR_OUTRIGGER_QUEUE_FULL', undefined])
  })

  test('microBatched lets a batch larger than the queue wait for its own rows', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x * 10)
    const predict = pipe(inner, microBatched({ ...always, maxQueue: 5, maxSize: 4 }))
    const rows = Array.from({ length: 100 }, (_, x) => x)
    const fate = fateOf(predict.batch(rows))
    for (let turn = 0; turn < 100; turn += 1) await clock.settle()
    expect(fate.value).toEqual(rows.map((x) => x * 10))
    expect(Math.max(...sizes(model))).toBeLessThanOrEqual(4)
  })

  test('microBatched refuses each row of a batch that finds the queue full of others, and loses none', async () => {
    const { clock, model, predict } = await busy({ ...always, maxQueue: 3 })
    for (let x = 1; x <= 3; x += 1) fateOf(predict(x))
    const fate = fateOf(predict.detailedBatch(Array.from({ length: 20_000 }, (_, x) => x)))
    await clock.settle()
    expect(fate.value?.length).toBe(20_000)
    expect(new Set(fate.value?.map((row) => (row.ok ? 'ok' : (row.error as { code?: string }).code)))).toEqual(new Set(['ERR_OUTRIGGER_QUEUE_FULL']))
    await answer(model, clock)
  })
})

describe('what may share a run', () => {
  test('microBatched never mixes rows of different types or shapes', async () => {
    const clock = fakeClock()
    const model = mockModel<unknown, number>({ batches: true, clock })
    const predict = pipe(predictor<unknown, number>(model, { clock }), microBatched(always))
    fateOf(predict('first'))
    await clock.settle()
    const tensor = (shape: number[], data: Float32Array | Int32Array): unknown => ({ image: { shape, data } })
    const rows = [new Float32Array(2), new Float32Array(3), new Float32Array(2), new Int32Array(2), tensor([2, 1], new Float32Array(2)), tensor([1, 2], new Float32Array(2)), tensor([2, 1], new Float32Array(2)), [1, 2], [3, 4], [[1], [2]], 5, { a: 1 }]
    for (const row of rows) fateOf(predict(row))
    model.answers(1)
    model.arrivals[0]?.answer(1)
    for (let turn = 0; turn < 20; turn += 1) await clock.settle()
    const groups = model.arrivals.slice(1).map(({ inputs }) => inputs.map((input) => rows.indexOf(input)))
    expect(groups).toEqual([[0, 2], [1], [3], [4, 6], [5], [7, 8], [9], [10, 11]])
  })

  test('microBatched groups by groupBy, and by shape when that throws, with a notice', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched<number>({ ...always, groupBy: (x) => (x === 9 ? JSON.parse('{') : x % 2 === 0 ? 'even' : 'odd') }))
    const { notices } = eventsOf(predict as Predictor<never, unknown>)
    fateOf(predict(0))
    await clock.settle()
    for (const x of [1, 2, 3, 4, 9]) fateOf(predict(x))
    for (let run = 0; run < 4; run += 1) await answer(model, clock)
    expect(runs(model).slice(1)).toEqual([[1, 3], [2, 4], [9]])
    expect(notices).toEqual(['`groupBy` threw; the row is grouped by its shape.'])
  })

  test('microBatched never mixes calls that may be repeated with those that may not, nor online calls with a job\'s', async () => {
    const { clock, model, predict } = await busy()
    fateOf(predict(1))
    fateOf(predict(2, { idempotent: false }))
    fateOf(predict(3, { workload: 'batch' }))
    fateOf(predict(4))
    for (let run = 0; run < 3; run += 1) await answer(model, clock)
    expect(runs(model).slice(1)).toEqual([[1, 4], [2], [3]])
  })

  test('microBatched lets rows of different variants travel together: each is served by its own', async () => {
    const clock = fakeClock()
    const asked: [string, readonly number[]][] = []
    const arm = (name: string): { predictBatch: (rows: readonly number[]) => Promise<string[]> } => ({
      predictBatch: async (rows) => {
        asked.push([name, rows])
        return rows.map((x) => `${name} ${x}`)
      },
    })
    const router = split({ variants: { a: predictor<number, string>(arm('a'), { clock, random: seededRandom(1) }), b: arm('b') }, weights: { a: 0.5, b: 0.5 } })
    const predict = pipe(router, microBatched(always))
    const results = await Promise.all(Array.from({ length: 20 }, (_, x) => predict.detailed(x, { key: `unit ${x}` })))
    for (const [x, { output, record }] of results.entries()) expect(output).toBe(`${record.variants[0]?.variant} ${x}`)
    expect(asked.map(([name]) => name).sort()).toEqual(['a', 'b'])
    expect(asked.flatMap(([, rows]) => rows).length).toBe(20)
  })
})

describe('failures', () => {
  const poisoned = (isPoisoned: (x: number) => boolean): { model: { predictBatch(rows: readonly number[]): Promise<number[]> }; runs: number[] } => {
    const seen: number[] = []
    return {
      runs: seen,
      model: {
        predictBatch: async (rows) => {
          seen.push(rows.length)
          if (rows.some(isPoisoned)) throw new Error(`cannot digest ${rows.filter(isPoisoned).join()}`)
          return rows.map((x) => x * 10)
        },
      },
    }
  }

  test.each([2, 3, 7, 8, 33, 64])('microBatched lets a poisoned row of %i fail alone, at most ⌈log₂ n⌉ halvings deep', async (size) => {
    const { model, runs: seen } = poisoned((x) => x === size - 2)
    const predict = pipe(predictor<number, number>(model, { clock: fakeClock() }), microBatched(always))
    const results = await Promise.allSettled(Array.from({ length: size }, (_, x) => predict(x)))
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message))).toEqual(Array.from({ length: size }, (_, x) => (x === size - 2 ? `cannot digest ${x}` : x * 10)))
    expect(seen.length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(size)))
  })

  test('microBatched passes failures of single rows on, without asking again', async () => {
    let asked = 0
    const model = {
      predictBatch: async (rows: readonly number[]) => {
        asked += 1
        return rows.map((x) => (x === 1 ? new RowFailure(new Error('row 1')) : x * 10))
      },
    }
    const predict = pipe(model, microBatched(always))
    const results = await Promise.allSettled([predict(0), predict(1), predict(2)])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(asked).toBe(1)
  })

  test('microBatched asks for the halves of a failed run only within the budget', async () => {
    const { model, runs: seen } = poisoned(() => true)
    const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: 10 })
    const predict = pipe(predictor<number, number>(model, { clock: fakeClock() }), microBatched({ ...always, budget }))
    const results = await Promise.allSettled(Array.from({ length: 16 }, (_, x) => predict(x)))
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(seen.slice(1).reduce((sum, rows) => sum + rows, 0)).toBeLessThanOrEqual(10)
    expect(budget.counts.refused).toBeGreaterThan(0)
  })

  test('microBatched asks nothing again for calls that may not be repeated, with bisect off, and of a run that was rejected', async () => {
    const { model, runs: seen } = poisoned(() => true)
    const inner = predictor<number, number>(model, { clock: fakeClock() })
    const ask = async (predict: Predictor<number, number>, idempotent?: boolean): Promise<void> => void (await Promise.allSettled([1, 2, 3].map((x) => predict(x, { idempotent }))))
    await ask(pipe(inner, microBatched(always)), false)
    await ask(pipe(inner, microBatched({ ...always, bisect: false })))
    let refused = 0
    const refusing = layer<number, number>('refusing', { one: async (next, input, call) => await next(input, call), many: () => { refused += 1; throw Object.assign(new Error('full'), { code: 'ERR_OUTRIGGER_BULKHEAD_FULL' }) } })
    await ask(pipe(inner, refusing, microBatched(always)))
    expect([seen, refused]).toEqual([[3, 3], 1])
  })

  test('microBatched leaves a row out of the halves when its caller has left meanwhile', async () => {
    const batching = microBatched(always)
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, batching)
    fateOf(predict(0))
    await clock.settle()
    const leaving = new AbortController()
    fateOf(predict(1, { signal: leaving.signal }))
    for (const x of [2, 3, 4]) fateOf(predict(x))
    await answer(model, clock)
    leaving.abort()
    model.arrivals[1]?.fail(new Error('poison'))
    await clock.settle()
    await answer(model, clock)
    await answer(model, clock)
    expect([runs(model), batching.state.bisections]).toEqual([[[0], [1, 2, 3, 4], [2], [3, 4]], 3])
  })

  test('microBatched gives every row of a wrong number of outputs a coded error, and goes on', async () => {
    let isBroken = true
    const model = { predictBatch: async (rows: readonly number[]) => (isBroken ? [] : rows.map((x) => x * 10)) }
    const predict = pipe(model, microBatched({ ...always, bisect: false }))
    const results = await Promise.allSettled([predict(1), predict(2)])
    expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(['ERR_OUTRIGGER_ROW_COUNT', 'ERR_OUTRIGGER_ROW_COUNT'])
    isBroken = false
    expect(await Promise.all([predict(1), predict(2)])).toEqual([10, 20])
  })

  test('microBatched refuses streams with a code, and ends them', async () => {
    for (const options of [always, {}]) {
      for (const isBatch of [false, true]) {
        const streams = [countedStream(), countedStream()]
        let next = 0
        const give = (): AsyncGenerator<number> => (streams[(next += 1) - 1] as (typeof streams)[0]).stream
        const predict = pipe({ predict: (_: number) => give(), predictBatch: (rows: readonly number[]) => rows.map(give) }, microBatched(options))
        const fates = await Promise.allSettled(isBatch ? [predict(1), predict(2)] : [predict(1)])
        expect(fates.map((fate) => fate.status === 'rejected' && fate.reason.code)).toEqual(fates.map(() => 'ERR_OUTRIGGER_INVALID_OPTION'))
        await new Promise((resolve) => setImmediate(resolve))
        expect(streams.map(({ ended }) => ended())).toEqual([true, isBatch])
      }
    }
  })
})

describe('contexts and records', () => {
  test('microBatched keeps each caller in its own async context, and runs what is shared in none', async () => {
    const storage = new AsyncLocalStorage<string>()
    const contexts: (string | undefined)[] = []
    const model = {
      predictBatch: async (rows: readonly number[]) => {
        contexts.push(storage.getStore())
        await Promise.resolve()
        contexts.push(storage.getStore())
        return [...rows]
      },
    }
    const batching = microBatched(always)
    const predict = pipe(model, batching)
    const ask = (name: string): Promise<string | undefined> => storage.run(name, async () => {
      await predict(1)
      return storage.getStore()
    })
    expect(await Promise.all(['a', 'b', 'c'].map(ask))).toEqual(['a', 'b', 'c'])
    expect(contexts).toEqual([undefined, undefined])
    // One that stays alone is its caller's own call.
    contexts.length = 0
    expect(await ask('alone')).toBe('alone')
    expect(contexts).toEqual(['alone', 'alone'])
  })

  test('microBatched does not start a run in the context of the caller whose run it waited for', async () => {
    const storage = new AsyncLocalStorage<string>()
    const contexts: (string | undefined)[] = []
    const gates: (() => void)[] = []
    const model = {
      predictBatch: async (rows: readonly number[]) => {
        contexts.push(storage.getStore())
        await new Promise<void>((open) => gates.push(open))
        return [...rows]
      },
    }
    const predict = pipe(model, microBatched(always))
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    const ask = (name: string): Promise<number> => storage.run(name, () => predict(1))
    const first = ask('first')
    await turn()
    const second = ask('second')
    await turn()
    gates[0]?.()
    await first
    await turn()
    await turn()
    gates[1]?.()
    await second
    expect(contexts).toEqual(['first', undefined])
  })

  test('microBatched starts the timer of maxDelayMs in no caller\'s context', async () => {
    const storage = new AsyncLocalStorage<string>()
    const clock = fakeClock()
    let seen: string | undefined = 'unset'
    const predict = pipe(
      predictor<number, number>({ predictBatch: async (rows: readonly number[]) => ((seen = storage.getStore()), [...rows]) }, { clock: { ...clock, now: clock.now, setTimeout: (callback, ms) => ((seen = storage.getStore()), clock.setTimeout(callback, ms)) } }),
      microBatched({ ...always, maxDelayMs: 5 }),
    )
    const fate = storage.run('caller', () => fateOf(predict(1)))
    expect(seen).toBe(undefined)
    await clock.advance(5)
    expect([seen, fate.value]).toEqual([undefined, 1])
  })

  test('microBatched says in the record of each row which run it shared, and how long it waited', async () => {
    const { clock, model, predict } = await busy()
    const records = recordsOf(predict as Predictor<never, unknown>)
    for (const x of [1, 2]) fateOf(predict(x))
    await clock.advance(30)
    await answer(model, clock)
    await answer(model, clock)
    const [one, two] = records as [(typeof records)[0], (typeof records)[0]]
    expect([one, two].map(({ batch, durations, attempts, source }) => [batch?.size, batch?.index, durations.queueMs, attempts, source])).toEqual([[2, 0, 30, 1, 'model'], [2, 1, 30, 1, 'model']])
    expect(one.batch?.id).toBe(two.batch?.id)
    expect(one.links).toEqual([one.batch?.id])
    expect(one.id).not.toBe(two.id)
    const alone = await Promise.all([predict.detailed(3), clock.settle().then(() => answer(model, clock))])
    expect([alone[0].record.batch, alone[0].record.links]).toEqual([undefined, []])
  })

  test('microBatched marks the records of rows that were asked for again', async () => {
    const predict = pipe({ predictBatch: async (rows: readonly number[]) => { if (rows.includes(1)) throw new Error('poison'); return [...rows] } }, microBatched(always))
    const [bad, good] = await Promise.all([predict.detailed(1).catch(() => undefined), predict.detailed(2)])
    expect([bad, good.record.marks, good.record.attempts]).toEqual([undefined, ['isolated'], 2])
  })

  test('microBatched reads no clock per row while nobody observes', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, microBatched())
    const before = clock.reads
    const work = Promise.all(Array.from({ length: 64 }, (_, x) => predict(x)))
    await work
    expect(clock.reads - before).toBeLessThanOrEqual(3)
  })
})

describe('batches', () => {
  test('microBatched cuts a batch into runs of its size, keeps its order, and fills them up with other calls', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x * 10)
    const predict = pipe(inner, microBatched({ ...always, maxSize: 4 }))
    const [batch, single] = [fateOf(predict.batch([1, 2, 3, 4, 5])), fateOf(predict(6))]
    for (let turn = 0; turn < 5; turn += 1) await clock.settle()
    expect(runs(model)).toEqual([[1, 6, 2, 3], [4, 5]])
    expect([batch.value, single.value]).toEqual([[10, 20, 30, 40, 50], 60])
  })

  test('microBatched lets single rows of a batch leave', async () => {
    const { clock, model, predict } = await busy()
    const leaving = new AbortController()
    const fate = fateOf(predict.detailedBatch([1, 2, 3], { signals: [undefined, leaving.signal, undefined] }))
    leaving.abort()
    await answer(model, clock)
    await answer(model, clock)
    expect(runs(model)).toEqual([[0], [1, 3]])
    expect(fate.value?.map((row) => (row.ok ? row.output : (row.error as { code?: string }).code))).toEqual([10, 'ERR_OUTRIGGER_ABORTED', 30])
  })
})

describe('models of a fixed size', () => {
  const fixed = (options: MicroBatchedOptions<number>): { predict: Predictor<number, number>; seen: (readonly number[])[] } => {
    const seen: (readonly number[])[] = []
    const model = {
      predictBatch: async (rows: readonly number[]) => {
        seen.push([...rows])
        if (rows.length !== 4) throw new Error(`shape [${rows.length}]`)
        return rows.map((x) => x * 10)
      },
    }
    return { predict: pipe(model, microBatched<number>(options)), seen }
  }

  test('microBatched pads a run with copies of the last row, and drops their outputs', async () => {
    const { predict, seen } = fixed({ fixedSize: 4 })
    expect(await Promise.all([1, 2, 3, 4, 5, 6].map((x) => predict(x)))).toEqual([10, 20, 30, 40, 50, 60])
    expect(await predict(7)).toBe(70)
    expect(seen).toEqual([[1, 2, 3, 4], [5, 6, 6, 6], [7, 7, 7, 7]])
  })

  test('microBatched pads with a row of the user\'s, and with the last one when that throws, with a notice', async () => {
    let isBroken = false
    const { predict, seen } = fixed({ fixedSize: 4, pad: (rows) => (isBroken ? JSON.parse('{') : -rows.length) })
    const { notices } = eventsOf(predict as Predictor<never, unknown>)
    expect(await predict.batch([1, 2])).toEqual([10, 20])
    isBroken = true
    expect(await predict(3)).toBe(30)
    expect([seen, notices]).toEqual([[[1, 2, -2, -2], [3, 3, 3, 3]], ['`pad` threw; the last row is repeated.']])
  })

  test('microBatched refuses a run that is too small with a code when padding is off', async () => {
    const { predict, seen } = fixed({ fixedSize: 4, pad: false })
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map((x) => predict(x)))
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code))).toEqual([10, 20, 30, 40, 'ERR_OUTRIGGER_INVALID_INPUT'])
    expect(results[4]).toMatchObject({ reason: { rows: 1, needed: 4 } })
    expect(seen).toEqual([[1, 2, 3, 4]])
  })

  test('microBatched ends the leases of what it pads with', async () => {
    const { leasing, held } = leases()
    const predict = pipe({ predictBatch: async (rows: readonly number[]) => [...rows] }, leasing, microBatched({ fixedSize: 4 }))
    await Promise.all([predict(1), predict(2)])
    expect(held()).toBe(0)
  })
})

describe('whose memory', () => {
  test('microBatched with copy gives the model rows that callers cannot change any more', async () => {
    const clock = fakeClock()
    const model = mockModel<Float32Array, number>({ batches: true, clock })
    const predict = pipe(predictor<Float32Array, number>(model, { clock }), microBatched({ ...always, copy: true }))
    const row = new Float32Array([1, 2])
    const leaving = new AbortController()
    fateOf(predict(row, { signal: leaving.signal }))
    fateOf(predict(new Float32Array(2)))
    await clock.settle()
    leaving.abort()
    row.fill(9)
    expect(model.arrivals[0]?.inputs[0]).toEqual(new Float32Array([1, 2]))
  })
})

describe('where batching does not pay', () => {
  test('microBatched goes straight to a model without a batch form, and says so', async () => {
    const { clock, model, inner } = rig()
    const batching = microBatched()
    const predict = pipe(inner, batching)
    for (const x of [1, 2]) fateOf(predict(x))
    expect([sizes(model), batching.state.mode, batching.state.size]).toEqual([[1, 1], 'direct', 1])
    await clock.settle()
  })

  /** A model of a + b·n milliseconds, asked by so many callers who ask again at once. */
  const asked = async (serviceMs: (rows: number) => number, callers: number, rounds: number) => {
    const clock = fakeClock()
    let service = serviceMs
    let freeAt = 0
    const seen: number[] = []
    // One thing at a time, as a thread does.
    const serve = <T>(rows: number, value: T): Promise<T> =>
      new Promise((resolve) => {
        seen.push(rows)
        freeAt = Math.max(freeAt, clock.now()) + service(rows)
        clock.setTimeout(() => resolve(value), freeAt - clock.now())
      })
    const engine = { predict: (x: number) => serve(1, x), predictBatch: (rows: readonly number[]) => serve(rows.length, [...rows]) }
    const batching = microBatched({ maxSize: 32 })
    const predict = pipe(predictor<number, number>(engine, { clock, random: seededRandom(1) }), batching)
    const events = eventsOf(predict as Predictor<never, unknown>)
    const run = async (times: number): Promise<void> => {
      let left = times
      const done = Promise.all(Array.from({ length: callers }, async () => {
        while ((left -= 1) >= 0) await predict(1)
      }))
      let isDone = false
      void done.then(() => (isDone = true))
      while (!isDone) await clock.advance(10)
    }
    await run(rounds)
    return { batching, events, seen, run, change: (next: (rows: number) => number) => (service = next) }
  }

  test('microBatched goes out of the way of an engine that is no faster in batches, tells it once, and comes back when that changes', async () => {
    const { batching, events, seen, run, change } = await asked((rows) => 2 * rows, 8, 600)
    expect([batching.state.mode, batching.state.size, seen.at(-1)]).toEqual(['direct', 1, 1])
    expect(events.states.map(({ subject, from, to }) => [subject, from, to])).toEqual([['mode', 'batching', 'direct']])
    // It tries again now and then, silently.
    await run(3000)
    expect(events.states.length).toBe(1)
    expect(Math.max(...seen.slice(-2000))).toBeGreaterThan(1)
    change((rows) => 2 + 0.01 * rows)
    await run(6000)
    expect(batching.state.mode).toBe('batching')
    expect(events.states.map(({ from, to }) => [from, to])).toEqual([['batching', 'direct'], ['direct', 'batching']])
    expect(seen.at(-1)).toBeGreaterThan(1)
  })

  test('microBatched learns from each run while it tries again whether batching pays, also of a lone caller', async () => {
    const { batching, run } = await asked(() => 0.001, 1, 100)
    let batched = 0
    for (let call = 0; call < 3900; call += 1) {
      await run(1)
      if (batching.state.mode === 'batching') batched += 1
    }
    // Three trials, each of the 24 runs that make it sure, the last of which ends it.
    expect([batched, batching.state.mode]).toEqual([3 * 23, 'direct'])
  })

  test('microBatched keeps batching for an engine that is faster in batches', async () => {
    const { batching, events, seen } = await asked((rows) => 5 + 0.1 * rows, 8, 600)
    expect([batching.state.mode, events.states, seen.at(-9)]).toEqual(['batching', [], 8])
    expect(batching.state.fit?.fixedMs).toBeGreaterThan(3)
  })

  test('microBatched gives a notice when a single row takes longer than the objective', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ objectiveMs: 20 }))
    const { notices } = eventsOf(predict as Predictor<never, unknown>)
    model.delays(30, (x) => x)
    for (let call = 0; call < 30; call += 1) {
      fateOf(predict(call))
      await clock.advance(30)
    }
    expect(notices).toEqual([expect.stringMatching(/^The objective of 20 ms cannot be kept: a run of one row takes 30\.0 ms/)])
  })
})

describe('options', () => {
  test('microBatched refuses options that make no sense', () => {
    const bad: unknown[] = [null, { maxSize: 0 }, { maxSize: 1.5 }, { maxSize: Infinity }, { objectiveMs: 0 }, { objectiveMs: Number.NaN }, { maxDelayMs: -1 }, { maxDelayMs: Infinity }, { concurrency: 0 }, { maxQueue: 0 }, { maxQueue: Infinity }, { whenFull: 'x' }, { adaptive: 1 }, { fairBy: 'key' }, { groupBy: 1 }, { fixedSize: 0 }, { pad: 'repeat' }, { fixedSize: 2, pad: 'zero' }, { fixedSize: 2, maxSize: 2 }, { bisect: 'no' }, { budget: {} }, { copy: 1 }, { size: 3 }]
    for (const options of bad) expect(() => microBatched(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  test('microBatched describes itself, and its state before and after', async () => {
    const batching = microBatched({ maxSize: 8, objectiveMs: 50, maxDelayMs: 2, concurrency: 3 })
    expect(batching.state).toEqual({ mode: 'batching', size: 8, fit: undefined, waiting: 0, running: 0, runs: 0, rows: 0, bisections: 0 })
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, batching)
    expect(predict.describe().split('\n')[0]).toContain('micro-batched, up to 8 rows, p99 within 50 ms, after up to 2 ms, 3 runs at once')
    for (let x = 0; x < 5; x += 1) fateOf(predict(x))
    await clock.advance(2)
    expect(batching.state).toMatchObject({ waiting: 0, running: 3, runs: 3, rows: 5 })
    for (const run of model.arrivals) run.answer(...run.inputs)
    await clock.settle()
    expect(pipe(inner, microBatched({ fixedSize: 8 })).describe()).toContain('micro-batched, exactly 8 rows')
  })

  test('microBatched stands under a timeout that abandons a row, and goes on for the others', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched(always), timeout({ ms: 10 }))
    const late = fateOf(predict(1))
    await clock.advance(10)
    expect(late.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    const next = fateOf(predict(2))
    await clock.settle()
    expect(next.state).toBe('pending')
    model.arrivals[0]?.answer(1)
    await clock.settle()
    model.arrivals[1]?.answer(20)
    await clock.settle()
    expect(next.value).toBe(20)
  })
})
