/** What it takes on this machine: figures, not promises. `test/bench` compares the engines in one run. */
import { strict as assert } from 'node:assert'
import { loadSavedModel } from '../../../src/models/engines/_tfjs-saved-model.js'
import type { TensorEngine, TensorModel } from '../../../src/models/engines/engine.js'
import { tfjs } from '../../../src/models/engines/tfjs.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { mlpLayers, mlpPredict } from '../../../src/testing/mlp.js'
import { seededRandom } from '../../../src/core/random.js'
import type { ContractCheck } from './contract.js'
import { frozenSavedModel, mlpGraph } from './frozen-saved-model.js'
import { mlpModel } from './model-checks.js'

const call = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number

/** Milliseconds of each run, the first apart. */
const timesOf = async (runs: number, run: () => Promise<unknown>): Promise<{ readonly first: number; readonly p50: number; readonly p99: number }> => {
  const timed = async (): Promise<number> => {
    const started = performance.now()
    await run()
    return performance.now() - started
  }
  const first = await timed()
  for (let at = 0; at < runs / 10; at += 1) await run()
  const times: number[] = []
  for (let at = 0; at < runs; at += 1) times.push(await timed())
  times.sort((one, other) => one - other)
  return { first, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

const figures = async (load: () => Promise<TensorModel>): Promise<string> => {
  const started = performance.now()
  const model = await load()
  const loaded = performance.now() - started
  const input = model.describe().signature?.inputs[0]?.name ?? 'x'
  const random = seededRandom(2)
  const rows = (count: number): Float32Array => Float32Array.from({ length: count * 784 }, () => random.next())
  const [one, many] = [rows(1), rows(32)]
  const single = await timesOf(2_000, () => model.run({ [input]: { dtype: 'float32', shape: [1, 784], data: one } }, call))
  const batch = await timesOf(500, () => model.run({ [input]: { dtype: 'float32', shape: [32, 784], data: many } }, call))
  await model.dispose()
  return `load ${loaded.toFixed(0)} ms, first call ${single.first.toFixed(1)} ms, single p50 ${single.p50.toFixed(3)} / p99 ${single.p99.toFixed(2)} ms, batch of 32 p50 ${batch.p50.toFixed(3)} ms: ${Math.round(32_000 / batch.p50)} rows/s; RSS ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`
}

const layers = mlpLayers([784, 128, 10], seededRandom(1))

export const figureChecks: readonly ContractCheck[] = [
  {
    name: 'figures of an MLP 784-128-10 as a layers model',
    long: true,
    run: async (tf) => {
      const files = new ModelFiles('model@1', new Map(Object.entries(await mlpModel(tf, [784, 128, 10], 1).files()).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))
      const engine = tfjs(tf).tensors as TensorEngine
      return await figures(() => engine.load(files, {} as never))
    },
  },
  {
    name: 'figures of an MLP 784-128-10 as a SavedModel',
    long: true,
    run: async (tf) => {
      const files = new ModelFiles('model@1', new Map(Object.entries(frozenSavedModel(mlpGraph(layers)))))
      const model = await loadSavedModel(tf, files)
      const row = Float32Array.from({ length: 784 }, (_, at) => Math.sin(at))
      const { y } = await model.run({ x: { dtype: 'float32', shape: [1, 784], data: row } }, call)
      await model.dispose()
      const off = Math.max(...mlpPredict(layers, row).map((value, at) => Math.abs(value - (y?.data[at] as number))))
      assert.ok(off <= 1e-6)
      return `${await figures(() => loadSavedModel(tf, files))}; differs from plain JavaScript by at most ${off.toExponential(1)}`
    },
  },
]
