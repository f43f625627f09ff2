/**
 * Thousands of hot swaps under load: does a call fail, is one answered by another version, is anything left behind, and
 * what do callers feel of it?
 *
 *     npm run swaps                                        # half an hour or so
 *     npm run swaps -- --swaps 500 --large 100 --windows 2 # a quick one
 *     npm run swaps -- --only small,memory,worker
 *
 * - small: 10 000 swaps of an ONNX model, and as many of a TensorFlow.js model, under 64 clients who call it in every way a
 *   service does (alone, in batches, micro-batched, through caches, retries and a shadow). Every swap loads, warms up and
 *   checks a version, and disposes one. Each client knows which version was live when it entered, and holds the answer against it.
 *   No call may fail, none may be answered by another version, and a call that met a disposed model would fail.
 * - memory: swaps of models of 26 MB under 16 clients. The resident memory after garbage collection is looked at every ten
 *   swaps; the median slope of all pairs of points (Theil and Sen), without the first third, must be below 1 % of the
 *   model's size per 100 swaps.
 * - worker: the model computes in a worker; 64 clients come as they please, with swaps ten times a second and without, in
 *   turn. The p99 of windows with swaps must be at most 1.5 times that of windows without: medians over the windows.
 */
import * as tf from '@tensorflow/tfjs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRandom } from 'outrigger'
import type * as outrigger from 'outrigger'
import type * as batching from 'outrigger/batch'
import type * as models from 'outrigger/models'
import { memoryDepot, modelLoader, modelStore, onnx, tfjs, tfjsFiles, type Engine, type ModelLoader, type ModelStore, type TensorRow } from 'outrigger/models'
import { onnxAffine, onnxLarge, onnxSlow } from 'outrigger/testing'
import { startClients, type ClientOptions } from '../models/loader/_swap-clients.js'
import { median } from './measure.js'

const { values } = parseArgs({ options: { swaps: { type: 'string', default: '10000' }, large: { type: 'string', default: '1500' }, windows: { type: 'string', default: '12' }, seconds: { type: 'string', default: '5' }, only: { type: 'string', default: 'small,memory,worker' }, verbose: { type: 'boolean', default: false } } })
const parts = values.only.split(',')
const { gc } = globalThis as { gc?: () => void }
if (gc === undefined) throw new Error('Run it with --expose-gc.')

const problems: string[] = []
const must = (what: string, holds: boolean): void => {
  if (!holds) problems.push(what)
  console.log(`${holds ? 'ok    ' : 'FAILED'}  ${what}`)
}
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const turns = async (count: number): Promise<void> => { for (let at = 0; at < count; at += 1) await turn() }
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Versions 1 to 4 that answer as the maker says. */
const storeOf = async (engine: string, make: (version: number) => Promise<Readonly<Record<string, Uint8Array | string>>>, answer: (version: number, x: number) => number, path?: string): Promise<ModelStore> => {
  const store = modelStore(path === undefined ? { depot: memoryDepot() } : { path })
  for (const version of [1, 2, 3, 4]) await store.publish({ name: 'm', engine, files: await make(version), golden: [3, 5].map((x) => ({ input: [x], output: answer(version, x) })) })
  return store
}
const product = (version: number, x: number): number => version * x
const sum = (version: number, x: number): number => version + x
const theVersion = (version: number): number => version

const onnxEngine = onnx({ session: { intraOpNumThreads: 1 }, output: ([value]) => value as number })
const tfjsEngine = tfjs(tf, { output: ([value]) => value as number })
await tf.setBackend('cpu')

const tfjsModel = async (model: tf.Sequential): Promise<Record<string, Uint8Array | string>> => {
  const files = await tfjsFiles(model)
  model.dispose()
  return files
}
const dense = (version: number): tf.Sequential => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1], useBias: false, kernelInitializer: tf.initializers.constant({ value: version }) })] })
/** A table of 40 MB of which one entry is looked up. */
const table = (version: number): tf.Sequential => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 10_000_000, outputDim: 1, inputLength: 1, embeddingsInitializer: tf.initializers.constant({ value: version }) }), tf.layers.flatten()] })

interface SwapRun {
  readonly name: string
  readonly loader: ModelLoader<TensorRow, number>
  readonly clients: number
  readonly swaps: number
  readonly options: ClientOptions
  readonly every?: { readonly swaps: number; readonly look: (swap: number) => Promise<void> }
}

/** Swaps as fast as they go, under clients. */
const run = async ({ name, loader, clients: count, swaps, options, every }: SwapRun): Promise<void> => {
  await loader.whenReady()
  const clients = startClients(loader, count, options)
  const began = performance.now()
  let swapMs = 0
  for (let swap = 1; swap <= swaps; swap += 1) {
    const before = performance.now()
    await loader.use(1 + ((swap * 3) % 4))
    swapMs += performance.now() - before
    if (every !== undefined && swap % every.swaps === 0) await every.look(swap)
    if (swap % 1_000 === 0) console.log(`        ${name}: ${swap} swaps, ${clients.counts.rows} rows, ${clients.counts.faultCount} faults, ${megabytes(process.memoryUsage().rss)} resident`)
  }
  const seconds = (performance.now() - began) / 1000
  const { rows, hits, shadowed, faultCount, faults } = await clients.stop()
  for (const fault of faults) console.log(`        ${fault}`)
  must(`${name}: ${swaps} swaps under ${count} clients, ${rows} rows (${hits} from a cache, ${shadowed} shadowed), ${faultCount} failed or by another version; ${(swapMs / swaps).toFixed(1)} ms a swap, ${Math.round(rows / seconds)} rows/s, ${seconds.toFixed(0)} s`, faultCount === 0 && rows > swaps)
  await turns(20)
  must(`${name}: one version is left, held by nobody`, loader.loaded.length === 1 && loader.loaded[0]?.leases === 0)
}

// ---- small models, many swaps

if (parts.includes('small')) {
  const swaps = Number(values.swaps)
  const small: readonly [string, Engine<TensorRow, number>, ModelStore][] = [
    ['ONNX', onnxEngine, await storeOf('onnx', async (version) => ({ 'model.onnx': onnxAffine([[version]], [0]) }), product)],
    ['TensorFlow.js', tfjsEngine, await storeOf('tfjs', async (version) => await tfjsModel(dense(version)), product)],
  ]
  for (const [name, engine, store] of small) {
    const tensors = tf.memory().numTensors
    const loader = modelLoader({ store, name: 'm', follow: 1, engines: [engine], warmup: { sizes: [1, 8] } })
    await run({ name, loader, clients: 64, swaps, options: { pause: async () => await turns(4) } })
    await loader.close()
    must(`${name}: no tensor is left`, tf.memory().numTensors === tensors)
  }
}

// ---- large models, memory

interface Point {
  readonly swap: number
  readonly bytes: number
}
const slopeOf = (points: readonly Point[]): number => median(points.flatMap((b, index) => points.slice(0, index).map((a) => (b.bytes - a.bytes) / (b.swap - a.swap))))

/** What collects, and then what is resident. */
const residentBytes = async (): Promise<number> => {
  for (let round = 0; round < 3; round += 1) {
    gc()
    await sleep(10)
  }
  return process.memoryUsage().rss
}
/** By 100 swaps, without the first third. */
const growth = (points: readonly Point[]): number => slopeOf(points.slice(Math.floor(points.length / 3))) * 100

/** Sessions of onnxruntime alone, made, run and released in turn with nothing of ours around them: what it keeps by itself. */
const bareGrowth = async (swaps: number, file: Uint8Array): Promise<number> => {
  const ort = await import('onnxruntime-node')
  const points: Point[] = []
  for (let swap = 1; swap <= swaps; swap += 1) {
    const session = await ort.InferenceSession.create(file.slice(), { intraOpNumThreads: 1 })
    for (let call = 0; call < 10; call += 1) await session.run({ x: new ort.Tensor('float32', Float32Array.of(call), [1, 1]) })
    await session.release()
    if (swap % 10 === 0) points.push({ swap, bytes: await residentBytes() })
  }
  return growth(points)
}

if (parts.includes('memory')) {
  const swaps = Number(values.large)
  const size = 40_000_000
  console.log(`        onnxruntime alone, ${swaps} sessions of 40 MB: resident memory changes by ${megabytes(await bareGrowth(swaps, onnxLarge(size, 1)))} per 100`)
  const large: readonly [string, Engine<TensorRow, number>, () => Promise<ModelStore>, (version: number, x: number) => number][] = [
    ['ONNX of 40 MB', onnxEngine, async () => await storeOf('onnx', async (version) => ({ 'model.onnx': onnxLarge(size, version) }), sum), sum],
    ['TensorFlow.js of 40 MB', tfjsEngine, async () => await storeOf('tfjs', async (version) => await tfjsModel(table(version)), theVersion), theVersion],
  ]
  for (const [name, engine, publish, expected] of large) {
    const loader = modelLoader({ store: await publish(), name: 'm', follow: 1, engines: [engine], warmup: { sizes: [1, 8] } })
    const points: Point[] = []
    const look = async (swap: number): Promise<void> => {
      // What drains is not left behind; and V8 gives buffers back in the background.
      while (loader.loaded.length > 1) await turn()
      const rss = await residentBytes()
      const { heapUsed, external } = process.memoryUsage()
      points.push({ swap, bytes: rss })
      if (swap % 100 === 0 || values.verbose) console.log(`        ${name}: ${swap} swaps, ${megabytes(rss)} resident after garbage collection, heap ${megabytes(heapUsed)}, external ${megabytes(external)}`)
    }
    await run({ name, loader, clients: 16, swaps, options: { expected, pause: async () => await turns(8) }, every: { swaps: 10, look } })
    await loader.close()
    const slope = growth(points)
    must(`${name}: resident memory changes by ${megabytes(slope)} per 100 swaps, ${((100 * slope) / size).toFixed(2)} % of the model (gate 1 %)`, slope < size / 100)
  }
}

// ---- in a worker, what callers feel

if (parts.includes('worker')) {
  const windows = Number(values.windows)
  const seconds = Number(values.seconds)
  // The built package, as users run it: workers of the sources would each compile TypeScript.
  const built = async <M>(path: string): Promise<M> => (await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)) as M
  const { pipe } = await built<typeof outrigger>('index.js')
  const { microBatched } = await built<typeof batching>('batch/index.js')
  const { modelLoader, onnx } = await built<typeof models>('models/index.js')
  const engine = onnx({ session: { intraOpNumThreads: 1 }, output: ([value]) => value as number })
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-swaps-'))
  const identity = (_: number, x: number): number => x
  const tiny = await storeOf('onnx', async (version) => ({ 'model.onnx': onnxAffine([[version]], [0]) }), product, join(folder, 'tiny'))
  // Of the kind that workers are for. Its versions answer alike, but are not the same to the byte.
  const usual = await storeOf('onnx', async (version) => ({ 'model.onnx': onnxSlow({ products: 2 }), 'version.txt': String(version) }), identity, join(folder, 'usual'))
  for (const [name, keepWarm, store, expected] of [['a run of microseconds, each loaded', 0, tiny, product], ['a run of microseconds, all kept warm', 3, tiny, product], ['a run of milliseconds, each loaded', 0, usual, identity], ['a run of milliseconds, all kept warm', 3, usual, identity]] as const) {
    const loader = modelLoader({ store, name: 'm', follow: 1, engines: [engine], isolate: { isolate: 'worker', execArgv: [] }, keepWarm, warmup: { sizes: [1, 8] } })
    for (const version of [2, 3, 4, 1]) await loader.use(version)
    const predict = pipe(loader, microBatched())
    const random = seededRandom('swaps')
    let latencies: number[] = []
    let isOver = false
    let faults = 0
    const clients = Promise.all(Array.from({ length: 64 }, async (_, client) => {
      while (!isOver) {
        const { version } = loader.identity
        const began = performance.now()
        try {
          if ((await predict([client])) !== expected(Number(version), client)) faults += 1
        } catch {
          faults += 1
        }
        latencies.push(performance.now() - began)
        await sleep(5 + random.integer(30))
      }
    }))
    const p99: { quiet: number[]; swapping: number[] } = { quiet: [], swapping: [] }
    let swaps = 0
    let swapMs = 0
    await sleep(2_000)
    // The first of each kind only warms up.
    for (let window = -2; window < 2 * windows; window += 1) {
      const kind = window % 2 === 0 ? 'quiet' : 'swapping'
      latencies = []
      const end = performance.now() + seconds * 1000
      for (let tick = performance.now(); tick < end; tick += 100) {
        const before = performance.now()
        if (kind === 'swapping') {
          swaps += 1
          await loader.use(1 + (swaps % 4))
          swapMs += performance.now() - before
        }
        const left = tick + 100 - performance.now()
        if (left > 0) await sleep(left)
        else if (kind === 'swapping') tick = performance.now() - 100
      }
      if (window < 0) continue
      const sorted = latencies.toSorted((a, b) => a - b)
      p99[kind].push(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN)
    }
    isOver = true
    await clients
    await predict.close()
    await loader.close()
    const [quiet, swapping] = [median(p99.quiet), median(p99.swapping)]
    const perSecond = swaps / ((windows + 1) * seconds)
    console.log(`        worker, ${name}: p99 of the windows without swaps ${p99.quiet.map((ms) => ms.toFixed(1)).join(', ')} ms; with swaps ${p99.swapping.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    must(`worker, ${name}: ${swaps} swaps, ${perSecond.toFixed(1)} a second, ${(swapMs / swaps).toFixed(1)} ms each, ${faults} calls failed or by another version`, faults === 0)
    must(`worker, ${name}: p99 ${swapping.toFixed(2)} ms with swaps, ${quiet.toFixed(2)} ms without: ${(swapping / quiet).toFixed(2)} times (gate 1.5)`, swapping <= 1.5 * quiet)
  }
  await rm(folder, { recursive: true })
}

console.log(`\nNode ${process.versions.node}, ${(process.uptime() / 60).toFixed(1)} minutes.`)
for (const problem of problems) console.log(`FAILED  ${problem}`)
if (problems.length === 0) console.log('ok: no call failed, none was answered by another version, nothing is left behind.')
process.exitCode = problems.length === 0 ? 0 : 1
