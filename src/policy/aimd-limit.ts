/** A concurrency limit that grows by addition and shrinks by multiplication. Pure: it is told the time. */
import { SampleWindow } from './_sample-window.js'
import type { ConcurrencyLimit, LimitSample, LimitSnapshot } from './concurrency-limit.js'

/** Settings of {@link AimdLimit}. */
export interface AimdLimitRule {
  readonly initial: number
  readonly min: number
  readonly max: number
  /** The limit is looked at after so long, and at least ten calls, in milliseconds. */
  readonly windowMs: number
  /** A call that takes longer is late, in milliseconds; `Infinity` for never. */
  readonly latencyMs: number
  /** Each further row of a run may take so much longer, in milliseconds. */
  readonly latencyMsPerRow: number
  /** What is left of the limit when there was too much; in (0, 1). */
  readonly backoff: number
}

/**
 * Adds one to the limit after each window that went well, and takes a share of it away after one that did not.
 *
 * A window went badly when a tenth of its calls were late or dropped, or the event loop was late. (A rule that shrinks at each late call shrinks the more often the larger the limit is, as
 * there are more calls to be late.) A window in which less than half of the limit was used changes nothing.
 *
 * It holds a latency that you name, where the gradient finds one; it needs no baseline, and cannot be fooled by one. Cost: O(1) per call.
 *
 * Reference: D. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks", Computer Networks and ISDN Systems 17, 1989.
 *
 * @example
 * ```ts
 * import { AimdLimit } from 'outrigger/policy'
 * const limit = new AimdLimit({ initial: 10, min: 1, max: 100, windowMs: 100, latencyMs: 50, latencyMsPerRow: 0, backoff: 0.5 })
 * for (let at = 0; at <= 120; at += 10) limit.succeed({ rows: 1, startedAt: at, endedAt: at + 20, inFlight: 10 })
 * assert.equal(limit.limit, 11)
 * for (let at = 200; at <= 320; at += 10) limit.succeed({ rows: 1, startedAt: at, endedAt: at + 80, inFlight: 11 })
 * assert.equal(limit.limit, 5)
 * ```
 */
export class AimdLimit implements ConcurrencyLimit {
  readonly #rule: AimdLimitRule
  readonly #window: SampleWindow
  #limit: number
  #reason = 'it is the initial one'

  constructor(rule: AimdLimitRule) {
    this.#rule = rule
    this.#window = new SampleWindow(rule.windowMs)
    this.#limit = rule.initial
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  get reason(): string {
    return this.#reason
  }

  succeed({ rows, startedAt, endedAt, inFlight }: LimitSample): void {
    const { latencyMs, latencyMsPerRow } = this.#rule
    if (endedAt - startedAt > latencyMs + (rows - 1) * latencyMsPerRow) this.#window.drops += 1
    else this.#window.samples += 1
    this.#window.saw(inFlight)
    this.#judge(endedAt)
  }

  drop(now: number, inFlight: number): void {
    this.#window.drops += 1
    this.#window.saw(inFlight)
    this.#judge(now)
  }

  press(): void {
    this.#window.isPressed = true
  }

  export(): LimitSnapshot {
    return { limit: this.#limit, baselineMs: [] }
  }

  restore({ limit }: LimitSnapshot): void {
    this.#limit = this.#clamp(limit)
    this.#reason = 'it was restored'
  }

  #judge(now: number): void {
    const window = this.#window
    if (!window.isOver(now)) return
    const calls = window.samples + window.drops
    if (window.inFlight >= this.#limit / 2) {
      const isBad = window.isPressed || window.drops >= 0.1 * calls
      this.#limit = this.#clamp(isBad ? this.#limit * this.#rule.backoff : this.#limit + 1)
      this.#reason = window.isPressed ? 'the event loop is late' : `${window.drops} of ${calls} calls were late or turned away`
    }
    window.begin(now)
  }

  #clamp(limit: number): number {
    return Math.max(this.#rule.min, Math.min(this.#rule.max, limit))
  }
}
