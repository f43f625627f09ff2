/** Limits that share one timer: as every one of them lasts equally long, they end in the order in which they began. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Timer } from './clock.js'

/** A limit in the queue. `expire` is called as its method; it is `undefined` once the limit is over. */
export interface Deadline {
  expiresAt: number
  expire: (() => void) | undefined
  before: Deadline | undefined
  after: Deadline | undefined
}

/**
 * A queue of limits of `ms` milliseconds each, with one timer for all of them. Adding and removing are O(1) and cost
 * one clock read. While any limit is pending the timer keeps the process alive; while none is, it does not.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #ms: number
  #first: Deadline | undefined
  #last: Deadline | undefined
  #timer: Timer | undefined
  /** The async context in which the queue was made: the shared timer must hold and run in no caller's. */
  readonly #neutral = AsyncLocalStorage.snapshot()

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
  }

  add(expire: () => void): Deadline {
    return this.enqueue({ expiresAt: 0, expire, before: undefined, after: undefined })
  }

  /** The same for an object of the caller's, which saves it a closure. */
  enqueue<D extends Deadline>(deadline: D): D {
    const last = this.#last
    deadline.expiresAt = this.#clock.now() + this.#ms
    deadline.before = last
    this.#last = deadline
    if (last !== undefined) last.after = deadline
    else {
      this.#first = deadline
      if (this.#timer === undefined) this.#arm(this.#ms)
      else this.#timer.ref()
    }
    return deadline
  }

  remove(deadline: Deadline): void {
    if (deadline.expire === undefined) return
    deadline.expire = undefined
    const { before, after } = deadline
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    if (this.#first === undefined) this.#timer?.unref()
  }

  /** Takes the idle timer away. Limits that are pending expire all the same: somebody waits for them. */
  close(): void {
    if (this.#timer === undefined || this.#first !== undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    this.#timer = this.#neutral(() => this.#clock.setTimeout(() => this.#sweep(), delayMs))
  }

  #sweep(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    for (let first = this.#first; first !== undefined && first.expiresAt <= now; first = this.#first) {
      const { expire } = first
      this.remove(first)
      expire?.call(first)
    }
    // Node's timers may fire a fraction of a millisecond early; wait for the rest. What expired may have armed it already.
    if (this.#first !== undefined && this.#timer === undefined) this.#arm(Math.max(1, this.#first.expiresAt - now))
  }
}
