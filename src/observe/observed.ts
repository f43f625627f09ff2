import type { Attributes, Context, Meter, Span, Tracer } from '@opentelemetry/api'
import type { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { optionsObject, stringOption } from '../core/options.js'
import { failRows, RowFailure, type Row } from '../core/rows.js'
import { openTelemetry } from './_open-telemetry.js'
import { looksSame, seenOf, sharedBy, tellChoices, type Ended, type Seen } from './_span-attributes.js'
import { tellStages } from './_stage-spans.js'
import { noteSpan, placeOf } from './_trace-context.js'

/** Options of {@link observed}. */
export interface ObservedOptions {
  /** @default the global tracer of the host, named 'outrigger' */
  readonly tracer?: Tracer
  /** @default the global meter of the host, named 'outrigger' */
  readonly meter?: Meter
  /** Whether a sampled span has children for the wait (`queue`) and the last run of the model (`model`). @default true */
  readonly stages?: boolean
  /** Adds the attributes by which tools of OpenInference know what a span is, and the model's name as they want it. No payloads. @default none */
  readonly openInference?: 'LLM' | 'EMBEDDING' | 'RERANKER' | 'CHAIN' | 'TOOL' | 'AGENT' | 'RETRIEVER' | 'GUARDRAIL' | 'EVALUATOR'
  /** Adds the `gen_ai.*` attributes of a model that generates: `{ operation: 'chat', provider: 'openai' }`. No payloads. @default none */
  readonly genAi?: { readonly operation: string; readonly provider: string }
}

const owner = 'observed'
const kinds = ['LLM', 'EMBEDDING', 'RERANKER', 'CHAIN', 'TOOL', 'AGENT', 'RETRIEVER', 'GUARDRAIL', 'EVALUATOR']

/** The attributes that other conventions ask for. */
const conventions = ({ openInference, genAi }: ObservedOptions): ((model: string) => Attributes) => {
  if (openInference !== undefined && !kinds.includes(openInference)) throw new InvalidOptionError(`Cannot create ${owner} as \`openInference\` must be one of ${kinds.join(', ')}: current value is ${String(openInference)}`)
  if (genAi !== undefined) {
    optionsObject('`genAi` of observed', genAi, ['operation', 'provider'])
    stringOption(owner, 'genAi.operation', genAi.operation)
    stringOption(owner, 'genAi.provider', genAi.provider)
  }
  const nameOf = { LLM: 'llm.model_name', EMBEDDING: 'embedding.model_name', RERANKER: 'reranker.model_name' }[openInference as string]
  return (model) => ({
    ...(openInference === undefined ? {} : { 'openinference.span.kind': openInference }),
    ...(nameOf === undefined ? {} : { [nameOf]: model }),
    ...(genAi === undefined ? {} : { 'gen_ai.operation.name': genAi.operation, 'gen_ai.provider.name': genAi.provider, 'gen_ai.request.model': model }),
  })
}

const textOf = (attributes: Attributes): string => {
  let text = ''
  for (const name in attributes) text += `${name}\n${String(attributes[name])}\n`
  return text
}

/**
 * A span and metrics per call, through `@opentelemetry/api`.
 *
 * The span `predict <model>` is active while what is inside runs, so that spans of an HTTP client or a database become
 * its children; a batch has one span for the run. A call's record has its ids, and a model sees it as `call.traceContext`, also in a worker or process of its own.
 * Shared work (a run of `microBatched`, a renewal of `cached`, a shadow) has a trace of its own, with a link to the span of each caller. Metrics:
 *
 * - `ml.inference.duration`, a histogram in seconds: once per call, once per batch run
 * - `ml.inference.requests`, a counter: once per row
 * - `ml.batch.size`, a histogram in rows: once per batch run
 *
 * Attributes are bounded. Inputs, outputs, keys and ids never enter them. Those that the rows of a batch do not share are left
 * out of its span and duration; if any row failed, the first failure is the outcome of both.
 *
 * It tells what it sees where it stands. Outermost it sees what the caller sees, and agrees with the records; inside of
 * `retry` it tells of each attempt, inside of `cached` of what was not in the cache, in a shadow's candidate of its
 * runs. A call that is given up is told at once, even if the work goes on.
 *
 * The host sets up the SDK; without one every call of the API does nothing.
 *
 * @throws `ERR_OUTRIGGER_PEER_MISSING` without `@opentelemetry/api`; `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { observed } from 'outrigger/observe'
 * const predict = pipe((x: number) => x + 1, observed())
 * assert.equal(await predict(1), 2)
 * ```
 */
export const observed = (options: ObservedOptions = {}): NeutralLayer => {
  optionsObject(owner, options, ['tracer', 'meter', 'stages', 'openInference', 'genAi'])
  const asked = conventions(options)
  const { context, metrics, SpanStatusCode, trace } = openTelemetry()
  const { tracer = trace.getTracer('outrigger'), meter = metrics.getMeter('outrigger'), stages = true } = options
  const duration = meter.createHistogram('ml.inference.duration', { unit: 's', description: 'Time from the entry of a call, or of a batch run, to its answer.' })
  const requests = meter.createCounter('ml.inference.requests', { unit: '{request}', description: 'Rows that were asked for.' })
  const batchSize = meter.createHistogram('ml.batch.size', { unit: '{item}', description: 'Rows of a batch run.' })

  return (inner) =>
    applyLayer(inner, owner, ({ clock, served }) => {
      /** Begins the span of calls; gives what ends it, once, and the context in which their work runs. */
      const begin = (calls: readonly Call[], isBatch: boolean): { readonly inside: Context; readonly end: (rows: readonly Row<unknown>[]) => void } => {
        const startedAt = clock.now()
        const { name, version } = served(calls[0] as Call)
        const { parent, links } = placeOf(calls)
        const span = tracer.startSpan(`predict ${name}`, { attributes: { 'ml.model.name': name, 'ml.model.version': version, ...(isBatch ? { 'ml.batch.size': calls.length } : {}), ...asked(name) }, links }, parent)
        // Read again: between the first reading and the span's own the process may have had to wait, and its children would stick out by that.
        const spanAt = stages && span.isRecording() ? clock.now() : startedAt
        const noteEnd = noteSpan(span, calls)
        const inside = trace.setSpan(parent, span)
        let isOver = false
        const end = (rows: readonly Row<unknown>[]): void => {
          if (isOver) return
          isOver = true
          noteEnd()
          const { attributes, more } = isBatch ? countRows(calls, rows) : countOne(calls[0] as Call, rows[0])
          duration.record((clock.now() - startedAt) / 1000, attributes)
          if (span.isRecording()) {
            tellSpan(span, calls, isBatch, { attributes, more })
            if (stages) tellStages(tracer, span, inside, calls, spanAt, clock)
          }
          span.end()
        }
        return { inside, end }
      }

      const tellSpan = (span: Span, calls: readonly Call[], isBatch: boolean, { attributes, more }: Seen): void => {
        span.setAttributes(attributes).setAttributes(more)
        if (options.genAi !== undefined && attributes['ml.model.name'] !== undefined) span.setAttribute('gen_ai.response.model', attributes['ml.model.name'])
        if (attributes['ml.outcome'] !== 'ok') span.setStatus({ code: SpanStatusCode.ERROR, message: String(attributes['error.type']) })
        tellChoices(span, calls, isBatch)
      }

      const ended = (call: Call, row: Row<unknown>): Ended => ({ call, row, identity: call.notes?.identity ?? served(call) })

      const countOne = (call: Call, row: Row<unknown>): Seen => {
        const seen = seenOf(ended(call, row))
        requests.add(1, seen.attributes)
        return seen
      }

      const countRows = (calls: readonly Call[], rows: readonly Row<unknown>[]): Seen => {
        const groups = new Map<string, Seen & { rows: number }>()
        let before: Ended | undefined
        let group: (Seen & { rows: number }) | undefined
        calls.forEach((call, index) => {
          const row = ended(call, rows[index])
          // Rows of a run are mostly alike.
          if (before === undefined || !looksSame(before, row)) {
            const seen = seenOf(row)
            const key = textOf(seen.attributes) + textOf(seen.more)
            group = groups.get(key) ?? { ...seen, rows: 0 }
            groups.set(key, group)
          }
          ;(group as { rows: number }).rows += 1
          before = row
        })
        const seen = [...groups.values()]
        for (const { rows: count, attributes } of seen) requests.add(count, attributes)
        const shared = sharedBy(seen)
        const { 'ml.model.name': name, 'ml.model.version': version } = shared.attributes
        batchSize.record(calls.length, { ...(name === undefined ? {} : { 'ml.model.name': name }), ...(version === undefined ? {} : { 'ml.model.version': version }) })
        return shared
      }

      return {
        trusted: true,
        // Routers note their choices, and models their time, on calls that will have a record.
        needsRecord: true,
        describe: () => 'observed (OpenTelemetry)',
        one: async (next, input, call) => {
          const { inside, end } = begin([call], false)
          const stop = call.onAbort(() => end([undefined]))
          try {
            const output = await context.with(inside, next, undefined, input, call)
            end([output])
            return output
          } catch (thrown) {
            end([new RowFailure(thrown)])
            throw thrown
          } finally {
            stop()
          }
        },
        many: async (next, inputs, batch) => {
          if (inputs.length === 0) return []
          const { inside, end } = begin(batch.rows, true)
          let open = inputs.length
          const stops = batch.rows.map((call) =>
            call.onAbort(() => {
              open -= 1
              if (open === 0) end([])
            }),
          )
          try {
            const rows = await context.with(inside, next, undefined, inputs, batch)
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
