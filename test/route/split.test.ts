import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fallback, layer, owned, pipe, predictor, retry, timeout, type PredictorEvent } from 'outrigger'
import { mapInput } from 'outrigger/compose'
import { cached } from 'outrigger/cache'
import { assigner, experimentNamespace, split } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'
import { stageOf } from '../../src/core/predictor.js'

const keys = (count: number): string[] => Array.from({ length: count }, (_, unit) => `unit-${unit}`)
const arms = (weights: { control: number; canary: number }, clock = fakeClock()) =>
  split({
    variants: {
      control: predictor((x: number) => `old ${x}`, { name: 'old', version: '1', digest: 'aa', clock }),
      canary: predictor((x: number) => `new ${x}`, { name: 'new', version: '2', digest: 'bb', clock }),
    },
    weights,
  })

describe('split', () => {
  test('split gives a unit the same arm at every call, by key and by `by`', async () => {
    const byKey = arms({ control: 0.5, canary: 0.5 })
    const byInput = split({ variants: { control: (_: string) => 'old', canary: (_: string) => 'new' }, weights: { control: 0.5, canary: 0.5 }, by: (x) => x })
    for (const key of keys(50)) {
      const first = await byKey(1, { key })
      expect(await byKey(1, { key })).toBe(first)
      expect(await byInput(key)).toBe(first.slice(0, 3))
    }
  })

  test('split rejects a call without a unit, and in a batch only that row', async () => {
    const router = arms({ control: 1, canary: 0 })
    await expect(router(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNROUTABLE' })
    const rows = await router.detailedBatch([1, 2, 3], { keys: ['a', undefined, 'c'] })
    expect(rows.map((row) => row.ok)).toEqual([true, false, true])
    expect(rows[1]!.ok === false && rows[1]!.error).toMatchObject({ code: 'ERR_OUTRIGGER_UNROUTABLE' })
    expect(rows[1]!.record.outcome).toBe('error')
  })

  test('split: a `by` that throws fails its own row', async () => {
    const router = split({
      variants: { control: (x: number) => x, canary: (x: number) => -x },
      weights: { control: 1, canary: 0 },
      by: (x) => {
        if (x === 2) throw new Error('no unit')
        return String(x)
      },
    })
    expect((await router.detailedBatch([1, 2, 3])).map((row) => row.ok)).toEqual([true, false, true])
  })

  test('split: a batch equals single calls, in order, and each arm is asked once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ minLength: 1 }), { maxLength: 30 }), fc.double({ min: 0, max: 1, noNaN: true }), async (units, canary) => {
        const runs: number[] = []
        const arm = (name: string) => ({ predictBatch: (rows: readonly number[]) => (runs.push(rows.length), rows.map((x) => `${name} ${x}`)) })
        const router = split({ variants: { control: arm('old'), canary: arm('new') }, weights: { control: 1 - canary, canary } })
        const inputs = units.map((_, index) => index)
        const outputs = await router.batch(inputs, { keys: units })
        expect(runs.length).toBeLessThanOrEqual(2)
        expect(outputs).toEqual(await Promise.all(inputs.map((input, index) => router(input, { key: units[index] }))))
      }),
      { numRuns: 50 },
    )
  })

  test('split: a call in flight stays with its arm while the weights change', async () => {
    const control = mockModel<number, string>()
    const canary = mockModel<number, string>()
    const router = split({ variants: { control, canary }, weights: { control: 1, canary: 0 } })
    const bound = router.detailed(1, { key: 'u' })
    const arrival = await control.next()
    router.setWeights({ control: 0, canary: 1 })
    arrival.answer('old')
    const { output, record } = await bound
    expect([output, record.variants[0]?.variant, record.variants[0]?.propensity]).toEqual(['old', 'control', 1])
    canary.answers('new')
    expect(await router(1, { key: 'u' })).toBe('new')
  })

  test('split: records say variant, propensity, reason and the identity of the arm, for calls and rows', async () => {
    const router = pipe(arms({ control: 0, canary: 1 }))
    const expected = { variant: { split: 'split', variant: 'canary', reason: 'assigned', propensity: 1, epoch: 1, since: fakeClock().wall(), unit: expect.any(Number) }, identity: { name: 'new', version: '2', digest: 'bb' } }
    const { record } = await router.detailed(1, { key: 'u' })
    const [row] = await router.detailedBatch([1], { keys: ['u'] })
    for (const seen of [record, row!.record]) expect({ variant: seen.variants[0], identity: seen.identity }).toEqual(expected)
  })

  test('split: a cache outside never gives one arm the answer of another', async () => {
    const router = arms({ control: 0.5, canary: 0.5 })
    const predict = pipe(router, cached())
    const plain = arms({ control: 0.5, canary: 0.5 })
    for (const key of keys(40)) expect(await predict(1, { key })).toBe(await plain(1, { key }))
    router.setWeights({ control: 1, canary: 0 })
    for (const key of keys(40)) expect(await predict(1, { key })).toBe('old 1')
  })

  test('split refuses weights that do not fit, and keeps the old ones', () => {
    const router = arms({ control: 0.9, canary: 0.1 })
    for (const wrong of [{ control: 0.9, canary: 0.2 }, { control: 2, canary: -1 }, { control: 1 }, { control: 0.5, canary: 0.25, other: 0.25 }, { control: Number.NaN, canary: 1 }]) {
      expect(() => router.setWeights(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
    expect(router.weights).toEqual({ control: 0.9, canary: 0.1 })
    expect(() => split({ variants: { only: (x: number) => x }, weights: { only: 1 } })).toThrow(/two variants/)
  })

  test('split: `by` sees what a map outside made of the input', async () => {
    const predict = pipe(
      split({ variants: { control: (x: number) => `old ${x}`, canary: (x: number) => `new ${x}` }, weights: { control: 0, canary: 1 }, by: (x) => x.toFixed(0) }),
      mapInput((text: string) => text.length),
    )
    expect(await predict('four')).toBe('new 4')
    expect(await predict.batch(['a', 'bb'])).toEqual(['new 1', 'new 2'])
  })

  test('split closes the arms that it made, and leaves those that it was given', async () => {
    const made = mockModel<number, number>()
    const given = predictor((x: number) => x)
    const handed = predictor((x: number) => x)
    const router = split({ variants: { made, given, handed: owned(handed) }, weights: { made: 1, given: 0, handed: 0 } })
    await pipe(owned(router)).close()
    expect(made.closed).toBe(1)
    expect(await given(1)).toBe(1)
    await expect(handed(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })

  test('split passes the events of its arms on', async () => {
    const { circuitBreaker } = await import('outrigger')
    const arm = pipe((x: number): number => {
      throw new Error(String(x))
    }, circuitBreaker({ minimumCalls: 1, windowSize: 1 }))
    const router = split({ variants: { control: (x: number) => x, canary: arm }, weights: { control: 0, canary: 1 } })
    const events: PredictorEvent[] = []
    router.observe((event) => events.push(event), { predictions: false })
    await router(1, { key: 'u' }).catch(() => {})
    expect(events).toMatchObject([{ type: 'state', layer: 'circuit-breaker', to: 'open' }])
  })

  test('split inside split: each has its own variant in the record, outermost first', async () => {
    const inner = split({ name: 'inner', variants: { a: (_: number) => 'a', b: (_: number) => 'b' }, weights: { a: 0, b: 1 } })
    const outer = split({ name: 'outer', variants: { control: (_: number) => 'c', test: inner }, weights: { control: 0, test: 1 } })
    const { output, record } = await outer.detailed(1, { key: 'u' })
    expect([output, record.variants.map(({ split: name, variant }) => `${name}=${variant}`)]).toEqual(['b', ['outer=test', 'inner=b']])
  })

  test('split: a batch with a cache and a map outside equals single calls while arms differ', async () => {
    const router = arms({ control: 0.5, canary: 0.5 })
    const predict = pipe(router, cached(), mapInput((text: string) => text.length))
    const units = keys(30)
    expect(await predict.batch(units.map(() => 'x'), { keys: units })).toEqual(await Promise.all(units.map((key) => router(1, { key }))))
  })

  test('split: rows stay with their arms in a batch while the weights change', async () => {
    const control = mockModel<number, string>({ batches: true })
    const canary = mockModel<number, string>({ batches: true })
    const router = split({ variants: { control, canary }, weights: { control: 0.5, canary: 0.5 } })
    const units = keys(10)
    const bound = router.detailedBatch(units.map((_, index) => index), { keys: units })
    const arrivals = await Promise.all([control.next(), canary.next()])
    router.setWeights({ control: 1, canary: 0 })
    arrivals.forEach((arrival, arm) => arrival.answer(...arrival.inputs.map(() => (arm === 0 ? 'control' : 'canary'))))
    for (const row of await bound) expect([row.ok && row.output, row.record.variants[0]?.propensity]).toEqual([row.record.variants[0]?.variant, 0.5])
  })

  test('split: an attempt after the weights changed asks the same arm', async () => {
    const control = mockModel<number, string>()
    const canary = mockModel<number, string>().answers('new')
    const router = split({ variants: { control, canary }, weights: { control: 1, canary: 0 } })
    const predict = pipe(router, timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }))
    const answer = predict.detailed(1, { key: 'u' })
    const first = await control.next()
    router.setWeights({ control: 0, canary: 1 })
    first.fail(new Error('not today'))
    ;(await control.next()).answer('old')
    const { output, record } = await answer
    expect([output, record.attempts, record.variants.map(({ variant }) => variant)]).toEqual(['old', 2, ['control']])
  })

  test('split has a point of its own for each name', async () => {
    const named = (name: string) => split({ name, variants: { control: (_: number) => 0, canary: (_: number) => 1 }, weights: { control: 0.5, canary: 0.5 } })
    const units = keys(200)
    const [one, two] = await Promise.all(['one', 'two'].map((name) => named(name).batch(units.map(() => 1), { keys: units })))
    const same = one!.filter((arm, unit) => arm === two![unit]).length
    expect(Math.abs(same - 100)).toBeLessThan(4 * Math.sqrt(50))
  })

  test('split closes every arm although one fails to, and passes the deadline on', async () => {
    const clock = fakeClock()
    const slow = predictor(mockModel<number, number>(), { clock })
    void slow(1).catch(() => {})
    const last = mockModel<number, number>()
    const failing = {
      predict: (x: number) => x,
      close: () => {
        throw new Error('stuck')
      },
    }
    const router = split({ variants: { slow: owned(slow), failing, last }, weights: { slow: 1, failing: 0, last: 0 } })
    const closing = router.close({ deadlineMs: 10 }).catch((error: AggregateError) => error.errors.map(({ message }: Error) => message))
    await clock.advance(10)
    expect(await closing).toEqual([expect.stringContaining('1 after 10 ms'), 'stuck'])
    expect(last.closed).toBe(1)
  })

  test('split is ready when the arms are that anybody is sent to', () => {
    const loading = pipe((x: number) => x, layer<number, number>('loading', { one: (next, input, call) => next(input, call), ready: () => false }))
    const router = split({ variants: { control: (x: number) => x, canary: loading }, weights: { control: 1, canary: 0 } })
    expect(router.ready()).toBe(true)
    router.setWeights({ control: 0.99, canary: 0.01 })
    expect(router.ready()).toBe(false)
  })

  test('split says its weights in its description', () => {
    expect(arms({ control: 0.93, canary: 0.07 }).describe()).toBe('split split: control 93 %, canary 7 %\n├─ control: old@1 (aa) (row by row)\n└─ canary: new@2 (bb) (row by row)')
  })
})

describe('split, epochs and testers', () => {
  test('split opens an epoch when weights or exposure change, tells it, and says it with each choice', async () => {
    const clock = fakeClock()
    const router = arms({ control: 0.5, canary: 0.5 }, clock)
    const events: PredictorEvent[] = []
    router.observe((event) => events.push(event), { predictions: false })
    expect([router.name, router.epoch, router.exposure]).toEqual(['split', { number: 1, since: clock.wall() }, 1])
    router.setWeights({ control: 0.5, canary: 0.5 })
    await clock.advance(60_000)
    router.setWeights({ control: 0, canary: 1 }, { exposure: 0.25 })
    expect(events).toEqual([
      {
        type: 'state',
        layer: 'split',
        subject: 'split',
        from: 'control 50 %, canary 50 %',
        to: 'control 0 %, canary 100 % of 25 %',
        reason: 'epoch 2',
        at: clock.wall(),
        data: { epoch: 2, weights: { control: 0, canary: 1 }, exposure: 0.25 },
      },
    ])
    expect(router.describe()).toContain('split split: control 0 %, canary 100 % of 25 %')
    const rows = await router.detailedBatch(keys(80).map(() => 1), { keys: keys(80) })
    const choices = rows.map(({ record }) => record.variants[0]!)
    expect(new Set(choices.map(({ variant, reason, epoch, since }) => `${variant} ${reason} ${epoch} ${since}`))).toEqual(new Set([`canary assigned 2 ${clock.wall()}`, `control default 2 ${clock.wall()}`]))
    expect(new Set(choices.map(({ unit }) => unit)).size).toBe(80)
  })

  test('split takes the number of an epoch from who counts for the fleet, also after a restart', () => {
    const restarted = split({ variants: { control: (x: number) => x, canary: (x: number) => x }, weights: { control: 1, canary: 0 }, epoch: 4 })
    restarted.setWeights({ control: 0, canary: 1 }, { epoch: 9, at: 1000 })
    expect(restarted.epoch).toEqual({ number: 9, since: 1000 })
  })

  test('split forces testers by list and by function; a function that throws or names no variant is told and forces nobody', async () => {
    const variants = { control: (_: number) => 'old', canary: (_: number) => 'new' }
    const listed = split({ variants, weights: { control: 1, canary: 0 }, forced: { canary: ['qa-1'] } })
    const { output, record } = await listed.detailed(1, { key: 'qa-1' })
    expect([output, record.variants[0]]).toMatchObject(['new', { variant: 'canary', reason: 'forced', propensity: 1 }])
    expect(await listed(1, { key: 'user' })).toBe('old')
    const said: Record<string, () => unknown> = {
      qa: () => 'canary',
      odd: () => 'other',
      bad: () => {
        throw new Error('no list')
      },
    }
    const router = split({ variants, weights: { control: 1, canary: 0 }, forced: (unit) => said[unit]?.() as 'canary' })
    const notices: string[] = []
    router.observe((event) => event.type === 'notice' && notices.push(`${event.message} ${String(event.error)}`), { predictions: false })
    expect(await router.batch([1, 1, 1, 1], { keys: ['qa', 'odd', 'bad', 'user'] })).toEqual(['new', 'old', 'old', 'old'])
    expect(notices).toEqual(['`forced` named no variant: "other" (split) undefined', '`forced` threw (split) Error: no list'])
  })

  test('split has the variants of an assigner of its name, exposure and namespace', async () => {
    const namespace = experimentNamespace({ name: 'n', ranges: { price: [0.1, 0.8] } })
    const weights = { control: 0.3, canary: 0.7 }
    const router = split({ name: 'price', variants: { control: (_: number) => 'control', canary: (_: number) => 'canary' }, weights, exposure: 0.6, namespace })
    const one = assigner({ name: 'price', weights, exposure: 0.6, namespace })
    expect(await router.batch(keys(100).map(() => 1), { keys: keys(100) })).toEqual(keys(100).map((unit) => one.choose(unit).variant))
  })
})

describe('split by assignment', () => {
  const variants = { control: (x: number) => `old ${x}`, canary: (x: number) => `new ${x}` }

  test('split takes the variant from a function of the input and the call, without a unit', async () => {
    const router = split({ variants, assignment: (input, call) => (input > 1 || call.key === 'vip' ? 'canary' : undefined) })
    expect(await router.batch([1, 2, 1], { keys: [undefined, undefined, 'vip'] })).toEqual(['old 1', 'new 2', 'new 1'])
    const records = [await router.detailed(2), await router.detailed(1), await router.detailed(1, { key: 'vip' })].map(({ record }) => record.variants[0]!)
    expect(records).toMatchObject([
      { variant: 'canary', reason: 'external', propensity: Number.NaN, epoch: 1 },
      { variant: 'control', reason: 'default', propensity: 1 },
      { variant: 'canary', reason: 'external', unit: expect.any(Number) },
    ])
    expect('unit' in records[0]!).toBe(false)
    expect(router.describe()).toContain('split split: by assignment')
  })

  test('split states the propensity that the function gives, else the weights that it was told', async () => {
    const router = split({ variants, weights: { control: 0.8, canary: 0.2 }, assignment: (x) => (x === 1 ? 'canary' : { variant: 'canary', propensity: 0.07, reason: 'sticky' }) })
    const [first, second] = await router.detailedBatch([1, 2])
    expect([first!.record.variants[0], second!.record.variants[0]]).toMatchObject([{ propensity: 0.2, reason: 'external' }, { propensity: 0.07, reason: 'sticky' }])
    router.setWeights({ control: 0.5, canary: 0.5 })
    expect((await router.detailed(1)).record.variants[0]).toMatchObject({ propensity: 0.5, epoch: 2 })
  })

  test('split: an assignment that throws, names no variant or is asynchronous gives the control by default and is told', async () => {
    const answers = [
      () => {
        throw new Error('flags are down')
      },
      () => 'other',
      () => Promise.resolve('canary'),
      () => null,
    ]
    const router = split({ variants, assignment: (x) => answers[x]!() as never })
    const notices: string[] = []
    router.observe((event) => event.type === 'notice' && notices.push(event.message), { predictions: false })
    for (const [index] of answers.entries()) {
      const { output, record } = await router.detailed(index)
      expect([output, record.variants[0]]).toMatchObject([`old ${index}`, { reason: 'default' }])
    }
    expect(notices).toEqual(['`assignment` threw (split)', '`assignment` named no variant: "other" (split)', '`assignment` named no variant: it must be synchronous (split)', '`assignment` threw (split)'])
  })

  test('split by assignment forces testers first, and refuses what the function decides', async () => {
    const router = split({ variants, assignment: () => 'control', forced: { canary: ['qa'] } })
    expect(await router(1, { key: 'qa' })).toBe('new 1')
    for (const wrong of [{ exposure: 0.5 }, { namespace: experimentNamespace({ name: 'n', ranges: { split: [0, 1] } }) }]) {
      expect(() => split({ variants, assignment: () => 'control', ...wrong } as never)).toThrow(/`assignment` decides alone/)
    }
  })

  test('split by assignment sees what an asynchronous map made of the input, and a cache keeps the arms apart', async () => {
    const router = split({ variants: { control: ({ x }: { x: number; flag: string }) => `old ${x}`, canary: ({ x }: { x: number; flag: string }) => `new ${x}` }, assignment: ({ flag }) => flag as 'canary' })
    const predict = pipe(router, cached({ key: ({ x }) => String(x) }), mapInput(async (flag: string) => ({ x: 1, flag })))
    expect(await Promise.all(['canary', 'control', 'canary'].map((flag) => predict(flag)))).toEqual(['new 1', 'old 1', 'new 1'])
    expect(await predict.batch(['canary', 'control'])).toEqual(['new 1', 'old 1'])
  })
})

describe('split, bound late', () => {
  const down = (_: number): string => {
    throw new Error('down')
  }

  test('split on a rung of a fallback: a cache around it never gives one arm the answer of another', async () => {
    const router = arms({ control: 0.5, canary: 0.5 })
    const predict = pipe(down, fallback(pipe(router, cached())))
    const units = keys(20)
    const expected = await router.batch(units.map(() => 1), { keys: units })
    expect(await Promise.all(units.map((key) => predict(1, { key })))).toEqual(expected)
    expect(await predict.batch(units.map(() => 1), { keys: units })).toEqual(expected)
  })

  test('split on a rung of a fallback: the record names the arm that answered, behind a timeout too', async () => {
    const first = split({ name: 'first', variants: { a: down, b: down }, weights: { a: 1, b: 0 } })
    const predict = pipe(first, fallback(pipe(arms({ control: 0, canary: 1 }), timeout({ ms: 10_000 }))))
    const { record } = await predict.detailed(1, { key: 'u' })
    const [row] = await predict.detailedBatch([1], { keys: ['u'] })
    for (const seen of [record, row!.record]) {
      expect([seen.variants.map(({ split: name, variant }) => `${name}=${variant}`), seen.identity.name]).toEqual([['first=a', 'split=canary'], 'new'])
    }
  })

  test('split on a rung of a fallback: an attempt after the weights changed asks the same arm', async () => {
    const control = mockModel<number, string>()
    const canary = mockModel<number, string>().answers('new')
    const router = split({ variants: { control, canary }, weights: { control: 1, canary: 0 } })
    const predict = pipe(down, fallback(pipe(router, timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }))))
    const answer = predict(1, { key: 'u' })
    const first = await control.next()
    router.setWeights({ control: 0, canary: 1 })
    first.fail(new Error('not today'))
    ;(await control.next()).answer('old')
    expect(await answer).toBe('old')
  })

  test('split by the output of an asynchronous map: a cache between them keeps the arms apart, and is hit', async () => {
    const router = split({ variants: { control: (_: { readonly id: string }) => 'old', canary: (_: { readonly id: string }) => 'new' }, weights: { control: 0.5, canary: 0.5 }, by: ({ id }) => id })
    const cache = cached<{ readonly id: string }>({ key: () => 'the same' })
    const mapped: string[] = []
    const predict = pipe(
      router,
      cache,
      mapInput(async (id: string) => {
        mapped.push(id)
        return { id }
      }),
    )
    for (const id of keys(20)) expect(await predict(id)).toBe(await router({ id }))
    expect(cache.counts).toMatchObject({ misses: 2, hits: 18 })
    expect(mapped).toEqual(keys(20))
    expect(await predict.batch(keys(20))).toEqual(await router.batch(keys(20).map((id) => ({ id }))))
    expect(cache.counts.misses).toBe(2)
  })

  test('split by the output of an asynchronous map: an attempt after the weights changed asks the same arm', async () => {
    const control = mockModel<string, string>()
    const canary = mockModel<string, string>().answers('new')
    const router = split({ variants: { control, canary }, weights: { control: 1, canary: 0 }, by: (id: string) => id })
    const predict = pipe(router, timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }), mapInput(async (id: string) => id))
    const answer = predict('u')
    const first = await control.next()
    router.setWeights({ control: 0, canary: 1 })
    first.fail(new Error('not today'))
    ;(await control.next()).answer('old')
    expect(await answer).toBe('old')
  })
})

describe('records', () => {
  test('split makes records for a variant that asks for them only later, as a loader does whose new version needs them', async () => {
    let wants = false
    const seen: string[] = []
    const asking = pipe((x: number) => x, layer<number, number>('asking', { one: async (next, x, call) => ((call.note().watchers ??= []).push(({ outcome }) => seen.push(outcome)), await next(x, call)) }))
    Object.defineProperty(stageOf(asking), 'needsRecord', { get: () => wants })
    const predict = pipe(split({ variants: { control: asking, other: (x: number) => x }, weights: { control: 1, other: 0 } }), timeout({ ms: 10_000 }))
    await predict(1, { key: 'a' })
    wants = true
    await predict(1, { key: 'a' })
    expect(seen).toEqual(['ok'])
  })
})
