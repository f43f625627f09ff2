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
const predict = pipe(predictor((x) => x * 2, { name: 'delays' }), observed())
assert.equal(await predict(21), 42)
assert.deepEqual(spans.getFinishedSpans().map((span) => span.name), ['predict delays'])

await meterProvider.forceFlush()
const names = points.getMetrics().flatMap((one) => one.scopeMetrics.flatMap((scope) => scope.metrics.map((metric) => metric.descriptor.name)))
assert.ok(names.includes('ml.inference.duration'), names.join())
await meterProvider.shutdown()
