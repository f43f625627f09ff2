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

/**
 * The places where recorded fields and fields now differ, in the order of the fields; at most `most`, as a list of scores may differ throughout.
 * −0 is 0, and NaN is NaN, as a record cannot tell them.
 *
 * @param isShared - whether fields that only one of both has are passed over: another schema has masked them
 */
export const differencesOf = (recorded: Readonly<Record<string, MaskedValue>>, now: Readonly<Record<string, MaskedValue>>, limits: Limits, { isShared = false, most = 20 }: { readonly isShared?: boolean; readonly most?: number } = {}): Difference[] => {
  const found: Difference[] = []
  const add = (path: string, a: MaskedValue | undefined, b: MaskedValue | undefined, by: number): void => {
    if (found.length < most) found.push({ path, recorded: a, now: b, by })
  }
  const compare = (path: string, a: MaskedValue | undefined, b: MaskedValue | undefined): void => {
    if (typeof a === 'number' && typeof b === 'number') {
      if (tolerancesOf(a, b, limits, false) > 1) add(path, a, b, Math.abs(b - a))
    } else if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
      a.forEach((item: MaskedValue, index) => compare(`${path}[${index}]`, item, b[index] as MaskedValue))
    } else if (a !== b) add(path, a, b, Infinity)
  }
  for (const name of Object.keys(recorded)) if (!isShared || Object.hasOwn(now, name)) compare(name, recorded[name], Object.hasOwn(now, name) ? now[name] : undefined)
  if (!isShared) for (const name of Object.keys(now)) if (!Object.hasOwn(recorded, name)) compare(name, undefined, now[name])
  return found
}

/** The largest difference of numbers, or `Infinity` where something else differs; 0 if nothing does. */
export const sizeOf = (differences: readonly Difference[]): number => differences.reduce((size, { by }) => Math.max(size, by), 0)
