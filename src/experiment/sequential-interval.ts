import { InvalidOptionError } from '../core/errors.js'
import { numberOption } from '../core/options.js'

/** An interval that holds at every look at once: with probability 1 − α the truth never leaves it, however often one looks and whenever one stops. */
export interface SequentialInterval {
  /** `NaN` of nothing. */
  readonly estimate: number
  /** -Infinity (or the least possible value) while nothing is known, and if only the upper bound was asked for. */
  readonly lower: number
  readonly upper: number
  /** How many times less likely what was seen is under the null value, at least; 1 or less says nothing. May be infinite. */
  readonly evidence: number
  /** min(1, 1 / evidence): at most α when the interval excludes the null value. */
  readonly pValue: number
}

/** Which bounds there are: both, each at α/2; or one of them at α. */
export type Side = 'both' | 'lower' | 'upper'

/** Options of every sequential interval. */
export interface SequentialOptions {
  /** The chance that the truth ever leaves the interval. @default 0.05 */
  readonly alpha?: number
  /** `lower` for "is at least", `upper` for "is at most". @default 'both' */
  readonly side?: Side
}

/** Both options, validated. */
export const sequentialOptions = (owner: string, { alpha = 0.05, side = 'both' }: SequentialOptions): { readonly alpha: number; readonly side: Side } => {
  numberOption(owner, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
  if (!(alpha < 1)) throw new InvalidOptionError(`Cannot create ${owner} as \`alpha\` must be below 1: current value is ${alpha}`)
  if (side !== 'both' && side !== 'lower' && side !== 'upper') throw new InvalidOptionError(`Cannot create ${owner} as \`side\` must be both, lower or upper: current value is ${String(side)}`)
  return { alpha, side }
}

/** The interval with the evidence as a logarithm, which may be too large for a number. */
export const interval = (estimate: number, lower: number, upper: number, logEvidence: number): SequentialInterval => ({ estimate, lower, upper, evidence: Math.exp(logEvidence), pValue: Math.min(1, Math.exp(-logEvidence)) })
