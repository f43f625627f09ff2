import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { hasCode } from 'outrigger/core'
import { identityOf, ModelFiles, modelLoader, modelStore, onnx, type Engine, type ModelVersion, type OnnxOptions, type Onnxruntime, type TensorCall, type TensorModel, type TensorRow } from 'outrigger/models'
import type { Tensor, Tensors } from 'outrigger/schema'
import { mlpLayers, mlpPredict, onnxAffine, onnxIdentity, onnxLarge, onnxMlp, onnxModel, onnxSlow, seededRandom } from 'outrigger/testing'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { onnxExternalData } from '../../../src/models/engines/_onnx-external-data.js'
import { onnxTensors } from '../../../src/models/engines/onnx.js'
import { temporaryFolder } from '../temporary.js'
import { bytes, integer, joined, text, type Pieces } from '../../../src/testing/_protobuf.js'

const version: ModelVersion = { name: 'm', version: 1, digest: '0'.repeat(64), manifest: { format: 'outrigger-model', formatVersion: 1, name: 'm', version: 1, engine: 'onnx', files: [], created: '2026-01-01T00:00:00.000Z' } }
const call: TensorCall = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }
const loadFiles = (files: Readonly<Record<string, Uint8Array>>, options: OnnxOptions = {}): Promise<TensorModel> =>
  onnxTensors({ session: { intraOpNumThreads: 1, logSeverityLevel: 4 }, ...options }).load(new ModelFiles('m@1', new Map(Object.entries(files))), version)
const load = (model: Uint8Array, options?: OnnxOptions): Promise<TensorModel> => loadFiles({ 'model.onnx': model }, options)
const float32 = (data: readonly number[], shape: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(data) })
const affine = onnxAffine([[2]], [1])

describe('onnx takes rows', () => {
  it('through store, gate and loader, with the signature of the model itself', async () => {
    const store = modelStore({ path: await temporaryFolder() })
    const layers = mlpLayers([4, 8, 3], seededRandom('rows'))
    const expected = mlpPredict(layers, [1, 2, 3, 4])
    const first = await store.publish({ name: 'mlp', engine: 'onnx', files: { 'model.onnx': onnxMlp(layers) }, golden: [{ input: [1, 2, 3, 4], output: expected, tolerance: 1e-6 }] })
    const predict = modelLoader({ store, name: 'mlp', engines: [onnx({ session: { intraOpNumThreads: 1 } })] })
    await predict.whenReady()
    expect(predict.identity).toEqual(identityOf(first))
    const outputs = await predict.batch([[1, 2, 3, 4], new Float32Array([1, 2, 3, 4])])
    for (const output of outputs) output.forEach((value, at) => expect(Math.abs(value - (expected[at] as number))).toBeLessThanOrEqual(1e-6))
    await expect(predict([1, 2, 3])).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    await predict.close()
  })

  it('of several inputs and outputs, of every kind, with an output of ones own', async () => {
    const engine = onnx({ output: ([first], outputs) => ({ first, flags: outputs['flag_out'], words: outputs['word_out'], id: outputs['id_out'] }) })
    const model = await engine.load(new ModelFiles('m@1', new Map([['model.onnx', onnxIdentity([
      { name: 'x', dtype: 'float64', shape: ['N', 2] }, { name: 'flag', dtype: 'bool', shape: ['N'] }, { name: 'word', dtype: 'string', shape: ['N'] }, { name: 'id', dtype: 'int64', shape: ['N', null] },
    ])]])), version)
    if (!('predictBatch' in model) || model.predictBatch === undefined) throw new Error('no batch')
    await expect(model.predictBatch([{ x: [1, 2], flag: true, word: 'a', id: [2n ** 60n] }, { x: new Float64Array([3, 4]), flag: false, word: '', id: [7] }], call as never)).resolves.toEqual([
      { first: 1, flags: [1], words: ['a'], id: [2n ** 60n] },
      { first: 3, flags: [0], words: [''], id: [7] },
    ])
  })

  it('as many as a fixed batch dimension wants', async () => {
    const model = await onnx({ output: ([value]) => value }).load(new ModelFiles('m@1', new Map([['model.onnx', onnxAffine([[2]], [1], { batch: 4 })]])), version)
    if (!('predictBatch' in model) || model.predictBatch === undefined) throw new Error('no batch')
    expect(model.describe?.()).toMatchObject({ batchSize: 4 })
    await expect(model.predictBatch([0, 1, 2, 3, 4, 5], call as never)).resolves.toEqual([1, 3, 5, 7, 9, 11])
  })

  it('by types that fit onnxruntime-node and infer the output', () => {
    expectTypeOf(ort).toExtend<Onnxruntime>()
    expectTypeOf(onnx()).toEqualTypeOf<Engine<TensorRow, number[]>>()
    expectTypeOf(onnx({ ort, output: ([first]) => ({ first }) })).toEqualTypeOf<Engine<TensorRow, { first: number | undefined }>>()
    expect(() => onnx({ session: {}, threads: 1 } as OnnxOptions)).toThrow(/no option `threads`/)
    expect(() => onnx({ ort: {} as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => onnx({ file: '' })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('onnx describes a model', () => {
  it('by its signature, free dimensions as null, with its size', async () => {
    const model = await load(onnxMlp(mlpLayers([784, 128, 10], seededRandom(1))))
    expect(model.describe()).toMatchObject({
      signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 784] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 10] }] },
      batchable: true,
      device: 'cpu',
    })
    expect(model.describe()).not.toHaveProperty('batchSize')
    expect(model.describe().bytes).toBeGreaterThanOrEqual(4 * 101_770)
    expect(model.describe().bytes).toBeLessThan(3 * 500_000)
    await model.dispose()
  })

  it.each([
    ['one fixed number of rows', [[8, 3], [8]], { batchable: true, batchSize: 8 }],
    ['one row', [[1, 3], [1, 2]], { batchable: false, batchSize: 1 }],
    ['an input that all rows share', [['N', 3], []], { batchable: false, batchSize: 1 }],
    ['inputs that disagree', [['N', 3], [1, 3]], { batchable: false, batchSize: 1 }],
  ] as const)('with %s', async (_, [a, b], expected) => {
    const model = await load(onnxIdentity([{ name: 'a', dtype: 'float32', shape: a }, { name: 'b', dtype: 'float32', shape: b }]))
    expect(model.describe()).toMatchObject(expected)
    await model.dispose()
  })

  it('not by a version of onnxruntime that does not know it', async () => {
    const released: string[] = []
    const old = { Tensor: ort.Tensor, InferenceSession: { create: async () => ({ inputNames: ['x'], outputNames: ['y'], release: async () => void released.push('released') }) as never } }
    await expect(load(affine, { ort: old })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_PEER_MISSING', message: expect.stringContaining('1.22') as string })
    expect(released).toEqual(['released'])
  })

  it('refuses what is no tensor and types that no array holds', async () => {
    const declared = { inputMetadata: [], release: async () => void released.push('released'), run: async () => ({}) }
    const released: string[] = []
    const fake = (outputMetadata: object[]): OnnxOptions => ({ ort: { Tensor: ort.Tensor, InferenceSession: { create: async () => ({ ...declared, outputMetadata: outputMetadata as never }) } } })
    await expect(load(affine, fake([{ name: 'probabilities', isTensor: false }]))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', message: expect.stringContaining('zipmap') as string })
    await expect(load(affine, fake([{ name: 'y', isTensor: true, type: 'int4', shape: [] }]))).rejects.toThrow(/current value is int4/)
    expect(released).toEqual(['released', 'released'])
  })
})

describe('onnx runs a model', () => {
  it('in agreement with plain numbers, for one row, many and none', async () => {
    const random = seededRandom('rows')
    const layers = mlpLayers([8, 16, 3], random)
    const model = await load(onnxMlp(layers))
    for (const rows of [1, 5, 0]) {
      const data = Float32Array.from({ length: rows * 8 }, () => random.next())
      const { y } = await model.run({ x: { dtype: 'float32', shape: [rows, 8], data } }, call)
      expect(y?.shape).toEqual([rows, 3])
      for (let row = 0; row < rows; row += 1) mlpPredict(layers, data.subarray(row * 8, row * 8 + 8)).forEach((expected, at) => expect(Math.abs(Number(y?.data[row * 3 + at]) - expected)).toBeLessThanOrEqual(1e-6))
    }
    await model.dispose()
  })

  it('with every type, and gives arrays of its own', async () => {
    const given = {
      float16: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0x7e00) },
      float32: float32([1.5, NaN], [2]),
      float64: { dtype: 'float64', shape: [2], data: Float64Array.of(1.1, -0) },
      int8: { dtype: 'int8', shape: [2], data: Int8Array.of(-8, 1) },
      uint8: { dtype: 'uint8', shape: [2], data: Uint8Array.of(8, 1) },
      int16: { dtype: 'int16', shape: [2], data: Int16Array.of(-16, 1) },
      uint16: { dtype: 'uint16', shape: [2], data: Uint16Array.of(16, 1) },
      int32: { dtype: 'int32', shape: [2], data: Int32Array.of(-32, 1) },
      uint32: { dtype: 'uint32', shape: [2], data: Uint32Array.of(2 ** 32 - 1, 1) },
      int64: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 1n) },
      uint64: { dtype: 'uint64', shape: [2], data: BigUint64Array.of(2n ** 64n - 1n, 1n) },
      bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
      string: { dtype: 'string', shape: [2], data: ['Zürich', ''] },
    } satisfies Tensors
    const before = structuredClone(given)
    const model = await load(onnxIdentity(Object.values(given).map(({ dtype }) => ({ name: dtype, dtype, shape: ['N'] }))))
    const outputs = await model.run(given, call)
    for (const [name, tensor] of Object.entries(given)) {
      const output = outputs[`${name}_out`] as Tensor
      expect(output).toEqual(tensor)
      expect(output.data).not.toBe(tensor.data)
      expect(output.data.constructor).toBe(tensor.data.constructor)
      if (ArrayBuffer.isView(output.data)) {
        expect(output.data.buffer).not.toBe((tensor.data as Uint8Array).buffer)
        new Uint8Array(output.data.buffer).fill(255)
      }
    }
    await model.run(given, call)
    expect(given).toEqual(before)
    await model.dispose()
  })

  it('and passes on its errors', async () => {
    const model = await load(affine)
    await expect(model.run({ x: float32([1, 2], [1, 2]) }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', message: expect.stringContaining('invalid dimensions') as string, cause: expect.any(Error) as Error })
    await expect(model.run({}, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    await expect(model.run({ x: float32([1], [NaN]) }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    await expect(model.run({ x: float32([3], [1, 1]) }, call)).resolves.toMatchObject({ y: { data: Float32Array.of(7) } })
    await model.dispose()
  })
})

describe('onnx disposes of a model', () => {
  it('after the runs that are in it, once, and refuses later ones', async () => {
    const model = await load(onnxSlow({ products: 1, size: 32 }))
    const order: string[] = []
    const runs = [1, 2, 3].map((value) => model.run({ x: float32([value], [1, 1]) }, call).then(({ y }) => order.push(`run ${String(y?.data[0])}`)))
    const disposals = [model.dispose(), model.dispose()].map((disposal) => Promise.resolve(disposal).then(() => order.push('disposed')))
    await expect(model.run({ x: float32([4], [1, 1]) }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    await Promise.all([...runs, ...disposals, model.dispose()])
    expect(order).toEqual(['run 1', 'run 2', 'run 3', 'disposed', 'disposed'])
    await expect(model.run({ x: float32([4], [1, 1]) }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })

  it('also when the last run fails', async () => {
    const model = await load(affine)
    const run = model.run({}, call)
    const disposal = model.dispose()
    await expect(run).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    await disposal
  })

  it('and memory stays flat over reloads of a 26 MB model', async () => {
    const bytes = onnxLarge(26_000_000, 1)
    const once = async (): Promise<number> => {
      const model = await load(bytes)
      await model.run({ x: float32([1], [1, 1]) }, call)
      await model.dispose()
      return process.memoryUsage.rss()
    }
    // The allocator gives nothing back for the first few; a leak would be 20 × 26 MB.
    let before = 0
    for (let warmUp = 0; warmUp < 8; warmUp += 1) before = Math.max(before, await once())
    let after = 0
    for (let reload = 0; reload < 20; reload += 1) after = await once()
    expect(after - before).toBeLessThan(4 * 26_000_000)
  })
})

describe('onnx loads', () => {
  it('onnxruntime by itself, or takes what is passed in', async () => {
    const created: unknown[] = []
    const counting = { Tensor: ort.Tensor, InferenceSession: { create: (bytes: Uint8Array, options: Record<string, unknown>) => (created.push(options), ort.InferenceSession.create(bytes, options)) } }
    const own = await load(affine, { session: {} })
    const given = await load(affine, { ort: counting, session: { graphOptimizationLevel: 'basic', intraOpNumThreads: 1 } })
    await expect(own.run({ x: float32([1], [1, 1]) }, call)).resolves.toEqual(await given.run({ x: float32([1], [1, 1]) }, call))
    expect(created).toMatchObject([{ graphOptimizationLevel: 'basic', intraOpNumThreads: 1, logSeverityLevel: 3 }])
    expect(onnxTensors().origin).toEqual({ module: 'outrigger:onnx', export: 'onnxTensors', options: { file: 'model.onnx', session: {} } })
    expect(onnxTensors({ ort }).origin).toBeUndefined()
    await own.dispose()
    await given.dispose()
  })

  it('nothing without onnxruntime, and says what to install', async () => {
    vi.doMock('onnxruntime-node', () => Promise.reject(new Error('Cannot find package')))
    try {
      await expect(load(affine)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_PEER_MISSING', package: 'onnxruntime-node' })
    } finally {
      vi.doUnmock('onnxruntime-node')
    }
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['garbage', new Uint8Array(100).fill(7)],
    ['a text', new TextEncoder().encode('<html>not found</html>')],
    ['half a model', affine.subarray(0, affine.length / 2)],
    ['a model without its last byte', affine.subarray(0, -1)],
  ])('no file that is no model: %s', async (_, bytes) => {
    await expect(load(bytes)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it('no model that onnxruntime refuses, and says why', async () => {
    const x = { name: 'x', dtype: 'float32', shape: [1] } as const
    const unknown = onnxModel({ nodes: [{ op: 'Nope', inputs: ['x'], outputs: ['y'] }], inputs: [x], outputs: [{ ...x, name: 'y' }] })
    await expect(load(unknown)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', message: expect.stringContaining('Nope') as string, cause: expect.any(Error) as Error })
    await expect(load(affine, { session: { executionProviders: ['bogus'] } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', message: expect.stringContaining('bogus') as string })
    await expect(loadFiles({ 'other.onnx': affine })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT', message: expect.stringContaining('model.onnx') as string })
  })
})

describe('onnx takes weights in files of their own', () => {
  const size = 256 // smaller ones onnxruntime reads early, and by another path
  const matrix = (value: number): Uint8Array => new Uint8Array(new Float32Array(size * size).fill(value).buffer)
  const reading = (location: string): Uint8Array => onnxModel({
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', size] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['N', size] }],
    weights: { w: { dtype: 'float32', shape: [size, size], external: { location, length: 4 * size * size } } },
  })
  const answer = async (model: TensorModel): Promise<unknown> => {
    const { y } = await model.run({ x: float32(Array.from({ length: size }, () => 1), [1, size]) }, call)
    await model.dispose()
    return y?.data[0]
  }

  it.each([['beside the model', '', 'model.onnx.data'], ['below it', '', 'weights/w.bin'], ['in a folder', 'onnx/', 'model.onnx.data']])('%s, from the verified bytes', async (_, folder, location) => {
    const data = matrix(2)
    const model = await loadFiles({ [`${folder}model.onnx`]: reading(location), [folder + location]: data, 'notes.txt': new Uint8Array(3) }, { file: `${folder}model.onnx` })
    data.fill(0) // it has its own copy
    expect(await answer(model)).toBe(2 * size)
    expect(model.describe().bytes).toBeGreaterThanOrEqual(4 * size * size)
  })

  it('and from nowhere else, though onnxruntime would find them in the working directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-onnx-'))
    const home = process.cwd()
    writeFileSync(join(folder, 'planted.bin'), matrix(42))
    process.chdir(folder)
    try {
      const session = await ort.InferenceSession.create(reading('planted.bin'), { logSeverityLevel: 4 })
      const { y } = await session.run({ x: new ort.Tensor('float32', new Float32Array(size).fill(1), [1, size]) })
      expect(y?.data[0], 'what onnxruntime does by itself').toBe(42 * size)
      await session.release()

      for (const location of ['planted.bin', './planted.bin', join(folder, 'planted.bin'), '../planted.bin', '', '*/_ORT_MEM_ADDR_/*']) {
        await expect(load(reading(location)), location).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT', message: expect.stringContaining('it must have the file') as string })
      }
    } finally {
      process.chdir(home)
      rmSync(folder, { recursive: true })
    }
  })

  it('and only those of its main graph: others onnxruntime never takes from memory', async () => {
    // Models of a weight in a branch, in an attribute, in a function, in a sparse weight.
    const external: Pieces = [...text(8, 'w'), ...bytes(13, ...text(1, 'location'), ...text(2, 'w.bin')), ...integer(14, 1)]
    const graph: Pieces = bytes(5, ...external)
    const attribute = (...pieces: Pieces): Pieces => bytes(1, ...bytes(5, ...text(1, 'a'), ...pieces))
    const places: Record<string, Pieces> = {
      branch: bytes(7, ...attribute(...bytes(6, ...graph))),
      branches: bytes(7, ...attribute(...bytes(11, ...graph))),
      attribute: bytes(7, ...attribute(...bytes(5, ...external))),
      attributes: bytes(7, ...attribute(...bytes(10, ...external))),
      sparse: bytes(7, ...bytes(15, ...bytes(1, ...external))),
      function: [...bytes(7), ...bytes(25, ...bytes(7, ...bytes(5, ...bytes(5, ...external))))],
    }
    for (const [place, pieces] of Object.entries(places)) {
      await expect(loadFiles({ 'model.onnx': joined(pieces), 'w.bin': new Uint8Array(4) }), place).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT', message: expect.stringContaining('only the weights of its main graph') as string })
    }
  })

  it('whose names it reads without trusting the file: whatever is wrong with it is told', () => {
    const random = seededRandom('mutations')
    const original = reading('model.onnx.data')
    expect(onnxExternalData(original)).toEqual([{ location: 'model.onnx.data', isWeight: true }])
    let refused = 0
    for (let round = 0; round < 5000; round += 1) {
      const mutated = original.slice(0, random.integer(10) === 0 ? random.integer(original.length) : original.length)
      for (let flips = random.integer(4); flips >= 0; flips -= 1) mutated[random.integer(mutated.length)] = random.integer(256)
      try {
        onnxExternalData(mutated)
      } catch (error) {
        if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) throw error
        refused += 1
      }
    }
    expect(refused).toBeGreaterThan(1000)
    const nested = (depth: number): Pieces => (depth === 0 ? bytes(2) : bytes(1, ...bytes(5, ...bytes(6, ...nested(depth - 1)))))
    expect(() => onnxExternalData(joined(bytes(7, ...nested(1000))))).toThrow(/nested without end/)
  })
})
