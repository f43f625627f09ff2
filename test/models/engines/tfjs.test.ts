import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { RowFailure } from '../../../src/core/rows.js'
import type { EngineObject } from '../../../src/models/engines/engine.js'
import { tfjs, tfjsElsewhere, tfjsFiles, tfjsSignature } from '../../../src/models/engines/tfjs.js'
import type { TensorRow } from '../../../src/models/engines/tensor-rows.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import type { ModelVersion } from '../../../src/models/store/model-store.js'
import { call } from './_echo-engine.js'
import { graphModelFiles } from './_graph-model.js'

type Loaded<O = number[]> = Required<Pick<EngineObject<TensorRow, O>, 'predict' | 'predictBatch' | 'dispose' | 'describe'>>

const version = {} as ModelVersion
const asFiles = (files: Readonly<Record<string, Uint8Array | string>>): ModelFiles =>
  new ModelFiles('m@1', new Map(Object.entries(files).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))
const load = async <O = number[]>(files: ModelFiles, engine = tfjs<O>(tf)): Promise<Loaded<O>> => (await engine.load(files, version)) as Loaded<O>

const dense = async (): Promise<ModelFiles> => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4], activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({ seed: 3 }) }), tf.layers.dense({ units: 2, useBias: true, kernelInitializer: tf.initializers.glorotNormal({ seed: 4 }) })] })
  const files = asFiles(await tfjsFiles(model))
  model.dispose()
  return files
}

beforeAll(async () => {
  await tf.setBackend('cpu')
})

describe('tfjs, layers models', () => {
  it('predicts as the model that was saved, single and in batches', async () => {
    const original = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3], kernelInitializer: tf.initializers.randomNormal({ seed: 7 }) })] })
    const model = await load(asFiles(await tfjsFiles(original)))
    const rows = [[1, 2, 3], [0, 0, 0], [-1, 0.5, 4]]
    const expected = tf.tidy(() => (original.predict(tf.tensor2d(rows)) as tf.Tensor).arraySync()) as number[][]
    expect(await model.predictBatch(rows, call)).toEqual(expected)
    for (const [index, row] of rows.entries()) expect(await model.predict(new Float32Array(row), call)).toEqual(expected[index])
    expect(model.describe()).toEqual({ batchable: true, signature: tfjsSignature(original), bytes: 32, device: 'cpu' })
    expect(tfjsSignature(original).inputs[0]).toMatchObject({ dtype: 'float32', shape: [null, 3] })
    model.dispose()
    original.dispose()
  })

  it('a row that does not fit fails alone and says why', async () => {
    const model = await load(await dense())
    const rows = [[1, 2, 3, 4], [1, 2, 3], [[1, 2], [3, 4]], ['a', 'b', 'c', 'd'], null, [1, 2, undefined, 4], { x: [1, 2, 3, 4] }, new Float64Array([1, 2, 3, 4])]
    const outcomes = await model.predictBatch(rows as never, call)
    expect(outcomes.map((outcome) => outcome instanceof RowFailure)).toEqual([false, true, true, true, true, true, true, false])
    expect(outcomes[7]).toEqual(outcomes[0])
    for (const outcome of outcomes) if (outcome instanceof RowFailure) expect(outcome.error).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    expect(String((outcomes[1] as unknown as RowFailure).error)).toContain('[4]')
    model.dispose()
  })

  it('outputs are the caller\'s own', async () => {
    const model = await load(await dense())
    const first = await model.predict([1, 2, 3, 4], call)
    const kept = [...first]
    const second = await model.predict([4, 3, 2, 1], call)
    second.fill(9)
    expect(first).toEqual(kept)
    expect(await model.predict([1, 2, 3, 4], call)).toEqual(kept)
    model.dispose()
  })

  it('takes nested rows and rows of open length, each length in a run of its own', async () => {
    const original = tf.sequential({ layers: [tf.layers.globalAveragePooling1d({ inputShape: [null, 2] as never })] })
    const model = await load(asFiles(await tfjsFiles(original)))
    expect(await model.predictBatch([[[1, 2], [3, 4]], [5, 6], [[7, 8]]], call)).toEqual([[2, 3], [5, 6], [7, 8]])
    const [bad] = await model.predictBatch([[[1, 2], [3]]], call)
    expect(bad).toBeInstanceOf(RowFailure)
    model.dispose()
    original.dispose()
  })

  it('takes named inputs, gives named outputs, and needs `output` for several of them', async () => {
    const a = tf.input({ shape: [1], name: 'a' })
    const b = tf.input({ shape: [2], name: 'b' })
    const joined = tf.layers.concatenate({ name: 'joined' }).apply([a, b]) as tf.SymbolicTensor
    const original = tf.model({ inputs: [a, b], outputs: [joined, tf.layers.add({ name: 'twice' }).apply([a, a]) as tf.SymbolicTensor] })
    const files = asFiles(await tfjsFiles(original))
    await expect(load(files)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    const model = await load(files, tfjs(tf, { output: (values, outputs) => ({ values, outputs }) }))
    expect(await model.predict({ a: 1, b: [2, 3] }, call)).toEqual({ values: [1, 2, 3], outputs: { joined: [1, 2, 3], twice: [2] } })
    await expect(model.predict({ a: 1 }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    await expect(model.predict([1], call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    model.dispose()
    original.dispose()
  })

  it('respects a fixed batch dimension', async () => {
    for (const size of [1, 4]) {
      const original = tf.sequential({ layers: [tf.layers.dense({ units: 1, batchInputShape: [size, 2], kernelInitializer: 'ones' })] })
      const model = await load(asFiles(await tfjsFiles(original)))
      expect(model.describe().batchable).toBe(size !== 1)
      expect(await model.predictBatch([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], call)).toEqual([[3], [7], [11], [15], [19]])
      model.dispose()
      original.dispose()
    }
  })

  it('an `output` that throws fails the run and leaves no tensor', async () => {
    const model = await load(await dense(), tfjs<never>(tf, { output: () => { throw new Error('no') } }))
    const before = tf.memory().numTensors
    await expect(model.predict([1, 2, 3, 4], call)).rejects.toThrow('no')
    expect(tf.memory().numTensors).toBe(before)
    model.dispose()
  })

  it('a disposed model refuses clearly', async () => {
    const model = await load(await dense())
    model.dispose()
    await expect(model.predict([1, 2, 3, 4], call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })

  it('does not load what is no model, lacks a file, or has too few weights', async () => {
    const whole = await dense()
    const json = whole.text('model.json')
    await expect(load(asFiles({ 'model.json': '{}' }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    await expect(load(asFiles({ 'model.json': '{' }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    await expect(load(asFiles({ 'model.json': json }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    await expect(load(asFiles({}))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    await expect(load(asFiles({ 'model.json': json, 'weights.bin': whole.bytes('weights.bin').subarray(0, 8) }))).rejects.toThrow()
  })

  it('checks `tf` and its options', () => {
    expect(() => tfjs({} as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => tfjs(tf, { outputs: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('tfjs, elsewhere', () => {
  it('says how it is made there: by the published packages of its backend, or by what it is told', async () => {
    expect(tfjs(tf).tensors?.origin).toEqual({ module: 'outrigger:tfjs', export: 'tfjsElsewhere', options: { elsewhere: { packages: ['@tensorflow/tfjs'], backend: 'cpu' } } })
    const elsewhere = { packages: ['file:///own-layers.js'] }
    expect(tfjs(tf, { elsewhere }).tensors?.origin?.options).toEqual({ elsewhere })
    expect(tfjs({ ...tf, getBackend: () => 'webgl' }).tensors?.origin).toBeUndefined()
    expect(() => tfjs(tf, { elsewhere: { packages: [] } })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('is made there from its origin, and says what is missing', async () => {
    const options = tfjs(tf).tensors?.origin?.options as Parameters<typeof tfjsElsewhere>[0]
    const engine = await tfjsElsewhere(options)
    const model = await engine.load(await dense(), version)
    expect((await model.run({ [model.describe().signature?.inputs[0]?.name as string]: { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } }, call))).toBeTypeOf('object')
    await model.dispose()
    expect(engine.origin?.options).toEqual(options)
    await expect(tfjsElsewhere({ elsewhere: { packages: ['@tensorflow/tfjs', 'not-installed'] } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_PEER_MISSING', message: expect.stringContaining('`not-installed`') })
    await expect(tfjsElsewhere({ elsewhere: { packages: ['node:path'] } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('tfjs, graph models', () => {
  it('predicts with a graph model, single and in batches, and leaves no tensor behind', async () => {
    const before = tf.memory().numTensors
    const model = await load(asFiles(graphModelFiles([[1, 2], [3, 4], [5, 6]], [0.5, -0.5])))
    const loaded = tf.memory().numTensors
    for (let index = 0; index < 200; index += 1) {
      expect(await model.predictBatch([[1, 0, 0], new Float32Array([0, 1, 1])], call)).toEqual([[1.5, 1.5], [8.5, 9.5]])
    }
    expect(await model.predict([0, 0, 0], call)).toEqual([0.5, -0.5])
    expect(await model.predict({ x: [0, 0, 0] }, call)).toEqual([0.5, -0.5])
    expect(model.describe()).toEqual({ batchable: true, signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 3] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }] }, bytes: 32, device: 'cpu' })
    expect(tf.memory().numTensors).toBe(loaded)
    model.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('tfjsFiles saves a graph model again', async () => {
    const files = graphModelFiles([[1], [1]], [3])
    const original = await tf.loadGraphModel({ load: async () => ({ modelTopology: JSON.parse(files['model.json'] as string).modelTopology, weightSpecs: JSON.parse(files['model.json'] as string).weightsManifest[0].weights, weightData: (files['weights.bin'] as Uint8Array).slice().buffer, format: 'graph-model' }) })
    const model = await load(asFiles(await tfjsFiles(original)))
    expect(await model.predict([1, 2], call)).toEqual([6])
    model.dispose()
    original.dispose()
  })
})
