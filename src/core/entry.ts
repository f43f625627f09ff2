/** The way in to a stack. */
import { BatchCall } from './batch-call.js'
import type { BatchOptions, CallOptions, SharedCallOptions } from './call-options.js'
import { Call } from './call.js'
import { closeAll } from './close-all.js'
import { InvalidOptionError, isError, OutriggerError } from './errors.js'
import { fuse, type Guard } from './fuse.js'
import { abortErrorOf, toError } from './model.js'
import { numberOption, optionsObject } from './options.js'
import type { PredictionRecord } from './record.js'
import { BatchPredictionError, outcomeOfRow, type Prediction, type RowOutcome, type RowResult } from './results.js'
import { isRowFailure, pick, RowFailure, type Row } from './rows.js'
import { Scribe } from './scribe.js'
import { onAbortOf } from './signals.js'
import type { Stage } from './stage.js'
import { discardStream, isStream, untilEnd } from './streams.js'

/** How long `close` waits. */
export interface CloseOptions {
  /** Calls in flight have this long to end, in milliseconds. @default 10_000 */
  readonly deadlineMs?: number
}

/** Closes something, once, when a predictor does. */
export type Closer = (options?: CloseOptions) => Promise<void> | void

/** The way in: opens calls, guards them, settles them, counts them. */
export class Entry<I, O> {
  readonly #stage: Stage<I, O>
  readonly #closers: readonly Closer[]
  readonly #scribe: Scribe<I, O>
  /** Calls, and batches, whose work has not ended. */
  #inFlight = 0
  #closed: Promise<void> | undefined
  #drained: (() => void) | undefined
  /** The way of a call that nobody observes and nobody can abort: the entry's own work is fused with the guards'. */
  readonly #free: (input: I, call: Call) => Promise<O>

  constructor(stage: Stage<I, O>, closers: readonly Closer[]) {
    this.#stage = stage
    this.#closers = closers
    this.#scribe = new Scribe(stage)
    this.#free = this.#freeWay()
  }

  get isClosing(): boolean {
    return this.#closed !== undefined
  }

  one(input: I, options: CallOptions | undefined): Promise<O> {
    const observed = this.#stage.needsRecord || this.#stage.events.wantsPredictions
    let call: Call
    try {
      call = this.#open(input, options, observed)
    } catch (error) {
      return Promise.reject(error as Error)
    }
    if (options !== undefined && (options.signal !== undefined || options.timeoutMs !== undefined)) return this.#guarded(input, call, options).then(outputOf)
    return observed ? this.#observed(input, call).then(outputOf) : this.#free(input, call)
  }

  detailed(input: I, options: CallOptions | undefined): Promise<Prediction<O>> {
    let call: Call
    try {
      call = this.#open(input, options, true)
    } catch (error) {
      return Promise.reject(error as Error)
    }
    if (options?.signal !== undefined || options?.timeoutMs !== undefined) return this.#guarded(input, call, options) as Promise<Prediction<O>>
    return this.#observed(input, call)
  }

  // ---- single calls

  #freeWay(): (input: I, call: Call) => Promise<O> {
    const { fusible, oneUntilEnd } = this.#stage
    if (oneUntilEnd !== undefined) {
      const end = (call: Call): void => this.#end(call)
      return (input, call) => oneUntilEnd(input, call, end)
    }
    const { guards, core } = fusible ?? { guards: [], core: (input: I, call: Call) => this.#stage.one(input, call) }
    return fuse([...guards, this.#asGuard()], core)
  }

  #asGuard(): Guard<I, O> {
    return {
      pass: (_permit, output, call) => {
        if (isStream(output)) return untilEnd(output, () => this.#end(call))
        this.#end(call)
        return output
      },
      fail: (_permit, _error, call) => this.#end(call),
    }
  }

  #open(input: I, options: CallOptions | undefined, observed: boolean): Call {
    this.#refuse(options)
    const { runtime, bind } = this.#stage
    const call = options === undefined ? new Call(runtime, undefined, undefined, undefined) : new Call(runtime, options, options.key, options.id)
    if (observed) call.startedAt = runtime.clock.now()
    if (bind !== undefined) bindOrEnd(call, () => bind(call, input))
    this.#inFlight += 1
    return call
  }

  /** What is refused before anything else happens: a closed predictor, an aborted signal, a limit that makes no sense. */
  #refuse(options: SharedCallOptions | undefined): void {
    if (this.#closed !== undefined) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot predict as the predictor is closed')
    if (options === undefined) return
    const { signal, timeoutMs } = options
    if (signal?.aborted === true) throw abortErrorOf(signal.reason)
    if (timeoutMs === undefined) return
    if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)) throw new InvalidOptionError(`Cannot predict as \`timeoutMs\` must be a number: current value is ${String(timeoutMs)}`)
    if (timeoutMs <= 0) throw new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot predict as no time is left: current value of \`timeoutMs\` is ${timeoutMs}`, { timeoutMs })
  }

  async #observed(input: I, call: Call): Promise<Prediction<O>> {
    let output: O
    try {
      output = await this.#stage.one(input, call)
    } catch (thrown) {
      const error = toError(thrown)
      this.#scribe.settle(call, input, new RowFailure(error), undefined)
      this.#end(call)
      throw error
    }
    const record = this.#scribe.settle(call, input, output, undefined) as PredictionRecord
    if (isStream(output)) return { output: untilEnd(output, () => this.#end(call)), record }
    this.#end(call)
    return { output, record }
  }

  /** The way of a call with a signal or a limit: the caller is told at once, the work is aborted and awaited apart. */
  #guarded(input: I, call: Call, options: SharedCallOptions): Promise<{ readonly output: O; readonly record: PredictionRecord | undefined }> {
    return new Promise((resolve, reject) => {
      let settled = false
      const leave = this.#watch([call], options, (error) => {
        // A stream that is under way has its record already; it only hears the abort.
        if (settled) return
        settled = true
        this.#scribe.settle(call, input, new RowFailure(error), undefined)
        reject(error as Error)
      })
      const work = async (): Promise<O> => await this.#stage.one(input, call)
      work().then(
        (output) => {
          const stream = isStream(output)
          if (!settled) {
            const record = this.#scribe.settle(call, input, output, undefined)
            // A stream stays abortable until it ends; nothing else is aborted after success.
            if (!stream) leave()
            settled = true
            resolve({ output: stream ? (untilEnd(output, () => (leave(), this.#end(call))) as O) : output, record })
            if (!stream) this.#end(call)
          } else {
            leave()
            if (stream) discardStream(output as AsyncIterable<unknown>)
            this.#end(call)
          }
        },
        (thrown: unknown) => {
          const error = toError(thrown)
          leave()
          if (!settled) {
            settled = true
            this.#scribe.settle(call, input, new RowFailure(error), undefined)
            reject(error as Error)
          }
          this.#end(call)
        },
      )
    })
  }

  /** Aborts the calls when the caller's signal fires or the limit passes. Returns what ends the watch. */
  #watch(calls: readonly Call[], options: SharedCallOptions, onGivenUp: (error: unknown) => void): () => void {
    const { signal, timeoutMs } = options
    const { clock } = this.#stage.runtime
    let over = false
    const giveUp = (error: unknown): void => {
      if (over) return
      leave()
      onGivenUp(error)
      for (const call of calls) call.abort(error)
    }
    const timer =
      // Node's timers take 32 bits; 24 days and more is no limit.
      timeoutMs === undefined || timeoutMs > 2 ** 31 - 1
        ? undefined
        : clock.setTimeout(() => giveUp(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the prediction any longer as the caller's limit has passed: current value of \`timeoutMs\` is ${timeoutMs}`, { timeoutMs })), timeoutMs)
    const leave = (): void => {
      over = true
      if (timer !== undefined) clock.clearTimeout(timer)
      forget?.()
    }
    const forget = signal === undefined ? undefined : onAbortOf(signal, () => giveUp(abortErrorOf(signal.reason)))
    if (timer !== undefined) {
      const deadline = clock.now() + (timeoutMs as number)
      for (const call of calls) call.deadline = deadline
    }
    return leave
  }

  #end(call: Call): void {
    call.end()
    this.#inFlight -= 1
    if (this.#inFlight === 0 && this.#drained !== undefined) this.#drained()
  }

  // ---- batches

  async batch(inputs: readonly I[], options: BatchOptions | undefined): Promise<O[]> {
    const observed = this.#stage.needsRecord || this.#stage.events.wantsPredictions
    const { rows, records } = await this.#run(inputs, options, observed)
    for (let index = 0; index < rows.length; index += 1) {
      if (isRowFailure(rows[index])) throw new BatchPredictionError(rows.map((row, position) => withRecord(outcomeOfRow(row), records?.[position])))
    }
    return rows as O[]
  }

  async detailedBatch(inputs: readonly I[], options: BatchOptions | undefined): Promise<RowResult<O>[]> {
    const { rows, records } = await this.#run(inputs, options, true, true)
    return rows.map((row, index) => withRecord(outcomeOfRow(row), records?.[index]) as RowResult<O>)
  }

  async #run(inputs: readonly I[], options: BatchOptions | undefined, observed: boolean, keepsRecords = false): Promise<{ readonly rows: Row<O>[]; readonly records: PredictionRecord[] | undefined }> {
    this.#refuse(options)
    if (!Array.isArray(inputs)) throw new InvalidOptionError('Cannot predict a batch as inputs must be an array: current value is none')
    const size = inputs.length
    for (const name of ['keys', 'ids', 'signals'] as const) {
      const perRow = options?.[name]
      if (perRow !== undefined && perRow.length !== size) throw new InvalidOptionError(`Cannot predict a batch as \`${name}\` must have ${size} elements: current value has ${perRow.length}`)
    }
    if (size === 0) return { rows: [], records: [] }
    const { calls, unbound } = this.#openRows(inputs, options, observed)
    const batch = new BatchCall(this.#stage.runtime, calls)
    let records: PredictionRecord[] | undefined
    // Before the rows' work ends and gives its leases back: a record says what the row was bound to.
    const settle = (rows: readonly Row<O>[]): void => {
      const wantsRecords = observed && (keepsRecords || this.#stage.events.wantsPredictions || calls.some((call) => call.notes?.watchers !== undefined))
      if (!wantsRecords) return
      const id = this.#stage.runtime.newId()
      records = rows.map((row, index) => this.#scribe.settle(calls[index] as Call, inputs[index] as I, row, { id, size, index }) as PredictionRecord)
    }
    const work = async (): Promise<Row<O>[]> => withErrors(unbound === undefined ? await this.#stage.many(inputs, batch) : await this.#askBound(inputs, batch, unbound))
    const guarded = options !== undefined && (options.signal !== undefined || options.signals !== undefined || options.timeoutMs !== undefined)
    const rows = guarded ? await this.#guardedRows(work, batch, options, settle) : await this.#freeRows(work, batch, settle)
    return { rows, records }
  }

  /** Opens the calls of the rows. One that cannot be bound fails alone. */
  #openRows(inputs: readonly I[], options: BatchOptions | undefined, observed: boolean): { readonly calls: Call[]; readonly unbound: Map<number, RowFailure> | undefined } {
    const { runtime, bind } = this.#stage
    const startedAt = observed ? runtime.clock.now() : undefined
    const calls: Call[] = []
    let unbound: Map<number, RowFailure> | undefined
    for (let index = 0; index < inputs.length; index += 1) {
      const call = options === undefined ? new Call(runtime, undefined, undefined, undefined) : new Call(runtime, options, options.keys?.[index], options.ids?.[index])
      call.startedAt = startedAt
      calls.push(call)
      if (bind === undefined) continue
      try {
        bind(call, inputs[index] as I)
      } catch (error) {
        unbound = (unbound ?? new Map<number, RowFailure>()).set(index, new RowFailure(error))
      }
    }
    this.#inFlight += 1
    return { calls, unbound }
  }

  /** Asks for the rows that could be bound. */
  async #askBound(inputs: readonly I[], batch: BatchCall, unbound: ReadonlyMap<number, RowFailure>): Promise<Row<O>[]> {
    const rows: Row<O>[] = inputs.map((_, index) => unbound.get(index) as RowFailure)
    const bound = rows.flatMap((row, index) => (row === undefined ? [index] : []))
    if (bound.length === 0) return rows
    const outputs = await this.#stage.many(pick(inputs, bound), batch.pick(bound))
    bound.forEach((index, position) => (rows[index] = outputs[position] as Row<O>))
    return rows
  }

  async #freeRows(work: () => Promise<Row<O>[]>, batch: BatchCall, settle: (rows: readonly Row<O>[]) => void): Promise<Row<O>[]> {
    let rows: Row<O>[]
    try {
      rows = await work()
      settle(rows)
    } catch (error) {
      this.#endRows(batch, [])
      throw error
    }
    this.#endRows(batch, rows)
    return rows
  }

  /** Rows that are given up fail at once, but the others go on; when all are given up, nobody waits for the run. */
  #guardedRows(work: () => Promise<Row<O>[]>, batch: BatchCall, options: BatchOptions, settle: (rows: readonly Row<O>[]) => void): Promise<Row<O>[]> {
    return new Promise((done, reject) => {
      const given = new Map<number, RowFailure>()
      let settled = false
      const resolve = (rows: Row<O>[]): void => {
        settled = true
        settle(rows)
        done(rows)
      }
      let leaveRows: (() => void)[] = []
      const leave = this.#watch(batch.rows, options, (error) => {
        for (const stop of leaveRows) stop()
        if (settled) return
        const failure = new RowFailure(error)
        resolve(batch.rows.map((_, index) => given.get(index) ?? failure))
      })
      const leaveAll = (): void => {
        leave()
        for (const stop of leaveRows) stop()
      }
      leaveRows = (options.signals ?? []).map((signal, index) => watchSignal(signal, (error) => {
        if (!settled) given.set(index, new RowFailure(error))
        ;(batch.rows[index] as Call).abort(error)
        if (settled || given.size < batch.size) return
        leave()
        resolve(batch.rows.map((_, row) => given.get(row) as RowFailure))
      }))
      work().then(
        (answers) => {
          const isLate = settled
          const rows = answers.map((row, index) => {
            const failure = given.get(index)
            if ((isLate || failure !== undefined) && isStream(row)) discardStream(row)
            return failure ?? row
          })
          if (isLate) {
            leaveAll()
            this.#endRows(batch, [])
            return
          }
          settled = true
          settle(rows)
          this.#endRows(batch, rows, leaveAll)
          done(rows)
        },
        (error: unknown) => {
          leaveAll()
          this.#endRows(batch, [])
          reject(error as Error)
        },
      )
    })
  }

  /** Ends the work of the rows, and puts those that are streams into ones that keep theirs until they end. */
  #endRows(batch: BatchCall, rows: Row<O>[], onEnd?: () => void): void {
    let open = 1
    const end = (): void => {
      open -= 1
      if (open > 0) return
      onEnd?.()
      this.#inFlight -= 1
      if (this.#inFlight === 0 && this.#drained !== undefined) this.#drained()
    }
    batch.rows.forEach((call, index) => {
      const row = rows[index]
      if (!isStream(row)) {
        call.end()
        return
      }
      open += 1
      rows[index] = untilEnd(row, () => {
        call.end()
        end()
      }) as O
    })
    end()
  }

  // ---- closing

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    let deadlineMs: number
    try {
      optionsObject('a close', options, ['deadlineMs'])
      deadlineMs = numberOption('a close', 'deadlineMs', options.deadlineMs ?? 10_000, { min: 0, infinite: true })
    } catch (error) {
      return Promise.reject(error as Error)
    }
    return (this.#closed = this.#drainAndClose(deadlineMs))
  }

  async #drainAndClose(deadlineMs: number): Promise<void> {
    const { clock } = this.#stage.runtime
    const end = clock.now() + deadlineMs
    let late = 0
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        const timer = clock.setTimeout(() => {
          late = this.#inFlight
          resolve()
        }, deadlineMs)
        this.#drained = () => {
          clock.clearTimeout(timer)
          resolve()
        }
      })
      this.#drained = undefined
    }
    // What is owned has what is left of the deadline.
    await closeAll(this.#closers, end, clock)
    if (late > 0) throw new OutriggerError('ERR_OUTRIGGER_CLOSE_TIMEOUT', `Cannot wait for calls in flight as the deadline of close has passed: current value is ${late} after ${deadlineMs} ms`, { inFlight: late, deadlineMs })
  }
}

const outputOf = <O>(prediction: { readonly output: O }): O => prediction.output

/** Rows whose failures are all Errors, as a single call would have thrown them. The array is ours. */
const withErrors = <O>(rows: Row<O>[]): Row<O>[] => {
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index]
    if (isRowFailure(row) && !isError(row.error)) rows[index] = new RowFailure(toError(row.error))
  }
  return rows
}

const withRecord = <O>(outcome: RowOutcome<O>, record: PredictionRecord | undefined): RowOutcome<O> => (record === undefined ? outcome : Object.assign(outcome, { record }))

const bindOrEnd = (call: Call, bind: () => void): void => {
  try {
    bind()
  } catch (error) {
    call.end()
    throw error
  }
}

const watchSignal = (signal: AbortSignal | undefined, onAbort: (error: unknown) => void): (() => void) => {
  if (signal === undefined) return () => {}
  const listener = (): void => onAbort(abortErrorOf(signal.reason))
  if (!signal.aborted) return onAbortOf(signal, listener)
  listener()
  return () => {}
}
