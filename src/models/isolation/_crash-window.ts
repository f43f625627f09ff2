/** When a crashed isolate is started again, and when no more. Pure. */
import type { Random } from '../../core/random.js'
import { backoffDelay, type Backoff } from '../../policy/backoff.js'

export const crashWindowMs = 60_000

/** The second crash of a minute waits, and the third longer; the first is made good at once. */
const backoff: Backoff = { minDelayMs: 100, maxDelayMs: 10_000, factor: 2, jitter: 'full' }

/** Counts the crashes of the last minute, of all isolates of a model together. */
export class CrashWindow {
  readonly #maxCrashes: number
  readonly #random: Random
  #times: number[] = []

  constructor(maxCrashes: number, random: Random) {
    this.#maxCrashes = maxCrashes
    this.#random = random
  }

  /**
   * Notes a crash.
   *
   * @returns how long to wait before the next start, in milliseconds, or `undefined`: there were too many
   */
  crashed(nowMs: number): number | undefined {
    this.#times = this.#times.filter((at) => at > nowMs - crashWindowMs)
    // The delay is at its longest by then; a list of millions would serve nobody.
    if (this.#times.length < 1_000) this.#times.push(nowMs)
    const count = this.#times.length
    if (count > this.#maxCrashes) return undefined
    return count === 1 ? 0 : backoffDelay(backoff, count - 1, this.#random)
  }
}
