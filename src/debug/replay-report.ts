/** What came of a replay. */
import type { Masked } from '../core/masking.js'
import type { PredictionRecord } from '../core/record.js'
import { murmur3 } from '../core/hash.js'
import { mostKept, type Comparison, type Difference, type limitsOf } from './difference.js'
import { shownPlace, type FirstDifference } from './first-difference.js'
import { columns, plainText, shownDifference, shownNumber, shownTime } from './shown.js'
import { sliceRows, type Slice, type SliceTable } from './slice-table.js'

/** A prediction that comes out otherwise. */
export interface ReplayExample {
  readonly id: string
  /** When it was recorded, in milliseconds since 1970. */
  readonly at: number
  readonly version: string
  /** `output`: another answer. `fails`: it had one. `answers`: it had failed. `error`: it fails in another way. */
  readonly change: 'output' | 'fails' | 'answers' | 'error'
  /** What failed: the error's code or name, as recorded and now. */
  readonly errors: readonly [recorded: string | undefined, now: string | undefined]
  readonly differences: readonly Difference[]
  /** Where the ways part: `between model (output) and the output`. */
  readonly where: string
  /** The largest difference of numbers; `Infinity` for anything else. */
  readonly size: number
  /** The allowed fields of the input. */
  readonly input: Masked | undefined
}

/** One field of the output. */
export interface ReplayField {
  readonly name: string
  readonly different: number
  /** Of numbers, the largest difference, and the mean of the rows that differ. */
  readonly largest: number
  readonly mean: number
}

/** The state of a report while rows come in. */
export interface ReplayCounts {
  /** Predictions that were read. */
  records: number
  asked: number
  same: number
  different: number
  /** Rows of batches that are not whole in the records, and were asked by themselves. */
  alone: number
  /** Recorded by another version than the one that was asked. */
  otherVersion: number
  /** The same version by its number, with another digest. */
  otherBytes: number
  /** Masked by another schema of the output: the fields that both have were compared; the others are in {@link ReplayReport.unshared}. */
  otherSchema: number
}

/** What one row says. */
export interface ReplayedRow {
  readonly record: PredictionRecord
  readonly change: ReplayExample['change'] | undefined
  readonly errors: ReplayExample['errors']
  readonly first: FirstDifference | undefined
  /** Of two answers. */
  readonly comparison: Comparison | undefined
}

/** What came of a replay: plain numbers as JSON, and {@link text} for people. */
export class ReplayReport {
  readonly counts: Readonly<ReplayCounts> = { records: 0, asked: 0, same: 0, different: 0, alone: 0, otherVersion: 0, otherBytes: 0, otherSchema: 0 }
  /** Why records were not asked again: reason → how many. */
  readonly skipped: Record<string, number> = {}
  /** Fields that only one of two schemas of the output has, and that were not compared: name → predictions. */
  readonly unshared: Record<string, number> = {}
  readonly tolerance: ReturnType<typeof limitsOf>
  readonly #slices: SliceTable<PredictionRecord>
  readonly #most: number
  readonly #fields = new Map<string, { different: number; measured: number; sum: number; largest: number }>()
  readonly #places = new Map<string, number>()
  readonly #examples: ReplayExample[] = []

  /** @internal */
  constructor(tolerance: ReturnType<typeof limitsOf>, slices: SliceTable<PredictionRecord>, most: number) {
    this.tolerance = tolerance
    this.#slices = slices
    this.#most = most
  }

  /** `same` if no answer differs, `differs` if one does, `nothing` if nothing could be compared. */
  get answer(): 'same' | 'differs' | 'nothing' {
    return this.counts.different > 0 ? 'differs' : this.counts.asked > 0 ? 'same' : 'nothing'
  }

  /** The predictions that differ most, those with another label or error first; of equal ones a random sample. */
  get examples(): readonly ReplayExample[] {
    return this.#examples
  }

  /** The parts of the output that differ. */
  get fields(): readonly ReplayField[] {
    return [...this.#fields].map(([name, { different, measured, sum, largest }]) => ({ name, different, largest, mean: measured === 0 ? 0 : sum / measured })).sort((a, b) => b.different - a.different)
  }

  /** Where ways part first, the most frequent first. */
  get places(): readonly { readonly where: string; readonly rows: number }[] {
    return [...this.#places].map(([where, rows]) => ({ where, rows })).sort((a, b) => b.rows - a.rows)
  }

  /** Rows, and those that differ, by what they have in common. */
  get slices(): readonly Slice[] {
    return this.#slices.slices
  }

  /** @internal */
  count(name: keyof ReplayCounts): void {
    ;(this.counts as ReplayCounts)[name] += 1
  }

  /** @internal */
  skip(reason: string): void {
    // Reasons are few, but a field's name is in some.
    const known = reason in this.skipped || Object.keys(this.skipped).length < 50 ? reason : 'other reasons'
    this.skipped[known] = (this.skipped[known] ?? 0) + 1
  }

  /** @internal */
  passOver(names: readonly string[]): void {
    for (const name of names) {
      const known = Object.hasOwn(this.unshared, name) || Object.keys(this.unshared).length < 20 ? name : '(others)'
      this.unshared[known] = (this.unshared[known] ?? 0) + 1
    }
  }

  /** @internal */
  add({ record, change, errors, first, comparison }: ReplayedRow): void {
    this.count('asked')
    this.count(change === undefined ? 'same' : 'different')
    const parts = comparison?.fields ?? new Map<string, number>()
    const size = change === 'output' ? Math.max(...parts.values()) : Infinity
    this.#slices.add(record, change === undefined ? undefined : size)
    if (change === undefined) return
    const where = first === undefined ? (change === 'output' ? 'the output' : 'the outcome') : shownPlace(first)
    bump(this.#places, this.#places.has(where) || this.#places.size < 50 ? where : 'elsewhere')
    for (const [name, by] of parts) this.#addField(name, by)
    const example: ReplayExample = { id: record.id, at: record.at, version: record.identity.version, change, errors, differences: comparison?.differences ?? [], where, size, input: record.input }
    const at = this.#examples.findIndex((other) => before(example, other))
    if (at < 0 && this.#examples.length >= this.#most) return
    this.#examples.splice(at < 0 ? this.#examples.length : at, 0, example)
    if (this.#examples.length > this.#most) this.#examples.pop()
  }

  #addField(name: string, by: number): void {
    const known = this.#fields.has(name) || this.#fields.size < 100 ? name : '(others)'
    const field = this.#fields.get(known) ?? { different: 0, measured: 0, sum: 0, largest: 0 }
    this.#fields.set(known, field)
    field.different += 1
    if (!Number.isFinite(by)) return
    field.measured += 1
    field.sum += by
    field.largest = Math.max(field.largest, by)
  }

  /** All of it as plain data. */
  toJSON(): Record<string, unknown> {
    const { answer, counts, skipped, unshared, tolerance, fields, places, slices, examples } = this
    return { kind: 'replay', version: 1, answer, counts, skipped, unshared, tolerance, fields, places, slices, examples: examples.map((example) => ({ ...example, size: Number.isFinite(example.size) ? example.size : null, differences: example.differences.map((one) => ({ ...one, by: Number.isFinite(one.by) ? one.by : null })) })) }
  }

  /** The report for a terminal or a ticket: at most 80 columns, and no character that does anything. */
  text(): string {
    const { counts, skipped, tolerance: { absolute, relative, ulps } } = this
    const exact = absolute === 0 && relative === 0 && ulps === 0
    const lines = [
      this.answer === 'nothing' ? `Nothing could be compared of ${counts.records} predictions.` : `${counts.different} of ${counts.asked} answers differ${exact ? ', bit for bit' : `, beyond ${[absolute > 0 ? `${absolute} absolute` : '', relative > 0 ? `${relative} relative` : '', ulps > 0 ? `${ulps} ulps` : ''].filter((part) => part !== '').join(' or ')}`}.`,
    ]
    const note = (count: number, what: string): void => void (count > 0 && lines.push(`  ${count} ${what}`))
    note(counts.otherVersion, 'were recorded by another version')
    note(counts.otherBytes, 'have the same version and another digest')
    note(counts.otherSchema, 'were masked by another schema of the output; shared fields were compared')
    for (const [name, rows] of Object.entries(this.unshared)) note(rows, `have \`${plainText(name, 32)}\` on one side only: it was not compared`)
    note(counts.alone, 'were asked alone, as their batch is not whole in the records')
    for (const [reason, rows] of Object.entries(skipped).sort(([, a], [, b]) => b - a)) note(rows, plainText(`left out: ${reason}`, 72))
    if (this.answer !== 'differs') return `${lines.join('\n')}\n`
    lines.push('', 'Where they part first:', columns(this.places.slice(0, 5).map(({ where, rows }) => [String(rows), plainText(where, 66)])))
    if (this.#fields.size > 0) lines.push('', 'What differs:', columns([['part', 'rows', 'mean', 'largest'], ...this.fields.slice(0, 10).map(({ name, different, mean, largest }) => [plainText(name, 32), String(different), shownNumber(mean), shownNumber(largest)])]))
    lines.push('', 'Among whom:', columns(sliceRows(this.slices, 5)), '', 'Examples:')
    for (const example of this.examples) {
      lines.push(`  ${plainText(example.id, 40)}  ${shownTime(example.at)}  version ${plainText(example.version, 12)}`)
      if (example.change !== 'output') lines.push(`    ${plainText(`recorded: ${example.errors[0] ?? 'an answer'}; now: ${example.errors[1] ?? 'an answer'}`, 76)}`)
      for (const one of example.differences.slice(0, 3)) lines.push(`    ${plainText(shownDifference(one), 76)}`)
      if (example.differences.length > 3) lines.push(`    and ${example.differences.length - 3} more${example.differences.length === mostKept ? ' at least' : ''}`)
      if (example.change === 'output') lines.push(`    ${plainText(example.where, 76)}`)
    }
    return `${lines.join('\n')}\n`
  }
}

const bump = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)

/** The larger first; of equal ones those of the smaller hash, which says nothing of when they came. */
const before = (a: ReplayExample, b: ReplayExample): boolean => a.size > b.size || (a.size === b.size && murmur3(a.id) < murmur3(b.id))
