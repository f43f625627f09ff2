/** That no tensor is left behind, on each backend: by 10 000 runs of every kind, by loads that fail, by control flow. */
import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRowFailure } from '../../../src/core/rows.js'
import type { TensorModel } from '../../../src/models/engines/engine.js'
import { needsAsync } from '../../../src/models/engines/_tfjs-graph.js'
import { tfjs, tfjsFiles, tfjsSignature, type TfjsOptions } from '../../../src/models/engines/tfjs.js'
import type { OutputValue, RowModel } from '../../../src/models/engines/tensor-rows.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { call, versionOf } from './_echo-engine.js'
import { controlFlowFiles, graphFiles, graphModelFiles } from './_graph-model.js'

type Files = Readonly<Record<string, Uint8Array | string>>
const filesOf = (files: Files): ModelFiles =>
  new ModelFiles('m@1', new Map(Object.entries(files).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))
const rowsOf = async <O = OutputValue[]>(files: Files, options: TfjsOptions<O, OutputValue> = {}): Promise<RowModel<O>> =>
  (await tfjs<O, OutputValue>(tf, options).load(filesOf(files), versionOf())) as RowModel<O>
const tensorsOf = async (files: Files): Promise<TensorModel> => (await tfjs(tf).tensors?.load(filesOf(files), versionOf())) as TensorModel
const held = (): number => tf.memory().numTensors

const identity = (dtype: 'int32' | 'bool' | 'string'): Files =>
  graphFiles({ inputs: [{ name: 'x', dtype, shape: [null, 2] }], outputs: [{ name: 'y', dtype, shape: [null, 2] }], nodes: [{ name: 'y', op: 'Identity', input: ['x'] }] })

const layersFiles = async (...units: number[]): Promise<Files> => {
  const model = tf.sequential({ layers: units.slice(1).map((size, at) => tf.layers.dense({ units: size, ...(at === 0 ? { inputShape: [units[0] as number] } : {}) })) })
  const files = await tfjsFiles(model)
  model.dispose()
  return files
}

describe.each(['cpu', 'wasm'])('tfjs on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend)
  })
  afterAll(() => expect(held()).toBe(0))

  it('holds the same tensors after 10 000 calls: rows that fail, callers who left, outputs that throw, integers, booleans and strings', async () => {
    const aborted = AbortSignal.abort()
    const left = { signal: aborted, remainingMs: () => 0, isIdempotent: true } as never
    const models = [await rowsOf(await layersFiles(3, 2)), await rowsOf(graphModelFiles([[1, 2], [3, 4], [5, 6]], [0.5, -0.5])), await rowsOf(identity('int32')), await rowsOf(identity('bool')), await rowsOf(identity('string')), await rowsOf(controlFlowFiles(true))] as const
    const throwing = await rowsOf<never>(identity('int32'), { output: () => { throw new Error('no') } })
    const rows = [[1, 2, 3], new Float32Array([1, 2, 3]), [1, 2], [true, false], ['a', 'ü'], [1.5, 2]]
    const before = held()
    let failed = 0
    for (let index = 0; index < 10_000; index += 1) {
      const at = index % models.length
      const model = models[at] as RowModel<OutputValue[]>
      const row = rows[at] as never
      const outcomes = await model.predictBatch(index % 7 === 0 ? [row, 'nonsense' as never, row] : [row], index % 11 === 0 ? left : call)
      failed += outcomes.filter(isRowFailure).length
      if (index % 100 === 0) await expect(throwing.predict([1, 2], call)).rejects.toThrow('no')
    }
    expect(failed).toBeGreaterThan(1000)
    expect(held()).toBe(before)
    for (const model of [...models, throwing]) await model.dispose()
  }, 60_000)

  it('an error in the middle of a run leaves nothing', async () => {
    const model = await tensorsOf(graphFiles({
      inputs: [{ name: 'x', dtype: 'float32', shape: [null, null] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }],
      nodes: [{ name: 'twice', op: 'AddV2', input: ['x', 'x'] }, { name: 'y', op: 'MatMul', input: ['twice', 'kernel'], attr: { transpose_a: { b: false }, transpose_b: { b: false } } }],
      weights: [{ name: 'kernel', dtype: 'float32', shape: [3, 2], values: [1, 2, 3, 4, 5, 6] }],
    }))
    const before = held()
    for (let index = 0; index < 20; index += 1) {
      await expect(model.run({ x: { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } }, call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED' })
    }
    expect(held()).toBe(before)
    await model.dispose()
  })

  it('runs control flow by executeAsync, disposed of in the midst of it or not', async () => {
    for (const [isMore, expected] of [[true, [2, 3]], [false, [0, 1]]] as const) {
      const rows = await rowsOf(controlFlowFiles(isMore))
      expect(await rows.predictBatch([[1, 2], [1, 2]], call)).toEqual([expected, expected])
      const running = rows.predict([1, 2], call)
      await rows.dispose()
      expect(await running).toEqual(expected)
    }
  })

  it('a weight that a graph gives out as it is stays the model\'s', async () => {
    const model = await tensorsOf(graphFiles({
      inputs: [{ name: 'x', dtype: 'float32', shape: [null, 1] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }, { name: 'w', dtype: 'float32', shape: [2] }],
      nodes: [{ name: 'y', op: 'Identity', input: ['x'] }], weights: [{ name: 'w', dtype: 'float32', shape: [2], values: [1, 2] }],
    }))
    for (let index = 0; index < 3; index += 1) {
      const { w } = await model.run({ x: { dtype: 'float32', shape: [1, 1], data: new Float32Array(1) } }, call)
      expect(w?.data).toEqual(new Float32Array([1, 2]))
      ;(w?.data as Float32Array | undefined)?.fill(9)
    }
    await model.dispose()
  })

  it('a version that does not load leaves nothing: the weights of another, a layer that nobody knows, a graph that is none', async () => {
    const [mine, other] = [await layersFiles(3, 4, 2), await layersFiles(3, 2, 2)]
    const before = held()
    const json = JSON.parse(mine['model.json'] as string) as { modelTopology: { config: { layers: { class_name: string; config: { units: number } }[] } }; weightsManifest: { weights: { name: string; shape: number[] }[] }[] }
    const strange = structuredClone(json)
    ;(strange.modelTopology.config.layers.at(-1) as { class_name: string }).class_name = 'Strange'
    const torn = structuredClone(json)
    torn.weightsManifest[0]?.weights.forEach((weight) => (weight.name = `${weight.name}_`))
    const graph = JSON.parse(graphModelFiles([[1]], [2])['model.json'] as string) as { modelTopology: { node: { input?: string[] }[] } }
    ;(graph.modelTopology.node.at(-1) as { input?: string[] }).input = ['nowhere']
    const cases: readonly (readonly [Files, string, RegExp])[] = [
      [{ ...mine, 'model.json': (other['model.json'] as string) }, 'ERR_OUTRIGGER_MODEL_CORRUPT', /weights must be \d+ bytes/],
      [{ ...other, 'model.json': (other['model.json'] as string).replace('"units":2', '"units":5') }, 'ERR_OUTRIGGER_ENGINE_FAILED', /shape/i],
      [{ ...mine, 'model.json': JSON.stringify(torn) }, 'ERR_OUTRIGGER_ENGINE_FAILED', /no target variable/],
      [{ ...mine, 'model.json': JSON.stringify(strange) }, 'ERR_OUTRIGGER_ENGINE_FAILED', /registerClass: current value is Strange/],
      [{ 'model.json': JSON.stringify(graph), 'weights.bin': new Uint8Array(8) }, 'ERR_OUTRIGGER_ENGINE_FAILED', /./],
    ]
    for (const [files, code, message] of cases) {
      await expect(tensorsOf(files)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
      expect(held()).toBe(before)
    }
  })

  it('says the bytes that TensorFlow.js counts', async () => {
    for (const files of [await layersFiles(3, 4, 2), graphModelFiles([[1, 2], [3, 4]], [1, 2])]) {
      const before = tf.memory().numBytes
      const model = await tensorsOf(files)
      expect(model.describe()).toMatchObject({ bytes: tf.memory().numBytes - before, device: backend })
      await model.dispose()
    }
  })

  it('says whether batches pay: not with large weights in plain JavaScript, and not where one row is fixed', async () => {
    for (const [files, expected] of [[await layersFiles(4, 1), true], [await layersFiles(784, 128, 10), backend === 'wasm'], [graphModelFiles([[1]], [0], 1), false]] as const) {
      const model = await tensorsOf(files)
      expect(model.describe().batchable).toBe(expected)
      await model.dispose()
    }
  })
})

describe('tfjs, weights in the file', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu')
  })

  it('that are quantized hold what they are spread out to', async () => {
    const plain = graphModelFiles([[1], [2]], [0])
    const json = JSON.parse(plain['model.json'] as string) as { weightsManifest: { weights: object[] }[] }
    Object.assign(json.weightsManifest[0]?.weights[0] as object, { quantization: { dtype: 'uint8', scale: 0.5, min: 0 } })
    const model = await tensorsOf({ 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array([2, 4, 0, 0, 0, 0]) })
    expect(model.describe().bytes).toBe(12)
    const { y } = await model.run({ x: { dtype: 'float32', shape: [1, 2], data: new Float32Array([10, 100]) } }, call)
    expect(y?.data).toEqual(new Float32Array([210]))
    await model.dispose()
  })

  it('may be strings', async () => {
    const words = ['a', 'ü']
    const bytes = Buffer.concat(words.flatMap((word) => [Buffer.from(Uint32Array.of(Buffer.byteLength(word)).buffer), Buffer.from(word)]))
    const plain = graphFiles({ inputs: [{ name: 'x', dtype: 'string', shape: [null, 2] }], outputs: [{ name: 'y', dtype: 'string', shape: [null, 2] }], nodes: [{ name: 'y', op: 'Identity', input: ['x'] }] })
    const json = JSON.parse(plain['model.json'] as string) as { weightsManifest: { weights: object[] }[] }
    json.weightsManifest[0]?.weights.push({ name: 'words', dtype: 'string', shape: [2] })
    const model = await tensorsOf({ 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(bytes) })
    expect(model.describe().bytes).toBe(bytes.length)
    await model.dispose()
    await expect(tensorsOf({ 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(bytes.subarray(0, -1)) })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect(held()).toBe(0)
  })

  it.each([
    ['no object', '[]'], ['no topology', '{"format":"layers-model"}'], ['another format', '{"format":"keras","modelTopology":{}}'], ['a manifest that is none', '{"modelTopology":{},"weightsManifest":{}}'],
    ['a group without paths', '{"modelTopology":{},"weightsManifest":[{}]}'], ['a weight without a shape', '{"modelTopology":{},"weightsManifest":[{"paths":[],"weights":[{"name":"w","dtype":"float32"}]}]}'],
    ['a weight of an unknown type', '{"modelTopology":{},"weightsManifest":[{"paths":[],"weights":[{"name":"w","dtype":"float8","shape":[]}]}]}'],
  ])('%s is corrupt', async (_, json) => {
    await expect(tensorsOf({ 'model.json': json })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })
})

describe('needsAsync', () => {
  const node = (name: string, op: string, ...input: string[]): object => ({ name, op, input })
  it('sees control flow on the way to the outputs, and not beside it', () => {
    const topology = { node: [node('x', 'Placeholder'), node('y', 'Identity', 'x:0'), node('w', 'While', 'y', '^x'), node('z', 'Add', 'w:1', 'x'), node('loop', 'Add', 'loop')] }
    expect(['y', 'y:0', 'x', 'loop', 'nowhere'].map((name) => needsAsync(topology, [name]))).toEqual([false, false, false, false, false])
    expect(needsAsync(topology, ['z'])).toBe(true)
    expect(needsAsync({}, ['z'])).toBe(false)
  })
})

describe('tfjsSignature', () => {
  it('of graph models goes by the names of their signature, and knows what they are not given', () => {
    expect(tfjsSignature({
      inputs: [{ name: 'serving_x', shape: [-1, 3], dtype: 'float32' }, { name: 'table', shape: [], dtype: 'resource' }, { name: 'free' }], outputs: [{ name: 'Identity' }, { name: 'Identity_1', shape: [-1] }],
      inputNodes: ['x', 'table', 'free'], outputNodes: ['y', 'z'],
      modelSignature: { inputs: { x: { dtype: 'DT_INT64', tensorShape: { dim: [{ size: '-1' }, { size: '3' }] } }, table: { resourceId: 7 } }, outputs: { y: { dtype: 'DT_STRING', tensorShape: { unknownRank: true } } } },
      modelStructuredOutputKeys: ['first', 'second'],
    })).toEqual({
      inputs: [{ name: 'x', dtype: 'int32', shape: [null, 3] }, { name: 'free', dtype: 'float32', shape: [null, null] }],
      outputs: [{ name: 'first', dtype: 'string', shape: [null] }, { name: 'second', dtype: 'float32', shape: [null] }],
    })
  })

  it('of layers models is the same before and after they are saved and loaded, however many live beside them', async () => {
    await tf.setBackend('cpu')
    const made = Array.from({ length: 3 }, () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4], name: 'only' })] }))
    const [first] = made.map((model) => tfjsSignature(model))
    expect(made.map((model) => tfjsSignature(model))).toEqual([first, first, first])
    const model = await tensorsOf(await tfjsFiles(made[1] as tf.LayersModel))
    expect(model.describe().signature).toEqual(first)
    await model.dispose()
    for (const one of made) one.dispose()
  })
})
