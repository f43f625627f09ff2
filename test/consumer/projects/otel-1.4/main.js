// A host that has stayed on @opentelemetry/api 1.4: a newer copy beside it would be a silent no-op.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { metrics, trace } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

const copies = readdirSync('node_modules', { recursive: true }).filter((path) => path.endsWith('@opentelemetry/api/package.json'))
assert.deepEqual(copies.map((path) => JSON.parse(readFileSync(`node_modules/${path}`, 'utf8')).version), ['1.4.0'])

const spans = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider()
tracerProvider.addSpanProcessor(new SimpleSpanProcessor(spans))
trace.setGlobalTracerProvider(tracerProvider)
const points = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const meterProvider = new MeterProvider()
meterProvider.addMetricReader(new PeriodicExportingMetricReader({ exporter: points, exportIntervalMillis: 60_000 }))
metrics.setGlobalMeterProvider(meterProvider)

const { pipe, predictor } = await import('outrigger')
const { observed } = await import('outrigger/observe')
let headers
const predict = pipe(predictor((x, call) => ((headers = call.traceContext), x * 2), { name: 'delays' }), observed())
const { output, record } = await predict.detailed(21)
assert.equal(output, 42)
const [stage, span] = spans.getFinishedSpans()
assert.deepEqual([stage.name, span.name, stage.parentSpanId], ['model', 'predict delays', span.spanContext().spanId])
const { traceId, spanId } = span.spanContext()
assert.deepEqual([record.trace, headers], [{ traceId, spanId }, { traceparent: `00-${traceId}-${spanId}-01` }])

// Shared work: a span of its own, with a link to each caller's.
const { microBatched } = await import('outrigger/batch')
spans.reset()
const together = pipe({ predictBatch: async (rows) => rows }, observed({ stages: false }), microBatched({ maxSize: 4, maxDelayMs: 5 }), observed({ stages: false }))
await Promise.all([together(1), together(2)])
const run = spans.getFinishedSpans().find((one) => one.attributes['ml.batch.size'] === 2)
const calls = spans.getFinishedSpans().filter((one) => one !== run)
assert.equal(run.parentSpanId, undefined)
assert.deepEqual(run.links.map((link) => link.context.spanId).sort(), calls.map((one) => one.spanContext().spanId).sort())

await meterProvider.forceFlush()
const names = points.getMetrics().flatMap((one) => one.scopeMetrics.flatMap((scope) => scope.metrics.map((metric) => metric.descriptor.name)))
assert.ok(names.includes('ml.inference.duration'), names.join())
await meterProvider.shutdown()
