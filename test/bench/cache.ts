/** What a cache costs: the design's budget rows for keys and for hits. */
import { LRUCache } from 'lru-cache'
import type * as outrigger from 'outrigger'
import type * as outriggerCache from 'outrigger/cache'
import type * as outriggerSchema from 'outrigger/schema'
import type { Budget } from './main.js'
import { measure } from './measure.js'

const built = async (path: string): Promise<unknown> => await import(new URL(`../../dist/esm/${path}`, import.meta.url).href)

/** The built package, as users run it. */
const { pipe } = (await built('index.js')) as typeof outrigger
const { cached, contentKey } = (await built('cache/index.js')) as typeof outriggerCache
const { defineSchema } = (await built('schema/index.js')) as typeof outriggerSchema

/** As a service has it: parsed from JSON; numbers, integers and categories. */
const row = JSON.parse(JSON.stringify(Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`feature_${String.fromCharCode(116 - index)}`, index % 3 === 0 ? Math.sin(index + 1) : index % 3 === 1 ? index * 7 : `category ${index}`])))) as Record<string, number | string>
const pixels = Float32Array.from({ length: 784 }, (_, index) => Math.sin(index))
const schema = defineSchema(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, { type: typeof value === 'number' ? ('number' as const) : ('string' as const) }])))

const pixelModel = async (_input: Float32Array): Promise<number> => 42
const rowModel = async (_input: Record<string, number | string>): Promise<number> => 42
const barePixels = pipe(pixelModel)
const bareRows = pipe(rowModel)
const cachedPixels = pipe(pixelModel, cached())
const timedPixels = pipe(pixelModel, cached({ ttlMs: 3_600_000, staleWhileRevalidateMs: 1000 }))
const cachedRows = pipe(rowModel, cached())
const schemaRows = pipe(rowModel, cached({ schema }))
/** The least that a hand-written cache does: a text of the row, and a look-up. */
const byJson = new LRUCache<string, number>({ max: 10_000 })
byJson.set(JSON.stringify(row), 42)
const handWritten = async (input: Record<string, number | string>): Promise<number> => byJson.get(JSON.stringify(input)) ?? (await rowModel(input))

export const cacheBudgets = async (): Promise<Budget[]> => {
  await Promise.all([cachedPixels(pixels), timedPixels(pixels), cachedRows(row), schemaRows(row)])
  const results = await measure([
    { name: 'bare call', calls: 10_000, call: () => pixelModel(pixels) },
    { name: 'bare pixels', calls: 10_000, call: () => barePixels(pixels) },
    { name: 'hit pixels', calls: 10_000, call: () => cachedPixels(pixels) },
    { name: 'timed hit pixels', calls: 2000, call: () => timedPixels(pixels) },
    { name: 'bare rows', calls: 5000, call: () => bareRows(row) },
    { name: 'hit row', calls: 2000, call: () => cachedRows(row) },
    { name: 'hit row by schema', calls: 2000, call: () => schemaRows(row) },
    { name: 'hand-written', calls: 2000, call: () => handWritten(row) },
    { name: 'JSON.stringify', calls: 2000, call: () => JSON.stringify(row).length },
    { name: 'contentKey', calls: 2000, call: () => contentKey(row).length },
    { name: 'nothing', calls: 5000, call: () => 1 },
  ])
  const ns = (name: string): number => results.get(name)!.ns
  const bytes = (name: string): number => results.get(name)!.bytes
  const pixelsNs = ns('hit pixels') - ns('nothing')
  const hitBytes = bytes('hit pixels') - bytes('bare call')
  const json = ns('JSON.stringify') - ns('nothing')
  const key = ns('contentKey') - ns('nothing')
  const bySchema = ns('hit row by schema') - ns('nothing')
  const byHand = ns('hand-written') - ns('nothing')
  return [
    { what: 'cache hit on a Float32Array(784), every byte compared', gate: '≤ 2.5 µs', measured: `${(pixelsNs / 1000).toFixed(2)} µs (a bare predictor ${(ns('bare pixels') / 1000).toFixed(2)}, with a TTL ${((ns('timed hit pixels') - ns('nothing')) / 1000).toFixed(2)})`, holds: pixelsNs <= 2500 },
    { what: 'memory of it, net of a bare call', gate: '≤ 1 KB', measured: `${hitBytes.toFixed(0)} B (net of a bare predictor ${(bytes('hit pixels') - bytes('bare pixels')).toFixed(0)} B)`, holds: hitBytes <= 1024 },
    { what: 'key of a 20-field object against JSON.stringify of it', gate: '≤ 1.2 ×', measured: `${(key / json).toFixed(2)} × (${key.toFixed(0)} against ${json.toFixed(0)} ns)`, holds: key <= 1.2 * json },
    { what: 'whole hit of a 20-field object, key by schema, against a hand-written LRU by JSON.stringify', gate: '≤ 1 ×', measured: `${(bySchema / byHand).toFixed(2)} × (${bySchema.toFixed(0)} against ${byHand.toFixed(0)} ns; without a schema ${(ns('hit row') - ns('nothing')).toFixed(0)})`, holds: bySchema <= byHand },
  ]
}
