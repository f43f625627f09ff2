/** Between OpenTelemetry's span contexts and what travels with a call: headers of W3C Trace Context (https://www.w3.org/TR/trace-context-1/). */
import type { Context, Link, Span, SpanContext } from '@opentelemetry/api'
import type { TraceContext } from '../core/call-notes.js'
import type { Call } from '../core/call.js'
import { openTelemetry } from './_open-telemetry.js'

/** What an SDK keeps by default. */
const maxLinks = 128

/** A span as headers. */
export const headersOf = ({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext => {
  const tracestate = traceState?.serialize()
  return { traceparent: `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`, ...(tracestate === undefined || tracestate === '' ? {} : { tracestate }) }
}

/** Headers as the context of a span that may be elsewhere; `undefined` of what is none. */
export const spanContextOf = ({ traceparent, tracestate }: TraceContext): SpanContext | undefined => {
  const parts = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(traceparent)
  if (parts === null) return undefined
  const { createTraceState, isSpanContextValid } = openTelemetry()
  const [, traceId, spanId, flags] = parts as unknown as [string, string, string, string]
  const found: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true, ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }) }
  return isSpanContextValid(found) ? found : undefined
}

/** Where a span of calls belongs: whose child it is, and with whom else it has to do. */
export interface SpanPlace {
  readonly parent: Context
  readonly links: Link[]
}

/**
 * The place of a span for these calls.
 *
 * The active span is its parent. Shared work runs outside of its callers' contexts: there the span that all calls have in common is, and if they have none in common, it
 * begins a trace of its own with a link to each caller's span, 128 at most.
 */
export const placeOf = (calls: readonly Call[]): SpanPlace => {
  const { context, trace } = openTelemetry()
  const active = context.active()
  if (calls.length === 1 && calls[0]?.traceContext === undefined && calls[0]?.notes?.follows === undefined) return { parent: active, links: [] }
  const own = trace.getSpanContext(active)
  const spans = new Map<string, TraceContext>()
  let shared = calls[0]?.traceContext
  for (const call of calls) {
    const { traceContext } = call
    if (traceContext !== shared) shared = undefined
    const caller = traceContext ?? call.notes?.follows
    if (caller !== undefined && spans.size < maxLinks) spans.set(caller.traceparent, caller)
  }
  const parent = own ?? (shared === undefined ? undefined : spanContextOf(shared))
  const links: Link[] = []
  for (const caller of spans.values()) {
    const found = spanContextOf(caller)
    if (found !== undefined && found.spanId !== parent?.spanId) links.push({ context: found })
  }
  return { parent: own !== undefined || parent === undefined ? active : trace.setSpanContext(active, parent), links }
}

/**
 * Notes a span on its calls, so that their requests know it while it is open, and their records after. Does nothing without an SDK.
 *
 * @returns what is called when it has ended: what comes later, such as another attempt, is no part of it
 */
export const noteSpan = (span: Span, calls: readonly Call[]): (() => void) => {
  const found = span.spanContext()
  if (!openTelemetry().isSpanContextValid(found)) return () => {}
  const { traceId, spanId } = found
  const noted = Object.freeze({ traceId, spanId })
  const headers = headersOf(found)
  const before = calls.map((call) => call.notes?.traceContext)
  for (const call of calls) {
    const notes = call.note()
    notes.trace = noted
    notes.traceContext = headers
  }
  return () =>
    calls.forEach((call, index) => {
      const notes = call.note()
      // What answered may have had a span of its own, inside: the record has the outermost.
      notes.trace = noted
      if (before[index] === undefined) delete notes.traceContext
      else notes.traceContext = before[index]
    })
}
