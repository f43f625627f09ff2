import { measure } from './test/bench/measure.js'
const { bulkhead, circuitBreaker, fallback, layer, pipe, retry, timeout } = (await import('./dist/esm/index.js' as string)) as typeof import('outrigger')
const model = async (_input: number): Promise<number> => 42
const failing = async (_input: number): Promise<number> => Promise.reject(new Error('down'))
const open = pipe(failing, circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 3_600_000 }), fallback(() => 0)); await open(0)
const t = [
 ['bare', model], ['hop', async (i: number) => await model(i)], ['predictor', pipe(model)], ['pass', pipe(model, layer('p', { one: async (next, input: number, call) => await next(input, call) }))],
 ['timeout', pipe(model, timeout({ms: 1000}))], ['retry', pipe(model, retry({retries:2}))], ['breaker+bulk+retry+fb', pipe(model, retry({retries:2}), circuitBreaker(), bulkhead({concurrency:10}), fallback((_: number) => 0))],
 ['five', pipe(model, timeout({ms:1000}), retry({retries:2}), circuitBreaker(), bulkhead({concurrency:10}), fallback((_: number) => 0))], ['open', open], ['reject', async (i: number) => { try { await failing(i) } catch { return 0 } }]
] as const
const r = await measure(t.map(([name, call]) => ({ name, calls: 10000, call: (i: number) => call(i) })))
for (const [k, v] of r) console.log(k.padEnd(24), v.ns.toFixed(0), v.bytes.toFixed(0))
