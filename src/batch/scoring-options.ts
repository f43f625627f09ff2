/** How a scoring job asks for rows: what `scoreBatch` and `scoringJob` share. */
import { InvalidOptionError } from '../core/errors.js'
import { functionOption, numberOption } from '../core/options.js'
import type { PredictionRecord } from '../core/record.js'

/** What is known of a row that was answered. */
export interface Scored<I, O> {
  /** The position of the row in the source, from 0. */
  readonly row: number
  readonly input: I
  readonly output: O
  /** What is known about the prediction: its id, the model that served, whether it came from a cache. */
  readonly record: PredictionRecord
}

/** What is written for a row unless `result` says otherwise. */
export interface ScoredRow<O> {
  readonly row: number
  readonly output: O
}

/** A row that failed. */
export interface DeadLetter<I = unknown> {
  /** The position of the row in the source, from 0. */
  readonly row: number
  /** The row, unless it could not be read. */
  readonly input?: I
  /** What stands there instead of a row; at most 64 K characters. */
  readonly text?: string
  readonly error: { readonly name: string; readonly code?: string; readonly message: string }
}

/** How rows are asked for. */
export interface ScoringOptions<I> {
  /** A run has at most so many rows. @default 256 */
  readonly batchSize?: number
  /** So many runs are in flight at once. @default 1 */
  readonly concurrency?: number
  /** The priority of the calls. Online calls have 0, so that a job goes last and is shed first. @default -10 */
  readonly priority?: number
  /** No run takes longer, in milliseconds. @default Infinity */
  readonly timeoutMs?: number
  /** What routing sticks to, by row. */
  readonly key?: (input: I) => string | undefined
  /** Labels for records. */
  readonly tags?: Readonly<Record<string, string>>
  /**
   * Rows that are rejected for want of capacity (an open circuit, a rate limit, shed load) are asked for again for so long
   * before they fail, in milliseconds. @default 60_000
   */
  readonly waitMs?: number
  /** The job stops when more rows have failed. @default Infinity where there are dead letters, else 0 */
  readonly maxFailures?: number
  /** The job stops when a greater share of at least 100 rows has failed. @default 1 */
  readonly maxFailureRate?: number
}

/** The options with their defaults, checked. */
export interface AskOptions<I> {
  readonly batchSize: number
  readonly concurrency: number
  readonly priority: number
  readonly timeoutMs: number
  readonly key: ((input: I) => string | undefined) | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  readonly waitMs: number
  readonly maxFailures: number
  readonly maxFailureRate: number
}

/** The names of {@link ScoringOptions}. */
export const scoringOptionNames: readonly string[] = ['batchSize', 'concurrency', 'priority', 'timeoutMs', 'key', 'tags', 'waitMs', 'maxFailures', 'maxFailureRate'] satisfies (keyof ScoringOptions<unknown>)[]

/** Checks the options. */
export const askOptions = <I>(owner: string, options: ScoringOptions<I>, hasDeadLetters: boolean): AskOptions<I> => {
  const { tags } = options
  if (tags !== undefined && (typeof tags !== 'object' || tags === null)) throw new InvalidOptionError(`Cannot create ${owner} as \`tags\` must be an object: current value is of type ${typeof tags}`)
  return {
    batchSize: numberOption(owner, 'batchSize', options.batchSize ?? 256, { min: 1, max: 1_000_000, integer: true }),
    concurrency: numberOption(owner, 'concurrency', options.concurrency ?? 1, { min: 1, max: 10_000, integer: true }),
    priority: numberOption(owner, 'priority', options.priority ?? -10),
    timeoutMs: numberOption(owner, 'timeoutMs', options.timeoutMs ?? Infinity, { min: 0, exclusive: true, infinite: true }),
    key: functionOption(owner, 'key', options.key),
    tags,
    waitMs: numberOption(owner, 'waitMs', options.waitMs ?? 60_000, { min: 0, infinite: true }),
    maxFailures: numberOption(owner, 'maxFailures', options.maxFailures ?? (hasDeadLetters ? Infinity : 0), { min: 0, integer: true, infinite: true }),
    maxFailureRate: numberOption(owner, 'maxFailureRate', options.maxFailureRate ?? 1, { min: 0, max: 1 }),
  }
}
