import { numberOption, optionsObject } from '../core/options.js'
import { crossing, logBetaMixture } from './_beta-mixture.js'
import { refusedInput } from './_state.js'
import { interval, sequentialOptions, type SequentialInterval, type SequentialOptions } from './sequential-interval.js'

/** The events of both arms while the treatment had one share of the exposure. */
export interface CountGroup {
  readonly control: number
  readonly treatment: number
  /** The treatment's share of the exposure (units, requests, hours), among both arms: in (0, 1). */
  readonly share: number
}

/** Options of {@link countRatioSequence}. */
export interface CountRatioOptions extends SequentialOptions {
  /** How much the mixture keeps to a ratio of 1: the larger, the better for small differences. @default 10 */
  readonly concentration?: number
  /** The ratio that the evidence is against. @default 1 */
  readonly nullValue?: number
}

/**
 * An exact confidence sequence for how many times as often something happens in the treatment: rare failures, clicks, counts per hour.
 *
 * **Idea**: given that an event happened, it was the treatment's with chance wθ / (1 − w + wθ), where w is the treatment's share of the exposure and θ the ratio
 * of the rates. So θ has a binomial likelihood in which the base rate does not occur, and a Beta mixture around w (product over the groups) gives the evidence against each θ.
 * It is the two-sample Poisson test, and for trials that are assigned at random with chance w it is exact at any rate, not only for rare ones.
 *
 * **Guarantee**: the base rate may swing as it likes, if it swings for both arms alike; shares may change, one group for each. Looked at after every event.
 *
 * **Misleads**: several events of one unit are not independent (count the first, see {@link FailureAttribution}). A different number of chances per unit is not seen.
 *
 * Source: Lindon and Malek (2022), arXiv 2011.03567; Przyborowski and Wilenski (1940), for the conditional test.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for counts or shares that are none
 * @example
 * ```ts
 * import { countRatioSequence } from 'outrigger/experiment'
 * const { estimate, lower, upper } = countRatioSequence([{ control: 95, treatment: 30, share: 0.05 }, { control: 50, treatment: 40, share: 0.2 }])
 * assert.ok(lower > 1 && lower < estimate && estimate < upper)
 * ```
 */
export const countRatioSequence = (groups: readonly CountGroup[], options: CountRatioOptions = {}): SequentialInterval => {
  const owner = 'a confidence sequence of a ratio of counts'
  optionsObject(owner, options, ['alpha', 'side', 'concentration', 'nullValue'])
  const { alpha, side } = sequentialOptions(owner, options)
  const { concentration = 10, nullValue = 1 } = options
  numberOption(owner, 'concentration', concentration, { min: 0, exclusive: true, max: 1e9 })
  numberOption(owner, 'nullValue', nullValue, { min: 0, exclusive: true })
  let treated = 0
  let others = 0
  for (const { control, treatment, share } of groups) {
    for (const count of [control, treatment]) if (!Number.isSafeInteger(count) || count < 0) throw refusedInput(`compute ${owner}`, 'events must be counts', count)
    if (!(share > 0 && share < 1)) throw refusedInput(`compute ${owner}`, '`share` must be in (0, 1)', share)
    treated += treatment
    others += control
  }
  const chance = (share: number, logRatio: number): number => 1 / (1 + ((1 - share) / share) * Math.exp(-logRatio))
  const logAgainst = (logRatio: number): number =>
    groups.reduce((sum, { control, treatment, share }) => {
      const prior = { a: Math.max(0.5, concentration * share), b: Math.max(0.5, concentration * (1 - share)) }
      return sum + logBetaMixture({ hits: treatment, misses: control }, prior, chance(share, logRatio), side)
    }, 0)
  const best = treated === 0 ? -Infinity : others === 0 ? Infinity : mostLikely(groups, chance)
  const limit = -Math.log(alpha)
  // Far out nothing is possible any more, unless one arm has no event.
  const end = 30
  const centre = Math.min(end, Math.max(-end, best))
  const lower = side === 'upper' || treated === 0 || logAgainst(-end) < limit ? 0 : Math.exp(crossing(-end, centre, limit, logAgainst))
  const upper = side === 'lower' || others === 0 || logAgainst(end) < limit ? Infinity : Math.exp(crossing(end, centre, limit, logAgainst))
  return interval(treated + others === 0 ? NaN : Math.exp(best), lower, upper, logAgainst(Math.log(nullValue)))
}

/** The logarithm of the ratio at which as many events are expected of the treatment as it had. */
const mostLikely = (groups: readonly CountGroup[], chance: (share: number, logRatio: number) => number): number =>
  crossing(-60, 60, 0, (logRatio) => groups.reduce((sum, { control, treatment, share }) => sum + treatment - (control + treatment) * chance(share, logRatio), 0))
