/** What differs between an answer as it was recorded, and the answer now. */
import type { MaskedValue } from '../core/masking.js'
import { numberOption, optionsObject } from '../core/options.js'
import { tolerancesOf } from '../route/comparison/tolerance.js'

/** When two numbers count as the same: within any of these. What is left out is 0; a number is `absolute` and `relative` at once. */
export type ReplayTolerance = number | { readonly absolute?: number; readonly relative?: number; readonly ulps?: number }

/** One place where two values differ. */
export interface Difference {
  /** `delay`, `scores[3]`. */
  readonly path: string
  readonly recorded: MaskedValue | undefined
  readonly now: MaskedValue | undefined
  /** How far two numbers are apart; `Infinity` for anything else. */
  readonly by: number
}

type Limits = Required<Exclude<ReplayTolerance, number>>

/** The tolerance with all its parts. */
export const limitsOf = (owner: string, tolerance: ReplayTolerance = 0): Limits => {
  if (typeof tolerance === 'number') {
    const both = numberOption(owner, 'tolerance', tolerance, { min: 0 })
    return { absolute: both, relative: both, ulps: 0 }
  }
  optionsObject(`the tolerance of ${owner}`, tolerance, ['absolute', 'relative', 'ulps'])
  const part = (name: keyof Limits): number => numberOption(owner, `tolerance.${name}`, tolerance[name] ?? 0, { min: 0 })
  return { absolute: part('absolute'), relative: part('relative'), ulps: part('ulps') }
}

/** So many differences of one answer are kept: a list of scores may differ throughout. */
export const mostKept = 20

/** What came of comparing fields. */
export interface Comparison {
  /** In the order of the fields; the first 20. */
  readonly differences: readonly Difference[]
  /** How many there are. */
  readonly count: number
  /** The fields that differ, and the largest difference in each of all its numbers; `Infinity` where something else differs. */
  readonly fields: ReadonlyMap<string, number>
  /** How many fields were compared. */
  readonly compared: number
  /** Fields that only one of both has, and that were passed over. */
  readonly unshared: readonly string[]
}

type FieldValues = Readonly<Record<string, MaskedValue>>

/**
 * Where recorded fields and fields now differ. −0 is 0, and NaN is NaN, as a record cannot tell them.
 *
 * @param isShared - whether fields that only one of both has are passed over: another schema has masked them
 */
export const comparisonOf = (recorded: FieldValues, now: FieldValues, limits: Limits, isShared = false): Comparison => {
  const differences: Difference[] = []
  const fields = new Map<string, number>()
  const unshared: string[] = []
  let count = 0
  let compared = 0
  let field = ''
  const add = (path: string, a: MaskedValue | undefined, b: MaskedValue | undefined, by: number): void => {
    count += 1
    fields.set(field, Math.max(fields.get(field) ?? 0, by))
    if (count <= mostKept) differences.push({ path, recorded: a, now: b, by })
  }
  const compare = (path: string, a: MaskedValue | undefined, b: MaskedValue | undefined): void => {
    if (typeof a === 'number' && typeof b === 'number') {
      if (tolerancesOf(a, b, limits, false) > 1) add(path, a, b, Math.abs(b - a))
    } else if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
      a.forEach((item: MaskedValue, index) => compare(`${path}[${index}]`, item, b[index] as MaskedValue))
    } else if (a !== b) add(path, a, b, Infinity)
  }
  const own = (values: FieldValues, name: string): MaskedValue | undefined => (Object.hasOwn(values, name) ? values[name] : undefined)
  for (field of new Set([...Object.keys(recorded), ...Object.keys(now)])) {
    if (isShared && !(Object.hasOwn(recorded, field) && Object.hasOwn(now, field))) unshared.push(field)
    else {
      compared += 1
      compare(field, own(recorded, field), own(now, field))
    }
  }
  return { differences, count, fields, compared, unshared }
}

/** The places where they differ, where that is all one asks. */
export const differencesOf = (recorded: FieldValues, now: FieldValues, limits: Limits, isShared = false): readonly Difference[] => comparisonOf(recorded, now, limits, isShared).differences
