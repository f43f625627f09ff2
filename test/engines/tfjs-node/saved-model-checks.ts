/** SavedModels that TensorFlow for Python made, against what it answered itself. */
import { strict as assert } from 'node:assert'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSavedModel } from '../../../src/models/engines/_tfjs-saved-model.js'
import { tfjs } from '../../../src/models/engines/tfjs.js'
import { modelLoader } from '../../../src/models/loader/model-loader.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { modelStore } from '../../../src/models/store/model-store.js'
import type { Tensor, Tensors } from '../../../src/schema/tensor.js'
import type { ContractCheck } from './contract.js'
import { savedModelCases, savedModelFiles } from './saved-models.js'

const call = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }

/** 64-bit integers go in as 32 bits without a sign. */
const asTaken = (inputs: Tensors): Tensors =>
  Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensor.dtype === 'int64' ? { ...tensor, dtype: 'uint32', data: Uint32Array.from(tensor.data, Number) } : tensor]))

/** The largest difference; what are no numbers must be equal. */
export const difference = (seen: Tensor | undefined, golden: Tensor): number => {
  assert.deepEqual([seen?.dtype, seen?.shape], [golden.dtype, golden.shape])
  if (golden.dtype !== 'float32') assert.deepEqual(seen?.data, golden.data)
  return golden.dtype === 'float32' ? Math.max(...golden.data.map((value, at) => Math.abs(value - (seen?.data[at] as number)))) : 0
}

/** Runs with a folder for temporary files of its own; `left` are the names in it. */
const inOwnFolder = async <T>(run: (left: () => readonly string[]) => Promise<T>): Promise<T> => {
  const before = process.env['TMPDIR']
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-tfjs-node-'))
  process.env['TMPDIR'] = folder
  try {
    return await run(() => readdirSync(folder))
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(folder, { recursive: true, force: true })
  }
}

const changed = (name: string, change: (path: string, bytes: Uint8Array) => Uint8Array | undefined): ModelFiles => {
  const files = savedModelFiles(name)
  return new ModelFiles('m@1', new Map(files.paths.flatMap((path) => {
    const bytes = change(path, files.bytes(path))
    return bytes === undefined ? [] : [[path, bytes] as const]
  })))
}

const golden: readonly ContractCheck[] = savedModelCases.map(({ model, signature, inputs, outputs }) => ({
  name: `SavedModel ${model}, ${signature}: the answers of TensorFlow for Python`,
  run: async (tf) => {
    const loaded = await loadSavedModel(tf, savedModelFiles(model), { signature })
    try {
      const seen = await loaded.run(asTaken(inputs), call)
      assert.deepEqual(Object.keys(seen).sort(), Object.keys(outputs).sort())
      const worst = Math.max(...Object.entries(outputs).map(([name, tensor]) => difference(seen[name], tensor)))
      assert.ok(worst <= 1e-6, `differs by ${worst}`)
      return `${Object.entries(outputs).map(([name, { dtype, shape }]) => `${name} ${dtype}[${shape.join(', ')}]`).join(', ')}; differs by at most ${worst}`
    } finally {
      await loaded.dispose()
    }
  },
}))

const refusals: readonly (readonly [what: string, files: () => ModelFiles, signature: string | undefined, message: RegExp])[] = [
  ['an output of 8-bit integers', () => savedModelFiles('many-types'), 'bytes', /must be able to read output `inverted`.*DT_UINT8/],
  ['a model one of whose signatures has doubles', () => savedModelFiles('doubles'), undefined, /DT_DOUBLE/],
  ['a signature that is not there', () => savedModelFiles('classifier'), 'predict', /must have the signature `predict`/],
  ['a truncated saved_model.pb', () => changed('classifier', (path, bytes) => (path === 'saved_model.pb' ? bytes.subarray(0, bytes.length >> 1) : bytes)), undefined, /Cannot load the SavedModel/],
  ['an empty saved_model.pb', () => changed('classifier', (path, bytes) => (path === 'saved_model.pb' ? new Uint8Array() : bytes)), undefined, /Cannot load the SavedModel/],
  ['truncated variables', () => changed('classifier', (path, bytes) => (path.includes('.data-') ? bytes.subarray(0, 40) : bytes)), undefined, /Cannot load the SavedModel/],
  ['a missing asset', () => changed('vocabulary', (path, bytes) => (path.startsWith('assets/') ? undefined : bytes)), undefined, /Cannot load the SavedModel/],
]

export const savedModelChecks: readonly ContractCheck[] = [
  ...golden,
  ...refusals.map(([what, files, signature, message]): ContractCheck => ({
    name: `SavedModel, refused: ${what}`,
    run: (tf) => inOwnFolder(async (left) => {
      const before = tf.node.getNumOfSavedModels()
      let seen = ''
      await assert.rejects(loadSavedModel(tf, files(), signature === undefined ? {} : { signature }), (error: Error) => {
        seen = error.message
        return message.test(seen)
      })
      assert.deepEqual(left(), [])
      assert.equal(tf.node.getNumOfSavedModels(), before)
      return seen.split('\n')[0]?.slice(0, 200) ?? ''
    }),
  })),
  {
    name: 'SavedModel: its directory is gone once it is loaded, with assets once it is disposed',
    run: (tf) => inOwnFolder(async (left) => {
      const classifier = await loadSavedModel(tf, savedModelFiles('classifier'))
      assert.deepEqual(left(), [])
      const vocabulary = await loadSavedModel(tf, savedModelFiles('vocabulary'))
      assert.equal(left().length, 1)
      // Reads the asset anew in each run.
      const { bytes } = await vocabulary.run({ word: { dtype: 'string', shape: [1], data: ['late'] } }, call)
      assert.deepEqual(bytes?.data, Int32Array.of(23))
      await vocabulary.dispose()
      assert.deepEqual(left(), [])
      // The variables were read when it was loaded.
      await classifier.run({ x: { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } }, call)
      await classifier.dispose()
      assert.equal(tf.node.getNumOfSavedModels(), 0)
      return 'none left; sessions left in TensorFlow: 0'
    }),
  },
  {
    name: 'SavedModel by rows, from a store: a negative 64-bit integer and a word that is none fail alone',
    run: async (tf) => {
      const before = tf.node.getNumOfSavedModels()
      const files = savedModelFiles('many-types')
      const store = modelStore({ depot: memoryDepot() })
      await store.publish({ name: 'many', engine: 'tfjs', files: Object.fromEntries(files.paths.map((path) => [path, files.bytes(path)])) })
      const many = modelLoader({ store, name: 'many', engines: [tfjs(tf, { output: (_first: (number | bigint | string)[], outputs) => outputs })] })
      await many.whenReady()
      const row = { id: 7, count: 3, pixels: [0, 255], word: 'straße', flag: true }
      const outcomes = await many.detailedBatch([row, { ...row, id: -2 }, { ...row, word: 3 as never }, { ...row, id: 3_000_000_000 }])
      assert.deepEqual(outcomes.map((outcome) => (outcome.ok ? outcome.output : (outcome.error as { readonly code?: string }).code)), [
        { far: [7_000_000_049], twice: [6], brightness: [127.5], upper: ['STRASSE'], negated: [0] },
        'ERR_OUTRIGGER_INVALID_INPUT',
        'ERR_OUTRIGGER_INVALID_INPUT',
        { far: [3_000_000_021_000_000_000n], twice: [6], brightness: [127.5], upper: ['STRASSE'], negated: [0] },
      ])
      await many.close()
      assert.equal(tf.node.getNumOfSavedModels(), before)
      return 'tfjs-node itself would take -2 for 4294967294'
    },
  },
  {
    name: 'SavedModel without its variables: TensorFlow loads it, and no run answers or leaves a tensor',
    run: async (tf) => {
      const loaded = await loadSavedModel(tf, changed('classifier', (path, bytes) => (path.startsWith('variables/') ? undefined : bytes)))
      const before = tf.memory().numTensors
      try {
        let message = ''
        await assert.rejects(loaded.run({ x: { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } }, call), (error: Error) => {
          message = error.message
          return true
        })
        assert.equal(tf.memory().numTensors, before)
        return message.split('\n')[0] ?? ''
      } finally {
        await loaded.dispose()
      }
    },
  },
  {
    name: 'SavedModel: versions side by side have each a session of their own',
    run: async (tf) => {
      // Twice the same, and one signature beside another: tfjs-node shares a session between models of one path.
      const loaded = [await loadSavedModel(tf, savedModelFiles('classifier')), await loadSavedModel(tf, savedModelFiles('classifier')), await loadSavedModel(tf, savedModelFiles('classifier'), { signature: 'logits' })]
      assert.equal(tf.node.getNumOfSavedModels(), 3)
      for (const [at, model] of loaded.entries()) {
        const { inputs, outputs } = savedModelCases.find((one) => one.model === 'classifier' && one.signature === (at === 2 ? 'logits' : 'serving_default')) as (typeof savedModelCases)[number]
        const seen = await model.run(inputs, call)
        for (const [name, tensor] of Object.entries(outputs)) assert.ok(difference(seen[name], tensor) <= 1e-6)
        await model.dispose()
        assert.equal(tf.node.getNumOfSavedModels(), 2 - at)
      }
      return 'three sessions; each answers after the one before it is disposed'
    },
  },
  {
    name: 'SavedModel: a run of a wrong shape leaves no tensor, and the next one answers',
    run: async (tf) => {
      const loaded = await loadSavedModel(tf, savedModelFiles('classifier'))
      const before = tf.memory().numTensors
      let message = ''
      await assert.rejects(loaded.run({ x: { dtype: 'float32', shape: [1, 5], data: new Float32Array(5) } }, call), (error: Error) => {
        message = error.message
        return true
      })
      assert.equal(tf.memory().numTensors, before)
      await loaded.run({ x: { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } }, call)
      assert.equal(tf.memory().numTensors, before)
      await loaded.dispose()
      return message.split('\n')[0] ?? ''
    },
  },
]
