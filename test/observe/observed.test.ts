import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type HistogramMetricData, type SumMetricData } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cached, fallback, pipe, predictor } from 'outrigger'
import { observed } from 'outrigger/observe'
import { split } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'

const spans = new InMemorySpanExporter()
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('test')
let exporter: InMemoryMetricExporter
let meters: MeterProvider
const meter = () => meters.getMeter('test')
const collected = async () => {
  await meters.forceFlush()
  return exporter.getMetrics().at(-1)?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
}
const points = async (name: string) => ((await collected()).find((metric) => metric.descriptor.name === name) as SumMetricData | undefined)?.dataPoints ?? []

beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())
beforeEach(() => {
  spans.reset()
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
})

describe('observed', () => {
  test('observed makes one span per call, with identity and outcome', async () => {
    const predict = pipe(predictor((x: number) => x, { name: 'delay', version: '3' }), observed({ tracer, meter: meter() }))
    await predict(1)
    expect(spans.getFinishedSpans()).toMatchObject([
      { name: 'predict delay', status: { code: SpanStatusCode.UNSET }, attributes: { 'ml.model.name': 'delay', 'ml.model.version': '3', 'ml.outcome': 'ok', 'ml.source': 'model' } },
    ])
  })

  test('observed: spans that the model starts are children of the call\'s', async () => {
    const predict = pipe(async (x: number) => {
      tracer.startSpan('inside').end()
      return x
    }, observed({ tracer, meter: meter() }))
    await tracer.startActiveSpan('request', async (request) => {
      await predict(1)
      request.end()
    })
    const [inside, call, request] = spans.getFinishedSpans()
    expect([inside!.name, call!.name, request!.name]).toEqual(['inside', 'predict model', 'request'])
    expect([inside!.parentSpanContext?.spanId, call!.parentSpanContext?.spanId]).toEqual([call!.spanContext().spanId, request!.spanContext().spanId])
  })

  test('observed marks failures with their code', async () => {
    const predict = pipe((_: number): number => {
      throw new TypeError('secret text')
    }, observed({ tracer, meter: meter() }))
    await predict(1).catch(() => {})
    const [span] = spans.getFinishedSpans()
    expect(span).toMatchObject({ status: { code: SpanStatusCode.ERROR, message: 'TypeError' }, attributes: { 'ml.outcome': 'error', 'error.type': 'TypeError' } })
    expect(JSON.stringify([span!.attributes, span!.status, span!.events])).not.toContain('secret text')
  })

  test('observed: duration in seconds and requests are those of the records', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock }).delays(250, 1)
    const predict = pipe(predictor(model, { clock, name: 'slow' }), cached(), fallback(() => 0), observed({ tracer, meter: meter() }))
    const answer = predict(1)
    await clock.advance(250)
    await answer
    await predict(1)
    const [duration] = await collected().then((metrics) => metrics.filter((metric) => metric.descriptor.name === 'ml.inference.duration')) as HistogramMetricData[]
    expect(duration!.descriptor.unit).toBe('s')
    expect(duration!.dataPoints.map((point) => [point.attributes['ml.source'], point.value.count, point.value.sum])).toEqual([
      ['model', 1, 0.25],
      ['cache', 1, 0],
    ])
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.source'], point.value])).toEqual([['model', 1], ['cache', 1]])
  })

  test('observed: a batch is one span, one duration, and a request for each row by its outcome', async () => {
    const predict = pipe(
      { predictBatch: (rows: readonly number[]) => rows },
      cached(),
      fallback(() => 0),
      observed({ tracer, meter: meter() }),
    )
    await predict.batch([1, 2])
    await predict.batch([1, 2, 3])
    expect(spans.getFinishedSpans().map((span) => span.attributes['ml.batch.size'])).toEqual([2, 3])
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.source'], point.value])).toEqual([['model', 3], ['cache', 2]])
    expect((await points('ml.batch.size')).map((point) => (point.value as unknown as { sum: number }).sum)).toEqual([5])
  })

  test('observed: rows that fail are counted as what they are, and the batch still has its span', async () => {
    const predict = pipe((x: number) => {
      if (x < 0) throw new RangeError('negative')
      return x
    }, observed({ tracer, meter: meter() }))
    await predict.batch([1, -1, 2]).catch(() => {})
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.outcome'], point.attributes['error.type'], point.value])).toEqual([['ok', undefined, 2], ['error', 'RangeError', 1]])
    expect(spans.getFinishedSpans()).toHaveLength(1)
  })

  test('observed says which variant and which rung answered', async () => {
    const router = split({ variants: { control: (_: number): number => 1, canary: (_: number): number => Number(null!) / Number('x') }, weights: { control: 0, canary: 1 } })
    await pipe(router, observed({ tracer, meter: meter() }))(1, { key: 'u' })
    await pipe((_: number): number => {
      throw new Error('down')
    }, fallback({ use: () => 0, name: 'zero' }), observed({ tracer, meter: meter() }))(1)
    expect(spans.getFinishedSpans().map((span) => [span.attributes['ml.route.variant'], span.attributes['ml.source'], span.attributes['ml.fallback.rung']])).toEqual([
      ['canary', 'model', undefined],
      [undefined, 'fallback', 'zero'],
    ])
  })

  test('observed ends the span of an aborted call once, and leaves none open', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, observed({ tracer, meter: meter() }))
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal }).catch(() => 'aborted')
    const arrival = await model.next()
    controller.abort()
    expect(await answer).toBe('aborted')
    arrival.answer(1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(spans.getFinishedSpans()).toMatchObject([{ status: { code: SpanStatusCode.ERROR }, attributes: { 'ml.outcome': 'aborted' } }])
  })

  test('observed lets nothing of inputs, outputs, keys, ids and tags out', async () => {
    const canary = (what: string): string => `canary-${what}`
    const predict = pipe((row: { readonly name: string }) => ({ answer: canary('output'), for: row.name }), observed({ tracer, meter: meter() }))
    await predict({ name: canary('input') }, { key: canary('key'), id: canary('id'), tags: { tag: canary('tag') } })
    await predict.batch([{ name: canary('input') }], { keys: [canary('key')], ids: [canary('id')] })
    const out = JSON.stringify([spans.getFinishedSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })), (await collected()).map((metric) => metric.dataPoints.map((point) => point.attributes))])
    expect(out).not.toContain('canary')
  })

  test('observed without an SDK does nothing and disturbs nothing', async () => {
    trace.disable()
    const predict = pipe((x: number) => x + 1, observed())
    expect([await predict(1), await predict.batch([1, 2])]).toEqual([2, [2, 3]])
  })
})
