/**
 * Every engine with the same model, single and batched: `npm run engines`. A multilayer perceptron 784-128-10 in the store, through
 * the loader, its gate and rows; each engine in a process of its own, as TensorFlow.js has one backend at a time. The golden
 * predictions are those of plain JavaScript, so a row of the table is also a check that the engine computes the same.
 */
import { execFileSync, fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type * as Tensorflow from '@tensorflow/tfjs'
import type * as outrigger from 'outrigger'
import type * as batching from 'outrigger/batch'
import type * as models from 'outrigger/models'
import type * as testing from 'outrigger/testing'
import { isPrepared, loadTfjsNode } from '../engines/tfjs-node/cached.js'
import { frozenSavedModel, mlpGraph } from '../engines/tfjs-node/frozen-saved-model.js'

/** The built package, as users run it. */
const built = async <M>(path: string): Promise<M> => (await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)) as M
const { pipe } = await built<typeof outrigger>('index.js')
const { microBatched } = await built<typeof batching>('batch/index.js')
const { functionEngine, http, isolated, memoryDepot, modelLoader, modelStore, onnx, tfjs, tfjsFiles } = await built<typeof models>('models/index.js')
const { mlpLayers, mlpPredict, onnxMlp, seededRandom } = await built<typeof testing>('testing/index.js')

const layers = mlpLayers([784, 128, 10], seededRandom('engines'))
const session = { intraOpNumThreads: 1 } as const
type Files = Parameters<models.ModelStore['publish']>[0]['files']
type AnyEngine = models.Engine<Float32Array, ArrayLike<number>>

interface Subject { readonly engine: AnyEngine; readonly files: Files; close?(): void }

const onnxFiles: Files = { 'model.onnx': onnxMlp(layers) }

const perceptron = async (tf: typeof Tensorflow): Promise<Files> => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 128, inputShape: [784], activation: 'relu' }), tf.layers.dense({ units: 10, activation: 'softmax' })] })
  model.setWeights(layers.flatMap(({ weights, bias, inputs, outputs }) => [tf.tensor(weights, [inputs, outputs]), tf.tensor(bias)]))
  return await tfjsFiles(model)
}

const tfjsOn = async (backend: 'cpu' | 'wasm'): Promise<{ readonly tf: typeof Tensorflow; readonly files: Files }> => {
  const tf = await import('@tensorflow/tfjs')
  if (backend === 'wasm') await import('@tensorflow/tfjs-backend-wasm')
  tf.enableProdMode()
  await tf.setBackend(backend)
  return { tf, files: await perceptron(tf) }
}

/** A model server in another process that computes with onnxruntime. */
const server = async (): Promise<{ readonly port: number; close(): void }> => {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'], { stdio: 'inherit' })
  const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(message as number)))
  return { port, close: () => void child.kill() }
}

const serve = async (): Promise<void> => {
  const ort = await import('onnxruntime-node')
  const loaded = await ort.InferenceSession.create(onnxMlp(layers), session)
  const listening = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const tensor = (name: string, size: number): object => ({ name, datatype: 'FP32', shape: [-1, size] })
    if (!request.url?.endsWith('/infer')) return void response.end(JSON.stringify({ name: 'mlp', inputs: [tensor('x', 784)], outputs: [tensor('y', 10)] }))
    const [{ shape, data }] = (JSON.parse(Buffer.concat(parts).toString()) as { inputs: [{ shape: number[]; data: number[] }] }).inputs
    const { y } = await loaded.run({ x: new ort.Tensor('float32', Float32Array.from(data), shape) })
    response.end(JSON.stringify({ model_name: 'mlp', outputs: [{ name: 'y', datatype: 'FP32', shape: y?.dims, data: Array.from(y?.data as Float32Array) }] }))
  })
  listening.listen(0, '127.0.0.1', () => process.send?.((listening.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit())
}

const subjects: Readonly<Record<string, () => Promise<Subject>>> = {
  'function: plain JavaScript': async () => ({ engine: functionEngine(() => ({ predict: (row: Float32Array) => mlpPredict(layers, row) }), { name: 'mlp' }) as AnyEngine, files: {} }),
  'tfjs, cpu': async () => {
    const { tf, files } = await tfjsOn('cpu')
    return { engine: tfjs(tf) as AnyEngine, files }
  },
  'tfjs, wasm': async () => {
    const { tf, files } = await tfjsOn('wasm')
    return { engine: tfjs(tf) as AnyEngine, files }
  },
  'tfjs-node': async () => {
    const tf = loadTfjsNode() as unknown as typeof Tensorflow
    return { engine: tfjs(tf) as AnyEngine, files: await perceptron(tf) }
  },
  'tfjs-node, a SavedModel': async () => ({ engine: tfjs(loadTfjsNode() as unknown as typeof Tensorflow) as AnyEngine, files: frozenSavedModel(mlpGraph(layers)) }),
  onnx: async () => ({ engine: onnx({ session }) as AnyEngine, files: onnxFiles }),
  'tfjs, wasm, in a worker': async () => {
    const { tf, files } = await tfjsOn('wasm')
    return { engine: isolated(tfjs(tf), { isolate: 'worker', execArgv: [] }) as AnyEngine, files }
  },
  'onnx, in a worker': async () => ({ engine: isolated(onnx({ session }), { isolate: 'worker', execArgv: [] }) as AnyEngine, files: onnxFiles }),
  'onnx, in a process': async () => ({ engine: isolated(onnx({ session }), { isolate: 'process', execArgv: [] }) as AnyEngine, files: onnxFiles }),
  'http, to onnxruntime on loopback': async () => {
    const { port, close } = await server()
    return { engine: http({ baseUrl: `http://127.0.0.1:${port}` }) as AnyEngine, files: { 'endpoint.json': JSON.stringify({ protocol: 'v2', model: 'mlp', version: '1' }) }, close }
  },
}

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number

/** One after the other for a while: milliseconds of each, sorted. */
const times = async (run: (turn: number) => Promise<unknown>, forMs: number): Promise<number[]> => {
  const taken: number[] = []
  for (const until = performance.now() + forMs; performance.now() < until;) {
    const since = performance.now()
    await run(taken.length)
    taken.push(performance.now() - since)
  }
  return taken.sort((a, b) => a - b)
}

interface Row { readonly loadMs: number; readonly p50: number; readonly p99: number; readonly perSecond: number; readonly batch32: number; readonly batchPerSecond: number; readonly clients64: number; readonly megabytes: number }

const measure = async (name: string): Promise<Row> => {
  const { engine, files, close } = await (subjects[name] as () => Promise<Subject>)()
  const random = seededRandom('rows')
  const rows = Array.from({ length: 256 }, () => Float32Array.from({ length: 784 }, () => random.next()))
  const store = modelStore({ depot: memoryDepot() })
  await store.publish({ name: 'mlp', engine: engine.name, files, golden: rows.slice(0, 8).map((input) => ({ input: Array.from(input), output: Array.from(mlpPredict(layers, input)), tolerance: 1e-4 })) })
  // Golden predictions are plain JSON, so rows come as arrays there and as typed arrays in the loops.
  const loader = modelLoader<Float32Array, ArrayLike<number>>({ store, name: 'mlp', engines: [engine] })
  const since = performance.now()
  await loader.whenReady()
  const loadMs = performance.now() - since
  const row = (turn: number): Float32Array => rows[turn % rows.length] as Float32Array
  const batch = (turn: number): Float32Array[] => Array.from({ length: 32 }, (_, index) => row(32 * turn + index))
  await times((turn) => loader(row(turn)), 300)
  const single = await times((turn) => loader(row(turn)), 1500)
  await times((turn) => loader.batch(batch(turn)), 300)
  const batched = await times((turn) => loader.batch(batch(turn)), 1500)
  const predict = pipe(loader, microBatched({ maxSize: 32 }))
  let answers = 0
  const started = performance.now()
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (performance.now() < started + 2000) {
      await predict(row(answers))
      answers += 1
      await new Promise((resolve) => setImmediate(resolve))
    }
  }))
  const clients64 = answers / ((performance.now() - started) / 1000)
  const mean = (taken: readonly number[]): number => taken.reduce((sum, one) => sum + one, 0) / taken.length
  const megabytes = process.memoryUsage.rss() / 1e6
  await predict.close()
  await loader.close()
  close?.()
  return { loadMs, p50: quantile(single, 0.5), p99: quantile(single, 0.99), perSecond: 1000 / mean(single), batch32: quantile(batched, 0.5), batchPerSecond: 32_000 / mean(batched), clients64, megabytes }
}

const [mode, subject] = process.argv.slice(2)
if (mode === '--serve') await serve()
else if (mode === '--row') {
  console.log(`\n${JSON.stringify(await measure(subject as string))}`)
  process.exit(0) // TensorFlow's threads
} else {
  const count = (value: number): string => Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  console.log('| engine | load and gate, ms | single p50 / p99, ms | rows/s | batch of 32, p50, ms | rows/s | gain | 64 clients, micro-batched, rows/s | RSS, MB |\n|---|---|---|---|---|---|---|---|---|')
  for (const name of Object.keys(subjects)) {
    if (name.startsWith('tfjs-node') && !isPrepared()) {
      console.log(`| ${name} | not prepared here: \`npm run judges -- tfjs-node\` | | | | | | | |`)
      continue
    }
    const out = execFileSync(process.execPath, ['--expose-gc', '--import', 'tsx', fileURLToPath(import.meta.url), '--row', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const row = JSON.parse(out.trim().split('\n').at(-1) as string) as Row
    console.log(`| ${name} | ${row.loadMs.toFixed(0)} | ${row.p50.toFixed(3)} / ${row.p99.toFixed(2)} | ${count(row.perSecond)} | ${row.batch32.toFixed(3)} | ${count(row.batchPerSecond)} | ${(row.batchPerSecond / row.perSecond).toFixed(1)} × | ${count(row.clients64)} | ${count(row.megabytes)} |`)
  }
  console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}, ${cpus().length} cores; MLP 784-128-10, onnxruntime with one thread.`)
}
