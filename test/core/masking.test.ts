import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { guardedTags, maskBy, schemaId } from 'outrigger/core'
import { keysBy } from '../../src/core/masking.js'

const schema = {
  fields: {
    distance: {},
    passenger: { tags: ['pii'] },
    token: { tags: ['secret', 'extra'] },
    user: { tags: ['key'] },
    loud: { tags: ['PII'] },
    origin: { tags: ['public'] },
  },
}

describe('maskBy', () => {
  it('copies the fields of the schema that carry no guarded tag, and nothing else', () => {
    const mask = maskBy(schema)
    expect({ ...mask({ distance: 1, passenger: 'Ada', token: 't', user: 'u', loud: 'x', origin: 'ATL', unknown: 'secret', extra: 2 }) }).toEqual({ distance: 1, origin: 'ATL' })
  })

  it('lets no value of a guarded or unknown field through, whatever the input', () => {
    const sentinel = 'MUST-NOT-APPEAR'
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(schema.fields)), fc.string()), fc.anything(), { maxKeys: 8 }), (noise) => {
        const input: Record<string, unknown> = { ...noise }
        for (const name of Object.keys(input)) if (name !== 'distance' && name !== 'origin') input[name] = sentinel
        for (const name of ['passenger', 'token', 'user', 'loud', 'unknown']) input[name] = sentinel
        delete input['distance']
        delete input['origin']
        expect(JSON.stringify(maskBy(schema)(input))).not.toContain(sentinel)
      }),
      { seed: 3 },
    )
  })

  it('takes a vector by the order of the fields', () => {
    const mask = maskBy({ fields: { a: {}, b: { tags: ['pii'] }, c: {} } })
    for (const vector of [[1, 2, 3], new Float32Array([1, 2, 3]), Float64Array.of(1, 2, 3)]) expect({ ...mask(vector) }).toEqual({ a: 1, c: 3 })
    expect({ ...mask([1]) }).toEqual({ a: 1 })
    expect({ ...mask([1, 2, 3, 4]) }).toEqual({ a: 1, c: 3 })
    expect({ ...mask(new DataView(new ArrayBuffer(8))) }).toEqual({})
  })

  it('takes a bare value where there is one field, and shows none where that is guarded or where there are several', () => {
    expect({ ...maskBy({ fields: { price: {} } })(7) }).toEqual({ price: 7 })
    expect({ ...maskBy({ fields: { price: { tags: ['secret'] } } })(7) }).toEqual({})
    expect({ ...maskBy({ fields: { a: { tags: ['pii'] }, b: {} } })(7) }).toEqual({})
  })

  it('keeps plain values only, in a form that JSON can hold', () => {
    const names = ['number', 'nan', 'infinite', 'text', 'yes', 'big', 'date', 'noDate', 'nothing', 'missing', 'object', 'list', 'code', 'symbol']
    const mask = maskBy({ fields: Object.fromEntries(names.map((name) => [name, {}])) })
    const masked = mask({ number: 1.5, nan: Number.NaN, infinite: Infinity, text: 't', yes: true, big: 12n, date: new Date(0), noDate: new Date(Number.NaN), nothing: null, missing: undefined, object: { a: 1 }, list: [1], code: () => 1, symbol: Symbol('s') })
    expect({ ...masked }).toEqual({ number: 1.5, nan: 'NaN', infinite: 'Infinity', text: 't', yes: true, big: '12', date: '1970-01-01T00:00:00.000Z', noDate: 'Invalid Date', nothing: null })
    expect(Object.isFrozen(masked)).toBe(true)
  })

  it('copies a list where the field declares a shape, as deep as it says, and what is no plain value there is null', () => {
    const mask = maskBy({ fields: { grid: { shape: [2, null] }, flat: { shape: [null] }, secret: { shape: [2], tags: ['pii'] } } })
    const loop: unknown[] = [1]
    loop.push(loop)
    const grid = [new Float32Array([0.5, 2]), [3, { name: 'Ada' }, [4]]]
    const masked = mask({ grid, flat: loop, secret: [1, 2] })
    expect({ ...masked }).toEqual({ grid: [[0.5, 2], [3, null, null]], flat: [1, null] })
    grid[0] = [9]
    expect(masked['grid']).toEqual([[0.5, 2], [3, null, null]])
    expect(Object.isFrozen(masked['grid'])).toBe(true)
  })

  it('takes a whole vector for the one field that has a shape', () => {
    expect({ ...maskBy({ fields: { pixels: { shape: [3] } } })(new Float32Array([1, 2, 3])) }).toEqual({ pixels: [1, 2, 3] })
  })

  it('does not look at inherited fields', () => {
    expect({ ...maskBy({ fields: { toString: {}, inherited: {} } })(Object.create({ inherited: 'text' })) }).toEqual({})
  })

  it('chooses for keyed hashes what is tagged key, and neither pii nor secret', () => {
    const fields = { plain: {}, user: { tags: ['key'] }, mail: { tags: ['key', 'PII'] }, token: { tags: ['secret', 'key'] }, trip: { tags: ['Key', 'free'] } }
    expect({ ...keysBy({ fields })({ plain: 1, user: 'u', mail: 'm', token: 't', trip: 7 }) }).toEqual({ user: 'u', trip: 7 })
    expect({ ...keysBy({ fields: { plain: {}, mail: { tags: ['pii'] } } })({ plain: 1, mail: 'm' }) }).toEqual({})
  })

  it('names a schema by its fields and their order', () => {
    const id = schemaId({ fields: { a: { type: 'number' }, b: { tags: ['pii'] } } })
    expect(id).toMatch(/^[0-9a-f]{16}$/)
    expect(schemaId({ fields: { a: { type: 'number' }, b: { tags: ['pii'] } } })).toBe(id)
    for (const fields of [{ b: { tags: ['pii'] }, a: { type: 'number' } }, { a: { type: 'number' }, b: {} }, { a: { type: 'string' }, b: { tags: ['pii'] } }]) expect(schemaId({ fields })).not.toBe(id)
  })

  it('names the guarded tags', () => {
    expect([...guardedTags].sort()).toEqual(['key', 'pii', 'secret'])
  })
})

describe('PredictionRecord, masked values', () => {
  const input = { fields: { distance: {}, passenger: { tags: ['pii'] } } }
  const output = { fields: { late: {}, reason: { tags: ['secret'] } } }
  const model = (row: { distance: number; passenger: string }): { late: boolean; reason: string } => {
    if (row.distance < 0) throw new Error(`passenger ${row.passenger} flies backwards`)
    return { late: row.distance > 5, reason: 'because' }
  }

  it('hold allowed fields of inputs and outputs, also of rows and of failures, and never an error\'s message', async () => {
    const predict = predictor(model, { input, output })
    const texts: string[] = []
    predict.observe((event) => void texts.push(JSON.stringify(event)))
    await predict({ distance: 7, passenger: 'Ada' }, { id: 'a' })
    await predict({ distance: -1, passenger: 'Ada' }).catch(() => {})
    await predict.detailedBatch([{ distance: 1, passenger: 'Ada' }, { distance: -1, passenger: 'Ada' }])
    expect(texts).toHaveLength(4)
    for (const text of texts) expect(text).not.toMatch(/Ada|because|backwards/)
    expect(JSON.parse(texts[0] as string)).toMatchObject({ record: { input: { distance: 7 }, output: { late: true } } })
    expect(JSON.parse(texts[1] as string)).toMatchObject({ record: { input: { distance: -1 }, error: { name: 'Error' } } })
  })

  it('hold nothing without a schema, and nothing of an input that a layer has turned into another', async () => {
    expect((await predictor(model).detailed({ distance: 1, passenger: 'Ada' })).record).toMatchObject({ input: undefined, output: undefined })
    const mapped = pipe(predictor(model, { input, output }), mapInput((distance: number) => ({ distance, passenger: 'Ada' })))
    expect((await mapped.detailed(9)).record).toMatchObject({ input: undefined, output: { late: true } })
    const out = pipe(predictor(model, { input, output }), mapOutput(({ late }) => ({ late, reason: 'because' })))
    expect((await out.detailed({ distance: 9, passenger: 'Ada' })).record).toMatchObject({ input: { distance: 9 }, output: undefined })
  })
})
