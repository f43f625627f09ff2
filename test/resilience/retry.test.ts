import { circuitBreaker, fallback, layer, pipe, predictor, retry, RowFailure, seededRandom, timeout, type Predictor, type RetryOptions } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { extraWorkBudget } from 'outrigger/policy'
import { split } from 'outrigger/route'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { describe, expect, test, vi } from 'vitest'
import { eventsOf, fateOf, rig, turnstile } from './_rig.js'

/** A model that always fails, and the times at which it was asked. */
const failing = (options: RetryOptions, seed = 7): { readonly predict: Predictor<number, number>; readonly asked: number[]; readonly clock: FakeClock } => {
  const clock = fakeClock()
  const asked: number[] = []
  const model = (): number => {
    asked.push(clock.now())
    throw new Error(`failure ${asked.length}`)
  }
  return { predict: pipe(predictor(model, { clock, random: seededRandom(seed) }), retry(options)), asked, clock }
}

describe('attempts', () => {
  test('retry asks at most `retries` times more, and gives the last error', async () => {
    const { predict, asked, clock } = failing({ retries: 3, jitter: 'none' })
    const fate = fateOf(predict.detailed(1))
    await clock.advance(10_000)
    expect([asked.length, (fate.error as Error).message]).toEqual([4, 'failure 4'])
  })

  test('retry asks once when the first answer is good, and reads no clock', async () => {
    const { clock, model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, retry({ retries: 3 }))
    expect(await predict(0)).toBe(0)
    expect([model.arrivals.length, clock.reads, clock.timersSet]).toEqual([1, 0, 0])
  })

  test('retry counts every attempt in the record', async () => {
    const { clock, model, inner } = rig()
    const answer = pipe(inner, retry({ retries: 2 })).detailed(1)
    ;(await model.next()).fail(new Error('not yet'))
    await clock.advance(50)
    ;(await model.next()).answer(5)
    const { output, record } = await answer
    expect([output, record.attempts, record.outcome]).toEqual([5, 2, 'ok'])
  })

  for (const [what, thrown] of [
    ['a TypeError, which p-retry would refuse to retry', new TypeError('x is not a function')],
    ['a string', 'down'],
    ['undefined', undefined],
    ['an error named AbortError, which p-retry would take for its own', Object.assign(new Error('stop'), { name: 'AbortError' })],
  ] as const) {
    test(`retry retries ${what}`, async () => {
      const { model, inner } = rig()
      const predict = pipe(inner, retry({ retries: 1, minDelayMs: 0 }))
      const answer = predict(1)
      ;(await model.next()).fail(thrown)
      ;(await model.next()).answer(5)
      expect(await answer).toBe(5)

      const last = fateOf(predict(1))
      ;(await model.next()).fail(thrown)
      ;(await model.next()).fail(thrown)
      await new Promise((resolve) => setImmediate(resolve))
      if (thrown instanceof Error) expect(last.error).toBe(thrown)
      else expect(last.error).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_FAILED', cause: thrown })
    })
  }

  test('retry refuses options that make no sense', () => {
    for (const options of [{ retries: 0 }, { retries: 1.5 }, { retries: 1, minDelayMs: -1 }, { retries: 1, minDelayMs: 10, maxDelayMs: 5 }, { retries: 1, maxDelayMs: 2 ** 31 }, { retries: 1, factor: 0.5 }, { retries: 1, jitter: 'half' }, { retries: 1, retryIf: 1 }, { retries: 1, retryAfterMs: 5 }, { retries: 1, budget: {} }, {}]) {
      expect(() => retry(options as RetryOptions), `${JSON.stringify(options)}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('back-off', () => {
  test('retry without jitter waits min · factor^n, up to the longest wait', async () => {
    const { predict, asked, clock } = failing({ retries: 5, minDelayMs: 50, maxDelayMs: 300, factor: 2, jitter: 'none' })
    fateOf(predict(1))
    await clock.advance(10_000)
    expect(asked).toEqual([0, 50, 150, 350, 650, 950])
    expect(clock.pending).toBe(0)
  })

  test('retry with full jitter waits within the bounds, by the seed', async () => {
    const times = async (seed: number): Promise<number[]> => {
      const { predict, asked, clock } = failing({ retries: 5, minDelayMs: 50, maxDelayMs: 300 }, seed)
      fateOf(predict(1))
      await clock.advance(10_000)
      return asked
    }
    const first = await times(1)
    const waits = first.slice(1).map((at, index) => at - (first[index] as number))
    expect(waits).toHaveLength(5)
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual(0)
      expect(wait).toBeLessThan([50, 100, 200, 300, 300][index] as number)
    })
    expect(await times(1)).toEqual(first)
    expect(await times(2)).not.toEqual(first)
  })

  test('retry with decorrelated jitter waits between the first wait and three times the last one', async () => {
    const { predict, asked, clock } = failing({ retries: 20, minDelayMs: 50, maxDelayMs: 1000, jitter: 'decorrelated' })
    fateOf(predict(1))
    await clock.advance(100_000)
    const waits = asked.slice(1).map((at, index) => at - (asked[index] as number))
    expect(waits).toHaveLength(20)
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual(50 - 1e-6)
      expect(wait).toBeLessThanOrEqual(Math.min(1000, 3 * (waits[index - 1] ?? 50)) + 1e-6)
    })
    expect(Math.max(...waits)).toBeGreaterThan(300)
  })

  test('retry keeps the process alive while a caller waits for the next attempt', async () => {
    const { predict, clock } = failing({ retries: 1, jitter: 'none' })
    fateOf(predict(1))
    await clock.settle()
    expect(clock.holding).toBe(1)
  })
})

describe('leaving', () => {
  test('retry hands the signal to every attempt', async () => {
    const { clock, model, inner } = rig()
    const leaving = new AbortController()
    const fate = fateOf(pipe(inner, retry({ retries: 1, jitter: 'none' }))(1, { signal: leaving.signal }))
    ;(await model.next()).fail(new Error('not yet'))
    await clock.advance(50)
    const second = await model.next()
    expect(second.call.signal.aborted).toBe(false)
    leaving.abort()
    await clock.settle()
    expect([fate.code, second.call.signal.aborted]).toEqual(['ERR_OUTRIGGER_ABORTED', true])
  })

  test('retry ends a back-off at once when the caller leaves, without another attempt', async () => {
    const { predict, asked, clock } = failing({ retries: 3, minDelayMs: 1000, jitter: 'none' })
    const leaving = new AbortController()
    const fate = fateOf(predict(1, { signal: leaving.signal }))
    await clock.advance(10)
    leaving.abort()
    await clock.settle()
    expect([fate.code, clock.pending]).toEqual(['ERR_OUTRIGGER_ABORTED', 0])
    await clock.advance(10_000)
    expect(asked).toEqual([0])
    await predict.close()
  })

  test('retry makes no attempt after the caller has left, even when its filter would', async () => {
    const { clock, model, inner } = rig()
    const passed = turnstile()
    const predict = pipe(inner, passed, retry({ retries: 3, minDelayMs: 10, retryIf: () => true }))
    const [during, between] = [new AbortController(), new AbortController()]
    fateOf(predict(1, { signal: during.signal }))
    fateOf(predict(2, { signal: between.signal }))
    fateOf(predict.batch([3], { signal: during.signal }))
    await clock.settle()
    model.arrivals[1]?.fail(new Error('down'))
    await clock.settle()
    during.abort()
    between.abort()
    model.arrivals[0]?.fail(new Error('stopped'))
    model.arrivals[2]?.fail(new Error('stopped'))
    await clock.advance(1000)
    expect(passed.inputs).toEqual([1, 2, [3]])
  })

  test('retry does not begin a wait that the deadline would cut', async () => {
    const { predict, asked, clock } = failing({ retries: 5, minDelayMs: 50, jitter: 'none' })
    const fate = fateOf(predict(1, { timeoutMs: 160 }))
    await clock.advance(150)
    // The third wait would have ended at 350.
    expect([asked, (fate.error as Error).message]).toEqual([[0, 50, 150], 'failure 3'])
  })

  test('retry asks once for a call that is not idempotent', async () => {
    const { predict, asked, clock } = failing({ retries: 5 })
    const fate = fateOf(predict(1, { idempotent: false }))
    const rows = fateOf(predict.detailedBatch([1, 2], { idempotent: false }))
    await clock.advance(10_000)
    expect([asked.length, fate.state, rows.value?.map(({ ok }) => ok)]).toEqual([3, 'rejected', [false, false]])
  })
})

/** A model that fails with what it is given, in turn. */
const failingWith = (options: RetryOptions, ...errors: unknown[]): { readonly predict: Predictor<number, number>; readonly asked: number[]; readonly clock: FakeClock } => {
  const clock = fakeClock()
  const asked: number[] = []
  const model = (x: number): number => {
    asked.push(clock.now())
    if (asked.length <= errors.length) throw errors[asked.length - 1]
    return x
  }
  return { predict: pipe(predictor(model, { clock, random: seededRandom(7) }), retry(options)), asked, clock }
}

describe('Retry-After', () => {
  const saying = (fields: object): Error => Object.assign(new Error('later'), fields)

  test('retry waits for as long as the error asks, and its own wait on top, up to the longest wait', async () => {
    const { predict, asked, clock } = failingWith({ retries: 3, jitter: 'none', minDelayMs: 50 }, saying({ retryAfterMs: 500 }), saying({ headers: new Headers({ 'retry-after': '1' }) }), saying({ response: { headers: { 'retry-after': '1.95' } } }))
    const fate = fateOf(predict(1))
    await clock.advance(10_000)
    expect([asked, fate.value]).toEqual([[0, 550, 550 + 1100, 1650 + 2000], 1])
  })

  test('retry waits until the date that an error names', async () => {
    const { predict, asked, clock } = failingWith({ retries: 1, jitter: 'none', minDelayMs: 0 }, saying({ retryAfter: new Date(Date.UTC(2026, 0, 1) + 1000).toUTCString() }))
    fateOf(predict(1))
    await clock.advance(10_000)
    expect(asked).toEqual([0, 1000])
  })

  test('retry gives up at once, with the error, when it is asked to wait longer than its longest wait, or past the deadline', async () => {
    for (const [fields, call] of [[{ retryAfterMs: 2001 }, {}], [{ retryAfterMs: 1500 }, { timeoutMs: 1000 }]] as const) {
      const error = saying(fields)
      const { predict, asked, clock } = failingWith({ retries: 3 }, error)
      const fate = fateOf(predict(1, call))
      await clock.settle()
      expect([asked, fate.error, clock.holding]).toEqual([[0], error, 0])
    }
  })

  test('retry reads the wait by its own function, and goes on without when that throws or makes no sense', async () => {
    const own = failingWith({ retries: 1, jitter: 'none', retryAfterMs: (error) => (error as { wait: number }).wait }, saying({ wait: 700, retryAfterMs: 5000 }))
    fateOf(own.predict(1))
    await own.clock.advance(10_000)
    expect(own.asked).toEqual([0, 750])
    for (const retryAfterMs of [() => Number.NaN, () => -1, () => undefined, (): number => { throw new Error('broken') }]) {
      const { predict, asked, clock } = failingWith({ retries: 1, jitter: 'none', retryAfterMs }, new Error('down'))
      const { notices } = eventsOf(predict)
      const fate = fateOf(predict(1))
      await clock.advance(10_000)
      expect([asked, fate.value]).toEqual([[0, 50], 1])
      expect(new Set(notices)).toEqual(new Set(String(retryAfterMs).includes('throw') ? ['`retryAfterMs` threw; no wait was asked for.'] : []))
    }
  })

  test('retry of a batch waits for the longest of its rows, and leaves those that ask for too long', async () => {
    const { clock, model, inner } = rig<number | RowFailure>({ batches: true })
    const fate = fateOf(pipe(inner, retry({ retries: 1, minDelayMs: 0 })).detailedBatch([1, 2, 3]))
    ;(await model.next()).answer(new RowFailure(saying({ retryAfterMs: 300 })), new RowFailure(saying({ retryAfterMs: 9000 })), new RowFailure(saying({ retryAfterMs: 400 })))
    await clock.advance(399)
    expect(model.arrivals).toHaveLength(1)
    await clock.advance(1)
    const second = await model.next()
    expect(second.inputs).toEqual([1, 3])
    second.answer(10, 30)
    await clock.settle()
    expect(fate.value?.map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([10, 'later', 30])
  })
})

describe('the budget of extra work', () => {
  const empty = { ratio: 0, minimumPerSecond: 0, burst: 1 }

  test('retry asks the budget before each retry, and gives the last error when it refuses', async () => {
    const budget = extraWorkBudget(empty)
    const { predict, asked, clock } = failing({ retries: 5, minDelayMs: 10, jitter: 'none', budget })
    const fate = fateOf(predict.detailed(1))
    await clock.advance(10_000)
    expect([asked, (fate.error as Error).message, budget.counts]).toEqual([[0, 10], 'failure 2', { spent: 1, refused: 1, left: 0 }])
  })

  test('retry says in the record that the budget refused, and by an event when that begins and ends', async () => {
    const budget = extraWorkBudget({ ...empty, minimumPerSecond: 1 })
    const { predict, clock } = failing({ retries: 1, minDelayMs: 10, jitter: 'none', budget })
    const { states } = eventsOf(predict)
    const marks: (readonly string[])[] = []
    predict.observe((event) => event.type === 'prediction' && marks.push(event.record.marks))
    for (let call = 0; call < 3; call += 1) {
      fateOf(predict(1))
      await clock.advance(20)
    }
    // A retry now and then is not news, or there would be two events for each.
    for (const ms of [5000, 0, 5000, 10_000]) {
      await clock.advance(ms)
      fateOf(predict(1))
      await clock.advance(20)
    }
    expect(marks).toEqual([[], ['retry-refused'], ['retry-refused'], [], ['retry-refused'], [], []])
    expect(states.map(({ layer: name, from, to }) => [name, from, to])).toEqual([['retry', 'retrying', 'refusing'], ['retry', 'refusing', 'retrying']])
    expect(states[0]).toMatchObject({ subject: 'model', reason: 'the budget of extra work', data: { spent: 1, refused: 1 } })
  })

  test('retry tells the budget of every row, spends for every row, and reads no clock while all is well', async () => {
    const budget = extraWorkBudget({ ratio: 0.5, minimumPerSecond: 0, burst: 2 })
    const { clock, model, inner } = rig({ batches: true })
    model.answers((x) => x)
    const predict = pipe(inner, retry({ retries: 1, minDelayMs: 0, budget }))
    await predict(1)
    await predict.batch([1, 2, 3])
    expect(clock.reads).toBe(0)
    model.fails(new Error('down'))
    await expect(predict.batch([1, 2])).rejects.toThrow()
    expect(budget.counts).toEqual({ spent: 2, refused: 0, left: 0 })
    const rows = await predict.detailedBatch([1, 2])
    expect([budget.counts.refused, model.arrivals.length]).toEqual([2, 5])
    expect(rows.map(({ record }) => [record.marks, record.attempts])).toEqual([[['retry-refused'], 1], [['retry-refused'], 1]])
  })
})

describe('one owner', () => {
  const nested = (build: (again: () => Predictor<number, number>) => unknown): string[] => {
    const warned: string[] = []
    const spy = vi.spyOn(process, 'emitWarning').mockImplementation((_, options) => void warned.push((options as { code: string }).code))
    build(() => pipe((x: number) => x, timeout({ ms: 10 }), retry({ retries: 1 })))
    spy.mockRestore()
    return warned
  }
  const outer = retry({ retries: 1 })

  test('retry around a retry is warned of: in a borrowed predictor, in a variant, in a rung', () => {
    expect(nested((again) => pipe(again(), outer))).toEqual(['OUTRIGGER_ORDER_TWO_RETRIES'])
    expect(nested((again) => pipe(split({ variants: { a: again(), b: again() }, weights: { a: 0.5, b: 0.5 } }), outer))).toEqual(['OUTRIGGER_ORDER_TWO_RETRIES'])
    expect(nested((again) => pipe((x: number): number => x, fallback(again()), outer))).toContain('OUTRIGGER_ORDER_TWO_RETRIES')
  })

  test('retry beside a retry is not warned of: the rung of a fallback is another model', () => {
    expect(nested((again) => pipe((x: number) => x, retry({ retries: 1 }), fallback(again())))).toEqual([])
  })
})

describe('what is not retried', () => {
  test('retry does not retry what a breaker or a bulkhead rejects', async () => {
    const { clock, model, inner } = rig()
    model.fails(new Error('down'))
    const broken = pipe(inner, circuitBreaker({ minimumCalls: 1, windowSize: 1 }), retry({ retries: 3, jitter: 'none' }))
    const opened = fateOf(broken(1))
    await clock.advance(10_000)
    // The first attempt opens the breaker; the second is rejected, and that is the end.
    expect([model.arrivals.length, opened.code]).toEqual([1, 'ERR_OUTRIGGER_CIRCUIT_OPEN'])

    model.hangs()
    const full = pipe(inner, bulkhead({ concurrency: 1 }), retry({ retries: 3, jitter: 'none' }))
    fateOf(full(1))
    const second = fateOf(full(2))
    await clock.settle()
    expect([second.code, model.arrivals.length, clock.pending]).toEqual(['ERR_OUTRIGGER_BULKHEAD_FULL', 2, 0])
  })

  test('retry does not ask again for what says of itself that it will not pass', async () => {
    const { clock, model, inner } = rig()
    for (const [retryable, arrivals] of [[false, 1], [true, 3], [undefined, 3]] as const) {
      const before = model.arrivals.length
      model.fails(Object.assign(new Error('refused'), { retryable }))
      fateOf(pipe(inner, retry({ retries: 2, minDelayMs: 0 }))(1))
      await clock.advance(10)
      expect(model.arrivals.length - before).toBe(arrivals)
    }
  })

  test('retry takes its own filter, which sees the error of each attempt', async () => {
    const { clock, model, inner } = rig()
    const seen: unknown[] = []
    const predict = pipe(inner, retry({ retries: 5, minDelayMs: 0, retryIf: (error) => (seen.push((error as Error).message), (error as Error).message === 'again') }))
    const fate = fateOf(predict(1))
    ;(await model.next()).fail(new Error('again'))
    ;(await model.next()).fail(new Error('never'))
    await clock.settle()
    expect([seen, (fate.error as Error).message, model.arrivals.length]).toEqual([['again', 'never'], 'never', 2])
  })

  test('retry whose filter throws goes by its default, says so in a notice, and leaks no permit around it', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(new Error('down'))
    const predict = pipe(
      inner,
      retry({
        retries: 2,
        minDelayMs: 0,
        retryIf: () => {
          throw new TypeError('the filter is broken')
        },
      }),
      bulkhead({ concurrency: 1 }),
    )
    const { notices } = eventsOf(predict)
    for (let call = 0; call < 2; call += 1) await expect(predict(1)).rejects.toThrow('down')
    await expect(predict.batch([1])).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BATCH', cause: expect.objectContaining({ message: 'down' }) })
    expect(model.arrivals).toHaveLength(9)
    expect(new Set(notices)).toEqual(new Set(['`retryIf` threw; the default decided instead.']))
  })
})

describe('batches', () => {
  test('retry asks again only for the rows that failed, as one batch, and keeps their places', async () => {
    const { clock, model, inner } = rig<number | RowFailure>({ batches: true })
    const answer = pipe(inner, retry({ retries: 2, minDelayMs: 0 })).detailedBatch([10, 11, 12, 13])
    ;(await model.next()).answer(100, new RowFailure(new Error('a')), 102, new RowFailure(new Error('b')))
    const second = await model.next()
    expect(second.inputs).toEqual([11, 13])
    second.answer(new RowFailure(new Error('a again')), 103)
    const third = await model.next()
    expect(third.inputs).toEqual([11])
    third.answer(101)
    const rows = await answer
    expect(rows.map((row) => row.ok && row.output)).toEqual([100, 101, 102, 103])
    expect(rows.map(({ record }) => record.attempts)).toEqual([1, 3, 1, 2])
    expect(clock.timersSet).toBe(0)
  })

  test('retry leaves out rows whose deadline comes before the next attempt, and rows whose callers leave during the wait', async () => {
    const { clock, model, inner } = rig<number | RowFailure>({ batches: true })
    const due = layer<number, number | RowFailure>('due', {
      one: (next, input, call) => next(input, call),
      many: async (next, inputs, batch) => {
        if (batch.rows[0] !== undefined) batch.rows[0].deadline = 60
        return await next(inputs, batch)
      },
    })
    const leaving = new AbortController()
    const passed = turnstile()
    const fate = fateOf(pipe(inner, passed, retry({ retries: 1, minDelayMs: 100, jitter: 'none' }), due).detailedBatch([1, 2, 3], { signals: [undefined, leaving.signal, undefined] }))
    ;(await model.next()).fail(new Error('down'))
    await clock.advance(50)
    leaving.abort()
    await clock.advance(50)
    const second = await model.next()
    expect(passed.inputs).toEqual([[1, 2, 3], [3]])
    second.answer(30)
    await clock.settle()
    expect(fate.value?.map((row) => (row.ok ? row.output : (row.error as Error).name))).toEqual(['Error', 'AbortError', 30])
  })

  test('retry leaves each row the error of its last attempt', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const answer = pipe(inner, retry({ retries: 1, minDelayMs: 0 })).detailedBatch([1, 2])
    ;(await model.next()).fail(new Error('whole run'))
    ;(await model.next()).answer(5, new RowFailure(new Error('row')))
    expect((await answer).map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([5, 'row'])
  })

  test('retry does not ask again for rows whose callers have left', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const leaving = new AbortController()
    const passed = turnstile()
    const answer = pipe(inner, passed, retry({ retries: 1, minDelayMs: 0 })).detailedBatch([1, 2], { signals: [leaving.signal, undefined] })
    const first = await model.next()
    leaving.abort()
    first.fail(new Error('whole run'))
    const second = await model.next()
    expect(second.inputs).toEqual([2])
    second.answer(5)
    expect((await answer).map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual(['ERR_OUTRIGGER_ABORTED', 5])
    expect(passed.inputs).toEqual([[1, 2], [2]])
  })
})

test('retry asks again for 200 000 rows', async () => {
  const rows = new Array<number>(200_000).fill(1)
  let runs = 0
  const predictBatch = async (inputs: readonly number[]): Promise<readonly number[]> => {
    runs += 1
    if (runs === 1) throw new Error('down')
    return inputs
  }
  expect(await pipe({ predictBatch }, retry({ retries: 1, minDelayMs: 0 })).batch(rows)).toEqual(rows)
})
