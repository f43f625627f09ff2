import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { optionsObject, stringOption } from '../core/options.js'
import { isRowFailure } from '../core/rows.js'
import type { ObservedOptions } from './observed.js'
import { openTelemetry } from './_open-telemetry.js'

/**
 * A child span, by a name of yours, for a part of the stack: `spanned('features')` around what reads features, `spanned('model')` around the model.
 *
 * It is made only while a span is active that is recorded: of calls that are not sampled, and of a stack without {@link observed}, it makes none. What is inside runs in it, so
 * that spans of an HTTP client are its children. A failure marks it, by the name of the error only.
 *
 * @throws `ERR_OUTRIGGER_PEER_MISSING` without `@opentelemetry/api`; `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { fallback, pipe } from 'outrigger'
 * import { observed, spanned } from 'outrigger/observe'
 * const predict = pipe((x: number) => x + 1, spanned('model'), fallback(() => 0), observed())
 * assert.equal(await predict(1), 2)
 * ```
 */
export const spanned = (name: string, options: Pick<ObservedOptions, 'tracer'> = {}): NeutralLayer => {
  stringOption('spanned', 'name', name)
  optionsObject('spanned', options, ['tracer'])
  const { context, SpanStatusCode, trace } = openTelemetry()
  const { tracer = trace.getTracer('outrigger') } = options
  const inSpan = async <T>(work: () => Promise<T>, failure: (answer: T) => unknown, onAbort: (end: () => void) => () => void): Promise<T> => {
    const active = context.active()
    if (trace.getSpan(active)?.isRecording() !== true) return await work()
    const span = tracer.startSpan(name, {}, active)
    // What is given up may never end.
    const leave = onAbort(() => span.end())
    const failed = (error: unknown): void => void span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : typeof error })
    try {
      const answer = await context.with(trace.setSpan(active, span), work)
      const error = failure(answer)
      if (error !== undefined) failed(error)
      return answer
    } catch (thrown) {
      failed(thrown)
      throw thrown
    } finally {
      leave()
      if (span.isRecording()) span.end()
    }
  }
  return (inner) =>
    applyLayer(inner, 'spanned', () => ({
      trusted: true,
      describe: () => `spanned (${name})`,
      one: (next, input, call) => inSpan(() => next(input, call), () => undefined, (end) => call.onAbort(end)),
      many: (next, inputs, batch) =>
        inSpan(() => next(inputs, batch), (rows) => rows.find(isRowFailure)?.error, (end) => {
          let open = batch.rows.length
          const stops = batch.rows.map((call) => call.onAbort(() => void ((open -= 1) === 0 && end())))
          return () => stops.forEach((stop) => stop())
        }),
    }))
}
