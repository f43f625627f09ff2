/** The life of a SavedModel and of its directory, with a `tf.node` that is made up. The real one: test/engines/tfjs-node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadSavedModel, type TfjsForSavedModels } from '../../../src/models/engines/_tfjs-saved-model.js'
import type { TfjsSavedTensor } from '../../../src/models/engines/_tfjs-types.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import type { Tensors } from '../../../src/schema/tensor.js'
import { temporaryFolder } from '../temporary.js'

const call = {} as never
const dim = (size: number): { getSize(): number } => ({ getSize: () => size })
const files = (extra: Readonly<Record<string, string>> = {}): ModelFiles =>
  new ModelFiles('m@1', new Map(Object.entries({ 'saved_model.pb': 'graph', 'variables/variables.index': 'abc', ...extra }).map(([path, text]) => [path, new TextEncoder().encode(text)])))

interface Signature { readonly inputs: Readonly<Record<string, TfjsSavedTensor>>; readonly outputs: Readonly<Record<string, TfjsSavedTensor>> }

const serving: Signature = {
  inputs: { x: { dtype: 'float32', tfDtype: 'DT_FLOAT', shape: [dim(-1), dim(3)] }, id: { dtype: 'int32', tfDtype: 'DT_INT64', shape: [dim(-1)] } },
  outputs: { y: { dtype: 'float32', tfDtype: 'DT_FLOAT', shape: [dim(-1), dim(1)] }, n: { dtype: 'int32', tfDtype: 'DT_INT64', shape: [] } },
}

interface Fake extends TfjsForSavedModels {
  readonly seen: { path: string; tags: string[]; signature: string; content: string }[]
  readonly alive: Set<object>
  disposed: number
}

/** `fail` is thrown by the step of that name. */
const fake = ({ signatures = { serving_default: serving }, fail = '' }: { signatures?: Readonly<Record<string, Signature>>; fail?: string } = {}): Fake => {
  const alive = new Set<object>()
  const made = (data: unknown, shape: readonly number[], dtype: string): object => {
    const tensor = { dtype, shape, data: async () => { if (fail === 'data') throw new Error('no data'); return data }, dispose: () => void alive.delete(tensor) }
    alive.add(tensor)
    return tensor
  }
  const tf = {
    seen: [] as Fake['seen'],
    alive,
    disposed: 0,
    getBackend: () => 'tensorflow',
    tensor: (data: unknown, shape: number[], dtype: string) => made(data, shape, dtype),
    tidy: (run: () => object) => {
      const before = new Set(alive)
      const kept = new Set<object>()
      try {
        const result = run()
        for (const one of Object.values(result)) kept.add(one as object)
        return result
      } finally {
        for (const one of alive) if (!before.has(one) && !kept.has(one)) alive.delete(one)
      }
    },
    node: {
      getMetaGraphsFromSavedModel: async (path: string) => {
        if (fail === 'read') throw new Error('Unsupported tensor DataType: DT_DOUBLE')
        if (!existsSync(join(path, 'saved_model.pb'))) throw new Error('no file')
        return [{ tags: ['train'], signatureDefs: {} }, { tags: ['serve', 'gpu'], signatureDefs: {} }, { tags: ['serve'], signatureDefs: signatures }]
      },
      loadSavedModel: async (path: string, tags: string[] = [], signature = '') => {
        if (fail === 'load') throw new Error('Failed to load SavedModel')
        tf.seen.push({ path, tags, signature, content: readFileSync(join(path, 'variables/variables.index'), 'utf8') })
        return {
          predict: (inputs: Record<string, { shape: readonly number[]; dtype: string }>) => {
            if (fail === 'predict') throw new Error('Session fail to run')
            const rows = inputs['x']?.shape[0] as number
            return { y: made(new Float32Array(rows).fill(7), [rows, 1], 'float32'), n: made(BigInt64Array.from(Array.from({ length: rows }, (_, row) => BigInt(row) << 40n)), [rows], 'int32') }
          },
          dispose: () => { tf.disposed += 1 },
        }
      },
    },
  }
  return tf as unknown as Fake
}

const two: Tensors = { x: { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) }, id: { dtype: 'uint32', shape: [2], data: Uint32Array.of(1, 3_000_000_000) } }

const before = process.env['TMPDIR']
let folder: string
beforeAll(async () => { folder = await temporaryFolder() })
beforeEach(() => { process.env['TMPDIR'] = folder })
afterAll(() => { if (before === undefined) delete process.env['TMPDIR']; else process.env['TMPDIR'] = before })
const left = (): string[] => readdirSync(folder)

describe('loadSavedModel', () => {
  it('says the signature by the SavedModel: 64-bit integers go in as 32 bits without a sign and come out whole', async () => {
    const model = await loadSavedModel(fake(), files())
    expect(model.describe()).toEqual({
      signature: {
        inputs: [{ name: 'x', dtype: 'float32', shape: [null, 3] }, { name: 'id', dtype: 'uint32', shape: [null] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }, { name: 'n', dtype: 'int64', shape: [null] }],
      },
      batchable: true,
      bytes: 8,
      device: 'tensorflow',
    })
    expect(await model.run(two, call)).toEqual({
      y: { dtype: 'float32', shape: [2, 1], data: new Float32Array([7, 7]) },
      n: { dtype: 'int64', shape: [2], data: new BigInt64Array([0n, 1n << 40n]) },
    })
    await model.dispose()
  })

  it('hands the files over in a directory that is gone once they are read', async () => {
    const tf = fake({ signatures: { 'serving_default': serving, 'other': serving } })
    const tags = Object.freeze(['serve'])
    const model = await loadSavedModel(tf, files(), { signature: 'other', tags })
    expect(tf.seen).toMatchObject([{ tags: ['serve'], signature: 'other', content: 'abc' }])
    expect(tf.seen[0]?.path.startsWith(folder)).toBe(true)
    expect(left()).toEqual([])
    await model.dispose()
    expect(tf.disposed).toBe(1)
  })

  it('keeps the directory until dispose where the graph has assets', async () => {
    const tf = fake()
    const model = await loadSavedModel(tf, files({ 'assets/words.txt': 'late' }))
    expect(readFileSync(join(tf.seen[0]?.path as string, 'assets/words.txt'), 'utf8')).toBe('late')
    await model.dispose()
    expect(left()).toEqual([])
  })

  it.each(['read', 'load'])('leaves no directory where it fails to %s', async (fail) => {
    await expect(loadSavedModel(fake({ fail }), files({ 'assets/words.txt': 'late' }))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', cause: { message: expect.any(String) as string } })
    expect(left()).toEqual([])
  })

  it('leaves no tensor behind, also where a run fails', async () => {
    for (const fail of ['', 'predict', 'data']) {
      const tf = fake({ fail })
      const model = await loadSavedModel(tf, files())
      if (fail === '') await model.run(two, call)
      else await expect(model.run(two, call)).rejects.toThrow()
      expect(tf.alive.size).toBe(0)
      await model.dispose()
    }
  })

  it('refuses plain TensorFlow.js, and says who can', async () => {
    const { node: _, ...plain } = fake()
    await expect(loadSavedModel(plain as TfjsForSavedModels, files())).rejects.toThrow('Cannot load the SavedModel as `tf` must be @tensorflow/tfjs-node, which alone has `tf.node`: current value is a `tf` with the backend tensorflow')
    expect(left()).toEqual([])
  })

  it.each([
    ['a signature that is not there', { signature: 'predict' }, {}, 'it must have the signature `predict`: current value is serving_default'],
    ['a name that every object has', { signature: 'constructor' }, {}, 'it must have the signature `constructor`: current value is serving_default'],
    ['tags that are not there', { tags: ['serve', 'tpu'] }, {}, 'it must have the tags serve, tpu: current value is train or serve, gpu or serve'],
    ['an output that tfjs-node cannot read', {}, { serving_default: { ...serving, outputs: { bytes: { dtype: 'int32', tfDtype: 'DT_UINT8', shape: [dim(-1)] } } } }, 'tfjs-node must be able to read output `bytes`, which takes one of DT_FLOAT, DT_INT32, DT_INT64, DT_BOOL, DT_STRING: current value is DT_UINT8'],
    ['an input that it cannot pass', {}, { serving_default: { ...serving, inputs: { z: { dtype: 'complex64', tfDtype: 'DT_COMPLEX64', shape: [dim(-1)] } } } }, 'tfjs-node must be able to pass input `z`'],
  ])('refuses %s', async (_what, options, signatures, message) => {
    await expect(loadSavedModel(fake('serving_default' in signatures ? { signatures: signatures as never } : {}), files(), options)).rejects.toThrow(message)
    expect(left()).toEqual([])
  })
})
