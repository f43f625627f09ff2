/** Nothing is left behind: tensors, sessions, memory of the process. */
import { strict as assert } from 'node:assert'
import { loadSavedModel } from '../../../src/models/engines/_tfjs-saved-model.js'
import type { TfjsNode } from './cached.js'
import type { ContractCheck } from './contract.js'
import { savedModelFiles } from './saved-models.js'

const call = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }

interface Native { readonly binding: { getNumOfTensors(): number } }
const nativeTensors = (tf: TfjsNode): number => (tf.backend() as unknown as Native).binding.getNumOfTensors()
const rssMB = (): number => process.memoryUsage().rss / 1e6

export const lifetimeChecks: readonly ContractCheck[] = [
  {
    name: 'SavedModel: memory() is flat over 10 000 calls',
    long: true,
    run: async (tf) => {
      const loaded = await loadSavedModel(tf, savedModelFiles('keras'))
      const run = (): Promise<unknown> => loaded.run({ a: { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) }, b: { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) } }, call)
      for (let at = 0; at < 1_000; at += 1) await run()
      const before = { ...tf.memory(), native: nativeTensors(tf), rss: rssMB() }
      for (let at = 0; at < 10_000; at += 1) await run()
      const after = { ...tf.memory(), native: nativeTensors(tf), rss: rssMB() }
      assert.deepEqual([after.numTensors, after.numBytes, after.native], [before.numTensors, before.numBytes, before.native])
      await loaded.dispose()
      return `tensors ${before.numTensors} → ${after.numTensors}, in TensorFlow ${before.native} → ${after.native}, RSS ${before.rss.toFixed(0)} → ${after.rss.toFixed(0)} MB`
    },
  },
  {
    name: 'SavedModel: 200 loads and disposals leave no session and no memory',
    long: true,
    run: async (tf) => {
      const once = async (): Promise<void> => (await loadSavedModel(tf, savedModelFiles('classifier'))).dispose()
      for (let at = 0; at < 50; at += 1) await once()
      const before = rssMB()
      for (let at = 0; at < 200; at += 1) await once()
      assert.equal(tf.node.getNumOfSavedModels(), 0)
      return `RSS ${before.toFixed(0)} → ${rssMB().toFixed(0)} MB`
    },
  },
]
