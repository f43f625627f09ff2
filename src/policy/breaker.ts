/** The state machine of a circuit breaker. Pure: it is told the time, and it waits for nothing. */

/** `closed` lets calls through, `open` rejects them, `half-open` lets a few probes through. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** When the breaker opens and closes. */
export interface BreakerRule {
  /** Opens when at least this share of the window failed; in (0, 1]. */
  readonly failureRate: number
  /** Does not open before the window holds this many calls. */
  readonly minimumCalls: number
  /** The last so many calls are looked at. */
  readonly windowSize: number
  /** Stays open for this long, in milliseconds; a probe that has not ended after this long is given up. */
  readonly openForMs: number
  /** So many probes must succeed, and so many may run at once, while half-open. */
  readonly probes: number
}

/** A change of state, and why. */
export interface BreakerChange {
  readonly from: BreakerState
  readonly to: BreakerState
  readonly reason: string
}

/** What can be saved and restored. */
export interface BreakerSnapshot {
  readonly state: BreakerState
  /** Milliseconds of the open time that were left when it was taken. */
  readonly openLeftMs: number
  /** The window, oldest first: 1 for a failure. */
  readonly window: readonly number[]
}

/** No permit: the call is rejected. */
export const rejected = -1

/**
 * A breaker over a window of the last `windowSize` calls.
 *
 * A permit is the number of the period (closed, open, half-open) in which it was given; an outcome that comes back in
 * a later period says nothing about that one and is dropped. Every operation is O(1); memory is one byte per call of
 * the window.
 */
export class Breaker {
  readonly #rule: BreakerRule
  readonly #onChange: (change: BreakerChange) => void
  readonly #window: Uint8Array
  #filled = 0
  #position = 0
  #failures = 0
  #state: BreakerState = 'closed'
  #period = 0
  #openUntil = 0
  #probesRunning = 0
  #probesSucceeded = 0
  #lastProbeAt = 0

  constructor(rule: BreakerRule, onChange: (change: BreakerChange) => void) {
    this.#rule = rule
    this.#onChange = onChange
    this.#window = new Uint8Array(rule.windowSize)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** The share of failures in the window, or 0 when it is empty. */
  get failureRate(): number {
    return this.#filled === 0 ? 0 : this.#failures / this.#filled
  }

  /** Asks to call. The time is read only when the breaker is not closed. Gives a permit, or {@link rejected}. */
  acquire(now: () => number): number {
    if (this.#state === 'closed') return this.#period
    const at = now()
    if (this.#state === 'open') {
      if (at < this.#openUntil) return rejected
      this.#become('half-open', `it was open for ${this.#rule.openForMs} ms`)
    } else if (this.#probesRunning > 0 && at - this.#lastProbeAt >= this.#rule.openForMs) {
      // The probes never came back: their permits are void, and others may try.
      this.#period += 1
      this.#probesRunning = 0
      this.#probesSucceeded = 0
    }
    if (this.#probesRunning + this.#probesSucceeded >= this.#rule.probes) return rejected
    this.#probesRunning += 1
    this.#lastProbeAt = at
    return this.#period
  }

  /** The time until the next probe is due, in milliseconds. */
  retryAfterMs(now: number): number {
    return this.#state === 'open' ? Math.max(0, this.#openUntil - now) : 0
  }

  /** The call succeeded. */
  succeed(permit: number): void {
    if (permit !== this.#period) return
    if (this.#state === 'closed') this.#count(0)
    else {
      this.#probesRunning -= 1
      this.#probesSucceeded += 1
      if (this.#probesSucceeded >= this.#rule.probes) this.#become('closed', `${this.#rule.probes === 1 ? 'the probe' : `${this.#rule.probes} probes`} succeeded`)
    }
  }

  /** The call failed. */
  fail(permit: number, now: () => number): void {
    if (permit !== this.#period) return
    if (this.#state === 'half-open') {
      this.#open(now(), 'a probe failed')
      return
    }
    this.#count(1)
    this.#judge(now)
  }

  /**
   * A run of several rows ended, with a 1 for each failure and a 0 for each success, in order. They are judged
   * together; as a probe the run is one, whatever its size.
   */
  settle(permit: number, outcomes: readonly (0 | 1)[], now: () => number): void {
    if (permit !== this.#period) return
    const hasFailed = outcomes.includes(1)
    if (this.#state === 'half-open') {
      if (hasFailed) this.fail(permit, now)
      else if (outcomes.length > 0) this.succeed(permit)
      else this.ignore(permit)
      return
    }
    for (const outcome of outcomes) this.#count(outcome)
    if (hasFailed) this.#judge(now)
  }

  /** The call says nothing about the model: it was aborted, or rejected farther in. */
  ignore(permit: number): void {
    if (permit === this.#period && this.#state === 'half-open') this.#probesRunning -= 1
  }

  export(now: number): BreakerSnapshot {
    const window: number[] = []
    for (let index = 0; index < this.#filled; index += 1) {
      window.push(this.#window[(this.#position - this.#filled + index + this.#rule.windowSize) % this.#rule.windowSize] as number)
    }
    return { state: this.#state, openLeftMs: this.retryAfterMs(now), window }
  }

  /** Takes over a snapshot; a half-open breaker starts its probes anew. */
  restore(snapshot: BreakerSnapshot, now: number): void {
    this.#clear()
    for (const outcome of snapshot.window.slice(-this.#rule.windowSize)) this.#count(outcome === 1 ? 1 : 0)
    this.#openUntil = now + snapshot.openLeftMs
    if (snapshot.state !== this.#state) this.#become(snapshot.state, 'it was restored', false)
  }

  #judge(now: () => number): void {
    const { failureRate, minimumCalls } = this.#rule
    // A quotient, not a product: 55 / 100 is 0.55, but 0.55 * 100 is above 55.
    if (this.#filled >= minimumCalls && this.#failures / this.#filled >= failureRate) this.#open(now(), `${this.#failures} of the last ${this.#filled} calls failed`)
  }

  #count(failure: 0 | 1): void {
    const size = this.#rule.windowSize
    if (this.#filled === size) this.#failures -= this.#window[this.#position] as number
    else this.#filled += 1
    this.#window[this.#position] = failure
    this.#failures += failure
    this.#position = this.#position + 1 === size ? 0 : this.#position + 1
  }

  #open(now: number, reason: string): void {
    this.#openUntil = now + this.#rule.openForMs
    this.#become('open', reason)
  }

  #become(state: BreakerState, reason: string, clears = true): void {
    const from = this.#state
    this.#state = state
    this.#period += 1
    this.#probesRunning = 0
    this.#probesSucceeded = 0
    if (clears && state === 'closed') this.#clear()
    this.#onChange({ from, to: state, reason })
  }

  #clear(): void {
    this.#filled = 0
    this.#position = 0
    this.#failures = 0
  }
}
