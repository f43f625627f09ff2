import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { checkSample, type SampleSummary } from './sample-summary.js'
import { studentTQuantile, studentTSurvival } from './student-t.js'

/** A difference with its interval and its two-sided test, for one look. */
export interface DifferenceResult {
  /** Second − first. */
  readonly difference: number
  readonly lower: number
  readonly upper: number
  readonly statistic: number
  readonly pValue: number
}

/** What {@link welch} found. */
export interface WelchResult extends DifferenceResult {
  readonly degreesOfFreedom: number
}

/** Options of tests of a difference. */
export interface DifferenceOptions {
  /** Of the interval. @default 0.95 */
  readonly level?: number
}

/** The level, validated. */
export const levelOption = (owner: string, options: DifferenceOptions): number => {
  optionsObject(owner, options, ['level'])
  const { level = 0.95 } = options
  numberOption(owner, 'level', level, { min: 0, max: 1, exclusive: true })
  if (level === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`level\` must be below 1: current value is 1`)
  return level
}

/**
 * Welch's t-test: whether two means differ, with variances that may differ too. For **one** look at a size fixed beforehand.
 *
 * t = (m₂ − m₁) / √(s₁²/n₁ + s₂²/n₂), with Satterthwaite's degrees of freedom. From moments, so in O(1). Two constant samples: p is 1 if they are equal, else 0.
 *
 * It misleads when looked at again and again until it is significant (half of such tests find something in nothing: docs/which-test.md), with heavy tails in small
 * samples (`mannWhitney`), and when values depend on each other.
 *
 * Source: Welch, Biometrika 34 (1947).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for samples of less than 2 values, ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { welch } from 'outrigger/stats'
 * const { difference, pValue } = welch({ count: 100, mean: 5, variance: 4 }, { count: 120, mean: 6, variance: 9 })
 * assert.ok(difference === 1 && pValue > 0.003 && pValue < 0.004)
 * ```
 */
export const welch = (first: SampleSummary, second: SampleSummary, options: DifferenceOptions = {}): WelchResult => {
  const owner = 'a Welch test'
  const level = levelOption(owner, options)
  checkSample(owner, 'first sample', first)
  checkSample(owner, 'second sample', second)
  const [a, b] = [first.variance / first.count, second.variance / second.count]
  const difference = second.mean - first.mean
  const error = Math.sqrt(a + b)
  if (error === 0) return { difference, lower: difference, upper: difference, statistic: difference === 0 ? 0 : Math.sign(difference) * Infinity, pValue: difference === 0 ? 1 : 0, degreesOfFreedom: first.count + second.count - 2 }
  // In shares of the sum, so that tiny variances do not vanish when squared.
  const [p, q] = [a / (a + b), b / (a + b)]
  const degreesOfFreedom = 1 / ((p * p) / (first.count - 1) + (q * q) / (second.count - 1))
  const statistic = difference / error
  const half = error * studentTQuantile((1 + level) / 2, degreesOfFreedom)
  return { difference, lower: difference - half, upper: difference + half, statistic, pValue: Math.min(1, 2 * studentTSurvival(Math.abs(statistic), degreesOfFreedom)), degreesOfFreedom }
}
