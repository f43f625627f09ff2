/** A prediction as names and values. */
import type { StoredLabel, StoredOverride, StoredPrediction } from '../capture/stored-record.js'
import { showIdentity } from '../core/identity.js'
import type { Masked, MaskedValue } from '../core/masking.js'
import { shownNumber, shownTime, shownValue } from '../debug/shown.js'

type Pairs = [name: string, value: string][]

/** How much of a value is shown, and of a number. */
interface Cut {
  value(value: unknown, most: number): string
  number(value: number): string
}
const short: Cut = { value: (value, most) => shownValue(value as MaskedValue | undefined, most), number: shownNumber }
const whole: Cut = { value: (value) => shownValue(value as MaskedValue | undefined, Infinity), number: String }

/**
 * Everything that is known of a prediction, and what was said of it later, in an order to read it in. No name is there twice.
 *
 * @param isWhole - nothing is cut or rounded: to compare
 */
export const allPairs = (record: StoredPrediction, label: StoredLabel | undefined, overrides: readonly StoredOverride[], isWhole = false): Pairs => {
  const cut = isWhole ? whole : short
  const times = new Map<string, number>()
  return [...recordPairs(record, cut), ...laterPairs(label, overrides, cut)].map(([name, value]) => {
    const time = (times.get(name) ?? 0) + 1
    times.set(name, time)
    return [time === 1 ? name : `${name} ${time}`, value]
  })
}

const recordPairs = (record: StoredPrediction, { value: shown, number }: Cut): Pairs => {
  // A file that others made may be without lists that are empty.
  const { durations, batch, cache, error, rung, members, variants, checkpoints = [], marks = [], links = [], tags } = record
  const values = (head: string, fields: Masked | undefined): Pairs => Object.entries(fields ?? {}).map(([name, value]) => [`${head}.${name}`, shown(value, 2000)])
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
  for (const { split, variant, reason, propensity, epoch } of variants) add(`variant.${split}`, `${variant} (${reason}, probability ${number(propensity)}, epoch ${epoch})`)
  add('cache', cache === undefined ? undefined : `${cache.status}${cache.ageMs === undefined ? '' : `, ${Math.round(cache.ageMs)} ms old`}${cache.isQuantised === true ? ', quantised' : ''}`)
  add('attempts', String(record.attempts))
  add('took', [['in all', durations.totalMs], ['model', durations.modelMs], ['waiting', durations.queueMs]].flatMap(([name, ms]) => (ms === undefined ? [] : [`${number(ms as number)} ms ${name}`])).join(', '))
  add('batch', batch === undefined ? undefined : `row ${batch.index + 1} of ${batch.size}, ${batch.id}`)
  add('marks', marks.join(', '))
  add('links', links.join(', '))
  add('trace', record.trace === undefined ? undefined : `${record.trace.traceId} ${record.trace.spanId}`)
  for (const [name, value] of Object.entries(tags ?? {})) add(`tag.${name}`, value)
  add('subject', record.subject)
  for (const [name, value] of Object.entries(record.keyed ?? {})) add(`keyed.${name}`, value)
  add('kept by', record.sample === undefined ? undefined : `${record.sample.reason}, probability ${number(record.sample.probability)}`)
  add('class', record.class)
  pairs.push(...values('input', record.input))
  for (const { name, side, value } of checkpoints) pairs.push(...values(`${name} (${side})`, value))
  pairs.push(...values('output', record.output))
  return pairs
}

const laterPairs = (label: StoredLabel | undefined, overrides: readonly StoredOverride[], { value: shown }: Cut): Pairs => [
  ...(label === undefined ? [] : [['label', `${shown(label.value, 500)}, ${shownTime(label.at)}`] as [string, string]]),
  ...overrides.map(({ actor, reason, before, after, at }): [string, string] => ['override', `${actor}: ${shown(before, 200)} → ${shown(after, 200)}, ${reason}, ${shownTime(at)}`]),
]

/** How it ended, in a word: where the answer came from, or the code of its error. */
export const endOf = ({ outcome, source, error }: StoredPrediction): string => (outcome === 'ok' ? (source ?? 'ok') : (error?.code?.replace(/^ERR_OUTRIGGER_/, '') ?? outcome))

/** The allowed fields in a few characters. */
export const shortFields = (fields: Masked | undefined): string => Object.entries(fields ?? {}).map(([name, value]) => `${name} ${typeof value === 'number' ? shownNumber(value) : shownValue(value, 24)}`).join(', ')
