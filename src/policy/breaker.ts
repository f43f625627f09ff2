/** The state machine of a circuit breaker. Pure: it is told the time, draws from the randomness it is given, and waits for nothing. */
import { showsRate } from './breaker-evidence.js'
import type { OutcomeWindow, WindowKind } from './breaker-window.js'

/**
 * `closed` lets calls through, `open` rejects them, `half-open` lets a few through, `isolated` rejects until it is
 * released, `metrics-only` lets all through and counts how often it would have opened.
 */
export type BreakerState = 'closed' | 'open' | 'half-open' | 'isolated' | 'metrics-only'

/** When the breaker opens and closes. */
export interface BreakerRule {
  /** Opens when the window shows this share of failures; in (0, 1], or `Infinity` for never. */
  readonly failureRate: number
  /** Opens when the window shows this share of slow calls; in (0, 1], or `Infinity` for never. */
  readonly slowRate: number
  /** The confidence with which a rate has to be shown, in [0, 1); 0 takes the rate as it is. */
  readonly confidence: number
  /** Does not open by a rate before the window holds this many calls. */
  readonly minimumCalls: number
  /** Opens when so many calls in a row failed. */
  readonly consecutiveFailures: number
  /** What it looks back on. */
  readonly window: WindowKind
  /** Stays open for this long the first time, in milliseconds, and twice as long each time that it opens again at once… */
  readonly openForMs: number
  /** …up to this long. */
  readonly maxOpenForMs: number
  /** Up to this share of an open time is left off at random; in [0, 1]. */
  readonly jitter: number
  /** So many probes must succeed, and so many may run at once. */
  readonly probes: number
  /** A probe that takes longer has failed, in milliseconds. */
  readonly probeTimeoutMs: number
  /** After the probes, the shares of calls that are let through, each until `rampCalls` have ended. */
  readonly ramp: readonly number[]
  readonly rampCalls: number
  /** Probes say so when they ask; callers are none. */
  readonly probesApart: boolean
}

/** A change of state, and why. From a state to itself: a step of the ramp, or an opening that was only counted. */
export interface BreakerChange {
  readonly from: BreakerState
  readonly to: BreakerState
  readonly reason: string
}

/** No permit: the call is rejected. */
export const rejected = -1

/**
 * A breaker over a window of calls or of time.
 *
 * A permit is the number of the period (closed, open, half-open) in which it was given; an outcome that comes back in
 * a later period says nothing about that one and is dropped. Every operation is O(1), memory is fixed. The time is read
 * while it is not closed, when it opens, and for each outcome in a window of time; a clock that jumps back prolongs
 * nothing.
 */
export class Breaker {
  protected readonly rule: BreakerRule
  protected readonly window: OutcomeWindow
  protected current: BreakerState = 'closed'
  protected period = 0
  /** Failures in a row. */
  protected run = 0
  protected openedAt = 0
  protected openMs = 0
  protected openings = 0
  protected closedAt: number = -Infinity
  readonly #draw: () => number
  readonly #onChange: (change: BreakerChange) => void
  /** 0 for the probes, then the steps of the ramp; and the calls of the step. */
  #step = 0
  #running = 0
  #ended = 0
  #bad = 0
  #lastProbeAt = 0

  /** @param draw - gives numbers in [0, 1): for jitter, and for who goes through in the ramp */
  constructor(rule: BreakerRule, draw: () => number, onChange: (change: BreakerChange) => void) {
    this.rule = rule
    this.#draw = draw
    this.#onChange = onChange
    this.window = rule.window.create()
  }

  get state(): BreakerState {
    return this.current
  }

  /** The share of failures in the window, or 0 when it is empty. */
  get failureRate(): number {
    return this.window.failures / (this.window.calls || 1)
  }

  /** Whether it waits for a probe: it is open, or half-open and no probe runs. */
  get wantsProbe(): boolean {
    return this.current === 'open' || (this.current === 'half-open' && this.#step + this.#running === 0)
  }

  /** Asks to call. Gives a permit, or {@link rejected}. Where probes come apart, only those that say `isGolden` are any. */
  acquire(now: () => number, isGolden = false): number {
    if (this.current === 'closed') return this.period
    const isProbe = isGolden || !this.rule.probesApart
    const { ramp, probes, rampCalls, probeTimeoutMs } = this.rule
    const at = now()
    if (this.current === 'open') {
      if (!isProbe || this.retryAfterMs(at) > 0) return rejected
      this.become('half-open', `it was open for ${Math.round(this.openMs)} ms`)
    } else {
      this.#lastProbeAt = Math.min(this.#lastProbeAt, at)
      if (this.#running > 0 && at - this.#lastProbeAt >= probeTimeoutMs) {
        // Nobody was there to notice it when it was due.
        this.open(this.#lastProbeAt + probeTimeoutMs, `a probe took longer than ${probeTimeoutMs} ms`)
        return this.acquire(now, isGolden)
      }
    }
    const isFull = this.#running + this.#ended >= (this.#step === 0 ? probes : rampCalls)
    if (isFull || (this.#step === 0 ? !isProbe : this.#draw() >= (ramp[this.#step - 1] as number))) return rejected
    this.#running += 1
    this.#lastProbeAt = at
    return this.period
  }

  /** The time until the next probe is due, in milliseconds. */
  retryAfterMs(now: number): number {
    if (this.current !== 'open') return 0
    this.openedAt = Math.min(this.openedAt, now)
    return Math.max(0, this.openedAt + this.openMs - now)
  }

  /** One call has succeeded, and was not slow: what most calls do. */
  succeed(permit: number, now: () => number): void {
    if (permit !== this.period || this.current !== 'closed') return this.record(permit, 0, 1, false, now)
    this.run = 0
    this.window.add(false, false, now)
  }

  /**
   * A call has ended, or a run of several rows, which are judged together; while half-open a run is one, whatever its size.
   * None at all says nothing about the model: it was aborted, or rejected farther in.
   */
  record(permit: number, failures: number, successes: number, isSlow: boolean, now: () => number): void {
    const rows = failures + successes
    if (permit !== this.period) return
    if (this.current === 'half-open') {
      this.#running -= 1
      if (rows > 0) this.#probed(failures > 0 || isSlow, now)
    } else if (rows > 0) {
      this.run = successes > 0 ? 0 : this.run + 1
      // Spread evenly, so that a window that is shorter than the run holds the run's share.
      let due = 0
      for (let row = 0; row < rows; row += 1) {
        due += failures
        const failed = due >= rows
        if (failed) due -= rows
        this.window.add(failed, isSlow, now)
      }
      if (failures > 0 || isSlow) this.#judge(now)
    }
  }

  #judge(now: () => number): void {
    const { minimumCalls, failureRate, slowRate, confidence, consecutiveFailures } = this.rule
    const { calls, failures, slow } = this.window
    const shows = (bad: number, rate: number): boolean => calls >= minimumCalls && showsRate(bad, calls, rate, confidence)
    if (shows(failures, failureRate)) this.open(now(), `${failures} of the last ${calls} calls failed`)
    else if (shows(slow, slowRate)) this.open(now(), `${slow} of the last ${calls} calls were slow`)
    else if (this.run >= consecutiveFailures) this.open(now(), `${this.run} calls in a row failed`)
  }

  /** A call that was let through while half-open has ended. */
  #probed(isBad: boolean, now: () => number): void {
    const { probes, ramp, rampCalls, failureRate, consecutiveFailures } = this.rule
    const isProbe = this.#step === 0
    this.#ended += 1
    if (isBad) this.#bad += 1
    const bearable = isProbe ? 0 : Math.ceil(Math.min(failureRate * rampCalls, consecutiveFailures, rampCalls)) - 1
    if (this.#bad > bearable && isBad) this.open(now(), isProbe ? 'a probe failed' : `${this.#bad} of ${this.#ended} calls failed on the way back`)
    else if (this.#ended >= (isProbe ? probes : rampCalls)) {
      const share = ramp[this.#step]
      const reason = isProbe && probes === 1 ? 'the probe succeeded' : `${this.#ended - this.#bad} of ${this.#ended} calls succeeded`
      if (share !== undefined) this.become('half-open', `${reason}: ${share * 100} % go through`, this.#step + 1)
      else {
        this.closedAt = now()
        this.relax('closed', reason)
      }
    }
  }

  protected open(at: number, reason: string): void {
    const { openForMs, maxOpenForMs, jitter } = this.rule
    // A healthy time as long as the last open one makes it forget how often it opened.
    if (this.current === 'closed' && at - this.closedAt >= this.openMs) this.openings = 0
    this.openMs = Math.min(maxOpenForMs, openForMs * 2 ** this.openings) * (1 - (jitter && jitter * this.#draw()))
    this.openings += 1
    this.openedAt = at
    this.become('open', reason)
  }

  /** To where all calls go through, with nothing in the window. */
  protected relax(state: BreakerState, reason: string): void {
    this.window.clear()
    this.run = 0
    this.become(state, reason)
  }

  protected become(state: BreakerState, reason: string, step = 0): void {
    const from = this.current
    this.current = state
    this.period += 1
    this.#step = step
    this.#running = this.#ended = this.#bad = 0
    this.#onChange({ from, to: state, reason })
  }
}
