import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type HistogramMetricData, type SumMetricData } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fallback, pipe, predictor, retry, timeout } from 'outrigger'
import { cached } from 'outrigger/cache'
import { observed } from 'outrigger/observe'
import { shadow, split } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'

const spans = new InMemorySpanExporter()
let open = 0
const counting: SpanProcessor = { onStart: () => void (open += 1), onEnd: () => void (open -= 1), forceFlush: async () => {}, shutdown: async () => {} }
const tracer = new BasicTracerProvider({ spanProcessors: [counting, new SimpleSpanProcessor(spans)] }).getTracer('test')
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
  open = 0
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
})

const otel = () => ({ tracer, meter: meter(), stages: false })
const told = () => spans.getFinishedSpans().map(({ attributes }) => [attributes['ml.outcome'], attributes['ml.source'] ?? attributes['error.type']])
const turn = () => new Promise((resolve) => setImmediate(resolve))
afterEach(() => expect(open).toBe(0))

describe('observed', () => {
  test('observed makes one span per call, with identity and outcome', async () => {
    const predict = pipe(predictor((x: number) => x, { name: 'delay', version: '3' }), observed(otel()))
    await predict(1)
    expect(spans.getFinishedSpans()).toMatchObject([
      { name: 'predict delay', status: { code: SpanStatusCode.UNSET }, attributes: { 'ml.model.name': 'delay', 'ml.model.version': '3', 'ml.outcome': 'ok', 'ml.source': 'model' } },
    ])
  })

  test('observed: spans that the model starts are children of the call\'s', async () => {
    const predict = pipe(async (x: number) => {
      tracer.startSpan('inside').end()
      return x
    }, observed(otel()))
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
    }, observed(otel()))
    await predict(1).catch(() => {})
    const [span] = spans.getFinishedSpans()
    expect(span).toMatchObject({ status: { code: SpanStatusCode.ERROR, message: 'TypeError' }, attributes: { 'ml.outcome': 'error', 'error.type': 'TypeError' } })
    expect(JSON.stringify([span!.attributes, span!.status, span!.events])).not.toContain('secret text')
  })

  test('observed: duration in seconds and requests are those of the records', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock }).delays(250, 1)
    const predict = pipe(predictor(model, { clock, name: 'slow' }), cached(), fallback(() => 0), observed(otel()))
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
      observed(otel()),
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
    }, observed(otel()))
    await predict.batch([1, -1, 2]).catch(() => {})
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.outcome'], point.attributes['error.type'], point.value])).toEqual([['ok', undefined, 2], ['error', 'RangeError', 1]])
    expect(spans.getFinishedSpans()).toHaveLength(1)
  })

  test('observed says which variant and which rung answered', async () => {
    const router = split({ variants: { control: (_: number): number => 1, canary: (_: number): number => Number(null!) / Number('x') }, weights: { control: 0, canary: 1 } })
    await pipe(router, observed(otel()))(1, { key: 'u' })
    await pipe((_: number): number => {
      throw new Error('down')
    }, fallback({ use: () => 0, name: 'zero' }), observed(otel()))(1)
    expect(spans.getFinishedSpans().map((span) => [span.attributes['ml.route.variant'], span.attributes['ml.source'], span.attributes['ml.fallback.rung']])).toEqual([
      ['canary', 'model', undefined],
      [undefined, 'fallback', 'zero'],
    ])
  })

  test('observed ends the span of an aborted call once, and leaves none open', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, observed(otel()))
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
    const predict = pipe((row: { readonly name: string }) => ({ answer: canary('output'), for: row.name }), observed(otel()))
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

describe('observed in a batch', () => {
  const picky = (x: number): number => {
    if (x < 0) throw new RangeError('negative')
    return x
  }

  for (const rows of [[-1, 2, 3], [1, -2, 3], [1, 2, -3]]) {
    test(`observed: the span of a batch says that row ${rows.findIndex((x) => x < 0) + 1} of 3 failed`, async () => {
      await pipe(picky, observed(otel())).batch(rows).catch(() => {})
      expect(spans.getFinishedSpans()).toMatchObject([{ status: { code: SpanStatusCode.ERROR, message: 'RangeError' }, attributes: { 'ml.outcome': 'error', 'error.type': 'RangeError', 'ml.batch.size': 3 } }])
      expect((await points('ml.inference.duration')).map((point) => point.attributes['ml.outcome'])).toEqual(['error'])
    })
  }

  test('observed leaves out of the span and the duration of a batch what its rows do not share', async () => {
    const arm = (name: string) => predictor((_: number) => name, { name, version: '2' })
    const router = split({ variants: { a: arm('a'), b: arm('b') }, weights: { a: 0.5, b: 0.5 } })
    const keys = Array.from({ length: 20 }, (_, unit) => `unit-${unit}`)
    const rows = await pipe(router, observed(otel())).detailedBatch(keys.map(() => 1), { keys })
    expect(spans.getFinishedSpans()[0]!.attributes).toEqual({ 'ml.model.name': rows[0]!.record.identity.name, 'ml.model.version': '2', 'ml.batch.size': 20, 'ml.outcome': 'ok', 'ml.source': 'model' })
    expect((await points('ml.inference.duration')).map((point) => point.attributes)).toEqual([{ 'ml.model.version': '2', 'ml.outcome': 'ok', 'ml.source': 'model' }])
    const requested = new Map((await points('ml.inference.requests')).map((point) => [point.attributes['ml.route.variant'], point.value]))
    for (const name of ['a', 'b']) expect(requested.get(name)).toBe(rows.filter(({ record }) => record.variants[0]?.variant === name).length)
  })

  test('observed: rows that were aborted alone are counted as such', async () => {
    const model = mockModel<number, number>()
    const controller = new AbortController()
    const answer = pipe(model, observed(otel())).detailedBatch([1, 2], { signals: [controller.signal, undefined] })
    const arrivals = [await model.next(), await model.next()]
    controller.abort()
    for (const arrival of arrivals) arrival.answer(1)
    const rows = await answer
    expect(rows.map(({ record }) => record.outcome)).toEqual(['aborted', 'ok'])
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.outcome'], point.value])).toEqual([['aborted', 1], ['ok', 1]])
  })

  test('observed: a batch that is given up is told at once, and once', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const answer = pipe(predictor(model, { clock }), observed(otel())).detailedBatch([1, 2], { timeoutMs: 50 })
    await clock.advance(50)
    expect((await answer).map(({ record }) => record.outcome)).toEqual(['timeout', 'timeout'])
    expect([told(), open]).toEqual([[['timeout', 'ERR_OUTRIGGER_TIMEOUT']], 0])
    for (const arrival of model.arrivals) arrival.answer(1)
    await turn()
    expect((await points('ml.inference.requests')).map((point) => point.value)).toEqual([2])
    expect((await points('ml.inference.duration')).map((point) => (point.value as unknown as { sum: number }).sum)).toEqual([0.05])
  })

  test('observed makes nothing of an empty batch', async () => {
    expect(await pipe(picky, observed(otel())).batch([])).toEqual([])
    expect(spans.getFinishedSpans()).toEqual([])
  })
})

describe('observed where it is not outermost', () => {
  test('observed inside of retry tells of each attempt', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, observed(otel()), retry({ retries: 1, minDelayMs: 0 }))
    const answer = predict(1)
    ;(await model.next()).fail(new Error('not today'))
    ;(await model.next()).answer(1)
    await answer
    expect(told()).toEqual([['error', 'Error'], ['ok', 'model']])
    expect((await points('ml.inference.requests')).map((point) => [point.attributes['ml.outcome'], point.value])).toEqual([['error', 1], ['ok', 1]])
  })

  test('observed inside of fallback tells of the model, not of who answered instead', async () => {
    const predict = pipe((_: number): number => {
      throw new Error('down')
    }, observed(otel()), fallback(() => 0))
    await predict(1)
    await predict.batch([1, 2])
    expect(told()).toEqual([['error', 'Error'], ['error', 'Error']])
  })

  test('observed inside of timeout ends its span at the limit, though the model goes on', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const predict = pipe(predictor(model, { clock }), observed(otel()), timeout({ ms: 100 }))
    const answer = predict(1).catch(() => {})
    const arrival = await model.next()
    await clock.advance(100)
    await answer
    expect([told(), open]).toEqual([[['timeout', 'ERR_OUTRIGGER_TIMEOUT']], 0])
    arrival.answer(1)
    await turn()
    expect(told()).toHaveLength(1)
  })

  test('observed inside of cached tells of what was not stored, also when the first of those who wait leaves', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, observed(otel()), cached())
    const controller = new AbortController()
    const first = predict(1, { signal: controller.signal }).catch(() => 'gone')
    const second = predict(1)
    const arrival = await model.next()
    controller.abort()
    arrival.answer(5)
    expect([await first, await second, await predict(1)]).toEqual(['gone', 5, 5])
    expect(told()).toEqual([['ok', 'model']])
  })

  test('observed twice, with layers between: each has a span and counts of its own, for calls and batches', async () => {
    const [inner, outer] = [meters.getMeter('inner'), meters.getMeter('outer')]
    const predict = pipe((x: number) => x, observed({ tracer, meter: inner, stages: false }), timeout({ ms: 10_000 }), observed({ tracer, meter: outer, stages: false }))
    await predict(1)
    await predict.batch([1, 2])
    expect(told()).toHaveLength(4)
    await meters.forceFlush()
    const requested = exporter.getMetrics().at(-1)!.scopeMetrics.map(({ metrics }) => metrics.find(({ descriptor }) => descriptor.name === 'ml.inference.requests')!.dataPoints.map(({ value }) => value))
    expect(requested).toEqual([[3], [3]])
  })

  test('observed in the candidate of a shadow ends its spans', async () => {
    const layered = shadow(pipe((x: number) => x, observed(otel())))
    const predict = pipe((x: number) => x, layered)
    await tracer.startActiveSpan('request', async (request) => {
      await predict(1)
      await predict.batch([1, 2])
      request.end()
    })
    await layered.idle()
    const runs = spans.getFinishedSpans().filter(({ name }) => name !== 'request')
    expect(runs).toHaveLength(2)
    for (const { parentSpanContext } of runs) expect(parentSpanContext).toBe(undefined)
  })

  test('observed names the variant inside of a timeout too', async () => {
    const router = split({ variants: { a: (_: number) => 1, b: (_: number) => 2 }, weights: { a: 0, b: 1 } })
    await pipe(router, observed(otel()), timeout({ ms: 10_000 }))(1, { key: 'u' })
    await pipe(router, observed(otel()), cached())(1, { key: 'u' })
    expect(spans.getFinishedSpans().map(({ attributes }) => attributes['ml.route.variant'])).toEqual(['b', 'b'])
  })
})
