/** Shared work: asks what is inside, keeps what it gives, lands the flights, and lets callers wait for them. */
import { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import type { LayerHost, NextBatch } from '../core/layer.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Runtime } from '../core/runtime.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer, CacheFill, CacheReading, CacheUse, OpenCacheStore } from './cache-store.js'
import type { Answers } from './_answers.js'
import type { Counters } from './_counts.js'
import { Flights, type Flight, type Landing } from './_flights.js'
import { judge, keepsForErrors, mayStandIn, type Freshness } from './_freshness.js'
import { isPromise } from './_guard.js'
import type { Keys } from './_keys.js'
import { copyOutput } from './_outputs.js'
import type { Settings } from './_settings.js'

/** What the parts of one cache share. */
export interface WorkParts<I> {
  readonly settings: Settings<I>
  readonly host: LayerHost
  readonly runtime: Runtime
  readonly counters: Counters
  readonly keys: Keys<I>
  readonly answers: Answers<I>
  readonly store: OpenCacheStore
}

export class Work<I, O> {
  readonly flights: Flights<O> = new Flights<O>()
  readonly #settings: Settings<I>
  readonly #host: LayerHost
  readonly #runtime: Runtime
  readonly #counters: Counters
  readonly #keys: Keys<I>
  readonly #answers: Answers<I>
  readonly #store: OpenCacheStore
  readonly #onFailure: (flight: Flight<O>, error: unknown, now: number) => void

  /** @param onFailure - hears of every row that failed inside */
  constructor(parts: WorkParts<I>, onFailure: (flight: Flight<O>, error: unknown, now: number) => void) {
    this.#settings = parts.settings
    this.#host = parts.host
    this.#runtime = parts.runtime
    this.#counters = parts.counters
    this.#keys = parts.keys
    this.#answers = parts.answers
    this.#store = parts.store
    this.#onFailure = onFailure
  }

  /** Whether a stored answer may be given now. */
  judge(answer: CachedAnswer, now: number): Freshness {
    return judge(answer, now, this.#settings.freshness, () => this.#host.random.next())
  }

  /** Opens a flight after a look-up; without a reading, for one that is still to come. */
  open(key: CacheKey, call: Call, use: CacheUse, reading: CacheReading | undefined, freshness: Freshness): Flight<O> {
    const flight = this.flights.open(key.kept(), call, use)
    if (reading === undefined) flight.isLookingUp = true
    else this.take(flight, reading, freshness)
    return flight
  }

  /** Takes what a look-up gave that is not to be given yet. */
  take(flight: Flight<O>, reading: CacheReading, freshness: Freshness): void {
    flight.asOf = reading.asOf
    flight.isStorable = reading.isUnavailable !== true
    flight.kept = freshness === 'kept' ? reading.answer : undefined
  }

  /** Asks what is inside, keeps what it gives, and lands the flights. */
  async fly(flights: readonly Flight<O>[], inputs: readonly I[], ask: NextBatch<I, O>): Promise<void> {
    const startedAt = this.#answers.now()
    let rows: readonly Row<O>[]
    try {
      rows = await ask(inputs, new BatchCall(this.#runtime, flights.map((flight) => flight.call)))
    } catch (error) {
      const failure = new RowFailure(error)
      rows = flights.map(() => failure)
    }
    const now = this.#answers.now()
    const fills: CacheFill[] = []
    const shared = sharedErrors(rows)
    flights.forEach((flight, position) => {
      // Given up already.
      if (flight.isOver) return
      const row = rows[position] as Row<O>
      const isKept = this.flights.isKnown(flight) && flight.isStorable
      if (isRowFailure(row)) {
        const fill = isKept && !shared.has(row.error) ? this.#answers.ofError(row.error, flight, now) : undefined
        if (fill !== undefined) fills.push(fill)
        this.landFailure(flight, row, now)
        return
      }
      let landing: Landing<O> = { row }
      try {
        // The store's own copy: the one that came is given to callers, who may change it.
        const output = copyOutput(row)
        landing = { row: this.#settings.isFreezing ? output : row }
        const fill = isKept && flight.call.source === 'model' ? this.#answers.ofOutput(inputs[position] as I, output, flight, flight.call.notes?.identity ?? flight.key.scope.identity, now - startedAt, now) : undefined
        if (fill !== undefined) fills.push(fill)
        if (flight.isBackground) this.#counters.refreshed += 1
      } catch (error) {
        landing = { row: new RowFailure(error) }
        this.#onFailure(flight, error, now)
      }
      this.end(flight, landing)
    })
    // Before anybody who waits goes on.
    if (fills.length > 0) void this.#store.set(fills)
  }

  /** Lands a flight that failed, by what may stand in if there is any. */
  landFailure(flight: Flight<O>, failure: RowFailure, now: number): void {
    this.#onFailure(flight, failure.error, now)
    flight.isOver = true
    this.flights.remove(flight)
    const stored = this.#standIn(flight, failure.error, now)
    if (isPromise(stored)) void stored.then((answer) => this.end(flight, answer === undefined ? { row: failure } : { stored: answer, status: 'stale' }))
    else this.end(flight, stored === undefined ? { row: failure } : { stored, status: 'stale' })
  }

  /** What may be given in the place of an error: the same version's answer past its time, else the latest older version's. */
  #standIn(flight: Flight<O>, error: unknown, now: number): CachedAnswer | undefined | PromiseLike<CachedAnswer | undefined> {
    const rule = this.#settings.freshness
    if (!keepsForErrors(rule) || flight.call.isAborted) return undefined
    const fits = (answer: CachedAnswer | undefined, at: number): boolean => answer !== undefined && mayStandIn(answer, error, at, rule) && !answer.tags.some((tag) => flight.revoked?.has(tag) === true)
    if (fits(flight.kept, now)) return flight.kept
    const others = this.#keys.others(flight.key)
    if (others.length === 0) return undefined
    // As a job reads: it must not make an old answer look used.
    const readings = this.#store.getMany(others, 'batch')
    const latest = (all: readonly CacheReading[]): CachedAnswer | undefined => all.find(({ answer }) => fits(answer, this.#answers.now()))?.answer
    return isPromise(readings) ? readings.then(latest) : latest(readings)
  }

  /** Lands a flight. */
  end(flight: Flight<O>, landing: Landing<O>): void {
    flight.isOver = true
    this.flights.remove(flight)
    flight.call.end()
    flight.land(landing)
  }

  /** Waits for a flight, for one caller. */
  async join(flight: Flight<O>, call: Call, isOwn: boolean): Promise<Row<O>> {
    if (!call.isBatchWork) flight.use = 'online'
    const landing = await this.flights.join(flight, call)
    if (!isRowFailure(landing) && landing.stored !== undefined && landing.status !== 'stale') return this.#answers.serve<O>(landing.stored, call, landing.status === 'hit' ? 'hit' : 'stale', this.#answers.now())
    if (call.startedAt !== undefined) {
      const notes = call.note()
      if (notes.links === undefined) notes.links = [flight.call.id]
      else notes.links.push(flight.call.id)
    }
    if (isOwn) call.adopt(flight.call)
    if (isRowFailure(landing)) return landing
    if (landing.stored !== undefined) {
      if (!isOwn) this.#counters.coalesced += 1
      return this.#answers.serve<O>(landing.stored, call, 'stale', this.#answers.now())
    }
    const { row, by } = landing
    const isShared = !isOwn || by !== undefined
    if (isShared) this.#counters.coalesced += 1
    this.#answers.note(call, isShared ? 'coalesced' : 'miss')
    if (isRowFailure(row)) return row
    if (isShared) {
      call.source = 'coalesced'
      const identity = (by ?? flight.call).notes?.identity
      if (identity !== undefined) call.note().identity = identity
    }
    return this.#answers.give(row)
  }
}

/** Whether an answer is given at once. */
export const isUsable = (freshness: Freshness): boolean => freshness === 'fresh' || freshness === 'early' || freshness === 'due'

/** Errors of several rows: a run that failed as a whole says nothing about any one of its inputs. */
const sharedErrors = (rows: readonly Row<unknown>[]): ReadonlySet<unknown> => {
  const shared = new Set<unknown>()
  if (rows.length === 1) return shared
  const seen = new Set<unknown>()
  for (const row of rows) {
    if (!isRowFailure(row)) continue
    if (seen.has(row.error)) shared.add(row.error)
    else seen.add(row.error)
  }
  return shared
}
