/** Whether there is a queue that does not go away. Pure: it is told the time. */

/**
 * The shortest delay of an interval, relative to a target: a burst makes some calls wait and others not, a standing queue makes all of them wait.
 *
 * It is 1 when even the quickest call of the last interval took `targetMs`, and falls at once when a quicker one ends. When no call has ended for two intervals nothing is known, and it is 0: otherwise, once everybody
 * is turned away, nobody would ever be let in again to find out. Cost: O(1), four numbers.
 *
 * Reference: K. Nichols, V. Jacobson, "Controlling queue delay", ACM Queue 10(5), 2012.
 *
 * @example
 * ```ts
 * import { StandingDelay } from 'outrigger/policy'
 * const delay = new StandingDelay(100, 500)
 * for (const [at, ms] of [[0, 300], [200, 20], [400, 250], [500, 300]] as const) delay.saw(ms, at)
 * assert.equal(delay.load(500), 0.2) // one was quick: a burst
 * for (const [at, ms] of [[600, 310], [800, 280], [1000, 290]] as const) delay.saw(ms, at)
 * assert.equal(delay.load(1000), 2.8)
 * assert.equal(delay.load(3000), 0)
 * ```
 */
export class StandingDelay {
  readonly #targetMs: number
  readonly #intervalMs: number
  #startedAt = -Infinity
  #least = Infinity
  #seenAt = -Infinity
  #load = 0

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs
    this.#intervalMs = intervalMs
  }

  /** A call ended after so long. */
  saw(delayMs: number, now: number): void {
    const elapsedMs = now - this.#startedAt
    if (this.#isStale(now) || elapsedMs < 0) this.#begin(now, 0)
    else if (elapsedMs >= this.#intervalMs) this.#begin(now, this.#least / this.#targetMs)
    this.#seenAt = now
    if (delayMs < this.#least) this.#least = delayMs
    // One quick call is enough to know that the queue is gone.
    this.#load = Math.min(this.#load, delayMs / this.#targetMs)
  }

  load(now: number): number {
    return this.#isStale(now) ? 0 : this.#load
  }

  #begin(now: number, load: number): void {
    this.#startedAt = now
    this.#least = Infinity
    this.#load = load
  }

  #isStale(now: number): boolean {
    return Math.abs(now - this.#seenAt) > 2 * this.#intervalMs
  }
}
