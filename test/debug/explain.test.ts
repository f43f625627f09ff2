import { fallback, pipe, predictor, type PredictionRecord, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { microBatched } from 'outrigger/batch'
import { mapInput, mapOutput } from 'outrigger/compose'
import { checkpoint, explain, type Explanation, type StageName } from 'outrigger/debug'
import { memoryDepot, modelStore } from 'outrigger/models'
import { validated } from 'outrigger/quality'
import { assigner, split } from 'outrigger/route'
import { declared, defineSchema } from 'outrigger/schema'
import { describe, expect, it } from 'vitest'

interface Trip {
  readonly km: number
  readonly rate: number
}
const input = defineSchema({ km: { type: 'number', min: 0, max: 1000 }, rate: { type: 'number' } })
const logit = defineSchema({ logit: { type: 'number' } })
const output = defineSchema({ fare: { type: 'number' } })
const model = ({ km, rate }: Trip): number => km * rate
const around = (inner: Predictor<Trip, number>, post = (x: number) => ({ fare: x + 1 })) => pipe(inner, checkpoint('model', { input, output: logit }), mapOutput(post), declared({ input, output }))
const sound = () => around(predictor(model, { name: 'fare', version: '3' }))
const record = async (predict: Predictor<Trip, { fare: number }>, trip: Trip, id = 'p', key = 'user-1'): Promise<PredictionRecord> => (await predict.detailed(trip, { id, key })).record
const statusOf = (explanation: Explanation, stage: StageName) => explanation.stages.find((one) => one.stage === stage)!

describe('explain', () => {
  it('says that nothing differs, stage by stage, and what it could not look at', async () => {
    const explanation = await explain('p', { source: [await record(sound(), { km: 10, rate: 2 })], predictor: sound() })
    expect(explanation.first).toBeUndefined()
    expect(explanation.stages.map(({ stage, status, says }) => [stage, status, says])).toEqual([
      ['features', 'not checked', 'no function computes them again'],
      ['schema', 'same', 'valid, the same reached 1 checkpoint'],
      ['cache', 'same', 'no cache answered'],
      ['route', 'not checked', 'no router chose'],
      ['model bytes', 'not checked', 'the record has no digest'],
      ['model', 'same', 'asked again, it gives the same at checkpoint model'],
      ['batch companions', 'same', 'it was alone'],
      ['post-processing', 'same', 'the same at 1 further place'],
    ])
    expect([explanation.answer, explanation.toJSON()['answer']]).toEqual(['same', 'same'])
    expect(explanation.text()).toContain('\nNothing differs.\n')
  })

  it('says of no stage that it is the same where there was no field to compare', async () => {
    const one = (await pipe(predictor((trip: Trip) => ({ fare: model(trip) }), { version: '3', input, output })).detailed({ km: 10, rate: 2 }, { id: 'p' })).record
    const asked = async (field: string, schema = defineSchema({ [field]: { type: 'number' } })) => await explain('p', { source: [one], predictor: predictor((trip: Trip) => ({ [field]: -model(trip), fare: model(trip) }), { version: '3', input, output: schema }) })
    const renamed = await asked('price')
    expect([renamed.answer, renamed.first, statusOf(renamed, 'model')]).toEqual(['nothing', undefined, { stage: 'model', status: 'not checked', says: 'no field to compare', differences: [] }])
    const wider = await asked('price', defineSchema({ fare: { type: 'number' }, price: { type: 'number' } }))
    expect([wider.answer, statusOf(wider, 'model').says]).toEqual(['same', 'asked again, it gives the same at the output, in the fields that both schemas have'])
    // A checkpoint that lets nothing through is no place.
    const blind = (answer: number) => pipe(predictor((_: Trip) => answer, { version: '3' }), checkpoint('model', { output: defineSchema({ y: { type: 'number', tags: ['pii'] } }) }), mapOutput((x: number) => ({ fare: x })), declared({ input, output }))
    const hidden = (await blind(1).detailed({ km: 1, rate: 1 }, { id: 'p' })).record
    expect((await explain('p', { source: [hidden], predictor: blind(2) })).first).toMatchObject({ stage: 'model', says: expect.stringContaining('no checkpoint tells them apart') })
  })

  it('does not say that a cached answer is another one than was kept where it cannot compare them', async () => {
    const stack = (rise: number) => predictor((trip: Trip) => ({ fare: model(trip) + rise }), { version: '3', input, output })
    const served = pipe(stack(0), cached())
    const fill = (await served.detailed({ km: 1, rate: 1 }, { id: 'first' })).record
    const hit = (await served.detailed({ km: 1, rate: 1 }, { id: 'p' })).record
    const says = async (kept: PredictionRecord) => statusOf(await explain('p', { source: [kept, hit], predictor: stack(1) }), 'cache').says
    expect(await says({ ...fill, output: { fare: 5 } as never })).toMatch(/kept of first, which got another one$/)
    expect(await says({ ...fill, output: { price: 5 } as never, schema: { input: undefined, output: 'other' } })).toMatch(/kept of first$/)
  })

  it('counts a cached answer that was compared with a direct one as checked', async () => {
    const stack = () => predictor((trip: Trip) => ({ fare: model(trip) }), { version: '3', input, output })
    const served = pipe(stack(), cached())
    await served({ km: 1, rate: 1 })
    const hit = (await served.detailed({ km: 1, rate: 1 }, { id: 'p' })).record
    expect([hit.source, (await explain('p', { source: [hit], predictor: stack() })).answer]).toEqual(['cache', 'same'])
  })

  it('needs nothing but records to say what it can', async () => {
    const explanation = await explain('p', { source: [await record(sound(), { km: 10, rate: 2 })] })
    expect(explanation.first).toBeUndefined()
    expect([explanation.answer, explanation.text().split('\n')[3]]).toEqual(['nothing', 'Nothing was checked beyond cache and schema.'])
    for (const stage of ['cache', 'model', 'batch companions', 'post-processing'] as const) expect(statusOf(explanation, stage)).toMatchObject({ status: 'not checked', says: 'no predictor' })
    expect(statusOf(explanation, 'schema')).toMatchObject({ status: 'not checked', says: 'no schema with types' })
    expect(statusOf(await explain('p', { source: [explanation.record], input }), 'schema').status).toBe('same')
  })

  it('compares features that were served with the same computed again, only those that a record may show', async () => {
    const one = await record(sound(), { km: 10, rate: 2 })
    const features = (fields: object | undefined) => explain('p', { source: [one], predictor: sound(), features: () => fields as never })
    const served = await features({ rate: 2.5 })
    expect(served.first).toEqual({ stage: 'features', status: 'differs', says: 'served otherwise than computed again, in 1 of 1 field', differences: [{ path: 'rate', recorded: 2, now: 2.5, by: 0.5 }] })
    // The later stages are looked at with what was served.
    expect(statusOf(served, 'model').status).toBe('same')
    expect((await features({ rate: 2, passenger: 'Ada' })).first).toBeUndefined()
    expect((await features({ rate: 2, passenger: 'Ada' })).text()).not.toContain('Ada')
    expect(statusOf(await features(undefined), 'features').says).toBe('`features` gave none for it')
    expect(statusOf(await features({ other: 1 }), 'features').says).toContain('no field that the record may have')
    const threw = await explain('p', { source: [one], features: () => { throw new RangeError('Ada is gone') } })
    expect(statusOf(threw, 'features')).toMatchObject({ status: 'not checked', says: '`features` failed with RangeError' })
    expect((await explain('p', { source: [one], features: () => ({ rate: 2 * (1 + 1e-12) }), tolerance: 1e-9 })).first).toBeUndefined()
  })

  it('sees broken rules, repairs, and another input on the way in', async () => {
    const broken = await explain('p', { source: [await record(sound(), { km: 2000, rate: Number.NaN })], predictor: sound() })
    expect(broken.first).toMatchObject({ stage: 'schema', says: 'breaks range km, nan rate' })
    const clipping = pipe(sound(), validated(input, { fields: { km: { range: 'clip' } } }))
    expect((await explain('p', { source: [await record(clipping, { km: 2000, rate: 1 })], predictor: sound() })).first?.says).toBe('breaks range km; marked clipped:km; another input reached checkpoint model')
    const miles = around(pipe(predictor(model, { version: '3' }), (inner: Predictor<Trip, number>) => inner))
    const shifted = pipe(miles, mapInput((trip: Trip) => ({ ...trip, km: trip.km * 1.6 })), declared({ input, output }))
    expect((await explain('p', { source: [await record(shifted, { km: 10, rate: 1 })], predictor: miles })).first).toMatchObject({ stage: 'schema', says: 'another input reached checkpoint model', differences: [{ path: 'km', recorded: 16, now: 10 }] })
    expect(statusOf(await explain('p', { source: [await record(shifted, { km: 10, rate: 1 })], predictor: miles }), 'model')).toMatchObject({ status: 'not checked', says: 'what reached the model differs already' })
  })

  it('tells a key that forgot a field from an answer that was wrong when it was put in', async () => {
    const serve = async (inner: Predictor<Trip, number>, key?: (trip: Trip) => string): Promise<PredictionRecord[]> => {
      const predict = pipe(inner, checkpoint('model', { input, output: logit }), cached({ ttlMs: 60_000, ...(key === undefined ? {} : { key }) }), checkpoint('answer', { output: logit }), mapOutput((x: number) => ({ fare: x + 1 })), declared({ input, output }))
      return [await record(predict, { km: 10, rate: 2 }, 'first'), await record(predict, { km: 10, rate: key === undefined ? 2 : 3 }, 'second')]
    }
    const reference = pipe(predictor(model, { version: '3' }), checkpoint('model', { input, output: logit }), checkpoint('answer', { output: logit }), mapOutput((x: number) => ({ fare: x + 1 })), declared({ input, output }))
    const byKey = await explain('second', { source: await serve(predictor(model, { version: '3' }), ({ km }) => `${km}`), predictor: reference })
    expect(byKey.first).toMatchObject({ stage: 'cache', differences: [{ path: 'logit', recorded: 20, now: 30 }] })
    expect(byKey.first?.says).toMatch(/^hit, \d+ ms old: not what the model gives when asked directly, at checkpoint answer; kept of first, whose input was another in rate$/)
    expect(statusOf(byKey, 'post-processing')).toMatchObject({ status: 'not checked', says: 'what came to it differs already' })
    const wrong = await explain('second', { source: await serve(predictor(({ km }: Trip) => km, { version: '3' })), predictor: reference })
    expect(wrong.first).toMatchObject({ stage: 'model' })
    expect(wrong.first?.says).toContain('(of first, from which it was kept)')
    expect(statusOf(wrong, 'cache')).toMatchObject({ status: 'same', says: 'as kept of first' })
    // Where it was kept of is not among the records, or they can be read only once.
    const records = await serve(predictor(({ km }: Trip) => km, { version: '3' }))
    expect((await explain('second', { source: records.slice(1), predictor: reference })).first?.stage).toBe('cache')
    expect((await explain('second', { source: new Set(records), predictor: reference })).first?.stage).toBe('cache')
    expect((await explain('second', { source: await serve(predictor(model, { version: '3' })), predictor: reference })).first).toBeUndefined()
  })

  it('asks the assigner for the unit, in the epoch of the call', async () => {
    const router = (weights = { old: 0.5, next: 0.5 }) => around(split({ name: 'release', variants: { old: predictor(model, { version: '3' }), next: predictor(model, { version: '4' }) }, weights }))
    const one = await record(router(), { km: 1, rate: 1 })
    const arm = one.variants[0]!.variant
    const of = async (route: Parameters<typeof explain>[1]['route'], source = one) => statusOf(await explain('p', { source: [source], ...(route === undefined ? {} : { route }) }), 'route')
    const release = assigner({ name: 'release', weights: { old: 0.5, next: 0.5 } })
    const unit = () => 'user-1'
    expect(await of(undefined)).toMatchObject({ status: 'not checked', says: 'no assigner' })
    expect(await of({ assigners: [release], unit })).toMatchObject({ status: 'same' })
    expect(await of({ assigners: [], unit })).toMatchObject({ status: 'not checked', says: 'no assigner of release' })
    expect(await of({ assigners: [release], unit: () => undefined })).toMatchObject({ status: 'not checked', says: 'no unit' })
    expect(await of({ assigners: [release], unit: () => { throw new Error('x') } })).toMatchObject({ status: 'not checked', says: '`unit` failed with Error' })
    expect(await of({ assigners: [release], unit: () => 'user-2' })).toMatchObject({ status: 'differs', says: 'release chose for another unit' })
    const other = assigner({ name: 'release', weights: arm === 'old' ? { old: 0, next: 1 } : { old: 1, next: 0 } })
    expect(await of({ assigners: [other], unit })).toMatchObject({ status: 'differs', says: expect.stringContaining(`release gave ${arm}, and the unit belongs to`) })
    const wider = assigner({ name: 'release', weights: arm === 'old' ? { old: 1, next: 0 } : { old: 0, next: 1 } })
    expect(await of({ assigners: [wider], unit })).toMatchObject({ status: 'differs', says: expect.stringContaining('the weights say 1') })
    release.setWeights({ old: 0.4, next: 0.6 })
    expect(await of({ assigners: [release], unit })).toMatchObject({ status: 'not checked', says: 'release chose in epoch 1, the assigner is in epoch 2' })
    const exact = assigner({ name: 'release', weights: { old: 0.5, next: 0.5 } })
    expect(await of({ assigners: [exact], unit, versions: { old: '3', next: '4' } })).toMatchObject({ status: 'same' })
    expect(await of({ assigners: [exact], unit, versions: { old: '4', next: '3' } })).toMatchObject({ status: 'differs', says: expect.stringContaining('serves version') })
    expect(await of({ assigners: [exact], unit }, { ...one, variants: [{ ...one.variants[0]!, reason: 'external' }] })).toMatchObject({ status: 'not checked' })
  })

  it('compares the digest with the store\'s, and names the version whose bytes they are', async () => {
    const store = modelStore({ depot: memoryDepot() })
    for (const slope of ['1', '2']) await store.publish({ name: 'fare', engine: 'function', files: { 'slope.json': slope } })
    const [first, second] = [await store.resolve('fare@1'), await store.resolve('fare@2')]
    const served = (version: string, digest?: string) => around(predictor(model, { name: 'fare', version, ...(digest === undefined ? {} : { digest }) }))
    const bytes = async (predict: ReturnType<typeof served>, withStore: Parameters<typeof explain>[1]['store'] = store) => statusOf(await explain('p', { source: [await record(predict, { km: 1, rate: 1 })], store: withStore }), 'model bytes')
    expect(await bytes(served('1', first.digest))).toMatchObject({ status: 'same', says: `${first.digest.slice(0, 12)}, every file as its hash says` })
    expect(await bytes(served('1', second.digest))).toMatchObject({ status: 'differs', says: expect.stringMatching(/served, and fare@1 is .* in the store \(it was fare@2\)$/) })
    expect(await bytes(served('9', first.digest))).toMatchObject({ status: 'not checked', says: 'the store does not give fare@9: ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    expect(await bytes(served('1'))).toMatchObject({ status: 'not checked', says: 'the record has no digest' })
    const damaged = { resolve: store.resolve, open: async () => { throw Object.assign(new Error('x'), { code: 'ERR_OUTRIGGER_MODEL_CORRUPT' }) } } as unknown as typeof store
    expect(await bytes(served('1', first.digest), { resolve: (reference) => store.resolve(reference), open: damaged.open })).toMatchObject({ status: 'differs', says: 'a file of fare@1 is not what its hash says' })
    // Without a store, the predictor's own.
    const one = await record(served('1', first.digest), { km: 1, rate: 1 })
    expect(statusOf(await explain('p', { source: [one], predictor: served('1', first.digest) }), 'model bytes').status).toBe('same')
    expect(statusOf(await explain('p', { source: [one], predictor: served('1', second.digest) }), 'model bytes').status).toBe('differs')
  })

  it('tells the rows beside it from the model', async () => {
    const trips = Array.from({ length: 4 }, (_, at) => ({ km: 10 + at, rate: 1 + at / 7 }))
    const ids = trips.map((_, at) => `p${at}`)
    const serve = async (predictBatch: (rows: readonly Trip[]) => number[]): Promise<PredictionRecord[]> => (await around(predictor({ predictBatch }, { version: '3' })).detailedBatch(trips, { ids })).map((row) => row.record)
    const bare = { predictBatch: (rows: readonly Trip[]) => rows.map(model) }
    const rotated = await serve((rows) => [...rows.slice(1), rows[0]!].map(model))
    const asked = (source: readonly PredictionRecord[], predictBatch = bare.predictBatch) => explain('p1', { source, predictor: around(predictor({ predictBatch }, { version: '3' })) })
    expect((await asked(rotated)).first).toMatchObject({ stage: 'batch companions', says: 'it got the answer of row 3 of its 4' })
    const leaning = (rows: readonly Trip[]) => rows.map((row) => model(row) + rows.length / 1000)
    expect((await asked(await serve(leaning), leaning)).first).toMatchObject({ stage: 'batch companions', says: 'alone another answer; among its 4 rows the recorded one' })
    expect(statusOf(await asked(await serve(leaning), leaning), 'model').status).toBe('same')
    expect((await asked((await serve(leaning)).slice(0, 3), leaning)).first).toMatchObject({ stage: 'batch companions', says: 'alone another answer than among other rows; only 3 of its 4 rows are among the records' })
    const own = await asked(await serve((rows) => rows.map((row) => model(row) + 1)))
    expect([own.first?.stage, statusOf(own, 'batch companions').says]).toEqual(['model', 'with its 4 rows it is not the recorded one either'])
    const fewer = await asked(rotated.slice(0, 2))
    expect([fewer.first?.stage, statusOf(fewer, 'batch companions').says]).toEqual(['model', 'only 2 of its 4 rows are among the records'])
    expect(fewer.first?.says).toContain('or the rows beside it made it so')
  })

  it('knows the runs of micro-batching', async () => {
    const serve = around(pipe(predictor({ predictBatch: (rows: readonly Trip[]) => [...rows.slice(1), rows[0]!].map(model) }, { version: '3' }), microBatched({ adaptive: false, maxSize: 3, maxDelayMs: 50 })))
    const records = await Promise.all([1, 2, 3].map((km) => record(serve, { km, rate: 7 }, `p${km}`)))
    expect((await explain('p2', { source: records, predictor: sound() })).first).toMatchObject({ stage: 'batch companions', says: 'it got the answer of row 3 of its 3' })
    await serve.close()
  })

  it('finds what was made of the model\'s answer', async () => {
    const one = await record(around(predictor(model, { version: '3' }), (x) => ({ fare: Math.round(x) })), { km: 10, rate: 1.26 })
    expect((await explain('p', { source: [one], predictor: sound() })).first).toEqual({ stage: 'post-processing', status: 'differs', says: 'the same came to it, and another one left, at the output', differences: [{ path: 'fare', recorded: 13, now: 13.6, by: expect.closeTo(0.6, 9) }] })
    const blind = await explain('p', { source: [{ ...one, checkpoints: [] }], predictor: sound() })
    expect(blind.first).toMatchObject({ stage: 'model', says: 'asked again, it gives another answer (or what follows it does: no checkpoint tells them apart)' })
  })

  it('says that a fallback answered, that a call failed, or ended otherwise', async () => {
    const failing = (code?: string) => predictor((_: Trip): number => { throw Object.assign(new Error('Ada'), code === undefined ? {} : { code }) }, { name: 'fare', version: '3' })
    const fell = await record(pipe(around(failing()), fallback(() => ({ fare: 0 }))), { km: 1, rate: 1 })
    expect((await explain('p', { source: [fell], predictor: sound() })).first).toMatchObject({ stage: 'model', says: expect.stringContaining('a fallback answered in its place') })
    const records: PredictionRecord[] = []
    const watched = around(failing('ENOENT'))
    watched.observe((event) => void (event.type === 'prediction' && records.push(event.record)))
    await watched({ km: 1, rate: 1 }, { id: 'p' }).catch(() => {})
    expect((await explain('p', { source: records, predictor: sound() })).first).toMatchObject({ stage: 'model', says: 'recorded ENOENT, now an answer' })
    expect((await explain('p', { source: records, predictor: around(failing('ENOENT')) })).first).toBeUndefined()
    expect((await explain('p', { source: records, predictor: around(failing('ENOENT')) })).text()).not.toContain('Ada')
    const late = await explain('p', { source: [{ ...records[0]!, outcome: 'timeout' }], predictor: sound() })
    expect([late.first, statusOf(late, 'model').says]).toEqual([undefined, 'it ended as timeout'])
    const other = await explain('p', { source: [await record(sound(), { km: 1, rate: 1 })], predictor: around(predictor(model, { version: '4' })) })
    expect(statusOf(other, 'model').says).toBe('the predictor is version 4, and version 3 answered')
    expect(statusOf(await explain('p', { source: [await record(sound(), { km: 1, rate: 1 })], predictor: () => { throw new Error('no such file') } }), 'model').says).toBe('no predictor could be made: Error')
  })

  it('says why an input cannot be made again', async () => {
    const booked = defineSchema({ km: { type: 'number' }, rate: { type: 'number' }, passenger: { type: 'string', tags: ['pii'] } })
    const predict = predictor(({ km }: Trip & { readonly passenger: string }) => ({ fare: km }), { input: booked, output })
    const one = (await predict.detailed({ km: 1, rate: 1, passenger: 'Ada' }, { id: 'p' })).record
    expect(statusOf(await explain('p', { source: [one], predictor: predict }), 'model').says).toContain('`passenger` is kept out of records')
    expect((await explain('p', { source: [one], predictor: predict, complete: () => ({ passenger: 'Ada' }) })).first).toBeUndefined()
    expect(statusOf(await explain('p', { source: [one], predictor: predict, complete: () => { throw new RangeError('Ada') } }), 'model').says).toBe('`complete` failed with RangeError')
  })

  it('reads a source by id and by time, and shows labels and overrides', async () => {
    const one = await record(sound(), { km: 10, rate: 2 })
    const asked: unknown[] = []
    const source = {
      async *read(filter: unknown) {
        asked.push(filter)
        yield { ...one, kind: 'prediction' } as never
        yield { kind: 'label', v: 1, class: 'standard', id: 'p', value: 21, at: 5 } as never
        yield { kind: 'override', v: 1, class: 'standard', id: 'p', actor: 'ann', reason: 'too dear', before: 21, after: 20, at: 6 } as never
      },
    }
    const explanation = await explain('p', { source, predictor: sound() })
    expect(asked).toEqual([{ ids: ['p'] }])
    expect(explanation.text()).toContain('  label: 21, 1970-01-01 00:00:00.005Z\n  overridden by ann, 1970-01-01 00:00:00.006Z: too dear\n')
    expect(JSON.parse(JSON.stringify(explanation))).toMatchObject({ kind: 'explanation', first: null, label: { value: 21 }, stages: [{ stage: 'features' }, {}, {}, {}, {}, {}, {}, {}] })
  })

  it('prints within 80 columns, and nothing that does anything to a terminal', async () => {
    const hostile = '\u001B[2J\u202E\u0007 evil'
    const words = defineSchema({ word: { type: 'string' } })
    const serve = (answer: string) => pipe(predictor((_: { word: string }) => answer, { name: hostile, version: hostile, input: words }), checkpoint(hostile, { output: words }), declared({ output: words }))
    const one = (await serve(hostile.repeat(9)).detailed({ word: hostile }, { id: hostile })).record
    const explanation = await explain(hostile, { source: [one], predictor: serve('calm'), features: () => ({ word: 'other' }) })
    const text = explanation.text()
    expect(explanation.first?.stage).toBe('features')
    // oxlint-disable-next-line no-control-regex -- That is what must not be there.
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001F\u007F-\u009F\u202E]/)
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  it('refuses what it cannot do', async () => {
    const source = [await record(sound(), { km: 10, rate: 2 })]
    await expect(explain('q', { source })).rejects.toThrow(/Cannot explain "q" as it must be among the records: current value is none of 1 predictions/)
    await expect(explain('p', {} as never)).rejects.toThrow(/source/)
    for (const none of [{}, null, { read: 5 }]) await expect(explain('p', { source: none } as never)).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    await expect(explain('p', { source: [null as never] })).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    await expect(explain('p', { source: [{ ...source[0]!, v: 2 as never }] })).rejects.toThrow(/none of 0 predictions/)
    await expect(explain('q', { source: { read: async function* () {} } })).rejects.toThrow(/current value is the id of none/)
    await expect(explain('', { source })).rejects.toThrow(/id/)
    await expect(explain('p', { source, wrong: 1 } as never)).rejects.toThrow(/no option `wrong`/)
    await expect(explain('p', { source, store: {} as never })).rejects.toThrow(/resolve/)
    await expect(explain('p', { source, route: { assigners: [] } as never })).rejects.toThrow(/unit/)
  })
})
