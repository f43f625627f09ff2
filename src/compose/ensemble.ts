import type { InputOf, OutputOf } from '../core/any-model.js'
import { BatchCall } from '../core/batch-call.js'
import type { CallNotes, MembersNote, Source } from '../core/call-notes.js'
import type { Call } from '../core/call.js'
import { Deadlines } from '../core/deadlines.js'
import { hasCode, InvalidOptionError, isOutriggerError, OptionRangeError, OutriggerError, rejection } from '../core/errors.js'
import { abortErrorOf, toError } from '../core/model.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { average, vote, whyNotAverageable, whyNotLabel, type Label } from './_combine.js'
import { Gathering, type GatheredRow } from './_gathering.js'
import { partsOf, predictorOfSeveral, withoutStream, withoutStreams, type Part } from './_several.js'

/** The answer of one member. */
export interface MemberAnswer<O> {
  readonly member: string
  readonly output: O
  /** Its share of the weights of those who answered; they sum to 1. */
  readonly weight: number
}

/** Makes one answer of those of the members that answered, which are in the members' order. */
export type Combine<I, O, R> = (answers: readonly MemberAnswer<O>[], input: I) => R | PromiseLike<R>

/** Options of {@link ensemble}. */
export interface EnsembleOptions<Name extends string, C = 'average' | 'vote' | Combine<never, never, unknown>> {
  /**
   * How the answers become one: their mean, element by element; the label with most votes; or a function.
   * @default 'average'
   */
  readonly combine?: C
  /** How much each member counts; above 0. @default every member counts alike */
  readonly weights?: { readonly [K in Name]: number }
  /** So many members must answer. @default all of them */
  readonly minimum?: number
  /**
   * After so long, in milliseconds, nobody is waited for any more once the minimum has answered.
   * @default waits until every member has answered or failed
   */
  readonly waitMs?: number
  /** The name of its identity. Give another one when a `combine` function changes. @default 'ensemble' */
  readonly name?: string
}

/** What became of the rows. */
export interface EnsembleCounts {
  /** Rows that every member answered. */
  readonly full: number
  /** Rows that were answered without some members. */
  readonly partial: number
  /** Rows that failed, as too few members answered or their answers could not be combined. */
  readonly failed: number
  /** By member: rows that it answered in time, that it failed, and that were not waited for. */
  readonly members: Readonly<Record<string, { readonly answered: number; readonly failed: number; readonly leftBehind: number }>>
}

/** The predictor, and what became of its rows. */
export interface EnsemblePredictor<I, O> extends Predictor<I, O> {
  readonly counts: EnsembleCounts
}

/** Of any object: a function type here would enter the inference of models that are made in place. */
type Models = Readonly<Record<string, object>>
type Input<M extends Models> = InputOf<M[keyof M]>
type Output<M extends Models> = OutputOf<M[keyof M]>
/** An average of 1 and 2 is neither. */
type Mean<O> = O extends number ? number : O
type NamesOf<M> = Extract<keyof M, string>

/**
 * Makes one predictor of several that answer the same question: their average, their vote, or what a function makes of
 * their answers.
 *
 * All members are asked at once, for a batch each with the whole batch. With a `minimum` some may be missing: the
 * weights of the others count for all, `record.members` says who is missing, and `record.source` is `fallback`, so that
 * no cache keeps such an answer. With `waitMs` slow members are left behind, and aborted. A row with too few answers
 * fails alone.
 *
 * `average` takes numbers, and arrays, `Float32Array`s, `Float64Array`s and records of them; a member that answers NaN
 * or an infinity has failed. `vote` takes labels; in a tie the earliest member's label wins.
 *
 * It owns members made from functions and objects. Give it to `pipe` like any model, in `owned` to have it closed.
 *
 * @param members - name → model. Functions and objects run on the clock of the first predictor among them
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; a call rejects with `ERR_OUTRIGGER_TOO_FEW_ANSWERS`, with what the members
 * threw in `errors`, or with `ERR_OUTRIGGER_BAD_ANSWER` when answers differ in their shapes
 * @example
 * ```ts
 * import { ensemble } from 'outrigger/compose'
 * const predict = ensemble(
 *   { forest: (x: number) => x + 1, net: async (x: number) => x + 3, old: (x: number): number => { throw new Error('down') } },
 *   { minimum: 2, weights: { forest: 1, net: 3, old: 4 } },
 * )
 * const { output, record } = await predict.detailed(10)
 * assert.equal(output, 12.5) // (1 × 11 + 3 × 13) / 4
 * assert.deepEqual(record.members, { of: 3, answered: 2, missing: [{ name: 'old', code: undefined }] })
 * ```
 */
export function ensemble<const M extends Models, R>(
  members: M,
  options: EnsembleOptions<NamesOf<M>, Combine<Input<M>, Output<M>, R>> & { readonly combine: Combine<Input<M>, Output<M>, R> },
): EnsemblePredictor<Input<M>, Awaited<R>>
export function ensemble<const M extends Models>(members: M, options: EnsembleOptions<NamesOf<M>, 'vote'> & { readonly combine: [Output<M>] extends [Label] ? 'vote' : never }): EnsemblePredictor<Input<M>, Output<M>>
// As the last of a list, so that members of labels are an error also where no options are given.
export function ensemble<const M extends Models>(members: M, ...options: [Output<M>] extends [number | object] ? [options?: EnsembleOptions<NamesOf<M>, 'average'>] : [options: 'an average needs numbers, or arrays or records of them']): EnsemblePredictor<Input<M>, Mean<Output<M>>>
export function ensemble(members: Models, given: EnsembleOptions<string> | string = {}): EnsemblePredictor<never, unknown> {
  type I = unknown
  const options = given as EnsembleOptions<string>
  optionsObject('an ensemble', options, ['combine', 'weights', 'minimum', 'waitMs', 'name'])
  optionsObject('the members of an ensemble', members, Object.keys(members ?? {}))
  const names = Object.keys(members)
  if (names.length === 0) throw new InvalidOptionError('Cannot create an ensemble as it must have a member: current value has none')
  const name = stringOption('an ensemble', 'name', options.name ?? 'ensemble')
  const minimum = numberOption('an ensemble', 'minimum', options.minimum ?? names.length, { min: 1, max: names.length, integer: true })
  const waitMs = options.waitMs === undefined ? undefined : numberOption('an ensemble', 'waitMs', options.waitMs, { min: 0, max: 2 ** 31 - 1 })
  if (waitMs !== undefined && minimum === names.length) throw new OptionRangeError(`Cannot create an ensemble as \`waitMs\` leaves nobody behind unless \`minimum\` is below the number of members, which are ${names.length}: current value of \`minimum\` is ${minimum}`)
  const weights = weightsOf(names, options.weights)
  const rule = ruleOf(options.combine ?? 'average')
  const { parts, runtime } = partsOf<I>(members)
  const deadlines = waitMs === undefined ? undefined : new Deadlines(runtime.clock, waitMs)
  const tally = { full: 0, partial: 0, failed: 0, members: parts.map(() => ({ answered: 0, failed: 0, leftBehind: 0 })) }

  /** Lets every member work on an attempt of the run, until all rows are decided. */
  const gather = (batch: BatchCall, ask: (part: Part<I>, run: BatchCall) => Promise<Row<unknown>[]>): Promise<{ readonly gathering: Gathering; readonly runs: readonly BatchCall[] }> =>
    new Promise((resolve) => {
      const gathering = new Gathering(parts.length, minimum, batch.size)
      const runs = parts.map(() => batch.fork())
      let isOver = false
      let isLate = false
      const decide = (): void => {
        if (isOver || !gathering.isDecided(isLate)) return
        isOver = true
        if (limit !== undefined) deadlines?.remove(limit)
        resolve({ gathering, runs })
        runs.forEach((run, index) => {
          if (!gathering.hasTold(index)) run.abort(rejection('ERR_OUTRIGGER_ABORTED', `Cannot wait for ${names[index]} as the answer of the ensemble is decided without it`))
        })
      }
      const limit = deadlines?.add(() => {
        isLate = true
        decide()
      })
      parts.forEach((part, index) => {
        const run = runs[index] as BatchCall
        const settle = (rows: readonly Row<unknown>[]): void => {
          run.end()
          if (isOver) return
          gathering.tell(index, rows)
          decide()
        }
        const checked = async (): Promise<Row<unknown>[]> => rule.check(part.name, withoutStreams('an ensemble', part.name, await ask(part, run)))
        checked().then(settle, (error: unknown) => settle(failRows(batch.size, toError(error))))
      })
    })

  /** The answer of one row, and what its record says. */
  const combineRow = async (row: GatheredRow, input: I, call: Call, attempts: readonly Call[]): Promise<Row<unknown>> => {
    takeOver(call, attempts, row.answered)
    for (const [index, member] of tally.members.entries()) {
      if (row.answered.includes(index)) member.answered += 1
      else if (row.failed.includes(index)) member.failed += 1
      else member.leftBehind += 1
    }
    try {
      if (row.answered.length < minimum) {
        if (call.isAborted) throw abortErrorOf(call.abortReason)
        throw tooFew(minimum, parts.length, row)
      }
      const total = row.answered.reduce((sum, index) => sum + (weights[index] as number), 0)
      const output = await rule.combine(
        row.answered.map((index, position) => ({ member: names[index] as string, output: row.outputs[position], weight: (weights[index] as number) / total })),
        input,
        row.answered.map((index) => weights[index] as number),
      )
      const isPartial = row.answered.length < parts.length
      call.source = sourceOf(row.answered.map((index) => (attempts[index] as Call).source), isPartial)
      call.note().members = membersNote(names, row)
      if (isPartial) tally.partial += 1
      else tally.full += 1
      return withoutStream('an ensemble', 'combine', output)
    } catch (error) {
      tally.failed += 1
      return new RowFailure(toError(error))
    }
  }

  const { predictor } = predictorOfSeveral<I, unknown>(parts, {
    kind: 'ensemble',
    name,
    rule: JSON.stringify([rule.name, minimum, names, weights]),
    runtime,
    schema: { input: parts[0].stage.schema.input, output: rule.keepsSchema ? parts[0].stage.schema.output : undefined },
    describe: () => `ensemble ${name}: ${rule.name} of ${names.length}${minimum < names.length ? `, at least ${minimum}` : ''}${waitMs === undefined ? '' : `, after ${waitMs} ms of those who answered`}`,
    one: async (input, call) => {
      const { gathering, runs } = await gather(new BatchCall(runtime, [call]), async (part, run) => [await part.one(input, run.rows[0] as Call)])
      const row = await combineRow(gathering.row(0), input, call, runs.map((run) => run.rows[0] as Call))
      if (isRowFailure(row)) throw row.error
      return row
    },
    many: async (inputs, batch) => {
      const { gathering, runs } = await gather(batch, (part, run) => part.many(inputs, run))
      return await Promise.all(inputs.map((input, index) => combineRow(gathering.row(index), input, batch.rows[index] as Call, runs.map((run) => run.rows[index] as Call))))
    },
    // Those that are missing are what `minimum` is for.
    ready: () => parts.filter((part) => part.stage.ready()).length >= minimum,
    close: () => deadlines?.close(),
  })
  return Object.defineProperty(predictor, 'counts', {
    get: (): EnsembleCounts => ({ full: tally.full, partial: tally.partial, failed: tally.failed, members: Object.fromEntries(names.map((member, index) => [member, { ...(tally.members[index] as EnsembleCounts['members'][string]) }])) }),
    enumerable: true,
  }) as unknown as EnsemblePredictor<never, unknown>
}

const weightsOf = (names: readonly string[], given: Readonly<Record<string, number>> | undefined): number[] => {
  if (given === undefined) return names.map(() => 1)
  optionsObject('the weights of an ensemble', given, names)
  return names.map((name) => numberOption('an ensemble', `weights.${name}`, given[name], { min: 0, exclusive: true }))
}

interface Rule {
  readonly name: string
  readonly keepsSchema: boolean
  /** Puts a failure in the place of each answer that it cannot use. The rows are its own. */
  check(member: string, rows: Row<unknown>[]): Row<unknown>[]
  combine(answers: readonly MemberAnswer<unknown>[], input: unknown, weights: readonly number[]): unknown
}

const ruleOf = (combine: EnsembleOptions<string>['combine']): Rule => {
  if (combine === 'average') return { name: 'average', keepsSchema: true, check: checkBy('averaged', whyNotAverageable), combine: (answers, _input, weights) => average(answers.map(({ output }) => output), weights) }
  if (combine === 'vote') return { name: 'vote', keepsSchema: true, check: checkBy('voted for', whyNotLabel), combine: (answers, _input, weights) => vote(answers.map(({ output }) => output), weights) }
  if (typeof combine !== 'function') throw new InvalidOptionError(`Cannot create an ensemble as \`combine\` must be 'average', 'vote' or a function: current value is ${String(combine)}`)
  return { name: combine.name === '' || combine.name === 'combine' ? 'function' : combine.name, keepsSchema: false, check: (_member, rows) => rows, combine: combine as Combine<unknown, unknown, unknown> }
}

const checkBy =
  (what: string, reasonOf: (output: unknown) => string | undefined) =>
  (member: string, rows: Row<unknown>[]): Row<unknown>[] => {
    rows.forEach((row, index) => {
      if (isRowFailure(row)) return
      const reason = reasonOf(row)
      if (reason === undefined) return
      const value = typeof row === 'number' ? String(row) : reason === 'type' ? `of type ${row === null ? 'null' : typeof row}` : 'not all finite'
      rows[index] = new RowFailure(new OutriggerError('ERR_OUTRIGGER_BAD_ANSWER', `Cannot use the answer of \`${member}\` in an ensemble as it must be something that can be ${what}: current value is ${value}`, { reason }))
    })
    return rows
  }

/** A mistake of the caller that every member has found stays what it is. */
const tooFew = (minimum: number, of: number, { answered, errors }: GatheredRow): unknown => {
  if (errors.length === of && errors.every((error) => hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT'))) return errors[0]
  return rejection('ERR_OUTRIGGER_TOO_FEW_ANSWERS', `Cannot answer as at least ${minimum} of ${of} members must: current value is ${answered.length}, and ${errors.length} errors, the first of them ${String(errors[0])}`, { cause: errors[0], errors: [...errors], answered: answered.length })
}

const membersNote = (names: readonly string[], { answered, failed, errors }: GatheredRow): MembersNote => {
  const missing: { name: string; code: string | undefined }[] = []
  names.forEach((name, index) => {
    if (answered.includes(index)) return
    const position = failed.indexOf(index)
    const error = errors[position]
    missing.push({ name, code: position < 0 ? 'ERR_OUTRIGGER_ABORTED' : isOutriggerError(error) ? error.code : undefined })
  })
  return Object.freeze({ of: names.length, answered: answered.length, missing: Object.freeze(missing) })
}

/** Where an answer of several comes from. One without some members stands in the place of the one with all. */
const sourceOf = (sources: readonly Source[], isPartial: boolean): Source => {
  if (isPartial || sources.includes('fallback')) return 'fallback'
  if (sources.includes('stale')) return 'stale'
  const first = sources[0] as Source
  return sources.every((source) => source === first) ? first : 'model'
}

/** What the members' attempts noted, in the notes of the call. Members work at the same time: times are the longest one's. */
const takeOver = (call: Call, attempts: readonly Call[], answered: readonly number[]): void => {
  for (const attempt of attempts) call.attempts += attempt.attempts
  // A fork begins with the variants of its call.
  const known = call.notes?.variants?.length ?? 0
  for (const index of answered) {
    const theirs = (attempts[index] as Call).notes
    if (theirs === undefined) continue
    const mine: CallNotes = call.note()
    if (theirs.modelMs !== undefined) mine.modelMs = Math.max(mine.modelMs ?? 0, theirs.modelMs)
    if (theirs.queueMs !== undefined) mine.queueMs = Math.max(mine.queueMs ?? 0, theirs.queueMs)
    if (theirs.links !== undefined) (mine.links ??= []).push(...theirs.links)
    if (theirs.watchers !== undefined) (mine.watchers ??= []).push(...theirs.watchers)
    const added = theirs.variants?.slice(known) ?? []
    if (added.length > 0) (mine.variants ??= []).push(...added)
  }
}
