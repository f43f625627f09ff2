/**
 * One trace through a batch: three requests share a run of the model, which is a trace of its own with a link to each of them; records and log lines name the spans.
 *
 *     npx tsx examples/traces.ts
 */
import assert from 'node:assert/strict'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { pipe, predictor } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import type { ModelBatchCall } from 'outrigger/core'
import { logEvents, observed } from 'outrigger/observe'

// What a host does once, mostly by `@opentelemetry/sdk-node`.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const spans = new InMemorySpanExporter()
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('host')

const headers: string[] = []
const model = {
  predictBatch: async (kms: readonly number[], call: ModelBatchCall) => {
    headers.push(call.traceContext!.traceparent) // for a request to somewhere else: fetch(url, { headers: { ...call.traceContext } })
    return kms.map((km) => km / 800)
  },
}
const predict = pipe(
  predictor(model, { name: 'duration', version: '3' }),
  observed({ tracer, stages: false }), // nearest to the model: the runs
  microBatched({ maxSize: 8, maxDelayMs: 5 }),
  observed({ tracer }), // outermost: what callers got
)
const lines: { readonly trace_id: string }[] = []
const stop = logEvents(predict, { logger: { info: (line) => lines.push(line as never), warn: () => {} }, predictions: () => true })

const answers = await Promise.all(
  [400, 800, 1600].map((km) =>
    tracer.startActiveSpan(`GET /duration/${km}`, async (request) => {
      const answer = await predict.detailed(km)
      request.end()
      return answer
    }),
  ),
)

const all = spans.getFinishedSpans()
const run = all.find(({ attributes }) => attributes['ml.batch.size'] === 3)!
const calls = all.filter((span) => span.name === 'predict duration' && span !== run)
console.log(`the run of three rows: trace ${run.spanContext().traceId}, links to`)
for (const { context: linked } of run.links) console.log(`  trace ${linked.traceId}, span ${linked.spanId}`)
console.log('what each call spent:')
for (const { name, parentSpanContext, duration: [seconds, nanos] } of all.filter((span) => span.name === 'queue' || span.name === 'model')) console.log(`  ${name.padEnd(5)} ${(seconds * 1000 + nanos / 1e6).toFixed(1)} ms, in span ${parentSpanContext!.spanId}`)

assert.equal(run.parentSpanContext, undefined)
assert.deepEqual(run.links.map((link) => link.context.spanId).sort(), calls.map((call) => call.spanContext().spanId).sort())
assert.deepEqual(headers, [`00-${run.spanContext().traceId}-${run.spanContext().spanId}-01`])
assert.deepEqual(answers.map(({ record }) => record.trace!.spanId).sort(), calls.map((call) => call.spanContext().spanId).sort())
assert.deepEqual(lines.map((line) => line.trace_id).sort(), answers.map(({ record }) => record.trace!.traceId).sort())
stop()
await predict.close()
