import { numberOption, optionsObject } from '../core/options.js'
import { gammaP, gammaQ } from '../stats/incomplete-gamma.js'
import { logGamma } from '../stats/log-gamma.js'
import { crossing } from './_beta-mixture.js'
import { refusedInput } from './_state.js'
import { interval, sequentialOptions, type SequentialInterval, type SequentialOptions } from './sequential-interval.js'

/** Events that may come any number of times. */
export interface CountSummary {
  readonly events: number
  /** Hours, calls, kilometres: in what the rate is per. */
  readonly exposure: number
}

/** Options of {@link countSequence}. */
export interface CountSequenceOptions extends SequentialOptions {
  /** About how many events an exposure of 1 has; any guess is valid, one near the truth is narrower. */
  readonly expected: number
  /** How sure the guess is, as a number of events: the shape of the Gamma mixture. @default 0.5 */
  readonly shape?: number
  /** The rate that the evidence is against. Without it the evidence is 1. */
  readonly nullValue?: number
}

const owner = 'a confidence sequence of a count'

/**
 * An exact confidence sequence for how often something happens per exposure: crashes per hour, retries per call. The counterpart of {@link rateSequence} for what
 * may happen more than once.
 *
 * **Idea**: the evidence against a rate λ is the chance of what was seen under a Gamma mixture of all rates (or of those beyond λ, for one side), divided by the
 * Poisson chance under λ. The interval has the rates with evidence below 1/α.
 *
 * **Guarantee**: for a Poisson process of one rate, looked at at any times. **Misleads**: events that come in bursts are no such process; count the first of each unit. For
 * two arms see {@link countRatioSequence}, which stands a rate that swings.
 *
 * Source: Robbins, Annals of Mathematical Statistics 41 (1970); Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021), for the Gamma-Poisson mixture.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for a count that is none
 * @example
 * ```ts
 * import { countSequence } from 'outrigger/experiment'
 * const { estimate, lower, upper } = countSequence({ events: 12, exposure: 24 }, { expected: 1 })
 * assert.ok(estimate === 0.5 && lower > 0.17 && upper < 1.1)
 * ```
 */
export const countSequence = ({ events, exposure }: CountSummary, options: CountSequenceOptions): SequentialInterval => {
  optionsObject(owner, options, ['alpha', 'side', 'expected', 'shape', 'nullValue'])
  const { alpha, side } = sequentialOptions(owner, options)
  const { shape = 0.5, nullValue } = options
  numberOption(owner, 'shape', shape, { min: 0, exclusive: true, max: 1e9 })
  const before = shape / numberOption(owner, 'expected', options.expected, { min: 0, exclusive: true })
  if (nullValue !== undefined) numberOption(owner, 'nullValue', nullValue, { min: 0 })
  if (!Number.isSafeInteger(events) || events < 0) throw refusedInput(`compute ${owner}`, '`events` must be a count', events)
  if (!(exposure >= 0 && exposure < Infinity) || (exposure === 0 && events > 0)) throw refusedInput(`compute ${owner}`, '`exposure` must be a finite number of at least 0, above 0 if there are events', exposure)

  const after = before + exposure
  const start = shape * Math.log(before) - logGamma(shape) + logGamma(shape + events) - (shape + events) * Math.log(after)
  const logAgainst = (rate: number): number => {
    if (rate === 0 && events > 0) return side === 'upper' ? -Infinity : Infinity
    const whole = start - (events === 0 ? 0 : events * Math.log(rate)) + rate * exposure
    if (side === 'both') return whole
    const tail = side === 'lower' ? gammaQ : gammaP
    const prior = tail(shape, before * rate)
    return prior === 0 ? 0 : whole + Math.log(tail(shape + events, after * rate)) - Math.log(prior)
  }
  const limit = -Math.log(alpha)
  const estimate = events / exposure
  let far = exposure === 0 ? Infinity : Math.max(estimate, 1 / exposure)
  while (far < Infinity && logAgainst(far) < limit) far *= 2
  return interval(
    estimate,
    side === 'upper' || events === 0 ? 0 : crossing(0, estimate, limit, logAgainst),
    side === 'lower' || far === Infinity ? Infinity : crossing(far, estimate, limit, logAgainst),
    nullValue === undefined ? 0 : logAgainst(nullValue),
  )
}
