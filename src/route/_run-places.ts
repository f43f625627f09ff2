/** Places for runs: so many at once, so many that wait, so many bytes in all. Pure. */

/** What holds a place. */
export interface Placed {
  readonly bytes: number
}

/** O(1) per run; what waits is started in the order in which it came. */
export class RunPlaces<R extends Placed> {
  /** What has a place. */
  readonly running: Set<R> = new Set()
  readonly waiting: R[] = []
  bytes = 0
  readonly #concurrency: number
  readonly #queue: number
  readonly #maxBytes: number

  constructor(concurrency: number, queue: number, maxBytes: number) {
    this.#concurrency = concurrency
    this.#queue = queue
    this.#maxBytes = maxBytes
  }

  /** Whether neither a place nor one to wait is left. */
  get isFull(): boolean {
    return this.running.size >= this.#concurrency && this.waiting.length >= this.#queue
  }

  hasRoomFor(bytes: number): boolean {
    return this.bytes + bytes <= this.#maxBytes
  }

  /** Takes a place, or one to wait. Gives whether it may start. */
  enter(run: R): boolean {
    this.bytes += run.bytes
    const starts = this.running.size < this.#concurrency
    if (starts) this.running.add(run)
    else this.waiting.push(run)
    return starts
  }

  /** Gives a place back. Gives the run whose turn it is then. */
  leave(run: R): R | undefined {
    if (!this.running.delete(run)) return undefined
    this.bytes -= run.bytes
    const next = this.running.size < this.#concurrency ? this.waiting.shift() : undefined
    if (next !== undefined) this.running.add(next)
    return next
  }

  /** Takes away who waits. */
  turnAway(isGone: (run: R) => boolean): R[] {
    const gone = this.waiting.filter(isGone)
    for (const run of gone) {
      this.waiting.splice(this.waiting.indexOf(run), 1)
      this.bytes -= run.bytes
    }
    return gone
  }
}
