import { describe, expect, it } from 'vitest'
import { RowFailure } from '../../../src/core/rows.js'
import { rowsOver, tensorEngine } from '../../../src/models/engines/tensor-rows.js'
import type { TensorSpec } from '../../../src/models/manifest/manifest.js'
import type { Tensor, Tensors } from '../../../src/schema/tensor.js'
import { call, echo, echoEngine, noFiles, specOf, versionOf } from './_echo-engine.js'

const failureOf = (outcome: unknown): { code: string; message: string; input?: string; field?: string; index?: number } => {
  if (!(outcome instanceof RowFailure)) throw new Error(`Expected a failure; got ${String(outcome)}`)
  return outcome.error as never
}
const only = (spec: TensorSpec): Promise<Awaited<ReturnType<typeof echo>>> => echo([spec])
const messageOf = async (spec: TensorSpec, row: unknown): Promise<string> => {
  const { rows } = await only(spec)
  const { code, message } = failureOf((await rows.predictBatch([row as never], call))[0])
  expect(code).toBe('ERR_OUTRIGGER_INVALID_INPUT')
  return message
}

describe('tensorEngine, rows of each type', () => {
  it.each<[string, unknown, unknown]>([
    ['float32', [1.5, -2, Number.NaN, Infinity], [1.5, -2, Number.NaN, Infinity]], ['float32', new Float64Array([0.1, 1]), [Math.fround(0.1), 1]], ['float32', [true, false], [1, 0]],
    ['float64', [0.1, 1e300], [0.1, 1e300]], ['float64', new Float32Array([0.5]), [0.5]],
    ['float16', [1.5, 65_504, 2 ** -24, 1e-9], [1.5, 65_504, 2 ** -24, 0]], ['float16', new Uint16Array([0x3c00]), [1]],
    ['int8', [-128, 127], [-128, 127]], ['uint8', [0, 255], [0, 255]], ['int16', [-32_768, 32_767], [-32_768, 32_767]], ['uint16', [65_535], [65_535]],
    ['int32', [-(2 ** 31), 2 ** 31 - 1], [-(2 ** 31), 2 ** 31 - 1]], ['int32', new Uint8Array([7]), [7]], ['uint32', [2 ** 32 - 1], [2 ** 32 - 1]],
    ['int64', [1, -5n, 2n ** 62n, true], [1, -5, 2n ** 62n, 1]], ['int64', new BigInt64Array([-(2n ** 63n)]), [-(2n ** 63n)]], ['int64', new Int32Array([-3]), [-3]],
    ['uint64', [2n ** 64n - 1n, 0, 2n ** 53n - 1n, 2n ** 53n], [2n ** 64n - 1n, 0, 2 ** 53 - 1, 2n ** 53n]],
    ['bool', [true, false, 1, 0], [1, 0, 1, 0]], ['bool', new Uint8Array([1, 0]), [1, 0]], ['string', ['a', ''], ['a', '']],
  ])('%s takes %o', async (dtype, row, expected) => {
    const { rows } = await only(specOf(dtype, [null, (row as unknown[]).length]))
    expect(await rows.predict(row as never, call)).toEqual(expected)
    expect(await rows.predictBatch([row, row] as never, call)).toEqual([expected, expected])
  })

  it.each<[string, unknown, RegExp]>([
    ['float32', ['1'], /element 0 of input `x` must be a number that float32 holds: current value is "1"$/], ['float32', [null], /current value is null$/], ['float32', new Array(1), /current value is undefined$/],
    ['float32', [1e39], /current value is 1e\+39$/], ['float32', [(2 - 2 ** -24) * 2 ** 127], /float32/], ['float32', new Float64Array([-1e39]), /-1e\+39/], ['float32', [[1]], /an array of 1$/], ['float32', [1n], /1n$/], ['float32', new BigInt64Array(1), /0n/],
    ['float16', [65_520], /up to 65504.*65520$/], ['int8', [128], /from -128 to 127: current value is 128$/], ['uint8', [300], /from 0 to 255: current value is 300$/], ['uint8', [-1], /-1$/], ['uint8', new Int8Array([-1]), /-1$/],
    ['int32', [1.5], /an integer from .*1\.5$/], ['int32', [Number.NaN], /NaN$/], ['int32', new Float32Array([0.5]), /0\.5$/], ['int32', new Uint32Array([2 ** 31]), /2147483648$/],
    ['int64', [2 ** 53], /as a bigint where it is beyond.*9007199254740992$/], ['int64', [2n ** 63n], /9223372036854775808n$/], ['uint64', [-1n], /-1n$/], ['uint64', new BigInt64Array([-1n]), /-1n$/], ['int64', [1.5], /1\.5$/],
    ['bool', [2], /true, false, 0 or 1: current value is 2$/], ['bool', new Uint8Array([2]), /2$/], ['bool', ['true'], /"true"$/], ['string', [1], /a string: current value is 1$/], ['string', new Float32Array(1), /current value is 0$/],
  ])('%s refuses %o and says what must hold', async (dtype, row, message) => {
    expect(await messageOf(specOf(dtype, [null, 1]), row)).toMatch(message)
  })
})

describe('tensorEngine, shapes', () => {
  it('takes rows flat, nested, as one value and as tensors', async () => {
    const { rows } = await only(specOf('float32', [null, 2, 2]))
    const flat = [1, 2, 3, 4]
    for (const row of [flat, new Float32Array(flat), [[1, 2], [3, 4]], [new Float32Array([1, 2]), [3, 4]], { dtype: 'float32', shape: [2, 2], data: new Float32Array(flat) }, { x: [[1, 2], [3, 4]] }]) {
      expect(await rows.predict(row as never, call)).toEqual(flat)
    }
    for (const sizes of [[], [1], [1, 1]]) expect(await (await only(specOf('float32', [null, ...sizes]))).rows.predict(7, call)).toEqual([7])
  })

  it.each<[readonly number[], unknown]>([
    [[4], [1, 2, 3]], [[4], new Float32Array(5)], [[4], 1], [[4], null], [[4], undefined], [[4], new Date(0)], [[4], new Map()], [[4], 'abcd'], [[4], []],
    [[2, 2], [[1, 2], [3]]], [[2, 2], [[1, 2], 3]], [[2, 2], [[1, 2]]], [[2, 2], [[[1], [2]], [[3], [4]]]], [[2, 2], [1, 2, [3], 4]], [[4], { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) }], [[4], { dtype: 'int32', shape: [4], data: new Int32Array(4) }],
    [[4], new DataView(new ArrayBuffer(4))],
  ])('a row of the sizes %j is not %o', async (sizes, row) => {
    await messageOf(specOf('float32', [null, ...sizes]), row)
  })

  it('runs rows of each free size together, and puts them back in order', async () => {
    const { rows, engine } = await only(specOf('float32', [null, null, 2]))
    const all = [[[1, 2], [3, 4]], [5, 6], new Float32Array([7, 8]), [[9, 10], [11, 12]], [1, 2, 3], [[1, 2], [3]], []]
    const outcomes = await rows.predictBatch(all, call)
    expect(outcomes.slice(0, 4)).toEqual([[1, 2, 3, 4], [5, 6], [7, 8], [9, 10, 11, 12]])
    expect(failureOf(outcomes[4]).message).toContain('[any, 2]')
    expect(failureOf(outcomes[5]).message).toContain('evenly')
    expect(outcomes[6]).toEqual([])
    expect(engine.runs.map(({ x }) => x?.shape)).toEqual([[2, 2, 2], [2, 1, 2], [1, 0, 2]])
  })

  it('of two free sizes, only nested rows and tensors say them', async () => {
    const { rows } = await only(specOf('int32', [null, null, null]))
    expect(await rows.predictBatch([[[1, 2, 3]], { dtype: 'int32', shape: [3, 1], data: new Int32Array([1, 2, 3]) }], call)).toEqual([[1, 2, 3], [1, 2, 3]])
    expect(failureOf((await rows.predictBatch([[1, 2, 3]], call))[0]).message).toContain('a tensor with its shape')
  })

  it('a row that does not fit fails alone', async () => {
    const { rows, engine } = await only(specOf('float32', [null, 2]))
    const outcomes = await rows.predictBatch([[1, 2], [3], [5, 6], ['a', 1] as never, [7, 8]], call)
    expect(outcomes.map((outcome) => outcome instanceof RowFailure)).toEqual([false, true, false, true, false])
    expect([outcomes[0], outcomes[2], outcomes[4]]).toEqual([[1, 2], [5, 6], [7, 8]])
    expect(engine.runs).toHaveLength(1)
    expect(engine.runs[0]?.['x']?.data).toEqual(new Float32Array([1, 2, 5, 6, 7, 8]))
    expect(await rows.predictBatch([], call)).toEqual([])
    expect((await rows.predictBatch([[1]], call))[0]).toBeInstanceOf(RowFailure)
    expect(engine.runs).toHaveLength(1)
  })

  it.each([1, 2, 4])('a model of a fixed batch of %i gets that many rows, real ones in the empty places', async (size) => {
    for (const dtype of ['float32', 'string']) {
      const { rows, engine } = await only(specOf(dtype, [size, 1]))
      const values = Array.from({ length: 5 }, (_, index) => (dtype === 'string' ? `${index}` : index))
      const all: unknown[] = values.map((value) => [value])
      all.splice(1, 0, ['bad', 'bad'])
      const outcomes = await rows.predictBatch(all as never, call)
      expect(outcomes.filter((_, index) => index !== 1)).toEqual(values.map((value) => [value]))
      expect(failureOf(outcomes[1]).code).toBe('ERR_OUTRIGGER_INVALID_INPUT')
      expect(engine.runs.map(({ x }) => x?.shape)).toEqual(Array.from({ length: Math.ceil(5 / size) }, () => [size, 1]))
      const { data } = (engine.runs.at(-1) as { x: Tensor }).x
      expect(Array.from(data as string[])).toEqual([...values.slice(5 - ((5 % size) || size)), ...Array.from({ length: (size - (5 % size)) % size }, () => values[4])])
      expect(rows.describe()).toMatchObject({ batchSize: size, batchable: size !== 1 })
    }
  })
})

describe('tensorEngine, whose memory', () => {
  it('a lone typed array of the right type goes to the engine as it is; every other is copied', async () => {
    const { rows, engine } = await only(specOf('float32', [null, 2]))
    const row = new Float32Array([1, 2])
    await rows.predict(row, call)
    await rows.predict({ x: row }, call)
    await rows.predictBatch([row, row], call)
    await rows.predict(new Float64Array([1, 2]), call)
    expect(engine.runs.map(({ x }) => x?.data === row)).toEqual([true, true, false, false])
  })

  it('an engine that takes its inputs gets copies', async () => {
    const engine = { ...echoEngine({ signature: { inputs: [specOf('float32', [null, 2])], outputs: [specOf('float32', [null, 2])] } }), takesInputs: true }
    const rows = await tensorEngine(engine).load(noFiles, versionOf()) as { predict(row: Float32Array, call: never): Promise<number[]> }
    const row = new Float32Array([1, 2])
    expect(await rows.predict(row, call)).toEqual([1, 2])
    expect(engine.runs[0]?.['x']?.data).not.toBe(row)
  })

  it('never writes into the array of a caller, also where a row beside it fails', async () => {
    const { rows } = await echo<unknown>([specOf('float32', [1, 2], { name: 'a' }), specOf('float32', [1, 2], { name: 'b' })], { output: (_, outputs) => outputs })
    const mine = new Float32Array([1, 2])
    const outcomes = await rows.predictBatch([{ a: mine, b: [1] }, { a: [3, 4], b: [5, 6] }], call)
    expect([...mine]).toEqual([1, 2])
    expect(outcomes[1]).toEqual({ a: [3, 4], b: [5, 6] })
  })
})

describe('tensorEngine, fields and categories', () => {
  const fields = [{ name: 'delay' }, { name: 'carrier', categories: ['AA', 'DL'] }]
  const signature = { inputs: [specOf('float32', [null, 2], { fields })], outputs: [specOf('int32', [null, 1], { name: 'y', categories: ['on time', 'late'] })] }
  const model = async (y: number): Promise<{ rows: ReturnType<typeof rowsOver<string[], string>>; seen: Tensors[] }> => {
    const seen: Tensors[] = []
    const loaded = {
      describe: () => ({ signature: { inputs: [specOf('float32', [null, 2])], outputs: [specOf('int32', [null, 1], { name: 'y' })] } }),
      run: async (inputs: Tensors): Promise<Tensors> => {
        seen.push(inputs)
        const count = inputs['x']?.shape[0] as number
        return { y: { dtype: 'int32', shape: [count, 1], data: new Int32Array(count).fill(y, 0, 1).fill(1, 1) } }
      },
      dispose: () => {},
    }
    return { rows: rowsOver<string[], string>(loaded, { signature }), seen }
  }

  it('a row is a record of fields, labels stand for numbers, and integers come out as labels', async () => {
    const { rows, seen } = await model(1)
    expect(await rows.predictBatch([{ delay: 3, carrier: 'DL', tail: 'N1' }, { x: { delay: 4, carrier: 'AA' } }, [5, 'DL'], [6, 1], new Float32Array([7, 0]), { delay: true, carrier: 0 }], call)).toEqual(Array.from({ length: 6 }, () => ['late']))
    expect(seen[0]?.['x']?.data).toEqual(new Float32Array([3, 1, 4, 0, 5, 1, 6, 1, 7, 0, 1, 0]))
    expect(rows.describe().signature).toEqual(signature)
  })

  it('names the field that is wrong, the labels that are allowed, and the field that is missing', async () => {
    const { rows, seen } = await model(1)
    const outcomes = await rows.predictBatch([{ delay: 3, carrier: 'WN' }, { delay: 3 }, { delay: 'x', carrier: 'AA' }, [1, 2], new Float32Array([1, 2]), { delay: 3, carrier: null as never }], call)
    const failures = outcomes.map(failureOf)
    expect(failures[0]).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT', input: 'x', field: 'carrier', message: 'Cannot predict the row as field `carrier` must be one of "AA", "DL", or the number of one: current value is "WN"' })
    expect(failures[1]?.message).toBe('Cannot predict the row as field `carrier` must be there: current value is an object with delay')
    expect(failures[2]).toMatchObject({ field: 'delay' })
    expect(failures.slice(3).map(({ field }) => field)).toEqual(['carrier', 'carrier', 'carrier'])
    expect(seen).toHaveLength(0)
  })

  it('an integer without a label is a bad answer of its row', async () => {
    const { rows } = await model(2)
    const outcomes = await rows.predictBatch([[1, 0], [1, 0]], call)
    expect(failureOf(outcomes[0]).code).toBe('ERR_OUTRIGGER_BAD_ANSWER')
    expect(outcomes[1]).toEqual(['late'])
    await expect(rows.predict([1, 0], call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER', output: 'y' })
  })

  it('fields of a sequence are records in an array', async () => {
    const { rows, engine } = await echo([specOf('float32', [null, null, 2])], {}, { inputs: [specOf('float32', [null, null, 2], { fields })], outputs: [specOf('float32', [null, null, 2])] })
    expect(await rows.predictBatch([[{ delay: 1, carrier: 'AA' }, { delay: 2, carrier: 'DL' }], [[3, 'AA']]], call)).toEqual([[1, 0, 2, 1], [3, 0]])
    expect(engine.runs).toHaveLength(2)
    expect(failureOf((await rows.predictBatch([[{ delay: 1, carrier: 'AA' }, { delay: 2 }]], call))[0])).toMatchObject({ field: 'carrier' })
  })
})

describe('tensorEngine, several inputs and outputs', () => {
  const both = [specOf('float32', [null, 2], { name: 'a' }), specOf('string', [null], { name: 'b' })]

  it('needs `output`, and gives each output by name', async () => {
    await expect(echo(both)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    const { rows } = await echo<unknown>(both, { output: (values, outputs) => ({ values, outputs }) })
    expect(await rows.predictBatch([{ a: [1, 2], b: 'x' }, { b: ['y'], a: [3, 4] }], call)).toEqual([{ values: [1, 2], outputs: { a: [1, 2], b: ['x'] } }, { values: [3, 4], outputs: { a: [3, 4], b: ['y'] } }])
    for (const row of [{ a: [1, 2] }, [1, 2], 5, {}]) expect(failureOf((await rows.predictBatch([row], call))[0])).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
  })

  it('a manifest that names one output of several makes it the only one', async () => {
    const { rows } = await echo(both, {}, { inputs: both, outputs: [both[1] as TensorSpec] })
    expect(await rows.predict({ a: [1, 2], b: 'x' }, call)).toEqual(['x'])
  })

  it('an `output` that throws fails its row alone', async () => {
    const { rows } = await echo<number>([specOf('float32', [null, 1])], { output: ([value]) => { if (value === 2) throw new Error('no'); return value as number } })
    const outcomes = await rows.predictBatch([1, 2, 3], call)
    expect([outcomes[0], outcomes[2]]).toEqual([1, 3])
    expect(failureOf(outcomes[1]).message).toBe('no')
  })
})

describe('tensorEngine, a signature that lies', () => {
  const own = [specOf('float32', [null, 4])]
  it.each<[string, TensorSpec]>([
    ['type', specOf('int32', [null, 4])], ['size', specOf('float32', [null, 5])], ['rank', specOf('float32', [null, 4, 1])], ['name', specOf('float32', [null, 4], { name: 'input' })], ['batch', specOf('float32', [8, 4])],
  ])('in %s is refused at load, and the model is disposed', async (part, spec) => {
    const engine = echoEngine({ signature: { inputs: part === 'batch' ? [specOf('float32', [2, 4])] : own, outputs: own } })
    await expect(tensorEngine(engine).load(noFiles, versionOf({ inputs: [spec], outputs: own }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect(engine.disposed).toBe(1)
  })

  it('the manifest fills in what the model leaves open, and the model what the manifest does', async () => {
    const { rows } = await echo([specOf('float32', [null, null, 2])], {}, { inputs: [specOf('float32', [null, 3, null])], outputs: [specOf('float32', [null, 3, 2])] }).catch((error: Error) => ({ rows: error as never }))
    expect(rows).toBeInstanceOf(Error) // open where the model is fixed: a caller would believe it
    const { rows: fixed } = await echo([specOf('float32', [null, null, 2])], {}, { inputs: [specOf('float32', [null, 3, 2])], outputs: [specOf('float32', [null, null, null])] })
    expect(fixed.describe().signature).toEqual({ inputs: [specOf('float32', [null, 3, 2])], outputs: [specOf('float32', [null, null, 2])] })
    expect(failureOf((await fixed.predictBatch([[[1, 2], [3, 4]]], call))[0]).message).toContain('[3, 2]')
  })

  it('without any signature, of a type that rows cannot be, or without a batch dimension, nothing is loaded', async () => {
    for (const description of [{}, { signature: { inputs: [specOf('complex64', [null])], outputs: own } }, { signature: { inputs: [specOf('float32', [])], outputs: own } }, { signature: { inputs: own, outputs: [] } }, { batchSize: 2, signature: { inputs: [specOf('float32', [3, 1])], outputs: own } }]) {
      await expect(tensorEngine(echoEngine(description)).load(noFiles, versionOf())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    }
  })
})

describe('tensorEngine, an engine that breaks its word', () => {
  const own = [specOf('float32', [null, 1])]
  const withOutput = async (y: Tensor | undefined, spec: TensorSpec = specOf('float32', [null, 1])): Promise<unknown> => {
    const engine = echoEngine({ signature: { inputs: own, outputs: [spec] } }, () => (y === undefined ? {} : { x: y }))
    const rows = rowsOver(await engine.load(noFiles, versionOf()))
    return await rows.predict([1], call).catch((error: unknown) => error)
  }
  const floats = (...shape: number[]): Tensor => ({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) })

  it('gives another number of rows, none, no output, another shape or too few elements', async () => {
    expect(await withOutput(floats(2, 1))).toMatchObject({ code: 'ERR_OUTRIGGER_ROW_COUNT', expected: 1 })
    expect(await withOutput(floats())).toMatchObject({ code: 'ERR_OUTRIGGER_ROW_COUNT', message: expect.stringContaining('no dimensions') })
    expect(await withOutput(undefined)).toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    expect(await withOutput(floats(1, 2))).toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER' })
    expect(await withOutput({ ...floats(1, 1), data: new Float32Array(2) } as Tensor)).toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    expect(await withOutput(floats(1, 2), specOf('float32', [null]))).toEqual([0, 0]) // unknown rank
  })

  it('throws: the rows of that run fail with its error as the cause, those of other runs do not', async () => {
    const engine = echoEngine({ signature: { inputs: [specOf('float32', [null, null])], outputs: [specOf('float32', [null, null])] } }, (outputs) => {
      if (outputs['x']?.shape[1] === 2) throw 'out of memory'
      return outputs
    })
    const rows = rowsOver(await engine.load(noFiles, versionOf()))
    const outcomes = await rows.predictBatch([[1], [1, 2], [3], [4, 5]], call)
    expect([outcomes[0], outcomes[2]]).toEqual([[1], [3]])
    expect(outcomes[1]).toBe(outcomes[3])
    expect(failureOf(outcomes[1])).toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', cause: 'out of memory' })
  })

  it('between two runs, a caller who left ends the batch', async () => {
    const leaving = new AbortController()
    const engine = echoEngine({ signature: { inputs: [specOf('float32', [1, 1])], outputs: [specOf('float32', [1, 1])] } }, (outputs) => {
      leaving.abort()
      return outputs
    })
    const rows = rowsOver(await engine.load(noFiles, versionOf()))
    const outcomes = await rows.predictBatch([[1], [2], [3]], { signal: leaving.signal } as never)
    expect(outcomes[0]).toEqual([1])
    expect(failureOf(outcomes[1])).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(engine.runs).toHaveLength(1)
  })

  it('after dispose, refuses; and disposes once', async () => {
    const { rows, engine } = await echo(own)
    await rows.dispose()
    await rows.dispose()
    expect(engine.disposed).toBe(1)
    await expect(rows.predict([1], call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })
})

describe('tensorEngine', () => {
  it('shows its adapter, and is made over another with the same options', async () => {
    const own = [specOf('float32', [null, 1])]
    const engine = echoEngine({ signature: { inputs: own, outputs: own } })
    const elsewhere = echoEngine({ signature: { inputs: own, outputs: own } })
    const made = tensorEngine(engine, { output: ([value]) => (value ?? 0) * 2 })
    expect(made.tensors).toBe(engine)
    const rows = await made.over?.(elsewhere).load(noFiles, versionOf()) as { predict(row: number, call: never): Promise<number> }
    expect(await rows.predict(4, call)).toBe(8)
    expect([engine.runs.length, elsewhere.runs.length]).toEqual([0, 1])
  })

  it('checks its options', () => {
    expect(() => tensorEngine({ name: 'x' } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => tensorEngine(echoEngine({}), { outputs: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
