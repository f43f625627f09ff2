import { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import type { ModelFunction, ModelObject } from '../core/model.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import { claim, type Predictor } from '../core/predictor.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import { extraWorkBudget, type ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { LatencyWindow } from '../policy/latency-window.js'
import { race } from './_hedge-race.js'
import { HedgeSwitch } from './_hedge-switch.js'


/** Options of {@link hedge}. */
export interface HedgeOptions {
  /** Sends another attempt when the first has taken longer than this share of calls lately; in (0, 1). @default 0.95 */
  readonly quantile?: number
  /** Sends it after a fixed time instead, in milliseconds. */
  readonly delayMs?: number
  /** So many further attempts at most, one after each delay. @default 1 */
  readonly max?: number
  /** The service's budget of extra work, asked for each row of a further attempt. @default one of its own, of 10 % */
  readonly budget?: ExtraWorkBudget
  /** So many further attempts at once, over all calls, until their work has really ended. @default 32 */
  readonly concurrency?: number
}

/** Another model that further attempts go to. */
export interface HedgeTarget<I, F> {
  readonly to: ModelFunction<I, F> | ModelObject<I, F>
}

/** What became of the rows. */
export interface HedgeCounts {
  /** Rows that it was asked for; what a `retry` outside asks once more counts once more. */
  readonly rows: number
  /** Rows that were sent again. */
  readonly sent: number
  /** Of those, rows that the further attempt answered. */
  readonly won: number
  /** Rows that the first attempt answered before the further one. */
  readonly lost: number
  /** Rows for which the further attempt failed. */
  readonly failed: number
  /** Rows that were not sent again, as the budget or `concurrency` refused. */
  readonly refused: number
}

/** The layer, and what became of its rows. */
export interface NeutralHedgeLayer extends NeutralLayer {
  readonly counts: HedgeCounts
}

/** The layer with another model, which widens the answer by what that gives. */
export interface HedgeLayer<I, F> {
  <O>(inner: Predictor<I, O>): Predictor<I, O | Awaited<F>>
  readonly counts: HedgeCounts
}

/**
 * Asks again when an answer is late, and takes the first that comes.
 *
 * The second attempt is sent when the first has taken longer than 95 % of calls lately (learned, for batches by their
 * number of rows) or than `delayMs`; to the same version of the model, or to another model. The first success wins; the
 * loser is aborted, and nobody waits for it. When all fail, the caller gets the first attempt's error. A first attempt
 * that fails before it is late is not asked again: that is `retry`'s.
 *
 * Never hedged are calls with `idempotent: false`, calls of scoring jobs and of shadows, calls that were aborted, and what the budget
 * refuses. It switches itself off, with a `state` event, for a model that computes on this thread, and when hedges do not
 * answer earlier; it tries again after 1000 calls, then after ever more.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { hedge } from 'outrigger/resilience'
 * let asked = 0
 * const moody = async (x: number, call: { signal: AbortSignal }): Promise<number> => {
 *   asked += 1
 *   if (asked === 1) await new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason)))
 *   return x * 2
 * }
 * const hedged = hedge({ delayMs: 5 })
 * const { output, record } = await pipe(moody, hedged).detailed(21)
 * assert.deepEqual([output, record.marks, hedged.counts.won], [42, ['hedge-answered'], 1])
 * ```
 */
export function hedge<I, F>(options: HedgeOptions & HedgeTarget<I, F>): HedgeLayer<I, F>
export function hedge(options?: HedgeOptions & { readonly to?: undefined }): NeutralHedgeLayer
export function hedge<I, F>(options: HedgeOptions & { readonly to?: HedgeTarget<I, F>['to'] | undefined } = {}): HedgeLayer<I, F> {
  const owner = 'a hedge'
  optionsObject(owner, options, ['quantile', 'delayMs', 'to', 'max', 'budget', 'concurrency'])
  const { delayMs, to } = options
  if (delayMs !== undefined) {
    numberOption(owner, 'delayMs', delayMs, { min: 0, max: 2 ** 31 - 1 })
    if (options.quantile !== undefined) throw new InvalidOptionError(`Cannot create a hedge as \`quantile\` and \`delayMs\` exclude each other: current value has both`)
  }
  const quantile = numberOption(owner, 'quantile', options.quantile ?? 0.95, { min: 0, max: 0.9999, exclusive: true })
  const max = numberOption(owner, 'max', options.max ?? 1, { min: 1, max: 10, integer: true })
  const concurrency = numberOption(owner, 'concurrency', options.concurrency ?? 32, { min: 1, integer: true })
  const budget = options.budget === undefined ? extraWorkBudget() : membersOption(owner, 'budget', options.budget, ['meter'])
  /** Five calls beyond the quantile are the least to tell it by. */
  const minimumCalls = Math.max(20, Math.ceil(5 / (1 - quantile) - 1e-9))
  const counts = { rows: 0, sent: 0, won: 0, lost: 0, failed: 0, refused: 0 }

  const wrap = <O>(inner: Predictor<I, O>): Predictor<I, O> =>
    applyLayer<I, O>(inner, 'hedge', ({ clock, emit }, inside) => {
      const meter = budget.meter()
      const target = to === undefined ? undefined : claim(to as unknown as ModelFunction<I, O>, {}, inside.runtime)
      const gate = new HedgeSwitch((reason) => {
        const [from, next] = gate.isOn ? ['off', 'on'] : ['on', 'off']
        emit({ type: 'state', subject: inner.identity.name, from: from as string, to: next as string, reason, data: { ...counts } })
      })
      /** By the number of rows, in powers of two: at most 32. */
      const windows = new Map<number, LatencyWindow>()
      const windowOf = (rows: number): LatencyWindow => {
        const size = 32 - Math.clz32(rows - 1)
        let window = windows.get(size)
        if (window === undefined) windows.set(size, (window = new LatencyWindow()))
        return window
      }
      const delayFor = (window: LatencyWindow): number | undefined => delayMs ?? (window.count < minimumCalls ? undefined : window.quantile(quantile))
      let running = 0
      let isClosed = false

      const isHedgeable = (call: Call): boolean => call.isIdempotent && !call.isBatchWork && !call.isShadow

      const run = (inputs: readonly I[], batch: BatchCall, ask: (stage: Stage<I, O>, inputs: readonly I[], part: BatchCall) => Promise<Row<O>[]>): Promise<Row<O>[]> => {
        const window = windowOf(inputs.length)
        const startedAt = clock.now()
        return race<O>({
          batch,
          max,
          clock,
          delayMs: delayFor(window),
          startedAt,
          askFirst: (part) => ask(inside, inputs, part),
          askAgain: async (indices, part) => {
            const rows = indices.map((index) => inputs[index] as I)
            if (target === undefined) return await ask(inside, rows, part)
            const { stage } = target
            part.rows.forEach((call, position) => {
              stage.bind?.(call, rows[position] as I)
              call.note().identity = stage.served(call)
            })
            const answers = await ask(stage, rows, part)
            // Another model stands in for the one that the call is bound to: a cache farther out must not keep its answer under that one's key.
            for (const call of part.rows) if (call.source === 'model' && stage.scope(call) !== inside.scope(call)) call.source = 'fallback'
            return answers
          },
          mayAskAgain: (rows) => {
            if (isClosed || !gate.isOn) return false
            if (running < concurrency && meter.spend(rows, clock.now())) {
              counts.sent += rows
              running += 1
              return true
            }
            counts.refused += rows
            return false
          },
          onAgainEnded: () => void (running -= 1),
          onAgain: (outcome) => {
            counts[outcome] += 1
          },
          onDecided: (won) => gate.decided(won),
          onFirst: (busyMs, tookMs, isOvertaken) => {
            if (!isOvertaken) gate.answered(busyMs, tookMs)
            // Of one that was overtaken is known that it took longer than the quantile, and that is what keeps the quantile right.
            if (delayMs === undefined) window.record(tookMs)
          },
        })
      }

      return {
        trusted: true,
        describe: () => `hedge ${delayMs === undefined ? `at p${Number((quantile * 100).toPrecision(6))}` : `after ${delayMs} ms`}${gate.isOn ? '' : ' (off)'}`,
        branches: target === undefined ? [] : [{ label: 'to', stage: target.stage }],
        one: async (next, input, call) => {
          counts.rows += 1
          meter.seen(1)
          if (!isHedgeable(call) || call.isAborted || !gate.admits()) return await next(input, call)
          const [row] = await run([input], new BatchCall(inside.runtime, [call]), askOne)
          if (isRowFailure(row)) throw row.error
          return row as O
        },
        many: async (next, inputs, batch) => {
          counts.rows += inputs.length
          meter.seen(inputs.length)
          return await (inputs.length > 0 && batch.rows.every(isHedgeable) && !batch.isAborted && gate.admits() ? run(inputs, batch, askMany) : next(inputs, batch))
        },
        close: async () => {
          isClosed = true
          for (const close of target?.closers ?? []) await close()
        },
      }
    })
  return Object.defineProperty(wrap, 'counts', { get: () => ({ ...counts }), enumerable: true }) as HedgeLayer<I, F>
}

const askOne = async <I, O>(stage: Stage<I, O>, inputs: readonly I[], part: BatchCall): Promise<Row<O>[]> => {
  try {
    return [await stage.one(inputs[0] as I, part.rows[0] as Call)]
  } catch (error) {
    return [new RowFailure(error)]
  }
}

const askMany = async <I, O>(stage: Stage<I, O>, inputs: readonly I[], part: BatchCall): Promise<Row<O>[]> => await stage.many(inputs, part)
