/** Trying again what failed for a reason that may pass: a few times, with growing pauses that are spread. */
import type { Random } from '../../core/random.js'
import { backoffDelay } from '../../policy/backoff.js'
import type { Changes } from './_changes.js'

/** How often, and how soon. */
export interface TriesRule {
  readonly retries: number
  /** The shortest pause, in milliseconds. */
  readonly retryDelayMs: number
}

/** No pause is longer, in milliseconds. */
const longestMs = 30_000

export class Tries {
  readonly #rule: TriesRule
  readonly #random: Random
  readonly #changes: Changes
  #retry = 0
  #delayMs: number

  constructor(rule: TriesRule, random: Random, changes: Changes) {
    this.#rule = rule
    this.#random = random
    this.#changes = changes
    this.#delayMs = rule.retryDelayMs
  }

  /**
   * Waits until it is time for another try. Says whether to try: not after the last retry, nor while another change waits.
   *
   * @param tell - hears how the pause is before it begins
   */
  async again(tell: (retry: number, delayMs: number) => void): Promise<boolean> {
    const { retries, retryDelayMs } = this.#rule
    if (this.#retry >= retries) return false
    this.#retry += 1
    this.#delayMs = backoffDelay({ minDelayMs: retryDelayMs, maxDelayMs: Math.max(retryDelayMs, longestMs), factor: 2, jitter: 'decorrelated' }, this.#retry, this.#random, this.#delayMs)
    tell(this.#retry, this.#delayMs)
    return await this.#changes.pause(this.#delayMs)
  }
}
