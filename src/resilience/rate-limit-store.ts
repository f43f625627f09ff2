/** Where the buckets of a rate limit are. */
import type { TokenBucketRule, TokenGrant } from '../policy/token-bucket.js'

/** A request for tokens of one bucket. */
export interface RateLimitRequest extends TokenBucketRule {
  /** Which bucket; `''` when there is only one. */
  readonly key: string
  /** So many tokens, at most `burst`. A negative number gives tokens back that were granted and not used. */
  readonly cost: number
  /** Tokens that are there within this time are granted on credit, in milliseconds. */
  readonly maxWaitMs: number
}

/**
 * Buckets that several processes share. A bucket that nobody has asked for is full.
 *
 * What it rejects with, gives back that is no grant, or takes too long to give counts as a failure of the store, never of the call.
 */
export interface RateLimitStore {
  take(request: RateLimitRequest): Promise<TokenGrant>
}
