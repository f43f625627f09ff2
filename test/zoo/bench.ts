/**
 * The budgets of resilience, cache and batching, in one run with the rivals: medians of rounds in which all targets take
 * turns, net of a bare call, and bytes per call. Prints a Markdown table.
 *
 * `npm run build && node --expose-gc --max-semi-space-size=128 --import tsx test/zoo/bench.ts`
 */
import type * as Root from 'outrigger'
import type * as Batch from 'outrigger/batch'
import type * as Cache from 'outrigger/cache'
import type * as Resilience from 'outrigger/resilience'
import type * as Schema from 'outrigger/schema'
import { measure, type Measured, type Target } from '../bench/measure.js'
import { librariesInstalled } from './libraries.js'
import type { AsyncCacheDedupe, CacheableModule, Cockatiel, CockatielPolicy, DataLoaderClass, Default, Opossum } from './rivals.js'

const built = async <T>(path: string): Promise<T> => (await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)) as T
const load = async <T>(name: string): Promise<T> => (await import(name)) as T

/** The built package, as users run it. */
const { circuitBreaker, fallback, pipe, retry, timeout } = await built<typeof Root>('index.js')
const { cached, contentKey } = await built<typeof Cache>('cache/index.js')
const { defineSchema } = await built<typeof Schema>('schema/index.js')
const { bulkhead } = await built<typeof Resilience>('resilience/index.js')
const { microBatched } = await built<typeof Batch>('batch/index.js')
const cockatiel = await load<Cockatiel>('cockatiel')
const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
const { Cacheable } = await load<CacheableModule>('cacheable')
const { createCache } = await load<AsyncCacheDedupe>('async-cache-dedupe')
const { default: DataLoader } = await load<Default<DataLoaderClass>>('dataloader')
const { default: objectHash } = await load<Default<(value: unknown) => string>>('object-hash')
const versions = Object.fromEntries(librariesInstalled().map(({ label, version }) => [label, version]))

/** What somebody takes for one thing: nanoseconds net of its baseline, and bytes. */
interface Figure {
  readonly who: string
  readonly ns: number
  readonly bytes: number
}

interface Row {
  readonly what: string
  readonly ours: Figure
  readonly others: readonly Figure[]
  readonly gate: string
  readonly holds: boolean
}

const zero = (): number => 0
const model = async (_input: unknown): Promise<number> => 42
const failing = async (_input: unknown): Promise<number> => {
  throw new Error('down')
}

/** Measures targets against the first of them, and takes it off the others, per unit of work. */
const compare = async (targets: readonly Target[], { per = 1, rounds = 31 } = {}): Promise<{ readonly base: Measured; readonly of: (name: string, who?: string) => Figure }> => {
  const results = await measure(targets, rounds)
  const base = results.get((targets[0] as Target).name) as Measured
  return {
    base,
    of: (name, who = name) => {
      const { ns, bytes } = results.get(name) as Measured
      return { who, ns: (ns - base.ns) / per, bytes: (bytes - base.bytes) / per }
    },
  }
}

/** What a failing call takes with so many calls in the window; a rejected call of Node's own comes first. */
const failingCall = async (inWindow: number): Promise<Row> => {
  let isDown = false
  const switched = (input: unknown): Promise<number> => (isDown ? failing(input) : model(input))
  const ours = pipe(switched, circuitBreaker({ failureRate: 1, windowSize: 1_000_000, minimumCalls: 1_000_000 }))
  const sampling = cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 1000, breaker: new cockatiel.SamplingBreaker({ threshold: 0.99, duration: 600_000, minimumRps: 1_000_000 }) })
  const opossum = new CircuitBreaker(switched, { timeout: false, volumeThreshold: 1e9, errorThresholdPercentage: 99, rollingCountTimeout: 600_000, enableSnapshots: false })
  for (let call = 0; call < inWindow; call += 1) {
    await ours(call)
    await sampling.execute(() => switched(call))
    await opossum.fire(call)
  }
  isDown = true
  const { base, of } = await compare(
    [
      { name: 'bare', calls: 2000, call: (input) => failing(input).then(zero, zero) },
      { name: 'ours', calls: 2000, call: (input) => ours(input).then(zero, zero) },
      { name: 'cockatiel', calls: 1000, call: (input) => sampling.execute(() => switched(input)).then(zero, zero) },
      { name: 'opossum', calls: inWindow >= 10_000 ? 2 : 200, call: (input) => opossum.fire(input).then(zero, zero) },
    ],
    { rounds: 21 },
  )
  opossum.shutdown()
  // The gate is about the whole call, so the rejected call of Node's own is part of both.
  const whole = (name: string, who: string): Figure => ({ who, ns: of(name).ns + base.ns, bytes: of(name).bytes + base.bytes })
  const mine = whole('ours', 'outrigger')
  return {
    what: `a failing call with ${inWindow.toLocaleString('en').replaceAll(',', ' ')} calls in the window (Node's own rejected call: ${time(base.ns)})`,
    ours: mine,
    others: [whole('cockatiel', 'cockatiel sampling'), whole('opossum', 'opossum')],
    gate: '≤ 3 × Node\'s own rejected call',
    holds: mine.ns <= 3 * base.ns,
  }
}

const openCircuit = async (): Promise<Row> => {
  const forEver = 3_600_000
  const ours = pipe(failing, circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: forEver }), fallback(zero))
  const policy = cockatiel.wrap(cockatiel.fallback(cockatiel.handleAll, 0), cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: forEver, breaker: new cockatiel.ConsecutiveBreaker(1) }))
  const opossum = new CircuitBreaker(failing, { resetTimeout: forEver }).fallback(zero)
  await Promise.all([ours(0), policy.execute(failing), opossum.fire(0)])
  const { of } = await compare([
    { name: 'bare', calls: 10_000, call: model },
    { name: 'outrigger', calls: 10_000, call: (input) => ours(input) },
    { name: 'cockatiel', calls: 2000, call: () => policy.execute(failing) },
    { name: 'opossum', calls: 2000, call: (input) => opossum.fire(input) },
  ])
  opossum.shutdown()
  const mine = of('outrigger')
  return { what: 'an open circuit with a fallback', ours: mine, others: [of('cockatiel'), of('opossum')], gate: '≤ 3 µs (goal 0.5 µs)', holds: mine.ns <= 3000 }
}

const cacheHit = async (): Promise<Row> => {
  const tensor = Float32Array.from({ length: 784 }, (_, index) => index / 784)
  const ours = pipe(model as (input: Float32Array) => Promise<number>, cached({ max: 1000 }))
  const dedupe = createCache({ ttl: 3600, storage: { type: 'memory' } }).define('predict', model)['predict'] as (input: unknown) => Promise<unknown>
  const wrapped = new Cacheable().wrap(model, { ttl: '1h', keyPrefix: 'model' })
  const opossum = new CircuitBreaker(model, { cache: true })
  await Promise.all([ours(tensor), dedupe(tensor), wrapped(tensor), opossum.fire(tensor)])
  const { of } = await compare([
    { name: 'bare', calls: 5000, call: model },
    { name: 'outrigger', calls: 5000, call: () => ours(tensor) },
    { name: 'async-cache-dedupe', calls: 50, call: () => dedupe(tensor) },
    { name: 'cacheable wrap', calls: 50, call: () => wrapped(tensor) },
    { name: 'opossum cache', calls: 50, call: () => opossum.fire(tensor) },
  ])
  opossum.shutdown()
  const mine = of('outrigger')
  return { what: 'a cache hit on a Float32Array(784), exact check included', ours: mine, others: [of('async-cache-dedupe'), of('cacheable wrap'), of('opossum cache')], gate: '≤ 2.5 µs, ≤ 1 KB', holds: mine.ns <= 2500 && mine.bytes <= 1024 }
}

const keyOfObject = async (): Promise<Row> => {
  const rows = Array.from({ length: 16 }, (_, row) => Object.fromEntries(Array.from({ length: 20 }, (_unused, field) => [`feature_${field}`, field % 4 === 3 ? `category ${row % 7}` : field * 1.25 + row])))
  const at = (index: number): object => rows[index & 15] as object
  const { of } = await compare([
    { name: 'nothing', calls: 5000, call: (index) => typeof at(index) },
    { name: 'contentKey', calls: 5000, call: (index) => contentKey(at(index)) },
    { name: 'JSON.stringify', calls: 5000, call: (index) => JSON.stringify(at(index)) },
    { name: 'object-hash', calls: 500, call: (index) => objectHash(at(index)) },
  ])
  const mine = of('contentKey', 'outrigger')
  const json = of('JSON.stringify')
  return { what: 'the key of an object of 20 fields', ours: mine, others: [json, of('object-hash')], gate: '≤ 1.2 × JSON.stringify', holds: mine.ns <= 1.2 * json.ns }
}

const objectHit = async (): Promise<Row> => {
  const names = Array.from({ length: 20 }, (_, field) => `feature_${field}`)
  const rows = Array.from({ length: 16 }, (_, row) => Object.fromEntries(names.map((name, field) => [name, field % 4 === 3 ? `category ${row % 7}` : field * 1.25 + row])))
  const at = (index: number): Record<string, unknown> => rows[index & 15] as Record<string, unknown>
  const schema = defineSchema(Object.fromEntries(names.map((name, field) => [name, { type: field % 4 === 3 ? 'string' : 'number' }])))
  const typed = model as (input: Record<string, unknown>) => Promise<number>
  const ours = pipe(typed, cached({ max: 1000 }))
  const withSchema = pipe(typed, cached({ max: 1000, schema }))
  const dedupe = createCache({ ttl: 3600, storage: { type: 'memory' } }).define('predict', model)['predict'] as (input: unknown) => Promise<unknown>
  const wrapped = new Cacheable().wrap(model, { ttl: '1h', keyPrefix: 'model' })
  const opossum = new CircuitBreaker(model, { cache: true })
  const { of } = await compare([
    { name: 'bare', calls: 5000, call: model },
    { name: 'without', calls: 5000, call: (index) => ours(at(index)) },
    { name: 'with', calls: 5000, call: (index) => withSchema(at(index)) },
    { name: 'async-cache-dedupe', calls: 500, call: (index) => dedupe(at(index)) },
    { name: 'cacheable wrap', calls: 500, call: (index) => wrapped(at(index)) },
    { name: 'opossum cache', calls: 500, call: (index) => opossum.fire(at(index)) },
  ])
  opossum.shutdown()
  return { what: 'a cache hit on an object of 20 fields, with a schema', ours: of('with', 'outrigger'), others: [of('without', 'outrigger without a schema'), of('async-cache-dedupe'), of('cacheable wrap'), of('opossum cache')], gate: '', holds: true }
}

const perKey = async (): Promise<Row> => {
  const size = 32
  const rowsModel = async (rows: readonly unknown[]): Promise<unknown[]> => rows.map((row) => row)
  const ours = pipe({ predictBatch: rowsModel }, microBatched({ maxSize: size, adaptive: false }))
  const loader = new DataLoader(rowsModel, { maxBatchSize: size, cache: false })
  const caching = new DataLoader(rowsModel, { maxBatchSize: size })
  const all = (call: (input: number) => Promise<unknown>) => (): Promise<unknown> => {
    const answers = new Array<Promise<unknown>>(size)
    for (let key = 0; key < size; key += 1) answers[key] = call(key)
    return Promise.all(answers)
  }
  const { of } = await compare(
    [
      { name: '32 bare calls', calls: 300, call: all(model) },
      { name: 'outrigger', calls: 300, call: all((input) => ours(input)) },
      { name: 'DataLoader', calls: 300, call: all((input) => loader.load(input)) },
      { name: 'DataLoader, cache hit', calls: 300, call: all((input) => caching.load(input)) },
    ],
    { per: size },
  )
  return { what: 'micro-batching, per key in a batch of 32', ours: of('outrigger'), others: [of('DataLoader', 'DataLoader without cache'), of('DataLoader, cache hit')], gate: '', holds: true }
}

const fiveLayers = async (): Promise<Row> => {
  const ours = pipe(model as (input: number) => Promise<number>, timeout({ ms: 1000 }), retry({ retries: 2 }), circuitBreaker(), bulkhead({ concurrency: 10 }), fallback(zero))
  const policy: CockatielPolicy = cockatiel.wrap(
    cockatiel.fallback(cockatiel.handleAll, 0),
    cockatiel.bulkhead(10),
    cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 1000, breaker: new cockatiel.ConsecutiveBreaker(5) }),
    cockatiel.retry(cockatiel.handleAll, { maxAttempts: 2, backoff: new cockatiel.ConstantBackoff(1) }),
    cockatiel.timeout(1000, cockatiel.TimeoutStrategy.Aggressive),
  )
  const opossum = new CircuitBreaker(model, { timeout: 1000, capacity: 10 }).fallback(zero)
  const { of } = await compare([
    { name: 'bare', calls: 10_000, call: model },
    { name: 'outrigger', calls: 10_000, call: (input) => ours(input) },
    { name: 'cockatiel', calls: 500, call: (input) => policy.execute(() => model(input)) },
    { name: 'opossum', calls: 2000, call: (input) => opossum.fire(input) },
  ])
  opossum.shutdown()
  const [mine, wrap] = [of('outrigger'), of('cockatiel', 'cockatiel wrap')]
  return { what: 'timeout, retry, breaker, bulkhead and fallback together (opossum without retry)', ours: mine, others: [wrap, of('opossum')], gate: '≥ 25 × faster than cockatiel, ≤ 1.5 KB', holds: wrap.ns >= 25 * mine.ns && mine.bytes <= 1536 }
}

const time = (ns: number): string => (ns < 1000 ? `${ns.toFixed(0)} ns` : ns < 1e6 ? `${(ns / 1000).toFixed(ns < 10_000 ? 2 : 1)} µs` : `${(ns / 1e6).toFixed(1)} ms`)
const size = (bytes: number): string => (Number.isNaN(bytes) ? '' : bytes < 1000 ? `${Math.max(0, bytes).toFixed(0)} B` : `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`)
const figure = ({ ns, bytes }: Figure): string => [time(ns), size(bytes)].filter((part) => part !== '').join(', ')
const ratio = (other: Figure, ours: Figure): string => {
  const times = other.ns / ours.ns
  return times < 10 ? times.toFixed(1) : times.toFixed(0)
}

const rows: Row[] = []
for (const run of [() => failingCall(0), () => failingCall(1000), () => failingCall(100_000), openCircuit, cacheHit, objectHit, keyOfObject, perKey, fiveLayers]) rows.push(await run())

console.log('| what | outrigger | others (and how many times ours) | gate | |')
console.log('|---|---|---|---|---|')
for (const { what, ours, others, gate, holds } of rows) {
  console.log(`| ${what} | ${figure(ours)} | ${others.map((other) => `${other.who} ${figure(other)} (${ratio(other, ours)} ×)`).join('; ')} | ${gate} | ${gate === '' ? '' : holds ? 'holds' : '**missed**'} |`)
}
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}; cockatiel ${versions['cockatiel 3']}, opossum ${versions['opossum']}, async-cache-dedupe ${versions['async-cache-dedupe']}, cacheable ${versions['cacheable']}, DataLoader ${versions['dataloader']}; medians, net of a bare call except for failing calls.`)
process.exit(rows.every(({ holds }) => holds) ? 0 : 1)
