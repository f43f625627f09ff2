/** What micro-batching brings and costs: the design's budget row, on TensorFlow.js and on a synthetic engine. */
import * as tf from '@tensorflow/tfjs'
import type * as outrigger from 'outrigger'
import type * as batching from 'outrigger/batch'
import type { Predictor } from 'outrigger'
import type { Budget } from './main.js'
import { median } from './measure.js'

/** The built package, as users run it. */
const built = async <M>(path: string): Promise<M> => (await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)) as M
const { pipe } = await built<typeof outrigger>('index.js')
const { microBatched } = await built<typeof batching>('batch/index.js')

type RowModel<I> = { predict(row: I): Promise<unknown>; predictBatch(rows: readonly I[]): Promise<unknown[]> }

/** A multilayer perceptron as it stands in a service: rows in, rows out, no tensor left. */
const perceptron = (inputs: number, hidden: number, outputs: number): RowModel<Float32Array> => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: hidden, inputShape: [inputs], activation: 'relu' }), tf.layers.dense({ units: outputs, activation: 'softmax' })] })
  const predictBatch = async (rows: readonly Float32Array[]): Promise<unknown[]> => {
    const packed = new Float32Array(rows.length * inputs)
    rows.forEach((row, index) => packed.set(row, index * inputs))
    const values = tf.tidy(() => (model.predict(tf.tensor2d(packed, [rows.length, inputs])) as tf.Tensor).dataSync())
    return rows.map((_, index) => values.slice(index * outputs, (index + 1) * outputs))
  }
  return { predictBatch, predict: async (row) => (await predictBatch([row]))[0] }
}

const work = (steps: number): number => {
  let sum = 0
  for (let step = 0; step < steps; step += 1) sum += Math.sqrt(step)
  return sum
}

/** An engine that does about 0.1 ms of arithmetic a run, and a fiftieth of that a row. */
const synthetic: RowModel<Float32Array> = {
  predict: async (row) => (await synthetic.predictBatch([row]))[0],
  predictBatch: async (rows) => {
    work(50_000 + 1000 * rows.length)
    return [...rows]
  },
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Microseconds of processor time per row, of clients who ask again when they have their answer. All of it is spent on one
 * thread that is never idle, so that it equals the time that passes, but for what other processes take away.
 */
const cost = async (predict: Predictor<Float32Array, unknown>, clients: number, row: Float32Array, rows: number): Promise<number> => {
  let left = rows
  const start = process.cpuUsage()
  await Promise.all(Array.from({ length: clients }, async () => {
    while (left > 0) {
      left -= 1
      await predict(row)
      // The next request comes by the event loop, as one from a socket does.
      await turn()
    }
  }))
  const { user, system } = process.cpuUsage(start)
  return (user + system) / rows
}

interface Costs {
  /** Medians of all rounds. */
  readonly plain: number
  readonly batched: number
  /** What a row costs plain, for each time what it costs batched: the median over pairs of rounds next to each other. */
  readonly ratio: number
}

/** Rounds in pairs next to each other, so that what else the machine does slows both of a pair. Every pair counts. */
const compare = async (plain: Predictor<Float32Array, unknown>, batched: Predictor<Float32Array, unknown>, clients: number, row: Float32Array, rows: number, pairs: number): Promise<Costs> => {
  const measured: { readonly plain: number; readonly batched: number }[] = []
  for (let pair = -Math.ceil(pairs / 4); pair < pairs; pair += 1) {
    const one = { plain: 0, batched: 0 }
    // In turns, so that neither is always the first.
    for (const name of pair % 2 === 0 ? (['plain', 'batched'] as const) : (['batched', 'plain'] as const)) one[name] = await cost(name === 'plain' ? plain : batched, clients, row, rows)
    if (pair >= 0) measured.push(one)
  }
  return { plain: median(measured.map((one) => one.plain)), batched: median(measured.map((one) => one.batched)), ratio: median(measured.map((one) => one.plain / one.batched)) }
}

const microseconds = ({ plain, batched }: Costs): string => `${plain.toFixed(1)} against ${batched.toFixed(1)} µs a row`

const gains = async (what: string, model: RowModel<Float32Array>, row: Float32Array): Promise<Budget> => {
  const many = await compare(pipe(model), pipe(model, microBatched()), 64, row, 640, 40)
  return { what: `${what}: 64 clients against unbatched`, gate: '≥ 4 ×', measured: `${many.ratio.toFixed(1)} × (${microseconds(many)})`, holds: many.ratio >= 4 }
}

const lone = async (what: string, model: RowModel<Float32Array>, row: Float32Array): Promise<Budget> => {
  const one = await compare(pipe(model), pipe(model, microBatched()), 1, row, 32, 600)
  const extra = 1 / one.ratio - 1
  return { what: `${what}: cost at 1 client`, gate: '≤ 10 %', measured: `${(extra * 100).toFixed(1)} % (${microseconds(one)})`, holds: extra <= 0.1 }
}

export const microBatchBudgets = async (): Promise<Budget[]> => {
  const budgets: Budget[] = []
  const tabular = new Float32Array(32).fill(0.5)
  const image = new Float32Array(784).fill(0.5)
  budgets.push(await gains('synthetic engine, 50 + n', synthetic, tabular), await lone('synthetic engine', synthetic, tabular))
  await tf.setBackend('cpu')
  budgets.push(await gains('TensorFlow.js in JavaScript, MLP 32-64-3', perceptron(32, 64, 3), tabular), await lone('MLP 32-64-3', perceptron(32, 64, 3), tabular))
  // Here the arithmetic itself is most of the time, which no batch saves: the design's gate stands all the same.
  budgets.push(await gains('TensorFlow.js in JavaScript, MLP 784-128-10', perceptron(784, 128, 10), image))
  const wasm = '@tensorflow/tfjs-backend-wasm'
  const hasWasm = await import(wasm).then(async () => await tf.setBackend('wasm'), () => false)
  if (hasWasm) budgets.push(await gains('TensorFlow.js in WebAssembly, MLP 784-128-10', perceptron(784, 128, 10), image), await lone('in WebAssembly', perceptron(784, 128, 10), image))
  else budgets.push({ what: `TensorFlow.js in WebAssembly: ${wasm} is not installed`, gate: '', measured: 'not measured', holds: false })
  const nothing = { predict: async (row: Float32Array) => row, predictBatch: async (rows: readonly Float32Array[]) => [...rows] }
  for (const [clients, who] of [[32, 'a row in a batch of 32'], [1, 'a lone caller']] as const) {
    const { plain, batched } = await compare(pipe(nothing), pipe(nothing, microBatched({ adaptive: false })), clients, tabular, 3200, 80)
    budgets.push({ what: `for reference: ${who}, of a model that does nothing (DataLoader stands beside it in npm run zoo:bench)`, gate: '', measured: `${((batched - plain) * 1000).toFixed(0)} ns beyond the same without`, holds: true })
  }
  return budgets
}

// Alone: node --import tsx test/bench/micro-batching.ts
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const budgets = await microBatchBudgets()
  for (const { what, gate, measured, holds } of budgets) console.log(`${holds ? 'ok  ' : 'MISS'}  ${what.padEnd(112)}  ${gate.padEnd(6)}  ${measured}`)
  process.exitCode = budgets.every(({ holds }) => holds) ? 0 : 1
}
