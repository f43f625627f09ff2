/** One sink of a capture: gathers lines to batches, hands them over one at a time, and tells again what failed. */
import type { Clock, Timer } from '../core/clock.js'
import { Fifo } from '../core/fifo.js'
import type { Random } from '../core/random.js'
import { backoffDelay, type Backoff } from '../policy/backoff.js'
import type { CapturedLine } from './captured-line.js'
import { sinkBatch, type RecordSink } from './record-sink.js'

/** What became of the lines that one sink was given. */
export interface SinkCounts {
  readonly name: string
  /** Lines that it keeps. */
  readonly written: number
  /** Lines that were lost: refused to the last attempt, no room, or the deadline of `close`. */
  readonly dropped: number
  /** Batches that were told again. */
  readonly retried: number
  /** Characters that wait. */
  readonly pending: number
}

/** What an outlet is made of. */
export interface OutletParts {
  readonly sink: RecordSink
  readonly clock: Clock
  readonly random: Random
  readonly retries: number
  readonly backoff: Backoff
  /** More than this does not wait. */
  readonly maxBytes: number
  readonly lost: (message: string, error: unknown, lines: number) => void
  /** There is room again. */
  readonly onRoom: () => void
}

interface Batch {
  readonly lines: readonly CapturedLine[]
  readonly size: number
}

/** A batch that takes longer holds up no other sink. */
const stuckAfterMs = 1000

export class Outlet {
  readonly #parts: OutletParts
  readonly #maxBytes: number
  readonly #maxMs: number
  readonly #queue = new Fifo<Batch>()
  #filling: CapturedLine[] = []
  #size = 0
  #pending = 0
  #timer: Timer | undefined
  #isRunning = false
  #isGivenUp = false
  #isRetrying = false
  #toldAt = 0
  /** Ends the wait before another attempt. */
  #wake: (() => void) | undefined
  #waiters: { readonly until: number; readonly resolve: () => void }[] = []
  #made = 0
  #ended = 0
  #written = 0
  #dropped = 0
  #retried = 0

  constructor(parts: OutletParts) {
    this.#parts = parts
    const { maxBytes, maxMs } = sinkBatch('a capture', parts.sink.batch)
    this.#maxBytes = maxBytes
    this.#maxMs = maxMs
  }

  get isFull(): boolean {
    return this.#pending >= this.#parts.maxBytes
  }

  /** Whether it is in trouble: what is told to others does not wait for it. */
  get isStuck(): boolean {
    return this.#isRunning && (this.#isRetrying || this.#parts.clock.now() - this.#toldAt > stuckAfterMs)
  }

  get counts(): SinkCounts {
    return { name: this.#parts.sink.name, written: this.#written, dropped: this.#dropped, retried: this.#retried, pending: this.#pending }
  }

  add(line: CapturedLine): void {
    if (this.isFull || this.#isGivenUp) {
      this.#lose(1, 'A sink has no room left.', undefined)
      return
    }
    this.#filling.push(line)
    this.#size += line.text.length + 1
    this.#pending += line.text.length + 1
    if (this.#size >= this.#maxBytes || this.isFull) this.#handOver()
    else if (this.#timer === undefined) {
      this.#timer = this.#parts.clock.setTimeout(() => this.#handOver(), this.#maxMs)
      this.#timer.unref()
    }
  }

  /** Resolves when everything that was added is kept or lost. */
  async flush(): Promise<void> {
    this.#handOver()
    const until = this.#made
    if (this.#ended < until) await new Promise<void>((resolve) => this.#waiters.push({ until, resolve }))
  }

  /** What waits is lost. */
  giveUp(): void {
    this.#isGivenUp = true
    this.#handOver()
    while (this.#queue.size > 0) {
      this.#settle(this.#queue.shift() as Batch, 'A sink was closed before it had taken everything.', undefined)
      this.#ended += 1
    }
    this.#wakeWaiters()
    this.#wake?.()
  }

  #handOver(): void {
    if (this.#timer !== undefined) this.#parts.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#filling.length === 0) return
    this.#queue.push({ lines: this.#filling, size: this.#size })
    this.#made += 1
    this.#filling = []
    this.#size = 0
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#queue.size > 0) {
      await this.#deliver(this.#queue.shift() as Batch)
      this.#ended += 1
      this.#wakeWaiters()
      this.#parts.onRoom()
    }
    this.#isRunning = false
  }

  async #deliver(batch: Batch): Promise<void> {
    const { sink, retries, backoff, random } = this.#parts
    let waitedMs = backoff.minDelayMs
    for (let attempt = 1; ; attempt += 1) {
      this.#isRetrying = attempt > 1
      this.#toldAt = this.#parts.clock.now()
      try {
        await sink.write(batch.lines)
        this.#written += batch.lines.length
        this.#pending -= batch.size
        return
      } catch (error) {
        if (attempt > retries || this.#isGivenUp) return this.#settle(batch, `A sink refused a batch ${attempt} times.`, error)
        this.#retried += 1
        this.#isRetrying = true
        waitedMs = backoffDelay(backoff, attempt, random, waitedMs)
        await this.#wait(waitedMs)
      }
    }
  }

  #settle(batch: Batch, message: string, error: unknown): void {
    this.#pending -= batch.size
    this.#lose(batch.lines.length, message, error)
  }

  #lose(lines: number, message: string, error: unknown): void {
    this.#dropped += lines
    this.#parts.lost(message, error, lines)
  }

  #wakeWaiters(): void {
    this.#waiters = this.#waiters.filter(({ until, resolve }) => {
      if (this.#ended < until) return true
      resolve()
      return false
    })
  }

  async #wait(ms: number): Promise<void> {
    const { clock } = this.#parts
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, ms)
      this.#wake = () => {
        clock.clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
