import { AsyncLocalStorage } from 'node:async_hooks'
import { BatchCall, type Call } from '../core/call.js'
import { copyPlain } from '../core/copy.js'
import { OutriggerError } from '../core/errors.js'
import { isClose } from '../core/is-close.js'
import { applyLayer } from '../core/layer.js'
import type { ModelFunction, ModelObject } from '../core/model.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { claim, type Predictor } from '../core/predictor.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { isSampled } from './assignment.js'

/** One row that both models have answered. */
export interface Comparison<I, O, C> {
  readonly id: string
  readonly input: I
  readonly primary: O
  readonly candidate: C
}

/** Options of {@link shadow}. */
export interface ShadowOptions<I, O, C> {
  /** The share of calls that the candidate sees too, in [0, 1]; by the call's `key` where it has one. @default 1 */
  readonly rate?: number
  /** So many runs of the candidate at once; what comes beyond is dropped and counted. @default 8 */
  readonly concurrency?: number
  /** A run of the candidate is given up after so long, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /**
   * Whether two answers agree.
   * @default equal, numbers within 1e-6 relative or absolute
   */
  readonly agree?: (primary: O, candidate: C) => boolean
  /** Hears every row that both have answered. */
  readonly onCompared?: (comparison: Comparison<I, O, C>) => void
  /** The service's budget of extra work; a run that it does not allow is dropped and counted. @default no limit but `concurrency` */
  readonly budget?: ExtraWorkBudget
  /** Separates samples of several shadows. @default 'shadow' */
  readonly name?: string
}

/** What became of the rows. */
export interface ShadowCounts {
  /** Rows chosen for the candidate. */
  readonly sampled: number
  /** Rows that both answered. */
  readonly compared: number
  /** Of those, how many agreed. */
  readonly agreed: number
  /** Rows for which the candidate failed, or took too long. */
  readonly failed: number
  /** Rows that were dropped, because too many runs were under way, the budget was spent, or the input could not be copied: a bias to know of. */
  readonly dropped: number
}

/** The async context in which this module was loaded: a run outlives the call that it was made from. */
const neutral = AsyncLocalStorage.snapshot()

/** The layer, and the handle of its comparison. */
export interface ShadowLayer<I, O> {
  <P extends O>(inner: Predictor<I, P>): Predictor<I, P>
  readonly counts: ShadowCounts
  /** Starts and stops the candidate's runs. */
  setRate(rate: number): void
  /** Resolves when no run of the candidate is under way. */
  idle(): Promise<void>
}

/**
 * Lets a candidate see real traffic without anybody seeing its answers.
 *
 * The caller gets the primary's answer, as soon as it is there. The candidate runs afterwards, with a copy of the
 * input, under a call of its own (`call.isShadow` is true: fence off side effects). What it throws, how long it takes
 * and what it does to its input reaches nobody. Nothing queues: beyond `concurrency` rows are dropped and counted.
 *
 * The candidate shares the process: one that computes for long on the main thread slows everybody down.
 *
 * @param candidate - a function or object (owned), or a predictor (borrowed)
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { shadow } from 'outrigger/route'
 * const candidate = shadow((x: number) => x + 1, { agree: (a: number, b: number) => Math.abs(a - b) < 0.5 })
 * const predict = pipe((x: number) => x, candidate)
 * assert.equal(await predict(1), 1)
 * await candidate.idle()
 * assert.deepEqual([candidate.counts.compared, candidate.counts.agreed], [1, 0])
 * ```
 */
export const shadow = <I, O, C = O>(candidate: ModelFunction<I, C> | ModelObject<I, C>, options: ShadowOptions<I, O, Awaited<C>> = {}): ShadowLayer<I, O> => {
  optionsObject('a shadow', options, ['rate', 'concurrency', 'timeoutMs', 'agree', 'onCompared', 'budget', 'name'])
  let rate = numberOption('a shadow', 'rate', options.rate ?? 1, { min: 0, max: 1 })
  const concurrency = numberOption('a shadow', 'concurrency', options.concurrency ?? 8, { min: 1, integer: true })
  const timeoutMs = numberOption('a shadow', 'timeoutMs', options.timeoutMs ?? 10_000, { min: 0, exclusive: true })
  const agree = (functionOption('a shadow', 'agree', options.agree) ?? isClose) as (primary: O, answer: Awaited<C>) => boolean
  const onCompared = functionOption('a shadow', 'onCompared', options.onCompared)
  const budget = options.budget === undefined ? undefined : membersOption('a shadow', 'budget', options.budget, ['meter'])
  const name = stringOption('a shadow', 'name', options.name ?? 'shadow')
  const counts = { sampled: 0, compared: 0, agreed: 0, failed: 0, dropped: 0 }
  const running = new Set<BatchCall>()
  let onIdle: (() => void)[] = []

  const wrap = <P extends O>(inner: Predictor<I, P>): Predictor<I, P> =>
    applyLayer<I, P>(inner, 'shadow', ({ clock, random, emit }, inside) => {
      const { stage, closers } = claim<I, Awaited<C>>(candidate as never, {}, inside.runtime)
      const meter = budget?.meter()
      /** Those of `running` that are of this predictor; the layer may be around several. */
      const own = new Set<BatchCall>()
      const complain = (error: unknown): void => emit({ type: 'notice', message: 'Comparing a shadow answer threw.', error })

      const compare = (run: BatchCall, inputs: readonly I[], primaries: readonly P[], answers: readonly Row<Awaited<C>>[]): void => {
        answers.forEach((answer, index) => {
          if (isRowFailure(answer)) {
            counts.failed += 1
            return
          }
          counts.compared += 1
          try {
            if (agree(primaries[index] as P, answer)) counts.agreed += 1
            const result: unknown = onCompared?.({ id: (run.rows[index] as Call).id, input: inputs[index] as I, primary: primaries[index] as P, candidate: answer })
            // An asynchronous callback that rejects must not end the process.
            if (result instanceof Promise) result.catch(complain)
          } catch (error) {
            complain(error)
          }
        })
      }

      const runCandidate = async (run: BatchCall, inputs: readonly I[], primaries: readonly P[]): Promise<void> => {
        const timer = clock.setTimeout(() => run.abort(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the shadow candidate any longer: current value of the limit is ${timeoutMs} ms`, { timeoutMs })), timeoutMs)
        timer.unref()
        // A candidate that ignores its signal is given up; its place and its leases are kept until it ends.
        let givenUp = false
        for (const call of run.rows) {
          call.onAbort(() => {
            if (givenUp) return
            givenUp = true
            clock.clearTimeout(timer)
            counts.failed += inputs.length
          })
        }
        try {
          const answers = inputs.length === 1 ? [await stage.one(inputs[0] as I, run.rows[0] as Call).catch((error: unknown) => new RowFailure(error))] : await stage.many(inputs, run)
          if (!givenUp) compare(run, inputs, primaries, answers)
        } catch (error) {
          if (!givenUp) counts.failed += inputs.length
          emit({ type: 'notice', message: 'The shadow candidate broke its contract.', error })
        } finally {
          clock.clearTimeout(timer)
          run.end()
          running.delete(run)
          own.delete(run)
          if (running.size === 0) {
            const waiting = onIdle
            onIdle = []
            for (const resolve of waiting) resolve()
          }
        }
      }

      const isChosen = (call: Call): boolean => rate > 0 && (rate >= 1 || (call.key === undefined ? random.next() < rate : isSampled(rate, name, call.key)))

      /** Takes copies while the caller still waits, and runs the candidate when the answers are on their way. */
      const send = (calls: readonly Call[], inputs: readonly I[], primaries: readonly P[]): void => {
        counts.sampled += inputs.length
        if (running.size >= concurrency || meter?.spend(inputs.length, clock.now()) === false) {
          counts.dropped += inputs.length
          return
        }
        let copies: readonly I[]
        let answers: readonly P[]
        try {
          copies = copyPlain(inputs, refuse)
          answers = copyPlain(primaries, refuse)
        } catch {
          counts.dropped += inputs.length
          return
        }
        const run = new BatchCall(
          inside.runtime,
          calls.map((call) => call.shadow()),
        )
        try {
          run.rows.forEach((child, index) => stage.bind?.(child, copies[index] as I))
        } catch (error) {
          run.end()
          counts.failed += inputs.length
          emit({ type: 'notice', message: 'The shadow candidate could not be bound.', error })
          return
        }
        running.add(run)
        own.add(run)
        neutral(() => clock.setImmediate(() => void runCandidate(run, copies, answers)))
      }

      return {
        trusted: true,
        describe: () => `shadow ${name}, ${Number((rate * 100).toPrecision(6))} % of calls`,
        branches: [{ label: 'candidate', stage }],
        one: async (next, input, call) => {
          meter?.seen(1)
          const output = await next(input, call)
          if (isChosen(call)) send([call], [input], [output])
          return output
        },
        many: async (next, inputs, batch) => {
          meter?.seen(inputs.length)
          const rows = await next(inputs, batch)
          if (rate === 0) return rows
          const chosen = rows.flatMap((row, index) => (!isRowFailure(row) && isChosen(batch.rows[index] as Call) ? [index] : []))
          if (chosen.length > 0) {
            send(
              chosen.map((index) => batch.rows[index] as Call),
              chosen.map((index) => inputs[index] as I),
              chosen.map((index) => rows[index] as P),
            )
          }
          return rows
        },
        close: async () => {
          const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot go on with the shadow run as the predictor is closed')
          for (const run of own) run.abort(closed)
          for (const close of closers) await close()
        },
      }
    })
  return Object.defineProperties(wrap, {
    counts: { get: () => ({ ...counts }), enumerable: true },
    setRate: {
      value: (next: number) => {
        rate = numberOption('a shadow', 'rate', next, { min: 0, max: 1 })
      },
    },
    idle: { value: () => (running.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => onIdle.push(resolve))) },
  }) as unknown as ShadowLayer<I, O>
}

const refuse = (what: string): never => {
  throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot copy a row for the shadow candidate: current value holds ${what}`)
}
