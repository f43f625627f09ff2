/** An engine of rows as a service has it in a worker: a stack with spans, and an SDK of its own. Its answer tells the spans that ended before. */
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { context } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { pipe, retry } from 'outrigger'
import type { Engine } from 'outrigger/models'
import { observed } from 'outrigger/observe'

/** A span, as far as the test wants to know it. */
export interface ToldSpan {
  readonly name: string
  readonly traceId: string
  readonly parentId: string | undefined
}

export const engine: Engine<'step' | 'tell', readonly ToldSpan[]> = {
  name: 'traced',
  load: async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const spans = new InMemorySpanExporter()
    const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('inside')
    const told = (): ToldSpan[] => spans.getFinishedSpans().map((span) => ({ name: span.name, traceId: span.spanContext().traceId, parentId: span.parentSpanContext?.spanId }))
    return pipe(async (what: 'step' | 'tell') => (what === 'tell' ? told() : []), retry({ retries: 1 }), observed({ tracer, stages: false }))
  },
}
