import { circuitBreaker, fallback, layer, owned, pipe, predictor, RowFailure, timeout, type Predictor } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { breakerControl, type BreakerControl } from 'outrigger/resilience'
import { mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { eventsOf, fateOf, recordsOf, rig, turnstile } from './_rig.js'

const down = new Error('down')

describe('rungs', () => {
  for (const [kind, rung] of [
    ['a function', (x: number) => -x],
    ['an asynchronous function', async (x: number) => -x],
    ['an object with predict', { predict: (x: number) => -x }],
    ['an object with predictBatch', { predictBatch: (xs: readonly number[]) => xs.map((x) => -x) }],
    ['a predictor', predictor((x: number) => -x, { name: 'rule' })],
    ['options', { use: (x: number) => -x, name: 'rule' }],
  ] as const) {
    test(`fallback answers by ${kind}, for a call and for a batch`, async () => {
      const { model, inner } = rig()
      model.fails(down)
      const predict = pipe(inner, fallback(rung as (x: number) => number))
      expect(await predict(3)).toBe(-3)
      expect(await predict.batch([1, 2])).toEqual([-1, -2])
    })
  }

  test('fallback is not asked when the model answers, also with a falsy answer', async () => {
    const { model, inner } = rig<number | null | undefined | boolean>()
    const rung = mockModel<number, number>().answers(-1)
    const predict = pipe(inner, fallback(rung))
    for (const value of [0, Number.NaN, null, undefined, false]) {
      model.answers(value)
      expect(await predict(1)).toBe(value)
    }
    expect(rung.arrivals).toHaveLength(0)
  })

  test('fallback marks the answer: source, rung, and the identity of who answered', async () => {
    const { model, inner } = rig()
    model.fails(down)
    const rule = predictor((x: number) => -x, { name: 'rule', version: '7', digest: 'abc' })
    const records: [unknown, unknown, unknown][] = []
    for (const rung of [rule, { use: rule, name: 'plan b' }, { use: (x: number) => -x, name: 'inline' }]) {
      const { record } = await pipe(inner, fallback(rung as Predictor<number, number>)).detailed(1)
      expect([record.source, record.outcome, record.attempts]).toEqual(['fallback', 'ok', 2])
      records.push([record.rung, record.identity.name, record.identity.version])
    }
    expect(records).toEqual([
      [{ index: 1, name: 'rule' }, 'rule', '7'],
      [{ index: 1, name: 'plan b' }, 'rule', '7'],
      [{ index: 1, name: 'inline' }, 'inline', '0'],
    ])
    model.answers(5)
    const { record } = await pipe(inner, fallback(rule)).detailed(1)
    expect([record.source, record.rung]).toEqual(['model', undefined])
  })

  test('fallback marks an answer that its rung had in a cache as one of the fallback', async () => {
    const { model, inner } = rig()
    model.fails(down)
    const predict = pipe(inner, fallback(pipe(predictor((x: number) => -x), cached())))
    await predict(1)
    expect((await predict.detailed(1)).record).toMatchObject({ source: 'fallback', rung: { index: 1 } })
  })

  test('fallback asks its rungs in order, each only when the one before failed', async () => {
    const { model, inner } = rig()
    model.fails(down)
    const asked: string[] = []
    const rung = (name: string, fails: boolean) => (x: number): string => {
      asked.push(`${name} ${x}`)
      if (fails) throw new Error(name)
      return name
    }
    const { output, record } = await pipe(inner, fallback(rung('a', true), rung('b', true), rung('c', false), rung('d', false))).detailed(1)
    expect([output, record.rung?.index, asked, record.attempts]).toEqual(['c', 3, ['a 1', 'b 1', 'c 1'], 4])
  })

  test('fallback refuses what is no rung', () => {
    expect(() => (fallback as () => unknown)()).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    for (const rung of [{ use: () => 1, named: 'x' }, { use: () => 1, when: true }, { use: () => 1, name: '' }, { use: () => 1, when: [] as unknown[], input: 5 }, { use: () => 1, when: [5] }, { use: () => 1, timeoutMs: '5' }]) expect(() => fallback(rung as never)).toThrow(TypeError)
    for (const rung of [{}, 5, null, { use: 5 }]) expect(() => pipe(() => 1, fallback(rung as never)), `${String(rung)}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('when', () => {
  test('fallback asks each rung whether it wants the error: the model\'s, then that of the rung before', async () => {
    const { model, inner } = rig()
    model.fails(down)
    const seen: string[] = []
    const predict = pipe(
      inner,
      fallback(
        { use: () => 'no', when: (error) => (seen.push(`1 ${(error as Error).message}`), false) },
        {
          use: (): string => {
            throw new Error('second')
          },
          when: (error) => (seen.push(`2 ${(error as Error).message}`), true),
        },
        { use: () => 'third', when: (error) => (seen.push(`3 ${(error as Error).message}`), true) },
      ),
    )
    expect(await predict(1)).toBe('third')
    expect(seen).toEqual(['1 down', '2 down', '3 second'])
  })

  test('fallback lets an error pass as it is when no rung wants it', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const predict = pipe(inner, fallback({ use: () => 1, when: () => false }))
    await expect(predict(1)).rejects.toBe(down)
    expect(await predict.detailedBatch([1])).toMatchObject([{ ok: false, error: down }])
  })

  test('fallback whose `when` throws goes by its default, says so, and does not hang a batch', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const predict = pipe(
      inner,
      fallback({
        use: () => -1,
        when: () => {
          throw new Error('the condition is broken')
        },
      }),
      timeout({ ms: 100 }),
    )
    const { notices } = eventsOf(predict)
    expect([await predict(1), await predict.batch([1, 2])]).toEqual([-1, [-1, -1]])
    expect(new Set(notices)).toEqual(new Set(['`when` threw; the default decided instead.']))
  })
})

describe('when by kind', () => {
  const coded = (code: string): Error => Object.assign(new Error(code), { code })

  test('fallback asks a rung for the outcomes and the codes that it names, and for no others', async () => {
    for (const [error, rung] of [[coded('ERR_OUTRIGGER_TIMEOUT'), 1], [coded('ERR_OUTRIGGER_BULKHEAD_FULL'), 2], [coded('ECONNRESET'), 3], [coded('EPIPE'), undefined], [new Error('no code'), undefined]] as const) {
      const { model, inner } = rig({ batches: true })
      model.fails(error)
      const predict = pipe(inner, fallback({ use: () => 1, when: ['timeout'] }, { use: () => 2, when: ['rejected', 'ERR_OUTRIGGER_MODEL_FAILED'] }, { use: () => 3, when: ['ECONNRESET', 'ENOTFOUND'] }))
      if (rung === undefined) await expect(predict(1)).rejects.toBe(error)
      else expect([await predict(1), await predict.batch([1])]).toEqual([rung, [rung]])
    }
  })

  test('fallback reads the codes of what is no Error too', async () => {
    const thrown = layer<number, number>('thrown', { one: async () => { throw { code: 'E_ODD' } }, many: async (_next, inputs) => inputs.map(() => new RowFailure({ code: 'E_ODD' })) })
    const predict = pipe((x: number) => x, thrown, fallback({ use: () => 7, when: ['ERR_OUTRIGGER_MODEL_FAILED', 'E_ODD'] }))
    expect([await predict(1), await predict.batch([1])]).toEqual([7, [7]])
  })
})

describe('parameters of a rung', () => {
  test('fallback gives each rung the input that it asks for, made from the input and the error, for calls and batches', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const small = mockModel<string, number>({ batches: true }).answers((text) => text.length)
    const predict = pipe(inner, fallback({ use: small, input: (x: number, error) => `${x} ${(error as Error).message}` }))
    expect([await predict(12), await predict.batch([1, 123])]).toEqual([7, [6, 8]])
    expect(small.arrivals.map(({ inputs }) => inputs)).toEqual([['12 down'], ['1 down', '123 down']])
  })

  test('fallback binds a rung by the input of the rung', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const bound: string[] = []
    const rung = pipe((text: string) => text.length, layer<string, number>('binds', { one: (next, input, call) => next(input, call), bind: (_call, input) => void bound.push(input) }))
    const predict = pipe(inner, fallback({ use: rung, input: (x: number) => `x${x}` }))
    expect([await predict(1), await predict.batch([2])]).toEqual([2, [2]])
    expect(bound).toEqual(['x1', 'x2'])
  })

  test('fallback whose rung cannot be given an input goes on to the next, row by row, with all errors', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const odd = new Error('odd')
    const picky = { use: (x: number) => -x, input: (x: number) => { if (x % 2 === 1) throw odd; return x } }
    const predict = pipe(inner, fallback(picky, (x: number) => x * 100))
    const records = recordsOf(predict)
    expect([await predict(1), await predict(2), await predict.batch([1, 2])]).toEqual([100, -2, [100, -2]])
    expect(records.map(({ marks }) => marks)).toEqual([['rung-1-failed'], [], ['rung-1-failed'], []])
    await expect(pipe(inner, fallback(picky))(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_FALLBACK_EXHAUSTED', cause: down, errors: [down, odd] })
  })

  test('fallback gives a rung its own time, and goes on to the next when that has passed', async () => {
    const { clock, model, inner } = rig({ batches: true })
    model.fails(down)
    const slow = mockModel<number, number>({ batches: true })
    const predict = pipe(inner, fallback({ use: slow, timeoutMs: 50, name: 'slow' }, { use: (x: number) => -x, when: ['timeout'] }))
    const records = recordsOf(predict)
    const [call, batch] = [fateOf(predict(1)), fateOf(predict.batch([2, 3]))]
    const arrival = await slow.next()
    expect(arrival.call.deadline).toBe(50)
    await clock.advance(50)
    expect([call.value, batch.value, arrival.call.signal.aborted, clock.holding]).toEqual([-1, [-2, -3], true, 0])
    expect(records[0]).toMatchObject({ rung: { index: 2 }, marks: ['rung-1-failed'], attempts: 3 })
    slow.answers((x) => x)
    expect((await predict.detailed(5)).record).toMatchObject({ rung: { index: 1, name: 'slow' }, source: 'fallback' })
    expect(predict.describe()).toMatch(/rung 1: timeout 50 ms/)
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('fallback leaves a rung no more time than its caller has', async () => {
    const { clock, model, inner } = rig()
    model.fails(down)
    const slow = mockModel<number, number>()
    const fate = fateOf(pipe(inner, fallback({ use: slow, timeoutMs: 500 }))(1, { timeoutMs: 100 }))
    expect((await slow.next()).call.remainingMs()).toBe(100)
    await clock.advance(100)
    expect([fate.code, clock.holding]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 0])
  })
})

describe('the last resort', () => {
  const asked = (seen: [string, boolean][], name: string, fails = true) =>
    pipe(
      (x: number): number => {
        if (fails) throw down
        return x
      },
      timeout({ ms: 100 }),
      layer<number, number>(name, {
        one: (next, input, call) => (seen.push([name, call.isLastResort]), next(input, call)),
        many: (next, inputs, batch) => (seen.push(...batch.rows.map(({ isLastResort }): [string, boolean] => [name, isLastResort])), next(inputs, batch)),
      }),
      timeout({ ms: 100 }),
    )

  test('fallback tells what is inside of its last rung that nobody is left after it, and nobody else', async () => {
    const seen: [string, boolean][] = []
    const predict = pipe(asked(seen, 'model'), fallback(asked(seen, 'first'), asked(seen, 'last', false)))
    expect([await predict(1), await predict.batch([1])]).toEqual([1, [1]])
    expect(seen).toEqual([['model', false], ['first', false], ['last', true], ['model', false], ['first', false], ['last', true]])
  })

  test('fallback takes back that a call was the last resort when its rung failed', async () => {
    const seen: [string, boolean][] = []
    const predict = pipe(asked(seen, 'model'), fallback(asked(seen, 'inner')), fallback({ use: asked(seen, 'outer', false), lastResort: false }))
    await predict(1)
    await predict.batch([1])
    expect(seen).toEqual([['model', false], ['inner', true], ['outer', false], ['model', false], ['inner', true], ['outer', false]])
  })
})

describe('the last resort and its circuit breaker', () => {
  const quick = { minimumCalls: 1, windowSize: 1, confidence: 0, openForMs: 1000, jitter: 0 } as const
  const chain = (control?: BreakerControl) => {
    const { clock, model, inner } = rig({ batches: true })
    model.fails(down)
    const small = mockModel<number, number>({ batches: true })
    const breaker = circuitBreaker({ ...quick, ...(control === undefined ? {} : { control }) })
    const rung = pipe(predictor(small, { name: 'small', clock }), timeout({ ms: 100 }), breaker)
    return { clock, small, breaker, rung, inner }
  }

  test('fallback asks its last rung although the breaker there is open, for calls and batches, and the breaker learns nothing of it', async () => {
    const { clock, small, breaker, rung, inner } = chain()
    small.fails(down)
    await expect(rung(0)).rejects.toBe(down)
    expect(breaker.state).toBe('open')
    const predict = pipe(inner, fallback(rung))
    small.answers((x) => -x)
    expect([await predict(1), await predict.batch([2, 3])]).toEqual([-1, [-2, -3]])
    await expect(rung(0)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
    expect(breaker.state).toBe('open')
    // It comes back as ever.
    await clock.advance(1000)
    expect([await rung(4), breaker.state]).toEqual([-4, 'closed'])
  })

  test('fallback leaves the breaker the last word in other rungs, with `lastResort: false`, and where it was isolated by hand', async () => {
    const { small, rung, inner } = chain()
    small.fails(down)
    await expect(rung(0)).rejects.toBe(down)
    small.answers((x) => -x)
    expect([await pipe(inner, fallback(rung, () => 7))(1), await pipe(inner, fallback(rung, () => 7)).batch([1])]).toEqual([7, [7]])
    await expect(pipe(inner, fallback({ use: rung, lastResort: false }))(1)).rejects.toMatchObject({ errors: [down, { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' }] })
    expect(await pipe(inner, fallback({ use: rung, lastResort: true }, () => 7))(1)).toBe(-1)

    const control = breakerControl()
    const isolated = chain(control)
    isolated.small.answers((x) => -x)
    control.isolate('maintenance')
    await expect(pipe(isolated.inner, fallback(isolated.rung))(1)).rejects.toMatchObject({ errors: [down, { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' }] })
  })
})

describe('exhausted', () => {
  const fails = (message: string) => (): number => {
    throw new Error(message)
  }

  test('fallback gives all errors in order, and the model\'s own as the cause', async () => {
    const { model, inner } = rig({ batches: true })
    model.fails(down)
    const predict = pipe(inner, fallback(fails('a'), { use: fails('never'), when: () => false }, fails('b')))
    const records = recordsOf(predict)
    const error = (await predict(1).catch((thrown: unknown) => thrown)) as { code: string; cause: unknown; errors: Error[]; message: string }
    expect(error).toMatchObject({ code: 'ERR_OUTRIGGER_FALLBACK_EXHAUSTED', name: 'FallbackExhaustedError', cause: down })
    expect(error.errors.map(({ message }) => message)).toEqual(['down', 'a', 'b'])
    expect(error.message).toContain('3 errors')
    const [row] = await predict.detailedBatch([1])
    expect(row?.ok === false && (row.error as typeof error).errors.map(({ message }) => message)).toEqual(['down', 'a', 'b'])
    expect(records.map(({ outcome, rung, source }) => [outcome, rung, source])).toEqual(new Array(2).fill(['error', undefined, undefined]))
  })
})

describe('batches', () => {
  test('fallback sends only the rows that failed, and puts them back in their places', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const rung = mockModel<number, number>({ batches: true })
    const last = mockModel<number, number>({ batches: true }).answers((x) => -x)
    const answer = pipe(inner, fallback(rung as never as Predictor<number, number | RowFailure>, last)).detailedBatch([10, 11, 12, 13])
    ;(await model.next()).answer(1, new RowFailure(down), new RowFailure(down), 4)
    const second = await rung.next()
    expect(second.inputs).toEqual([11, 12])
    second.answer(new RowFailure(down) as never, 3)
    const rows = await answer
    expect(rows.map((row) => row.ok && row.output)).toEqual([1, -11, 3, 4])
    expect(rows.map(({ record }) => [record.source, record.rung?.index])).toEqual([['model', undefined], ['fallback', 2], ['fallback', 1], ['model', undefined]])
    expect(last.arrivals.map(({ inputs }) => inputs)).toEqual([[11]])
  })

  test('fallback asks nobody when no row failed', async () => {
    const { model, inner } = rig({ batches: true })
    const rung = mockModel<number, number>({ batches: true })
    model.answers(0)
    expect(await pipe(inner, fallback(rung)).batch([1, 2])).toEqual([0, 0])
    expect(rung.arrivals).toHaveLength(0)
  })
})

describe('leaving', () => {
  test('fallback does not answer for a call that its own caller aborted', async () => {
    const { clock, model, inner } = rig()
    const passed = turnstile()
    const rung = pipe((_: number) => -1, passed)
    const predict = pipe(inner, fallback({ use: rung, when: () => true }))
    const leaving = new AbortController()
    const fate = fateOf(predict(1, { signal: leaving.signal }))
    const rows = fateOf(predict.detailedBatch([1, 2], { signals: [leaving.signal, undefined] }))
    await clock.settle()
    leaving.abort()
    for (const arrival of model.arrivals) arrival.fail(down)
    await clock.settle()
    expect(fate.code).toBe('ERR_OUTRIGGER_ABORTED')
    expect(rows.value?.map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual(['ERR_OUTRIGGER_ABORTED', -1])
    expect(passed.inputs).toEqual([[2]])
  })

  test('fallback asks no further rung once the caller has left', async () => {
    const { clock, model, inner } = rig()
    const [first, second] = [mockModel<number, number>(), mockModel<number, number>()]
    const leaving = new AbortController()
    fateOf(pipe(inner, fallback(first, second))(1, { signal: leaving.signal }))
    ;(await model.next()).fail(down)
    const arrival = await first.next()
    leaving.abort()
    expect(arrival.call.signal.aborted).toBe(true)
    arrival.fail(down)
    await clock.settle()
    expect(second.arrivals).toHaveLength(0)
  })

  test('fallback runs once for a call that times out and rejects later', async () => {
    const { clock, model, inner } = rig()
    const rung = mockModel<number, number>().answers(-1)
    const predict = pipe(inner, timeout({ ms: 100 }), fallback(rung))
    const records = recordsOf(predict)
    const fate = fateOf(predict(1))
    await clock.advance(100)
    expect(fate.value).toBe(-1)
    ;(await model.next()).fail(new Error('late'))
    await clock.advance(1000)
    expect([rung.arrivals.length, records.length, records[0]?.source]).toEqual([1, 1, 'fallback'])
  })

  test('fallback gives the permits of the failed call back before its rung is asked', async () => {
    const { model, inner } = rig()
    model.fails(down)
    const inside = pipe(inner, bulkhead({ concurrency: 1 }))
    const rung = mockModel<number, number>()
    const answer = pipe(inside, fallback(rung))(1)
    await rung.next()
    await expect(inside(2)).rejects.toBe(down)
    rung.arrivals[0]?.answer(-1)
    expect(await answer).toBe(-1)
  })
})

describe('owning', () => {
  test('fallback closes the rungs it was given as models or as owned, and not those it borrows', async () => {
    const closed: string[] = []
    const closable = (name: string): { predict: () => number; close: () => void } => ({ predict: () => 1, close: () => void closed.push(name) })
    const borrowed = predictor(closable('borrowed'))
    const predict = pipe(() => 1, fallback(closable('object'), { use: closable('options') }, borrowed, owned(predictor(closable('owned')))))
    await predict.close()
    await predict.close()
    expect(closed).toEqual(['object', 'options', 'owned'])
    expect(await borrowed(1)).toBe(1)
  })

  test('fallback closes every rung, also when one of them fails to close, and says so', async () => {
    let closed = 0
    const predict = pipe(
      () => 1,
      fallback(
        {
          predict: () => 1,
          close: () => {
            throw new Error('cannot close')
          },
        },
        { predict: () => 1, close: () => void (closed += 1) },
      ),
    )
    await expect(predict.close()).rejects.toThrow('cannot close')
    expect(closed).toBe(1)
  })

  test('fallback shows its rungs in the description of the stack', () => {
    const text = pipe(predictor(() => 1, { name: 'main' }), fallback(predictor(() => 2, { name: 'rule' }))).describe()
    expect(text).toMatch(/fallback[\s\S]*rung 1[\s\S]*rule[\s\S]*main/)
  })
})

describe('binding', () => {
  const failing = (_: number): number => {
    throw down
  }

  test('fallback binds a call to its rung when it asks it: the record names the version that answered', async () => {
    const waiting: (() => void)[] = []
    const loader = swappable<number, number>({ old: () => new Promise((resolve) => waiting.push(() => resolve(1))), new: () => 2 })
    const predict = pipe(failing, fallback(pipe(loader.predictor, timeout({ ms: 10_000 }))))
    const answers = Promise.all([predict.detailed(1), predict.detailedBatch([1])])
    while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve))
    loader.swap('new')
    for (const answer of waiting) answer()
    const [{ record }, [row]] = await answers
    expect([record.identity.version, row?.record.identity.version]).toEqual(['old', 'old'])
    expect([loader.leases('old'), loader.leases('new'), loader.askedUnleased]).toEqual([0, 0, 0])
  })

  test('fallback goes on to the next rung when one cannot be bound, row by row', async () => {
    const unbindable = pipe(
      (x: number) => x,
      layer<number, number>('unbindable', {
        one: (next, input, call) => next(input, call),
        bind: (_call, input) => {
          if (input === 2) throw new Error('unbindable')
        },
      }),
    )
    const predict = pipe(failing, fallback(unbindable, (x: number) => -x))
    expect([await predict(1), await predict(2), await predict.batch([1, 2, 3])]).toEqual([1, -2, [1, -2, 3]])
    await expect(pipe(failing, fallback(unbindable))(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_FALLBACK_EXHAUSTED', errors: [down, { message: 'unbindable' }] })
  })
})

test('fallback says who answered, also when that was a fallback or a cascade of its rung', async () => {
  const down = (_: number): number => {
    throw new Error('down')
  }
  const rung = pipe(predictor(down, { name: 'second' }), fallback({ use: () => 5, name: 'third' }))
  const predict = pipe(predictor(down, { name: 'first' }), fallback(rung))
  const { record } = await predict.detailed(1)
  expect([record.source, record.rung, record.identity.name]).toEqual(['fallback', { index: 1, name: 'second' }, 'third'])
  const [row] = await predict.detailedBatch([1])
  expect(row?.record?.identity.name).toBe('third')
  // Nobody is said to have answered whose answer was thrown away.
  const bad = pipe(predictor(down, { name: 'first' }), fallback({ use: () => Number.NaN, name: 'nonsense' }), circuitBreaker({ isBadAnswer: (output: number) => (Number.isNaN(output) ? 'NaN' : undefined) }), fallback({ use: () => 0, name: 'zero' }))
  expect((await bad.detailed(1)).record.identity.name).toBe('zero')
})
