/** What finds the number of calls that may run at once. */

/** A call that ended with an answer. */
export interface LimitSample {
  /** The rows of the run; 1 for a single call. */
  readonly rows: number
  readonly startedAt: number
  readonly endedAt: number
  /** How many calls were in flight when it ended, itself included. */
  readonly inFlight: number
}

/** What can be saved and restored. */
export interface LimitSnapshot {
  readonly limit: number
  /** The latency without a queue, in milliseconds, by the power of two of the rows of a run; 0 where nothing is known. */
  readonly baselineMs: readonly number[]
}

/** Finds a limit from what becomes of calls. Pure: it is told the time. */
export interface ConcurrencyLimit {
  /** So many calls may run at once; a whole number. */
  readonly limit: number
  /** Why it changed last. */
  readonly reason: string
  /** A call ended with an answer. */
  succeed(sample: LimitSample): void
  /** A call was given up, or told to stay away, because there was too much; how long it took says nothing. */
  drop(now: number, inFlight: number): void
  /** Something else says that there is too much: the event loop is late. It counts once per window. */
  press(): void
  export(): LimitSnapshot
  restore(snapshot: LimitSnapshot): void
}
