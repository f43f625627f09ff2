/** Looking from time to time whether what is followed has moved. */
import type { Clock, Timer } from '../../core/clock.js'
import type { Random } from '../../core/random.js'
import { backoffDelay } from '../../policy/backoff.js'

/** How often a watch looks, in milliseconds. */
export interface WatchPace {
  readonly everyMs: number
  /** After looks that failed the pauses grow up to this. */
  readonly maxMs: number
}

export class Watch {
  readonly #clock: Clock
  readonly #random: Random
  readonly #pace: WatchPace
  readonly #look: () => Promise<boolean>
  #timer: Timer | undefined
  #isStopped = false
  #failures = 0
  #delayMs: number

  /** @param look - says whether it could look; it does not reject */
  constructor(clock: Clock, random: Random, pace: WatchPace, look: () => Promise<boolean>) {
    this.#clock = clock
    this.#random = random
    this.#pace = pace
    this.#look = look
    this.#delayMs = pace.everyMs
    this.#next()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
  }

  #next(): void {
    if (this.#isStopped) return
    this.#timer = this.#clock.setTimeout(() => void this.#turn(), this.#delayMs)
    this.#timer.unref()
  }

  async #turn(): Promise<void> {
    const { everyMs, maxMs } = this.#pace
    if (await this.#look()) {
      this.#failures = 0
      this.#delayMs = everyMs
    } else {
      this.#failures += 1
      // Spread, so that a fleet that lost its store together does not come back to it together.
      this.#delayMs = backoffDelay({ minDelayMs: everyMs, maxDelayMs: maxMs, factor: 2, jitter: 'decorrelated' }, this.#failures, this.#random, this.#delayMs)
    }
    this.#next()
  }
}
