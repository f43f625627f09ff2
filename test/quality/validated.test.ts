import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, pipe, predictor, retry, type NoticeEvent, type StateEvent } from 'outrigger'
import { referenceProfile } from 'outrigger/drift'
import { check, schemaOf, validated, type FieldAction } from 'outrigger/quality'
import { split } from 'outrigger/route'
import { defineSchema, type Field, type StandardSchema } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'

const invalid = { code: 'ERR_OUTRIGGER_INVALID_INPUT' }
const unfit = { code: 'ERR_OUTRIGGER_UNFIT_INPUT' }
const echo = <I>(row: I): I => row
const km = { km: { type: 'number', min: 0, max: 100 } } as const

/** Training rows: km 0…100 evenly, a carrier that is AA in two of three rows, whole ages around 40. */
const training = Array.from({ length: 3030 }, (_, i) => ({ km: i % 101, carrier: i % 3 === 0 ? 'DL' : 'AA', age: 40 + (i % 5) - 2, isNight: i % 4 === 0 }))
const reference = referenceProfile(training, { kinds: { carrier: 'categorical', isNight: 'categorical' } })
const inferred = schemaOf(reference)

describe('validated: rules of fields', () => {
  const cases: [Field, good: unknown[], bad: Record<string, unknown[]>][] = [
    [{ type: 'number', min: 0, max: 9 }, [0, 9, 4.5], { missing: [undefined, null], type: ['4', true, {}, 4n], nan: [NaN], infinite: [Infinity, -Infinity], range: [-1e-9, 9.1] }],
    [{ type: 'number' }, [Number.MAX_VALUE, -0], { infinite: [Infinity] }],
    [{ type: 'integer', max: 5 }, [5, -3], { type: [1.5], range: [6], nan: [NaN] }],
    [{ type: 'string' }, ['', 'a'], { type: [1], missing: [undefined] }],
    [{ type: 'boolean' }, [true, false], { type: [0, 'true'] }],
    [{ type: 'category', categories: ['1', 'b', 'true'] }, ['b', 1, true], { category: ['B', 2, false], type: [{}, NaN] }],
    [{ type: 'date', min: 0, max: 1e12 }, [new Date(5), '2001-01-01', '2001-01-01T10:00+02:00', '2001-01-01 10:00:00.5', '2001', 7], { type: ['soon', 'flight 12', '12', '2001-13-01', new Date(NaN)], range: [-1, '2200-01-01'] }],
    [{ type: 'number', optional: true, nan: true }, [undefined, null, NaN, 1], { infinite: [Infinity] }],
    [{ type: 'number', optional: true, nullable: false }, [undefined], { missing: [null] }],
    [{ type: 'number', nullable: true }, [null], { missing: [undefined] }],
    [{ type: 'number', shape: [2, null], max: 9 }, [[[1], [2]], new Float32Array(6), [[], []], { shape: [2, 1], data: [1, 2] }], { shape: [[[1]], [1, 2], [[1], 2], new Float32Array(3), { shape: [1, 2], data: [1, 2] }], range: [[[1], [10]]], nan: [[[NaN], [1]]], type: [[['a'], [1]], 3, {}], missing: [[[null], [1]]] }],
  ]
  it.each(cases)('%j', async (field, good, bad) => {
    const predict = pipe((row: { readonly x?: unknown }) => row.x, validated(defineSchema({ x: field })))
    for (const x of good) expect(await predict({ x }), String(x)).toBe(x)
    for (const [rule, values] of Object.entries(bad)) {
      for (const x of values) await expect(predict({ x }), `${rule} ${String(x)}`).rejects.toMatchObject({ ...invalid, findings: [{ rule, subject: 'x', action: 'rejected' }] })
    }
  })

  it('reads rows that are lists by position, and copies them when it repairs', async () => {
    const quality = validated(defineSchema({ a: { type: 'number', max: 1 }, b: { type: 'number' } }), { rules: { range: 'clip' } })
    const list = Float32Array.of(2, 5)
    expect(await pipe(echo<Float32Array>, quality)(list)).toEqual(Float32Array.of(1, 5))
    expect(list[0]).toBe(2)
    expect(await pipe(echo<number[]>, quality)([3, 5])).toEqual([1, 5])
    await expect(pipe(echo<number[]>, quality)([3])).rejects.toMatchObject({ findings: [{ rule: 'range', action: 'clipped' }, { rule: 'missing', subject: 'b' }] })
  })

  it('copies also the rows that copy themselves badly: a Buffer, a field called __proto__, a class', async () => {
    const clipping = validated(defineSchema(km), { rules: { range: 'clip' } })
    const bytes = Buffer.from([200, 7])
    expect([...(await pipe(echo<Buffer>, clipping)(bytes))]).toEqual([100, 7])
    expect([...bytes]).toEqual([200, 7])
    const sent = JSON.parse('{"km":200,"__proto__":{"isAdmin":true}}') as { km: number }
    const got = await pipe(echo<object>, clipping)(sent)
    expect(Object.getPrototypeOf(got)).toBe(Object.prototype)
    expect(JSON.stringify(got)).toBe('{"km":100,"__proto__":{"isAdmin":true}}')
    class Trip { km = 200; get miles(): number { return this.km * 2 } }
    expect(await pipe((trip: Trip) => trip.miles, clipping)(new Trip())).toBe(200)
  })

  it('does not say of a typed array that it was repaired when it has no place for what was to be put in', async () => {
    const two = defineSchema({ a: { type: 'number', min: 0 }, b: { type: 'number', min: 300 } })
    const short = pipe(echo<Float32Array>, validated(two, { rules: { missing: { impute: 'constant', value: 301 } } }))
    await expect(short(Float32Array.of(1))).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'missing', subject: 'b', action: 'rejected' }] })
    await expect(pipe(echo<Uint8Array>, validated(two, { rules: { range: 'clip' } }))(Uint8Array.of(1, 2))).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'range', subject: 'b', action: 'rejected' }] })
  })

  it('does not take what every object inherits for a field, nor a field for a prototype', async () => {
    const schema = { fields: { constructor: { type: 'number' } as const, ['__proto__x']: { type: 'number', optional: true } as const } }
    await expect(pipe(echo<object>, validated(schema))({})).rejects.toMatchObject(invalid)
    const quality = validated(schema, { fields: { constructor: { impute: 'constant', value: 1 } as const } })
    const row = await pipe(echo<object>, quality)({ other: 2 })
    expect(Object.getOwnPropertyNames(row)).toEqual(['other', 'constructor'])
  })

  it.each([[1], [null], ['row']])('rejects what is no row: %j', async (row) => {
    await expect(pipe(echo<unknown>, validated(defineSchema({}), { otherwise: 'flag' }))(row)).rejects.toMatchObject(invalid)
  })

  it('fails the row alone whose getter throws', async () => {
    const bad = Object.defineProperty({}, 'km', { get: () => { throw new Error('getter') } }) as { km: number }
    const rows = await pipe(echo<{ km: number }>, validated(defineSchema(km))).detailedBatch([{ km: 1 }, bad])
    expect(rows.map((row) => (row.ok ? 'ok' : (row.error as { cause: Error }).cause.message))).toEqual(['ok', 'getter'])
  })
})

describe('validated: actions', () => {
  interface Flight { km: number | null | undefined; carrier?: string | null; age?: number; isNight?: boolean | null }
  const ask = async (action: FieldAction, row: Flight, rule = 'missing'): Promise<Flight> => pipe(echo<Flight>, validated({ fields: { km: inferred.fields['km']! } }, { reference, fields: { km: { [rule]: action } } }))(row)

  it('imputes the mean, the median, the mode, a constant, and names it in the record', async () => {
    const row = Object.freeze({ km: null })
    expect((await ask({ impute: 'mean' }, row)).km).toBeCloseTo(50, 0)
    expect((await ask({ impute: 'median' }, row)).km).toBeCloseTo(50, 0)
    expect((await ask({ impute: 'constant', value: 7 }, row)).km).toBe(7)
    const quality = validated(inferred, { reference, rules: { missing: { impute: 'median' }, category: { impute: 'mode' } } })
    const predict = pipe(echo<Flight>, quality)
    const { output, record } = await predict.detailed({ km: undefined, carrier: 'ZZ', age: 41 })
    expect(output).toEqual({ km: expect.closeTo(50, 0) as number, carrier: 'AA', age: 41, isNight: false })
    expect(record.marks).toEqual(['imputed:km', 'imputed:carrier', 'imputed:isNight'])
    expect(quality.counts).toEqual({ rows: 1, clean: 0, flagged: 0, repaired: 1, fallback: 0, rejected: 0, by: { 'missing km': 1, 'category carrier': 1, 'missing isNight': 1 } })
  })

  it('rounds what it imputes for an integer, and fills what may be missing when told to', async () => {
    const quality = validated({ fields: { age: { type: 'integer', optional: true } } }, { reference, fields: { age: { missing: { impute: 'mean' } } } })
    expect(await pipe(echo<object>, quality)({})).toEqual({ age: 40 })
  })

  it('imputes the last good value of the entity, before it the median, and forgets the entity that was not seen for longest', async () => {
    const quality = validated<{ km?: number | null; id: string }>(defineSchema(km), { fields: { km: { missing: { impute: 'last' }, range: 'flag' } }, entity: ({ id }) => id, maxEntities: 2 })
    const predict = pipe((row: { km?: number | null; id: string }) => row.km, quality)
    await expect(predict({ id: 'a' })).rejects.toMatchObject(invalid)
    expect(await predict.batch([{ id: 'a', km: 3 }, { id: 'b', km: 8 }, { id: 'b', km: 500 }, { id: 'a' }, { id: 'b', km: null }])).toEqual([3, 8, 500, 3, 8])
    await predict({ id: 'c', km: 1 })
    await expect(predict({ id: 'a' })).rejects.toMatchObject(invalid)
    const withReference = validated({ fields: { km: inferred.fields['km']! } }, { reference, rules: { missing: { impute: 'last' } } })
    expect(await pipe((row: { km?: number }) => row.km, withReference)({})).toBeCloseTo(50, 0)
  })

  it('keeps a copy of a last value that the caller may change', async () => {
    const quality = validated(defineSchema({ v: { type: 'number', shape: [2] } }), { fields: { v: { impute: 'last' } } })
    const predict = pipe((row: { v?: number[] }) => row.v, quality)
    const v = [1, 2]
    await predict({ v })
    v[0] = 99
    const imputed = await predict({})
    expect(imputed).toEqual([1, 2])
    // Whoever gets it may change it as well.
    imputed![0] = 99
    expect(await predict({})).toEqual([1, 2])
  })

  it('keeps of a last value that is a part of a large array that part, and of a tensor its data', async () => {
    const predict = pipe((row: { v?: unknown }) => row.v, validated(defineSchema({ v: { type: 'number', shape: [2] } }), { fields: { v: { impute: 'last' } } }))
    await predict({ v: new Float32Array(100_000).subarray(6, 8) })
    expect(((await predict({})) as Float32Array).buffer.byteLength).toBe(8)
    await predict({ v: { shape: [2], data: Float32Array.of(3, 4), dispose: () => {} } })
    expect(await predict({})).toMatchObject({ shape: [2], data: Float32Array.of(3, 4) })
  })

  it('clips numbers and dates to their range, and rejects where there is none', async () => {
    const schema = defineSchema({ ...km, at: { type: 'date', max: 1000, optional: true }, n: { type: 'integer', max: 5.5, optional: true } })
    const predict = pipe(echo<{ km: number; at?: unknown; n?: number }>, validated(schema, { rules: { range: 'clip', infinite: 'clip' } }))
    expect(await predict.batch([{ km: 101 }, { km: -1 }, { km: Infinity }, { km: 1, n: 9 }])).toEqual([{ km: 100 }, { km: 0 }, { km: 100 }, { km: 1, n: 5 }])
    expect(await predict({ km: 1, at: new Date(5000) })).toEqual({ km: 1, at: new Date(1000) })
    expect(await predict({ km: 1, at: '2001-01-01' })).toEqual({ km: 1, at: '1970-01-01T00:00:01.000Z' })
    await expect(pipe(echo<object>, validated(defineSchema({ x: { type: 'number' } }), { fields: { x: 'clip' } }))({ x: Infinity })).rejects.toMatchObject(invalid)
  })

  it('flags a row that goes on as it is, and counts it', async () => {
    const quality = validated(defineSchema(km), { otherwise: 'flag' })
    const row = { km: 101 }
    const { output, record } = await pipe(echo<{ km: number }>, quality).detailed(row)
    expect(output).toBe(row)
    expect(record).toMatchObject({ outcome: 'ok', marks: ['flagged:range km'] })
    expect(quality.counts).toMatchObject({ rows: 1, flagged: 1 })
  })

  it('leaves rows to the fallback by a code of their own, which no breaker counts and no retry asks again for', async () => {
    const breaker = circuitBreaker({ consecutiveFailures: 1 })
    const predict = pipe(echo<{ km: number }>, validated(defineSchema(km), { rules: { range: 'fallback' } }), retry({ retries: 3 }), breaker, fallback({ use: (_: { km: number }) => 'rule', when: ['ERR_OUTRIGGER_UNFIT_INPUT'] }))
    expect(await predict({ km: 101 })).toBe('rule')
    expect(await predict.batch([{ km: 1 }, { km: 101 }])).toEqual([{ km: 1 }, 'rule'])
    await expect(predict({ km: NaN })).rejects.toMatchObject(invalid)
    expect(breaker.state).toBe('closed')
    const { record } = await predict.detailed({ km: 101 })
    expect(record).toMatchObject({ source: 'fallback', attempts: 1, marks: ['fallback:range km'] })
  })

  it('rejects when one rule rejects and another would hand over; names all', async () => {
    const quality = validated(defineSchema({ ...km, carrier: { type: 'string' } }), { fields: { km: 'fallback' } })
    const error = await pipe(echo<object>, quality)({ km: -1 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ ...invalid, findings: [{ subject: 'km', action: 'fallback' }, { subject: 'carrier', action: 'rejected' }] })
    // Whichever comes first.
    const turned = validated(defineSchema({ carrier: { type: 'string' }, ...km }), { fields: { km: 'fallback' } })
    await expect(pipe(echo<object>, turned)({ km: -1 })).rejects.toMatchObject(invalid)
    await expect(pipe(echo<object>, quality)({ km: -1, carrier: 'AA' })).rejects.toMatchObject({ ...unfit, message: 'Cannot pass the row on as `km`: it must lie in 0 to 100: current value is -1' })
  })

  it('shows no value of a guarded field', async () => {
    const quality = validated(defineSchema({ name: { type: 'category', categories: ['x'], tags: ['PII'] } }))
    const error = (await pipe(echo<object>, quality)({ name: 'Ada' }).catch((thrown: unknown) => thrown)) as Error
    expect(error.message).not.toContain('Ada')
  })

  it('sends on only the rows that are good, in their order, and none if none is', async () => {
    const seen: number[] = []
    const model = { predictBatch: (rows: readonly { km: number }[]) => rows.map((row) => (seen.push(row.km), row.km * 2)) }
    const predict = pipe(model, validated(defineSchema(km), { rules: { nan: { impute: 'constant', value: 0 } } }))
    const rows = await predict.detailedBatch([{ km: 1 }, { km: -1 }, { km: NaN }, { km: 4 }])
    expect(rows.map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual([2, invalid.code, 0, 8])
    expect(seen).toEqual([1, 0, 4])
    expect(rows.map(({ record }) => record.marks)).toEqual([[], ['rejected:range km'], ['imputed:km'], []])
    await predict.detailedBatch([{ km: -1 }])
    expect(seen).toHaveLength(3)
  })
})

describe('validated: rules of rows', () => {
  it('sees a row after its repairs in a check, and tells once of a check that throws', async () => {
    const quality = validated<{ a: number; b?: { c: number } }>(defineSchema({ a: { type: 'number', max: 1 } }), { rules: { range: 'clip' }, checks: [check('small', ({ a }) => a <= 1), check('deep', ({ b }) => b!.c > 0, 'flag')] })
    const predict = pipe(echo<{ a: number; b?: { c: number } }>, quality)
    const notices: NoticeEvent[] = []
    predict.observe((event) => {
      if (event.type === 'notice') notices.push(event)
    })
    await predict({ a: 5 })
    await predict({ a: 0 })
    await predict({ a: 0, b: { c: 1 } })
    expect(quality.counts.by).toEqual({ 'range a': 1, 'check deep': 2 })
    expect(notices.map(({ layer, message }) => `${layer} ${message.slice(0, 12)}`)).toEqual(['validated `deep` threw'])
  })

  it('does not take a promise of a check for true, and tells', async () => {
    const predict = pipe(echo<object>, validated<object>(defineSchema({}), { checks: [check<object>('late', (() => Promise.resolve(true)) as never)] }))
    const notices: unknown[] = []
    predict.observe((event) => {
      if (event.type === 'notice') notices.push((event.error as Error).message)
    })
    await expect(predict({})).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'check', subject: 'late' }] })
    expect(notices).toEqual(['Cannot use the check `late` as it must return true or false at once: current value is of type object'])
  })

  it('knows a stale row, and one from the future, by the clock of the stack', async () => {
    const clock = fakeClock()
    const quality = validated(defineSchema({}), { fresh: { field: 'at', maxAgeMs: 1000, maxAheadMs: 10 } })
    const predict = pipe(predictor((row: { at?: unknown }) => row.at, { clock }), quality)
    const now = clock.wall()
    for (const at of [now - 1000, now + 10, new Date(now), new Date(now - 5).toISOString()]) expect(await predict({ at })).toBe(at)
    for (const at of [now - 1001, now + 11, undefined, 'yesterday']) await expect(predict({ at })).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'stale', subject: 'at' }] })
  })

  it('remembers nothing of a row without an entity, and tells once', async () => {
    type Event = { t: number; id?: string | null; km?: number | null }
    const quality = validated<Event>(defineSchema(km), { monotone: { field: 't' }, fields: { km: { missing: { impute: 'last' } } }, entity: ({ id }) => id as string })
    const predict = pipe((row: Event) => row.km, quality)
    const notices: NoticeEvent[] = []
    predict.observe((event) => {
      if (event.type === 'notice') notices.push(event)
    })
    for (const [id, t] of [[undefined, 9], [null, 5], [undefined, 3], ['a', 4], ['undefined', 1], ['null', 1]] as const) expect(await predict({ t, km: 3, ...(id === undefined ? {} : { id }) })).toBe(3)
    // A last value of somebody else is none.
    await expect(predict({ t: 10, km: null })).rejects.toMatchObject(invalid)
    expect(notices.map(({ message }) => message.slice(0, 14))).toEqual(['`entity` threw'])
  })

  it('knows a row that goes back, per entity, and does not learn from rows that fail', async () => {
    type Event = { t: number; id: string; km: number }
    const quality = validated<Event>(defineSchema(km), { monotone: { field: 't' }, entity: ({ id }) => id })
    const predict = pipe((row: Event) => row.t, quality)
    const at = (t: number, id: string, distance = 1): Event => ({ t, id, km: distance })
    const rows = await predict.detailedBatch([at(5, 'a'), at(3, 'b'), at(5, 'a'), at(4, 'a'), at(99, 'a', -1), at(6, 'a'), at(NaN, 'a')])
    expect(rows.map(({ ok }) => ok)).toEqual([true, true, true, false, false, true, false])
    expect(quality.counts.by).toEqual({ 'backwards t': 2, 'range km': 1 })
    const strict = pipe((row: { t: number }) => row.t, validated(defineSchema({}), { monotone: { field: 't', strict: true, action: 'flag' } }))
    const flagged = await strict.detailedBatch([{ t: 1 }, { t: 1 }, { t: 0 }, { t: 2 }])
    expect(flagged.map(({ record }) => record.marks.length)).toEqual([0, 1, 1, 0])
  })

  it('finds the time of a row that is a list by the schema, and shows none that is guarded', async () => {
    const clock = fakeClock()
    const schema = defineSchema({ ...km, born: { type: 'date', tags: ['pii'] } })
    const predict = pipe(predictor(echo<number[]>, { clock }), validated(schema, { fresh: { field: 'born', maxAgeMs: 1000 }, monotone: { field: 'born' } }))
    const now = clock.wall()
    expect(await predict([1, now])).toEqual([1, now])
    for (const [at, rule] of [[now - 5, 'backwards'], [now + 1001, 'stale']] as const) {
      const error = (await predict([1, at]).catch((thrown: unknown) => thrown)) as Error
      expect(error).toMatchObject({ ...invalid, findings: [{ rule, subject: 'born' }] })
      expect(error.message).toContain('current value is not shown')
    }
  })

  it('flags outliers of one number, and of a row whose numbers each pass', async () => {
    const schema = defineSchema({ km: { type: 'number' }, age: { type: 'number' } })
    const quality = validated(schema, { reference, outliers: { cut: 3, joint: { alpha: 1e-2 } } })
    const predict = pipe(echo<{ km: number; age: number }>, quality)
    const marks = async (distance: number, age: number): Promise<readonly string[]> => (await predict.detailed({ km: distance, age })).record.marks
    expect(await marks(50, 40)).toEqual([])
    expect(await marks(1000, 40)).toEqual(['flagged:outlier km', 'flagged:joint-outlier row'])
    expect(await marks(145, 44)).toEqual(['flagged:joint-outlier row'])
    const clipping = pipe(echo<{ km: number; age: number }>, validated(schema, { reference, outliers: { cut: 3 }, rules: { outlier: 'clip' } }))
    const { km: clipped } = await clipping({ km: 1000, age: 40 })
    expect(clipped).toBeGreaterThan(145)
    expect(clipped).toBeLessThan(175)
  })

  it('tells when too many rows are bad, with the worst rule, and when that is over', async () => {
    const quality = validated(defineSchema(km), { name: 'flights', otherwise: 'flag', alarm: { share: 0.2, rows: 10 } })
    const predict = pipe(echo<{ km: number }>, quality)
    const states: StateEvent[] = []
    const seen: string[] = []
    predict.observe((event) => {
      if (event.type !== 'state') return
      states.push(event)
      seen.push(quality.state)
    })
    const rows = (bad: number): { km: number }[] => Array.from({ length: 10 }, (_, i) => ({ km: i < bad ? -1 : 1 }))
    for (const bad of [2, 3, 2, 1, 0]) await predict.batch(rows(bad))
    expect(states.map(({ layer, subject, from, to, reason }) => `${layer} ${subject} ${from} ${to}: ${reason}`)).toEqual([
      'validated flights ok dirty: 3 of 10 rows broke a rule; most often range km, 3 times.',
      'validated flights dirty ok: 1 of 10 rows broke a rule; most often range km, 1 times.',
    ])
    expect(states[0]?.data).toEqual({ rows: 10, dirty: 3, by: { 'range km': 3 } })
    expect(seen).toEqual(['dirty', 'ok'])
    expect(quality.state).toBe('ok')
  })

  it('judges once, before a router inside looks at the repaired row', async () => {
    const seen: number[] = []
    const release = split({ name: 'r', variants: { low: (_: { km: number }) => 'low', high: (_: { km: number }) => 'high' }, weights: { low: 1, high: 0 }, by: (row: { km: number }) => (seen.push(row.km), String(row.km)) })
    const quality = validated(defineSchema(km), { rules: { range: 'clip' } })
    const predict = pipe(release, quality)
    expect(await predict({ km: 500 })).toBe('low')
    await predict.detailedBatch([{ km: 500 }, { km: NaN }, { km: 7 }])
    expect(seen).toEqual([100, 100, 7])
    expect(quality.counts).toMatchObject({ rows: 4, clean: 1, repaired: 2, rejected: 1 })
  })
})

describe('validated: Standard Schema', () => {
  type Row = { age: number; name: string }
  /** A schema by hand: coerces the age, wants a name. */
  const standard = (isAsync: boolean): StandardSchema<{ age: string | number | null; name?: string }, Row> => ({
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        const { age, name } = value as { age: unknown; name: unknown }
        const issues = [...(Number.isFinite(Number(age ?? NaN)) ? [] : [{ message: 'no number', path: [{ key: 'age' }] }]), ...(typeof name === 'string' ? [] : [{ message: 'no text', path: ['name'] }])]
        const result = issues.length > 0 ? { issues } : { value: { age: Number(age), name: String(name) } }
        return isAsync ? Promise.resolve(result) : result
      },
    },
  })

  it.each([false, true])('passes on what the schema makes, and what it says when not; asynchronous: %s', async (isAsync) => {
    const quality = validated(standard(isAsync), { reference, fields: { age: { impute: 'median' }, name: 'fallback' }, checks: [check('adult', ({ age }: Row) => age >= 18)] })
    const predict = pipe(({ age, name }: Row) => `${name} ${age}`, quality)
    expect(await predict({ age: '40', name: 'Ada' })).toBe('Ada 40')
    await expect(predict({ age: 40 })).rejects.toMatchObject({ ...unfit, findings: [{ rule: 'schema', subject: 'name' }], message: 'Cannot pass the row on as `name`: no text' })
    await expect(predict({ age: 4, name: 'Bo' })).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'check', subject: 'adult' }] })
    const rows = await predict.detailedBatch([{ age: null, name: 'Cy' }, { age: 'x' }, { age: 50, name: 'Di' }])
    expect(rows.map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual(['Cy 40', unfit.code, 'Di 50'])
    expect(rows[0]?.record.marks).toEqual(['imputed:age'])
    expect(quality.counts).toMatchObject({ rows: 6, clean: 2, repaired: 1, fallback: 2, rejected: 1 })
  })

  it('fails the row alone for which the schema throws or rejects', async () => {
    for (const validate of [(): never => { throw new Error('schema') }, () => Promise.reject(new Error('schema'))]) {
      const predict = pipe(echo<unknown>, validated({ '~standard': { version: 1, vendor: 'test', validate } }))
      const [row] = await predict.detailedBatch([1])
      expect(row).toMatchObject({ ok: false, error: { ...invalid, cause: { message: 'schema' } } })
    }
  })

  it('counts callers\' own keys up to a number', async () => {
    const keys: StandardSchema<Record<string, number>> = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ issues: [{ message: 'no', path: Object.keys(value as object) }] }) } }
    const quality = validated(keys)
    await pipe(echo<Record<string, number>>, quality).detailedBatch(Array.from({ length: 10_500 }, (_, i) => ({ [`key ${i}`]: i })))
    const { by } = quality.counts
    expect([Object.keys(by).length, by['schema key 0'], by['schema (others)']]).toEqual([10_001, 1, 500])
  })

  it('fails what a schema refuses without a word, or later by a promise of its own make', async () => {
    const refused = { issues: [] }
    const later = { then: (go: (result: object) => void) => go({ issues: [{ message: 'no' }] }) }
    for (const result of [refused, later]) {
      await expect(pipe(echo<unknown>, validated({ '~standard': { version: 1, vendor: 'test', validate: () => result as never } }))(5)).rejects.toMatchObject({ ...invalid, findings: [{ rule: 'schema', subject: 'row' }] })
    }
  })

  it('gives a router inside the row that the schema makes', async () => {
    const seen: unknown[] = []
    const release = split({ name: 'r', variants: { one: ({ age }: Row) => age, two: (_: Row) => 0 }, weights: { one: 1, two: 0 }, by: (row: Row) => (seen.push(row.age), 'k') })
    const predict = pipe(release, validated(standard(false)))
    expect(await predict({ age: '7', name: 'x' })).toBe(7)
    expect(seen).toEqual([7])
  })

  it.each([[{ rules: { range: 'clip' } }], [{ fields: { age: 'clip' } }], [{ fields: { age: { impute: 'last' } } }], [{ fields: { age: { impute: 'mean' } } }], [{ fields: { age: { missing: 'flag' } } }]])('refuses %j', (policy) => {
    expect(() => validated(standard(false), policy as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as Error)
  })
})

describe('validated: options', () => {
  it.each([
    [{ otherwise: 'clip' }],
    [{ rules: { range: 'drop' } }],
    [{ rules: { ranges: 'flag' } }],
    [{ rules: 'flag' }],
    [{ fields: { km: null } }],
    [{ fields: { miles: 'flag' } }],
    [{ fields: { km: { ranges: 'flag' } } }],
    [{ fields: { km: { missing: 'clip' } } }],
    [{ fields: { km: { impute: 'median' } } }],
    [{ fields: { km: { impute: 'constant' } } }],
    [{ fields: { km: { impute: 'constant', value: 101 } } }],
    [{ rules: { missing: { impute: 'mode' } } }],
    [{ outliers: {} }],
    [{ reference, outliers: { cut: 0 } }],
    [{ reference, outliers: { joint: { alpha: 0 } } }],
    [{ reference: {} }],
    [{ checks: [() => true] }],
    [{ checks: [check('a', () => true), check('a', () => true)] }],
    [{ fresh: { field: 'at' } }],
    [{ monotone: { field: '' } }],
    [{ alarm: { share: 2 } }],
    [{ maxEntities: 0 }],
    [{ entity: 'id' }],
    [{ rule: {} }],
  ])('refuses %j', (policy) => {
    expect(() => validated(defineSchema(km), policy as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as Error)
  })

  it.each([[undefined], [{}], [{ fields: { x: { type: 'float' } } }], [{ km: { type: 'number' } }], ['schema']])('refuses the schema %j', (schema) => {
    expect(() => validated(schema as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as Error)
  })
})
