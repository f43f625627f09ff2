/**
 * What the ONNX engine adds to onnxruntime itself, and whether memory stays flat while versions come and go.
 * `node --expose-gc --import tsx test/bench/onnx.ts`
 */
import { pathToFileURL } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { ModelFiles, onnx, type EngineObject, type ModelVersion, type TensorCall, type TensorRow } from 'outrigger/models'
import { mlpLayers, onnxLarge, onnxMlp, seededRandom } from 'outrigger/testing'
import type { Budget } from './main.js'
import { measure, median } from './measure.js'

const call: TensorCall = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }
const session = { intraOpNumThreads: 1 }
const load = async (model: Uint8Array): Promise<Required<EngineObject<TensorRow, number[]>>> =>
  (await onnx({ session }).load(new ModelFiles('bench@1', new Map([['model.onnx', model]])), {} as ModelVersion)) as Required<EngineObject<TensorRow, number[]>>

/** Rows through the engine beside a bare session with its tensors made beforehand. */
const rowBudgets = async (): Promise<Budget[]> => {
  const random = seededRandom('bench')
  const bytes = onnxMlp(mlpLayers([784, 128, 10], random))
  const bare = await InferenceSession.create(bytes, session)
  const model = await load(bytes)
  const budgets: Budget[] = []
  for (const count of [1, 32]) {
    const rows = Array.from({ length: count }, () => Float32Array.from({ length: 784 }, () => random.next()))
    const x = new Tensor('float32', Float32Array.from(rows.flatMap((row) => [...row])), [count, 784])
    const calls = count === 1 ? 400 : 150
    const measured = await measure([
      { name: 'bare', calls, call: async () => (await bare.run({ x }))['y']?.data[0] },
      { name: 'ours', calls, call: async () => (count === 1 ? await model.predict(rows[0] as Float32Array, call as never) : ((await model.predictBatch(rows, call as never))[0] as number[]))[0] },
    ])
    const [ns, ours] = [measured.get('bare')!.ns, measured.get('ours')!.ns]
    const perSecond = (each: number): string => Math.round((count * 1e9) / each).toLocaleString('en')
    budgets.push({
      what: `onnx: ${count === 1 ? 'a row' : `${count} rows`} of 784 floats`,
      gate: '≤ 1.5 × a bare session',
      measured: `${(ours / ns).toFixed(2)} × (${perSecond(ours)} rows/s; bare ${perSecond(ns)})`,
      holds: ours <= 1.5 * ns,
    })
  }
  await model.dispose()
  await bare.release()
  return budgets
}

/** The resident memory after each of many reloads; the allocator gives and takes whole models, so that medians of many are compared. */
const memoryBudget = async (): Promise<Budget> => {
  const size = 26_000_000
  const bytes = onnxLarge(size, 1)
  const resident: number[] = []
  for (let reload = 0; reload < 440; reload += 1) {
    const model = await load(bytes)
    await model.predict([1], call as never)
    await model.dispose()
    ;(globalThis as { gc?: () => void }).gc?.()
    if (reload >= 40) resident.push(process.memoryUsage.rss())
  }
  const [early, late] = [median(resident.slice(0, 200)), median(resident.slice(200))]
  const slope = (late - early) / 2 / size // they are 200 reloads apart
  return { what: 'onnx: memory over reloads of a 26 MB model', gate: '< 1 % of its size per 100', measured: `${(100 * slope).toFixed(2)} % (${Math.round(late / 1e6)} MB resident)`, holds: slope < 0.01 }
}

export const onnxBudgets = async (): Promise<Budget[]> => [...(await rowBudgets()), await memoryBudget()]

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const { what, gate, measured, holds } of await onnxBudgets()) console.log(`${holds ? 'ok  ' : 'MISS'}  ${what.padEnd(45)}  ${gate.padEnd(25)}  ${measured}`)
}
