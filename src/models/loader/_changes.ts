/** Changes of what is live: one at a time, in the order in which they were asked for; who comes later wins. */
import type { Clock, Timer } from '../../core/clock.js'
import { OutriggerError } from '../../core/errors.js'

/** What was asked for. */
export interface Change {
  /** `follow`: look where the reference points; `use`: follow something else; `unload`: have nothing in memory. */
  readonly kind: 'follow' | 'use' | 'unload'
  order: number
  /** Whether somebody waits for it: its timers keep the process alive. */
  isAwaited: boolean
}

/**
 * The queue of changes. A change whose version is in memory may take effect at once, while another one is still loading:
 * that one comes too late then. So a rollback never waits behind the load of what it rolls back.
 */
export class Changes {
  readonly #clock: Clock
  #asked = 0
  /** The order of the latest change that took effect. */
  #done = 0
  #waiting = 0
  #tail: Promise<unknown> = Promise.resolve()
  #current: Change | undefined
  /** Ends the pause of the current change. */
  #wake: (() => void) | undefined
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The one that is under way. */
  get current(): Change | undefined {
    return this.#current
  }

  /** Whether others wait for the current one. */
  get isPressed(): boolean {
    return this.#waiting > 0
  }

  /** A change, as of now. Who pauses makes way for it. */
  ask(kind: Change['kind'], isAwaited: boolean): Change {
    this.#asked += 1
    return { kind, order: this.#asked, isAwaited }
  }

  /** Lets one that has not begun stand for a later one too. */
  join(change: Change, later: Change): void {
    change.order = later.order
    change.isAwaited ||= later.isAwaited
  }

  /** Does the change when those before it have ended. */
  run<T>(change: Change, work: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    this.#wake?.()
    const result = this.#tail.then(async () => {
      this.#waiting -= 1
      this.#current = change
      try {
        return await work()
      } finally {
        this.#current = undefined
      }
    })
    this.#tail = result.catch(() => {})
    return result
  }

  /** Whether a change that was asked for later has taken effect. */
  isLate({ order }: Change): boolean {
    return order < this.#done
  }

  /** @throws `ERR_OUTRIGGER_ABORTED` if it is late */
  refuseLate(change: Change, what: string): void {
    if (this.isLate(change)) throw new OutriggerError('ERR_OUTRIGGER_ABORTED', `Cannot ${what} as a change that was asked for later came first`)
  }

  /** Notes that a change takes effect now. @throws `ERR_OUTRIGGER_ABORTED` if it is late */
  takeEffect(change: Change, what: string): void {
    this.refuseLate(change, what)
    this.#done = change.order
  }

  /** Waits, for the current change, unless somebody else waits or comes meanwhile. Says whether the time was waited out. */
  async pause(ms: number): Promise<boolean> {
    if (this.#waiting > 0 || this.#isClosed) return false
    const change = this.#current
    let timer: Timer | undefined
    try {
      return await new Promise<boolean>((resolve) => {
        timer = this.#clock.setTimeout(() => resolve(true), ms)
        if (change?.isAwaited === false) timer.unref()
        this.#wake = () => resolve(false)
      })
    } finally {
      this.#wake = undefined
      if (timer !== undefined) this.#clock.clearTimeout(timer)
    }
  }

  /** Lets nobody pause any more, and waits for those under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wake?.()
    await this.#tail
  }
}
