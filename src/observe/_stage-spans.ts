/** Children of a call's span, made when it has ended, of what was timed on the way: the wait, and the model. */
import type { Context, Tracer } from '@opentelemetry/api'
import type { Call } from '../core/call.js'
import { systemClock, type Clock } from '../core/clock.js'

/**
 * Makes a span for the wait and one for the last run of the model, each where it was measured. One that would end after now is left out: its time is a sum of several.
 *
 * @param calls - those with the same stretch (rows of one run) have one span
 */
export const tellStages = (tracer: Tracer, parent: Context, calls: readonly Call[], clock: Clock): void => {
  const now = clock.now()
  // OpenTelemetry reads a number as what `performance.now()` gave, which a clock of a test does not give.
  const offset = systemClock.now() - now
  const told = new Set<string>()
  const stage = (name: string, at: number | undefined, ms: number | undefined): void => {
    if (at === undefined || ms === undefined || at + ms > now) return
    const key = `${name} ${at} ${ms}`
    if (told.has(key) || told.size >= 100) return
    told.add(key)
    tracer.startSpan(name, { startTime: at + offset }, parent).end(at + ms + offset)
  }
  for (const { notes } of calls) {
    if (notes === undefined) continue
    stage('queue', notes.queueAt, notes.queueMs)
    stage('model', notes.modelAt, notes.modelMs)
  }
}
