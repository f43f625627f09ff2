import type { ReferenceProfile } from '../drift/reference-profile.js'
import type { RowCheck } from './check.js'

/** What a single value may break. `outlier` needs `outliers`. */
export type FieldRule = 'missing' | 'type' | 'nan' | 'infinite' | 'range' | 'category' | 'shape' | 'outlier'

/**
 * What becomes of a row: `reject` fails it with `ERR_OUTRIGGER_INVALID_INPUT`, `fallback` with `ERR_OUTRIGGER_UNFIT_INPUT`, which a
 * `fallback` layer answers for; `flag` lets it pass, and says so in the record.
 */
export type RowAction = 'reject' | 'fallback' | 'flag'

/**
 * Puts another value in the place of a bad one. `mean`, `median` and `mode` are those of the reference profile (of a category always the mode);
 * `last` is the entity's last good value in this process, before the first one the reference's median or mode; `constant` is `value`.
 */
export type Imputation = { readonly impute: 'mean' | 'median' | 'mode' | 'last' } | { readonly impute: 'constant'; readonly value: number | string | boolean | null }

/** What becomes of a bad value, or of its row. `clip` moves a number to the nearest allowed one: for `range`, `infinite`, `outlier`. */
export type FieldAction = RowAction | 'clip' | Imputation

/** What becomes of a field: one action for all rules that it fits, or one per rule. */
export type FieldPolicy = FieldAction | Readonly<Partial<Record<FieldRule, FieldAction>>>

/** How old a row may be. */
export interface Freshness {
  /** A date, an ISO text, or milliseconds since 1970. */
  readonly field: string
  readonly maxAgeMs: number
  /** How far it may lie ahead of the clock. @default as `maxAgeMs` */
  readonly maxAheadMs?: number
  /** @default the policy's `otherwise` */
  readonly action?: RowAction
}

/** A field that never goes back, such as the time of an event; per entity where the policy names one. */
export interface Monotone {
  /** A number, a date or an ISO text. */
  readonly field: string
  /** Whether the same value twice is bad as well. @default false */
  readonly strict?: boolean
  /** @default the policy's `otherwise` */
  readonly action?: RowAction
}

/** When a number lies too far from those of the reference. */
export interface Outliers {
  /** How many robust standard deviations from the median are too many; above 0. @default 6 */
  readonly cut?: number
  /** Also judges all numbers of a row together: the sum of their squared distances, beyond what this share of rows has when numbers are independent and normal. */
  readonly joint?: { readonly alpha: number; readonly action?: RowAction }
}

/** What `validated` does about rows that break a rule. */
export interface ValidationPolicy<I = unknown> {
  /** For whatever is not said below. @default 'reject' */
  readonly otherwise?: RowAction
  /** By rule, for all fields. @default `outlier: 'flag'` */
  readonly rules?: Readonly<Partial<Record<FieldRule, FieldAction>>>
  /** By field; goes before `rules`. */
  readonly fields?: Readonly<Record<string, FieldPolicy>>
  /** Fitted values for imputation and outliers. */
  readonly reference?: ReferenceProfile
  /** Rules over whole rows; see `check`. */
  readonly checks?: readonly RowCheck<I>[]
  readonly fresh?: Freshness
  readonly monotone?: Monotone
  readonly outliers?: Outliers
  /** Whom a row is about: `monotone` and `last` keep their memory by it. A row of which it returns `undefined` or `null`, or throws, is of nobody, with no past. @default all rows are about one */
  readonly entity?: (row: I) => string
  /** How many entities are remembered; the one that was not seen for longest is forgotten. @default 10000 */
  readonly maxEntities?: number
  /** A `state` event `dirty` when more than `share` of `rows` rows broke a rule, `ok` when at most half of that did. @default 0.1 of 1000 */
  readonly alarm?: { readonly share?: number; readonly rows?: number }
  /** What events call it. @default 'input' */
  readonly name?: string
}

/** One rule that a row broke, and what was done. */
export interface QualityFinding {
  /** A {@link FieldRule}, `schema` (Standard Schema), `check`, `stale`, `backwards` or `joint-outlier`. */
  readonly rule: string
  /** The field, or the name of the check. */
  readonly subject: string
  readonly action: 'rejected' | 'fallback' | 'flagged' | 'clipped' | 'imputed'
}
