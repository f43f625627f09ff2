/** The engine room of micro-batching: gathers rows, decides when a run leaves, and hands every row its answer. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import type { Timer } from '../core/clock.js'
import { OutriggerError, rejection } from '../core/errors.js'
import type { LayerHost } from '../core/layer.js'
import { abortErrorOf, toError } from '../core/model.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import { BatchSize } from './_batch-size.js'
import { RowQueue, type WhenFull } from './_row-queue.js'
import { rowShape } from './_row-shape.js'
import type { RunTimeFit } from './_run-times.js'
import { Runner, withoutStream, withoutStreams, type RunnerSettings } from './_runner.js'
import { BatchRows, SingleRow, type RowsHost, type WaitingRow } from './_waiting-row.js'

/** Options of the layer, checked and complete. */
export interface BatcherSettings<I> extends RunnerSettings<I> {
  readonly maxSize: number
  readonly objectiveMs: number | undefined
  readonly maxDelayMs: number
  readonly concurrency: number
  readonly maxQueue: number
  readonly whenFull: WhenFull
  readonly adaptive: boolean
  readonly fairBy: ((input: I, call: Call) => unknown) | undefined
  readonly groupBy: ((input: I) => string) | undefined
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
const LOOK = 16

/** Who came alone so many times in a row need not wait even for promises. */
const LONELY = 64

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
  readonly #runner: Runner<I, O>
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
  /** Kept, as each one who comes alone needs one. */
  readonly #next: Promise<() => void> = Promise.resolve(this.#leaveNow)
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

  constructor(inside: Stage<I, O>, host: LayerHost, settings: BatcherSettings<I>, meter: BudgetMeter) {
    this.#inside = inside
    this.#host = host
    this.#settings = settings
    this.#meter = meter
    this.#runner = new Runner(inside, host, settings, meter)
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
      bisections: this.#runner.bisections,
    }
  }

  // ---- the ways in

  /** `ended` is called when the work of the call has ended, before the promise settles. */
  one(input: I, call: Call, ended?: (call: Call) => void): Promise<O> {
    if (this.#mode === 'direct' && !this.#isTryingAgain(1)) return this.#atOnce(input, call, ended, false)
    if (this.#alone >= LONELY && this.#mayLeaveAtOnce(call)) return this.#atOnce(input, call, ended, true)
    const row = new SingleRow<I, O>(input, call, this, ended)
    if (!this.offer(row)) row.settle(new RowFailure(this.full()))
    return row.answer
  }

  many(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> {
    if (this.#mode === 'direct' && inputs.length <= this.#settings.maxSize && !this.#isTryingAgain(inputs.length)) return this.#directRows(inputs, batch)
    return new BatchRows(inputs, batch, this).done
  }

  /**
   * Whether a call may be a run of its own without having been in the queue, which is most of what a lone caller pays. The engine
   * is idle, and nobody wants to know how long it waits; should others come in the same moment, they gather while it runs, and
   * then company is expected again. One in so many takes the way through the queue, to look for company and to learn.
   */
  #mayLeaveAtOnce(call: Call): boolean {
    const { fixedSize, maxDelayMs } = this.#settings
    if (this.#running > 0 || this.#queue.size > 0 || this.#company > 0 || this.#trial > 0 || fixedSize !== undefined || maxDelayMs > 0) return false
    if (call.startedAt !== undefined || call.deadline !== Infinity || call.isAborted || this.#isClosed || this.#alone % LOOK === LOOK - 1) return false
    this.#alone += 1
    return true
  }

  /** Asks without a queue: as a run, or in direct mode. */
  async #atOnce(input: I, call: Call, ended: ((call: Call) => void) | undefined, isRun: boolean): Promise<O> {
    if (isRun) this.#count(1)
    else this.#directs += 1
    let outcome: Row<O>
    try {
      outcome = withoutStream(await this.#inside.one(isRun ? this.#runner.inputOf(input) : input, call))
    } catch (thrown) {
      outcome = new RowFailure(toError(thrown))
    }
    if (isRun) {
      this.#running -= 1
      this.#goOn()
    } else this.#directs -= 1
    ended?.(call)
    if (isRowFailure(outcome)) throw outcome.error
    return outcome
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

  groupOf(input: I, call: Call): string {
    const shape = this.#shapeOf(input)
    // A run is idempotent, shadow or online as a whole: what is inside looks at its first row.
    const flags = (call.isIdempotent ? 0 : 1) + (call.isShadow ? 2 : 0) + (call.isBatchWork ? 4 : 0) + (call.isLastResort ? 8 : 0)
    return flags === 0 ? shape : `${flags}|${shape}`
  }

  #shapeOf(input: I): string {
    const { groupBy } = this.#settings
    if (groupBy === undefined) return rowShape(input)
    try {
      return String(groupBy(input))
    } catch (error) {
      this.#host.emit({ type: 'notice', message: '`groupBy` threw; the row is grouped by its shape.', error })
      return rowShape(input)
    }
  }

  clientOf(input: I, call: Call): unknown {
    const { fairBy } = this.#settings
    if (fairBy === undefined) return undefined
    try {
      return fairBy(input, call)
    } catch (error) {
      this.#host.emit({ type: 'notice', message: '`fairBy` threw; the key of the call is used.', error })
      return undefined
    }
  }

  /** Takes a row in, or settles it at once; `false` when there is no room for it. */
  offer(row: WaitingRow<I, O>): boolean {
    const { call } = row
    if (this.#isClosed) row.settle(new RowFailure(closed()))
    else if (call.isAborted) row.settle(new RowFailure(abortErrorOf(call.abortReason)))
    else {
      if (!this.#queue.offer(row)) return false
      if (call.startedAt !== undefined || this.#settings.maxDelayMs > 0) row.since = this.#host.clock.now()
      if (this.#settings.maxDelayMs > 0) this.#noteDue(row)
      this.#poke(row)
      // One that leaves with the next run is looked at then; listening is a good part of what a row costs.
      if (this.#isScheduled) this.#fresh.push(row)
      else row.listen()
    }
    return true
  }

  leave(row: WaitingRow<I, O>, error: unknown): void {
    if (!this.#queue.remove(row)) return
    this.#refuse(row, error)
    if (this.#queue.size === 0) this.#disarm()
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
    row.stop()
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
      else void this.#next.then(process.nextTick)
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
    if (this.#queue.size > 0) for (const row of fresh) if (row.line !== undefined) row.listen()
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
    if (rows.length > 1) this.#expectCompany()
    else if (this.#company > 0) this.#company -= 1
    this.#count(rows.length)
    for (const row of rows) row.stop()
    this.#note(rows, now)
    const [first] = rows as [WaitingRow<I, O>]
    if (rows.length === 1 && this.#settings.fixedSize === undefined) {
      if (first === this.#opener) void this.#runAlone(first, startedAt)
      else neutral(() => void this.#runAlone(first, startedAt))
    } else neutral(() => void this.#runTogether(rows, startedAt))
  }

  #expectCompany(): void {
    this.#company = COMPANY
    this.#alone = 0
  }

  #count(rows: number): void {
    this.#running += 1
    this.#runs += 1
    this.#rows += rows
    this.#meter.seen(rows)
  }

  /** What records say of the wait and of the run. */
  #note(rows: readonly WaitingRow<I, O>[], now: number): void {
    let id: string | undefined
    for (let index = 0; index < rows.length; index += 1) {
      const { call, since } = rows[index] as WaitingRow<I, O>
      if (call.startedAt === undefined) continue
      const notes = call.note()
      notes.queueAt = since
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
      outcome = withoutStream(await this.#inside.one(this.#runner.inputOf(row.input), row.call))
    } catch (error) {
      outcome = new RowFailure(error)
    }
    this.#ended(1, !isRowFailure(outcome), startedAt, undefined)
    row.settle(outcome)
    this.#goOn()
  }

  async #runTogether(rows: readonly WaitingRow<I, O>[], startedAt: number): Promise<void> {
    const inputs = rows.map(({ input }) => this.#runner.inputOf(input))
    const calls = rows.map(({ call }) => call)
    const outcomes = await this.#runner.together(inputs, calls)
    const endedAt = this.#host.clock.now()
    if (this.#runner.mayIsolate(outcomes, calls)) await this.#runner.isolate(outcomes, inputs, calls)
    this.#ended(rows.length, outcomes.some((outcome) => !isRowFailure(outcome)), startedAt, endedAt)
    for (let index = 0; index < rows.length; index += 1) (rows[index] as WaitingRow<I, O>).settle(outcomes[index] as Row<O>)
    this.#goOn()
  }

  #ended(rows: number, hasSucceeded: boolean, startedAt: number, endedAt: number | undefined): void {
    // A run in which nothing succeeded says nothing of how long one takes.
    if (hasSucceeded) this.#learn(rows, (endedAt ?? this.#host.clock.now()) - startedAt)
    this.#running -= 1
  }

  /** A run has ended: those who waited for it may leave. */
  #goOn(): void {
    if (this.#queue.size > 0) this.#expectCompany()
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
