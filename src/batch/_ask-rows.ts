/** Asks for rows with the patience of somebody for whom nobody waits. */
import type { BatchOptions } from '../core/call-options.js'
import type { Clock } from '../core/clock.js'
import { hasCode, outcomeOf } from '../core/errors.js'
import type { Predictor } from '../core/predictor.js'
import type { Random } from '../core/random.js'
import type { RowResult } from '../core/results.js'
import { backoffDelay, type Backoff } from '../policy/backoff.js'

/** How rows are asked for. */
export interface Patience {
  /** Rows that were rejected for want of capacity are asked for again for so long. */
  readonly waitMs: number
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

const backoff: Backoff = { minDelayMs: 50, maxDelayMs: 5_000, factor: 2, jitter: 'full' }

/**
 * The outcome of every row. A row that was rejected (an open circuit, an exhausted rate limit, shed load) is asked for
 * again, alone with its like, after what the rejection says or a growing wait.
 */
export const askRows = async <I, O>(predict: Predictor<I, O>, inputs: readonly I[], options: BatchOptions, patience: Patience): Promise<RowResult<O>[]> => {
  const results = await predict.detailedBatch(inputs, options)
  const { clock, signal } = patience
  let giveUpAt: number | undefined
  for (let round = 1; ; round += 1) {
    const rejected = results.flatMap((result, index) => (!result.ok && isForNow(result.error) ? [index] : []))
    if (rejected.length === 0 || signal.aborted) return results
    const now = clock.now()
    giveUpAt ??= now + patience.waitMs
    const hints = rejected.map((index) => retryAfterOf(results[index] as RowResult<O>))
    const delay = Math.max(backoffDelay(backoff, round, patience.random), ...hints)
    if (now + delay > giveUpAt) return results
    await pause(clock, delay, signal)
    if (signal.aborted) return results
    const again = await predict.detailedBatch(rejected.map((index) => inputs[index] as I), options.keys === undefined ? options : { ...options, keys: rejected.map((index) => options.keys?.[index]) })
    rejected.forEach((index, position) => (results[index] = again[position] as RowResult<O>))
  }
}

const isForNow = (error: unknown): boolean => outcomeOf(error) === 'rejected' && !hasCode(error, 'ERR_OUTRIGGER_CLOSED')

const retryAfterOf = <O>(result: RowResult<O>): number => {
  const hint = result.ok ? undefined : (result.error as { readonly retryAfterMs?: unknown }).retryAfterMs
  return typeof hint === 'number' && Number.isFinite(hint) ? hint : 0
}

/** Waits, but not longer than the signal lets. */
const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
