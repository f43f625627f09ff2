/** What a span, and a metric, says of calls. All of it is bounded: no input, output, key, id, tag or message. */
import type { Attributes, Span } from '@opentelemetry/api'
import type { VariantChoice } from '../core/call-notes.js'
import type { Call } from '../core/call.js'
import { outcomeOf } from '../core/errors.js'
import type { ModelIdentity } from '../core/identity.js'
import { abortErrorOf, toError } from '../core/model.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'

/** What is seen of a call where `observed` stands. */
export interface Seen {
  /** Of spans and metrics. */
  readonly attributes: Attributes
  /** Of spans only. */
  readonly more: Attributes
}

/** A call, who served it, and how it ended. */
export interface Ended {
  readonly call: Call
  readonly identity: ModelIdentity
  readonly row: Row<unknown>
}

/** What the record of the call will say, as far as it is known here. */
export const seenOf = ({ call, identity: { name, version }, row: answer }: Ended): Seen => {
  const row = call.isAborted ? new RowFailure(abortErrorOf(call.abortReason)) : answer
  const { notes } = call
  const attributes: Attributes = { 'ml.model.name': name, 'ml.model.version': version }
  const variant = notes?.variants?.[0]
  if (variant !== undefined) attributes['ml.route.variant'] = variant.variant
  const more: Attributes = {}
  if (call.attempts !== 1) more['ml.attempts'] = call.attempts
  if (notes?.cache !== undefined) more['ml.cache.status'] = notes.cache.status
  if (notes?.marks !== undefined) more['ml.marks'] = [...notes.marks]
  if (isRowFailure(row)) {
    const error = toError(row.error) as Error & { readonly code?: unknown }
    attributes['ml.outcome'] = outcomeOf(error)
    attributes['error.type'] = typeof error.code === 'string' ? error.code : error.name
    return { attributes, more }
  }
  attributes['ml.outcome'] = 'ok'
  attributes['ml.source'] = call.source
  if (notes?.rung !== undefined) more['ml.fallback.rung'] = notes.rung.name
  return { attributes, more }
}

/** Whether `seenOf` says the same of both, where that can be told without asking it. */
export const looksSame = (one: Ended, other: Ended): boolean =>
  isPlain(one) &&
  isPlain(other) &&
  one.identity === other.identity &&
  one.call.source === other.call.source &&
  one.call.attempts === other.call.attempts &&
  one.call.notes?.variants?.[0]?.variant === other.call.notes?.variants?.[0]?.variant &&
  one.call.notes?.cache?.status === other.call.notes?.cache?.status &&
  one.call.notes?.rung?.name === other.call.notes?.rung?.name

const isPlain = ({ call, row }: Ended): boolean => !isRowFailure(row) && !call.isAborted && call.notes?.marks === undefined

const isSame = (one: unknown, other: unknown): boolean => one === other || (Array.isArray(one) && Array.isArray(other) && one.join('\n') === other.join('\n'))

const inCommon = (list: readonly Attributes[]): Attributes => {
  const common: Attributes = {}
  for (const [name, value] of Object.entries(list[0] as Attributes)) if (list.every((other) => isSame(other[name], value))) common[name] = value
  return common
}

/** What the rows of a batch have in common; if any failed, with the first failure for outcome. */
export const sharedBy = (kinds: readonly Seen[]): Seen => {
  const attributes = inCommon(kinds.map((kind) => kind.attributes))
  const failed = kinds.find((kind) => kind.attributes['ml.outcome'] !== 'ok')
  if (failed !== undefined) for (const name of ['ml.outcome', 'error.type']) attributes[name] = failed.attributes[name] as string
  return { attributes, more: inCommon(kinds.map((kind) => kind.more)) }
}

/** Our reasons in the words of OpenTelemetry's conventions for feature flags. */
const flagReasons: Readonly<Record<VariantChoice['reason'], string>> = { assigned: 'split', sticky: 'cached', forced: 'targeting_match', default: 'default', external: 'unknown' }

/**
 * Tells the choices of routers as events `feature_flag.evaluation`; of a batch, each kind of choice once, with its number of rows. The unit is left out: also hashed, it stands for a person.
 */
export const tellChoices = (span: Span, calls: readonly Call[], isBatch: boolean): void => {
  const choices = new Map<string, { readonly choice: VariantChoice; rows: number }>()
  for (const call of calls) {
    for (const choice of call.notes?.variants ?? []) {
      const key = `${choice.split}\n${choice.variant}\n${choice.reason}\n${choice.epoch}`
      const known = choices.get(key)
      if (known === undefined) choices.set(key, { choice, rows: 1 })
      else known.rows += 1
    }
  }
  for (const { choice: { split, variant, reason, epoch }, rows } of choices.values()) {
    span.addEvent('feature_flag.evaluation', {
      'feature_flag.key': split,
      'feature_flag.result.variant': variant,
      'feature_flag.result.reason': flagReasons[reason],
      'feature_flag.provider.name': 'outrigger',
      'feature_flag.version': String(epoch),
      ...(isBatch ? { 'ml.batch.size': rows } : {}),
    })
  }
}
