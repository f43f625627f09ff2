import { numberOption, optionsObject } from '../core/options.js'
import type { BetaShape } from '../stats/incomplete-beta.js'
import { checkRate, type RateSummary } from '../stats/sample-summary.js'
import { crossing, logBetaMixture } from './_beta-mixture.js'
import { interval, sequentialOptions, type SequentialInterval, type SequentialOptions } from './sequential-interval.js'

/** Options of {@link rateSequence} and {@link rateDifferenceSequence}. */
export interface RateSequenceOptions extends SequentialOptions {
  /** The Beta prior of the mixture; any is valid, one near the truth is narrower. @default { a: 0.5, b: 0.5 } */
  readonly prior?: BetaShape
  /** The rate, or the difference, that the evidence is against. Without it the evidence is 1. */
  readonly nullValue?: number
}

const names = ['alpha', 'side', 'prior', 'nullValue']

/**
 * An exact confidence sequence for a rate, however rare its events: to be looked at after every trial.
 *
 * **Idea**: the evidence against a rate p is the chance of what was seen under a Beta mixture of all rates (or of those beyond p, for one side), divided by that
 * under p. The interval has the rates with evidence below 1/α. No approximation, no minimum; about 50 evaluations per bound.
 *
 * **Guarantee**: for independent trials of one rate, the true rate is ever outside with probability α at most.
 *
 * **Misleads**: with a rate that swings by the hour it is about none of its values; compare arms by {@link countRatioSequence} then. Trials are units, not requests of the same user.
 *
 * Source: Robbins, Annals of Mathematical Statistics 41 (1970); Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021).
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for counts that are none
 * @example
 * ```ts
 * import { rateSequence } from 'outrigger/experiment'
 * const { lower, upper } = rateSequence({ events: 3, trials: 10_000 })
 * assert.ok(lower > 0 && lower < 0.0001 && upper < 0.0016)
 * ```
 */
export const rateSequence = (rate: RateSummary, options: RateSequenceOptions = {}): SequentialInterval => {
  const owner = 'a confidence sequence of a rate'
  const { alpha, side, prior, nullValue } = checked(owner, options, 0)
  checkRate(owner, 'sample', rate)
  const hits = hitsOf(rate)
  return interval(rate.events / rate.trials, side === 'upper' ? 0 : bound(rate, prior, side, alpha, 0), side === 'lower' ? 1 : bound(rate, prior, side, alpha, 1), nullValue === undefined ? 0 : logBetaMixture(hits, prior, nullValue, side))
}

/**
 * An exact confidence sequence for the difference of two rates, treatment − control.
 *
 * From the one-sided bounds of both rates, each at its part of α (half of it, a quarter for two sides): exact, in whatever order and proportion the trials
 * come, and wider than it had to be. For a ratio of rare rates {@link countRatioSequence} finds more. With `nullValue`, `evidence` is by bisection over α and at most 1e9.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for counts that are none
 * @example
 * ```ts
 * import { rateDifferenceSequence } from 'outrigger/experiment'
 * // Not worse by more than half a percent?
 * const { upper } = rateDifferenceSequence({ events: 20, trials: 10_000 }, { events: 22, trials: 10_000 }, { side: 'upper' })
 * assert.ok(upper < 0.005)
 * ```
 */
export const rateDifferenceSequence = (control: RateSummary, treatment: RateSummary, options: RateSequenceOptions = {}): SequentialInterval => {
  const owner = 'a confidence sequence of a difference of rates'
  const { alpha, side, prior, nullValue } = checked(owner, options, -1)
  checkRate(owner, 'control', control)
  checkRate(owner, 'treatment', treatment)
  const lowest = (each: number): number => bound(treatment, prior, 'lower', each, 0) - bound(control, prior, 'upper', each, 1)
  const highest = (each: number): number => bound(treatment, prior, 'upper', each, 1) - bound(control, prior, 'lower', each, 0)
  const parts = side === 'both' ? 4 : 2
  const isOut = (level: number): boolean => nullValue !== undefined && ((side !== 'upper' && lowest(level / parts) > nullValue) || (side !== 'lower' && highest(level / parts) < nullValue))
  // The least level at which the null value is out, as a logarithm.
  const logEvidence = !isOut(0.999) ? 0 : isOut(1e-9) ? -Math.log(1e-9) : crossing(0, -Math.log(1e-9), 0, (log) => (isOut(Math.exp(-log)) ? 0 : -1))
  return interval(treatment.events / treatment.trials - control.events / control.trials, side === 'upper' ? -1 : lowest(alpha / parts), side === 'lower' ? 1 : highest(alpha / parts), logEvidence)
}

const hitsOf = ({ events, trials }: RateSummary): { readonly hits: number; readonly misses: number } => ({ hits: events, misses: trials - events })

/** The bound on the side of `end`, 0 or 1. */
const bound = (rate: RateSummary, prior: BetaShape, side: SequentialOptions['side'] & string, alpha: number, end: 0 | 1): number => {
  const { events, trials } = rate
  if (events === end * trials) return end
  const hits = hitsOf(rate)
  return crossing(end, events / trials, -Math.log(alpha), (p) => logBetaMixture(hits, prior, p, side))
}

const checked = (owner: string, options: RateSequenceOptions, min: number) => {
  optionsObject(owner, options, names)
  const { prior = { a: 0.5, b: 0.5 }, nullValue } = options
  for (const shape of ['a', 'b'] as const) numberOption(owner, `prior.${shape}`, prior[shape], { min: 0, exclusive: true, max: 1e9 })
  if (nullValue !== undefined) numberOption(owner, 'nullValue', nullValue, { min, max: 1 })
  return { ...sequentialOptions(owner, options), prior, nullValue }
}
