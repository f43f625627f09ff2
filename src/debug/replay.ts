import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { isPredictor, type Predictor } from '../core/predictor.js'
import type { PredictionRecord } from '../core/record.js'
import { reasonUnread, type StoredRecord } from '../capture/stored-record.js'
import { Rerun, type Again, type ReplayFactory, type ReplaySubject, type RerunOptions } from './_rerun.js'
import { comparisonOf, limitsOf, type ReplayTolerance } from './difference.js'
import { firstDifference } from './first-difference.js'
import { rebuildInput } from './rebuilt-input.js'
import { ReplayReport, type ReplayExample } from './replay-report.js'
import { SliceTable, type SliceValue } from './slice-table.js'

/** Predictions as capture has stored them, or as they were made; records of another kind are passed over. */
export type ReplayRecords = AsyncIterable<StoredRecord | PredictionRecord> | Iterable<StoredRecord | PredictionRecord>

/** Options of {@link replay}. */
export interface ReplayOptions<I> extends RerunOptions<I> {
  /** When two numbers are the same; anything else is compared exactly. @default exactly, bit for bit */
  readonly tolerance?: ReplayTolerance
  /** Whether predictions that ended in an error are asked again as well: one that answers now differs. @default false */
  readonly failures?: boolean
  /** What differences are counted by: `version`, `variant`, `source`, `day`, or fields of the input. @default those four */
  readonly by?: readonly string[]
  /** Further slices of your own, by name. */
  readonly slices?: Readonly<Record<string, SliceValue<PredictionRecord>>>
  /** How many predictions that differ are kept. @default 10 */
  readonly examples?: number
}

const owner = 'a replay'
const known = ['input', 'output', 'as', 'complete', 'tolerance', 'failures', 'by', 'slices', 'examples'] as const

/** So many rows wait for the rest of their batch. */
const mostWaiting = 10_000

/**
 * Asks for recorded predictions again, one after the other, and compares what comes out.
 *
 * The input is made again from the record's fields; one that is not whole (a `pii` field, no schema) is skipped with a reason, and counted. A factory gets a clock
 * that stands at the recorded time, and randomness seeded by the record's id, so that two replays of it are the same. Splits give the recorded variants. Rows
 * of a batch are asked as that batch where all of it is among the records. Answers of a fallback, rejected and aborted calls are skipped: what made them is not recorded.
 *
 * A predictor of a live service records its replays, under the same ids: give one of its own, or a factory.
 *
 * Memory: the report, and rows that wait for their batch, at most 10 000.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for options that are none, and where nobody declares the fields of input and output
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { replay } from 'outrigger/debug'
 * import { defineSchema } from 'outrigger/schema'
 * const schemas = { input: defineSchema({ km: { type: 'number' } }), output: defineSchema({ hours: { type: 'number' } }) }
 * const old = predictor(({ km }: { km: number }) => ({ hours: km / 800 }), schemas)
 * const records = (await old.detailedBatch([{ km: 400 }, { km: 2000 }])).map(({ record }) => record)
 * assert.equal((await replay(records, old)).answer, 'same')
 * const report = await replay(records, () => ({ predict: ({ km }: { km: number }) => ({ hours: km > 1000 ? km / 850 : km / 800 }) }), schemas)
 * assert.deepEqual([report.answer, report.counts.different], ['differs', 1])
 * ```
 */
export function replay<I, O>(records: ReplayRecords, factory: ReplayFactory<I, O>, options?: ReplayOptions<I>): Promise<ReplayReport>
export function replay<I, O>(records: ReplayRecords, predictor: Predictor<I, O>, options?: ReplayOptions<I>): Promise<ReplayReport>
export async function replay<I, O>(records: ReplayRecords, subject: ReplaySubject<I, O>, options: ReplayOptions<I> = {}): Promise<ReplayReport> {
  optionsObject(owner, options, known)
  iterableOption(owner, 'records', records)
  if (typeof subject !== 'function') throw new InvalidOptionError(`Cannot replay as the second argument must be a predictor, or a function that makes one: current value is of type ${typeof subject}`)
  functionOption(owner, 'complete', options.complete)
  const { as } = options
  if (as !== undefined && typeof as !== 'function' && !['object', 'vector', 'value'].includes(as)) throw new InvalidOptionError(`Cannot create ${owner} as \`as\` must be 'object', 'vector', 'value' or a function: current value is ${JSON.stringify(as)}`)
  const limits = limitsOf(owner, options.tolerance)
  const most = numberOption(owner, 'examples', options.examples ?? 10, { min: 0, max: 10_000, integer: true })
  const kinds = [...(options.by ?? Object.keys(builtIn)).map((name) => [name, sliceOf(name)] as const), ...Object.entries(options.slices ?? {})]
  for (const [name, of] of kinds) functionOption(`the slices of ${owner}`, name, of)
  const report = new ReplayReport(limits, new SliceTable(kinds), most)
  let shared: Rerun<I, O> | undefined

  const ask = async (group: readonly PredictionRecord[]): Promise<void> => {
    const [first] = group as readonly [PredictionRecord]
    const rerun = shared ?? (await Rerun.for(subject, first, options))
    if (isPredictor(subject)) shared = rerun
    try {
      const rebuilt = await Promise.all(group.map(async (record) => await rebuildInput(record, rerun.input, options)))
      const whole = rebuilt.every((one) => 'input' in one)
      // One row that cannot be asked changes the batch of the others.
      const runs = whole ? [group.map((_, at) => at)] : group.map((_, at) => [at])
      for (const run of runs) {
        const rows = run.filter((at) => {
          const one = rebuilt[at] as (typeof rebuilt)[number]
          if ('skipped' in one) report.skip(one.skipped)
          return 'input' in one
        })
        if (rows.length === 0) continue
        const asked = rows.map((at) => group[at] as PredictionRecord)
        const answers = await rerun.ask(asked, rows.map((at) => (rebuilt[at] as { readonly input: I }).input))
        asked.forEach((record, at) => compare(report, record, answers[at] as Again, rows.length < (record.batch?.size ?? 1)))
      }
    } finally {
      if (rerun !== shared) await rerun.close()
    }
  }

  const batches = new Map<string, Map<number, PredictionRecord>>()
  let waiting = 0
  const askBatch = async (id: string): Promise<void> => {
    const rows = [...(batches.get(id) as Map<number, PredictionRecord>)].sort(([a], [b]) => a - b).map(([, row]) => row)
    batches.delete(id)
    waiting -= rows.length
    if (rows.length === rows[0]?.batch?.size) await ask(rows)
    else for (const row of rows) await ask([row])
  }
  for await (const stored of records) {
    if (!isPrediction(stored)) continue
    report.count('records')
    const reason = reasonUnread(stored) ?? reasonToSkip(stored, options.failures === true)
    const { batch } = stored
    // A row that is left out belongs to its batch all the same, which is not whole without it.
    if (reason !== undefined) report.skip(reason)
    else if (batch === undefined || batch.size === 1) await ask([stored])
    else {
      const rows = batches.get(batch.id) ?? new Map<number, PredictionRecord>()
      batches.set(batch.id, rows)
      // Files that were put together, and sinks that were told again, have rows twice.
      if (rows.has(batch.index)) {
        report.skip('the same row of its batch is there already')
        continue
      }
      rows.set(batch.index, stored)
      waiting += 1
      if (rows.size === batch.size) await askBatch(batch.id)
      else if (waiting > mostWaiting) await askBatch(batches.keys().next().value as string)
    }
  }
  for (const id of [...batches.keys()]) await askBatch(id)
  return report

  function compare(into: ReplayReport, record: PredictionRecord, now: Again, isAlone: boolean): void {
    const isOther = record.schema?.output !== undefined && now.schema?.output !== undefined && record.schema.output !== now.schema.output
    const comparison = record.outcome !== 'ok' || now.outcome !== 'ok' ? undefined : comparisonOf(record.output ?? {}, now.output ?? {}, limits, isOther)
    // Where nothing is compared, nothing is the same.
    if (comparison?.compared === 0) {
      into.skip('no field to compare')
      return
    }
    into.passOver(comparison?.unshared ?? [])
    if (isAlone) into.count('alone')
    if (isOther) into.count('otherSchema')
    if (record.identity.version !== now.identity.version) into.count('otherVersion')
    else if (record.identity.digest !== undefined && now.identity.digest !== undefined && record.identity.digest !== now.identity.digest) into.count('otherBytes')
    const errors = [errorOf(record), errorOf(now)] as const
    const change: ReplayExample['change'] | undefined =
      comparison !== undefined ? (comparison.count > 0 ? 'output' : undefined) : record.outcome === 'ok' ? 'fails' : now.outcome === 'ok' ? 'answers' : errors[0] === errors[1] ? undefined : 'error'
    into.add({ record, change, errors, comparison, first: change === undefined ? undefined : firstDifference(record, now, limits, isOther) })
  }
}

/** What can be gone through, or a coded error. */
export const iterableOption = (of: string, name: string, value: unknown): void => {
  if (typeof value !== 'object' || value === null || !(Symbol.asyncIterator in value || Symbol.iterator in value)) throw new InvalidOptionError(`Cannot create ${of} as \`${name}\` must give records: current value is ${value === null ? 'null' : `of type ${typeof value}`}`)
}

/** Whether it is a prediction; capture stores records of other kinds beside it. */
export const isPrediction = (record: StoredRecord | PredictionRecord): record is StoredRecord & PredictionRecord => {
  if (typeof record !== 'object' || record === null) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot read a record as it must be an object: current value is ${record === null ? 'null' : `of type ${typeof record}`}`)
  return 'outcome' in record && 'identity' in record
}

/** Why a prediction cannot be compared with another one, or `undefined`. */
const reasonToSkip = (record: PredictionRecord, failures: boolean): string | undefined => {
  if (record.isShadow) return 'it was only compared'
  if (record.outcome === 'error') return failures ? undefined : 'it ended in an error'
  if (record.outcome !== 'ok') return `it ended as ${record.outcome}`
  if (record.source === 'fallback') return 'a fallback answered'
  return record.output === undefined ? 'the record has no output' : undefined
}

const errorOf = ({ error }: Pick<PredictionRecord, 'error'>): string | undefined => (error === undefined ? undefined : (error.code ?? error.name))

const builtIn: Readonly<Record<string, SliceValue<PredictionRecord>>> = {
  version: ({ identity }) => identity.version,
  variant: ({ variants }) => (variants.length === 0 ? undefined : variants.map(({ split, variant }) => `${split}=${variant}`).join(' ')),
  source: ({ source }) => source,
  day: ({ at }) => new Date(at).toISOString().slice(0, 10),
}

const sliceOf = (name: string): SliceValue<PredictionRecord> =>
  builtIn[name] ??
  (({ input }) => {
    const value = input?.[name.replace(/^input\./, '')]
    return Array.isArray(value) ? `a list of ${value.length}` : (value as string | number | boolean | null | undefined)
  })
