/** What a line of a log says of an event. Pure, and an allow-list: numbers, fixed words, names and ids; masked values only where they are asked for. */
import { ownMessages, ownReasons } from '../capture/own-reasons.js'
import type { NoticeEvent, StateEvent } from '../core/events.js'
import type { ModelIdentity } from '../core/identity.js'
import type { PredictionRecord } from '../core/record.js'

/** A line. */
export interface LogLine {
  readonly level: 'info' | 'warn'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** Where a change leads that somebody should look at. */
const bad = new Set('open isolated refusing disagreeing shedding dirty stuck collapsed drifted quarantined crashed lost broken stopped rolled-back'.split(' '))

const numbersOf = (data: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> | undefined => {
  const kept = Object.entries(data ?? {}).filter(([, value]) => typeof value === 'number' || typeof value === 'boolean')
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

/** Without what is not there. */
const present = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const errorOf = (error: unknown): { readonly name: string; readonly code: string | undefined } | undefined => {
  if (error === undefined) return undefined
  const { name, code } = Object(error) as { readonly name?: unknown; readonly code?: unknown }
  return { name: error instanceof Error && typeof name === 'string' ? name : typeof error, code: typeof code === 'string' ? code : undefined }
}

/** Of a state change. */
export const stateLine = (event: StateEvent, model: ModelIdentity, texts: ReadonlySet<string>): LogLine => {
  const { layer, subject, from, to, reason, at, data } = event
  const fields = { event: 'state', model, layer, subject, from, to, reason: ownReasons.has(layer) || texts.has(layer) ? reason : undefined, data: numbersOf(data), at }
  return { level: bad.has(to) ? 'warn' : 'info', fields: present(fields), message: `${layer} ${subject}: ${from} → ${to}` }
}

/** Of a notice. Its error by name and code, as its message may repeat an input. */
export const noticeLine = (event: NoticeEvent, model: ModelIdentity, texts: ReadonlySet<string>): LogLine => {
  const { layer, message, error, at, data } = event
  const isOwn = ownMessages.has(layer) || texts.has(layer)
  return { level: 'warn', fields: present({ event: 'notice', model, layer, error: errorOf(error), data: numbersOf(data), at }), message: isOwn ? `${layer}: ${message}` : `${layer}: a notice whose text is left out` }
}

/** Of a prediction. */
export const predictionLine = (record: PredictionRecord, withFields: boolean): LogLine => {
  const { id, at, identity, trace, outcome, source, error, attempts, rung, marks, cache, variants, durations, batch, tags, input, output } = record
  const fields = {
    event: 'prediction', prediction: id, trace_id: trace?.traceId, span_id: trace?.spanId, model: identity, outcome, source, error, attempts, rung: rung?.name,
    marks: marks.length === 0 ? undefined : marks, cache: cache?.status, variants: variants.length === 0 ? undefined : variants.map(({ split, variant }) => `${split}: ${variant}`),
    durations: present(durations as never), batch: batch?.id, tags, ...(withFields ? { input, output } : {}), at,
  }
  return { level: outcome === 'ok' ? 'info' : 'warn', fields: present(fields), message: `prediction ${outcome}${error === undefined ? '' : ` (${error.code ?? error.name})`}` }
}
