/** A prediction as names and values. */
import type { StoredLabel, StoredOverride, StoredPrediction } from '../capture/stored-record.js'
import { showIdentity } from '../core/identity.js'
import type { Masked } from '../core/masking.js'
import { shownNumber, shownTime, shownValue } from '../debug/shown.js'

type Pairs = [name: string, value: string][]

const values = (head: string, fields: Masked | undefined): Pairs => Object.entries(fields ?? {}).map(([name, value]) => [`${head}.${name}`, shownValue(value, 2000)])

/** Everything that is known of a prediction, in an order to read it in. */
export const recordPairs = (record: StoredPrediction): Pairs => {
  const { durations, batch, cache, error, rung, members, variants, checkpoints, marks, links, tags } = record
  const pairs: Pairs = [
    ['id', record.id],
    ['at', shownTime(record.at)],
    ['model', showIdentity(record.identity)],
  ]
  const add = (name: string, value: string | undefined): void => void (value !== undefined && value !== '' && pairs.push([name, value]))
  add('digest', record.identity.digest)
  add('outcome', error === undefined ? record.outcome : `${record.outcome}: ${error.code ?? error.name}`)
  add('source', record.source)
  add('rung', rung === undefined ? undefined : `${rung.index} ${rung.name}`)
  add('members', members === undefined ? undefined : `${members.answered} of ${members.of}${members.missing.length === 0 ? '' : `, missing ${members.missing.map(({ name }) => name).join(', ')}`}`)
  for (const { split, variant, reason, propensity, epoch } of variants) add(`variant.${split}`, `${variant} (${reason}, probability ${shownNumber(propensity)}, epoch ${epoch})`)
  add('cache', cache === undefined ? undefined : `${cache.status}${cache.ageMs === undefined ? '' : `, ${Math.round(cache.ageMs)} ms old`}${cache.isQuantised === true ? ', quantised' : ''}`)
  add('attempts', String(record.attempts))
  add('took', [['in all', durations.totalMs], ['model', durations.modelMs], ['waiting', durations.queueMs]].flatMap(([name, ms]) => (ms === undefined ? [] : [`${shownNumber(ms as number)} ms ${name}`])).join(', '))
  add('batch', batch === undefined ? undefined : `row ${batch.index + 1} of ${batch.size}, ${batch.id}`)
  add('marks', marks.join(', '))
  add('links', links.join(', '))
  add('trace', record.trace === undefined ? undefined : `${record.trace.traceId} ${record.trace.spanId}`)
  for (const [name, value] of Object.entries(tags ?? {})) add(`tag.${name}`, value)
  add('subject', record.subject)
  for (const [name, value] of Object.entries(record.keyed ?? {})) add(`keyed.${name}`, value)
  add('kept by', record.sample === undefined ? undefined : `${record.sample.reason}, probability ${shownNumber(record.sample.probability)}`)
  add('class', record.class)
  pairs.push(...values('input', record.input))
  for (const { name, side, value } of checkpoints) pairs.push(...values(`${name} (${side})`, value))
  pairs.push(...values('output', record.output))
  return pairs
}

/** What was said of it later. */
export const laterPairs = (label: StoredLabel | undefined, overrides: readonly StoredOverride[]): Pairs => [
  ...(label === undefined ? [] : [['label', `${shownValue(label.value as never, 500)}, ${shownTime(label.at)}`] as [string, string]]),
  ...overrides.map(({ actor, reason, before, after, at }): [string, string] => ['override', `${actor}: ${shownValue(before as never, 200)} → ${shownValue(after as never, 200)}, ${reason}, ${shownTime(at)}`]),
]

/** How it ended, in a word: where the answer came from, or the code of its error. */
export const endOf = ({ outcome, source, error }: StoredPrediction): string => (outcome === 'ok' ? (source ?? 'ok') : (error?.code?.replace(/^ERR_OUTRIGGER_/, '') ?? outcome))

/** The allowed fields in a few characters. */
export const shortFields = (fields: Masked | undefined): string => Object.entries(fields ?? {}).map(([name, value]) => `${name} ${typeof value === 'number' ? shownNumber(value) : shownValue(value, 24)}`).join(', ')
