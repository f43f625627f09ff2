import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { checkSample, type SampleSummary } from '../stats/sample-summary.js'
import { squaredErrorOf } from './mean-sequence.js'
import { interval, type SequentialInterval } from './sequential-interval.js'

/** Options of {@link mixtureSprt}. */
export interface MixtureSprtOptions {
  /** The standard deviation of the effects that are expected, in the unit of the metric. */
  readonly tau: number
  /** @default 0.05 */
  readonly alpha?: number
  /** Below this many values in a sample nothing is said. @default 100 */
  readonly minimum?: number
  /** The difference that is tested. @default 0 */
  readonly nullValue?: number
}

/**
 * The mixture sequential probability ratio test for the difference of two means, treatment − control.
 *
 * With V = s₁²/n₁ + s₂²/n₂ (as in {@link meanDifferenceSequence}) and effects that are normal with variance τ², the evidence is √(V / (V + τ²)) · exp(τ² d² / 2V(V + τ²)). It is
 * {@link meanDifferenceSequence} tuned by the size of the effect and not by the number of values: narrowest where the standard error is about τ/3. Asymptotic in the same way.
 *
 * Source: Robbins (1970); Johari, Koomen, Pekelis and Walsh, "Always valid inference" (2022).
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for moments that are none
 * @example
 * ```ts
 * import { mixtureSprt } from 'outrigger/experiment'
 * const { pValue, lower } = mixtureSprt({ count: 8000, mean: 3, variance: 4 }, { count: 8000, mean: 3.2, variance: 4 }, { tau: 0.1 })
 * assert.ok(pValue < 0.001 && lower > 0)
 * ```
 */
export const mixtureSprt = (control: SampleSummary, treatment: SampleSummary, options: MixtureSprtOptions): SequentialInterval => {
  const owner = 'a mixture sequential test'
  optionsObject(owner, options, ['tau', 'alpha', 'minimum', 'nullValue'])
  const { tau, alpha = 0.05, minimum = 100, nullValue = 0 } = options
  numberOption(owner, 'tau', tau, { min: 0, exclusive: true })
  numberOption(owner, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
  if (alpha === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`alpha\` must be below 1: current value is 1`)
  numberOption(owner, 'minimum', minimum, { min: 2 })
  numberOption(owner, 'nullValue', nullValue)
  checkSample(owner, 'control', control, 0)
  checkSample(owner, 'treatment', treatment, 0)
  const estimate = treatment.mean - control.mean
  const variance = squaredErrorOf(control, treatment)
  if (Math.min(control.count, treatment.count) < minimum || variance === 0) return interval(estimate, -Infinity, Infinity, 0)
  const prior = tau * tau
  const shrink = Math.log1p(prior / variance) / 2
  const scale = (2 * variance * (variance + prior)) / prior
  const half = Math.sqrt(scale * (shrink - Math.log(alpha)))
  return interval(estimate, estimate - half, estimate + half, (estimate - nullValue) ** 2 / scale - shrink)
}
