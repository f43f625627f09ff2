/** Children of a call's span, made when it has ended, of what was timed on the way: the wait, and the model. */
import type { Context, HrTime, Span, TimeInput, Tracer } from '@opentelemetry/api'
import type { Call } from '../core/call.js'
import { systemClock, type Clock } from '../core/clock.js'

/** Times as a tracer takes them, for times of the runtime's clock. */
const timesOf = (span: Span, startedAt: number, now: number): ((at: number) => TimeInput) => {
  // A span of an SDK begins at a whole millisecond of the wall clock: its children are placed by it, or they would stick out by up to one.
  const { startTime } = span as Span & { readonly startTime?: HrTime }
  if (!Array.isArray(startTime)) return (at) => at + systemClock.now() - now // What `performance.now()` would have said.
  const [seconds, nanos] = startTime as HrTime
  return (at) => {
    const sum = nanos + Math.round((at - startedAt) * 1e6)
    return [seconds + Math.floor(sum / 1e9), sum % 1e9]
  }
}

/**
 * Makes a span for the wait and one for the last run of the model, each where it was measured. One that does not lie within the call's span is left out: its time
 * is a sum of several, or it was before.
 *
 * @param calls - those with the same stretch (rows of one run) have one span
 * @param startedAt - when the span began, on the runtime's clock
 */
export const tellStages = (tracer: Tracer, span: Span, inside: Context, calls: readonly Call[], startedAt: number, clock: Clock): void => {
  const now = clock.now()
  const timeOf = timesOf(span, startedAt, now)
  const told = new Set<string>()
  const stage = (name: string, at: number | undefined, ms: number | undefined): void => {
    if (at === undefined || ms === undefined || at < startedAt || at + ms > now) return
    const key = `${name} ${at} ${ms}`
    if (told.has(key) || told.size >= 100) return
    told.add(key)
    tracer.startSpan(name, { startTime: timeOf(at) }, inside).end(timeOf(at + ms))
  }
  for (const { notes } of calls) {
    if (notes === undefined) continue
    stage('queue', notes.queueAt, notes.queueMs)
    stage('model', notes.modelAt, notes.modelMs)
  }
}
