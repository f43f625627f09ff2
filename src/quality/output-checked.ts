import type { Call } from '../core/call.js'
import { InvalidOptionError, rejection, type OutriggerError } from '../core/errors.js'
import { showIdentity } from '../core/identity.js'
import { applyGuard, type LayerHost, type NeutralLayer } from '../core/layer.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure, RowFailure } from '../core/rows.js'
import { isStream } from '../core/streams.js'
import { answerChecks, type AnswerChecksOptions } from '../resilience/answer-checks.js'
import { guarded } from '../resilience/guarded.js'
import { OutputWatch, type OutputState, type OutputWatchRule } from './_output-watch.js'

export type { OutputState } from './_output-watch.js'

/** A check of {@link outputChecked}. */
export type OutputCheck = 'finite' | 'shape' | 'range' | 'sumsToOne' | 'stuck' | 'collapsed'

/** When answers that hardly differ are bad. */
export interface CollapsedOptions {
  /** The standard deviation, in the unit of the answer, that a healthy model's answers never fall to. */
  readonly spread: number
  /** Over so many different inputs; 16 to 100 000. @default 256 */
  readonly over?: number
}

/** Options of {@link outputChecked}; each check that is given is made. */
export interface OutputCheckedOptions<I = unknown, O = unknown> extends Omit<AnswerChecksOptions<O>, 'constantOver'> {
  /** The same answer to so many different inputs, one after another, is bad; 3 and up. For scores, not for labels. @default never */
  readonly stuckAfter?: number
  /** Answers that hardly differ over many different inputs are bad. @default never */
  readonly collapsed?: CollapsedOptions
  /** The part of an input that an answer depends on, for `stuckAfter` and `collapsed`. @default the whole input */
  readonly inputOf?: (input: I) => unknown
  /** What events call it. @default the model's name */
  readonly name?: string
}

/** What passed, and what did not. */
export interface OutputCounts {
  /** Answers that were looked at. */
  readonly rows: number
  readonly bad: number
  /** Bad answers by the check that found them. */
  readonly by: Readonly<Partial<Record<OutputCheck, number>>>
}

/** What can be read of the checks; of several versions, of the one that answered last. */
export interface OutputCheckedHandle {
  readonly state: OutputState
  readonly counts: OutputCounts
}

/** {@link outputChecked} for any predictor. */
export interface OutputCheckedLayer extends NeutralLayer, OutputCheckedHandle {}

/** {@link outputChecked} that takes a part of the input. */
export interface InputOutputCheckedLayer<I> extends OutputCheckedHandle {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** {@link outputChecked} that takes a part of the answer. */
export interface PartOutputCheckedLayer<O> extends OutputCheckedHandle {
  <I>(inner: Predictor<I, O>): Predictor<I, O>
}

/** {@link outputChecked} that takes a part of both. */
export interface TypedOutputCheckedLayer<I, O> extends OutputCheckedHandle {
  (inner: Predictor<I, O>): Predictor<I, O>
}

interface Watched {
  readonly watch: OutputWatch
  state: OutputState
}

const owner = 'output checks'
const known = ['finite', 'shape', 'range', 'sumsToOne', 'of', 'stuckAfter', 'collapsed', 'inputOf', 'name'] as const
/** Versions of a model whose answers are watched apart. */
const maximumVersions = 8

/**
 * Makes a failure of an answer that is nonsense, so that a circuit breaker around it opens and a fallback answers.
 *
 * Each answer by itself: NaN and infinities, `shape`, `range`, probabilities (`sumsToOne`), as `answerChecks` says. Answers together:
 * `stuckAfter`, `collapsed`. A bad one becomes `ERR_OUTRIGGER_BAD_ANSWER` with `check` and `reason`; in a batch the row alone.
 *
 * An answer counts for `stuckAfter` and `collapsed` by different inputs: the same question asked a thousand times is no sign of anything. While
 * stuck or collapsed, answers that are as before fail, and the first that is not passes, and ends it. Each version of a model is watched
 * for itself. A change is a `state` event. Streams are not looked at.
 *
 * Put it around the model, inside of `circuitBreaker`, `cached` and `fallback`. One pass over the answer, one over the input if answers are
 * watched together; memory for at most 8 versions of `stuckAfter` + `over` fingerprints each.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, fallback, pipe } from 'outrigger'
 * import { outputChecked } from 'outrigger/quality'
 * const checks = outputChecked({ range: [0, 1], stuckAfter: 3 })
 * const predict = pipe((x: number) => (x < 0 ? NaN : 0.5), checks, circuitBreaker(), fallback(() => 'a rule'))
 * assert.equal(await predict(-1), 'a rule')
 * assert.deepEqual(await predict.batch([1, 1, 2, 2, 3]), [0.5, 0.5, 0.5, 0.5, 'a rule'])
 * assert.equal(checks.state, 'stuck')
 * assert.deepEqual(checks.counts.by, { finite: 1, stuck: 1 })
 * ```
 */
export function outputChecked(options?: OutputCheckedOptions & { readonly of?: undefined; readonly inputOf?: undefined }): OutputCheckedLayer
export function outputChecked<I>(options: OutputCheckedOptions<I> & { readonly of?: undefined; readonly inputOf: (input: I) => unknown }): InputOutputCheckedLayer<I>
export function outputChecked<O>(options: OutputCheckedOptions<never, O> & { readonly of: (output: O) => unknown; readonly inputOf?: undefined }): PartOutputCheckedLayer<O>
export function outputChecked<I, O>(options: OutputCheckedOptions<I, O>): TypedOutputCheckedLayer<I, O>
export function outputChecked<I, O>(options: OutputCheckedOptions<I, O> = {}): TypedOutputCheckedLayer<I, O> {
  optionsObject(owner, options, known)
  const { finite, shape, range, sumsToOne, of, inputOf, name } = options
  functionOption(owner, 'of', of)
  functionOption(owner, 'inputOf', inputOf)
  if (name !== undefined) stringOption(owner, 'name', name)
  const rule = watchRule(options)
  const faultOf = rowChecks({ ...(finite === undefined ? {} : { finite }), ...(shape === undefined ? {} : { shape }), ...(range === undefined ? {} : { range }), ...(sumsToOne === undefined ? {} : { sumsToOne }) })
  if (rule === undefined && faultOf.checks.length === 0) throw new InvalidOptionError(`Cannot create ${owner} as there must be a check: current value has none`)
  const versions = new Map<string, Watched>()
  let current: Watched | undefined
  let [rows, bad] = [0, 0]
  const by: Partial<Record<OutputCheck, number>> = {}

  const watched = (version: string): Watched => {
    const one = versions.get(version) ?? { watch: new OutputWatch(rule as OutputWatchRule), state: 'ok' }
    if (current !== one) {
      // The one that did not answer for longest is forgotten, not the one that has long been in use.
      versions.delete(version)
      versions.set(version, one)
      if (versions.size > maximumVersions) versions.delete(versions.keys().next().value as string)
    }
    return one
  }

  const wrap = (inner: Predictor<I, O>): Predictor<I, O> =>
    applyGuard<I, O>(inner, 'output-checked', (host, inside) => {
      const part = guarded<[O], unknown>(host, 'of', of, same)
      const question = guarded<[I], unknown>(host, 'inputOf', inputOf, same)
      const hasOneVersion = inside.bind === undefined
      const together = (value: unknown, input: I, call: Call): OutputState => {
        const version = hasOneVersion ? '' : showIdentity(host.served(call))
        const one = (current = watched(version))
        const state = one.watch.look(value, question(input))
        const before = one.state
        // First, so that whoever is told and asks sees it.
        one.state = state
        if (state !== before) tell(host, name ?? inside.identity.name, before, state, version)
        return state
      }
      const judge = (output: O, input: I, call: Call): OutriggerError | undefined => {
        if (isStream(output)) return undefined
        rows += 1
        const value = part(output)
        const fault = faultOf(value)
        if (fault !== undefined) return refuse(call, ...fault)
        if (rule === undefined) return undefined
        const state = together(value, input, call)
        return state === 'ok' ? undefined : refuse(call, state, reasons[state])
      }
      const refuse = (call: Call, check: OutputCheck, reason: string): OutriggerError => {
        bad += 1
        by[check] = (by[check] ?? 0) + 1
        call.mark(`bad-answer:${check}`)
        return rejection('ERR_OUTRIGGER_BAD_ANSWER', `Cannot pass the answer on as the check \`${check}\` found it bad: current value is ${reason}`, { check, reason })
      }
      return {
        describe: () => `output-checked ${[...faultOf.checks, ...watchNames(rule)].join(', ')}`,
        guard: {
          pass: (_permit, output, call, input) => {
            const error = judge(output, input, call)
            if (error !== undefined) throw error
            return output
          },
        },
        many: async (next, inputs, batch) => {
          const answers = await next(inputs, batch)
          for (let index = 0; index < answers.length; index += 1) {
            const row = answers[index] as O | RowFailure
            if (isRowFailure(row)) continue
            const error = judge(row, inputs[index] as I, batch.rows[index] as Call)
            // Its own failure, so that a breaker counts it by row.
            if (error !== undefined) answers[index] = new RowFailure(error)
          }
          return answers
        },
      }
    })
  return Object.defineProperties(wrap, {
    state: { get: (): OutputState => current?.state ?? 'ok' },
    counts: { get: (): OutputCounts => ({ rows, bad, by: { ...by } }) },
  }) as TypedOutputCheckedLayer<I, O>
}

const same = (value: unknown): unknown => value

const reasons = { stuck: 'the same answer to different inputs', collapsed: 'one of many answers that hardly differ' } as const

const tell = (host: LayerHost, subject: string, from: OutputState, to: OutputState, version: string): void => {
  const reason = to === 'ok' ? 'An answer differs from those before.' : `The model gives ${to === 'stuck' ? 'the same answer to different inputs' : 'answers that hardly differ to different inputs'}.`
  host.emit({ type: 'state', subject, from, to, reason, data: version === '' ? {} : { version } })
}

const watchRule = ({ stuckAfter, collapsed }: Pick<OutputCheckedOptions, 'stuckAfter' | 'collapsed'>): OutputWatchRule | undefined => {
  if (stuckAfter !== undefined) numberOption(owner, 'stuckAfter', stuckAfter, { min: 3, max: 100_000, integer: true })
  if (collapsed !== undefined) {
    optionsObject(`\`collapsed\` of ${owner}`, collapsed, ['spread', 'over'])
    numberOption(owner, 'collapsed.spread', collapsed.spread, { min: 0 })
    numberOption(owner, 'collapsed.over', collapsed.over ?? 256, { min: 16, max: 100_000, integer: true })
  }
  return stuckAfter === undefined && collapsed === undefined ? undefined : { stuckAfter, spread: collapsed?.spread, over: collapsed?.over ?? 256 }
}

const watchNames = (rule: OutputWatchRule | undefined): OutputCheck[] => [...(rule?.stuckAfter === undefined ? [] : (['stuck'] as const)), ...(rule?.spread === undefined ? [] : (['collapsed'] as const))]

interface RowChecks {
  (value: unknown): readonly [OutputCheck, string] | undefined
  readonly checks: readonly string[]
}

/** All checks in one pass; which one it was is only asked of an answer that is bad. */
const rowChecks = (options: Pick<AnswerChecksOptions, 'finite' | 'shape' | 'range' | 'sumsToOne'>): RowChecks => {
  const whole = answerChecks(options)
  const { shape, range, finite = true } = options
  const single: [OutputCheck, (value: unknown) => string | undefined][] = []
  if (shape !== undefined) single.push(['shape', answerChecks({ finite: false, shape })])
  if (finite) single.push(['finite', answerChecks()])
  if (range !== undefined && options.sumsToOne === undefined) single.push(['range', answerChecks({ finite: false, range })])
  const faultOf = (value: unknown): readonly [OutputCheck, string] | undefined => {
    const reason = whole(value)
    if (reason === undefined) return undefined
    const check = single.find(([, isBad]) => isBad(value) !== undefined)
    return [check?.[0] ?? 'sumsToOne', reason]
  }
  return Object.assign(faultOf, { checks: whole.checks })
}
