/** Whether a candidate may run beside callers who must not notice. Pure: it is told the time, and what runs took. */

/** How much the main thread may give. */
export interface GuardRule {
  /** Pauses when what is ready waits longer than this on average, in milliseconds; runs again below half of it. */
  readonly maxLagMs: number
  /** The share of the main thread's time, in (0, 1]. */
  readonly maxShare: number
}

/** Whether rows were left out lately. */
export type GuardState = 'running' | 'paused'

export interface GuardChange {
  readonly from: GuardState
  readonly to: GuardState
  readonly reason: string
}

const lookEveryMs = 250
/** It says that it runs again when it has turned nothing away for so long. */
const calmMs = 10_000
/** What is saved up for a burst, and what a run can cost at most, as times whose share they are. */
const savedMs = 4000
const mostOwedMs = 60_000

/**
 * A bucket of main-thread time: each passing millisecond adds `maxShare`, and a run takes what it held the thread for.
 *
 * A run that holds it for longer than callers would tolerate, t, takes t / tolerated times as much. What a random arrival waits for blocks of lengths L
 * is Σ L² / 2T, so that the same share hurts more in long pieces: 5 % in pieces of 20 ms reaches every twentieth caller.
 * O(1) in time and memory.
 */
export class ShadowGuard {
  readonly #rule: GuardRule
  readonly #onChange: (change: GuardChange) => void
  #state: GuardState = 'running'
  #left: number
  #at: number | undefined
  #lookedAt = -Infinity
  #isLate = false
  #lagMs = 0
  #turnedAwayAt = 0

  constructor(rule: GuardRule, onChange: (change: GuardChange) => void) {
    this.#rule = rule
    this.#onChange = onChange
    this.#left = rule.maxShare * savedMs
  }

  /** Whether it is time to look how late the event loop is. */
  wantsLook(now: number): boolean {
    // A clock that jumps back must not end the looking.
    return this.#rule.maxLagMs < Infinity && Math.abs(now - this.#lookedAt) >= lookEveryMs
  }

  /** The event loop is so late. */
  look(lagMs: number, now: number): void {
    this.#lookedAt = now
    this.#lagMs = lagMs
    this.#isLate = lagMs > (this.#isLate ? 0.5 : 1) * this.#rule.maxLagMs
  }

  /** The candidate has held the main thread. */
  spend(ms: number, toleratedMs: number, now: number): void {
    if (!(ms > 0) || this.#rule.maxShare >= 1) return
    this.#refill(now)
    this.#left = Math.max(-this.#rule.maxShare * mostOwedMs, this.#left - ms * Math.max(1, ms / toleratedMs))
  }

  /** Whether a run may begin. */
  admits(now: number): boolean {
    this.#refill(now)
    if (this.#isLate || this.#left <= 0) {
      this.#turnedAwayAt = now
      if (this.#state === 'running') {
        const { maxLagMs, maxShare } = this.#rule
        this.#become('paused', this.#isLate ? `the event loop is ${this.#lagMs.toFixed(1)} ms late, above ${maxLagMs} ms` : `the candidate has taken more than ${Number((maxShare * 100).toPrecision(3))} % of the main thread, long runs counted more`)
      }
      return false
    }
    if (this.#state === 'paused' && now - this.#turnedAwayAt >= calmMs) this.#become('running', `nothing was turned away for ${calmMs} ms`)
    return true
  }

  #refill(now: number): void {
    const { maxShare } = this.#rule
    const elapsedMs = this.#at === undefined ? 0 : Math.max(0, now - this.#at)
    this.#at = now
    this.#left = Math.min(maxShare * savedMs, this.#left + elapsedMs * maxShare)
  }

  #become(to: GuardState, reason: string): void {
    const from = this.#state
    this.#state = to
    this.#onChange({ from, to, reason })
  }
}
