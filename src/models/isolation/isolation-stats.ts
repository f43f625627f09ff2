/** What isolated models have done, and are doing. */

/** A worker or process, now. */
export interface IsolateStats {
  /** `worker 3`, `process 4711`. */
  readonly name: string
  /** `name@version` of its model. */
  readonly model: string
  readonly state: 'loading' | 'idle' | 'busy' | 'leaving'
  /** The process id, where it is one. */
  readonly pid?: number
}

/** See {@link IsolatedEngine.stats}. */
export interface IsolationStats {
  /** Runs that were begun, replays counted again. */
  readonly runs: number
  /** The time that runs took, in milliseconds, added up over all workers. */
  readonly busyMs: number
  /** Runs that wait now. */
  readonly queued: number
  /** Bytes of tensors sent over, and brought back. */
  readonly bytesOut: number
  readonly bytesIn: number
  readonly crashes: number
  readonly restarts: number
  readonly replays: number
  /** Workers that did not come back from a run, and still have not. */
  readonly lost: number
  readonly isolates: readonly IsolateStats[]
}

/** Counts that only grow; those of a disposed model are kept. */
export interface IsolationCounts {
  runs: number
  busyMs: number
  bytesOut: number
  bytesIn: number
  crashes: number
  restarts: number
  replays: number
}

export const noCounts = (): IsolationCounts => ({ runs: 0, busyMs: 0, bytesOut: 0, bytesIn: 0, crashes: 0, restarts: 0, replays: 0 })
