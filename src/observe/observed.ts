import type { Attributes, Meter, Span, Tracer } from '@opentelemetry/api'
import type { BatchCall, Call } from '../core/call.js'
import { outcomeOf } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { abortErrorOf, toError } from '../core/model.js'
import { optionsObject } from '../core/options.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { openTelemetry } from './_open-telemetry.js'

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
 * `error.type`. Inputs, outputs, keys and ids never enter them. Those that the rows of a batch do not share are left
 * out of its span and duration; if any row failed, the first failure is the outcome of both.
 *
 * It tells what it sees where it stands. Outermost it sees what the caller sees, and agrees with the records; inside of
 * `retry` it tells of each attempt, inside of `cached` of what was not in the cache, in a shadow's candidate of its
 * runs. A call that is given up is told at once, even if the work goes on.
 *
 * The host sets up the SDK; without one every call of the API does nothing.
 *
 * @throws `ERR_OUTRIGGER_PEER_MISSING` without `@opentelemetry/api`
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
  const { context, metrics, SpanStatusCode, trace } = openTelemetry()
  const { tracer = trace.getTracer('outrigger'), meter = metrics.getMeter('outrigger') } = options
  const duration = meter.createHistogram('ml.inference.duration', { unit: 's', description: 'Time from the entry of a call, or of a batch run, to its answer.' })
  const requests = meter.createCounter('ml.inference.requests', { unit: '{request}', description: 'Rows that were asked for.' })
  const batchSize = meter.createHistogram('ml.batch.size', { unit: '{item}', description: 'Rows of a batch run.' })

  return (inner) =>
    applyLayer(inner, 'observed', ({ clock, served }) => {
      const start = (call: Call, rows: number | undefined): Span => {
        const { name, version } = served(call)
        return tracer.startSpan(`predict ${name}`, { attributes: { 'ml.model.name': name, 'ml.model.version': version, ...(rows === undefined ? {} : { 'ml.batch.size': rows }) } })
      }

      /** What the record of the call will say, as far as it is known here. */
      const seen = (call: Call, answer: Row<unknown>): Seen => {
        const row = call.isAborted ? new RowFailure(abortErrorOf(call.abortReason)) : answer
        const identity = call.notes?.identity ?? served(call)
        const attributes: Attributes = { 'ml.model.name': identity.name, 'ml.model.version': identity.version }
        const variant = call.notes?.variants?.[0]
        if (variant !== undefined) attributes['ml.route.variant'] = variant.variant
        if (isRowFailure(row)) {
          const error = toError(row.error) as Error & { readonly code?: unknown }
          attributes['ml.outcome'] = outcomeOf(error)
          attributes['error.type'] = typeof error.code === 'string' ? error.code : error.name
          return { attributes, rung: undefined }
        }
        attributes['ml.outcome'] = 'ok'
        attributes['ml.source'] = call.source
        return { attributes, rung: call.notes?.rung?.name }
      }

      const tell = (span: Span, startedAt: number, { attributes, rung }: Seen): void => {
        duration.record((clock.now() - startedAt) / 1000, attributes)
        span.setAttributes(attributes)
        if (rung !== undefined) span.setAttribute('ml.fallback.rung', rung)
        if (attributes['ml.outcome'] !== 'ok') span.setStatus({ code: SpanStatusCode.ERROR, message: String(attributes['error.type']) })
        span.end()
      }

      const tellBatch = (span: Span, startedAt: number, batch: BatchCall, rows: readonly Row<unknown>[]): void => {
        const groups = new Map<string, Seen & { rows: number }>()
        batch.rows.forEach((call, index) => {
          const { attributes, rung } = seen(call, rows[index])
          const key = [...Object.values(attributes), rung].join('\n')
          const group = groups.get(key)
          if (group === undefined) groups.set(key, { attributes, rung, rows: 1 })
          else group.rows += 1
        })
        const kinds = [...groups.values()]
        for (const kind of kinds) requests.add(kind.rows, kind.attributes)
        const shared = sharedBy(kinds)
        const { 'ml.model.name': name, 'ml.model.version': version } = shared.attributes
        batchSize.record(batch.size, { ...(name === undefined ? {} : { 'ml.model.name': name }), ...(version === undefined ? {} : { 'ml.model.version': version }) })
        tell(span, startedAt, shared)
      }

      return {
        trusted: true,
        // Routers note their choices, and models their time, on calls that will have a record.
        needsRecord: true,
        describe: () => 'observed (OpenTelemetry)',
        one: async (next, input, call) => {
          const startedAt = clock.now()
          const span = start(call, undefined)
          let isOver = false
          const end = (row: Row<unknown>): void => {
            if (isOver) return
            isOver = true
            const what = seen(call, row)
            requests.add(1, what.attributes)
            tell(span, startedAt, what)
          }
          const stop = call.onAbort(() => end(undefined))
          try {
            const output = await context.with(trace.setSpan(context.active(), span), next, undefined, input, call)
            end(output)
            return output
          } catch (thrown) {
            end(new RowFailure(thrown))
            throw thrown
          } finally {
            stop()
          }
        },
        many: async (next, inputs, batch) => {
          if (inputs.length === 0) return []
          const startedAt = clock.now()
          const span = start(batch.rows[0] as Call, inputs.length)
          let isOver = false
          const end = (rows: readonly Row<unknown>[]): void => {
            if (isOver) return
            isOver = true
            tellBatch(span, startedAt, batch, rows)
          }
          let open = inputs.length
          const stops = batch.rows.map((call) =>
            call.onAbort(() => {
              open -= 1
              if (open === 0) end([])
            }),
          )
          try {
            const rows = await context.with(trace.setSpan(context.active(), span), next, undefined, inputs, batch)
            end(rows)
            return rows
          } catch (thrown) {
            end(failRows(inputs.length, thrown))
            throw thrown
          } finally {
            for (const stop of stops) stop()
          }
        },
      }
    })
}

interface Seen {
  readonly attributes: Attributes
  /** The rung of a fallback that answered. On spans only. */
  readonly rung: string | undefined
}

/** What the rows of a batch have in common; if any failed, with the first failure for outcome. */
const sharedBy = (kinds: readonly Seen[]): Seen => {
  const first = kinds[0] as Seen
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(first.attributes)) if (kinds.every((kind) => kind.attributes[name] === value)) attributes[name] = value
  const failed = kinds.find((kind) => kind.attributes['ml.outcome'] !== 'ok')
  if (failed !== undefined) for (const name of ['ml.outcome', 'error.type']) attributes[name] = failed.attributes[name] as string
  return { attributes, rung: kinds.every((kind) => kind.rung === first.rung) ? first.rung : undefined }
}
