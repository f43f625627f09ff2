import { isPredictor, pipe, predictor, retry, seededRandom, type PredictionRecord, type Predictor } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { mapOutput } from 'outrigger/compose'
import { checkpoint, replay, type ReplayContext } from 'outrigger/debug'
import { split } from 'outrigger/route'
import { defineSchema } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'

interface Flight {
  readonly km: number
  readonly carrier: string
}
const input = defineSchema({ km: { type: 'number', nan: true }, carrier: { type: 'category' } })
const output = defineSchema({ minutes: { type: 'number' }, late: { type: 'boolean' } })
const schemas = { input, output }
const model = ({ km, carrier }: Flight) => ({ minutes: km / 13 + carrier.length, late: km > 500 })
const flights = Array.from({ length: 60 }, (_, i) => ({ km: 17 * i + 0.1, carrier: i % 3 === 0 ? 'AA' : 'DL' }))
const recordsOf = async <I, O>(predict: Predictor<I, O>, rows: readonly I[]): Promise<PredictionRecord[]> => {
  const records: PredictionRecord[] = []
  const stop = predict.observe((event) => {
    if (event.type === 'prediction') records.push(event.record)
  })
  for (const [at, row] of rows.entries()) await predict(row, { key: `user-${at}`, id: `p-${at}` }).catch(() => {})
  stop()
  return records
}
/** As a file keeps them. */
const stored = (records: readonly PredictionRecord[]): PredictionRecord[] => JSON.parse(JSON.stringify(records)) as PredictionRecord[]
const byHand = (record: Partial<PredictionRecord>): PredictionRecord =>
  ({
    v: 1, id: 'p', at: Date.UTC(2001, 1, 3), identity: { name: 'delay', version: '3', digest: undefined }, outcome: 'ok', source: 'model', error: undefined, attempts: 1, rung: undefined, members: undefined, marks: [], cache: undefined, variants: [],
    durations: { totalMs: 0, modelMs: undefined, queueMs: undefined }, batch: undefined, isShadow: false, tags: undefined, links: [], schema: undefined, checkpoints: [], output: {}, input: {}, ...record,
  }) as PredictionRecord

describe('replay', () => {
  it('says that the same version answers the same, bit for bit, after a trip through JSON', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), [...flights, { km: NaN, carrier: 'AA' }, { km: 0.1 + 0.2, carrier: 'AA' }]))
    const report = await replay(records, predictor(model, schemas))
    expect(report.counts).toMatchObject({ records: 62, asked: 62, same: 62, different: 0 })
    expect([report.answer, report.text()]).toEqual(['same', '0 of 62 answers differ, bit for bit.\n'])
  })

  it('sees a difference of one bit, and passes over it within a tolerance', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights))
    const next = predictor((flight: Flight) => ({ ...model(flight), minutes: flight.km === flights[7]!.km ? model(flight).minutes * (1 + Number.EPSILON) : model(flight).minutes }), schemas)
    const exact = await replay(records, next)
    expect([exact.answer, exact.counts.different, exact.examples[0]!.id, exact.examples[0]!.differences[0]!.path]).toEqual(['differs', 1, 'p-7', 'minutes'])
    for (const tolerance of [1e-12, { ulps: 1 }, { absolute: 1e-12 }]) expect((await replay(records, next, { tolerance })).answer).toBe('same')
    expect((await replay(records, next, { tolerance: { ulps: 0, absolute: 1e-18 } })).answer).toBe('differs')
  })

  it('counts what differs by field, place and slice, and keeps the largest as examples', async () => {
    const records = stored(await recordsOf(predictor(model, { ...schemas, version: '3' }), flights))
    const next = predictor((flight: Flight) => (flight.carrier === 'AA' ? { minutes: model(flight).minutes + flight.km, late: model(flight).late } : model(flight)), { ...schemas, version: '4' })
    const report = await replay(records, next, { by: ['carrier', 'km', 'day'], slices: { long: ({ input: row }) => Number(row?.['km']) > 500 }, examples: 3 })
    expect(report.counts).toMatchObject({ asked: 60, different: 20, otherVersion: 60 })
    expect(report.fields).toEqual([{ name: 'minutes', different: 20, largest: expect.closeTo(17 * 57 + 0.1, 6), mean: expect.closeTo(17 * 28.5 + 0.1, 6) }])
    expect(report.places).toEqual([{ where: 'before the output', rows: 20 }])
    expect(report.slices.filter(({ by }) => by === 'carrier')).toEqual([
      { by: 'carrier', value: 'AA', rows: 20, different: 20, largest: expect.closeTo(969.1, 6), mean: expect.closeTo(484.6, 6) },
      { by: 'carrier', value: 'DL', rows: 40, different: 0, largest: 0, mean: 0 },
    ])
    const km = report.slices.filter(({ by }) => by === 'km')
    expect(km.map(({ value }) => value)).toContain('300 to 400')
    expect(km.reduce((sum, { rows }) => sum + rows, 0)).toBe(60)
    expect(report.slices.filter(({ by }) => by === 'long').map(({ value, different }) => [value, different])).toEqual([['false', 10], ['true', 10]])
    expect(report.examples.map(({ id }) => id)).toEqual(['p-57', 'p-54', 'p-51'])
    const text = report.text()
    expect(text).toContain('20 of 60 answers differ, bit for bit.\n  60 were recorded by another version\n')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ kind: 'replay', answer: 'differs', counts: { different: 20 }, examples: [{ id: 'p-57' }, {}, {}] })
  })

  it('says by checkpoints where the ways part', async () => {
    const logit = defineSchema({ logit: { type: 'number' } })
    const stack = (slope: number, round: (x: number) => number) =>
      pipe(predictor(({ km }: Flight) => slope * km, { input }), checkpoint('model', { output: logit }), mapOutput((x: number) => ({ minutes: round(x), late: x > 5 })))
    const output2 = { output, as: 'object' } as const
    const declared = pipe(predictor(stack(0.01, Math.round), schemas))
    const records = stored((await Promise.all(flights.map(async (flight) => (await declared.detailed(flight)).record))).map((record, at) => ({ ...record, output: record.output ?? byHand({}).output, id: `p-${at}` })))
    expect(records[0]!.checkpoints).toHaveLength(1)
    // Four answers are rounded to the same.
    // The outputs of what is made here are declared by the options.
    const masked = records.map((record, at) => ({ ...record, output: { minutes: Math.round(0.01 * flights[at]!.km), late: 0.01 * flights[at]!.km > 5 } }) as unknown as PredictionRecord)
    expect((await replay(masked, stack(0.01, Math.round), output2)).answer).toBe('same')
    expect((await replay(masked, stack(0.01, Math.floor), output2)).places).toEqual([{ where: 'between model (output) and the output', rows: expect.any(Number) }])
    expect((await replay(masked, stack(0.02, Math.round), output2)).places).toEqual([{ where: 'before model (output)', rows: 56 }])
  })

  it('gives a factory a clock at the recorded time and randomness of the record, so that two replays are the same', async () => {
    const seen: number[] = []
    const factory = ({ clock, random, record }: ReplayContext) => {
      expect(isPredictor(record)).toBe(false)
      return {
        predict: () => {
          seen.push(clock.wall())
          return { minutes: random.next(), late: clock.now() > 0 }
        },
      }
    }
    const records = [byHand({ id: 'a', durations: { totalMs: 250, modelMs: 1, queueMs: 0 }, input: { km: 1, carrier: 'AA' } as never, output: { minutes: 0, late: false } as never }), byHand({ id: 'b', input: { km: 1, carrier: 'AA' } as never, output: { minutes: 0, late: false } as never })]
    const [first, second] = [await replay(records, factory, schemas), await replay(records, factory, schemas)]
    expect(seen).toEqual([Date.UTC(2001, 1, 3) - 250, Date.UTC(2001, 1, 3), Date.UTC(2001, 1, 3) - 250, Date.UTC(2001, 1, 3)])
    expect(first.toJSON()).toEqual(second.toJSON())
    const [a, b] = first.examples.map(({ differences }) => differences[0]!.now)
    expect(a).not.toBe(b)
    expect([a, b].sort()).toEqual([seededRandom('a').next(), seededRandom('b').next()].sort())
  })

  it('lets timers of the stack move the clock that stands', async () => {
    let asked = 0
    const report = await replay([byHand({ input: { km: 1, carrier: 'AA' } as never, output: { minutes: 2, late: true } as never })], ({ clock, random }) =>
      pipe(predictor((_: Flight) => {
        asked += 1
        if (asked === 1) throw new Error('once')
        return { minutes: asked, late: clock.now() >= 1 }
      }, { clock, random, ...schemas }), retry({ retries: 1, minDelayMs: 1, maxDelayMs: 1, jitter: 'none' as never })), schemas).catch((error: unknown) => error)
    expect(report).toMatchObject({ answer: expect.any(String) })
  })

  it('closes what a factory made, after its record, and says so where the same comes again', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights.slice(0, 3)))
    let closed = 0
    const report = await replay(records, () => pipe({ predict: model, close: () => void (closed += 1) }), schemas)
    expect([closed, report.answer]).toEqual([3, 'same'])
    const kept = predictor(model, schemas)
    await expect(replay(records, () => kept)).rejects.toThrow(/pass the predictor itself/)
    const alive = predictor(model, schemas)
    expect((await replay(records, () => pipe(alive))).answer).toBe('same')
    expect((await replay(records, alive)).answer).toBe('same')
    await alive(flights[0]!)
  })

  it('sends each row to the variant that was recorded, without its key, alone and in batches', async () => {
    const arms = () => split({ name: 'release', variants: { old: predictor(model, { ...schemas, version: '3' }), next: predictor((flight: Flight) => ({ ...model(flight), minutes: -1 }), { ...schemas, version: '4' }) }, weights: { old: 0.5, next: 0.5 } })
    const records = stored(await recordsOf(arms(), flights))
    expect(new Set(records.map(({ variants }) => variants[0]!.variant)).size).toBe(2)
    const report = await replay(records, arms())
    expect(report.counts).toMatchObject({ asked: 60, same: 60, otherVersion: 0 })
    const batch = stored((await arms().detailedBatch(flights, { keys: flights.map((_, at) => `user-${at}`) })).map(({ record }) => record))
    expect((await replay(batch, arms())).counts).toMatchObject({ asked: 60, same: 60, otherVersion: 0, alone: 0 })
    expect(report.slices.filter(({ by }) => by === 'variant').map(({ value }) => value).sort()).toEqual(['release=next', 'release=old'])
  })

  it('asks rows of a batch as that batch where all are there, in whatever order they come, and alone where one is missing', async () => {
    const sizes: number[] = []
    const together = () => predictor({ predictBatch: (rows: readonly Flight[]) => (sizes.push(rows.length), rows.map((row, at) => ({ minutes: row.km + at / rows.length, late: false }))) }, schemas)
    const records = stored((await together().detailedBatch(flights.slice(0, 8))).map(({ record }) => record))
    sizes.length = 0
    expect((await replay([...records].reverse(), together())).counts).toMatchObject({ asked: 8, same: 8, alone: 0 })
    expect(sizes).toEqual([8])
    sizes.length = 0
    expect((await replay(records.slice(1), together())).counts).toMatchObject({ asked: 7, alone: 7, different: 7 })
    expect(sizes).toEqual([1, 1, 1, 1, 1, 1, 1])
  })

  it('knows the runs that micro-batching made', async () => {
    const clock = fakeClock()
    const stack = (on: typeof clock | undefined) => pipe(predictor({ predictBatch: (rows: readonly Flight[]) => rows.map((row) => ({ minutes: row.km / rows.length, late: false })) }, { ...schemas, ...(on === undefined ? {} : { clock: on }) }), microBatched({ adaptive: false, maxDelayMs: 5, maxSize: 4 }))
    const served = stack(clock)
    const calls = Promise.all(flights.slice(0, 4).map(async (flight) => (await served.detailed(flight)).record))
    await clock.advance(10)
    const records = stored(await calls)
    expect(records.map(({ batch }) => batch?.size)).toEqual([4, 4, 4, 4])
    expect((await replay(records, stack(undefined))).counts).toMatchObject({ asked: 4, same: 4, alone: 0 })
  })

  it('leaves out what cannot be asked again, each with its reason, and counts it', async () => {
    const whole = defineSchema({ km: { type: 'number' }, carrier: { type: 'category' }, passenger: { type: 'string', tags: ['pii'] } })
    type Booked = Flight & { readonly passenger: string }
    const predict = predictor(({ km, carrier, passenger }: Booked) => model({ km, carrier: carrier + passenger }), { input: whole, output })
    const records = stored(await recordsOf(predict, [{ ...flights[0]!, passenger: 'Ada' }, { ...flights[1]!, passenger: 'Bob' }]))
    const others = [byHand({ outcome: 'timeout', source: undefined }), byHand({ outcome: 'error', source: undefined, error: { name: 'Error', code: undefined } }), byHand({ source: 'fallback' }), byHand({ isShadow: true }), byHand({ output: undefined }), byHand({ input: undefined })]
    const report = await replay([...records, ...others], predict)
    expect(report.answer).toBe('nothing')
    expect(report.counts).toMatchObject({ records: 8, asked: 0 })
    expect(report.skipped).toEqual({
      'the field `passenger` is kept out of records, and not in `complete`': 2,
      'it ended as timeout': 1,
      'it ended in an error': 1,
      'a fallback answered': 1,
      'it was only compared': 1,
      'the record has no output': 1,
      'the record has no input': 1,
    })
    expect(report.text()).toContain('Nothing could be compared of 8 predictions.\n  2 left out: the field `passenger` is kept out of records')
    const names: Record<string, string> = { 'p-0': 'Ada', 'p-1': 'Bob' }
    expect((await replay(records, predict, { complete: async ({ id }) => ({ passenger: names[id] }) })).answer).toBe('same')
    expect((await replay(records, predict, { complete: ({ id }) => (id === 'p-0' ? { passenger: 'Ada' } : undefined) })).counts).toMatchObject({ asked: 1, same: 1 })
    expect(report.counts.records).toBe(report.counts.asked + Object.values(report.skipped).reduce((sum, rows) => sum + rows, 0))
  })

  it('tells failures from other answers', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights.slice(0, 2)))
    const failing = predictor((_: Flight): never => {
      throw Object.assign(new Error('Ada is missing'), { code: 'ENOENT' })
    }, schemas)
    const fails = await replay(records, failing)
    expect(fails.examples.map(({ change, errors }) => [change, errors])).toEqual([['fails', [undefined, 'ENOENT']], ['fails', [undefined, 'ENOENT']]])
    expect(fails.text()).toContain('recorded: an answer; now: ENOENT')
    expect(fails.text()).not.toContain('Ada')
    const failed = stored(await recordsOf(failing, flights.slice(0, 2)))
    expect((await replay(failed, predictor(model, schemas), { failures: true })).examples.map(({ change }) => change)).toEqual(['answers', 'answers'])
    expect((await replay(failed, failing, { failures: true })).answer).toBe('same')
    expect((await replay(failed, predictor((_: Flight): never => { throw new RangeError('x') }, schemas), { failures: true })).examples[0]!.change).toBe('error')
  })

  it('knows the same version with other bytes, and compares the shared fields of another schema', async () => {
    const records = stored(await recordsOf(predictor(model, { ...schemas, version: '3', digest: 'aa' }), flights.slice(0, 5)))
    expect((await replay(records, predictor(model, { ...schemas, version: '3', digest: 'bb' }))).counts).toMatchObject({ otherBytes: 5, otherVersion: 0, same: 5 })
    const other = stored(records).map((record) => ({ ...record, schema: { input: 'x', output: 'another' } }))
    const wider = defineSchema({ minutes: { type: 'number' }, gate: { type: 'string' } })
    const report = await replay(other, predictor((flight: Flight) => ({ ...model(flight), gate: 'A1' }), { input, output: wider }))
    if (report.counts.otherSchema > 0) expect(report.counts).toMatchObject({ otherSchema: 5, same: 5 })
  })

  it('makes inputs again: vectors, bare values, dates, NaN, whole numbers beyond 2^53, lists', async () => {
    const schema = defineSchema({ at: { type: 'date' }, km: { type: 'number' }, big: { type: 'integer' }, text: { type: 'string' }, list: { type: 'number', shape: [2] } })
    const seen: unknown[] = []
    const asked = (as: 'object' | 'vector') => replay([byHand({ input: { at: '2001-02-03T00:00:00.000Z', km: '-Infinity', big: '9007199254740993', text: 'NaN', list: [1, 'NaN'] } as never, output: { minutes: 1 } as never })], () => ({ predict: (row: unknown) => (seen.push(row), { minutes: 1 }) }), { input: schema, output, as })
    await asked('object')
    await asked('vector')
    const fields = { at: new Date('2001-02-03'), km: -Infinity, big: 9007199254740993n, text: 'NaN', list: [1, NaN] }
    expect(seen).toEqual([fields, Object.values(fields)])
    seen.length = 0
    const one = defineSchema({ km: { type: 'number' } })
    await replay([byHand({ input: { km: 5 } as never, output: { minutes: 1 } as never })], () => ({ predict: (row: unknown) => (seen.push(row), { minutes: 1 }) }), { input: one, output, as: 'value' })
    await replay([byHand({ input: { km: 5 } as never, output: { minutes: 1 } as never })], () => ({ predict: (row: unknown) => (seen.push(row), { minutes: 1 }) }), { input: one, output, as: ({ km }, { id }) => [km, id] })
    expect(seen).toEqual([5, [5, 'p']])
    await replay([byHand({ input: { at: '2001-02-03' } as never, output: { minutes: 1 } as never })], () => ({ predict: (row: unknown) => (seen.push(row), { minutes: 1 }) }), { input: defineSchema({ at: { type: 'date' }, gone: { type: 'string', optional: true } }), output })
    expect(seen.at(-1)).toEqual({ at: '2001-02-03' })
  })

  it('says of nothing that it is the same: where no field could be compared, the record is left out', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights.slice(0, 5)))
    const renamed = defineSchema({ duration: { type: 'number' } })
    const none = await replay(records, predictor((_: Flight) => ({ duration: -999 }), { input, output: renamed }))
    expect([none.answer, none.counts.asked, none.skipped]).toEqual(['nothing', 0, { 'no field to compare': 5 }])
    // A list without a shape, and a field that nobody may see, are masked to nothing.
    for (const hidden of [defineSchema({ scores: { type: 'number' } }), defineSchema({ scores: { type: 'number', tags: ['pii'] } })]) {
      const of = (score: number) => predictor((_: Flight) => ({ scores: [score] }), { input, output: hidden })
      expect((await replay(stored(await recordsOf(of(1), flights.slice(0, 2))), of(2))).skipped).toEqual({ 'no field to compare': 2 })
    }
    // One that is gone under the same schema differs.
    expect((await replay(records, predictor(({ km, carrier }: Flight) => ({ minutes: model({ km, carrier }).minutes }) as never, schemas))).counts).toMatchObject({ different: 5 })
  })

  it('tells which fields of another schema it passed over', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights.slice(0, 5)))
    const partly = defineSchema({ minutes: { type: 'number' }, gate: { type: 'string' } })
    const report = await replay(records, predictor((flight: Flight) => ({ minutes: model(flight).minutes, gate: 'A1' }), { input, output: partly }))
    expect([report.answer, report.counts.otherSchema, report.unshared]).toEqual(['same', 5, { late: 5, gate: 5 }])
    expect(report.text()).toContain('  5 have `late` on one side only: it was not compared\n')
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ unshared: { late: 5, gate: 5 } })
  })

  it('measures all of a list and all fields, of which it keeps the first places', async () => {
    const lists = defineSchema({ scores: { type: 'number', shape: [100] }, label: { type: 'string' } })
    const of = (by: (at: number) => number, label: string) => predictor((_: Flight) => ({ scores: Array.from({ length: 100 }, (_, at) => at + by(at)), label }), { input, output: lists })
    const records = stored(await recordsOf(of(() => 0, 'a'), flights.slice(0, 1)))
    const numbers = await replay(records, of((at) => (at < 50 ? 0.001 : 500), 'a'))
    expect(numbers.fields).toEqual([{ name: 'scores', different: 1, largest: 500, mean: 500 }])
    expect([numbers.examples[0]!.size, numbers.examples[0]!.differences.length, numbers.slices[0]!.largest]).toEqual([500, 20, 500])
    expect(numbers.text()).toContain('    and 17 more at least\n')
    const labels = await replay(records, of(() => 0.001, 'b'))
    expect(labels.fields.map(({ name }) => name)).toEqual(['scores', 'label'])
    expect(labels.examples[0]!.size).toBe(Infinity)
  })

  it('takes rows of a batch that are there twice for one', async () => {
    const together = () => predictor({ predictBatch: (rows: readonly Flight[]) => rows.map((row) => ({ minutes: row.km / rows.length, late: false })) }, schemas)
    const [first, second, third] = stored((await together().detailedBatch(flights.slice(0, 3))).map(({ record }) => record))
    const report = await replay([first!, first!, second!, third!], together())
    expect([report.counts.asked, report.counts.same, report.skipped]).toEqual([3, 3, { 'the same row of its batch is there already': 1 }])
    // Two of three, one of them twice, are no whole batch.
    expect((await replay([first!, first!, second!], together())).counts).toMatchObject({ asked: 2, alone: 2 })
  })

  it('leaves out a record for which a function throws, and one that it cannot read', async () => {
    const whole = defineSchema({ km: { type: 'number', nan: true }, carrier: { type: 'category' }, passenger: { type: 'string', tags: ['pii'] } })
    const records = stored(await recordsOf(predictor((row: Flight & { readonly passenger: string }) => model(row), { input: whole, output }), flights.slice(0, 3).map((flight) => ({ ...flight, passenger: 'Ada' }))))
    const complete = ({ id }: PredictionRecord) => {
      if (id === 'p-1') throw new RangeError('Ada')
      return { passenger: '' }
    }
    const report = await replay(records, predictor(model, { input: whole, output }), { complete })
    expect([report.answer, report.counts.asked, report.skipped]).toEqual(['same', 2, { '`complete` failed with RangeError': 1 }])
    const as = () => {
      throw Object.assign(new Error('x'), { code: 'ENOENT' })
    }
    expect((await replay(stored(await recordsOf(predictor(model, schemas), flights.slice(0, 1))), predictor(model, schemas), { as })).skipped).toEqual({ '`as` failed with ENOENT': 1 })
    const unread = await replay([byHand({ v: 2 as never }), byHand({ identity: null as never }), byHand({ durations: {} as never }), byHand({ at: undefined as never }), byHand({ variants: undefined as never })], predictor(model, schemas))
    expect([unread.counts.records, unread.skipped]).toEqual([5, { 'it is of another format': 1, 'it is no whole record': 4 }])
  })

  it('gives texts of digits as texts, in inputs and in slices', async () => {
    const seen: unknown[] = []
    await replay([byHand({ input: { km: '12', carrier: 'AA' } as never, output: { minutes: 1, late: false } as never })], () => ({ predict: (row: unknown) => (seen.push(row), { minutes: 1, late: false }) }), schemas)
    expect(seen).toEqual([{ km: '12', carrier: 'AA' }])
    const records = stored(await recordsOf(predictor(model, schemas), Array.from({ length: 60 }, (_, at) => ({ km: 1, carrier: String(10_115 + (at % 30)) }))))
    const values = (await replay(records, predictor(model, schemas), { by: ['carrier'] })).slices.map(({ value, rows }) => [value, rows])
    expect(values).toHaveLength(21)
    expect(values).toContainEqual(['10115', 2])
    expect(values).toContainEqual(['(others)', 20])
  })

  it('keeps hostile texts from the terminal', async () => {
    const labels = defineSchema({ label: { type: 'string' } })
    const hostile = '\u001B[2J\u0007\u202Eevil\nnext'
    const report = await replay([byHand({ id: `p\u001B]0;x`, input: { km: 1, carrier: hostile } as never, output: { label: hostile } as never })], () => ({ predict: () => ({ label: 'fine\u009B31m' }) }), { input, output: labels, by: ['carrier'] })
    const text = report.text()
    expect(report.answer).toBe('differs')
    // oxlint-disable-next-line no-control-regex -- That is what must not be there.
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001F\u007F-\u009F\u202E]/)
    expect(text).toContain('\\u001b[2J')
  })

  it('takes records from anywhere, and passes over those of another kind', async () => {
    const records = stored(await recordsOf(predictor(model, schemas), flights.slice(0, 2)))
    async function* source() {
      yield { kind: 'label', id: 'p-0', value: 1, at: 0 } as never
      yield* records
    }
    expect((await replay(source(), predictor(model, schemas))).counts).toMatchObject({ records: 2, asked: 2 })
  })

  it('refuses what it cannot do', async () => {
    for (const none of [{}, null, undefined, 5]) await expect(replay(none as never, predictor(model, schemas))).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringContaining('`records` must give records') }))
    for (const none of [null, 5]) await expect(replay([none as never], predictor(model, schemas))).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    await expect(replay([], 5 as never)).rejects.toThrow(/must be a predictor, or a function/)
    await expect(replay([], () => 1 as never, { wrong: 1 } as never)).rejects.toThrow(/no option `wrong`/)
    await expect(replay([], () => 1 as never, { as: 'list' as never })).rejects.toThrow(/'object', 'vector', 'value'/)
    await expect(replay([], () => 1 as never, { tolerance: -1 })).rejects.toThrow(/tolerance/)
    await expect(replay([], () => 1 as never, { tolerance: { absolut: 1 } as never })).rejects.toThrow(/no option `absolut`/)
    const [record] = await recordsOf(predictor(model, schemas), flights.slice(0, 1))
    await expect(replay([record!], predictor(model))).rejects.toThrow(/the fields of the input must be declared/)
    await expect(replay([record!], ((x: Flight) => x.km) as never, schemas)).rejects.toThrow(/goes into `predictor\(\)`/)
  })
})
