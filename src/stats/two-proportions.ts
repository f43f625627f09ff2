import { normalQuantile, normalSurvival } from './normal.js'
import { checkRate, type RateSummary } from './sample-summary.js'
import { levelOption, type DifferenceOptions, type DifferenceResult } from './welch.js'

/**
 * The z-test of two proportions, with Newcombe's interval for their difference. For **one** look at a size fixed beforehand.
 *
 * z = (p₂ − p₁) / √(p(1 − p)(1/n₁ + 1/n₂)), p pooled; without a continuity correction. The interval joins the Wilson intervals of both rates, so it
 * stays inside [-1, 1] and has a width at 0 events. Without events, or without anything else, p is 1.
 *
 * It misleads below about 5 events or non-events in a sample (`fisherExact`), and when looked at again and again (`rateDifferenceSequence` of `outrigger/experiment`).
 *
 * Source: Newcombe, Statistics in Medicine 17 (1998), method 10.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for counts that are none, or no trials; ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { twoProportions } from 'outrigger/stats'
 * const { difference, lower, pValue } = twoProportions({ events: 100, trials: 1000 }, { events: 140, trials: 1000 })
 * assert.ok(Math.abs(difference - 0.04) < 1e-12 && lower > 0 && pValue < 0.01)
 * ```
 */
export const twoProportions = (first: RateSummary, second: RateSummary, options: DifferenceOptions = {}): DifferenceResult => {
  const owner = 'a test of two proportions'
  const level = levelOption(owner, options)
  checkRate(owner, 'first sample', first, 1)
  checkRate(owner, 'second sample', second, 1)
  const [p, q] = [first.events / first.trials, second.events / second.trials]
  const pooled = (first.events + second.events) / (first.trials + second.trials)
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / first.trials + 1 / second.trials))
  const difference = q - p
  const statistic = error === 0 ? 0 : difference / error
  const z = normalQuantile((1 + level) / 2)
  const [one, two] = [wilson(first, z), wilson(second, z)]
  return {
    difference,
    lower: difference - Math.hypot(q - two.lower, one.upper - p),
    upper: difference + Math.hypot(two.upper - q, p - one.lower),
    statistic,
    pValue: Math.min(1, 2 * normalSurvival(Math.abs(statistic))),
  }
}

const wilson = ({ events, trials }: RateSummary, z: number): { readonly lower: number; readonly upper: number } => {
  const p = events / trials
  const centre = (p + (z * z) / (2 * trials)) / (1 + (z * z) / trials)
  const half = (z / (1 + (z * z) / trials)) * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials))
  return { lower: events === 0 ? 0 : centre - half, upper: events === trials ? 1 : centre + half }
}
