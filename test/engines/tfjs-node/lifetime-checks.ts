/** Nothing is left behind: tensors, sessions, memory of the process. */
import { strict as assert } from 'node:assert'
import { loadSavedModel } from '../../../src/models/engines/_tfjs-saved-model.js'
import type { EngineMembers } from '../../../src/models/engines/engine.js'
import { tfjs, tfjsFiles } from '../../../src/models/engines/tfjs.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { modelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
import type { TfjsNode } from './cached.js'
import type { ContractCheck } from './contract.js'
import { frozenSavedModel, mlpGraph, summingLayer } from './frozen-saved-model.js'
import { mlpModel } from './model-checks.js'
import { savedModelFiles } from './saved-models.js'

const call = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Native { readonly binding: { getNumOfTensors(): number } }

/** Tensors and bytes as TensorFlow.js counts them, tensors and sessions as TensorFlow does. */
const held = (tf: TfjsNode): readonly number[] => [tf.memory().numTensors, tf.memory().numBytes, (tf.backend() as unknown as Native).binding.getNumOfTensors(), tf.node.getNumOfSavedModels()]

const rssMB = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().rss / 1e6
}

const serving = async (tf: TfjsNode, versions: readonly Pick<PublishOptions, 'files' | 'golden'>[]): Promise<ModelLoader<number[] | Float32Array, number[]>> => {
  const store = modelStore({ depot: memoryDepot() })
  for (const version of versions) await store.publish({ name: 'model', engine: 'tfjs', ...version })
  const loader = modelLoader<number[] | Float32Array, number[]>({ store, name: 'model', follow: 1, engines: [tfjs(tf)] })
  await loader.whenReady()
  return loader
}

/** The output is `factor` times the sum of the inputs. */
const summing = async (tf: TfjsNode, inputs: number, outputs: number, factor: number): Promise<Record<string, Uint8Array | string>> => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: outputs, inputShape: [inputs], useBias: false, kernelInitializer: tf.initializers.constant({ value: factor }) })] })
  const files = await tfjsFiles(model)
  model.dispose()
  return files
}

/** Swaps a loader among its three versions while clients call; each answer must be that of the version it was bound to. */
const swapping = async (loader: ModelLoader<number[] | Float32Array, number[]>, swaps: number): Promise<string> => {
  let running = true
  let calls = 0
  const clients = Array.from({ length: 16 }, async (_, client) => {
    while (running) {
      const factor = Number(loader.identity.version)
      if (client % 2 === 0) assert.equal((await loader([1, 2]))[0], 3 * factor)
      else assert.deepEqual((await loader.batch([[1, 1], Float32Array.of(2, 2)])).map(([value]) => value), [2 * factor, 4 * factor])
      calls += 1
      await turn()
    }
  })
  for (let swap = 0; swap < swaps; swap += 1) {
    await loader.use(1 + ((swap + 1) % 3))
    await turn()
  }
  running = false
  await Promise.all(clients)
  return `${swaps} swaps, ${calls} calls, none failed and none was answered by another version`
}

export const lifetimeChecks: readonly ContractCheck[] = [
  {
    name: 'layers model: memory() is flat over 10 000 calls, failing ones included',
    long: true,
    run: async (tf) => {
      const loader = await serving(tf, [{ files: await mlpModel(tf, [20, 16, 3], 1).files() }])
      const row = new Float32Array(20)
      const once = async (at: number): Promise<void> => {
        if (at % 10 === 0) await assert.rejects(loader([1, 2, 3]), { code: 'ERR_OUTRIGGER_INVALID_INPUT' })
        else if (at % 2 === 0) await loader(row)
        else await loader.batch([row, row, row])
      }
      for (let at = 0; at < 1_000; at += 1) await once(at)
      const [before, rss] = [held(tf), rssMB()]
      for (let at = 0; at < 10_000; at += 1) await once(at)
      assert.deepEqual(held(tf), before)
      const after = rssMB()
      await loader.close()
      return `${before[0]} tensors before and after, in TensorFlow ${before[2]}; RSS ${rss.toFixed(0)} → ${after.toFixed(0)} MB`
    },
  },
  {
    name: 'SavedModel: memory() is flat over 10 000 calls',
    long: true,
    run: async (tf) => {
      const loaded = await loadSavedModel(tf, savedModelFiles('keras'))
      const once = (): Promise<unknown> => loaded.run({ a: { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) }, b: { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) } }, call)
      for (let at = 0; at < 1_000; at += 1) await once()
      const [before, rss] = [held(tf), rssMB()]
      for (let at = 0; at < 10_000; at += 1) await once()
      assert.deepEqual(held(tf), before)
      const after = rssMB()
      await loaded.dispose()
      return `${before[0]} tensors before and after, in TensorFlow ${before[2]}; RSS ${rss.toFixed(0)} → ${after.toFixed(0)} MB`
    },
  },
  {
    name: 'layers model of 26 MB: 100 loads and disposals leave no memory',
    long: true,
    run: async (tf) => {
      const files = new ModelFiles('model@1', new Map(Object.entries(await summing(tf, 2560, 2560, 1)).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))
      const engine = tfjs(tf)
      const once = async (): Promise<void> => {
        const model = (await engine.load(files, {} as never)) as EngineMembers
        await model.dispose?.()
      }
      for (let at = 0; at < 20; at += 1) await once()
      const [before, rss] = [held(tf), rssMB()]
      for (let at = 0; at < 100; at += 1) await once()
      const after = rssMB()
      assert.deepEqual(held(tf), before)
      assert.ok(after - rss < 260, `RSS ${rss} → ${after} MB`)
      return `RSS ${rss.toFixed(0)} → ${after.toFixed(0)} MB`
    },
  },
  {
    name: 'SavedModel of 26 MB: 60 loads, runs and disposals leave no session and no memory',
    long: true,
    run: async (tf) => {
      const files = new ModelFiles('model@1', new Map(Object.entries(frozenSavedModel(mlpGraph([summingLayer(2560, 2560, 0.5)], { softmax: false })))))
      const once = async (): Promise<void> => {
        const model = await loadSavedModel(tf, files)
        const { y } = await model.run({ x: { dtype: 'float32', shape: [1, 2560], data: new Float32Array(2560).fill(2) } }, call)
        assert.equal(y?.data[7], 2560)
        await model.dispose()
      }
      for (let at = 0; at < 20; at += 1) await once()
      const [before, rss] = [held(tf), rssMB()]
      for (let at = 0; at < 60; at += 1) await once()
      const after = rssMB()
      assert.deepEqual(held(tf), before)
      assert.ok(after - rss < 260, `RSS ${rss} → ${after} MB`)
      return `RSS ${rss.toFixed(0)} → ${after.toFixed(0)} MB`
    },
  },
  {
    name: 'layers models: 200 swaps under 16 clients',
    long: true,
    run: async (tf) => {
      const before = held(tf)
      const loader = await serving(tf, await Promise.all([1, 2, 3].map(async (factor) => ({ files: await summing(tf, 2, 4, factor) }))))
      const seen = await swapping(loader, 200)
      await loader.close()
      assert.deepEqual(held(tf), before)
      return `${seen}; no tensor left after close`
    },
  },
  {
    name: 'SavedModels: 60 swaps under 16 clients',
    long: true,
    run: async (tf) => {
      const before = held(tf)
      const loader = await serving(tf, [1, 2, 3].map((factor) => ({ files: frozenSavedModel(mlpGraph([summingLayer(2, 4, factor)], { softmax: false })) })))
      const seen = await swapping(loader, 60)
      await loader.close()
      assert.deepEqual(held(tf), before)
      return `${seen}; no tensor and no session left after close`
    },
  },
]
