import { numberOption, optionsObject } from '../core/options.js'
import { checkSample, type SampleSummary } from '../stats/sample-summary.js'
import { interval, sequentialOptions, type SequentialInterval, type SequentialOptions } from './sequential-interval.js'

/** Options of {@link meanSequence} and {@link meanDifferenceSequence}. */
export interface MeanSequenceOptions extends SequentialOptions {
  /** The number of values, of both samples, at which the interval is to be narrowest. @default 5000 */
  readonly tunedAt?: number
  /** Below this many values in a sample nothing is said, as the method is one for large samples. @default 100 */
  readonly minimum?: number
  /** What the evidence is against. @default 0 */
  readonly nullValue?: number
}

const names = ['alpha', 'side', 'tunedAt', 'minimum', 'nullValue']

/**
 * A confidence sequence for a mean: an interval that may be looked at after every value.
 *
 * **Idea**: a normal mixture over the mean, with the variance estimated. With n values and ρ² = (ln(1/α²) + ln(ln(1/α²) + 1)) / tunedAt, the half-width is
 * s √(2(nρ² + 1) / (nρ)² · ln(√(nρ² + 1) / α)); one-sided, the last factor is ln(1 + √(nρ² + 1) / 2α). O(1), from moments that merge.
 *
 * **Guarantee**: asymptotic, as a z-interval has it: exact for many values, which `minimum` stands for. Measured for rates and heavy tails: docs/which-test.md.
 *
 * **Misleads**: with rare events, of which 100 values hold none (use `rateSequence`); heavy tails whose variance is not yet seen (`BoundedMean`, with a bound); values that depend on each other
 * (take one per unit).
 *
 * Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory" (2024), arXiv 2103.06476, equations 9 and 134.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for moments that are none
 * @example
 * ```ts
 * import { meanSequence } from 'outrigger/experiment'
 * const { lower, upper } = meanSequence({ count: 10_000, mean: 3, variance: 4 })
 * assert.ok(lower > 2.92 && upper < 3.08) // a 95 % interval for one look: 2.96 to 3.04
 * ```
 */
export const meanSequence = (sample: SampleSummary, options: MeanSequenceOptions = {}): SequentialInterval => {
  const owner = 'a confidence sequence of a mean'
  checkSample(owner, 'sample', sample, 0)
  return sequence(owner, sample.mean, sample.count, sample.count, sample.variance / sample.count, options)
}

/**
 * A confidence sequence for the difference of two means, treatment − control, to be looked at at any time.
 *
 * As {@link meanSequence}, with the squared standard error s₁²/n₁ + s₂²/n₂ and n = n₁ + n₂; the variance of an arm of few
 * units counts as nearly the pooled one at least, as it has not seen its rare values yet (with plain variances, arms of 9 to 1 and a rate of .02 were told apart in one clean run of five). Also for means that were adjusted (`cuped`) and for ratios (`ratioSummary`).
 * With `nullValue: -margin` and `side: 'lower'`, `pValue` is that of "not worse by more than the margin".
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, ERR_OUTRIGGER_INVALID_INPUT for moments that are none
 * @example
 * ```ts
 * import { meanDifferenceSequence } from 'outrigger/experiment'
 * const control = { count: 8000, mean: 3, variance: 4 }
 * assert.ok(meanDifferenceSequence(control, { count: 8000, mean: 3.2, variance: 4 }).lower > 0)
 * assert.ok(meanDifferenceSequence(control, { count: 8000, mean: 3.05, variance: 4 }).lower < 0)
 * ```
 */
export const meanDifferenceSequence = (control: SampleSummary, treatment: SampleSummary, options: MeanSequenceOptions = {}): SequentialInterval => {
  const owner = 'a confidence sequence of a difference of means'
  checkSample(owner, 'control', control, 0)
  checkSample(owner, 'treatment', treatment, 0)
  return sequence(owner, treatment.mean - control.mean, control.count + treatment.count, Math.min(control.count, treatment.count), squaredErrorOf(control, treatment), options)
}

/**
 * The squared standard error of a difference of means. The variance of the smaller arm counts as no less than (1 − n/N) of the pooled one, n and N being the sizes: a small arm
 * that has not had its rare values yet would be far too sure of its mean.
 */
export const squaredErrorOf = (control: SampleSummary, treatment: SampleSummary): number => {
  const [small, large] = control.count < treatment.count ? [control, treatment] : [treatment, control]
  const pooled = (small.count * small.variance + large.count * large.variance) / (small.count + large.count)
  return Math.max(small.variance, (1 - small.count / large.count) * pooled) / small.count + large.variance / large.count
}

/** The mixture's ρ² that makes the interval narrowest at that many values. */
export const tunedPrecision = (alpha: number, tunedAt: number): number => {
  const least = -2 * Math.log(alpha)
  return (least + Math.log(least + 1)) / tunedAt
}

const sequence = (owner: string, estimate: number, n: number, smaller: number, squaredError: number, options: MeanSequenceOptions): SequentialInterval => {
  optionsObject(owner, options, names)
  const { alpha, side } = sequentialOptions(owner, options)
  const { tunedAt = 5000, minimum = 100, nullValue = 0 } = options
  numberOption(owner, 'tunedAt', tunedAt, { min: 1 })
  numberOption(owner, 'minimum', minimum, { min: 2 })
  numberOption(owner, 'nullValue', nullValue)
  // Samples without any variance say nothing about their means.
  if (smaller < minimum || squaredError === 0) return interval(estimate, -Infinity, Infinity, 0)
  const spread = n * tunedPrecision(alpha, tunedAt)
  const scale = (2 * (spread + 1)) / spread
  const root = Math.sqrt(spread + 1)
  const half = Math.sqrt(squaredError * scale * (side === 'both' ? Math.log(root / alpha) : Math.log1p(root / (2 * alpha))))
  const away = estimate - nullValue
  const exponent = (away * away) / (squaredError * scale)
  const isAgainst = side === 'both' || (side === 'lower' ? away > 0 : away < 0)
  const logEvidence = !isAgainst ? 0 : side === 'both' ? exponent - Math.log(root) : Math.log((2 * Math.expm1(Math.min(exponent, 700))) / root)
  return interval(estimate, side === 'upper' ? -Infinity : estimate - half, side === 'lower' ? Infinity : estimate + half, logEvidence)
}
