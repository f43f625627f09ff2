import { layer, pipe, predictor, retry, timeout } from 'outrigger'
import type { Binding } from 'outrigger/core'
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
