/** A rate with room for bursts. Pure: it is told the time. */

/** How fast a bucket fills, and how much it holds. */
export interface TokenBucketRule {
  /** Tokens that are added in a second, evenly; above 0. */
  readonly perSecond: number
  /** The most it holds; it begins full. */
  readonly burst: number
}

/** What became of a request for tokens. */
export interface TokenGrant {
  /** Whether the tokens are taken. */
  readonly granted: boolean
  /** When granted: the wait until they may be used, in milliseconds; else the wait until asking again can succeed. */
  readonly waitMs: number
}

/**
 * A token bucket: it fills evenly, and a request takes as many tokens as it costs, now or on credit.
 *
 * **Credit.** A request that may wait takes tokens that are not there yet: the bucket goes below zero, and the grant says how long to wait
 * until it would be at zero again. Later requests stand behind it, so that waiting is first come, first served without a queue, and what is
 * used by any time t is at most burst + rate · t.
 *
 * A clock that stands still or jumps back adds nothing. A request is O(1) and allocates its grant.
 *
 * Reference: J. Turner, "New directions in communications (or which way to the information age?)", IEEE Communications Magazine, 1986.
 *
 * @example
 * ```ts
 * import { TokenBucket } from 'outrigger/policy'
 * const bucket = new TokenBucket({ perSecond: 10, burst: 2 })
 * assert.deepEqual(bucket.take(2, 0), { granted: true, waitMs: 0 })
 * assert.deepEqual(bucket.take(1, 0), { granted: false, waitMs: 100 })
 * assert.deepEqual(bucket.take(1, 0, 500), { granted: true, waitMs: 100 }) // on credit
 * assert.deepEqual(bucket.take(1, 200), { granted: true, waitMs: 0 })
 * ```
 */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at: number | undefined

  constructor(rule: TokenBucketRule) {
    this.#perMs = rule.perSecond / 1000
    this.#burst = rule.burst
    this.#tokens = rule.burst
  }

  /** What it holds at this time; below zero when it is in debt. */
  tokens(now: number): number {
    // Another time scale (a clock that jumped back) begins a new count.
    const elapsedMs = this.#at === undefined ? 0 : Math.max(0, now - this.#at)
    this.#at = now
    return (this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs))
  }

  /**
   * Takes `cost` tokens, if they are there within `maxWaitMs`.
   *
   * What costs more than the bucket ever holds is never granted; its `waitMs` is `Infinity`.
   */
  take(cost: number, now: number, maxWaitMs = 0): TokenGrant {
    if (!(cost <= this.#burst)) return { granted: false, waitMs: Infinity }
    const left = this.tokens(now) - cost
    const waitMs = left < 0 ? -left / this.#perMs : 0
    const granted = waitMs <= maxWaitMs
    if (granted) this.#tokens = left
    return { granted, waitMs }
  }

  /** Gives back what was granted and not used. */
  giveBack(cost: number): void {
    this.#tokens += cost
  }
}
