import { context, trace, type SpanContext } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AlwaysOffSampler, BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fallback, layer, pipe, predictor, retry, timeout } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import type { ModelCall, PredictionRecord, TraceContext } from 'outrigger/core'
import { observed, spanned } from 'outrigger/observe'
import { bulkhead, hedge } from 'outrigger/resilience'
import { shadow, split } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'
import { tellStages } from '../../src/observe/_stage-spans.js'
import { headersOf, spanContextOf } from '../../src/observe/_trace-context.js'

const spans = new InMemorySpanExporter()
let open = 0
const counting = { onStart: () => void (open += 1), onEnd: () => void (open -= 1), forceFlush: async () => {}, shutdown: async () => {} }
const tracer = new BasicTracerProvider({ spanProcessors: [counting, new SimpleSpanProcessor(spans)] }).getTracer('test')
const unsampled = new BasicTracerProvider({ sampler: new AlwaysOffSampler() }).getTracer('test')

beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())
beforeEach(() => {
  spans.reset()
  open = 0
})
afterEach(() => expect(open).toBe(0))

const plain = { tracer, stages: false } as const
const ids = (span: ReadableSpan | SpanContext): { traceId: string; spanId: string } => {
  const { traceId, spanId } = 'spanContext' in span ? span.spanContext() : span
  return { traceId, spanId }
}
const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter((span) => span.name === name)
const links = (span: ReadableSpan) => span.links.map(({ context: linked }) => linked.spanId).sort()
/** A layer that remembers what a model would see of its call. */
const seer = () => {
  const seen: (TraceContext | undefined)[] = []
  const model = async <T>(x: T, call: ModelCall): Promise<T> => {
    seen.push(call.traceContext)
    return x
  }
  return { seen, model }
}

describe('observed: records and models know the span', () => {
  test('a record has the ids of the outermost span, wherever observed stands', async () => {
    const model = (x: number): number => x
    const around = [
      pipe(model, observed(plain)),
      pipe(model, observed(plain), timeout({ ms: 1000 }), observed(plain)),
      pipe(model, observed(plain), retry({ retries: 1 }), fallback(() => 0), observed(plain)),
    ]
    for (const predict of around) {
      spans.reset()
      const { record } = await predict.detailed(1)
      const outermost = spans.getFinishedSpans().at(-1)!
      expect(record.trace).toEqual(ids(outermost))
      expect(JSON.parse(JSON.stringify(record.trace))).toEqual(structuredClone(record.trace))
    }
    const inner = pipe(model, observed(plain), timeout({ ms: 1000 }))
    spans.reset()
    expect((await inner.detailed(1)).record.trace).toEqual(ids(spans.getFinishedSpans()[0]!))
  })

  test('each row of a batch has the ids of the span of the batch, also one that was aborted or failed', async () => {
    const model = mockModel<number, number>()
    const controller = new AbortController()
    const answer = pipe(model, observed(plain)).detailedBatch([1, 2, 3], { signals: [undefined, controller.signal, undefined] })
    const arrivals = [await model.next(), await model.next(), await model.next()]
    controller.abort()
    arrivals[0]!.answer(1)
    arrivals[1]!.answer(1)
    arrivals[2]!.fail(new Error('no'))
    const rows = await answer
    const [span] = spans.getFinishedSpans()
    expect(rows.map(({ record }) => [record.outcome, record.trace])).toEqual(['ok', 'aborted', 'error'].map((outcome) => [outcome, ids(span!)]))
  })

  test('without an SDK a record has no ids, and a model no headers', async () => {
    const { seen, model } = seer()
    trace.disable()
    const { record } = await pipe(model, observed()).detailed(1)
    expect([record.trace, seen]).toEqual([undefined, [undefined]])
  })

  test('a model sees its span as headers of W3C trace context, through layers that ask in attempts of their own', async () => {
    const { seen, model } = seer()
    const predict = pipe(model<number>, timeout({ ms: 1000 }), retry({ retries: 1 }), hedge({ delayMs: 1000 }), fallback(() => 0), observed(plain))
    await predict(1)
    await predict.batch([1, 2])
    await pipe(model<number>, observed({ tracer: unsampled }))(1)
    const [one, many] = spans.getFinishedSpans().map(ids)
    expect(seen.map((headers) => headers?.traceparent)).toEqual([
      ...[one!, many!, many!].map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`),
      expect.stringMatching(/^00-[\da-f]{32}-[\da-f]{16}-00$/),
    ])
  })

  test('headers and span contexts are one thing in two forms; what is none is none', () => {
    const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=a' }
    const found = spanContextOf(traceContext)!
    expect([ids(found), found.traceFlags, found.isRemote, found.traceState?.get('vendor')]).toEqual([{ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }, 1, true, 'a'])
    expect(headersOf(found)).toEqual(traceContext)
    for (const traceparent of ['', 'x', '00-00000000000000000000000000000000-b7ad6b7169203331-01', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331']) expect(spanContextOf({ traceparent })).toBe(undefined)
  })

  test('where no span is active, as in a worker, the call says whose child it is', async () => {
    const remote = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const said = layer<number, number>('said', { one: (next, input, call) => {
      call.note().traceContext = remote
      return next(input, call)
    } })
    await pipe((x: number) => x, observed(plain), said)(1)
    expect(spans.getFinishedSpans()[0]!.parentSpanContext).toMatchObject({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isRemote: true })
  })
})

describe('observed inside of retry', () => {
  const failing = (): number => { throw new Error('down') }

  test('attempts are side by side: children of the call where it has a span, else traces of their own', async () => {
    await pipe(predictor(failing, { name: 'm' }), observed(plain), retry({ retries: 2, minDelayMs: 0 }), observed(plain))(1).catch(() => {})
    const all = spans.getFinishedSpans()
    const call = all.at(-1)!
    expect(all.map((span) => [span.parentSpanContext?.spanId, span.links.length])).toEqual([...Array.from({ length: 3 }, () => [ids(call).spanId, 0]), [undefined, 0]])
    spans.reset()
    await pipe(predictor(failing, { name: 'm' }), observed(plain), retry({ retries: 2, minDelayMs: 0 })).batch([1]).catch(() => {})
    expect(spans.getFinishedSpans().map(({ parentSpanContext }) => parentSpanContext)).toEqual([undefined, undefined, undefined])
  })
})

describe('observed: shared work has links', () => {
  const doubled = { predictBatch: async (rows: readonly number[]) => rows.map((x) => 2 * x) }

  test('the run of a micro-batch has a trace of its own, with a link to the span of every call', async () => {
    const { seen, model } = seer()
    const predict = pipe({ predictBatch: async (rows: readonly number[], call) => (await model(0, call as never), rows) }, observed(plain), microBatched({ maxSize: 8, maxDelayMs: 5 }), observed(plain))
    const records: PredictionRecord[] = []
    predict.observe((event) => event.type === 'prediction' && records.push(event.record))
    await tracer.startActiveSpan('request', async (request) => {
      await Promise.all([1, 2, 3].map((x) => predict(x)))
      request.end()
    })
    const all = named('predict model')
    const [run] = all.filter((span) => span.attributes['ml.batch.size'] === 3)
    const calls = all.filter((span) => span !== run)
    expect(calls).toHaveLength(3)
    expect(run!.parentSpanContext).toBe(undefined)
    expect(ids(run!).traceId).not.toBe(ids(calls[0]!).traceId)
    expect(links(run!)).toEqual(calls.map((span) => ids(span).spanId).sort())
    // The model is asked for the run; the records are those of the calls.
    expect(seen.map((headers) => headers?.traceparent)).toEqual([headersOf(run!.spanContext()).traceparent])
    expect(records.map((record) => record.trace?.spanId).sort()).toEqual(links(run!))
  })

  test('without a span of the run, its rows are of several traces, and the model is told of none', async () => {
    const { seen, model } = seer()
    const predict = pipe({ predictBatch: async (rows: readonly number[], call) => (await model(0, call as never), rows) }, microBatched({ maxSize: 8, maxDelayMs: 5 }), observed(plain))
    await Promise.all([1, 2].map((x) => predict(x)))
    await predict(3)
    expect(seen.map((headers) => headers?.traceparent)).toEqual([undefined, headersOf(spans.getFinishedSpans().at(-1)!.spanContext()).traceparent])
  })

  test('a call that was alone in its run, and a batch, are the parent of it', async () => {
    const predict = pipe(doubled, observed(plain), microBatched({ maxSize: 8 }), observed(plain))
    await predict(1)
    const [run, call] = spans.getFinishedSpans()
    expect([run!.parentSpanContext?.spanId, links(run!)]).toEqual([ids(call!).spanId, []])
    spans.reset()
    await predict.batch([1, 2, 3])
    const [rows, batch] = spans.getFinishedSpans()
    expect([rows!.parentSpanContext?.spanId, rows!.attributes['ml.batch.size'], links(rows!)]).toEqual([ids(batch!).spanId, 3, []])
  })

  test('what a cache fills has a link to the call that asked first', async () => {
    const predict = pipe((x: number) => x, observed(plain), cached(), observed(plain))
    await Promise.all([predict(1), predict(1)])
    const [fill, ...calls] = spans.getFinishedSpans()
    expect(fill!.parentSpanContext).toBe(undefined)
    expect(links(fill!)).toHaveLength(1)
    expect(calls.map((span) => ids(span).spanId)).toContain(links(fill!)[0])
    expect(calls.map((span) => span.attributes['ml.cache.status'])).toEqual(['miss', 'coalesced'])
  })

  test('the run of a shadow\'s candidate has a link to the call that it follows', async () => {
    const layered = shadow(pipe((x: number) => x, observed(plain)))
    const predict = pipe((x: number) => x, layered, observed(plain))
    await predict(1)
    await layered.idle()
    const [call, candidate] = spans.getFinishedSpans()
    expect([candidate!.parentSpanContext, links(candidate!)]).toEqual([undefined, [ids(call!).spanId]])
  })

  test('a run of very many rows has 128 links', async () => {
    const predict = pipe(doubled, observed(plain), microBatched({ maxSize: 300, maxDelayMs: 5 }), observed(plain))
    await Promise.all(Array.from({ length: 200 }, (_, x) => predict(x)))
    const widest = spans.getFinishedSpans().reduce((one, other) => (other.links.length > one.links.length ? other : one))
    expect([widest.attributes['ml.batch.size'], widest.links.length, widest.droppedLinksCount]).toEqual([200, 128, 0])
  })
})

describe('observed: stages, choices and conventions', () => {
  const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6

  test('a sampled call has children for the wait and for the model, where they were measured', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock }).delays(30, 1)
    const predict = pipe(predictor(model, { clock }), bulkhead({ concurrency: 1, queue: 5 }), observed({ tracer }))
    const answers = [predict(1), predict(2)]
    await clock.advance(30)
    await clock.advance(30)
    await Promise.all(answers)
    const [first, second] = named('predict model')
    const children = (span: ReadableSpan) => spans.getFinishedSpans().filter(({ parentSpanContext }) => parentSpanContext?.spanId === ids(span).spanId)
    expect(children(first!).map(({ name, duration }) => [name, Math.round(ms(duration))])).toEqual([['model', 30]])
    const [queue, run] = children(second!)
    expect([queue!.name, Math.round(ms(queue!.duration)), run!.name, Math.round(ms(run!.duration))]).toEqual(['queue', 30, 'model', 30])
    expect(Math.abs(ms(run!.startTime) - ms(queue!.endTime))).toBeLessThan(0.001)
  })

  test('children lie within their span on the machine\'s clock, and rows of one run have one', async () => {
    const predict = pipe({ predictBatch: async (rows: readonly number[]) => (await new Promise((resolve) => setImmediate(resolve)), rows) }, observed({ tracer }))
    await predict.batch([1, 2, 3])
    const [child, span, ...rest] = spans.getFinishedSpans()
    expect([child!.name, span!.name, rest]).toEqual(['model', 'predict model', []])
    // To a microsecond: milliseconds since 1970 have no more digits as a number.
    expect(ms(child!.startTime)).toBeGreaterThanOrEqual(ms(span!.startTime) - 0.001)
    expect(ms(child!.endTime)).toBeLessThanOrEqual(ms(span!.endTime) + 0.001)
  })

  test('children lie within their span though the process had to wait while it was made', async () => {
    const busy = { startSpan: (...given: Parameters<typeof tracer.startSpan>) => {
      const until = performance.now() + (given[0] === 'model' ? 0 : 5)
      while (performance.now() < until);
      return tracer.startSpan(...given)
    } } as typeof tracer
    await pipe(async (x: number) => x, observed({ tracer: busy }))(1)
    const [child, span] = spans.getFinishedSpans()
    expect(ms(child!.startTime)).toBeGreaterThanOrEqual(ms(span!.startTime) - 0.001)
    expect(ms(child!.endTime)).toBeLessThanOrEqual(ms(span!.endTime) + 0.001)
  })

  test('a wait before the span of a run is no child of it, only of the span of the call', async () => {
    const predict = pipe({ predictBatch: async (rows: readonly number[]) => rows }, observed({ tracer }), microBatched({ maxSize: 8, maxDelayMs: 5 }), observed({ tracer }))
    await Promise.all([predict(1), predict(2)])
    const [run] = named('predict model').filter((span) => span.attributes['ml.batch.size'] === 2)
    const parents = named('queue').map(({ parentSpanContext }) => parentSpanContext!.spanId)
    expect([parents.length, parents.includes(ids(run!).spanId)]).toEqual([2, false])
  })

  test('children that begin or end in the next second are told so', () => {
    const made: unknown[] = []
    const maker = { startSpan: (name: string, { startTime }: { startTime: unknown }) => ({ end: (endTime: unknown) => made.push([name, startTime, endTime]) }) }
    const call = { notes: { queueAt: 1000, queueMs: 0.5, modelAt: 1000.5, modelMs: 1500 } }
    tellStages(maker as never, { startTime: [7, 999_800_000] } as never, context.active(), [call] as never, 1000, { now: () => 3000 } as never)
    expect(made).toEqual([['queue', [7, 999_800_000], [8, 300_000]], ['model', [8, 300_000], [9, 500_300_000]]])
  })

  test('a time that is a sum of several runs has no child, as it would end after its call', async () => {
    const summed = layer<number, number>('summed', { one: async (next, input, call) => {
      const answer = await next(input, call)
      call.note().modelMs = 1e6
      return answer
    } })
    await pipe((x: number) => x, summed, observed({ tracer }))(1)
    expect(spans.getFinishedSpans().map(({ name }) => name)).toEqual(['predict model'])
  })

  test('a call that is not sampled has no children and costs no attributes; a hit has no model', async () => {
    const predict = pipe((x: number) => x, cached(), observed({ tracer: unsampled }))
    await predict(1)
    expect(spans.getFinishedSpans()).toEqual([])
    const sampled = pipe((x: number) => x, cached(), observed({ tracer }))
    await sampled(1)
    spans.reset()
    await sampled(1)
    expect(spans.getFinishedSpans().map(({ name, attributes }) => [name, attributes['ml.cache.status']])).toEqual([['predict model', 'hit']])
  })

  test('choices of routers are events feature_flag.evaluation, without the unit', async () => {
    const router = split({ name: 'delay-4', variants: { a: (_: number) => 1, b: (_: number) => 2 }, weights: { a: 0, b: 1 } })
    const predict = pipe(router, observed(plain))
    await predict(1, { key: 'canary-user' })
    await predict.batch([1, 2, 3], { keys: ['canary-1', 'canary-2', 'canary-3'] })
    const [one, many] = spans.getFinishedSpans().map(({ events }) => events.map(({ name, attributes }) => ({ name, ...attributes })))
    const choice = { name: 'feature_flag.evaluation', 'feature_flag.key': 'delay-4', 'feature_flag.result.variant': 'b', 'feature_flag.result.reason': 'split', 'feature_flag.provider.name': 'outrigger', 'feature_flag.version': '1' }
    expect([one, many]).toEqual([[choice], [{ ...choice, 'ml.batch.size': 3 }]])
    expect(JSON.stringify(spans.getFinishedSpans().map(({ attributes, events }) => [attributes, events]))).not.toContain('canary')
  })

  test('a unit outside of an experiment, and a forced one, have reasons of their own', async () => {
    const router = split({ name: 's', variants: { a: (_: number) => 1, b: (_: number) => 2 }, weights: { a: 0.5, b: 0.5 }, forced: (unit) => (unit === 'tester' ? 'b' : undefined) })
    await pipe(router, observed(plain))(1, { key: 'tester' })
    expect(spans.getFinishedSpans()[0]!.events[0]!.attributes).toMatchObject({ 'feature_flag.result.variant': 'b', 'feature_flag.result.reason': 'targeting_match' })
  })

  test('attempts, marks and the rung are on the span', async () => {
    const predict = pipe((_: number): number => { throw new Error('down') }, retry({ retries: 1, minDelayMs: 0 }), fallback({ use: () => 0, name: 'zero' }), observed(plain))
    await predict(1)
    expect(spans.getFinishedSpans()[0]!.attributes).toMatchObject({ 'ml.attempts': 3, 'ml.fallback.rung': 'zero', 'ml.source': 'fallback' })
  })

  test('the conventions of OpenInference and GenAI are there when asked for, without payloads', async () => {
    const model = predictor((prompt: string) => `canary-answer to ${prompt}`, { name: 'chat-model', version: '2026-01' })
    await pipe(model, observed({ ...plain, openInference: 'LLM', genAi: { operation: 'chat', provider: 'openai' } }))('canary-prompt')
    await pipe(model, observed({ ...plain, openInference: 'CHAIN' }))('canary-prompt')
    const [llm, chain] = spans.getFinishedSpans().map(({ attributes }) => attributes)
    expect(llm).toMatchObject({
      'openinference.span.kind': 'LLM', 'llm.model_name': 'chat-model', 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'chat-model', 'gen_ai.response.model': 'chat-model',
    })
    expect(Object.keys(chain!).filter((name) => /openinf|llm|gen_ai/.test(name))).toEqual(['openinference.span.kind'])
    expect(JSON.stringify([llm, chain])).not.toContain('canary')
    for (const bad of [{ openInference: 'llm' }, { genAi: { operation: 'chat' } }, { genAi: { operation: 'chat', provider: 'x', prompt: true } }]) expect(() => observed(bad as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('spanned', () => {
  test('spanned is a child by a name of one\'s own, and the parent of what is inside', async () => {
    const predict = pipe(async (x: number) => {
      tracer.startSpan('http').end()
      return x
    }, spanned('model', { tracer }), fallback(() => 0), spanned('rungs', { tracer }), observed(plain))
    await predict(1)
    await predict.batch([1])
    const all = spans.getFinishedSpans()
    const parentOf = (span: ReadableSpan): string | undefined => all.find((other) => ids(other).spanId === span.parentSpanContext?.spanId)?.name
    expect(all.map((span) => `${span.name} in ${parentOf(span)}`)).toEqual(Array.from({ length: 2 }, () => ['http in model', 'model in rungs', 'rungs in predict model', 'predict model in undefined']).flat())
  })

  test('spanned says which part failed, not with what', async () => {
    const predict = pipe((_: number): number => { throw new RangeError('canary') }, spanned('model', { tracer }), fallback(() => 0), observed(plain))
    await predict(1)
    await predict.batch([1])
    const parts = named('model')
    expect(parts.map(({ status }) => status)).toEqual([{ code: 2, message: 'RangeError' }, { code: 2, message: 'RangeError' }])
    expect(JSON.stringify(parts.map(({ attributes, events, status }) => [attributes, events, status]))).not.toContain('canary')
  })

  test('spanned ends when its call is given up, though what is inside never ends', async () => {
    const hung = predictor(() => new Promise<number>(() => {}))
    const once = pipe(hung, spanned('model', { tracer }), timeout({ ms: 5 }), observed(plain))
    await expect(once(1)).rejects.toThrow()
    await expect(once.batch([1, 2])).rejects.toThrow()
    const controller = new AbortController()
    const left = pipe(hung, spanned('model', { tracer }), observed(plain))(1, { signal: controller.signal })
    controller.abort()
    await expect(left).rejects.toThrow()
    expect(named('model')).toHaveLength(3)
  })

  test('spanned makes nothing where no span is recorded', async () => {
    await pipe((x: number) => x, spanned('model', { tracer }))(1)
    await pipe((x: number) => x, spanned('model', { tracer }), observed({ tracer: unsampled }))(1)
    expect(spans.getFinishedSpans()).toEqual([])
    expect(() => spanned('')).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
