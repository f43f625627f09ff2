/** What became of the rows that a shadow sampled. */
import type { OutputComparison } from './comparison/output-comparison.js'

/**
 * Why a row was not shown to the candidate: all places taken (`concurrency`), too much kept (`bytes`), no extra work left (`budget`), the candidate failing
 * (`breaker`), the main thread busy (`guard`), an input or answer that is no plain data (`copy`), a primary that was rejected or whose caller had left
 * (`primary`), the candidate's own stack turning it away (`rejected`), the predictor closed (`closed`).
 */
export type ShadowDropReason = (typeof dropReasons)[number]

const dropReasons = ['concurrency', 'bytes', 'budget', 'breaker', 'guard', 'copy', 'primary', 'rejected', 'closed'] as const

/** What became of the rows. Once nothing runs, `sampled` = `compared` + `failed` + `primaryFailed` + `bothFailed` + `dropped`. */
export interface ShadowCounts {
  /** Rows chosen for the candidate, of which the primary has ended. */
  readonly sampled: number
  /** Rows that both answered. */
  readonly compared: number
  /** Of those, how many agreed. */
  readonly agreed: number
  /** Rows that the primary answered and for which the candidate failed, or took too long. */
  readonly failed: number
  /** Of the candidate's failures, how many were for its taking too long. */
  readonly timedOut: number
  /** Rows for which the primary failed and the candidate answered. */
  readonly primaryFailed: number
  readonly bothFailed: number
  /** Rows that the candidate never saw. They are not like the others: more of them come at busy times. */
  readonly dropped: number
  readonly droppedBy: Readonly<Record<ShadowDropReason, number>>
  /** The share of the ended rows that the candidate saw: what the comparison speaks for. `NaN` before the first. */
  readonly coverage: number
  /** Runs under way, those that were given up and have not ended among them. */
  readonly running: number
  readonly waiting: number
  /** What is kept for runs, in bytes, roughly. */
  readonly bytes: number
}

/** What hears what became of the rows, too, and keeps it over restarts. */
type Counted = Pick<OutputComparison, 'addDropped' | 'addFailure'>

/** Counts while runs go on. */
export class ShadowTally {
  sampled = 0
  compared = 0
  agreed = 0
  failed = 0
  timedOut = 0
  primaryFailed = 0
  bothFailed = 0
  readonly droppedBy: Record<ShadowDropReason, number> = Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<ShadowDropReason, number>

  readonly #comparison: Counted

  constructor(comparison: Counted) {
    this.#comparison = comparison
  }

  drop(reason: ShadowDropReason, rows: number): void {
    this.droppedBy[reason] += rows
    this.#comparison.addDropped(rows)
  }

  /** One of the models failed for a row, or both. */
  fail(who: 'candidate' | 'primary' | 'both'): void {
    if (who === 'candidate') this.failed += 1
    else this[`${who}Failed`] += 1
    this.#comparison.addFailure(who)
  }

  counts(places: { readonly running: { readonly size: number }; readonly waiting: readonly unknown[]; readonly bytes: number }): ShadowCounts {
    const { sampled, compared, agreed, failed, timedOut, primaryFailed, bothFailed } = this
    const droppedBy = { ...this.droppedBy }
    const dropped = Object.values(droppedBy).reduce((sum, rows) => sum + rows, 0)
    const seen = compared + failed + primaryFailed + bothFailed
    return { sampled, compared, agreed, failed, timedOut, primaryFailed, bothFailed, dropped, droppedBy, coverage: seen / (seen + dropped), running: places.running.size, waiting: places.waiting.length, bytes: places.bytes }
  }
}
