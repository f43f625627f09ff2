/** The buckets of this process, by key: bounded, the least recently used one leaves. */
import { TokenBucket, type TokenGrant } from '../policy/token-bucket.js'
import type { RateLimitRequest } from './rate-limit-store.js'

export class LocalBuckets {
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #max: number
  /** Buckets that left before they were full: whoever they belonged to begins with a full one. */
  forgotten = 0

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#buckets.size
  }

  take(request: RateLimitRequest, now: number): TokenGrant {
    return this.#bucket(request, now).take(request.cost, now, request.maxWaitMs)
  }

  giveBack(request: RateLimitRequest): void {
    this.#buckets.get(request.key)?.giveBack(request.cost)
  }

  #bucket(request: RateLimitRequest, now: number): TokenBucket {
    const buckets = this.#buckets
    const { key } = request
    let bucket = buckets.get(key)
    if (bucket === undefined) bucket = new TokenBucket(request)
    else if (this.#max === 1 || buckets.size === 1) return bucket
    else buckets.delete(key)
    buckets.set(key, bucket)
    if (buckets.size > this.#max) {
      const [oldest, left] = buckets.entries().next().value as [string, TokenBucket]
      buckets.delete(oldest)
      if (left.tokens(now) < request.burst) this.forgotten += 1
    }
    return bucket
  }
}
