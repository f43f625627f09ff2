/** How far a job is, as its observers are told. */
import type { Clock } from '../core/clock.js'
import type { JobProgress } from './_checkpoint.js'

/** How far a job is. */
export interface ScoringProgress {
  /** Rows that are written or failed, those of earlier runs included. */
  readonly rows: number
  readonly failed: number
  /** Of this run. */
  readonly rowsPerSecond: number
  /** How long it will take at this pace; `undefined` while nobody can tell. */
  readonly etaMs: number | undefined
  /** Bytes of the input that are done, when it is a file of records. */
  readonly bytes: number | undefined
  /** The share that is done, in [0, 1], when the source knows its end. */
  readonly fraction: number | undefined
  /** Whether this is the last one of a job that came to its end. */
  readonly done: boolean
}

/** Where a run of a job began, and where it ends. */
export interface RunSpan {
  readonly from: number
  readonly to: number
  readonly unit: 'bytes' | 'rows' | undefined
  readonly rowsBefore: number
}

/** Tells `listener` of progress, but not more often than every `everyMs`. */
export class ProgressMeter {
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #listener: (progress: ScoringProgress) => void
  readonly #startedAt: number
  #toldAt: number
  /** Set when the job knows. */
  span: RunSpan = { from: 0, to: Infinity, unit: undefined, rowsBefore: 0 }

  constructor(clock: Clock, everyMs: number, listener: (progress: ScoringProgress) => void) {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#listener = listener
    this.#startedAt = this.#toldAt = clock.now()
  }

  /** Says how far the job is, if it is time to. */
  tell(progress: JobProgress, done = false): void {
    const now = this.#clock.now()
    if (!done && now - this.#toldAt < this.#everyMs) return
    this.#toldAt = now
    const { from, to, unit, rowsBefore } = this.span
    const ms = now - this.#startedAt
    const covered = progress.position - from
    const ahead = to - progress.position
    this.#listener({
      rows: progress.rows,
      failed: progress.failed,
      rowsPerSecond: ms > 0 ? ((progress.rows - rowsBefore) * 1000) / ms : 0,
      etaMs: covered > 0 && Number.isFinite(ahead) ? (ms * ahead) / covered : undefined,
      bytes: unit === 'bytes' ? progress.position : undefined,
      fraction: !Number.isFinite(to) ? undefined : to === 0 ? 1 : Math.min(1, progress.position / to),
      done,
    })
  }
}
