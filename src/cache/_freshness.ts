/** Whether a stored answer may be given. Pure: it is told the time, and draws from what it is given. */
import { hasCode, outcomeOf } from '../core/errors.js'
import type { CachedAnswer } from './cache-store.js'

/** How long an answer is of use after its time; `undefined` for never. All in milliseconds. */
export interface FreshnessRule {
  readonly staleWhileRevalidateMs: number | undefined
  readonly staleIfErrorMs: number | undefined
  readonly staleIfOverloadMs: number | undefined
  /** The β of XFetch; 0 for off. */
  readonly earlyRefresh: number
}

/**
 * - `fresh`: given, and no more is done
 * - `early`: given as fresh, and refreshed, as its time is nearly over
 * - `due`: given with a mark, and refreshed
 * - `kept`: only given when nothing better comes
 * - `spent`: of no use
 */
export type Freshness = 'fresh' | 'early' | 'due' | 'kept' | 'spent'

/**
 * Judges an answer.
 *
 * Early refresh is XFetch: each use draws whether it refreshes, with a chance that grows towards the end of the
 * answer's time and with how long the model took, so that one caller does it before all of them have to.
 * `now − took · β · ln(u) ≥ end`, u uniform in (0, 1]. Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal
 * probabilistic cache stampede prevention", VLDB 2015.
 *
 * @param draw - a uniform number in [0, 1)
 */
export const judge = (answer: CachedAnswer, now: number, rule: FreshnessRule, draw: () => number): Freshness => {
  const { freshUntil } = answer
  if (now <= freshUntil) return rule.earlyRefresh > 0 && answer.refusal === undefined && now - answer.tookMs * rule.earlyRefresh * Math.log(1 - draw()) >= freshUntil ? 'early' : 'fresh'
  if (answer.refusal !== undefined) return 'spent'
  if (now <= freshUntil + (rule.staleWhileRevalidateMs ?? -Infinity)) return 'due'
  return now <= freshUntil + Math.max(rule.staleIfErrorMs ?? -Infinity, rule.staleIfOverloadMs ?? -Infinity) ? 'kept' : 'spent'
}

/** Whether an answer past its time, or of an older version, may stand in for this error. */
export const mayStandIn = (answer: CachedAnswer, error: unknown, now: number, rule: FreshnessRule): boolean => {
  const outcome = outcomeOf(error)
  // Who left wants no answer, and for an input that is invalid there is none.
  if (outcome === 'aborted' || answer.refusal !== undefined || hasCode(error, 'ERR_OUTRIGGER_INVALID_INPUT')) return false
  const windowMs = outcome === 'rejected' ? rule.staleIfOverloadMs : rule.staleIfErrorMs
  return windowMs !== undefined && now <= answer.freshUntil + windowMs
}

/** How long an answer is of any use after its time. */
export const afterlifeMs = (rule: FreshnessRule): number => Math.max(rule.staleWhileRevalidateMs ?? 0, rule.staleIfErrorMs ?? 0, rule.staleIfOverloadMs ?? 0)

/** Whether anything past its time, or older, may ever stand in. */
export const keepsForErrors = (rule: FreshnessRule): boolean => rule.staleIfErrorMs !== undefined || rule.staleIfOverloadMs !== undefined
