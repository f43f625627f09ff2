/** Runs a candidate beside the callers of one predictor, and compares what comes of it. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import { copyPlain, roughBytes } from '../core/copy.js'
import { hasCode, OutriggerError, outcomeOf } from '../core/errors.js'
import type { LayerHost } from '../core/layer.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Runtime } from '../core/runtime.js'
import type { Stage } from '../core/stage.js'
import { Breaker, rejected } from '../policy/breaker.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import { LatencyWindow } from '../policy/latency-window.js'
import { eventLoopMonitor, type EventLoopMonitor } from '../resilience/event-loop.js'
import type { RunPlaces } from './_run-places.js'
import { ShadowGuard } from './_shadow-guard.js'
import type { ShadowDropReason, ShadowTally } from './shadow-counts.js'
import type { Comparison, ShadowSettings } from './shadow-options.js'

/** A run of the candidate, from when the primary has ended. */
export interface ShadowRun<I = unknown, P = unknown> {
  readonly bytes: number
  readonly batch: BatchCall
  readonly inputs: readonly I[]
  readonly primaries: readonly Row<P>[]
  readonly primaryMs: number
  /** Of the breaker. */
  readonly permit: number
  /** Whether its outcome is known, though it may go on. */
  isOver: boolean
  /** Begins it in a turn of its own. */
  start(): void
}

/** What the predictors that share a shadow have in common. */
export interface SharedRuns {
  readonly tally: ShadowTally
  readonly places: RunPlaces<ShadowRun>
  /** Called when nothing runs any more. */
  onIdle(): void
}

/** The async context in which this module was loaded: a run outlives the call that it was made from. */
const neutral = AsyncLocalStorage.snapshot()

/** A percentile of fewer calls says little. */
const enoughCalls = 20

export class ShadowRunner<I, P extends O, O, C> {
  readonly #settings: ShadowSettings<I, O, C>
  readonly #stage: Stage<I, C>
  readonly #runtime: Runtime
  readonly #host: LayerHost
  readonly #shared: SharedRuns
  readonly #meter: BudgetMeter | undefined
  readonly #breaker: Breaker | undefined
  readonly #guard: ShadowGuard | undefined
  #monitor: EventLoopMonitor | undefined
  /** Of runs of a row, and of several: the candidate's limit follows them. */
  readonly #latencies = [new LatencyWindow(), new LatencyWindow()] as const
  readonly #own = new Set<ShadowRun<I, P>>()
  readonly #starts: ShadowRun<I, P>[] = []
  #isStarting = false
  /** Since when the turn that is measured lasts. */
  #turnSince: number | undefined
  #closed: OutriggerError | undefined

  constructor(settings: ShadowSettings<I, O, C>, stage: Stage<I, C>, runtime: Runtime, host: LayerHost, shared: SharedRuns, meter: BudgetMeter | undefined) {
    const { name, breaker, guard } = settings
    this.#settings = settings
    this.#stage = stage
    this.#runtime = runtime
    this.#host = host
    this.#shared = shared
    this.#meter = meter
    const say = (part: string) => (change: { readonly from: string; readonly to: string; readonly reason: string }): void => host.emit({ type: 'state', subject: name, ...change, data: { part } })
    this.#breaker = breaker === undefined ? undefined : new Breaker(breaker, () => host.random.next(), say('breaker'))
    this.#guard = guard === undefined ? undefined : new ShadowGuard(guard, say('guard'))
  }

  /** Takes copies while the caller still waits, and runs the candidate when the answers are on their way. Never throws. */
  offer(calls: readonly Call[], inputs: readonly I[], rows: readonly Row<P>[], since: number): void {
    try {
      this.#offer(calls, inputs, rows, since)
    } catch (error) {
      this.#notice('A row could not be given to the shadow.', error)
    }
  }

  #offer(calls: readonly Call[], inputs: readonly I[], rows: readonly Row<P>[], since: number): void {
    const { tally, places } = this.#shared
    const { clock } = this.#host
    const now = clock.now()
    const chosen = calls.flatMap((call, index) => (isComparable(call, rows[index]) ? [index] : []))
    const size = chosen.length
    tally.sampled += calls.length
    tally.drop('primary', calls.length - size)
    if (size === 0) return
    const primaryMs = now - since
    if (chosen.some((index) => !isRowFailure(rows[index]))) this.#latenciesOf(calls.length).record(primaryMs)
    const give = { inputs: chosen.map((index) => inputs[index] as I), rows: chosen.map((index) => rows[index] as Row<P>) }

    const drop = (reason: ShadowDropReason): void => tally.drop(reason, size)
    if (this.#closed !== undefined) return drop('closed')
    if (!this.#mayRun(now)) return drop('guard')
    if (places.isFull) return drop('concurrency')
    let bytes: number
    try {
      bytes = roughBytes(give.inputs) + roughBytes(give.rows)
    } catch {
      return drop('copy')
    }
    if (!places.hasRoomFor(bytes)) return drop('bytes')
    const permit = this.#breaker?.acquire(() => clock.now()) ?? 0
    if (permit === rejected) return drop('breaker')
    const isAllowed = this.#meter?.spend(size, now) !== false
    const copies = isAllowed ? copiesOf(give.inputs, give.rows) : undefined
    if (copies === undefined) {
      this.#breaker?.record(permit, 0, 0, false, () => clock.now())
      return drop(isAllowed ? 'copy' : 'budget')
    }
    const run: ShadowRun<I, P> = {
      ...copies,
      bytes,
      batch: new BatchCall(this.#runtime, chosen.map((index) => (calls[index] as Call).shadow())),
      primaryMs,
      permit,
      isOver: false,
      start: () => this.#start(run),
    }
    this.#guard?.spend(clock.now() - now, this.#toleratedMs(), now)
    this.#own.add(run)
    if (places.enter(run as ShadowRun)) run.start()
  }

  /** Ends what runs. */
  close(): void {
    const closed = (this.#closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot go on with the shadow run as the predictor is closed'))
    for (const run of this.#shared.places.turnAway((waits) => this.#own.has(waits as ShadowRun<I, P>))) this.#turnAway(run as ShadowRun<I, P>)
    for (const run of [...this.#own]) run.batch.abort(closed)
    if (this.#settings.guard?.monitor === undefined) this.#monitor?.close()
    this.#monitor = undefined
  }

  // ---- whether

  #mayRun(now: number): boolean {
    const guard = this.#guard
    if (guard === undefined) return true
    if (guard.wantsLook(now)) {
      try {
        this.#monitor ??= this.#settings.guard?.monitor ?? eventLoopMonitor()
        guard.look(this.#monitor.delayMs(), now)
      } catch (error) {
        guard.look(0, now)
        this.#notice('The monitor of the event loop threw; its word is left out.', error)
      }
    }
    return guard.admits(now)
  }

  /** How long the candidate may hold the main thread at once before it counts more. */
  #toleratedMs(): number {
    const single = this.#latencies[0].count >= enoughCalls ? this.#latencies[0] : this.#latencies[1]
    return single.count >= enoughCalls ? Math.max(1, single.quantile(0.99) / 10) : Infinity
  }

  #latenciesOf(rows: number): LatencyWindow {
    return this.#latencies[rows === 1 ? 0 : 1]
  }

  #limitMs(rows: number): number {
    const { timeoutMs, deadline } = this.#settings
    if (timeoutMs !== undefined) return timeoutMs
    const latencies = this.#latenciesOf(rows)
    if (latencies.count < enoughCalls) return deadline.maxMs
    return Math.min(deadline.maxMs, Math.max(deadline.minMs, deadline.factor * latencies.quantile(0.99)))
  }

  // ---- running

  /** One run begins per turn of the event loop, so that callers come in between, and what it holds the thread for is seen. */
  #start(run: ShadowRun<I, P>): void {
    this.#starts.push(run)
    if (this.#isStarting) return
    this.#isStarting = true
    neutral(() => this.#turn())
  }

  #turn(): void {
    const { clock } = this.#host
    clock.setImmediate(() => {
      this.#turnSince = clock.now()
      void this.#run(this.#starts.shift() as ShadowRun<I, P>)
    })
    // Both are of the same turn: between them are only the promises that the first has settled.
    clock.setImmediate(() => {
      const now = clock.now()
      this.#guard?.spend(now - (this.#turnSince as number), this.#toleratedMs(), now)
      this.#turnSince = undefined
      if (this.#starts.length > 0) this.#turn()
      else this.#isStarting = false
    })
  }

  async #run(run: ShadowRun<I, P>): Promise<void> {
    const { clock } = this.#host
    const stage = this.#stage
    const { batch, inputs } = run
    if (batch.isAborted) return this.#turnAway(run)
    const began = clock.now()
    const limitMs = this.#limitMs(inputs.length)
    const timer = clock.setTimeout(() => batch.abort(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the shadow candidate any longer: current value of the limit is ${limitMs} ms`, { timeoutMs: limitMs })), limitMs)
    timer.unref()
    for (const call of batch.rows) call.onAbort((reason) => (clock.clearTimeout(timer), this.#giveUp(run, reason)))
    try {
      batch.rows.forEach((call, index) => stage.bind?.(call, inputs[index] as I))
      const answers = inputs.length === 1 ? [await stage.one(inputs[0] as I, batch.rows[0] as Call).catch((error: unknown) => new RowFailure(error))] : await stage.many(inputs, batch)
      if (!run.isOver) this.#compare(run, answers, clock.now() - began)
    } catch (error) {
      if (!run.isOver) this.#judge(run, run.primaries.map(() => new RowFailure(error)))
      this.#notice('The shadow candidate could not be bound, or broke its contract.', error)
    } finally {
      clock.clearTimeout(timer)
      this.#end(run)
    }
  }

  /** It ends without having begun. */
  #turnAway(run: ShadowRun<I, P>): void {
    this.#shared.tally.drop('closed', run.inputs.length)
    run.isOver = true
    this.#end(run)
  }

  /** A run that does not end keeps its place and its leases until it does; what it answers then is not heard. */
  #giveUp(run: ShadowRun<I, P>, reason: unknown): void {
    if (run.isOver) return
    const { tally, places } = this.#shared
    if (this.#closed !== undefined) {
      run.isOver = true
      tally.drop('closed', run.inputs.length)
      this.#breaker?.record(run.permit, 0, 0, false, () => this.#host.clock.now())
      return
    }
    if (hasCode(reason, 'ERR_OUTRIGGER_TIMEOUT')) tally.timedOut += run.inputs.length
    this.#judge(run, run.primaries.map(() => new RowFailure(reason)))
    if (places.isFull && [...places.running].every(({ isOver }) => isOver)) this.#notice(`All ${places.running.size} places of the shadow are held by runs that were given up and go on.`)
  }

  #end(run: ShadowRun<I, P>): void {
    const { places, onIdle } = this.#shared
    run.batch.end()
    this.#own.delete(run)
    places.leave(run as ShadowRun)?.start()
    if (places.running.size === 0) onIdle()
  }

  // ---- comparing

  /** Counts what became of the rows. Failures for rows that the primary failed too say nothing of the candidate alone. */
  #judge(run: ShadowRun<I, P>, answers: readonly Row<C>[]): void {
    const { tally } = this.#shared
    run.isOver = true
    let failures = 0
    let successes = 0
    answers.forEach((answer, index) => {
      const hasFailed = isRowFailure(run.primaries[index])
      if (!isRowFailure(answer)) {
        successes += 1
        if (hasFailed) tally.fail('primary')
        else tally.compared += 1
      } else if (wasTurnedAway(answer.error)) tally.drop('rejected', 1)
      else {
        tally.fail(hasFailed ? 'both' : 'candidate')
        if (!hasFailed) failures += 1
      }
    })
    this.#breaker?.record(run.permit, failures, successes, false, () => this.#host.clock.now())
  }

  #compare(run: ShadowRun<I, P>, answers: readonly Row<C>[], candidateMs: number): void {
    const { clock } = this.#host
    const since = clock.now()
    this.#judge(run, answers)
    answers.forEach((candidate, index) => {
      const primary = run.primaries[index] as Row<P>
      if (isRowFailure(primary) || isRowFailure(candidate)) return
      this.#compareRow({ id: (run.batch.rows[index] as Call).id, input: run.inputs[index] as I, primary, candidate, primaryMs: run.primaryMs, candidateMs })
    })
    const now = clock.now()
    // Within a measured turn it is part of that.
    if (this.#turnSince === undefined) this.#guard?.spend(now - since, this.#toleratedMs(), now)
  }

  #compareRow(comparison: Comparison<I, P, C>): void {
    const complain = (error: unknown): void => this.#notice('Comparing a shadow answer threw.', error)
    try {
      if (this.#settings.comparison.add(comparison)) this.#shared.tally.agreed += 1
    } catch (error) {
      complain(error)
    }
    try {
      const result: unknown = this.#settings.onCompared?.(comparison)
      // An asynchronous callback that rejects must not end the process.
      if (result instanceof Promise) result.catch(complain)
    } catch (error) {
      complain(error)
    }
  }

  #notice(message: string, error?: unknown): void {
    this.#host.emit({ type: 'notice', message, ...(error === undefined ? {} : { error }) })
  }
}

/** Whether the primary had its say: nobody left before, and nothing turned the row away. */
const isComparable = (call: Call, row: unknown): boolean => {
  if (call.isAborted) return false
  if (!isRowFailure(row)) return true
  const outcome = outcomeOf(row.error)
  return outcome === 'error' || outcome === 'timeout'
}

/** Whether the candidate's own stack had no room or no model. An input that it refuses is a failure: the primary took it. */
const wasTurnedAway = (error: unknown): boolean => outcomeOf(error) === 'rejected' && !hasCode(error, 'ERR_OUTRIGGER_UNFIT_INPUT')

const copiesOf = <I, P>(inputs: readonly I[], rows: readonly Row<P>[]): { readonly inputs: readonly I[]; readonly primaries: readonly Row<P>[] } | undefined => {
  try {
    return { inputs: copyPlain(inputs, refuse), primaries: rows.map((row) => (isRowFailure(row) ? row : copyPlain(row, refuse))) }
  } catch {
    return undefined
  }
}

const refuse = (what: string): never => {
  throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot copy a row for the shadow candidate: current value holds ${what}`)
}
