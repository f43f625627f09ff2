/** A trace that goes on in a worker or process, where an SDK of its own makes spans: the whole way, with the real things. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { build } from 'esbuild'
import { pipe } from 'outrigger'
import { isolated, modelLoader, modelStore } from 'outrigger/models'
import { observed } from 'outrigger/observe'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ToldSpan } from './_traced-engine.js'

const root = join(import.meta.dirname, '../..')
// Inside of the repository, so that its packages are found from there.
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache/isolated-spans-'))

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // One build of both, as a host has one outrigger.
  await build({
    entryPoints: { entry: join(root, 'src/models/isolation/entry.ts'), engine: join(import.meta.dirname, '_traced-engine.ts') },
    outdir: folder, outExtension: { '.js': '.mjs' }, bundle: true, splitting: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', packages: 'external',
    alias: { outrigger: join(root, 'src/index.ts'), 'outrigger/observe': join(root, 'src/observe/index.ts'), 'outrigger/models': join(root, 'src/models/index.ts') },
  })
})
afterAll(() => {
  context.disable()
  rmSync(folder, { recursive: true })
})

test.each(['worker', 'process'] as const)('%s: spans that are made in it are children of the caller’s', async (isolate) => {
  const spans = new InMemorySpanExporter()
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('outside')
  const engine = isolated<'step' | 'tell', readonly ToldSpan[]>(pathToFileURL(join(folder, 'engine.mjs')), { name: 'traced', export: 'engine', isolate, entry: pathToFileURL(join(folder, 'entry.mjs')) })
  const store = modelStore({ path: join(folder, `store of ${isolate}`) })
  await store.publish({ name: 'm', engine: 'traced', files: { 'weights.json': '[]' } })
  const loader = modelLoader<'step' | 'tell', readonly ToldSpan[]>({ store, name: 'm', engines: [engine] })
  await loader.whenReady()
  const predict = pipe(loader, observed({ tracer, stages: false }))
  await predict('step')
  await predict.batch(['step', 'step'])
  const told = await loader('tell')
  const callers = spans.getFinishedSpans().map((span) => span.spanContext())
  expect(callers).toHaveLength(2)
  expect(told).toEqual(callers.map(({ traceId, spanId }) => ({ name: 'predict model', traceId, parentId: spanId })))
  await predict.close()
  await loader.close()
})
