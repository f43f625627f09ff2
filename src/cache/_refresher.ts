/** Renews answers behind the callers' backs. */
import type { Call } from '../core/call.js'
import { OutriggerError } from '../core/errors.js'
import type { NextBatch } from '../core/layer.js'
import { RowFailure } from '../core/rows.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer, CacheReading } from './cache-store.js'
import { Background } from './_background.js'
import { neutral, type Flight } from './_flights.js'
import { keptInput } from './_outputs.js'
import { Work, type WorkParts } from './_work.js'

/** What a row in the background is made from. */
export interface Due<I> {
  readonly key: CacheKey
  readonly input: I
  readonly call: Call
  readonly answer: CachedAnswer
}

export class Refresher<I, O> {
  /** The work of callers as well, whose failures say when refreshes had better wait. */
  readonly work: Work<I, O>
  readonly #parts: WorkParts<I>
  readonly #background: Background
  /** Calls of work that nobody waits for. */
  readonly #running = new Set<Call>()
  #onIdle: (() => void)[] = []

  constructor(parts: WorkParts<I>, meter: BudgetMeter | undefined) {
    this.#parts = parts
    this.#background = new Background(parts.settings.refresh.concurrency, meter)
    this.work = new Work(parts, (flight, error, now) => this.#failed(flight, error, now))
  }

  #failed(flight: Flight<O>, error: unknown, now: number): void {
    this.#background.failed(flight.key.lookup, error, now)
    if (!flight.isBackground) return
    this.#parts.counters.refreshFailed += 1
    this.#parts.host.emit({ type: 'notice', message: 'A refresh failed; the stale answer stays.', error })
  }

  /** One flight per key, as many as are allowed. */
  refresh(due: readonly Due<I>[], ask: NextBatch<I, O>): void {
    const { answers, counters, settings, host: { clock } } = this.#parts
    const { flights: known } = this.work
    const flights: Flight<O>[] = []
    const inputs: I[] = []
    for (const { key, input, call, answer } of due) {
      if (!call.isIdempotent || !known.isFree(key)) continue
      if (!this.#background.take(key.lookup, answers.now())) {
        counters.refreshSkipped += 1
        continue
      }
      const flight = known.open(key.kept(), call, call.isBatchWork ? 'batch' : 'online', true)
      flight.kept = answer
      flight.call.deadline = clock.now() + settings.refresh.timeoutMs
      flights.push(flight)
      inputs.push(keptInput(input))
      this.#running.add(flight.call)
    }
    if (flights.length > 0) neutral(() => clock.setImmediate(() => void this.#run(flights, inputs, ask)))
  }

  async #run(flights: readonly Flight<O>[], inputs: readonly I[], ask: NextBatch<I, O>): Promise<void> {
    const { answers, counters, settings, store, host: { clock } } = this.#parts
    const { timeoutMs } = settings.refresh
    const late = new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for a refresh any longer: current value of the limit is ${timeoutMs} ms`, { timeoutMs })
    const timer = clock.setTimeout(() => flights.forEach((flight) => flight.call.abort(late)), timeoutMs)
    timer.unref()
    for (const flight of flights) {
      // One that ignores its signal keeps its place until it ends, but nobody waits for it.
      flight.call.onAbort((error) => {
        if (!flight.isOver) this.work.landFailure(flight, new RowFailure(error), answers.now())
        if (flights.every(({ isOver }) => isOver)) clock.clearTimeout(timer)
      })
    }
    try {
      // Somebody else may have renewed it meanwhile, in another process.
      const readings = await store.getMany(flights.map(({ key }) => key), 'refresh')
      const now = answers.now()
      const missing: number[] = []
      flights.forEach((flight, position) => {
        const reading = readings[position] as CacheReading
        if (flight.isOver) return
        if (reading.answer !== undefined && reading.answer.at > (flight.kept as CachedAnswer).at && now < reading.answer.freshUntil) {
          counters.refreshed += 1
          this.work.end(flight, { stored: reading.answer, status: 'hit' })
          return
        }
        flight.asOf = reading.asOf
        flight.isStorable = reading.isUnavailable !== true
        missing.push(position)
      })
      if (missing.length > 0) await this.work.fly(missing.map((position) => flights[position] as Flight<O>), missing.map((position) => inputs[position] as I), ask)
    } finally {
      clock.clearTimeout(timer)
      for (const flight of flights) {
        this.#background.giveBack()
        this.#running.delete(flight.call)
      }
      this.#tellIdle()
    }
  }

  #tellIdle(): void {
    if (this.#running.size > 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  /** Resolves when no refresh is under way. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  close(): void {
    const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot go on with a refresh as the predictor is closed')
    for (const call of this.#running) call.abort(closed)
  }
}
