import { numberOption, optionsObject } from '../core/options.js'
import { InvalidOptionError } from '../core/errors.js'

/** What a two-sample test of raw values found. */
export interface TwoSampleResult {
  readonly statistic: number
  /** Two-sided. */
  readonly pValue: number
  /** Whether the p-value is that of the permutation distribution given the ties, and not of a limit. */
  readonly exact: boolean
}

/** How a two-sample test gets its p-value. */
export interface TwoSampleOptions {
  /** `auto` is exact up to a size that the test states. `exact` beyond it may take long. @default 'auto' */
  readonly method?: 'auto' | 'exact' | 'asymptotic'
}

const methods: readonly unknown[] = ['auto', 'exact', 'asymptotic']

/** Whether to be exact, by the option and by whether the samples are small. */
export const isExact = (owner: string, options: TwoSampleOptions, small: boolean): boolean => {
  optionsObject(owner, options, ['method'])
  const { method = 'auto' } = options
  if (!methods.includes(method)) throw new InvalidOptionError(`Cannot create ${owner} as \`method\` must be auto, exact or asymptotic: current value is ${String(method)}`)
  return method === 'auto' ? small : method === 'exact'
}

/** Refuses to be exact where it takes more than this many numbers of 8 bytes: a gigabyte. */
export const exactRoom = (owner: string, cells: number): void => {
  if (cells > 2 ** 27) throw new InvalidOptionError(`Cannot create ${owner} as \`method\` must not be exact for so large samples: current value is exact, which takes ${Math.ceil(cells / 2 ** 27)} GB`)
}

/** How a p-value is had by shuffling rows between the samples. */
export interface PermutationOptions {
  /** How many shuffles. The least p-value is 1 / (1 + permutations). */
  readonly permutations?: number
  /** The same seed gives the same p-value. @default 0 */
  readonly seed?: number | string
}

/** A number of permutations, or a coded error. */
export const permutationCount = (owner: string, value: number): number => numberOption(owner, 'permutations', value, { min: 0, integer: true })
