/** The real tfjs-node in workers and in processes: a native addon that is loaded in several threads at once. */
import { strict as assert } from 'node:assert'
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import type { Engine } from '../../../src/models/engines/engine.js'
import type { TensorRow } from '../../../src/models/engines/tensor-rows.js'
import { tfjs } from '../../../src/models/engines/tfjs.js'
import { isolated, type IsolatedEngine } from '../../../src/models/isolation/isolated.js'
import type { IsolationOptions } from '../../../src/models/isolation/isolation-options.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
import { tfjsNodePath, type TfjsNode } from './cached.js'
import type { ContractCheck } from './contract.js'
import { frozenSavedModel, mlpGraph, summingLayer } from './frozen-saved-model.js'
import { mlpModel } from './model-checks.js'
import { savedModelFiles } from './saved-models.js'

/** Where tfjs-node is prepared, it is not found by its name. */
const engineOf = (tf: TfjsNode): Engine<TensorRow, number[]> =>
  tfjs(tf, { elsewhere: { packages: [pathToFileURL(tfjsNodePath() as string).href], backend: 'tensorflow' } })

const serving = async (engine: Engine<TensorRow, number[]>, versions: readonly Pick<PublishOptions, 'files'>[]): Promise<ModelLoader<TensorRow, number[]>> => {
  const store = modelStore({ depot: memoryDepot() })
  for (const version of versions) await store.publish({ name: 'model', engine: 'tfjs', ...version })
  const loader = modelLoader<TensorRow, number[]>({ store, name: 'model', follow: 1, engines: [engine] })
  await loader.whenReady()
  return loader
}

const isolate = (tf: TfjsNode, options: IsolationOptions): IsolatedEngine<TensorRow, number[]> => isolated(engineOf(tf), { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' }, ...options })

/** The worst gap of this event loop while `run` lasts, in milliseconds. */
const gapOf = async (run: () => Promise<unknown>): Promise<number> => {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
  delays.enable()
  // A gap is seen between two ticks of its timer.
  await tick()
  await run()
  await tick()
  delays.disable()
  return delays.max / 1e6
}

const leftDirectories = (): number => readdirSync(tmpdir()).filter((name) => name.startsWith('outrigger-model-')).length

const answers = async (tf: TfjsNode, kind: 'worker' | 'process', workers: number): Promise<string> => {
  const model = mlpModel(tf, [20, 16, 3], 1)
  const engine = isolate(tf, { isolate: kind, workers })
  const started = performance.now()
  const loader = await serving(engine, [{ files: await model.files() }])
  const ready = performance.now() - started
  const rows = Array.from({ length: 200 }, (_, at) => Float32Array.from({ length: 20 }, (__, column) => Math.sin(at + column)))
  const seen = await Promise.all(rows.map((row) => loader(row)))
  const worst = Math.max(...seen.flatMap((values, at) => values.map((value, column) => Math.abs(value - (model.answer(rows[at] as Float32Array)[column] as number)))))
  assert.ok(worst <= 1e-6, `differs by ${worst}`)
  const { runs, crashes } = engine.stats()
  await loader.close()
  assert.equal(engine.stats().isolates.length, 0)
  return `${workers} of them ready after ${ready.toFixed(0)} ms; ${runs} runs, ${crashes} crashes; differs by at most ${worst.toExponential(1)}`
}

const savedModel = async (tf: TfjsNode, kind: 'worker' | 'process'): Promise<string> => {
  const before = leftDirectories()
  const files = savedModelFiles('vocabulary')
  const engine = isolated(tfjs(tf, { output: (_first: number[], { id = [], bytes = [] }) => [...id, ...bytes], elsewhere: { packages: [pathToFileURL(tfjsNodePath() as string).href] } }), { isolate: kind, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' } })
  const loader = await serving(engine, [{ files: Object.fromEntries(files.paths.map((path) => [path, files.bytes(path)])) }])
  assert.deepEqual(await loader.batch(['late', 'diverted']), [[1, 23], [-1, 23]])
  await loader.close()
  assert.equal(leftDirectories(), before)
  return 'answers with its assets; its directory is gone after close'
}

export const isolationChecks: readonly ContractCheck[] = [
  { name: 'isolated, 2 workers: right answers, and they end by themselves', long: true, run: (tf) => answers(tf, 'worker', 2) },
  { name: 'isolated, 2 processes: right answers, and they end by themselves', long: true, run: (tf) => answers(tf, 'process', 2) },
  { name: 'isolated, worker: a SavedModel with assets', long: true, run: (tf) => savedModel(tf, 'worker') },
  { name: 'isolated, process: a SavedModel with assets', long: true, run: (tf) => savedModel(tf, 'process') },
  {
    name: 'isolated, worker: the event loop is free while a long run lasts',
    long: true,
    run: async (tf) => {
      const files = frozenSavedModel(mlpGraph([summingLayer(1536, 1536, 1e-3), summingLayer(1536, 1536, 1e-3), summingLayer(1536, 1536, 1e-3), summingLayer(1536, 1, 1)], { softmax: false }))
      const rows = Array.from({ length: 256 }, () => new Float32Array(1536).fill(1))
      const measure = async (engine: Engine<TensorRow, number[]>): Promise<{ readonly gap: number; readonly took: number }> => {
        const loader = await serving(engine, [{ files }])
        await loader.batch(rows)
        const started = performance.now()
        // Rows are packed here, too.
        const gap = await gapOf(() => loader.batch(rows))
        const took = performance.now() - started
        await loader.close()
        return { gap, took }
      }
      const [inline, worker] = [await measure(engineOf(tf)), await measure(isolate(tf, { isolate: 'worker' }))]
      assert.ok(worker.gap < inline.gap, `${worker.gap} ms in a worker, ${inline.gap} ms inline`)
      return `a batch of 256 rows of 1536: inline ${inline.took.toFixed(0)} ms with a gap of ${inline.gap.toFixed(0)} ms; in a worker ${worker.took.toFixed(0)} ms with a gap of ${worker.gap.toFixed(0)} ms`
    },
  },
  {
    name: 'isolated, process: killed under load, it serves again and loses no idempotent call',
    long: true,
    run: async (tf) => {
      const engine = isolate(tf, { isolate: 'process' })
      const loader = await serving(engine, [{ files: frozenSavedModel(mlpGraph([summingLayer(2, 4, 3)], { softmax: false })) }])
      const calls = Array.from({ length: 50 }, (_, at) => loader([at, 1]))
      const [pid] = engine.stats().isolates.flatMap((one) => (one.pid === undefined || one.state === 'loading' ? [] : [one.pid]))
      const started = performance.now()
      process.kill(pid as number, 'SIGKILL')
      const seen = await Promise.all(calls)
      assert.deepEqual(seen.map(([value]) => value), Array.from({ length: 50 }, (_, at) => 3 * (at + 1)))
      const back = performance.now() - started
      const { crashes, restarts, replays } = engine.stats()
      assert.equal(crashes, 1)
      await loader.close()
      return `all 50 answered ${back.toFixed(0)} ms after the kill, TensorFlow's start included; ${crashes} crash, ${restarts} restarts, ${replays} replays`
    },
  },
  {
    name: 'isolated, worker: 10 swaps under 8 clients',
    long: true,
    run: async (tf) => {
      const loader = await serving(isolate(tf, { isolate: 'worker' }), [1, 2, 3].map((factor) => ({ files: frozenSavedModel(mlpGraph([summingLayer(2, 4, factor)], { softmax: false })) })))
      const before = process.memoryUsage().rss / 1e6
      let running = true
      let calls = 0
      const clients = Array.from({ length: 8 }, async () => {
        while (running) {
          const factor = Number(loader.identity.version)
          assert.equal((await loader([1, 2]))[0], 3 * factor)
          calls += 1
        }
      })
      const started = performance.now()
      for (let swap = 0; swap < 10; swap += 1) await loader.use(1 + ((swap + 1) % 3))
      const took = performance.now() - started
      running = false
      await Promise.all(clients)
      await loader.close()
      return `${calls} calls, none failed and none was answered by another version; a swap took ${(took / 10).toFixed(0)} ms; RSS ${before.toFixed(0)} → ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`
    },
  },
]
