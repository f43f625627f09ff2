/** How long to wait before the next attempt. Pure. */
import type { Random } from '../core/random.js'

/** How the wait is spread. */
export type Jitter = 'none' | 'full' | 'decorrelated'

/** The shape of a back-off. */
export interface Backoff {
  /** The wait before the first retry, in milliseconds. */
  readonly minDelayMs: number
  /** No wait is longer, in milliseconds. */
  readonly maxDelayMs: number
  /** The wait grows by this factor with each retry; at least 1. Decorrelated jitter grows by itself and does not look at it. */
  readonly factor: number
  /**
   * `full`: uniform between 0 and the wait, so that callers who failed together do not come back together.
   * `decorrelated`: uniform between the first wait and three times the last one, so that no wait is short.
   */
  readonly jitter: Jitter
}

/**
 * The wait before a retry, in milliseconds: min(maxDelay, minDelay · factor^(retry − 1)), times a uniform number under
 * full jitter; under decorrelated jitter min(maxDelay, uniform(minDelay, 3 · previous)).
 * Source: M. Brooker, "Exponential backoff and jitter", 2015.
 *
 * @param retry - 1 for the first retry
 * @param previousMs - the wait before; of the first retry, `minDelayMs`
 * @example
 * ```ts
 * import { seededRandom } from 'outrigger'
 * import { backoffDelay } from 'outrigger/policy'
 * const backoff = { minDelayMs: 50, maxDelayMs: 300, factor: 2, jitter: 'none' } as const
 * assert.deepEqual([1, 2, 3, 4].map((retry) => backoffDelay(backoff, retry, seededRandom(1))), [50, 100, 200, 300])
 * ```
 */
export const backoffDelay = (backoff: Backoff, retry: number, random: Random, previousMs: number = backoff.minDelayMs): number => {
  const { minDelayMs, maxDelayMs, factor, jitter } = backoff
  if (jitter === 'decorrelated') return Math.min(maxDelayMs, minDelayMs + random.next() * Math.max(0, 3 * previousMs - minDelayMs))
  const delay = Math.min(maxDelayMs, minDelayMs * Math.min(Number.MAX_VALUE, factor ** (retry - 1)))
  return jitter === 'full' ? delay * random.next() : delay
}
