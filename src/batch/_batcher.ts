/** The engine room of micro-batching: gathers rows, decides when a run leaves, and hands every row its answer. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { BatchCall, type Call } from '../core/call.js'
import type { Timer } from '../core/clock.js'
import { copyPlain } from '../core/copy.js'
import { OutriggerError, rejection } from '../core/errors.js'
import type { LayerHost } from '../core/layer.js'
import { abortErrorOf } from '../core/model.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import { discardStream, isStream } from '../core/streams.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import { BatchSize } from './_batch-size.js'
import { isolate } from './_isolate.js'
import { RowQueue, type WhenFull } from './_row-queue.js'
import { rowShape } from './_row-shape.js'
import type { RunTimeFit } from './_run-times.js'
import { BatchRows, SingleRow, type RowPlace, type RowsHost, type WaitingRow } from './_waiting-row.js'

/** Options of the layer, checked and complete. */
export interface BatcherSettings<I> {
  readonly maxSize: number
  readonly objectiveMs: number | undefined
  readonly maxDelayMs: number
  readonly concurrency: number
  readonly maxQueue: number
  readonly whenFull: WhenFull
  readonly adaptive: boolean
  readonly fixedSize: number | undefined
  readonly pad: 'repeat' | false | ((inputs: readonly I[]) => I)
  readonly fairBy: ((input: I, call: Call) => unknown) | undefined
  readonly groupBy: ((input: I) => string) | undefined
  readonly bisect: boolean
  readonly copy: boolean
}

/** What a micro-batching layer is doing. */
export interface MicroBatchState {
  /** `direct` while batching does not pay: calls go straight through. */
  readonly mode: 'batching' | 'direct'
  /** A run takes at most so many rows now. */
  readonly size: number
  /** How long a run takes, as learned; `undefined` before the first one. */
  readonly fit: RunTimeFit | undefined
  /** Rows in the queue. */
  readonly waiting: number
  /** Runs in flight. */
  readonly running: number
  /** Runs so far, and the rows in them; asking again is counted in `bisections` only. */
  readonly runs: number
  readonly rows: number
  /** Rows asked for again to find the one that makes a run fail. */
  readonly bisections: number
}

/** The async context in which this module was loaded: shared work runs there, not in that of the caller who came first. */
const neutral = AsyncLocalStorage.snapshot()

/** After a run that several rows shared, or waited for, so many leave at the end of the loop's turn… */
const COMPANY = 16
/** …and of those that leave sooner, one in so many does, to see whether there is company. */
const LOOK = 8

/** In direct mode batching is tried again after so many calls… */
const RECHECK = 1000
/** …for so many runs, unless it is clear before. */
const TRIAL = 96

export class Batcher<I, O> implements RowsHost<I, O> {
  readonly window: number
  readonly #inside: Stage<I, O>
  readonly #host: LayerHost
  readonly #settings: BatcherSettings<I>
  readonly #queue: RowQueue<WaitingRow<I, O>>
  readonly #sizes: BatchSize
  readonly #meter: BudgetMeter
  #mode: 'batching' | 'direct' = 'batching'
  /** A model without a batch form: its rows never travel together. */
  readonly #isRowByRow: boolean
  #sinceCheck = 0
  /** Direct calls in flight. */
  #directs = 0
  /** Runs that are left of a trial of batching. */
  #trial = 0
  #running = 0
  #isScheduled = false
  /** Runs for which company is expected. */
  #company = 0
  #alone = 0
  readonly #leaveNow = (): void => this.#leave()
  /** Rows that came since a run was scheduled, to whose callers nobody listens yet. */
  #fresh: WaitingRow<I, O>[] = []
  /** The row whose arrival made a run be scheduled: it may run in its own async context when it stays alone. */
  #opener: WaitingRow<I, O> | undefined
  /** With `maxDelayMs`: when those who wait must leave. */
  #due = Infinity
  #timer: Timer | undefined
  #timerAt = Infinity
  #isClosed = false
  #isObjectiveLost = false
  #runs = 0
  #rows = 0
  #bisections = 0

  constructor(inside: Stage<I, O>, host: LayerHost, settings: BatcherSettings<I>, meter: BudgetMeter) {
    this.#inside = inside
    this.#host = host
    this.#settings = settings
    this.#meter = meter
    this.#queue = new RowQueue(settings.maxQueue, settings.whenFull, (row) => this.#refuse(row, this.full()))
    this.#sizes = new BatchSize(settings)
    this.window = Math.max(1, Math.min(2 * settings.maxSize * settings.concurrency, settings.maxQueue >> 1))
    this.#isRowByRow = settings.adaptive && isRowByRow(inside)
    if (this.#isRowByRow) this.#mode = 'direct'
  }

  get state(): MicroBatchState {
    const { times } = this.#sizes
    const { adaptive, fixedSize, maxSize } = this.#settings
    return {
      mode: this.#mode,
      size: this.#mode === 'direct' ? 1 : fixedSize ?? (adaptive ? this.#sizes.size : maxSize),
      fit: times.runs === 0 ? undefined : { fixedMs: times.fixedMs, perRowMs: times.perRowMs },
      waiting: this.#queue.size,
      running: this.#running,
      runs: this.#runs,
      rows: this.#rows,
      bisections: this.#bisections,
    }
  }

  // ---- the ways in

  one(input: I, call: Call): Promise<O> {
    if (this.#mode === 'direct' && !this.#isTryingAgain(1)) return this.#direct(input, call)
    return new Promise((resolve, reject) => {
      const row = new SingleRow<I, O>(input, call, this.placeOf(input, call, undefined), resolve, reject)
      if (!this.offer(row)) row.settle(new RowFailure(this.full()))
    })
  }

  many(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> {
    if (this.#mode === 'direct' && inputs.length <= this.#settings.maxSize && !this.#isTryingAgain(inputs.length)) return this.#directRows(inputs, batch)
    return new BatchRows(inputs, batch, this).done
  }

  async #direct(input: I, call: Call): Promise<O> {
    this.#directs += 1
    try {
      const output = await this.#inside.one(input, call)
      if (isStream(output)) throw refusedStream(output)
      return output
    } finally {
      this.#directs -= 1
    }
  }

  async #directRows(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> {
    this.#directs += 1
    try {
      return withoutStreams(await this.#inside.many(inputs, batch))
    } finally {
      this.#directs -= 1
    }
  }

  /** In direct mode: whether it is time to see if batching pays by now. */
  #isTryingAgain(rows: number): boolean {
    if (this.#isRowByRow) return false
    this.#sinceCheck += rows
    if (this.#sinceCheck < RECHECK) return false
    this.#sinceCheck = 0
    this.#trial = TRIAL
    this.#mode = 'batching'
    this.#sizes.doubt()
    return true
  }

  placeOf(input: I, call: Call, owner: object | undefined): RowPlace {
    const { groupBy, fairBy } = this.#settings
    let shape: string | undefined
    let client: unknown
    if (groupBy !== undefined) {
      try {
        shape = String(groupBy(input))
      } catch (error) {
        this.#host.emit({ type: 'notice', message: '`groupBy` threw; the row is grouped by its shape.', error })
      }
    }
    if (fairBy !== undefined) {
      try {
        client = fairBy(input, call)
      } catch (error) {
        this.#host.emit({ type: 'notice', message: '`fairBy` threw; the key of the call is used.', error })
      }
    }
    shape ??= rowShape(input)
    // A run is idempotent, shadow or online as a whole: what is inside looks at its first row.
    const flags = (call.isIdempotent ? 0 : 1) + (call.isShadow ? 2 : 0) + (call.isBatchWork ? 4 : 0) + (call.isLastResort ? 8 : 0)
    return { group: flags === 0 ? shape : `${flags}|${shape}`, client: client ?? call.key ?? owner }
  }

  /** Takes a row in, or settles it at once; `false` when there is no room for it. */
  offer(row: WaitingRow<I, O>): boolean {
    const { call } = row
    if (this.#isClosed) row.settle(new RowFailure(closed()))
    else if (call.isAborted) row.settle(new RowFailure(abortErrorOf(call.abortReason)))
    else {
      if (!this.#queue.offer(row)) return false
      this.#meter.seen(1)
      if (call.startedAt !== undefined || this.#settings.maxDelayMs > 0) row.since = this.#host.clock.now()
      this.#noteDue(row)
      this.#poke(row)
      // One that leaves with the next run is looked at then; listening is a good part of what a row costs.
      if (this.#isScheduled) this.#fresh.push(row)
      else this.#listen(row)
    }
    return true
  }

  /** Lets a row leave when its caller does. */
  #listen(row: WaitingRow<I, O>): void {
    row.stop = row.call.onAbort((reason) => {
      if (!this.#queue.remove(row)) return
      this.#refuse(row, abortErrorOf(reason))
      if (this.#queue.size === 0) this.#disarm()
    })
  }

  full(): OutriggerError {
    const { maxQueue } = this.#settings
    const { size } = this.#queue
    return rejection('ERR_OUTRIGGER_QUEUE_FULL', `Cannot wait for a batch as the queue has no room for another row of this client: current value is ${size} of ${maxQueue} rows waiting`, { waiting: size, maxQueue })
  }

  close(): void {
    this.#isClosed = true
    this.#disarm()
    for (const row of [...this.#queue]) {
      this.#queue.remove(row)
      this.#refuse(row, closed())
    }
  }

  #refuse(row: WaitingRow<I, O>, error: unknown): void {
    row.stop?.()
    row.settle(new RowFailure(error))
  }

  // ---- when a run leaves

  /**
   * Something has changed: a row came, or a run has ended. The run does not leave at once, so that it takes all who come
   * together: when all promises that are ready have run; or, where there is company, at the end of the loop's turn, when
   * every request that has arrived has been read. That costs a turn of the loop, a microsecond and more, which one who is
   * always alone need not pay.
   */
  #poke(opener?: WaitingRow<I, O>): void {
    if (this.#isScheduled || this.#running >= this.#settings.concurrency || this.#queue.size === 0) return
    if (this.#settings.maxDelayMs > 0 && !this.#mustLeave(this.#host.clock.now())) return this.#arm()
    this.#isScheduled = true
    this.#opener = opener
    if (this.#company > 0) this.#host.clock.setImmediate(this.#leaveNow)
    else {
      this.#alone += 1
      if (this.#alone % LOOK === 0) this.#host.clock.setImmediate(this.#leaveNow)
      else void Promise.resolve(this.#leaveNow).then(process.nextTick)
    }
  }

  #size(waiting: number): number {
    const { adaptive, fixedSize, maxSize } = this.#settings
    return fixedSize ?? (adaptive ? this.#sizes.limit(waiting) : maxSize)
  }

  #leave(): void {
    this.#isScheduled = false
    const { concurrency, fixedSize, maxDelayMs } = this.#settings
    const now = this.#host.clock.now()
    while (this.#running < concurrency && this.#queue.size > 0) {
      if (maxDelayMs > 0 && !this.#mustLeave(now)) break
      const waiting = this.#queue.size
      const size = this.#size(waiting)
      // Several engines share what waits.
      // At least one, also were the learned size no number: the loop must end.
      const taken = this.#queue.take(fixedSize ?? (Math.min(size, Math.ceil(waiting / (concurrency - this.#running))) || 1))
      const rows = this.#wanted(taken, now)
      if (rows.length > 0) this.#start(this.#fitting(rows, now), now)
    }
    this.#opener = undefined
    const fresh = this.#fresh
    this.#fresh = []
    for (const row of fresh) if (row.line !== undefined) this.#listen(row)
    if (maxDelayMs > 0) {
      this.#disarm()
      for (const row of this.#queue) this.#noteDue(row)
      if (this.#running < concurrency && this.#queue.size > 0) this.#arm()
    }
  }

  /** Without those whose callers have left or whose time is over. */
  #wanted(rows: WaitingRow<I, O>[], now: number): WaitingRow<I, O>[] {
    let isWhole = true
    for (const { call } of rows) if (call.deadline <= now || call.isAborted) isWhole = false
    if (isWhole) return rows
    return rows.filter((row) => {
      if (row.call.isAborted) this.#refuse(row, abortErrorOf(row.call.abortReason))
      else if (row.call.deadline > now) return true
      else this.#refuse(row, rejection('ERR_OUTRIGGER_TIMEOUT', 'Cannot run the row any more as its deadline has passed while it waited for a batch'))
      return false
    })
  }

  /**
   * When all that wait fit into one run, but one of them cannot wait for the time it takes: those with the earliest
   * deadlines go first. While more wait than a run takes it stays as large as it is: smaller ones would only make the queue longer.
   */
  #fitting(rows: WaitingRow<I, O>[], now: number): WaitingRow<I, O>[] {
    if (rows.length === 1 || this.#queue.size > 0 || this.#sizes.times.runs === 0 || this.#settings.fixedSize !== undefined) return rows
    let earliest = Infinity
    for (const { call } of rows) if (call.deadline < earliest) earliest = call.deadline
    const { times } = this.#sizes
    if (earliest === Infinity || now + times.of(rows.length) <= earliest || now + times.of(1) > earliest) return rows
    const first = rows.toSorted((a, b) => (a.call.deadline === b.call.deadline ? 0 : a.call.deadline - b.call.deadline)).slice(0, this.#sizes.fitting(earliest - now))
    const goes = new Set(first)
    this.#queue.restore(rows.filter((row) => !goes.has(row)))
    return rows.filter((row) => goes.has(row))
  }

  // ---- waiting for more (`maxDelayMs`)

  #noteDue(row: WaitingRow<I, O>): void {
    const { maxDelayMs } = this.#settings
    if (maxDelayMs === 0) return
    const { deadline } = row.call
    const runMs = this.#sizes.times.of(this.#size(this.#queue.size)) * (1 + 3 * this.#sizes.times.spread)
    // Timers are a millisecond late at times.
    this.#due = Math.min(this.#due, row.since + maxDelayMs, deadline - runMs - 2)
  }

  #mustLeave(now: number): boolean {
    return this.#queue.size >= this.#size(this.#queue.size) || now >= this.#due
  }

  #arm(): void {
    if (this.#timer !== undefined && this.#timerAt <= this.#due) return
    const { clock } = this.#host
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer)
    this.#timerAt = this.#due
    this.#timer = neutral(() =>
      clock.setTimeout(() => {
        this.#timer = undefined
        this.#timerAt = Infinity
        this.#poke()
      }, Math.max(0, this.#due - clock.now())),
    )
  }

  #disarm(): void {
    this.#due = Infinity
    this.#timerAt = Infinity
    if (this.#timer === undefined) return
    this.#host.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  // ---- runs

  #start(rows: WaitingRow<I, O>[], now: number): void {
    // A run beside direct calls says nothing of how long one takes.
    const startedAt = this.#directs === 0 ? now : Number.NaN
    if (rows.length > 1) this.#company = COMPANY
    else if (this.#company > 0) this.#company -= 1
    this.#running += 1
    this.#runs += 1
    this.#rows += rows.length
    for (const row of rows) row.stop?.()
    this.#note(rows, now)
    const [first] = rows as [WaitingRow<I, O>]
    if (rows.length === 1 && this.#settings.fixedSize === undefined) {
      if (first === this.#opener) void this.#runAlone(first, startedAt)
      else neutral(() => void this.#runAlone(first, startedAt))
    } else neutral(() => void this.#runTogether(rows, startedAt))
  }

  /** What records say of the wait and of the run. */
  #note(rows: readonly WaitingRow<I, O>[], now: number): void {
    let id: string | undefined
    for (let index = 0; index < rows.length; index += 1) {
      const { call, since } = rows[index] as WaitingRow<I, O>
      if (call.startedAt === undefined) continue
      const notes = call.note()
      notes.queueMs = now - since
      if (rows.length === 1) continue
      id ??= this.#inside.runtime.newId()
      ;(notes.links ??= []).push(id)
      notes.batch = { id, size: rows.length, index }
    }
  }

  async #runAlone(row: WaitingRow<I, O>, startedAt: number): Promise<void> {
    let outcome: Row<O>
    try {
      outcome = await this.#inside.one(this.#inputOf(row), row.call)
    } catch (error) {
      outcome = new RowFailure(error)
    }
    this.#land([row], withoutStreams([outcome]), startedAt)
  }

  async #runTogether(rows: WaitingRow<I, O>[], startedAt: number): Promise<void> {
    const inputs = rows.map((row) => this.#inputOf(row))
    const outcomes = await this.#ask(inputs, rows)
    const endedAt = this.#host.clock.now()
    if (this.#settings.bisect && (rows[0] as WaitingRow<I, O>).call.isIdempotent) {
      await isolate(outcomes, {
        ask: (indices) => {
          this.#bisections += indices.length
          for (const index of indices) (rows[index] as WaitingRow<I, O>).call.mark('isolated')
          return this.#ask(indices.map((index) => inputs[index] as I), indices.map((index) => rows[index] as WaitingRow<I, O>))
        },
        stillWanted: (indices) => {
          const now = this.#host.clock.now()
          return indices.filter((index) => {
            const { call } = rows[index] as WaitingRow<I, O>
            return !call.isAborted && call.deadline > now
          })
        },
        mayAsk: (count) => this.#meter.spend(count, this.#host.clock.now()),
      })
    }
    this.#land(rows, outcomes, startedAt, endedAt)
  }

  /** One run: pads it where the model wants a fixed number of rows. Does not reject. */
  async #ask(inputs: readonly I[], rows: readonly WaitingRow<I, O>[]): Promise<Row<O>[]> {
    const calls = rows.map(({ call }) => call)
    const missing = (this.#settings.fixedSize ?? 0) - rows.length
    if (missing > 0 && this.#settings.pad === false) return failRows(rows.length, tooFew(rows.length, rows.length + missing))
    const filled = [...inputs]
    const padding: Call[] = []
    if (missing > 0) {
      const filler = this.#filler(inputs)
      for (let count = 0; count < missing; count += 1) {
        padding.push((calls[0] as Call).fork())
        filled.push(filler)
      }
    }
    try {
      const outcomes = await this.#inside.many(filled, new BatchCall(this.#inside.runtime, [...calls, ...padding]))
      return withoutStreams(outcomes).slice(0, rows.length)
    } catch (error) {
      return failRows(rows.length, error)
    } finally {
      for (const call of padding) call.end()
    }
  }

  #filler(inputs: readonly I[]): I {
    const { pad } = this.#settings
    if (typeof pad === 'function') {
      try {
        return pad(inputs)
      } catch (error) {
        this.#host.emit({ type: 'notice', message: '`pad` threw; the last row is repeated.', error })
      }
    }
    return inputs.at(-1) as I
  }

  #inputOf({ input }: WaitingRow<I, O>): I {
    if (!this.#settings.copy) return input
    try {
      return copyPlain(input, notPlain)
    } catch {
      return input
    }
  }

  #land(rows: readonly WaitingRow<I, O>[], outcomes: readonly Row<O>[], startedAt: number, endedAt?: number): void {
    // A run in which nothing succeeded says nothing of how long one takes.
    if (outcomes.some((outcome) => !isRowFailure(outcome))) this.#learn(rows.length, (endedAt ?? this.#host.clock.now()) - startedAt)
    this.#running -= 1
    for (let index = 0; index < rows.length; index += 1) (rows[index] as WaitingRow<I, O>).settle(outcomes[index] as Row<O>)
    if (this.#queue.size > 0) this.#company = COMPANY
    this.#poke()
  }

  #learn(rows: number, ms: number): void {
    const sizes = this.#sizes
    sizes.observe(this.#settings.fixedSize ?? rows, ms)
    if (!this.#settings.adaptive || this.#settings.fixedSize !== undefined) return
    if (sizes.isObjectiveLost !== this.#isObjectiveLost) {
      this.#isObjectiveLost = sizes.isObjectiveLost
      if (this.#isObjectiveLost) this.#host.emit({ type: 'notice', message: `The objective of ${this.#settings.objectiveMs} ms cannot be kept: a run of one row takes ${sizes.times.of(1).toFixed(1)} ms. The size is chosen for throughput.`, data: this.#fitData() })
    }
    const { verdict } = sizes
    if (this.#trial > 0) {
      this.#trial -= 1
      if (verdict === 'batching') {
        this.#trial = 0
        this.#switched('direct', 'batching', 'a row costs less in a batch than alone')
      } else if (verdict === 'direct' || this.#trial === 0) {
        this.#trial = 0
        this.#mode = 'direct'
      }
    } else if (verdict === 'direct' && this.#mode === 'batching') {
      this.#mode = 'direct'
      this.#switched('batching', 'direct', 'a row costs as much in a batch as alone')
    }
  }

  #switched(from: string, to: string, reason: string): void {
    this.#host.emit({ type: 'state', subject: 'mode', from, to, reason, data: this.#fitData() })
  }

  #fitData(): { readonly fixedMs: number; readonly perRowMs: number; readonly spread: number } {
    const { fixedMs, perRowMs, spread } = this.#sizes.times
    return { fixedMs, perRowMs, spread }
  }
}

/** Whether the model at the end has no batch form. */
const isRowByRow = ({ branches, traits }: { readonly branches: Stage<never, unknown>['branches']; readonly traits: Stage<never, unknown>['traits'] }): boolean => {
  if (branches.length === 0) return traits.rowByRow === true
  const wrapped = branches.find(({ label }) => label === '')
  return wrapped === undefined ? branches.every(({ stage }) => isRowByRow(stage)) : isRowByRow(wrapped.stage)
}

const closed = (): OutriggerError => new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot wait for a batch as the predictor is closed')

const tooFew = (rows: number, needed: number): OutriggerError =>
  rejection('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run the batch as the model takes exactly ${needed} rows and \`pad\` is off: current value is ${rows}`, { rows, needed })

const refusedStream = (stream: AsyncIterable<unknown>): OutriggerError => {
  discardStream(stream)
  return new OutriggerError('ERR_OUTRIGGER_INVALID_OPTION', 'Cannot batch a model whose outputs are streams: take `microBatched` away from it')
}

const withoutStreams = <O>(rows: Row<O>[]): Row<O>[] => {
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]
    if (isStream(row)) rows[index] = new RowFailure(refusedStream(row))
  }
  return rows
}

const notPlain = (what: string): never => {
  throw new TypeError(what)
}
