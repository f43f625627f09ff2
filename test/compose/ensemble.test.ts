import { fallback, owned, pipe, predictor, RowFailure, timeout, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { ensemble } from 'outrigger/compose'
import { observed } from 'outrigger/observe'
import { split } from 'outrigger/route'
import { fakeClock, mockModel, type FakeClock, type MockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { countedStream, fateOf, recordsOf } from '../resilience/_rig.js'

const down = new Error('down')
const code = (suffix: string): object => expect.objectContaining({ code: `ERR_OUTRIGGER_${suffix}` }) as object

interface Three<O> {
  readonly clock: FakeClock
  readonly models: readonly MockModel<number, O>[]
  readonly members: { readonly a: Predictor<number, O>; readonly b: Predictor<number, O>; readonly c: Predictor<number, O> }
}

const three = <O = number>(batches = false): Three<O> => {
  const clock = fakeClock()
  const models = [0, 1, 2].map(() => mockModel<number, O>({ clock, batches }))
  const [a, b, c] = models.map((model, index) => predictor(model, { clock, name: `m${index}`, version: String(index + 1), digest: `d${index}` })) as [Predictor<number, O>, Predictor<number, O>, Predictor<number, O>]
  return { clock, models, members: { a, b, c } }
}

describe('combining', () => {
  const of = async <O>(values: readonly O[], options: object = {}): Promise<unknown> => {
    const members = Object.fromEntries(values.map((value, index) => [`m${index}`, () => value]))
    return await (ensemble as (members: object, options: object) => Predictor<number, unknown>)(members, options)(0)
  }

  test('ensemble averages numbers, arrays, typed arrays of floats and records, element by element, by default', async () => {
    expect(await of([1, 2, 6])).toBe(3)
    expect(await of([[1, 2], [3, 6]])).toEqual([2, 4])
    expect(await of([Float32Array.of(0.25, 1), Float32Array.of(0.75, 3)])).toEqual(Float32Array.of(0.5, 2))
    expect(await of([Float64Array.of(1), Float64Array.of(2)])).toEqual(Float64Array.of(1.5))
    expect(await of([{ dog: 0.5, cat: [0, 1] }, { cat: [1, 0], dog: 1 }])).toEqual({ dog: 0.75, cat: [0.5, 0.5] })
    expect(await of([[], []])).toEqual([])
  })

  test('ensemble averages by weight', async () => {
    expect(await of([1, 5], { weights: { m0: 3, m1: 1 } })).toBe(2)
    expect(await of([[0], [1]], { weights: { m0: 0.25, m1: 0.75 } })).toEqual([0.75])
  })

  test('ensemble does not change the answers of its members', async () => {
    const kept = [Float32Array.of(1, 2), Float32Array.of(3, 4)]
    await of(kept)
    expect(kept).toEqual([Float32Array.of(1, 2), Float32Array.of(3, 4)])
  })

  for (const [what, values] of [
    ['arrays of different lengths', [[1, 2], [1]]],
    ['a number and an array', [1, [1]]],
    ['an array and a typed array', [[1], Float32Array.of(1)]],
    ['typed arrays of different kinds', [Float32Array.of(1), Float64Array.of(1)]],
    ['typed arrays of different lengths', [Float32Array.of(1), Float32Array.of(1, 2)]],
    ['records of different fields', [{ a: 1 }, { b: 1 }]],
    ['records with more fields', [{ a: 1 }, { a: 1, b: 1 }]],
  ] as const) {
    test(`ensemble refuses to average ${what}`, async () => {
      for (const order of [values, [...values].reverse()]) await expect(of(order)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER', reason: 'shape' })
    })
  }

  for (const [what, value] of [
    ['NaN', Number.NaN],
    ['an infinity in an array', [Infinity]],
    ['a NaN in a typed array', Float32Array.of(Number.NaN)],
    ['a string', 'x'],
    ['undefined', undefined],
    ['null in a record', { a: null }],
    ['integers, which an average would cut off', Int32Array.of(1)],
  ] as const) {
    test(`ensemble counts ${what} as a failure of the member that gave it`, async () => {
      const predict = ensemble({ bad: () => value as never, good: () => 4 }, { minimum: 1 })
      const { output, record } = await predict.detailed(1)
      expect([output, record.members]).toEqual([4, { of: 2, answered: 1, missing: [{ name: 'bad', code: 'ERR_OUTRIGGER_BAD_ANSWER' }] }])
    })
  }

  test('ensemble gives the label with most votes, and in a tie that of the earliest member', async () => {
    expect(await of(['a', 'b', 'b'], { combine: 'vote' })).toBe('b')
    expect(await of(['b', 'a', 'c', 'a', 'b'], { combine: 'vote' })).toBe('b')
    expect(await of([true, false, false], { combine: 'vote' })).toBe(false)
    expect(await of([7n, 8n], { combine: 'vote' })).toBe(7n)
    await expect(of([{}, {}], { combine: 'vote' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TOO_FEW_ANSWERS', cause: { reason: 'type' } })
  })

  test('ensemble votes by weight; what is equal but for rounding is a tie', async () => {
    expect(await of(['a', 'b', 'b'], { combine: 'vote', weights: { m0: 3, m1: 1, m2: 1 } })).toBe('a')
    expect(0.1 + 0.2 > 0.3).toBe(true)
    expect(await of(['a', 'b', 'b'], { combine: 'vote', weights: { m0: 0.3, m1: 0.1, m2: 0.2 } })).toBe('a')
  })

  test('ensemble combines by a function, which gets names, outputs, shares and the input, and may be asynchronous', async () => {
    const seen: unknown[] = []
    const predict = ensemble(
      { a: (x: number) => x, b: (x: number): number => { throw new Error(`no ${x}`) }, c: (x: number) => x * 2 },
      { minimum: 2, weights: { a: 1, b: 5, c: 3 }, combine: async (answers, input) => (seen.push(answers, input), `${answers.length}`) },
    )
    expect(await predict(4)).toBe('2')
    expect(seen).toEqual([[{ member: 'a', output: 4, weight: 0.25 }, { member: 'c', output: 8, weight: 0.75 }], 4])
  })

  test('ensemble fails a row alone for which the function throws', async () => {
    const predict = ensemble({ a: (x: number) => x, b: (x: number) => x }, { combine: ([first]) => { if (first!.output === 2) throw down; return first!.output } })
    const rows = await predict.detailedBatch([1, 2, 3])
    expect(rows.map((row) => (row.ok ? row.output : row.error))).toEqual([1, down, 3])
    await expect(predict(2)).rejects.toBe(down)
    expect(predict.counts).toMatchObject({ full: 2, failed: 2 })
  })
})

describe('asking', () => {
  test('ensemble asks all members at once, and a batch asks each with the whole batch', async () => {
    for (const batches of [false, true]) {
      const { clock, models, members } = three(batches)
      const predict = ensemble(members)
      const fate = fateOf<unknown>(batches ? predict.batch([1, 2]) : predict(1))
      await clock.settle()
      expect(models.map(({ arrivals }) => arrivals.map(({ inputs }) => inputs))).toEqual([[batches ? [1, 2] : [1]], [batches ? [1, 2] : [1]], [batches ? [1, 2] : [1]]])
      models.forEach((model, index) => model.arrivals[0]?.answer(...(batches ? [index, index * 2] : [index])))
      await clock.settle()
      expect(fate.value).toEqual(batches ? [1, 2] : 1)
    }
  })

  test('ensemble needs all members by default: one failure fails the call at once, and the others are aborted', async () => {
    const { clock, models, members } = three()
    const fate = fateOf(ensemble(members)(1))
    await clock.settle()
    models[1]!.arrivals[0]!.fail(down)
    await clock.settle()
    expect(fate.error).toMatchObject({ code: 'ERR_OUTRIGGER_TOO_FEW_ANSWERS', errors: [down], cause: down, answered: 0 })
    expect(models.map(({ arrivals }) => (arrivals[0]!.call as { signal: AbortSignal }).signal.aborted)).toEqual([true, false, true])
  })

  test('ensemble waits for all, and answers without those that failed when the minimum is there', async () => {
    const { clock, models, members } = three()
    const fate = fateOf(ensemble(members, { minimum: 2 }).detailed(1))
    await clock.settle()
    models[0]!.arrivals[0]!.answer(1)
    models[1]!.arrivals[0]!.answer(3)
    await clock.advance(60_000)
    expect(fate.state).toBe('pending')
    models[2]!.arrivals[0]!.fail(down)
    await clock.settle()
    expect(fate.value).toMatchObject({ output: 2, record: { source: 'fallback', attempts: 3, members: { of: 3, answered: 2, missing: [{ name: 'c', code: undefined }] } } })
  })

  test('ensemble leaves slow members behind after waitMs, aborts them, and waits for the minimum all the same', async () => {
    const { clock, models, members } = three()
    const predict = ensemble(members, { minimum: 2, waitMs: 50 })
    const fate = fateOf(predict.detailed(1))
    await clock.settle()
    models[0]!.arrivals[0]!.answer(1)
    await clock.advance(60)
    expect(fate.state).toBe('pending')
    models[1]!.arrivals[0]!.answer(3)
    await clock.settle()
    expect(fate.value).toMatchObject({ output: 2, record: { members: { answered: 2, missing: [{ name: 'c', code: 'ERR_OUTRIGGER_ABORTED' }] } } })
    expect((models[2]!.arrivals[0]!.call as { signal: AbortSignal }).signal.aborted).toBe(true)
    expect(predict.counts.members).toEqual({ a: { answered: 1, failed: 0, leftBehind: 0 }, b: { answered: 1, failed: 0, leftBehind: 0 }, c: { answered: 0, failed: 0, leftBehind: 1 } })

    const later = fateOf(predict(1))
    await clock.settle()
    models[0]!.arrivals[1]!.answer(5)
    models[1]!.arrivals[1]!.answer(7)
    await clock.advance(49)
    expect(later.state).toBe('pending')
    await clock.advance(1)
    expect(later.value).toBe(6)
    expect(clock.holding).toBe(0)
    await predict.close()
    expect(clock.pending).toBe(0)
  })

  test('ensemble fails a row alone that has too few answers, and renormalises the weights of the others by row', async () => {
    const { clock, models, members } = three<number | RowFailure>(true)
    const predict = ensemble(members as never as Three<number>['members'], { minimum: 2, weights: { a: 1, b: 1, c: 2 } })
    const fate = fateOf(predict.detailedBatch([0, 0, 0]))
    await clock.settle()
    models[0]!.arrivals[0]!.answer(1, new RowFailure(down), new RowFailure(down))
    models[1]!.arrivals[0]!.answer(2, 8, new RowFailure(down))
    models[2]!.arrivals[0]!.answer(5, 2, 3)
    await clock.settle()
    expect(fate.value).toMatchObject([
      { output: 3.25, record: { source: 'model', members: { answered: 3 } } },
      { output: 4, record: { source: 'fallback', members: { answered: 2 } } },
      { error: { code: 'ERR_OUTRIGGER_TOO_FEW_ANSWERS', errors: [down, down] }, record: { members: undefined } },
    ])
    expect(predict.counts).toMatchObject({ full: 1, partial: 1, failed: 1 })
  })

  test('ensemble decides a batch after waitMs only when every row has its minimum', async () => {
    const { clock, models, members } = three<number | RowFailure>(true)
    const fate = fateOf(ensemble(members as never as Three<number>['members'], { minimum: 1, waitMs: 10 }).batch([0, 0]))
    await clock.settle()
    models[0]!.arrivals[0]!.answer(1, new RowFailure(down))
    await clock.advance(20)
    expect(fate.state).toBe('pending')
    models[1]!.arrivals[0]!.answer(3, 9)
    await clock.settle()
    expect(fate.value).toEqual([2, 9])
  })

  test('ensemble rejects a caller who left with the abort, not with too few answers, and aborts every member', async () => {
    const { clock, models, members } = three()
    const leaving = new AbortController()
    const predict = pipe(ensemble(members, { minimum: 2 }))
    const records = recordsOf(predict)
    const fate = fateOf(predict(1, { signal: leaving.signal }))
    const rows = fateOf(predict.detailedBatch([1, 2], { signals: [leaving.signal, undefined] }))
    await clock.settle()
    leaving.abort()
    for (const { input, call, answer, fail } of models.flatMap(({ arrivals }) => arrivals)) if (call.signal.aborted) fail(down)
    else answer(input * 10)
    await clock.settle()
    expect(fate.code).toBe('ERR_OUTRIGGER_ABORTED')
    expect(rows.value).toMatchObject([{ error: { code: 'ERR_OUTRIGGER_ABORTED' } }, { output: 20 }])
    expect(records.map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted', 'ok'])
  })

  test('ensemble lets an input pass as invalid that every member finds invalid', async () => {
    const invalid = Object.assign(new Error('invalid'), { code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    const refuse = (): number => {
      throw invalid
    }
    await expect(ensemble({ a: refuse, b: refuse }, { minimum: 1 })(1)).rejects.toBe(invalid)
    await expect(ensemble({ a: refuse, b: (): number => { throw down } }, { minimum: 1 })(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TOO_FEW_ANSWERS', errors: [invalid, down] })
  })

  test('ensemble refuses streams, and ends them', async () => {
    const counted = countedStream()
    const predict = ensemble({ a: () => counted.stream as never, b: () => 1 }, { minimum: 1 })
    expect((await predict.detailed(1)).record.members?.missing).toEqual([{ name: 'a', code: 'ERR_OUTRIGGER_BAD_ANSWER' }])
    expect(counted.ended()).toBe(true)
    const row = countedStream()
    await expect(ensemble({ a: { predictBatch: () => [row.stream as never] }, b: () => 1 }).batch([1])).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BATCH' })
    expect(row.ended()).toBe(true)
  })
})

describe('identity and binding', () => {
  test('ensemble has the versions of its members, and a digest that changes with any of them, the weights and the minimum', () => {
    const { members } = three()
    const predict = ensemble(members, { name: 'fraud' })
    expect(predict.identity).toMatchObject({ name: 'fraud', version: '1+2+3', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
    expect(predict.identity).toBe(predict.identity)
    expect(ensemble(members, { name: 'fraud' }).identity).toEqual(predict.identity)
    const others = [ensemble({ ...members, a: members.b }, { name: 'fraud' }), ensemble(members, { name: 'fraud', weights: { a: 1, b: 2, c: 1 } }), ensemble(members, { name: 'fraud', minimum: 2 }), ensemble(members)]
    expect(new Set([predict, ...others].map(({ identity }) => identity.digest)).size).toBe(5)
    expect(ensemble({ a: () => 1, b: () => 2 }).identity).toEqual({ name: 'ensemble', version: '0', digest: undefined })
  })

  test('ensemble serves a call with the versions that were live when it came, and gives every lease back', async () => {
    const clock = fakeClock()
    const slow = mockModel<number, number>({ clock, batches: true })
    const live = swappable<number, number>({ one: slow, two: (x) => x * 100 }, { clock })
    const predict = ensemble({ live: live.predictor, fixed: (x: number) => x }, { minimum: 1, waitMs: 10 })
    const fates = [fateOf(predict.detailed(1)), fateOf(predict.detailedBatch([2, 3]))] as const
    live.swap('two')
    await clock.settle()
    expect(live.leases('one')).toBeGreaterThan(0)
    slow.arrivals[0]!.answer(11)
    slow.arrivals[1]!.answer(22, 33)
    await clock.settle()
    expect(fates[0].value).toMatchObject({ output: 6, record: { identity: { version: 'one+0' } } })
    expect(fates[1].value).toMatchObject([{ output: 12 }, { output: 18 }])
    expect((await predict.detailed(1)).record.identity.version).toBe('two+0')

    live.swap('one')
    const left = fateOf(predict(5))
    await clock.advance(10)
    expect([left.value, live.leases('one')]).toEqual([5, 1])
    slow.arrivals[2]!.answer(0)
    await clock.settle()
    expect([live.leases('one'), live.leases('two'), live.askedUnleased]).toEqual([0, 0, 0])
  })

  test('ensemble keeps the versions apart in a cache outside, which keeps no partial answer', async () => {
    const live = swappable<number, number>({ one: () => 1, two: () => 3 })
    let fails = true
    const predict = pipe(ensemble({ live: live.predictor, flaky: (_: number) => { if (fails) throw down; return 5 } }, { minimum: 1 }), cached())
    expect(await predict(7)).toBe(1)
    fails = false
    expect([await predict(7), (await predict.detailed(7)).record.source]).toEqual([3, 'cache'])
    live.swap('two')
    expect(await predict(7)).toBe(4)
    live.swap('one')
    expect((await predict.detailed(7)).record).toMatchObject({ source: 'cache' })
  })

  test('ensemble binds routers in its members, by key and by input, and records their variants', async () => {
    const router = split({ name: 'test', variants: { a: (x: number) => x, b: (x: number) => -x }, weights: { a: 0.5, b: 0.5 }, by: (x) => `user-${x}` })
    const predict = ensemble({ router, plain: (x: number) => x })
    for (const x of [1, 2, 3, 4]) {
      const { output, record } = await predict.detailed(x)
      expect(record.variants).toHaveLength(1)
      expect(output).toBe(record.variants[0]?.variant === 'a' ? x : 0)
    }
  })

  test('ensemble counts a member that cannot be bound as failed, and asks the others', async () => {
    const { layer } = await import('outrigger')
    const picky = pipe((x: number) => x, layer('picky', { one: async (next, x: number, call) => await next(x, call), bind: (_, x) => { if (x === 2) throw down } }))
    const predict = ensemble({ picky, plain: (x: number) => x * 3 }, { minimum: 1 })
    expect([await predict(2), await predict(1), await predict.batch([1, 2, 3]), await predict.batch([2])]).toEqual([6, 2, [2, 6, 6], [6]])
  })

  test('ensemble closes members made from functions and objects, and leaves predictors open unless owned', async () => {
    const made = mockModel<number, number>()
    const borrowed = predictor((x: number) => x)
    const given = predictor((x: number) => x)
    const predict = pipe(owned(ensemble({ made, borrowed, given: owned(given) })))
    await predict.close()
    expect(made.closed).toBe(1)
    expect(await borrowed(1)).toBe(1)
    await expect(given(1)).rejects.toEqual(code('CLOSED'))
  })

  test('ensemble describes its members, is ready when the minimum is, and tells its observers what members say', async () => {
    const { members } = three()
    const predict = ensemble({ ...members, d: pipe((x: number) => x, observed()) }, { minimum: 2, waitMs: 5, name: 'fraud' })
    expect(predict.describe().split('\n')).toEqual(['ensemble fraud: average of 4, at least 2, after 5 ms of those who answered', '├─ a: m0@1 (d0) (row by row)', '├─ b: m1@2 (d1) (row by row)', '├─ c: m2@3 (d2) (row by row)', expect.stringContaining('└─ d: observed'), expect.stringContaining('   └─ ')])
    expect(predict.ready()).toBe(true)
    const notices: string[] = []
    const broken = ensemble({ a: pipe((_: number): number => { throw down }, fallback({ use: () => 1, when: () => { throw down } })), b: () => 1 })
    broken.observe((event) => event.type === 'notice' && notices.push(event.message))
    await broken(1)
    expect(notices).toHaveLength(1)
  })
})

describe('records', () => {
  test('ensemble adds the attempts of its members, and takes the longest time of them', async () => {
    const clock = fakeClock()
    const slow = mockModel<number, number>({ clock }).delays(30, 1)
    const fast = mockModel<number, number>({ clock }).delays(10, 1)
    const answer = fateOf(ensemble({ slow: predictor(slow, { clock }), fast: predictor(fast, { clock }) }).detailed(1))
    await clock.advance(30)
    expect(answer.value?.record).toMatchObject({ attempts: 2, durations: { modelMs: 30, totalMs: 30 }, source: 'model', members: { of: 2, answered: 2, missing: [] } })
  })

  test('ensemble says cache when every member had it in a cache, and fallback when one was answered by its fallback', async () => {
    const both = ensemble({ a: pipe((x: number) => x, cached()), b: pipe((x: number) => x, cached()) })
    await both(1)
    expect((await both.detailed(1)).record.source).toBe('cache')
    const half = ensemble({ a: pipe((x: number) => x, cached()), b: (x: number) => x })
    await half(1)
    expect((await half.detailed(1)).record.source).toBe('model')
    const rescued = ensemble({ a: pipe((_: number): number => { throw down }, fallback(() => 1)), b: (x: number) => x })
    expect((await rescued.detailed(1)).record).toMatchObject({ source: 'fallback', rung: undefined, identity: { name: 'ensemble' } })
  })

  test('ensemble leaves no timer and no listener, whatever its members do', async () => {
    const { clock, models, members } = three()
    const predict = pipe(ensemble(members, { minimum: 1, waitMs: 10 }), timeout({ ms: 20 }))
    const fates = [fateOf(predict(1)), fateOf(predict.batch([1, 2]))]
    await clock.advance(20)
    expect(fates.map(({ code }) => code)).toEqual(['ERR_OUTRIGGER_TIMEOUT', 'ERR_OUTRIGGER_BATCH'])
    for (const { arrivals } of models) for (const arrival of arrivals) arrival.fail(down)
    await clock.settle()
    expect(clock.holding).toBe(0)
  })
})

describe('options', () => {
  test('ensemble refuses options that make no sense', () => {
    const members = { a: () => 1, b: () => 2 }
    for (const options of [{ minimum: 0 }, { minimum: 3 }, { minimum: 1.5 }, { waitMs: 5 }, { minimum: 1, waitMs: -1 }, { weights: { a: 1 } }, { weights: { a: 1, b: 0 } }, { weights: { a: 1, b: Number.NaN } }, { weights: { a: 1, b: 1, c: 1 } }, { combine: 'median' }, { name: '' }, { members: 1 }, null]) {
      expect(() => ensemble(members, options as never), JSON.stringify(options)).toThrow(code('INVALID_OPTION'))
    }
    for (const wrong of [{}, null, undefined, 5, { a: 5 }, { a: {} }]) expect(() => ensemble(wrong as never), String(wrong)).toThrow(code('INVALID_OPTION'))
  })
})
