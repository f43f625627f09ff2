/** Layers and graph models on the real tfjs-node, by the engine as users have it: rows, store, loader. */
import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tfjs, tfjsFiles } from '../../../src/models/engines/tfjs.js'
import { modelLoader } from '../../../src/models/loader/model-loader.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore } from '../../../src/models/store/model-store.js'
import { mlpLayers, mlpPredict } from '../../../src/testing/mlp.js'
import { seededRandom } from '../../../src/core/random.js'
import { graphModelFiles } from '../../models/engines/_graph-model.js'
import type { TfjsNode } from './cached.js'
import type { ContractCheck } from './contract.js'

interface Native { readonly binding: { readonly TF_Version: string } }

/** A classifier with known weights: `mlpPredict` says what it must answer. */
export const mlpModel = (tf: TfjsNode, sizes: readonly number[], seed: number): { readonly files: () => Promise<Record<string, Uint8Array | string>>; answer(row: ArrayLike<number>): number[] } => {
  const layers = mlpLayers(sizes, seededRandom(seed))
  return {
    answer: (row) => mlpPredict(layers, row),
    files: async () => {
      const model = tf.sequential({
        layers: layers.map(({ inputs, outputs }, at) => tf.layers.dense({ units: outputs, activation: at === layers.length - 1 ? 'softmax' : 'relu', ...(at === 0 ? { inputShape: [inputs] } : {}) })),
      })
      tf.tidy(() => model.setWeights(layers.flatMap(({ inputs, outputs, weights, bias }) => [tf.tensor2d(weights, [inputs, outputs]), tf.tensor1d(bias)])))
      const files = await tfjsFiles(model)
      model.dispose()
      return files
    },
  }
}

const rowsOf = (count: number, size: number): Float32Array[] => {
  const random = seededRandom(5)
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => random.next() * 2 - 1))
}

const worst = (seen: readonly (readonly number[])[], wanted: readonly (readonly number[])[]): number =>
  Math.max(...seen.flatMap((row, at) => row.map((value, column) => Math.abs(value - (wanted[at]?.[column] ?? NaN)))))

export const modelChecks: readonly ContractCheck[] = [
  {
    name: 'it computes in TensorFlow',
    run: async (tf) => {
      const { binding } = tf.backend() as unknown as Native
      assert.equal(tf.getBackend(), 'tensorflow')
      assert.deepEqual([...tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync())], [11])
      return `tfjs-node ${(tf.version as Record<string, string>)['tfjs-node']}, backend tensorflow, libtensorflow ${binding.TF_Version}`
    },
  },
  {
    name: 'layers model: published, loaded and served with the answers of plain JavaScript',
    run: async (tf) => {
      const before = tf.memory().numTensors
      const model = mlpModel(tf, [20, 16, 3], 1)
      const rows = rowsOf(40, 20)
      const wanted = rows.map((row) => model.answer(row))
      const store = modelStore({ depot: memoryDepot() })
      await store.publish({ name: 'mlp', engine: 'tfjs', files: await model.files(), golden: [{ input: [...(rows[0] as Float32Array)], output: wanted[0] as number[], tolerance: 1e-5 }] })
      const loader = modelLoader({ store, name: 'mlp', engines: [tfjs(tf)] })
      await loader.whenReady()
      const off = Math.max(worst(await loader.batch(rows), wanted), worst([await loader(rows[3] as Float32Array)], [wanted[3] as number[]]))
      await loader.close()
      assert.ok(off <= 1e-6, `differs by ${off}`)
      assert.equal(tf.memory().numTensors, before)
      return `differs by at most ${off.toExponential(1)} in single precision; no tensor left after close`
    },
  },
  {
    name: 'layers model: trained in tfjs-node, it answers after publishing as before',
    run: async (tf) => {
      const before = tf.memory().numTensors
      const original = tf.sequential({ layers: [tf.layers.dense({ units: 8, inputShape: [4], activation: 'tanh' }), tf.layers.dense({ units: 1 })] })
      original.compile({ optimizer: tf.train.adam(0.05), loss: 'meanSquaredError' })
      const rows = rowsOf(128, 4)
      const [x, y] = [tf.tensor2d(rows.map((row) => [...row])), tf.tensor2d(rows.map(([a = 0, b = 0]) => [a * b]))]
      const { history } = await original.fit(x, y, { epochs: 30, verbose: 0 })
      const losses = history['loss'] as number[]
      const wanted = tf.tidy(() => (original.predict(x) as ReturnType<typeof tf.tensor>).arraySync()) as number[][]
      const store = modelStore({ depot: memoryDepot() })
      await store.publish({ name: 'product', engine: 'tfjs', files: await tfjsFiles(original) })
      const loader = modelLoader({ store, name: 'product', engines: [tfjs(tf)] })
      await loader.whenReady()
      const off = worst(await loader.batch(rows), wanted)
      await loader.close()
      original.dispose()
      x.dispose()
      y.dispose()
      assert.ok((losses.at(-1) as number) < (losses[0] as number) / 2)
      assert.ok(off <= 1e-6, `differs by ${off}`)
      return `loss ${losses[0]?.toFixed(3)} → ${losses.at(-1)?.toFixed(3)}; the published model differs by at most ${off.toExponential(1)}; ${tf.memory().numTensors - before} tensors left, which are the optimizer's`
    },
  },
  {
    name: 'layers model: saved by tfjs-node to a folder (file://), it is the same that tfjsFiles publishes',
    run: async (tf) => {
      const folder = mkdtempSync(join(tmpdir(), 'outrigger-tfjs-node-'))
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] })
      try {
        await model.save(`file://${folder}`)
        const store = modelStore({ depot: memoryDepot() })
        await store.publish({ name: 'saved', engine: 'tfjs', files: { 'model.json': { from: join(folder, 'model.json') }, 'weights.bin': { from: join(folder, 'weights.bin') } } })
        const loader = modelLoader({ store, name: 'saved', engines: [tfjs(tf)] })
        await loader.whenReady()
        const row = Float32Array.of(1, -2, 3)
        const wanted = tf.tidy(() => (model.predict(tf.tensor2d([[...row]])) as ReturnType<typeof tf.tensor>).arraySync()) as number[][]
        assert.ok(worst([await loader(row)], wanted) <= 1e-6)
        await loader.close()
        return 'model.json and weights.bin of model.save() are published as they are'
      } finally {
        model.dispose()
        rmSync(folder, { recursive: true, force: true })
      }
    },
  },
  {
    name: 'graph model: the answers that its weights call for',
    run: async (tf) => {
      const before = tf.memory().numTensors
      const store = modelStore({ depot: memoryDepot() })
      await store.publish({ name: 'graph', engine: 'tfjs', files: graphModelFiles([[1, 2], [3, 4], [5, 6]], [10, 20]) })
      const loader = modelLoader({ store, name: 'graph', engines: [tfjs(tf)] })
      await loader.whenReady()
      assert.deepEqual(await loader.batch([[1, 0, 0], [1, 1, 1], Float32Array.of(0, 0, -1)]), [[11, 22], [19, 32], [5, 14]])
      await loader.close()
      assert.equal(tf.memory().numTensors, before)
      return 'exact; no tensor left after close'
    },
  },
]
