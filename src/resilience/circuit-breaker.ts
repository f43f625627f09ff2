import type { Call } from '../core/call.js'
import { systemClock, type Clock } from '../core/clock.js'
import { hasCode, outcomeOf, rejection, type OutriggerError } from '../core/errors.js'
import { showIdentity, type ModelIdentity } from '../core/identity.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import { isStream, untilEnd } from '../core/streams.js'
import { Breaker, rejected, type BreakerChange, type BreakerState } from '../policy/breaker.js'
import { guarded } from './guarded.js'
import { breakerCells, type Cell, type Cells } from './_breaker-cells.js'
import { breakerRule, type CircuitBreakerOptions, type ScopedCircuitBreakerOptions, type TypedCircuitBreakerOptions } from './circuit-breaker-options.js'

export type { CircuitBreakerOptions, ScopedCircuitBreakerOptions, TypedCircuitBreakerOptions } from './circuit-breaker-options.js'

/** What can be read of a circuit breaker; where it has several scopes, of the one that was asked last. */
export interface CircuitBreakerHandle {
  readonly state: BreakerState
  /** The share of failures in the window, as of the last call. */
  readonly failureRate: number
}

/** The layer, and the handle of its breaker. Put around several predictors, it is one breaker for all of them. */
export interface CircuitBreakerLayer extends NeutralLayer, CircuitBreakerHandle {}

/** The same with a `scope` of inputs: it fits the predictors that have these. */
export interface ScopedCircuitBreakerLayer<I> extends CircuitBreakerHandle {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** The same with hooks that look at answers too. */
export interface TypedCircuitBreakerLayer<I, O> extends CircuitBreakerHandle {
  (inner: Predictor<I, O>): Predictor<I, O>
}

/** The rows of a run that are one breaker's. */
interface Run {
  readonly cell: Cell
  readonly permit: number
  readonly failed: Set<RowFailure>
  failures: number
  successes: number
}

/** A call in flight, where its permit alone does not say enough. */
interface Ticket {
  readonly cell: Cell
  readonly permit: number
  readonly startedAt: number
}

/**
 * Stops calling a model that is unwell, and tries again later with a few calls.
 *
 * Unwell is a model that fails, that has become slow (`slow`), that gives bad answers (`isBadAnswer`), or of which
 * somebody says so (`trip`). While it is open every call is rejected with `ERR_OUTRIGGER_CIRCUIT_OPEN` at once; put a
 * `fallback` outside. After `openForMs` it is half-open: up to `probes` calls go through, everybody else is rejected and
 * waits for nobody. When the probes succeed it closes, over the steps of `ramp` if there are any; when one fails it
 * opens again, for twice as long.
 *
 * In a batch a run that fails as a whole is one failure, and a run in which every row succeeds is one success; when
 * only some rows fail, each row counts, and they are judged together. While half-open a batch is one probe.
 *
 * Each version of a model has a breaker of its own: after a swap the new one starts afresh, and late calls of the old
 * one do not count against it. Each change is a `state` event. A call costs O(1) at any traffic, and while it is closed
 * the clock is read only for `timeWindow` and `slow`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * const breaker = circuitBreaker({ minimumCalls: 2, windowSize: 2 })
 * const predict = pipe(async (x: number): Promise<number> => { throw new Error('down') }, breaker)
 * await assert.rejects(predict(1), /down/)
 * await assert.rejects(predict(2), /down/)
 * await assert.rejects(predict(3), { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
 * assert.equal(breaker.state, 'open')
 * ```
 */
export function circuitBreaker(options?: CircuitBreakerOptions): CircuitBreakerLayer
export function circuitBreaker<I>(options: ScopedCircuitBreakerOptions<I>): ScopedCircuitBreakerLayer<I>
export function circuitBreaker<I, O>(options: TypedCircuitBreakerOptions<I, O>): TypedCircuitBreakerLayer<I, O>
export function circuitBreaker<I, O>(options: TypedCircuitBreakerOptions<I, O> = {}): CircuitBreakerHandle {
  const rule = breakerRule(options)
  const { slow, isBadAnswer, passBadAnswers = false, scope, probe, control } = options
  const needsTickets = typeof scope === 'function' || slow !== undefined
  const listeners = new Set<(cell: Cell, change: BreakerChange) => void>()
  let clock: Clock = systemClock
  let draw = (): number => 0
  const cells = breakerCells(
    rule.maxScopes,
    (onChange) => (control === undefined ? new Breaker(rule, () => draw(), onChange) : control.create(rule, () => draw(), onChange)),
    (cell, change) => listeners.forEach((tell) => tell(cell, change)),
    () => clock.now(),
  )
  control?.attach(cells as Cells<never>)
  let current: Cell | undefined
  const asked = (): Breaker => (current ?? cells.of('')).breaker

  const open = (): OutriggerError => {
    const breaker = asked()
    return rejection('ERR_OUTRIGGER_CIRCUIT_OPEN', `Cannot call the model as its circuit breaker lets no call through: current value of its state is ${breaker.state}`, { retryAfterMs: breaker.retryAfterMs(clock.now()) })
  }

  const wrap = (inner: Predictor<I, O>): Predictor<I, O> =>
    applyGuard<I, O>(inner, 'circuit-breaker', (host, inside) => {
      clock = host.clock
      draw = () => host.random.next()
      const now = (): number => host.clock.now()
      const isFailure = guarded(host, 'isFailure', options.isFailure, saysUnwell)
      const faultOf = guarded<[O, I], string | undefined>(host, 'isBadAnswer', isBadAnswer, () => undefined)
      const prober = probe?.start({ host, inside, timeoutMs: rule.probeTimeoutMs, isFailure, isSegmented: typeof scope === 'function' })

      // ---- whose breaker: where nothing inside chooses a version there is only one

      const names = new WeakMap<ModelIdentity, string>()
      const versionOf = (call: Call): string => {
        const identity = host.served(call)
        const name = names.get(identity) ?? showIdentity(identity)
        names.set(identity, name)
        return name
      }
      const scopeOf = guarded<[I, Call], string>(host, 'scope', typeof scope === 'function' ? scope : undefined, inside.bind === undefined ? () => '' : (_, call) => versionOf(call))
      const only = inside.bind === undefined && typeof scope !== 'function' ? cells.of('') : undefined
      const isPlain = !needsTickets && isBadAnswer === undefined
      const cellOf = (call: Call, input: I): Cell => only ?? cells.of(scopeOf(input, call))

      const arm = (cell: Cell): void => prober?.arm(cell.breaker, (call) => scopeOf(undefined as never, call) === cell.scope)
      const tell = (cell: Cell, { from, to, reason }: BreakerChange): void => {
        host.emit({ type: 'state', subject: inner.identity.name, from, to, reason, data: { failureRate: cell.breaker.failureRate, scope: cell.scope } })
        arm(cell)
      }
      listeners.add(tell)

      // Nobody is left to answer in its place, so that nothing is gained by refusing; unless somebody said so by hand.
      const passesBy = ({ breaker }: Cell, { isLastResort }: Call): boolean => isLastResort && breaker.state !== 'isolated'
      const enter = (cell: Cell, call: Call): number => {
        current = cell
        const permit = cell.breaker.acquire(now)
        if (permit !== rejected) return permit
        arm(cell)
        return passesBy(cell, call) ? past : rejected
      }
      // What is learned is how long it takes when all is well.
      const isSlow = (cell: Cell, startedAt: number, rows: number, successes: number): boolean =>
        slow !== undefined && (cell.baseline ??= slow.create()).judge(now() - startedAt, rows, successes > 0 && isCounting(cell.breaker))

      const counts = (error: unknown, call: Call): boolean => !hasLeft(call) && isFailure(error)

      // ---- single calls: most need no more than the number of their permit; a ticket's number takes its place

      const tickets = new Map<number, Ticket>()
      let lastTicket = 0
      const take = (held: number, call: Call): Ticket => {
        const ticket = needsTickets ? (tickets.get(held) as Ticket) : { cell: cellOf(call, undefined as never), permit: held, startedAt: 0 }
        tickets.delete(held)
        return ticket
      }
      const ended = (held: number, call: Call, failures: number, successes: number): void => {
        const { cell, permit, startedAt } = take(held, call)
        cell.breaker.record(permit, failures, successes, isSlow(cell, startedAt, 1, successes), now)
      }
      /** A stream is judged when it ends; a probe's when its first part is there, as how long it is read is its reader's business. */
      const watch = <S extends AsyncIterable<unknown>>(stream: S, held: number, call: Call): S => {
        const { cell, permit, startedAt } = take(held, call)
        const wasSlow = isSlow(cell, startedAt, 1, 1)
        return untilEnd(
          stream,
          (failed, error) => cell.breaker.record(permit, Number(failed && counts(error, call)), Number(!failed), wasSlow, now),
          () => cell.breaker.state === 'half-open',
        )
      }

      // ---- answers

      /** What the caller gets for an answer: the answer, or what is thrown instead. */
      const isBad = (output: O, input: I): OutriggerError | undefined => {
        const reason = isBadAnswer === undefined || isStream(output) ? undefined : faultOf(output, input)
        return reason === undefined ? undefined : rejection('ERR_OUTRIGGER_BAD_ANSWER', `Cannot pass the answer on as a check found it bad: current value is ${reason}`, { reason })
      }
      const passes = (): boolean => passBadAnswers || control?.metricsOnly === true

      return {
        traits: { countsFailures: true },
        describe: () => `circuit-breaker ${asked().state}, opens ${rule.failureRate > 1 ? `after ${rule.consecutiveFailures} failures in a row` : `at ${rule.failureRate * 100} % of ${rule.window.name}`}`,
        guard: {
          enter: (call, input) => {
            const cell = only ?? cells.of(scopeOf(input, call))
            const permit = enter(cell, call)
            // What the breaker gives for no permit is what says so to the fused function.
            if (!needsTickets || permit === rejected) return permit
            lastTicket += 1
            tickets.set(lastTicket, { cell, permit, startedAt: slow === undefined ? 0 : now() })
            return lastTicket
          },
          refusal: open,
          pass: (held, output, call, input) => {
            if (isStream(output)) return watch(output, held, call)
            // The most usual breaker, of one version and without a judge, looks nothing up.
            if (isPlain && only !== undefined) {
              only.breaker.succeed(held, now)
              return output
            }
            const bad = isBad(output, input)
            ended(held, call, bad === undefined ? 0 : 1, bad === undefined ? 1 : 0)
            if (bad !== undefined && !passes()) throw bad
            return output
          },
          fail: (held, error, call) => ended(held, call, Number(counts(error, call)), 0),
        },
        many: async (next, inputs, batch) => {
          const runs = new Map<Cell, Run>()
          const runOf: Run[] = []
          const admitted: number[] = []
          const rows = new Array<Row<O>>(inputs.length)
          let run: Run | undefined
          for (let index = 0; index < inputs.length; index += 1) {
            const call = batch.rows[index] as Call
            const cell = cellOf(call, inputs[index] as I)
            if (run?.cell !== cell) {
              run = runs.get(cell)
              if (run === undefined) {
                const permit = Math.max(rejected, enter(cell, call))
                run = { cell, permit, failed: new Set(), failures: 0, successes: 0 }
                if (permit === rejected) run.failed.add(new RowFailure(open()))
                runs.set(cell, run)
              }
            }
            if (run.permit === rejected && !passesBy(cell, call)) for (const failure of run.failed) rows[index] = failure
            else admitted.push(index)
            runOf.push(run)
          }
          if (admitted.length === 0) return rows
          const startedAt = slow === undefined ? 0 : now()
          const answers = await (admitted.length === inputs.length ? next(inputs, batch) : next(pick(inputs, admitted), batch.pick(admitted)))
          for (let position = 0; position < admitted.length; position += 1) {
            const index = admitted[position] as number
            const own = runOf[index] as Run
            const row = (rows[index] = answers[position] as Row<O>)
            if (!isRowFailure(row)) {
              const bad = isBad(row, inputs[index] as I)
              if (bad === undefined) own.successes += 1
              else {
                own.failures += 1
                if (!passes()) rows[index] = new RowFailure(bad)
              }
            } else {
              // Rows that failed together are one failure.
              const failure = hasLeft(batch.rows[index] as Call) ? gone : row
              if (own.failed.has(failure)) continue
              own.failed.add(failure)
              if (failure !== gone && isFailure(row.error)) own.failures += 1
            }
          }
          for (const { cell, permit, failed, failures, successes } of runs.values()) {
            if (permit === rejected) continue
            const isWell = failures + failed.size === 0
            cell.breaker.record(permit, failures, isWell ? 1 : successes, failures + successes > 0 && isSlow(cell, startedAt, admitted.length, isWell ? 1 : 0), now)
          }
          return rows
        },
        close: () => {
          listeners.delete(tell)
          prober?.close()
        },
      }
    })
  return Object.defineProperties(wrap, {
    state: { get: () => asked().state },
    failureRate: { get: () => asked().failureRate },
  }) as typeof wrap & CircuitBreakerHandle
}

/** The permit of a call that went past the breaker: it is of no period, so that its outcome counts for none. */
const past = -3

/** Whether the caller is gone: whatever error a model makes of that, it says nothing about the model. */
const hasLeft = (call: Call): boolean => call.isAborted && outcomeOf(call.abortReason) === 'aborted'
const gone = new RowFailure(undefined)

const isCounting = ({ state }: Breaker): boolean => state === 'closed' || state === 'metrics-only'

const saysUnwell = (error: unknown): boolean => {
  const outcome = outcomeOf(error)
  return (outcome === 'error' || outcome === 'timeout') && !hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT')
}
