/** Making a request again that failed for the moment. */
import type { Clock } from '../../core/clock.js'
import { OutriggerError } from '../../core/errors.js'
import type { Random } from '../../core/random.js'
import { onAbortOf } from '../../core/signals.js'
import { backoffDelay, type Backoff } from '../../policy/backoff.js'
import { isTransient } from './_source-errors.js'

/** How often, and by which time. */
export interface AttemptOptions {
  /** Failures in a row that are forgiven. */
  readonly retries: number
  readonly clock: Clock
  readonly random: Random
  readonly signal?: AbortSignal | undefined
}

// Never no pause at all: what cut the connection needs a moment to end.
const backoff: Backoff = { minDelayMs: 200, maxDelayMs: 5_000, factor: 2, jitter: 'full' }

/** The pauses between attempts. */
export class Attempts {
  readonly #options: AttemptOptions
  #failures = 0

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  /** An attempt brought something: the failures before it do not count any more. */
  progressed(): void {
    this.#failures = 0
  }

  /** Waits until the next attempt may begin. Throws the error where it does not pass by itself, or not soon, or there were enough attempts. */
  async pauseAfter(error: unknown): Promise<void> {
    const { retries, clock, random, signal } = this.#options
    this.#failures += 1
    if (!isTransient(error) || this.#failures > retries) throw error
    const asked = (error as { readonly retryAfterMs?: number }).retryAfterMs ?? 0
    if (asked > backoff.maxDelayMs) throw error
    await pause(Math.max(asked, backoffDelay(backoff, this.#failures, random)), clock, signal)
  }
}

/** Does the work, and does it again while it fails for the moment. */
export const withAttempts = async <T>(options: AttemptOptions, work: () => Promise<T>): Promise<T> => {
  const attempts = new Attempts(options)
  for (;;) {
    try {
      return await work()
    } catch (error) {
      await attempts.pauseAfter(error)
    }
  }
}

const pause = (ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const aborted = (): void => reject(new OutriggerError('ERR_OUTRIGGER_ABORTED', 'Cannot go on with the request as the caller aborted it', { cause: signal?.reason }))
    if (signal?.aborted === true) return aborted()
    const unlisten = signal === undefined ? undefined : onAbortOf(signal, () => {
      clock.clearTimeout(timer)
      aborted()
    })
    const timer = clock.setTimeout(() => {
      unlisten?.()
      resolve()
    }, ms)
  })
