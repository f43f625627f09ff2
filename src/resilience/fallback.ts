import type { Call } from '../core/call.js'
import { InvalidOptionError, outcomeOf, OutriggerError } from '../core/errors.js'
import { applyGuard, type LayerHost } from '../core/layer.js'
import type { ModelFunction, ModelObject } from '../core/model.js'
import { functionOption, optionsObject, stringOption } from '../core/options.js'
import { claim, type Predictor } from '../core/predictor.js'
import { failedRows, isRowFailure, pick, RowFailure } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import { guarded } from './_guarded.js'

/** A rung with a name or a condition of its own. */
export interface RungOptions<I, F> {
  /** Who answers instead. */
  readonly use: ModelFunction<I, F> | ModelObject<I, F>
  /** What records call it. @default the model's name */
  readonly name?: string
  /**
   * Whether it may answer for this error.
   * @default every error but the caller's own abort
   */
  readonly when?: (error: unknown) => boolean
}

/** Who answers when the model cannot: a function, an object, a predictor, or one of these with options. */
export type Rung<I, F> = ModelFunction<I, F> | ModelObject<I, F> | RungOptions<I, F>

interface BuiltRung<I> {
  readonly index: number
  readonly name: string
  readonly stage: Stage<I, unknown>
  readonly closers: readonly (() => Promise<void> | void)[]
  readonly when: (error: unknown) => boolean
}

/**
 * Answers in the place of a model that failed: another model, a rule, a constant; up to four rungs, tried in order.
 *
 * The answer is marked: `record.source` is `fallback`, `record.rung` says which rung, and `record.identity` is the
 * rung's. A batch sends only the rows that failed. Nothing answers for a call that its own caller aborted.
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
export const fallback = <I, F1, F2 = never, F3 = never, F4 = never>(
  first: Rung<I, F1>,
  second?: Rung<I, F2>,
  third?: Rung<I, F3>,
  fourth?: Rung<I, F4>,
): (<O>(inner: Predictor<I, O>) => Predictor<I, O | Awaited<F1> | Awaited<F2> | Awaited<F3> | Awaited<F4>>) => {
  const given = [first, second, third, fourth].filter((rung) => rung !== undefined) as Rung<I, unknown>[]
  if (given.length === 0) throw new InvalidOptionError('Cannot create a fallback as it must have a rung: current value is undefined')
  for (const rung of given) checkRung(rung)

  return (inner) =>
    applyGuard(inner as Predictor<I, unknown>, 'fallback', (host, inside) => {
      const rungs = given.map((rung, index) => build(rung, index + 1, host, inside))

      const mark = (call: Call, rung: BuiltRung<I>): void => {
        call.source = 'fallback'
        const notes = call.note()
        notes.rung = { index: rung.index, name: rung.name }
        notes.identity = rung.stage.served(call)
      }

      const rescue = async (input: I, call: Call, error: unknown): Promise<unknown> => {
        const errors = [error]
        for (const rung of rungs) {
          if (call.isAborted || !rung.when(errors.at(-1))) continue
          try {
            call.source = 'model'
            // As at an entry: what the rung's caches, retries and record say is then what serves the call.
            rung.stage.bind?.(call, input)
            const output = await rung.stage.one(input, call)
            mark(call, rung)
            return output
          } catch (thrown) {
            errors.push(thrown)
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
            const isBound = (index: number): boolean => {
              try {
                rung.stage.bind?.(batch.rows[index] as Call, inputs[index] as never)
                return true
              } catch (thrown) {
                trail.get(index)?.push(thrown)
                return false
              }
            }
            const wanted = open.filter((index) => !(batch.rows[index] as Call).isAborted && rung.when(trail.get(index)?.at(-1)) && isBound(index))
            if (wanted.length === 0) continue
            const part = batch.pick(wanted)
            for (const call of part.rows) call.source = 'model'
            const answers = await rung.stage.many(pick(inputs, wanted), part)
            wanted.forEach((index, position) => {
              const answer = answers[position]
              if (isRowFailure(answer)) trail.get(index)?.push(answer.error)
              else {
                rows[index] = answer
                mark(batch.rows[index] as Call, rung)
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

const isRungOptions = <I, F>(rung: Rung<I, F>): rung is RungOptions<I, F> => typeof rung === 'object' && rung !== null && 'use' in rung

const checkRung = <I>(rung: Rung<I, unknown>): void => {
  if (!isRungOptions(rung)) return
  optionsObject('a rung', rung, ['use', 'name', 'when'])
  functionOption('a rung', 'when', rung.when)
  if (rung.name !== undefined) stringOption('a rung', 'name', rung.name)
}

const build = <I>(rung: Rung<I, unknown>, index: number, host: LayerHost, inside: Stage<I, unknown>): BuiltRung<I> => {
  const { use, name, when } = isRungOptions(rung) ? rung : { use: rung, name: undefined, when: undefined }
  const { stage, closers } = claim(use, name === undefined || typeof use !== 'function' || 'batch' in use ? {} : { name }, inside.runtime)
  return { index, name: name ?? stage.identity.name, stage, closers, when: guarded(host, 'when', when, notAborted) }
}

const notAborted = (error: unknown): boolean => outcomeOf(error) !== 'aborted'

const exhausted = (errors: readonly unknown[]): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_FALLBACK_EXHAUSTED', `Cannot answer as the model and its fallback failed: current value is ${errors.length} errors, the last of them ${String(errors.at(-1))}`, { cause: errors[0], errors })
