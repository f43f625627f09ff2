/** How long to wait before the next attempt. Pure. */
import type { Random } from '../core/random.js'

/** How the wait is spread. */
export type Jitter = 'none' | 'full'

/** The shape of a back-off. */
export interface Backoff {
  /** The wait before the first retry, in milliseconds. */
  readonly minDelayMs: number
  /** No wait is longer, in milliseconds. */
  readonly maxDelayMs: number
  /** The wait grows by this factor with each retry; at least 1. */
  readonly factor: number
  /** `full`: uniform between 0 and the wait, so that callers who failed together do not come back together. */
  readonly jitter: Jitter
}

/**
 * The wait before a retry, in milliseconds: min(maxDelay, minDelay · factor^(retry − 1)), times a uniform number under
 * full jitter. Source: M. Brooker, "Exponential backoff and jitter", 2015.
 *
 * @param retry - 1 for the first retry
 */
export const backoffDelay = (backoff: Backoff, retry: number, random: Random): number => {
  const delay = Math.min(backoff.maxDelayMs, backoff.minDelayMs * Math.min(Number.MAX_VALUE, backoff.factor ** (retry - 1)))
  return backoff.jitter === 'full' ? delay * random.next() : delay
}
