/** Calls that wait until a version is live. */
import type { Clock } from '../../core/clock.js'
import { Deadlines, type Deadline } from '../../core/deadlines.js'

/** How calls are treated while no version is live. */
export interface WaitingRule {
  /** A call waits no longer, in milliseconds. */
  readonly waitMs: number
  /** So many rows wait at most. */
  readonly max: number
}

/** How waiting ended: a version is `live`; it `failed` to come; it was `late`; or the caller has `left`. */
export interface WaitEnding {
  readonly how: 'live' | 'failed' | 'late' | 'left'
  readonly error?: unknown
}

/** Lets somebody hear that nobody wants the answer any more. Gives what ends that. */
export type Listen = (leave: (reason: unknown) => void) => () => void

interface Waiter extends Deadline {
  readonly end: (ending: WaitEnding) => void
}

export class WaitingRoom {
  readonly rule: WaitingRule
  readonly #deadlines: Deadlines
  readonly #waiters = new Set<Waiter>()
  #rows = 0

  constructor(clock: Clock, rule: WaitingRule) {
    this.rule = rule
    this.#deadlines = new Deadlines(clock, rule.waitMs)
  }

  /** Rows that wait. */
  get rows(): number {
    return this.#rows
  }

  wait(rows: number, listen: Listen): Promise<WaitEnding> {
    return new Promise((resolve) => {
      let unlisten = (): void => {}
      const end = (ending: WaitEnding): void => {
        if (!this.#waiters.delete(waiter)) return
        this.#rows -= rows
        this.#deadlines.remove(waiter)
        unlisten()
        resolve(ending)
      }
      const waiter: Waiter = { expiresAt: 0, before: undefined, after: undefined, expire: () => end({ how: 'late' }), end }
      this.#waiters.add(waiter)
      this.#rows += rows
      this.#deadlines.enqueue(waiter)
      unlisten = listen((error) => end({ how: 'left', error }))
    })
  }

  /** Ends the waiting of all. */
  empty(ending: WaitEnding): void {
    for (const { end } of [...this.#waiters]) end(ending)
  }

  close(error: unknown): void {
    this.empty({ how: 'failed', error })
    this.#deadlines.close()
  }
}
