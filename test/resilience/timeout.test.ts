import { layer, pipe, predictor, retry, timeout, type ModelBatchCall } from 'outrigger'
import type { Binding } from 'outrigger/core'
import { bulkhead } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { countedStream, fateOf, recordsOf, rig } from './_rig.js'

describe('the limit', () => {
  test('timeout rejects at its limit, and not before', async () => {
    const { clock, inner } = rig()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 }))(1))
    await clock.advance(99)
    expect(fate.state).toBe('pending')
    await clock.advance(1)
    expect(fate).toMatchObject({ state: 'rejected', code: 'ERR_OUTRIGGER_TIMEOUT', error: { name: 'TimeoutError', timeoutMs: 100 } })
  })

  test('timeout lets an answer, a failure and a falsy answer pass', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    model.answers(0)
    expect(await predict(1)).toBe(0)
    const error = new Error('down')
    model.fails(error)
    await expect(predict(1)).rejects.toBe(error)
  })

  test('timeout gives each call its own limit, however they are spread', async () => {
    const { clock, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    const fates = []
    for (let call = 0; call < 10; call += 1) {
      fates.push(fateOf(predict(call)))
      await clock.advance(7)
    }
    await clock.advance(30)
    for (let call = 0; call < 10; call += 1) {
      expect(fates.map(({ state }) => state === 'rejected')).toEqual(fates.map((_, index) => index <= call))
      await clock.advance(7)
    }
  })

  test('timeout gives a batch ms and msPerRow for each row', async () => {
    const { clock, inner } = rig({ batches: true })
    const fate = fateOf(pipe(inner, timeout({ ms: 10, msPerRow: 5 })).detailedBatch([1, 2, 3]))
    await clock.advance(24)
    expect(fate.state).toBe('pending')
    await clock.advance(1)
    expect(fate.value?.map((row) => !row.ok && row.error)).toEqual(new Array(3).fill(expect.objectContaining({ code: 'ERR_OUTRIGGER_TIMEOUT', timeoutMs: 25 })))
    expect(clock.holding).toBe(0)
  })

  test('timeout counts a batch that is late as one failure of all its rows, and lets one in time pass', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, timeout({ ms: 10 }))
    const late = fateOf(predict.batch([1, 2]))
    await clock.advance(10)
    expect(late).toMatchObject({ code: 'ERR_OUTRIGGER_BATCH', error: { failed: 2 } })
    model.answers((x) => x + 1)
    expect(await predict.batch([1, 2])).toEqual([2, 3])
  })

  test('timeout refuses limits that make no sense', () => {
    // A timer of Node that is longer than 2³¹ - 1 ms fires at once.
    for (const ms of [0, -1, Number.NaN, Infinity, 2 ** 31, '5' as never, undefined as never]) expect(() => timeout({ ms }), `${ms}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => timeout({ ms: 1, msPerRow: -1 })).toThrow(RangeError)
    expect(() => timeout({ ms: 1, msPerRows: 1 } as never)).toThrow(/msPerRows/)
  })
})

describe('what is abandoned', () => {
  test('timeout aborts what it abandons, with its own error as the reason', async () => {
    const { clock, model, inner } = rig()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 }))(1))
    const { call } = await model.next()
    expect(call.signal.aborted).toBe(false)
    await clock.advance(100)
    expect(call.signal.aborted).toBe(true)
    expect(call.signal.reason).toBe(fate.error)
  })

  test('timeout never aborts after success', async () => {
    const { clock, model, inner } = rig()
    const answer = pipe(inner, timeout({ ms: 100 }))(1)
    const arrival = await model.next()
    const { signal } = arrival.call
    arrival.answer(5)
    expect(await answer).toBe(5)
    await clock.advance(1000)
    expect(signal.aborted).toBe(false)
  })

  test('timeout takes its limit away from a call that failed', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    for (const batch of [false, true]) {
      const fate = fateOf<unknown>(batch ? predict.batch([1]) : predict(1))
      const arrival = await model.next()
      const { signal } = arrival.call
      arrival.fail(new Error('down'))
      await clock.settle()
      expect([fate.state, clock.holding]).toEqual(['rejected', 0])
      await clock.advance(1000)
      expect(signal.aborted).toBe(false)
    }
  })

  for (const [how, settle] of [
    ['answer', (arrival: { answer(x: number): void }) => arrival.answer(5)],
    ['rejection', (arrival: { fail(error: unknown): void }) => arrival.fail(new Error('late'))],
  ] as const) {
    test(`timeout is not changed by a late ${how}`, async () => {
      const unhandled: unknown[] = []
      const listener = (error: unknown): void => void unhandled.push(error)
      process.on('unhandledRejection', listener)
      const { clock, model, inner } = rig()
      const predict = pipe(inner, timeout({ ms: 100 }))
      const records = recordsOf(predict)
      const fate = fateOf(predict(1))
      const arrival = await model.next()
      await clock.advance(100)
      settle(arrival as never)
      await clock.advance(1000)
      process.off('unhandledRejection', listener)
      expect(unhandled).toEqual([])
      expect(fate.code).toBe('ERR_OUTRIGGER_TIMEOUT')
      expect(records).toHaveLength(1)
      expect(records[0]).toMatchObject({ outcome: 'timeout', source: undefined, attempts: 1, error: { code: 'ERR_OUTRIGGER_TIMEOUT' }, durations: { totalMs: 100 } })
    })
  }

  test('timeout holds the leases of a call until the abandoned work has ended', async () => {
    const { clock, model, inner } = rig()
    let held = 0
    const binding: Binding = { owner: {}, identity: inner.identity, retain: () => void (held += 1), release: () => void (held -= 1) }
    const predict = pipe(
      inner,
      layer<number, number>('lease', {
        one: async (next, input, call) => await next(input, call),
        bind: (call) => {
          binding.retain()
          call.bindTo(binding)
        },
      }),
      timeout({ ms: 100 }),
    )
    const fate = fateOf(predict(1))
    const arrival = await model.next()
    await clock.advance(100)
    expect([fate.state, held]).toEqual(['rejected', 1])
    arrival.answer(1)
    await clock.settle()
    expect(held).toBe(0)
  })

  test('timeout ends a stream that comes too late, so that what it holds farther in is given back', async () => {
    const { clock, model, inner } = rig<AsyncIterable<number>>()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 }))(1))
    const arrival = await model.next()
    await clock.advance(100)
    const { stream, ended } = countedStream()
    arrival.answer(stream)
    await clock.settle()
    expect([fate.state, ended()]).toEqual(['rejected', true])
  })

  test('timeout does not abort a stream that is being read', async () => {
    const { clock, model, inner } = rig<AsyncIterable<number>>()
    const answer = pipe(inner, timeout({ ms: 100 }))(1)
    const arrival = await model.next()
    const { signal } = arrival.call
    arrival.answer(countedStream().stream)
    const read: number[] = []
    for await (const part of await answer) {
      read.push(part)
      await clock.advance(1000)
    }
    expect([read, signal.aborted]).toEqual([[1, 2], false])
  })
})

describe('its timer', () => {
  test('timeout uses one timer for many calls', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    model.answers(1)
    for (let call = 0; call < 1000; call += 1) await predict(call)
    const together = Array.from({ length: 1000 }, (_, call) => predict(call))
    expect([clock.timersSet, clock.pending]).toEqual([1, 1])
    await Promise.all(together)
  })

  test('timeout keeps the process alive while a limit is pending, and only then', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    expect(clock.pending).toBe(0)
    for (let round = 0; round < 2; round += 1) {
      const [first, second] = [predict(1), predict(2)]
      expect(clock.holding).toBe(1)
      ;(await model.next()).answer(1)
      await first
      expect(clock.holding).toBe(1)
      ;(await model.next()).answer(1)
      await second
      expect(clock.holding).toBe(0)
    }
  })

  test('timeout still uses one timer when something calls it while it expires others', async () => {
    const clock = fakeClock()
    let again = 0
    const predict = pipe(
      predictor(
        (_: number, call) => {
          call.signal.addEventListener('abort', () => {
            if (again++ < 5) predict(1).catch(() => {})
          })
          return new Promise<number>(() => {})
        },
        { clock },
      ),
      timeout({ ms: 100 }),
    )
    predict(1).catch(() => {})
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(100)
      expect(clock.pending).toBe(1)
    }
  })

  test('timeout leaves no timer behind when it is closed', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    model.answers(1)
    await predict(1)
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('timeout that is closed over a call that hangs rejects it at its limit all the same', async () => {
    const { clock, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }))
    const fate = fateOf(predict(1))
    const closed = fateOf(predict.close({ deadlineMs: 10 }))
    await clock.advance(10)
    expect(closed.code).toBe('ERR_OUTRIGGER_CLOSE_TIMEOUT')
    await clock.advance(90)
    expect([fate.code, clock.pending]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 0])
  })
})

describe('in company', () => {
  for (const [which, inside, outside, limit] of [
    ['inner', 50, 100, 50],
    ['outer', 100, 50, 50],
  ] as const) {
    test(`timeout in a timeout: the ${which} one is shorter, and decides`, async () => {
      const { clock, model, inner } = rig()
      const predict = pipe(inner, timeout({ ms: inside }), timeout({ ms: outside }))
      const records = recordsOf(predict)
      const fate = fateOf(predict(1))
      const arrival = await model.next()
      expect(arrival.call.deadline).toBe(limit)
      await clock.advance(limit)
      expect(fate.error).toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT', timeoutMs: limit })
      expect(arrival.call.signal.aborted).toBe(true)
      arrival.fail(new Error('late'))
      await clock.advance(1000)
      expect(records.map(({ outcome }) => outcome)).toEqual(['timeout'])
      expect(clock.holding).toBe(0)
    })
  }

  test('timeout inside of retry gives every attempt a limit and a signal of its own', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }), retry({ retries: 2, minDelayMs: 10, jitter: 'none' }))
    const answer = predict.detailed(1)
    const first = await model.next()
    await clock.advance(100)
    expect(first.call.signal.aborted).toBe(true)
    await clock.advance(10)
    const second = await model.next()
    expect([second.call.signal.aborted, second.call.signal === first.call.signal, second.call.deadline]).toEqual([false, false, 210])
    first.answer(1)
    await clock.settle()
    second.answer(2)
    const { output, record } = await answer
    expect([output, record.attempts, second.call.signal.aborted]).toEqual([2, 2, false])
  })

  test("timeout passes the caller's abort on to the model", async () => {
    const { clock, model, inner } = rig()
    const leaving = new AbortController()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 }))(1, { signal: leaving.signal }))
    const { call } = await model.next()
    leaving.abort('gone')
    await clock.settle()
    expect([fate.code, call.signal.aborted]).toEqual(['ERR_OUTRIGGER_ABORTED', true])
  })
})

/** Gives calls a deadline that nobody else watches, as shared work has. */
const due = (at: number) =>
  layer<number, number>('due', {
    one: async (next, input, call) => {
      call.deadline = at
      return await next(input, call)
    },
    many: async (next, inputs, batch) => {
      for (const call of batch.rows) call.deadline = at
      return await next(inputs, batch)
    },
  })

describe('the deadline of a call', () => {
  for (const [name, msPerRow] of [['timeout', 0], ['timeout with msPerRow', 1]] as const) {
    test(`${name} takes the deadline of a call for its limit when that is nearer, for calls and batches`, async () => {
      const { clock, model, inner } = rig({ batches: true })
      const predict = pipe(inner, timeout({ ms: 100, msPerRow }), due(30))
      const [call, batch] = [fateOf(predict(1)), fateOf(predict.detailedBatch([1, 2]))]
      const [first, second] = [await model.next(), await model.next()]
      expect([first.call.deadline, first.call.remainingMs(), second.call.deadline]).toEqual([30, 30, 30])
      await clock.advance(29)
      expect([call.state, batch.state, first.call.signal.aborted]).toEqual(['pending', 'pending', false])
      await clock.advance(1)
      expect([call.code, first.call.signal.aborted, second.call.signal.aborted]).toEqual(['ERR_OUTRIGGER_TIMEOUT', true, true])
      expect(batch.value?.map((row) => !row.ok && (row.error as { code: string }).code)).toEqual(['ERR_OUTRIGGER_TIMEOUT', 'ERR_OUTRIGGER_TIMEOUT'])
      expect(clock.holding).toBe(0)
    })
  }

  test('timeout takes its timer away from a call with a nearer deadline that ends in time', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, timeout({ ms: 100 }), due(30))
    expect([await predict(1), await predict.batch([2, 3])]).toEqual([1, [2, 3]])
    expect(clock.holding).toBe(0)
    model.fails(new Error('down'))
    await expect(predict(1)).rejects.toThrow('down')
    expect(clock.holding).toBe(0)
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('timeout asks no model when no time is left', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, timeout({ ms: 100 }), due(30))
    await clock.advance(30)
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT', timeoutMs: 0 })
    expect(await predict.detailedBatch([1])).toMatchObject([{ ok: false, error: { code: 'ERR_OUTRIGGER_TIMEOUT' } }])
    expect([model.arrivals.length, clock.holding]).toEqual([0, 0])
  })

  test('timeout inside of a retry leaves each attempt the less of its own limit and of what is left of the deadline', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, timeout({ ms: 100 }), retry({ retries: 5, minDelayMs: 10, jitter: 'none' }))
    const fate = fateOf(predict(1, { timeoutMs: 250 }))
    const left: number[] = []
    for (let attempt = 0; attempt < 3; attempt += 1) {
      left.push((await model.next()).call.remainingMs())
      await clock.advance(100 + 10 * 2 ** attempt)
    }
    expect(left).toEqual([100, 100, 20])
    expect([fate.code, model.arrivals.length, clock.holding]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 3, 0])
  })

  test('timeout goes by its own limit when the deadline of a call is later', async () => {
    const { clock, inner } = rig()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 }))(1, { timeoutMs: 500 }))
    await clock.advance(100)
    expect([fate.code, (fate.error as { timeoutMs: number }).timeoutMs, clock.holding]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 100, 0])
  })

  test('timeout lets a row whose caller leaves go, and the others have their time', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const leaving = new AbortController()
    const fate = fateOf(pipe(inner, timeout({ ms: 100 })).detailedBatch([1, 2], { signals: [leaving.signal, undefined] }))
    const arrival = await model.next()
    leaving.abort()
    expect(arrival.call.signal.aborted).toBe(false)
    await clock.advance(100)
    expect(fate.value?.map((row) => !row.ok && (row.error as { code: string }).code)).toEqual(['ERR_OUTRIGGER_ABORTED', 'ERR_OUTRIGGER_TIMEOUT'])
    expect(arrival.call.signal.aborted).toBe(true)
  })
})

describe('grace', () => {
  const stopping = (options: { readonly graceMs: number }, stops: (signal: AbortSignal) => Promise<number>) => {
    const clock = fakeClock()
    const model = { predict: (_: number, call: { signal: AbortSignal }) => stops(call.signal), predictBatch: async (rows: readonly number[], call: { signal: AbortSignal }) => { const value = await stops(call.signal); return rows.map(() => value) } }
    return { clock, predict: pipe(predictor(model, { clock }), timeout({ ms: 100, ...options })) }
  }
  const onAbort = (signal: AbortSignal, then: () => void): void => signal.addEventListener('abort', then, { once: true })

  test('timeout with a grace gives what a model answers when it is told to stop', async () => {
    const { clock, predict } = stopping({ graceMs: 50 }, (signal) => new Promise((resolve) => onAbort(signal, () => resolve(7))))
    const [call, batch] = [fateOf(predict.detailed(1)), fateOf(predict.batch([1, 2]))]
    await clock.advance(99)
    expect([call.state, batch.state]).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect([call.value?.output, call.value?.record.attempts, batch.value, clock.holding]).toEqual([7, 1, [7, 7], 0])
  })

  test('timeout with a grace rejects with its own error when the model stops, in whatever words', async () => {
    const { clock, predict } = stopping({ graceMs: 50 }, (signal) => new Promise((_, reject) => onAbort(signal, () => reject(new Error('stopped')))))
    const [call, batch] = [fateOf(predict(1)), fateOf(predict.detailedBatch([1, 2]))]
    await clock.advance(100)
    expect([call.code, clock.holding]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 0])
    expect(batch.value?.map((row) => !row.ok && (row.error as { code: string }).code)).toEqual(['ERR_OUTRIGGER_TIMEOUT', 'ERR_OUTRIGGER_TIMEOUT'])
  })

  test('timeout rejects at the end of the grace when the model does not stop', async () => {
    const { clock, predict } = stopping({ graceMs: 50 }, () => new Promise(() => {}))
    const [call, batch] = [fateOf(predict(1)), fateOf(predict.detailedBatch([1]))]
    await clock.advance(149)
    expect([call.state, batch.state, clock.holding]).toEqual(['pending', 'pending', 2])
    await clock.advance(1)
    expect([call.code, batch.value?.[0]?.ok, clock.holding]).toEqual(['ERR_OUTRIGGER_TIMEOUT', false, 0])
  })

  test('timeout with a grace without end waits for the model, and spoils the limits of no other call', async () => {
    const asked: { readonly signal: AbortSignal; readonly stop: (value: number) => void }[] = []
    const { clock, predict } = stopping({ graceMs: Infinity }, (signal) => new Promise((resolve) => asked.push({ signal, stop: resolve })))
    const first = fateOf(predict(1))
    await clock.advance(1_000_000)
    expect([first.state, asked[0]?.signal.aborted]).toEqual(['pending', true])
    const second = fateOf(predict(2))
    asked[0]?.stop(7)
    await clock.advance(99)
    expect([first.value, asked[1]?.signal.aborted, clock.holding]).toEqual([7, false, 1])
    await clock.advance(1)
    expect([second.state, asked[1]?.signal.aborted]).toEqual(['pending', true])
    asked[1]?.stop(8)
    await clock.settle()
    expect([second.value, clock.holding]).toEqual([8, 0])
  })

  test('timeout gives no grace that the deadline of the call does not leave', async () => {
    const { clock, model, inner } = rig()
    const fate = fateOf(pipe(inner, timeout({ ms: 100, graceMs: 50 }), due(120))(1))
    const arrival = await model.next()
    await clock.advance(100)
    expect([fate.state, arrival.call.signal.aborted]).toEqual(['pending', true])
    await clock.advance(20)
    expect(fate.code).toBe('ERR_OUTRIGGER_TIMEOUT')
  })

  test('timeout takes no stream that begins in the grace', async () => {
    const { clock, model, inner } = rig<AsyncIterable<number>>()
    const fate = fateOf(pipe(inner, timeout({ ms: 100, graceMs: 50 }))(1))
    const arrival = await model.next()
    await clock.advance(110)
    const { stream, ended } = countedStream()
    arrival.answer(stream)
    await clock.settle()
    expect([fate.code, ended()]).toEqual(['ERR_OUTRIGGER_TIMEOUT', true])
  })
})

describe('streams of a batch', () => {
  test('timeout ends the streams of a batch that begin too late, and what is inside of it gets its permit back', async () => {
    const clock = fakeClock()
    const streams = [countedStream(), countedStream()]
    const predictBatch = (): Promise<AsyncGenerator<number>[]> => new Promise((resolve) => void clock.setTimeout(() => resolve(streams.map(({ stream }) => stream)), 50))
    const predict = pipe(predictor({ predictBatch }, { clock }), bulkhead({ concurrency: 1 }), timeout({ ms: 10 }))
    const late = fateOf(predict.batch([1, 2]))
    await clock.advance(50)
    expect(late).toMatchObject({ code: 'ERR_OUTRIGGER_BATCH', error: { failed: 2 } })
    expect(streams.map(({ ended }) => ended())).toEqual([true, true])
    const next = fateOf(predict.batch([1, 2]))
    await clock.advance(0)
    expect(next.state).toBe('pending')
  })

  test('timeout takes a late stream of a batch for late within the grace too, and lets other rows pass', async () => {
    const clock = fakeClock()
    const { stream, ended } = countedStream()
    const predictBatch = (): Promise<(AsyncGenerator<number> | number)[]> => new Promise((resolve) => void clock.setTimeout(() => resolve([stream, 2]), 15))
    const fate = fateOf(pipe(predictor({ predictBatch }, { clock }), timeout({ ms: 10, graceMs: 10 })).detailedBatch([1, 2]))
    await clock.advance(15)
    expect(fate.value).toMatchObject([{ ok: false, error: { code: 'ERR_OUTRIGGER_TIMEOUT' } }, { ok: true, output: 2 }])
    expect(ended()).toBe(true)
  })

  test('timeout leaves the streams of a batch to be aborted by their caller until they end', async () => {
    const signals: AbortSignal[] = []
    const predictBatch = async (rows: readonly number[], { rows: calls }: ModelBatchCall): Promise<AsyncGenerator<number>[]> => {
      signals.push(...calls.map(({ signal }) => signal))
      return rows.map(() => countedStream().stream)
    }
    const leaving = new AbortController()
    const [first] = await pipe({ predictBatch }, timeout({ ms: 10_000 })).batch([1, 2], { signal: leaving.signal })
    await first?.return(undefined)
    leaving.abort()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
  })
})
