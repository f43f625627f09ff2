/** Asking a store that may be slow or down: it costs a bounded time, and during an outage almost none. */
import type { Clock } from '../core/clock.js'
import { OutriggerError } from '../core/errors.js'
import type { TokenGrant } from '../policy/token-bucket.js'
import type { RateLimitRequest, RateLimitStore } from './rate-limit-store.js'

/** After a failure the store is left alone for so long; then one call tries it. */
const restMs = 1000

export class SharedBuckets {
  readonly #store: RateLimitStore
  readonly #timeoutMs: number
  readonly #tell: (message: string, error?: unknown) => void
  #isDown = false
  #restsUntil = 0
  failures = 0

  /** @param tell - is told once when an outage begins, and once when it ends */
  constructor(store: RateLimitStore, timeoutMs: number, tell: (message: string, error?: unknown) => void) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#tell = tell
  }

  /** The store's answer, or `undefined` when there is none. */
  async take(request: RateLimitRequest, clock: Clock): Promise<TokenGrant | undefined> {
    if (this.#isDown) {
      const now = clock.now()
      if (now < this.#restsUntil) return undefined
      this.#restsUntil = now + this.#timeoutMs + restMs
    }
    try {
      const grant = await this.#within(request, clock)
      if (this.#isDown) {
        this.#isDown = false
        this.#tell('The store of the rate limit answers again.')
      }
      return grant
    } catch (error) {
      this.failures += 1
      this.#restsUntil = clock.now() + restMs
      if (!this.#isDown) {
        this.#isDown = true
        this.#tell('The store of the rate limit failed.', error)
      }
      return undefined
    }
  }

  /** Tokens that were not used go back; if that fails they are lost, which only makes the limit stricter. */
  giveBack(request: RateLimitRequest, clock: Clock): void {
    if (!this.#isDown) void this.take({ ...request, cost: -request.cost }, clock)
  }

  #within(request: RateLimitRequest, clock: Clock): Promise<TokenGrant> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => reject(new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot wait for the store of the rate limit any longer as its limit has passed: current value of \`storeTimeoutMs\` is ${this.#timeoutMs}`)), this.#timeoutMs)
      const settle = async (): Promise<void> => {
        try {
          const grant: Partial<TokenGrant> | undefined = await this.#store.take(request)
          if (typeof grant?.granted === 'boolean' && typeof grant.waitMs === 'number' && grant.waitMs >= 0) resolve(grant as TokenGrant)
          else reject(new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', 'Cannot use the answer of the store of the rate limit as it is no grant'))
        } catch (error) {
          reject(error as Error)
        } finally {
          clock.clearTimeout(timer)
        }
      }
      void settle()
    })
  }
}
