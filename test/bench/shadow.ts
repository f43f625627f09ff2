/**
 * What a shadow that needs four cores costs the callers beside it: `npm run shadow`. About two minutes.
 *
 * 200 requests a second, Poisson, that wait for nobody; each takes a timer of 2 ms and 0.3 ms of computing, and its latency counts from when it was due. The
 * candidate computes for 20 ms a row: in a worker, on the main thread under the guard, and in the two ways that come first to mind. Then what a call
 * that is not sampled costs. Ends with a status that is not 0 when the worker's p99 is above 1.2 × that without a shadow, or the bookkeeping above 2 µs.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pipe, seededRandom, type Predictor } from 'outrigger'
import { isolated, modelLoader, modelStore } from 'outrigger/models'
import { outputComparison, shadow, type ShadowLayer } from 'outrigger/route'
import { measure } from './measure.js'

const CANDIDATE_MS = 20
const PER_SECOND = 200
const hold = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until; );
}
const primary = async (x: number): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 2))
  hold(0.3)
  return 2 * x
}
const candidate = (x: number): number => {
  hold(CANDIDATE_MS)
  return 2 * x
}

/** The latencies of so many requests, in order. */
const traffic = async (serve: (x: number) => Promise<number>, requests: number, seed: string): Promise<number[]> => {
  const random = seededRandom(seed)
  const latencies: number[] = []
  const answers: Promise<void>[] = []
  let due = performance.now()
  for (let request = 0; request < requests; request += 1) {
    due += (-Math.log(1 - random.next()) * 1000) / PER_SECOND
    const wait = due - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    const since = due
    answers.push(serve(request).then(() => void latencies.push(performance.now() - since)))
  }
  await Promise.all(answers)
  return latencies.sort((a, b) => a - b)
}
const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number
const ms = (value: number): string => value.toFixed(1).padStart(10)
const line = (name: string, sorted: readonly number[], more = ''): void => console.log(`${name.padEnd(42)}${ms(quantile(sorted, 0.5))}${ms(quantile(sorted, 0.99))}${ms(sorted.at(-1) as number)}  ${more}`)
const pooled = (rounds: readonly (readonly number[])[]): number[] => rounds.flat().sort((a, b) => a - b)

// ---- the forms

const folder = await mkdtemp(join(tmpdir(), 'outrigger-shadow-'))
await writeFile(join(folder, 'engine.mjs'), `
  export const engine = { name: 'slow', load: async () => (x, call) => {
    if (!call.isShadow) throw new Error('a real call')
    for (const until = performance.now() + ${CANDIDATE_MS}; performance.now() < until;);
    return 2 * x
  } }`)
const store = modelStore({ path: join(folder, 'models') })
await store.publish({ name: 'next', engine: 'slow', files: { 'weights.json': '[]' } })
const engine = isolated<number, number>(pathToFileURL(join(folder, 'engine.mjs')), { name: 'slow', isolate: 'worker', niceness: 19, execArgv: [] })
const next = modelLoader({ store, name: 'next', engines: [engine] })
await next.whenReady()

const inWorker = shadow(next)
const onMain = shadow(candidate)
const forms: Record<'none' | 'worker' | 'main', Predictor<number, number>> = { none: pipe(primary), worker: pipe(primary, inWorker), main: pipe(primary, onMain) }
const counted = ({ counts: { compared, failed, droppedBy, coverage } }: ShadowLayer<number, unknown, number>): string =>
  `${compared} compared, ${failed} failed, dropped: ${Object.entries(droppedBy).filter(([, rows]) => rows > 0).map(([reason, rows]) => `${reason} ${rows}`).join(', ')} (coverage ${(coverage * 100).toFixed(1)} %)`

for (const form of Object.values(forms)) await traffic(form, 400, 'warm-up')
/** Blocks of a second in turn, so that what else the machine does disturbs all alike; none begins before the runs of the last one have ended. */
const inTurn = async (names: readonly (keyof typeof forms)[], blocks: number, requests: number): Promise<Record<keyof typeof forms, number[]>> => {
  const seen = { none: [] as number[][], worker: [] as number[][], main: [] as number[][] }
  for (let block = 0; block < blocks; block += 1) {
    for (const name of names) {
      seen[name].push(await traffic(forms[name], requests, `block ${block}`))
      await Promise.all([inWorker.idle(), onMain.idle()])
    }
  }
  return { none: pooled(seen.none), worker: pooled(seen.worker), main: pooled(seen.main) }
}
const beside = await inTurn(['none', 'worker'], 24, 200)
// In long blocks: what the guard saves up while the form rests is little then.
const guarded = await inTurn(['none', 'main'], 2, 3000)
console.log(`${'candidate of 20 ms, 400 % of a core'.padEnd(42)}${'p50'.padStart(10)}${'p99'.padStart(10)}${'max'.padStart(10)}  ms`)
line('no shadow', beside.none)
line('shadow of a worker', beside.worker, counted(inWorker))
line('no shadow', guarded.none)
line('shadow on the main thread, guarded', guarded.main, counted(onMain))
let naiveEnd: Promise<unknown> = Promise.resolve()
const fireAndForget = async (x: number): Promise<number> => {
  const answer = await primary(x)
  naiveEnd = new Promise<void>((resolve) => setImmediate(() => (candidate(x), resolve())))
  return answer
}
line('naive: setImmediate after the answer', await traffic(fireAndForget, 400, 'naive'), '400 requests')
await naiveEnd
line('naive: await both', await traffic(async (x) => (await Promise.all([primary(x), Promise.resolve().then(() => candidate(x))]))[0], 400, 'naive'), '400 requests')
const ratio = quantile(beside.worker, 0.99) / quantile(beside.none, 0.99)
console.log(`\np99 against no shadow: worker ${ratio.toFixed(2)} ×, main thread ${(quantile(guarded.main, 0.99) / quantile(guarded.none, 0.99)).toFixed(2)} ×`)
await forms.worker.close()
await next.close()
await rm(folder, { recursive: true })

// ---- bookkeeping

const model = (x: number): number => x
const key = '3f0e6a52-95a5-4d1e-9c1b-0d6a1c9be0f1'
const bare = pipe(model)
const rare = pipe(model, shadow(model, { rate: 1e-9 }))
const off = pipe(model, shadow(model, { rate: 0 }))
const scores = Array.from({ length: 10 }, (_, index) => index / 45)
const others = scores.map((score) => score + 1e-3)
const comparison = outputComparison()
const costs = await measure([
  { name: 'bare', calls: 20_000, call: (x) => bare(x, { key }) },
  { name: 'off', calls: 20_000, call: (x) => off(x, { key }) },
  { name: 'unsampled', calls: 20_000, call: (x) => rare(x, { key }) },
  { name: 'number', calls: 20_000, call: (x) => (comparison.add({ id: key, primary: x, candidate: x + 0.1 }), x) },
  { name: 'scores', calls: 5000, call: (x) => (comparison.add({ id: key, primary: { scores }, candidate: { scores: others } }), x) },
], 15)
const ns = (name: string): number => costs.get(name)!.ns
const bookkeeping = ns('unsampled') - ns('bare')
console.log(`a call that is not sampled: ${bookkeeping.toFixed(0)} ns more than ${ns('bare').toFixed(0)} ns (a shadow that is off: ${(ns('off') - ns('bare')).toFixed(0)} ns)`)
console.log(`comparing: ${ns('number').toFixed(0)} ns a number, ${ns('scores').toFixed(0)} ns a list of ten scores`)
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}`)
const problems = [...(ratio <= 1.2 ? [] : [`p99 beside the worker is ${ratio.toFixed(2)} ×`]), ...(bookkeeping <= 2000 ? [] : [`bookkeeping takes ${bookkeeping.toFixed(0)} ns`])]
console.log(problems.length === 0 ? 'ok' : `MISS: ${problems.join('; ')}`)
process.exitCode = problems.length === 0 ? 0 : 1
