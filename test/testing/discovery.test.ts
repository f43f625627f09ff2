import { readdirSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { layerConformance, type ConformingLayer, type LayerConformanceOptions } from 'outrigger/testing'
import { bulkhead, circuitBreaker, fallback, retry, timeout } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { mapInput, mapOutput } from 'outrigger/compose'
import { driftMonitor, referenceProfile } from 'outrigger/drift'
import { observed } from 'outrigger/observe'
import { shadow } from 'outrigger/route'
import { faults } from 'outrigger/testing'
import { layer } from 'outrigger'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** Every layer of the package, by folder and name: how to make it, and what holds for it. */
const layers: Record<string, { readonly make: () => ConformingLayer; readonly options?: LayerConformanceOptions }> = {
  'core/layer': { make: () => layer<number, number>('pass', { one: async (next, input, call) => await next(input, call) }) },
  'resilience/timeout': { make: () => timeout({ ms: 60_000 }) },
  'resilience/retry': { make: () => retry({ retries: 1, minDelayMs: 0 }) },
  'resilience/circuitBreaker': { make: () => circuitBreaker() },
  'resilience/bulkhead': { make: () => bulkhead({ concurrency: 2, queue: 100 }) },
  'resilience/fallback': { make: () => fallback(() => 'instead'), options: { hidesFailures: true } },
  'cache/cached': { make: () => cached() },
  'compose/mapInput': { make: () => mapInput((input: number) => input + 7), options: { expect: (input) => (input + 7) * 10 + 1, except: { 'a row that fails does not lose the others': 'the row that fails is another one behind the map; see test/compose', 'a batch of rows asks for each row at most once': 'the model is asked for what the map made of the rows' } } },
  'compose/mapOutput': { make: () => mapOutput((output: number) => `${output}!`), options: { expect: (_input, output) => `${output}!` } },
  'drift/driftMonitor': { make: () => driftMonitor({ reference: referenceProfile(Array.from({ length: 200 }, (_, x) => ({ x }))), features: (x: number) => ({ x }) }) },
  'observe/observed': { make: () => observed() },
  'route/shadow': { make: () => shadow((x: number) => x) as ConformingLayer },
  'testing/faults': { make: () => faults() },
}

/** Functions that are no layers, and why they need no conformance. */
const others: Record<string, string> = {
  'cache/contentKey': 'makes keys',
  'drift/driftVerdict': 'judges counts',
  'drift/parseReferenceProfile': 'reads a profile',
  'drift/referenceProfile': 'builds a profile',
  'drift/LiveProfile': 'counts',
  'drift/ReferenceProfile': 'holds counts',
  'route/assign': 'chooses a variant',
  'route/isSampled': 'chooses a sample',
  'route/layOut': 'lays out variants',
  'route/split': 'makes a predictor of several; see test/route',
  'testing/fakeClock': 'a clock',
  'testing/layerConformance': 'the suite itself',
  'testing/mockModel': 'a model',
  'testing/seededRandom': 'randomness',
  'testing/onnxModel': 'writes a model',
}

/** Folders whose functions are not layers at all. */
const withoutLayers = new Set(['core', 'models', 'policy', 'schema', 'stats', 'store'])

describe('discovery', () => {
  const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(`${src}/${entry.name}/index.ts`))

  test('every exported function of every folder is a layer with a conformance test, or listed with a reason', async () => {
    const unknown: string[] = []
    for (const { name: folder } of folders) {
      if (withoutLayers.has(folder)) continue
      const exports = (await import(`../../src/${folder}/index.ts`)) as Record<string, unknown>
      for (const [name, value] of Object.entries(exports)) {
        const key = `${folder}/${name}`
        if (typeof value === 'function' && layers[key] === undefined && others[key] === undefined) unknown.push(key)
      }
    }
    expect(unknown).toEqual([])
  })

  test('every listed layer is exported by its folder', async () => {
    for (const key of Object.keys(layers)) {
      const [folder, name] = key.split('/') as [string, string]
      const exports = (await import(`../../src/${folder}/index.ts`)) as Record<string, unknown>
      expect(typeof exports[name], key).toBe('function')
    }
  })
})

describe.each(Object.entries(layers))('%s', (_key, { make, options }) => {
  for (const check of layerConformance(make, options)) test(check.name, check.run)
})
