/**
 * What isolation promises, measured: `npm run isolation`. The longest gap of the event loop while a 50 MB model loads and while
 * runs of some 75 ms compute in a worker, against an idle control in the same process; how soon a killed ONNX engine serves
 * again; a worker with micro-batching against the same model inline and unbatched, at 64 clients. Ends with a status that is not 0 if a gate does not hold.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as outrigger from 'outrigger'
import type * as batching from 'outrigger/batch'
import type * as models from 'outrigger/models'
import type * as testing from 'outrigger/testing'
import { median } from './measure.js'

/** The built package, as users run it. */
const built = async <M>(path: string): Promise<M> => (await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)) as M
const { pipe } = await built<typeof outrigger>('index.js')
const { microBatched } = await built<typeof batching>('batch/index.js')
const { isolated, modelLoader, modelStore, onnx } = await built<typeof models>('models/index.js')
const { mlpLayers, onnxLarge, onnxMlp, onnxSlow, seededRandom } = await built<typeof testing>('testing/index.js')

let failed = false
const must = (what: string, holds: boolean): void => {
  failed ||= !holds
  console.log(`${holds ? 'ok  ' : 'MISS'}  ${what}`)
}
const ms = (value: number): string => `${value.toFixed(1)} ms`
const session = { intraOpNumThreads: 1 } as const
/** Nothing of what this script itself was started with (the loader of TypeScript). */
const bare = { execArgv: [] } as const
const folder = await mkdtemp(join(tmpdir(), 'outrigger-isolation-'))
let stores = 0
const storeWith = async (file: Uint8Array): Promise<models.ModelStore> => {
  const store = modelStore({ path: join(folder, String(stores++)) })
  await store.publish({ name: 'm', engine: 'onnx', files: { 'model.onnx': file } })
  return store
}
const pause = (forMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, forMs))

/** The longest time between two turns of the event loop, beyond the millisecond that they are apart, while the work goes on. */
const worstGap = async (work: () => Promise<unknown>): Promise<number> => {
  let worst = 0
  let last = performance.now()
  const tick = (): void => {
    const now = performance.now()
    worst = Math.max(worst, now - last - 1)
    last = now
  }
  const probe = setInterval(tick, 1)
  await work()
  clearInterval(probe)
  tick() // What began after the last tick has held it up to here.
  return worst
}

// ---- the event loop

const large = await storeWith(onnxLarge(50_000_000, 1))
let products = 30
const slowStore = async (): Promise<models.ModelStore> => await storeWith(onnxSlow({ products }))
const inline = modelLoader({ store: await slowStore(), name: 'm', engines: [onnx({ session })], warmup: { rows: [[1]], sizes: [1] } })
await inline.whenReady()
const began = performance.now()
await inline([1])
products = Math.max(1, Math.round((products * 75) / (performance.now() - began)))
await inline.close()
const store = await slowStore()
const engine = isolated(onnx({ session }), { isolate: 'worker', ...bare })
const slow = modelLoader({ store, name: 'm', engines: [engine], warmup: { rows: [[1]], sizes: [1] } })
await slow.whenReady()
const slowInline = modelLoader({ store, name: 'm', engines: [onnx({ session })], warmup: { rows: [[1]], sizes: [1] } })
await slowInline.whenReady()

const rounds = 9
const gaps = { idle: [] as number[], load: [] as number[], run: [] as number[], inlineLoad: [] as number[], inlineRun: [] as number[] }
const runMs: number[] = []
const loadOnce = async (isolate: 'worker' | 'inline'): Promise<void> => {
  const loader = modelLoader({ store: large, name: 'm', engines: [isolated(onnx({ session }), isolate === 'inline' ? { isolate } : { isolate, ...bare })], warmup: { rows: [[1]], sizes: [1] } })
  await loader.whenReady()
  await loader.close()
}
await loadOnce('worker')
for (let round = 0; round < rounds; round += 1) {
  gaps.idle.push(await worstGap(() => pause(500)))
  gaps.load.push(await worstGap(() => loadOnce('worker')))
  gaps.run.push(await worstGap(async () => {
    for (let call = 0; call < 6; call += 1) {
      const since = performance.now()
      await slow([call])
      runMs.push(performance.now() - since)
    }
  }))
  gaps.inlineLoad.push(await worstGap(() => loadOnce('inline')))
  gaps.inlineRun.push(await worstGap(async () => void (await slowInline([1]))))
}
await slow.close()
await slowInline.close()
const limit = Math.max(5, 1.5 * Math.max(...gaps.idle))
console.log(`      idle control: median ${ms(median(gaps.idle))}, worst ${ms(Math.max(...gaps.idle))}; inline: loading ${ms(median(gaps.inlineLoad))}, a run ${ms(median(gaps.inlineRun))}`)
const held = (what: string, seen: readonly number[]): void => must(`${what}: worst gap of ${rounds} rounds ${ms(Math.max(...seen))} (median of the rounds' worst ${ms(median(seen))}), gate ${ms(limit)}`, Math.max(...seen) <= limit)
held('a 50 MB model loads in a worker', gaps.load)
held(`runs of ${ms(median(runMs))} in a worker`, gaps.run)

// ---- killed, and there again

const layers = mlpLayers([784, 128, 10], seededRandom('isolation'))
const small = await storeWith(onnxMlp(layers))
const row = Float32Array.from({ length: 784 }, (_, index) => Math.sin(index))
for (const standby of [false, true]) {
  const killable = isolated(onnx({ session }), { isolate: 'process', standby, ...bare })
  const loader = modelLoader({ store: small, name: 'm', engines: [killable], warmup: { rows: [row], sizes: [1] } })
  await loader.whenReady()
  const again: number[] = []
  for (let kill = 0; kill < 5; kill += 1) {
    await pause(1500)
    const pid = killable.stats().isolates.find(({ state }) => state === 'idle' || state === 'busy')?.pid as number
    const since = performance.now()
    process.kill(pid, 'SIGKILL')
    await loader(row)
    again.push(performance.now() - since)
  }
  await loader.close()
  must(`a killed ONNX engine serves again${standby ? ', with a standby' : ''}: ${ms(median(again))} (median of ${again.length}, each next one pauses longer: ${again.map((one) => one.toFixed(0)).join(', ')}), gate 400 ms; no call was lost`, median(again) < 400)
}

// ---- 64 clients

const rate = async (predict: outrigger.Predictor<Float32Array, unknown>): Promise<number> => {
  let answers = 0
  const start = performance.now()
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (performance.now() < start + 1000) {
      await predict(row)
      answers += 1
    }
  }))
  return answers / ((performance.now() - start) / 1000)
}
for (const [name, hidden] of [['784-128-10', 128], ['784-2048-10', 2048]] as const) {
  const files = await storeWith(onnxMlp(mlpLayers([784, hidden, 10], seededRandom('isolation'))))
  const loaded = async (engine: models.Engine<Float32Array, number[]>): Promise<models.ModelLoader<Float32Array, number[]>> => {
    const loader = modelLoader<Float32Array, number[]>({ store: files, name: 'm', engines: [engine], warmup: { rows: [row], sizes: [1, 32] } })
    await loader.whenReady()
    return loader
  }
  const inWorkers = (workers: number): Promise<models.ModelLoader<Float32Array, number[]>> => loaded(isolated(onnx({ session }), { isolate: 'worker', workers, ...bare }))
  const plain = await loaded(onnx({ session }))
  const batched = { one: pipe(await inWorkers(1), microBatched({ maxSize: 64 })), two: pipe(await inWorkers(2), microBatched({ maxSize: 32, concurrency: 2 })) }
  const rates = { plain: [] as number[], one: [] as number[], two: [] as number[] }
  for (let round = -1; round < 7; round += 1) {
    const seen = { plain: await rate(plain), one: await rate(batched.one), two: await rate(batched.two) }
    if (round >= 0) for (const kind of ['plain', 'one', 'two'] as const) rates[kind].push(seen[kind])
  }
  const times = (kind: 'one' | 'two'): number => median(rates[kind].map((one, round) => one / (rates.plain[round] as number)))
  const figures = (kind: 'one' | 'two'): string => `${times(kind).toFixed(1)} × (${Math.round(median(rates[kind]))} against ${Math.round(median(rates.plain))} rows/s)`
  must(`MLP ${name} in a worker with micro-batching against inline unbatched, 64 clients: ${figures('one')}, gate 2.5 ×`, times('one') >= 2.5)
  console.log(`      the same in two workers, two runs at once: ${figures('two')}`)
  await batched.one.close()
  await batched.two.close()
  await plain.close()
}
await rm(folder, { recursive: true })
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}`)
process.exitCode = failed ? 1 : 0
