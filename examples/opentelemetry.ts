/** What a host with an OpenTelemetry SDK gets: a span per call, and metrics by model and outcome. */
import assert from 'node:assert/strict'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { fallback, pipe, predictor } from 'outrigger'
import { observed } from 'outrigger/observe'

const spans = new InMemorySpanExporter()
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 })] })

const model = predictor(
  (km: number): number => {
    if (km < 0) throw new RangeError('negative')
    return km / 60
  },
  { name: 'duration', version: '4' },
)
const predict = pipe(model, fallback(() => 1), observed({ tracer: tracers.getTracer('host'), meter: meters.getMeter('host'), stages: false }))
await predict(30)
await predict(-1)
await meters.forceFlush()

assert.deepEqual(spans.getFinishedSpans().map((span) => [span.name, span.attributes['ml.source']]), [['predict duration', 'model'], ['predict duration', 'fallback']])
const names = metrics.getMetrics()[0]!.scopeMetrics[0]!.metrics.map((metric) => metric.descriptor.name)
assert.deepEqual(names.sort(), ['ml.inference.duration', 'ml.inference.requests'])
for (const span of spans.getFinishedSpans()) console.log(span.name, span.attributes)
await meters.shutdown()
