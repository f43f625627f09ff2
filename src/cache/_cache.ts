/** The cache around one predictor: what is stored is given, what is under way is joined, and the rest travels, once. */
import type { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import type { LayerHost, Next, NextBatch } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import type { CacheKey } from './cache-key.js'
import type { CacheReading, CacheUse, Invalidation, OpenCacheStore, StoreEvent } from './cache-store.js'
import { Answers } from './_answers.js'
import { Auditor } from './_auditor.js'
import type { Counters } from './_counts.js'
import { neutral, type Flight, type Flights } from './_flights.js'
import type { Freshness } from './_freshness.js'
import { guardStore, isPromise } from './_guard.js'
import { Keys } from './_keys.js'
import { keptInput } from './_outputs.js'
import { Refresher, type Due } from './_refresher.js'
import type { Settings } from './_settings.js'
import { isUsable, type Work, type WorkParts } from './_work.js'

/** One row that no other one of its run is equal to. */
interface Wanted<I> {
  readonly index: number
  readonly key: CacheKey
  readonly input: I
  readonly call: Call
  /** Rows of the same run that want the same. */
  readonly twins: number[]
}

/** A notice of a failing store comes at most so often. */
const noticeEveryMs = 10_000

export class Cache<I, O> {
  readonly parts: WorkParts<I>
  readonly inside: Stage<I, O>
  readonly #host: LayerHost
  readonly #counters: Counters
  readonly #keys: Keys<I>
  readonly #answers: Answers<I>
  readonly #store: OpenCacheStore
  readonly #work: Work<I, O>
  readonly #flights: Flights<O>
  readonly #refresher: Refresher<I, O>
  readonly #auditor: Auditor<I, O> | undefined
  readonly #meter: BudgetMeter | undefined
  #noticedAt = -Infinity

  constructor(settings: Settings<I>, host: LayerHost, inside: Stage<I, O>, counters: Counters) {
    this.inside = inside
    this.#host = host
    this.#counters = counters
    this.#keys = new Keys(settings.keys, host.random.integer(2 ** 32), host)
    this.#answers = new Answers(settings, host, counters)
    const storeHost = { clock: host.clock, count: (event: StoreEvent, error?: unknown) => this.#countStore(event, error) }
    this.#store = guardStore(settings.store.open(storeHost), storeHost, settings.storeTimeoutMs)
    this.#meter = settings.budget?.meter()
    this.parts = { settings, host, runtime: inside.runtime, counters, keys: this.#keys, answers: this.#answers, store: this.#store }
    this.#refresher = new Refresher(this.parts, this.#meter)
    this.#work = this.#refresher.work
    this.#flights = this.#work.flights
    this.#auditor = settings.audit === undefined ? undefined : new Auditor(settings.audit, host, inside.runtime, counters.audit, this.#meter, (key) => void this.invalidate({ input: key }).catch(() => {}))
  }

  get size(): number {
    return this.#store.size ?? 0
  }

  // ---- a row

  /** Not an async function, as a hit in memory waits for nothing: the state of one would be most of what a hit allocates. */
  one(next: Next<I, O>, input: I, call: Call): Promise<O> {
    try {
      this.#seen(1)
      const key = this.#keyOf(input, call)
      if (key === undefined) return next(input, call)
      const flight = this.#flights.get(key)
      if (flight !== undefined && !flight.isBackground) return this.#joined(flight, call, false)
      const use: CacheUse = call.isBatchWork ? 'batch' : 'online'
      const reading = this.#read(key, use)
      return isPromise(reading) ? this.#oneLater(next, reading, key, input, call, use) : this.#oneRead(next, reading, key, input, call, use, flight)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** The store has answered at once. */
  #oneRead(next: Next<I, O>, reading: CacheReading, key: CacheKey, input: I, call: Call, use: CacheUse, flight: Flight<O> | undefined): Promise<O> {
    const { answer } = reading
    let freshness: Freshness = 'spent'
    if (answer !== undefined) {
      const now = this.#answers.now()
      freshness = this.#work.judge(answer, now)
      if (isUsable(freshness)) {
        const row = this.#answers.serve<O>(answer, call, freshness === 'due' ? 'stale' : 'hit', now)
        if (freshness !== 'fresh') this.#refresher.refresh([{ key, input, call, answer }], single(next))
        else if (this.#auditor?.isDrawn(answer, call) === true) this.#auditor.check([{ key, input, call, answer }], single(next))
        return isRowFailure(row) ? Promise.reject(row.error as Error) : Promise.resolve(row)
      }
    }
    // It is being refreshed by somebody who came before.
    if (flight !== undefined) return this.#joined(flight, call, false)
    if (call.isAborted) throw abortErrorOf(call.abortReason)
    const opened = this.#work.open(key, call, use, reading, freshness)
    this.#counters.misses += 1
    const kept = keptInput(input)
    neutral(() => void this.#work.fly([opened], [kept], single(next)))
    return this.#joined(opened, call, true)
  }

  async #joined(flight: Flight<O>, call: Call, isOwn: boolean): Promise<O> {
    const row = await this.#work.join(flight, call, isOwn)
    if (isRowFailure(row)) throw row.error
    return row
  }

  /** The store answers later. */
  async #oneLater(next: Next<I, O>, reading: PromiseLike<CacheReading>, key: CacheKey, input: I, call: Call, use: CacheUse): Promise<O> {
    if (call.isAborted) throw abortErrorOf(call.abortReason)
    const opened = this.#work.open(key, call, use, undefined, 'spent')
    const kept = keptInput(input)
    neutral(() => void this.#lookUp([opened], [kept], reading.then((one) => [one]), single(next)))
    return await this.#joined(opened, call, true)
  }

  // ---- rows

  async many(next: NextBatch<I, O>, inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> {
    this.#seen(inputs.length)
    const rows = new Array<Row<O> | Promise<Row<O>>>(inputs.length)
    const { wanted, unkeyed } = this.#sort(inputs, batch, rows)
    if (unkeyed.length > 0) {
      const passing = next(unkeyed.map((index) => inputs[index] as I), batch.pick(unkeyed))
      unkeyed.forEach((index, position) => (rows[index] = passing.then((answers) => answers[position] as Row<O>)))
    }
    if (wanted.length > 0) {
      const use: CacheUse = (batch.rows[0] as Call).isBatchWork ? 'batch' : 'online'
      const readings = this.#store.getMany(wanted.map(({ key }) => key), use)
      if (isPromise(readings)) this.#openAll(wanted, readings, use, next, batch, rows)
      else this.#answerAll(wanted, readings, use, next, batch, rows)
    }
    return await Promise.all(rows)
  }

  /** Finds the rows that have to be looked up, each once; the others join, pass or fail. */
  #sort(inputs: readonly I[], batch: BatchCall, rows: (Row<O> | Promise<Row<O>>)[]): { readonly wanted: Wanted<I>[]; readonly unkeyed: number[] } {
    const wanted: Wanted<I>[] = []
    const unkeyed: number[] = []
    const first = new Map<string | number, Wanted<I>>()
    for (let index = 0; index < inputs.length; index += 1) {
      const call = batch.rows[index] as Call
      const input = inputs[index] as I
      let key: CacheKey | undefined
      try {
        key = this.#keyOf(input, call)
      } catch (error) {
        rows[index] = new RowFailure(error)
        continue
      }
      if (key === undefined) {
        unkeyed.push(index)
        continue
      }
      const flight = this.#flights.get(key)
      if (flight !== undefined && !flight.isBackground) {
        rows[index] = this.#work.join(flight, call, false)
        continue
      }
      const twin = first.get(key.lookup)
      if (twin?.key.equals(key) === true) {
        twin.twins.push(index)
        continue
      }
      const row: Wanted<I> = { index, key, input, call, twins: [] }
      if (twin === undefined) first.set(key.lookup, row)
      wanted.push(row)
    }
    return { wanted, unkeyed }
  }

  /** The store has answered at once. */
  #answerAll(wanted: readonly Wanted<I>[], readings: readonly CacheReading[], use: CacheUse, next: NextBatch<I, O>, batch: BatchCall, rows: (Row<O> | Promise<Row<O>>)[]): void {
    const now = this.#answers.now()
    const due: Due<I>[] = []
    const drawn: Due<I>[] = []
    const missing: Wanted<I>[] = []
    const flights: Flight<O>[] = []
    wanted.forEach((row, position) => {
      const reading = readings[position] as CacheReading
      const { answer } = reading
      const freshness = answer === undefined ? 'spent' : this.#work.judge(answer, now)
      if (answer !== undefined && isUsable(freshness)) {
        for (const index of [row.index, ...row.twins]) rows[index] = this.#answers.serve<O>(answer, batch.rows[index] as Call, freshness === 'due' ? 'stale' : 'hit', now)
        if (freshness !== 'fresh') due.push({ ...row, answer })
        else if (this.#auditor?.isDrawn(answer, row.call) === true) drawn.push({ ...row, answer })
        return
      }
      const owner = ownerOf(row, batch)
      let flight = this.#flights.get(row.key)
      const isOwn = flight === undefined && owner !== undefined
      if (isOwn) {
        flight = this.#work.open(row.key, batch.rows[owner] as Call, use, reading, freshness)
        flights.push(flight)
        missing.push(row)
      }
      this.#joinAll(row, flight, isOwn ? owner : undefined, batch, rows)
    })
    this.#counters.misses += flights.length
    if (flights.length > 0) {
      const kept = missing.map(({ input }) => keptInput(input))
      neutral(() => void this.#work.fly(flights, kept, next))
    }
    if (due.length > 0) this.#refresher.refresh(due, next)
    if (drawn.length > 0) this.#auditor?.check(drawn, next)
  }

  /** The store answers later: every row is a flight until then, so that others join it. */
  #openAll(wanted: readonly Wanted<I>[], readings: PromiseLike<readonly CacheReading[]>, use: CacheUse, next: NextBatch<I, O>, batch: BatchCall, rows: (Row<O> | Promise<Row<O>>)[]): void {
    const flights: Flight<O>[] = []
    const kept: I[] = []
    const positions: number[] = []
    wanted.forEach((row, position) => {
      const owner = ownerOf(row, batch)
      const flight = owner === undefined ? undefined : this.#work.open(row.key, batch.rows[owner] as Call, use, undefined, 'spent')
      if (flight !== undefined) {
        flights.push(flight)
        kept.push(keptInput(row.input))
        positions.push(position)
      }
      this.#joinAll(row, flight, owner, batch, rows)
    })
    neutral(() => void this.#lookUp(flights, kept, readings.then((all) => pick(all, positions)), next))
  }

  #joinAll(row: Wanted<I>, flight: Flight<O> | undefined, owner: number | undefined, batch: BatchCall, rows: (Row<O> | Promise<Row<O>>)[]): void {
    for (const index of [row.index, ...row.twins]) {
      const call = batch.rows[index] as Call
      rows[index] = flight === undefined ? new RowFailure(abortErrorOf(call.abortReason)) : this.#work.join(flight, call, index === owner)
    }
  }

  // ---- keys and look-ups

  /** The key, or `undefined` when the user's `key` function failed: then the row passes by. */
  #keyOf(input: I, call: Call): CacheKey | undefined {
    if (this.parts.settings.keys.key === undefined) return this.#keys.of(input, call)
    try {
      return this.#keys.of(input, call)
    } catch (error) {
      this.#counters.unkeyed += 1
      this.#host.emit({ type: 'notice', message: 'A row passed by the cache, as its `key` function threw or gave something that is no plain data.', error })
      return undefined
    }
  }

  #read(key: CacheKey, use: CacheUse): CacheReading | PromiseLike<CacheReading> {
    const store = this.#store
    if (store.get !== undefined) return store.get(key, use)
    const readings = store.getMany([key], use)
    return isPromise(readings) ? readings.then((all) => all[0] as CacheReading) : (readings[0] as CacheReading)
  }

  /** Waits for the store, lands what it has, and lets the rest fly. */
  async #lookUp(flights: readonly Flight<O>[], inputs: readonly I[], lookup: PromiseLike<readonly CacheReading[]>, ask: NextBatch<I, O>): Promise<void> {
    const readings = await lookup
    const now = this.#answers.now()
    const due: Due<I>[] = []
    const drawn: Due<I>[] = []
    const missing: number[] = []
    flights.forEach((flight, position) => {
      const reading = readings[position] as CacheReading
      const { answer } = reading
      const freshness = answer === undefined ? 'spent' : this.#work.judge(answer, now)
      flight.isLookingUp = false
      if (answer !== undefined && isUsable(freshness)) {
        const row: Due<I> = { key: flight.key, input: inputs[position] as I, call: flight.call, answer }
        this.#flights.remove(flight)
        if (freshness !== 'fresh') due.push(row)
        else if (this.#auditor?.isDrawn(answer, flight.call) === true) drawn.push(row)
        flight.isOver = true
        flight.land({ stored: answer, status: freshness === 'due' ? 'due' : 'hit' })
        return
      }
      this.#work.take(flight, reading, freshness)
      const refresh = this.#flights.get(flight.key)
      if (refresh !== undefined && refresh !== flight && refresh.isBackground) {
        // It is being refreshed by somebody who came before.
        void refresh.landed.then((landing) => this.#work.end(flight, landing.stored === undefined ? { ...landing, by: refresh.call } : landing))
      } else if (flight.call.isAborted) this.#work.end(flight, { row: new RowFailure(abortErrorOf(flight.call.abortReason)) })
      else missing.push(position)
    })
    if (due.length > 0) this.#refresher.refresh(due, ask)
    if (drawn.length > 0) this.#auditor?.check(drawn, ask)
    for (const flight of flights) if (flight.isOver) flight.call.end()
    if (missing.length === 0) return
    this.#counters.misses += missing.length
    await this.#work.fly(missing.map((position) => flights[position] as Flight<O>), missing.map((position) => inputs[position] as I), ask)
  }

  // ---- in the background

  #seen(rows: number): void {
    this.#meter?.seen(rows)
    this.#auditor?.seen(rows)
  }

  /** Resolves when nothing runs in the background. */
  async idle(): Promise<void> {
    await this.#refresher.idle()
    await this.#auditor?.idle()
  }

  // ---- the handle's

  #countStore(event: StoreEvent, error: unknown): void {
    this.#counters[event] += 1
    if (event === 'evictions' || event === 'storeSkipped') return
    const now = this.#host.clock.now()
    if (now - this.#noticedAt < noticeEveryMs) return
    this.#noticedAt = now
    this.#host.emit({ type: 'notice', message: 'The store of a cache failed, or gave what is no entry; the cache goes on without it.', error, data: { event } })
  }

  /** Forgets what was meant, in flights and in the store. */
  async invalidate(what: Invalidation): Promise<void> {
    this.#forgetFlights(what)
    const done = this.#store.invalidate(what)
    if (!isPromise(done)) return
    await done
    // Again, as meanwhile somebody may have begun with what the store still gave out.
    this.#forgetFlights(what)
  }

  #forgetFlights(what: Invalidation): void {
    if (what === 'all') this.#flights.forget(() => true)
    else if ('tag' in what) this.#flights.revoke(what.tag)
    else if ('input' in what) this.#flights.forget(({ key }) => key.isOfSameInput(what.input))
    else this.#flights.forget(({ key: { scope } }) => scope.identity.version === what.version || scope.identity.digest === what.version)
  }

  /** The key of an input, of no version in particular. */
  keyOf(input: I): CacheKey {
    return this.#keys.ofNoVersion(input)
  }

  async close(): Promise<void> {
    this.#flights.forget(() => true)
    this.#refresher.close()
    this.#auditor?.close()
    await this.#store.close?.()
  }
}

/** One that left already starts nothing; of its twins one may. */
const ownerOf = <I>(row: Wanted<I>, batch: BatchCall): number | undefined => [row.index, ...row.twins].find((index) => !(batch.rows[index] as Call).isAborted)

/** The single form as a run of one. */
const single =
  <I, O>(next: Next<I, O>): NextBatch<I, O> =>
  async (inputs, batch) => [await next(inputs[0] as I, batch.rows[0] as Call)]
