/** The cache around one predictor: what is stored is given, what is under way is joined, and the rest travels, once. */
import { BatchCall, Call } from '../core/call.js'
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { showIdentity } from '../core/identity.js'
import type { LayerHost, Next, NextBatch } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer, CacheFill, CacheReading, CacheUse, Invalidation, OpenCacheStore, StoreEvent } from './cache-store.js'
import { Answers } from './_answers.js'
import { Auditor } from './_auditor.js'
import { Background } from './_background.js'
import type { Counters } from './_counts.js'
import { Flights, neutral, type Flight, type Landing } from './_flights.js'
import { judge, keepsForErrors, mayStandIn, type Freshness } from './_freshness.js'
import { guardStore, isPromise } from './_guard.js'
import { Keys } from './_keys.js'
import { copyOutput, keptInput } from './_outputs.js'
import type { Settings } from './_settings.js'

/** One row that no other one of its run is equal to. */
interface Wanted<I> {
  readonly index: number
  readonly key: CacheKey
  readonly input: I
  readonly call: Call
  /** Rows of the same run that want the same. */
  readonly twins: number[]
}

/** What a row in the background is made from. */
export interface Due<I> {
  readonly key: CacheKey
  readonly input: I
  readonly call: Call
  readonly answer: CachedAnswer
}

/** An answer that was computed elsewhere. */
export interface WarmEntry<I> {
  readonly input: I
  readonly output: unknown
}

/** What became of the entries of a warming. */
export interface WarmCounts {
  readonly kept: number
  /** The output was no plain data, the store was down, or `ttlMs` or `tags` refused it. */
  readonly skipped: number
}

/** So many entries of a warming go to the store at once. */
const warmRows = 256

/** A notice of a failing store comes at most so often. */
const noticeEveryMs = 10_000

export class Cache<I, O> {
  readonly #settings: Settings<I>
  readonly #host: LayerHost
  readonly #inside: Stage<I, O>
  readonly #counters: Counters
  readonly #keys: Keys<I>
  readonly #answers: Answers<I>
  readonly #store: OpenCacheStore
  readonly #flights = new Flights<O>()
  readonly #meter: BudgetMeter | undefined
  readonly #background: Background
  readonly #auditor: Auditor<I, O> | undefined
  /** Calls of work that nobody waits for. */
  readonly #own = new Set<Call>()
  #noticedAt = -Infinity
  #onIdle: (() => void)[] = []

  constructor(settings: Settings<I>, host: LayerHost, inside: Stage<I, O>, counters: Counters) {
    this.#settings = settings
    this.#host = host
    this.#inside = inside
    this.#counters = counters
    this.#keys = new Keys(settings.keys, host.random.integer(2 ** 32), host)
    this.#answers = new Answers(settings, host, counters)
    const storeHost = { clock: host.clock, count: (event: StoreEvent, error?: unknown) => this.#countStore(event, error) }
    this.#store = guardStore(settings.store.open(storeHost), storeHost, settings.storeTimeoutMs)
    this.#meter = settings.budget?.meter()
    this.#background = new Background(settings.refresh.concurrency, this.#meter)
    this.#auditor = settings.audit === undefined ? undefined : new Auditor(settings.audit, host, inside.runtime, counters.audit, this.#meter, (key) => void this.invalidate({ input: key }).catch(() => {}))
  }

  get size(): number {
    return this.#store.size ?? 0
  }

  // ---- a row

  async one(next: Next<I, O>, input: I, call: Call): Promise<O> {
    this.#seen(1)
    const key = this.#keyOf(input, call)
    if (key === undefined) return await next(input, call)
    const flight = this.#flights.get(key)
    if (flight !== undefined && !flight.isBackground) return valueOf(await this.#join(flight, call, false))
    const use: CacheUse = call.isBatchWork ? 'batch' : 'online'
    const reading = this.#read(key, use)
    if (isPromise(reading)) return await this.#oneLater(next, reading, key, input, call, use)
    const { answer } = reading
    let freshness: Freshness = 'spent'
    if (answer !== undefined) {
      const now = this.#answers.now()
      freshness = this.#judge(answer, now)
      if (isUsable(freshness)) {
        const row = this.#answers.serve<O>(answer, call, freshness === 'due' ? 'stale' : 'hit', now)
        if (freshness !== 'fresh') this.#refresh([{ key, input, call, answer }], single(next))
        else if (this.#auditor?.isDrawn(answer, call) === true) this.#auditor.check([{ key, input, call, answer }], single(next))
        return valueOf(row)
      }
    }
    // It is being refreshed by somebody who came before.
    if (flight !== undefined) return valueOf(await this.#join(flight, call, false))
    if (call.isAborted) throw abortErrorOf(call.abortReason)
    const opened = this.#open(key, call, use, reading, freshness)
    this.#counters.misses += 1
    const kept = keptInput(input)
    neutral(() => void this.#fly([opened], [kept], single(next)))
    return valueOf(await this.#join(opened, call, true))
  }

  /** The store answers later. */
  async #oneLater(next: Next<I, O>, reading: PromiseLike<CacheReading>, key: CacheKey, input: I, call: Call, use: CacheUse): Promise<O> {
    if (call.isAborted) throw abortErrorOf(call.abortReason)
    const opened = this.#open(key, call, use, undefined, 'spent')
    const kept = keptInput(input)
    neutral(() => void this.#lookUp([opened], [kept], reading.then((one) => [one]), single(next)))
    return valueOf(await this.#join(opened, call, true))
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
        rows[index] = this.#join(flight, call, false)
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
      const freshness = answer === undefined ? 'spent' : this.#judge(answer, now)
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
        flight = this.#open(row.key, batch.rows[owner] as Call, use, reading, freshness)
        flights.push(flight)
        missing.push(row)
      }
      this.#joinAll(row, flight, isOwn ? owner : undefined, batch, rows)
    })
    this.#counters.misses += flights.length
    if (flights.length > 0) {
      const kept = missing.map(({ input }) => keptInput(input))
      neutral(() => void this.#fly(flights, kept, next))
    }
    if (due.length > 0) this.#refresh(due, next)
    if (drawn.length > 0) this.#auditor?.check(drawn, next)
  }

  /** The store answers later: every row is a flight until then, so that others join it. */
  #openAll(wanted: readonly Wanted<I>[], readings: PromiseLike<readonly CacheReading[]>, use: CacheUse, next: NextBatch<I, O>, batch: BatchCall, rows: (Row<O> | Promise<Row<O>>)[]): void {
    const flights: Flight<O>[] = []
    const kept: I[] = []
    const positions: number[] = []
    wanted.forEach((row, position) => {
      const owner = ownerOf(row, batch)
      const flight = owner === undefined ? undefined : this.#open(row.key, batch.rows[owner] as Call, use, undefined, 'spent')
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
      rows[index] = flight === undefined ? new RowFailure(abortErrorOf(call.abortReason)) : this.#join(flight, call, index === owner)
    }
  }

  // ---- keys and look-ups

  /** The key, or `undefined` when the user's `key` function failed: then the row passes by. */
  #keyOf(input: I, call: Call): CacheKey | undefined {
    if (this.#settings.keys.key === undefined) return this.#keys.of(input, call)
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

  #judge(answer: CachedAnswer, now: number): Freshness {
    return judge(answer, now, this.#settings.freshness, () => this.#host.random.next())
  }

  /** Opens a flight after a look-up; without a reading, for one that is still to come. */
  #open(key: CacheKey, call: Call, use: CacheUse, reading: CacheReading | undefined, freshness: Freshness): Flight<O> {
    const flight = this.#flights.open(key.kept(), call, use)
    if (reading === undefined) flight.isLookingUp = true
    else take(flight, reading, freshness)
    return flight
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
      const freshness = answer === undefined ? 'spent' : this.#judge(answer, now)
      flight.isLookingUp = false
      if (answer !== undefined && isUsable(freshness)) {
        const row: Due<I> = { key: flight.key, input: inputs[position] as I, call: flight.call, answer }
        this.#flights.remove(flight)
        if (freshness !== 'fresh') due.push(row)
        else if (this.#auditor?.isDrawn(answer, flight.call) === true) drawn.push(row)
        flight.isOver = true
        flight.land({ stored: answer, status: freshness === 'due' ? 'stale' : 'hit' })
        return
      }
      take(flight, reading, freshness)
      const refresh = this.#flights.get(flight.key)
      if (refresh !== undefined && refresh !== flight && refresh.isBackground) {
        // It is being refreshed by somebody who came before.
        void refresh.landed.then((landing) => this.#end(flight, landing.stored === undefined ? { ...landing, by: refresh.call } : landing))
      } else if (flight.call.isAborted) this.#end(flight, { row: new RowFailure(abortErrorOf(flight.call.abortReason)) })
      else missing.push(position)
    })
    if (due.length > 0) this.#refresh(due, ask)
    if (drawn.length > 0) this.#auditor?.check(drawn, ask)
    for (const flight of flights) if (flight.isOver) flight.call.end()
    if (missing.length === 0) return
    this.#counters.misses += missing.length
    await this.#fly(missing.map((position) => flights[position] as Flight<O>), missing.map((position) => inputs[position] as I), ask)
  }

  // ---- work

  /** Asks what is inside, keeps what it gives, and lands the flights. */
  async #fly(flights: readonly Flight<O>[], inputs: readonly I[], ask: NextBatch<I, O>): Promise<void> {
    const startedAt = this.#answers.now()
    let rows: readonly Row<O>[]
    try {
      rows = await ask(inputs, new BatchCall(this.#inside.runtime, flights.map((flight) => flight.call)))
    } catch (error) {
      const failure = new RowFailure(error)
      rows = flights.map(() => failure)
    }
    const now = this.#answers.now()
    const fills: CacheFill[] = []
    flights.forEach((flight, position) => {
      // Given up already.
      if (flight.isOver) return
      const row = rows[position] as Row<O>
      const isKept = this.#flights.isKnown(flight) && flight.isStorable
      if (isRowFailure(row)) {
        const fill = isKept ? this.#answers.ofError(row.error, flight, now) : undefined
        if (fill !== undefined) fills.push(fill)
        this.#landFailure(flight, row, now)
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
        if (flight.isBackground) this.#counters.refreshFailed += 1
      }
      this.#end(flight, landing)
    })
    // Before anybody who waits goes on.
    if (fills.length > 0) void this.#store.set(fills)
  }

  #landFailure(flight: Flight<O>, failure: RowFailure, now: number): void {
    this.#background.failed(flight.key.lookup, failure.error, now)
    if (flight.isBackground) {
      this.#counters.refreshFailed += 1
      this.#host.emit({ type: 'notice', message: 'A refresh failed; the stale answer stays.', error: failure.error })
    }
    flight.isOver = true
    this.#flights.remove(flight)
    const stored = this.#standIn(flight, failure.error, now)
    if (isPromise(stored)) void stored.then((answer) => this.#end(flight, answer === undefined ? { row: failure } : { stored: answer, status: 'stale' }))
    else this.#end(flight, stored === undefined ? { row: failure } : { stored, status: 'stale' })
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

  #end(flight: Flight<O>, landing: Landing<O>): void {
    flight.isOver = true
    this.#flights.remove(flight)
    flight.call.end()
    flight.land(landing)
  }

  /** Waits for a flight, for one caller. */
  async #join(flight: Flight<O>, call: Call, isOwn: boolean): Promise<Row<O>> {
    if (!call.isBatchWork) flight.use = 'online'
    const landing = await this.#flights.join(flight, call)
    if (!isRowFailure(landing) && landing.stored !== undefined && landing.status === 'hit') return this.#answers.serve<O>(landing.stored, call, 'hit', this.#answers.now())
    if (call.startedAt !== undefined) (call.note().links ??= []).push(flight.call.id)
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

  // ---- in the background

  #seen(rows: number): void {
    this.#meter?.seen(rows)
    this.#auditor?.seen(rows)
  }

  /** Renews answers behind the callers' backs: one flight per key, as many as are allowed. */
  #refresh(due: readonly Due<I>[], ask: NextBatch<I, O>): void {
    const { clock } = this.#host
    const flights: Flight<O>[] = []
    const inputs: I[] = []
    for (const { key, input, call, answer } of due) {
      if (!call.isIdempotent || !this.#flights.isFree(key)) continue
      if (!this.#background.take(key.lookup, this.#answers.now())) {
        this.#counters.refreshSkipped += 1
        continue
      }
      const flight = this.#flights.open(key.kept(), call, call.isBatchWork ? 'batch' : 'online', true)
      flight.kept = answer
      flight.call.deadline = clock.now() + this.#settings.refresh.timeoutMs
      flights.push(flight)
      inputs.push(keptInput(input))
      this.#own.add(flight.call)
    }
    if (flights.length > 0) neutral(() => clock.setImmediate(() => void this.#runRefresh(flights, inputs, ask)))
  }

  async #runRefresh(flights: readonly Flight<O>[], inputs: readonly I[], ask: NextBatch<I, O>): Promise<void> {
    const { clock } = this.#host
    const { timeoutMs } = this.#settings.refresh
    const late = new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for a refresh any longer: current value of the limit is ${timeoutMs} ms`, { timeoutMs })
    const timer = clock.setTimeout(() => flights.forEach((flight) => flight.call.abort(late)), timeoutMs)
    timer.unref()
    for (const flight of flights) {
      // One that ignores its signal keeps its place until it ends, but nobody waits for it.
      flight.call.onAbort((error) => {
        if (!flight.isOver) this.#landFailure(flight, new RowFailure(error), this.#answers.now())
        if (flights.every(({ isOver }) => isOver)) clock.clearTimeout(timer)
      })
    }
    try {
      // Somebody else may have renewed it meanwhile, in another process.
      const readings = await this.#store.getMany(flights.map(({ key }) => key), 'refresh')
      const now = this.#answers.now()
      const missing: number[] = []
      flights.forEach((flight, position) => {
        const reading = readings[position] as CacheReading
        if (flight.isOver) return
        if (reading.answer !== undefined && reading.answer.at > (flight.kept as CachedAnswer).at && now < reading.answer.freshUntil) {
          this.#counters.refreshed += 1
          this.#end(flight, { stored: reading.answer, status: 'hit' })
          return
        }
        flight.asOf = reading.asOf
        flight.isStorable = reading.isUnavailable !== true
        missing.push(position)
      })
      if (missing.length > 0) await this.#fly(missing.map((position) => flights[position] as Flight<O>), missing.map((position) => inputs[position] as I), ask)
    } finally {
      clock.clearTimeout(timer)
      for (const flight of flights) {
        this.#background.giveBack()
        this.#own.delete(flight.call)
      }
      this.#tellIdle()
    }
  }

  #tellIdle(): void {
    if (this.#own.size > 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  /** Resolves when nothing runs in the background. */
  async idle(): Promise<void> {
    if (this.#own.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
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

  /** Keeps answers that were computed elsewhere, for the version that serves now. */
  async warm(entries: AsyncIterable<WarmEntry<I>> | Iterable<WarmEntry<I>>, version: string | undefined): Promise<WarmCounts> {
    let kept = 0
    let skipped = 0
    let part: { readonly key: CacheKey; readonly input: I; readonly output: unknown }[] = []
    const flush = async (): Promise<void> => {
      const rows = part
      part = []
      const readings = await this.#store.getMany(rows.map(({ key }) => key), 'refresh')
      const now = this.#answers.now()
      const fills = rows.flatMap(({ key, input, output }, position) => {
        const reading = readings[position] as CacheReading
        if (reading.isUnavailable === true) return []
        return this.#answers.ofOutput(input, output, { key, use: 'online', asOf: reading.asOf, revoked: undefined }, key.scope.identity, 0, now) ?? []
      })
      await this.#store.set(fills)
      kept += fills.length
      skipped += rows.length - fills.length
    }
    for await (const { input, output } of entries) {
      const key = this.#boundKey(input)
      const { identity } = key.scope
      if (version !== undefined && identity.version !== version && identity.digest !== version) throw new InvalidOptionError(`Cannot warm a cache as its entries are of version ${version}: the version that serves is ${showIdentity(identity)}`)
      try {
        part.push({ key: key.kept(), input, output: copyOutput(output) })
      } catch {
        skipped += 1
      }
      if (part.length >= warmRows) await flush()
    }
    if (part.length > 0) await flush()
    return { kept, skipped }
  }

  #boundKey(input: I): CacheKey {
    const call = new Call(this.#inside.runtime, undefined, undefined, undefined)
    try {
      this.#inside.bind?.(call, input)
      return this.#keys.of(input, call)
    } finally {
      call.end()
    }
  }

  async close(): Promise<void> {
    const closed = new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot go on with a refresh as the predictor is closed')
    this.#flights.forget(() => true)
    for (const call of this.#own) call.abort(closed)
    this.#auditor?.close()
    await this.#store.close?.()
  }
}

/** One that left already starts nothing; of its twins one may. */
const ownerOf = <I>(row: Wanted<I>, batch: BatchCall): number | undefined => [row.index, ...row.twins].find((index) => !(batch.rows[index] as Call).isAborted)

const isUsable = (freshness: Freshness): boolean => freshness === 'fresh' || freshness === 'early' || freshness === 'due'

const take = <O>(flight: Flight<O>, reading: CacheReading, freshness: Freshness): void => {
  flight.asOf = reading.asOf
  flight.isStorable = reading.isUnavailable !== true
  flight.kept = freshness === 'kept' ? reading.answer : undefined
}

/** The single form as a run of one. */
const single =
  <I, O>(next: Next<I, O>): NextBatch<I, O> =>
  async (inputs, batch) => [await next(inputs[0] as I, batch.rows[0] as Call)]

const valueOf = <O>(row: Row<O>): O => {
  if (isRowFailure(row)) throw row.error
  return row
}
