import { context, metrics, SpanStatusCode, trace, type Attributes, type Meter, type Span, type Tracer } from '@opentelemetry/api'
import type { Call } from '../core/call.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { optionsObject } from '../core/options.js'
import type { PredictionRecord } from '../core/record.js'

/** Options of {@link observed}. */
export interface ObservedOptions {
  /** @default the global tracer of the host, named 'outrigger' */
  readonly tracer?: Tracer
  /** @default the global meter of the host, named 'outrigger' */
  readonly meter?: Meter
}

/**
 * A span and metrics per call, through `@opentelemetry/api`.
 *
 * The span `predict <model>` is active while what is inside runs, so that spans of an HTTP client or a database become
 * its children; a batch has one span for the run. Metrics:
 *
 * - `ml.inference.duration`, a histogram in seconds: once per call, once per batch run
 * - `ml.inference.requests`, a counter: once per row
 * - `ml.batch.size`, a histogram in rows: once per batch run
 *
 * Attributes are bounded: `ml.model.name`, `ml.model.version`, `ml.outcome`, `ml.source`, `ml.route.variant`,
 * `error.type`. Inputs, outputs, keys and ids never enter them. Values come from the call's record, so that they agree
 * with everything else that is made of it. Put it outermost, where it sees what the caller sees.
 *
 * The host sets up the SDK; without one every call of the API does nothing.
 *
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { observed } from 'outrigger/observe'
 * const predict = pipe((x: number) => x + 1, observed())
 * assert.equal(await predict(1), 2)
 * ```
 */
export const observed = (options: ObservedOptions = {}): NeutralLayer => {
  optionsObject('observed', options, ['tracer', 'meter'])
  const { tracer = trace.getTracer('outrigger'), meter = metrics.getMeter('outrigger') } = options
  const duration = meter.createHistogram('ml.inference.duration', { unit: 's', description: 'Time from the entry of a call, or of a batch run, to its answer.' })
  const requests = meter.createCounter('ml.inference.requests', { unit: '{request}', description: 'Rows that were asked for.' })
  const batchSize = meter.createHistogram('ml.batch.size', { unit: '{item}', description: 'Rows of a batch run.' })

  return (inner) =>
    applyLayer(inner, 'observed', ({ served }) => {
      const start = (call: Call, rows: number | undefined): Span => {
        const { name, version } = served(call)
        return tracer.startSpan(`predict ${name}`, { attributes: { 'ml.model.name': name, 'ml.model.version': version, ...(rows === undefined ? {} : { 'ml.batch.size': rows }) } })
      }
      const watch = (call: Call, watcher: (record: PredictionRecord) => void): void => void (call.note().watchers ??= []).push(watcher)

      return {
        trusted: true,
        needsRecord: true,
        describe: () => 'observed (OpenTelemetry)',
        one: async (next, input, call) => {
          const span = start(call, undefined)
          const end = endOnce(span)
          watch(call, (record) => {
            const attributes = attributesOf(record)
            duration.record(record.durations.totalMs / 1000, attributes)
            requests.add(1, attributes)
            end(record)
          })
          try {
            return await context.with(trace.setSpan(context.active(), span), next, undefined, input, call)
          } finally {
            // A call that was given up has no record of its own; its span ends with the work.
            if (call.isAborted) end(undefined)
          }
        },
        many: async (next, inputs, batch) => {
          if (inputs.length === 0) return []
          const span = start(batch.rows[0] as Call, inputs.length)
          const end = endOnce(span)
          const groups = new Map<string, { readonly attributes: Attributes; rows: number }>()
          let open = inputs.length
          const watcher = (record: PredictionRecord): void => {
            const attributes = attributesOf(record)
            const key = Object.values(attributes).join('\n')
            const group = groups.get(key)
            if (group === undefined) groups.set(key, { attributes, rows: 1 })
            else group.rows += 1
            open -= 1
            if (open > 0) return
            for (const { attributes: shared, rows } of groups.values()) requests.add(rows, shared)
            duration.record(record.durations.totalMs / 1000, attributes)
            batchSize.record(inputs.length, { 'ml.model.name': record.identity.name, 'ml.model.version': record.identity.version })
            end(record)
          }
          for (const call of batch.rows) watch(call, watcher)
          try {
            return await context.with(trace.setSpan(context.active(), span), next, undefined, inputs, batch)
          } finally {
            if (batch.isAborted) end(undefined)
          }
        },
      }
    })
}

const attributesOf = (record: PredictionRecord): Attributes => {
  const attributes: Attributes = { 'ml.model.name': record.identity.name, 'ml.model.version': record.identity.version, 'ml.outcome': record.outcome }
  if (record.source !== undefined) attributes['ml.source'] = record.source
  const variant = record.variants[0]
  if (variant !== undefined) attributes['ml.route.variant'] = variant.variant
  if (record.error !== undefined) attributes['error.type'] = record.error.code ?? record.error.name
  return attributes
}

const endOnce = (span: Span): ((record: PredictionRecord | undefined) => void) => {
  let isOver = false
  return (record) => {
    if (isOver) return
    isOver = true
    if (record === undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: 'aborted' })
    else {
      span.setAttributes(attributesOf(record))
      if (record.rung !== undefined) span.setAttribute('ml.fallback.rung', record.rung.name)
      if (record.outcome !== 'ok') span.setStatus({ code: SpanStatusCode.ERROR, message: record.error?.code ?? record.error?.name ?? record.outcome })
    }
    span.end()
  }
}
