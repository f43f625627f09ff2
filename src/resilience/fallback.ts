import type { Call } from '../core/call.js'
import { InvalidOptionError, outcomeOf, OutriggerError, type ErrorCode, type Outcome } from '../core/errors.js'
import { applyGuard, type LayerHost } from '../core/layer.js'
import type { ModelFunction, ModelObject } from '../core/model.js'
import { functionOption, optionsObject, stringOption } from '../core/options.js'
import { claim, predictorOver, stageOf, type Predictor } from '../core/predictor.js'
import { failedRows, isRowFailure, RowFailure } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import { guarded } from './guarded.js'
import { timeout } from './timeout.js'

/** Errors that a rung answers for: by a predicate, or by outcomes (`timeout`, `rejected`, `error`) and codes, of outrigger or of others. */
export type RungCondition = ((error: unknown) => boolean) | readonly (Outcome | ErrorCode | (string & {}))[]

/** What can be said of a rung. */
export interface RungSettings {
  /** What records call it. @default the model's name */
  readonly name?: string
  /**
   * Whether it may answer for this error.
   * @default every error but the caller's own abort
   */
  readonly when?: RungCondition
  /** It has so long to answer, in milliseconds. @default as long as the call has */
  readonly timeoutMs?: number
  /**
   * Nobody is left to answer after it, so that a circuit breaker in it lets the call through though it is open.
   * @default true for the last rung
   */
  readonly lastResort?: boolean
}

/** A rung with a name, a condition or parameters of its own. */
export type RungOptions<I, F, J = I> = RungSettings & {
  /** Who answers instead. */
  readonly use: ModelFunction<J, F> | ModelObject<J, F>
} & RungInput<I, J>

/** The rung's own input, for one that takes another than the model does; what it throws fails the rung. */
export type RungInput<I, J> = [I] extends [J] ? { readonly input?: (input: I, error: unknown) => J } : { readonly input: (input: I, error: unknown) => J }

/** Who answers when the model cannot: a function, an object, a predictor, or one of these with options. */
export type Rung<I, F, J = I> = ModelFunction<I, F> | ModelObject<I, F> | RungOptions<I, F, J>

interface BuiltRung<I> {
  readonly index: number
  readonly name: string
  readonly stage: Stage<unknown, unknown>
  readonly closers: readonly (() => Promise<void> | void)[]
  readonly when: (error: unknown) => boolean
  readonly inputFor: (input: I, error: unknown) => unknown
  readonly isLastResort: boolean
}

/**
 * Answers in the place of a model that failed: another model, a rule, a constant; up to four rungs, tried in order.
 *
 * The answer is marked: `record.source` is `fallback`, `record.rung` says which rung, and `record.identity` is the
 * rung's. A batch sends only the rows that failed. Nothing answers for a call that its own caller aborted.
 *
 * Each rung has parameters of its own: `when`, `timeoutMs`, and `input`, which turns the model's input into the rung's.
 * The last rung is the last resort: its circuit breaker cannot leave the call without an answer.
 *
 * When every rung fails the caller gets `ERR_OUTRIGGER_FALLBACK_EXHAUSTED`, with all errors in `errors` and the
 * model's own as `cause`. When no rung wants the error, it passes as it is.
 *
 * Keep it farthest from the model: what stands outside of it sees no failure any more.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when there is no rung, or one is no model
 * @example
 * ```ts
 * import { fallback, pipe } from 'outrigger'
 * const predict = pipe(
 *   async (x: number): Promise<number> => { throw new Error('down') },
 *   fallback(
 *     { use: (x) => x * 2, name: 'rule', when: () => false },
 *     () => 'unknown' as const,
 *   ),
 * )
 * const { output, record } = await predict.detailed(1)
 * assert.equal(output, 'unknown')
 * assert.deepEqual([record.source, record.rung?.index], ['fallback', 2])
 * ```
 */
export const fallback = <I, F1, F2 = never, F3 = never, F4 = never, J1 = I, J2 = I, J3 = I, J4 = I>(
  first: Rung<I, F1, J1>,
  second?: Rung<I, F2, J2>,
  third?: Rung<I, F3, J3>,
  fourth?: Rung<I, F4, J4>,
): (<O>(inner: Predictor<I, O>) => Predictor<I, O | Awaited<F1> | Awaited<F2> | Awaited<F3> | Awaited<F4>>) => {
  const given = [first, second, third, fourth].filter((rung) => rung !== undefined) as AnyRung<I>[]
  if (given.length === 0) throw new InvalidOptionError('Cannot create a fallback as it must have a rung: current value is undefined')
  for (const rung of given) checkRung(rung)

  return (inner) =>
    applyGuard(inner as Predictor<I, unknown>, 'fallback', (host, inside) => {
      const rungs = given.map((rung, index) => build(rung, index + 1, index === given.length - 1, host, inside))

      const mark = (call: Call, rung: BuiltRung<I>): void => {
        call.source = 'fallback'
        const notes = call.note()
        notes.rung = { index: rung.index, name: rung.name }
        // A fallback or a cascade in the rung says itself who answered.
        notes.identity ??= rung.stage.served(call)
      }

      const begin = (call: Call, rung: BuiltRung<I>): void => {
        call.source = 'model'
        if (call.notes !== undefined) delete call.notes.identity
        call.isLastResort ||= rung.isLastResort
      }

      const failed = (call: Call, rung: BuiltRung<I>, errors: unknown[], error: unknown): void => {
        errors.push(error)
        call.mark(`rung-${rung.index}-failed`)
      }

      const rescue = async (input: I, call: Call, error: unknown): Promise<unknown> => {
        const errors = [error]
        for (const rung of rungs) {
          const last = errors.at(-1)
          if (call.isAborted || !rung.when(last)) continue
          const { isLastResort } = call
          try {
            const own = rung.inputFor(input, last)
            begin(call, rung)
            // As at an entry: what the rung's caches, retries and record say is then what serves the call.
            rung.stage.bind?.(call, own)
            const output = await rung.stage.one(own, call)
            mark(call, rung)
            return output
          } catch (thrown) {
            failed(call, rung, errors, thrown)
          } finally {
            call.isLastResort = isLastResort
          }
        }
        throw errors.length === 1 ? error : exhausted(errors)
      }

      return {
        traits: { hidesFailures: true },
        describe: () => 'fallback',
        branches: rungs.map((rung) => ({ label: `rung ${rung.index}`, stage: rung.stage })),
        guard: { recover: (error, input, call) => rescue(input, call, error) },
        many: async (next, inputs, batch) => {
          const rows = await next(inputs, batch)
          let open = failedRows(rows)
          if (open.length === 0) return rows
          const trail = new Map<number, unknown[]>(open.map((index) => [index, [(rows[index] as RowFailure).error]]))
          for (const rung of rungs) {
            const own: unknown[] = []
            const wanted = open.filter((index) => {
              const call = batch.rows[index] as Call
              const errors = trail.get(index) as unknown[]
              if (call.isAborted || !rung.when(errors.at(-1))) return false
              try {
                const input = rung.inputFor(inputs[index] as I, errors.at(-1))
                rung.stage.bind?.(call, input)
                own.push(input)
                return true
              } catch (thrown) {
                failed(call, rung, errors, thrown)
                return false
              }
            })
            if (wanted.length === 0) continue
            const part = batch.pick(wanted)
            const lastResorts = part.rows.map((call) => call.isLastResort)
            for (const call of part.rows) begin(call, rung)
            const answers = await rung.stage.many(own, part)
            wanted.forEach((index, position) => {
              const answer = answers[position]
              const call = part.rows[position] as Call
              call.isLastResort = lastResorts[position] as boolean
              if (isRowFailure(answer)) failed(call, rung, trail.get(index) as unknown[], answer.error)
              else {
                rows[index] = answer
                mark(call, rung)
              }
            })
            open = open.filter((index) => isRowFailure(rows[index]))
          }
          for (const index of open) {
            const errors = trail.get(index) as unknown[]
            if (errors.length > 1) rows[index] = new RowFailure(exhausted(errors))
          }
          return rows
        },
        close: async () => {
          const closing = await Promise.allSettled(rungs.flatMap((rung) => rung.closers.map(async (close) => await close())))
          for (const result of closing) if (result.status === 'rejected') throw result.reason
        },
      }
    }) as never
}

interface AnyRungOptions<I> extends RungSettings {
  readonly use: ModelFunction<unknown, unknown> | ModelObject<unknown, unknown>
  readonly input?: (input: I, error: unknown) => unknown
}

type AnyRung<I> = AnyRungOptions<I>['use'] | AnyRungOptions<I>

const isRungOptions = <I>(rung: AnyRung<I>): rung is AnyRungOptions<I> => typeof rung === 'object' && rung !== null && 'use' in rung

const checkRung = <I>(rung: AnyRung<I>): void => {
  if (!isRungOptions(rung)) return
  const owner = 'a rung'
  optionsObject(owner, rung, ['use', 'name', 'when', 'input', 'timeoutMs', 'lastResort'])
  const { name, when, input, timeoutMs } = rung
  if (Array.isArray(when)) for (const kind of when) stringOption(owner, 'when', kind)
  else functionOption(owner, 'when', when)
  functionOption(owner, 'input', input)
  if (name !== undefined) stringOption(owner, 'name', name)
  // Its own check says what is wrong with it.
  if (timeoutMs !== undefined) timeout({ ms: timeoutMs })
}

const build = <I>(rung: AnyRung<I>, index: number, isLast: boolean, host: LayerHost, inside: Stage<I, unknown>): BuiltRung<I> => {
  const { use, name, when, input = same, timeoutMs, lastResort = isLast }: AnyRungOptions<I> = isRungOptions(rung) ? rung : { use: rung }
  const { stage, closers } = claim(use, name === undefined || typeof use !== 'function' || 'batch' in use ? {} : { name }, inside.runtime)
  const limited = timeoutMs === undefined ? undefined : stageOf(timeout({ ms: timeoutMs })(predictorOver(stage, [])))
  const judge = typeof when === 'object' ? (error: unknown): boolean => when.includes(outcomeOf(error)) || when.includes((Object(error) as { code: string }).code) : when
  return { index, name: name ?? stage.identity.name, stage: limited ?? stage, closers: [...closers, () => limited?.close()], when: guarded(host, 'when', judge, notAborted), inputFor: input, isLastResort: lastResort }
}

const same = (input: unknown): unknown => input

const notAborted = (error: unknown): boolean => outcomeOf(error) !== 'aborted'

const exhausted = (errors: readonly unknown[]): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_FALLBACK_EXHAUSTED', `Cannot answer as the model and its fallback failed: the last of ${errors.length} errors is ${String(errors.at(-1))}`, { cause: errors[0], errors })
