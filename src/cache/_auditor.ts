/** Checks a share of the hits against the live model, behind the callers' backs. */
import { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import { OutriggerError } from '../core/errors.js'
import type { LayerHost, NextBatch } from '../core/layer.js'
import { isRowFailure, type Row } from '../core/rows.js'
import type { Runtime } from '../core/runtime.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer } from './cache-store.js'
import type { Counters } from './_counts.js'
import { neutral } from './_flights.js'
import { copyOutput, keptInput } from './_outputs.js'
import type { Due } from './_refresher.js'
import type { Settings } from './_settings.js'

/** A check is given up after so long. */
const timeoutMs = 30_000
/** So many checks in a row that agree end the state of disagreeing. */
const agreedAgain = 100

export class Auditor<I, O> {
  readonly #rule: NonNullable<Settings<I>['audit']>
  readonly #host: LayerHost
  readonly #runtime: Runtime
  readonly #counts: Counters['audit']
  readonly #meter: BudgetMeter | undefined
  readonly #ownMeter: BudgetMeter | undefined
  readonly #forget: (key: CacheKey) => void
  readonly #running = new Set<Call>()
  #agreedInARow = agreedAgain
  #onIdle: (() => void)[] = []

  /** @param forget - drops an answer that the live model does not give any more */
  constructor(rule: NonNullable<Settings<I>['audit']>, host: LayerHost, runtime: Runtime, counts: Counters['audit'], meter: BudgetMeter | undefined, forget: (key: CacheKey) => void) {
    this.#rule = rule
    this.#host = host
    this.#runtime = runtime
    this.#counts = counts
    this.#ownMeter = rule.budget?.meter()
    this.#meter = this.#ownMeter ?? meter
    this.#forget = forget
  }

  seen(rows: number): void {
    this.#ownMeter?.seen(rows)
  }

  /** Whether this hit is to be checked. */
  isDrawn(answer: CachedAnswer, call: Call): boolean {
    return this.#rule.rate > 0 && answer.refusal === undefined && call.isIdempotent && this.#host.random.next() < this.#rule.rate
  }

  /** Asks the live model for hits that were drawn, as many as are allowed. */
  check(drawn: readonly Due<I>[], ask: NextBatch<I, O>): void {
    const rows: { readonly key: CacheKey; readonly input: I; readonly cached: unknown; readonly call: Call }[] = []
    for (const { key, input, call, answer } of drawn) {
      if (this.#running.size >= this.#rule.concurrency || this.#meter?.spend(1, this.#host.clock.now()) === false) {
        this.#counts.skipped += 1
        continue
      }
      const child = call.detach()
      child.isShadow = true
      this.#running.add(child)
      rows.push({ key: key.kept(), input: keptInput(input), cached: copyOutput(answer.output), call: child })
    }
    if (rows.length > 0) neutral(() => this.#host.clock.setImmediate(() => void this.#run(rows, ask)))
  }

  async #run(rows: readonly { readonly key: CacheKey; readonly input: I; readonly cached: unknown; readonly call: Call }[], ask: NextBatch<I, O>): Promise<void> {
    const { clock } = this.#host
    const run = new BatchCall(this.#runtime, rows.map(({ call }) => call))
    const timer = clock.setTimeout(() => run.abort(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the audit of a cache any longer: current value of the limit is ${timeoutMs} ms`, { timeoutMs })), timeoutMs)
    timer.unref()
    try {
      const live = await ask(rows.map(({ input }) => input), run)
      rows.forEach(({ key, cached, call }, position) => this.#compare(key, cached, live[position] as Row<O>, call))
    } catch {
      this.#counts.failed += rows.length
    } finally {
      clock.clearTimeout(timer)
      for (const { call } of rows) {
        call.end()
        this.#running.delete(call)
      }
      if (this.#running.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
    }
  }

  #compare(key: CacheKey, cached: unknown, live: Row<O>, call: Call): void {
    // A fallback's answer says nothing about the model's.
    if (isRowFailure(live) || call.isAborted || call.source !== 'model') {
      this.#counts.failed += 1
      return
    }
    let agrees: boolean
    try {
      agrees = this.#rule.agree(cached, live)
    } catch (error) {
      this.#counts.failed += 1
      this.#host.emit({ type: 'notice', message: 'Comparing a cached answer with the live model threw.', error })
      return
    }
    this.#counts.checked += 1
    if (agrees) {
      this.#agreedInARow += 1
      if (this.#agreedInARow === agreedAgain) this.#become('disagreeing', 'agreeing', `the last ${agreedAgain} checks agreed`)
      return
    }
    this.#counts.disagreed += 1
    const wasAgreeing = this.#agreedInARow >= agreedAgain
    this.#agreedInARow = 0
    this.#forget(key)
    if (wasAgreeing) this.#become('agreeing', 'disagreeing', 'a cached answer is not what the live model gives now')
  }

  #become(from: string, to: string, reason: string): void {
    const { checked, disagreed } = this.#counts
    this.#host.emit({ type: 'state', subject: 'audit', from, to, reason, data: { checked, disagreed, disagreementRate: disagreed / checked } })
  }

  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  close(): void {
    const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot go on with the audit of a cache as the predictor is closed')
    for (const call of this.#running) call.abort(closed)
  }
}
