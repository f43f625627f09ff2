import { OptionRangeError, InvalidOptionError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import type { DriftState } from '../drift-verdict.js'

/** Which number says how much changed. */
export type EffectMeasure = 'kolmogorov-smirnov-distance' | 'cramers-v' | 'wasserstein-distance' | 'jensen-shannon-distance' | 'hellinger-distance' | 'population-stability-index' | 'maximum-mean-discrepancy' | 'auc' | 'cliffs-delta'

/** What a batch detector says of two samples. Each detector has this one result. */
export interface BatchVerdict {
  /** `ok` only where a drift of size `detect` would have been found in four of five cases; else `too-few-rows`. */
  readonly state: DriftState
  /** How much changed, with an interval that is made for effects and not only for "none". `NaN` if a sample is empty. */
  readonly effect: { readonly measure: EffectMeasure; readonly value: number; readonly low: number; readonly high: number }
  /** Of "nothing changed", where both samples are samples. `NaN` if a sample is empty. */
  readonly pValue: number
  readonly rows: { readonly reference: number; readonly live: number }
  /** How many live rows an `ok` needs beside this reference; `Infinity` if the reference is too small for any number. */
  readonly rowsNeeded: number
}

/** Options that all batch detectors have. */
export interface BatchDetectorOptions {
  /** The probability of a false alarm on unchanged data, at most; (0, 0.5]. @default 0.05 */
  readonly alpha?: number
  /** Differences that surely do not exceed it are no drift: the alarm needs the lower bound of the effect above it. 0 leaves the decision to `pValue`. Defaults differ. */
  readonly tolerance?: number
  /** The effect that must not be missed, above `tolerance`; `rowsNeeded` follows from it. Defaults differ; at least twice the tolerance. */
  readonly detect?: number
  /** The probability that the effect's interval should cover. @default 0.95 */
  readonly level?: number
  /** The same seed gives the same answer. @default 0 */
  readonly seed?: number | string
}

/** Options of the detectors that get their p-value by shuffling. */
export interface ShuffledDetectorOptions extends BatchDetectorOptions {
  /** How many shuffles. The least p-value is 1 / (1 + permutations), which `alpha` must allow. @default 999 */
  readonly permutations?: number
}

/** Below this in either sample nothing is said but `too-few-rows`. */
export const fewestRows = 20
/** How often a drift of size `detect` is to be found. */
export const power = 0.8

/** What differs between detectors: their names, and what is none, enough and all. */
interface Owner {
  readonly name: string
  readonly tolerance: number
  readonly detect: number
  /** The effect of no change, and the largest one. */
  readonly none?: number
  readonly most: number
  readonly permutations?: number
}

const common = ['alpha', 'tolerance', 'detect', 'level', 'seed'] as const

/** The common options with their defaults, checked. */
export const readBatchOptions = (owner: Owner, options: ShuffledDetectorOptions, own: readonly string[] = []): Required<ShuffledDetectorOptions> => {
  const { name, none = 0, most } = owner
  optionsObject(name, options, [...common, ...(owner.permutations === undefined ? [] : ['permutations']), ...own])
  const { alpha = 0.05, tolerance = owner.tolerance, level = 0.95, seed = 0, permutations = owner.permutations ?? 0 } = options
  const detect = options.detect ?? Math.min(Math.max(owner.detect, none + 2 * (tolerance - none)), (tolerance + most) / 2)
  if (typeof seed !== 'string') numberOption(name, 'seed', seed)
  numberOption(name, 'alpha', alpha, { min: 0, max: 0.5, exclusive: true })
  numberOption(name, 'tolerance', tolerance, { min: none, max: most })
  if (!(numberOption(name, 'level', level, { min: 0, max: 1, exclusive: true }) < 1)) throw new InvalidOptionError(`Cannot create ${name} as \`level\` must be below 1: current value is ${level}`)
  numberOption(name, 'detect', detect, { min: tolerance, max: most, exclusive: true })
  if (owner.permutations !== undefined) {
    numberOption(name, 'permutations', permutations, { min: 19, integer: true })
    if (alpha * (permutations + 1) < 1) throw new OptionRangeError(`Cannot create ${name} as \`permutations\` must reach \`alpha\`, by at least ${Math.ceil(1 / alpha) - 1} of them: current value is ${permutations}`)
  }
  return { alpha, tolerance, detect, level, seed, permutations }
}

/** What a detector found, before it is judged. */
export interface Found {
  readonly measure: EffectMeasure
  readonly value: number
  readonly low: number
  readonly high: number
  readonly pValue: number
  readonly reference: number
  readonly live: number
  /** By the power calculation. */
  readonly rowsNeeded: number
}

/** The state: drifted if p ≤ alpha and the effect surely exceeds the tolerance (on either side of 0); ok if the rows suffice. */
export const judged = ({ measure, value, low, high, pValue, reference, live, rowsNeeded: byPower }: Found, { alpha, tolerance }: Required<BatchDetectorOptions>, none = 0): BatchVerdict => {
  const rowsNeeded = reference < fewestRows ? Infinity : Math.max(fewestRows, byPower)
  const beyond = tolerance === none || low > tolerance || high < none - (tolerance - none)
  const drifted = Math.min(reference, live) >= fewestRows && pValue <= alpha && beyond
  return { state: drifted ? 'drifted' : live < rowsNeeded ? 'too-few-rows' : 'ok', effect: { measure, value, low, high }, pValue, rows: { reference, live }, rowsNeeded }
}

/** The live rows with which 1/n + 1/m falls to `spread`. */
export const liveRowsFor = (spread: number, reference: number): number => {
  const rest = spread - 1 / reference
  return rest > 0 ? Math.ceil(1 / rest - 1e-9) : Infinity
}
