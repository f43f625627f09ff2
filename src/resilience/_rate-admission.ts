/** Asking for tokens, and waiting for those that were granted on credit. */
import type { Call } from '../core/call.js'
import type { Clock } from '../core/clock.js'
import { rejection } from '../core/errors.js'
import { abortErrorOf } from '../core/model.js'
import type { TokenBucketRule, TokenGrant } from '../policy/token-bucket.js'
import type { LocalBuckets } from './_local-buckets.js'
import type { SharedBuckets } from './_shared-buckets.js'
import type { RateLimitRequest } from './rate-limit-store.js'

/** Tokens that were granted: to whom, by whom, and when they may be used. */
export interface Admission {
  readonly calls: readonly Call[]
  readonly request: RateLimitRequest
  readonly waitMs: number
  readonly isShared: boolean
}

/** The settings of a rate limit, checked. */
export interface RateRule extends TokenBucketRule {
  readonly maxWaitMs: number
  readonly whenStoreFails: 'local' | 'closed'
}

/** While nobody decides, asking again sooner would be in vain. */
const closed: TokenGrant = { granted: false, waitMs: 1000 }
const never: TokenGrant = { granted: false, waitMs: Infinity }

export class RateAdmissions {
  readonly counts = { admitted: 0, waited: 0, rejected: 0 }
  readonly #rule: RateRule
  readonly #local: LocalBuckets
  readonly #shared: SharedBuckets | undefined

  constructor(rule: RateRule, local: LocalBuckets, shared: SharedBuckets | undefined) {
    this.#rule = rule
    this.#local = local
    this.#shared = shared
  }

  /** Without waiting: one row's tokens from this process. */
  takeNow(key: string, cost: number, clock: Clock): TokenGrant {
    const grant = this.#local.take(this.#request(key, cost, 0), clock.now())
    if (grant.granted) this.counts.admitted += 1
    return grant
  }

  /** Asks for the tokens of these calls; throws when there are none in time. */
  async ask(calls: readonly Call[], key: string, cost: number, clock: Clock): Promise<Admission> {
    const { maxWaitMs, burst, whenStoreFails } = this.#rule
    let deadline = 0
    for (const call of calls) if (call.deadline > deadline) deadline = call.deadline
    // What would come too late for everybody is better told at once.
    const request = this.#request(key, cost, deadline === Infinity ? maxWaitMs : Math.max(0, Math.min(maxWaitMs, deadline - clock.now())))
    let grant: TokenGrant | undefined = cost > burst ? never : undefined
    if (grant === undefined && this.#shared !== undefined) grant = await this.#shared.take(request, clock)
    const isShared = grant !== undefined
    grant ??= this.#shared !== undefined && whenStoreFails === 'closed' ? closed : this.#local.take(request, clock.now())
    if (!grant.granted) throw this.refusal(calls.length, cost, grant)
    return { calls, request, isShared, waitMs: Math.ceil(grant.waitMs) }
  }

  /** Waits until the tokens may be used. When every caller leaves before, it gives them back and rejects. */
  async wait({ calls, request, isShared, waitMs }: Admission, clock: Clock): Promise<void> {
    const { counts } = this
    if (waitMs > 0) {
      counts.waited += calls.length
      const startedAt = clock.now()
      const left = await pause(clock, waitMs, calls)
      if (left) {
        if (isShared) this.#shared?.giveBack(request, clock)
        else this.#local.giveBack(request)
        throw abortErrorOf(calls[0]?.abortReason)
      }
      for (const call of calls) if (call.isTimed) call.waited(clock.now() - startedAt)
    }
    counts.admitted += calls.length
  }

  refusal(rows: number, cost: number, { waitMs }: TokenGrant): Error {
    this.counts.rejected += rows
    const { burst, perSecond } = this.#rule
    const why = cost > burst ? `it costs more than the whole burst of ${burst}` : `its limit of ${perSecond} per second has no tokens left`
    // Whole milliseconds: who comes back after this time shall not be a fraction too early.
    return rejection('ERR_OUTRIGGER_RATE_LIMITED', `Cannot call the model as ${why}: current value is ${cost} tokens wanted`, { retryAfterMs: Math.ceil(waitMs) })
  }

  #request(key: string, cost: number, maxWaitMs: number): RateLimitRequest {
    const { perSecond, burst } = this.#rule
    return { key, cost, perSecond, burst, maxWaitMs }
  }
}

/** Waits; ends early, and gives true, when every caller has left. The timer is awaited, so it keeps the process alive. */
const pause = (clock: Clock, ms: number, calls: readonly Call[]): Promise<boolean> =>
  new Promise((resolve) => {
    const stops: (() => void)[] = []
    const done = (haveLeft: boolean): void => {
      clock.clearTimeout(timer)
      for (const stop of stops) stop()
      resolve(haveLeft)
    }
    const timer = clock.setTimeout(() => done(false), ms)
    let wanted = calls.length
    for (const call of calls) {
      stops.push(
        call.onAbort(() => {
          wanted -= 1
          if (wanted === 0) done(true)
        }),
      )
    }
  })
