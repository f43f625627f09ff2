/** What layers cost: the design's budget rows for a pass-through layer and for five layers together. */
import * as cockatiel from 'cockatiel'
import type * as outrigger from 'outrigger'
import type * as resilience from 'outrigger/resilience'
import type { Budget } from './main.js'
import { measure } from './measure.js'

type Outrigger = typeof outrigger
type Resilience = typeof resilience

/** The built package, as users run it. */
const { circuitBreaker, fallback, layer, pipe, retry, timeout } = (await import(new URL('../../dist/esm/index.js', import.meta.url).href)) as Outrigger
const { bulkhead } = (await import(new URL('../../dist/esm/resilience/index.js', import.meta.url).href)) as Resilience

const model = async (_input: number): Promise<number> => 42
const failing = async (_input: number): Promise<number> => Promise.reject(new Error('down'))
const five = [timeout({ ms: 1000 }), retry({ retries: 2 }), circuitBreaker(), bulkhead({ concurrency: 10 }), fallback((_input: number) => 0)] as const

const bare = pipe(model)
const passThrough = pipe(model, layer('pass-through', { one: async (next, input: number, call) => await next(input, call) }))
/** A layer without an async function of its own. */
const relayed = pipe(model, layer('relay', { one: (next, input: number, call) => next(input, call) }))
const stacked = pipe(model, ...five)
const hop = async (input: number): Promise<number> => await model(input)
const noop = cockatiel.noop
const wrapped = cockatiel.wrap(
  cockatiel.fallback(cockatiel.handleAll, 0),
  cockatiel.bulkhead(10),
  cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 1000, breaker: new cockatiel.ConsecutiveBreaker(5) }),
  cockatiel.retry(cockatiel.handleAll, { maxAttempts: 2, backoff: new cockatiel.ConstantBackoff(1) }),
  cockatiel.timeout(1000, cockatiel.TimeoutStrategy.Aggressive),
)
const open = pipe(failing, circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 3_600_000 }), fallback(() => 0))

export const layerBudgets = async (): Promise<Budget[]> => {
  await open(0)
  const results = await measure([
    { name: 'bare', calls: 20_000, call: model },
    { name: 'hop', calls: 20_000, call: hop },
    { name: 'predictor', calls: 20_000, call: (input) => bare(input) },
    { name: 'pass-through', calls: 20_000, call: (input) => passThrough(input) },
    { name: 'relayed', calls: 20_000, call: (input) => relayed(input) },
    { name: 'cockatiel noop', calls: 20_000, call: (input) => noop.execute(() => model(input)) },
    { name: 'five', calls: 10_000, call: (input) => stacked(input) },
    { name: 'cockatiel five', calls: 500, call: (input) => wrapped.execute(() => model(input)) },
    { name: 'open', calls: 10_000, call: (input) => open(input) },
  ])
  const ns = (name: string): number => results.get(name)!.ns
  const bytes = (name: string): number => results.get(name)!.bytes
  const net = (name: string): number => ns(name) - ns('bare')
  const layerNs = ns('pass-through') - ns('predictor')
  const hopNs = net('hop')
  return [
    { what: 'pass-through layer against a hand-written async hop', gate: '≤ 1.4 ×', measured: `${(layerNs / hopNs).toFixed(2)} × (${layerNs.toFixed(0)} against ${hopNs.toFixed(0)} ns)`, holds: layerNs <= 1.4 * hopNs },
    { what: 'pass-through layer against cockatiel\'s no-op policy', gate: '≤ 0.4 ×', measured: `${(layerNs / net('cockatiel noop')).toFixed(2)} × (${layerNs.toFixed(0)} against ${net('cockatiel noop').toFixed(0)} ns)`, holds: layerNs <= 0.4 * net('cockatiel noop') },
    { what: 'for reference: a layer that hands the promise on', gate: '', measured: `${(ns('relayed') - ns('predictor')).toFixed(0)} ns`, holds: true },
    { what: 'timeout, retry, breaker, bulkhead, fallback against cockatiel\'s wrap of the same', gate: '≥ 25 × faster', measured: `${(net('cockatiel five') / net('five')).toFixed(1)} × (${net('five').toFixed(0)} against ${net('cockatiel five').toFixed(0)} ns)`, holds: net('cockatiel five') >= 25 * net('five') },
    { what: 'memory of the five, net of a bare call', gate: '≤ 1.5 KB', measured: `${(bytes('five') - bytes('bare')).toFixed(0)} B (cockatiel ${(bytes('cockatiel five') - bytes('bare')).toFixed(0)} B)`, holds: bytes('five') - bytes('bare') <= 1536 },
    { what: 'open circuit with fallback', gate: '≤ 3 µs', measured: `${(net('open') / 1000).toFixed(2)} µs`, holds: net('open') <= 3000 },
    { what: 'for reference: a bare call, and a predictor without layers', gate: '', measured: `${ns('bare').toFixed(0)} ns; ${ns('predictor').toFixed(0)} ns`, holds: true },
  ]
}
