/** One life of a version in a loader: its state, how long it was in each, and an event for every step. */
import type { Clock } from '../../core/clock.js'
import type { ModelVersion } from '../store/model-store.js'
import { subjectOf, type Reporter } from './_reporter.js'
import { mayGo, type VersionOrigin, type VersionState } from './version-state.js'

export class VersionLife {
  readonly version: ModelVersion
  readonly #clock: Clock
  readonly #reporter: Reporter
  readonly #durations: Partial<Record<VersionState, number>> = {}
  #state: VersionOrigin
  #enteredAt: number
  /** When it came to its state, in milliseconds since 1970. */
  since: number

  constructor(version: ModelVersion, clock: Clock, reporter: Reporter, state: 'absent' | 'quarantined' = 'absent') {
    this.version = version
    this.#clock = clock
    this.#reporter = reporter
    this.#state = state
    this.#enteredAt = clock.now()
    this.since = clock.wall()
  }

  get state(): VersionOrigin {
    return this.#state
  }

  /** Milliseconds in each state that it has left. */
  get durations(): Readonly<Partial<Record<VersionState, number>>> {
    return { ...this.#durations }
  }

  /** @throws `Error` if there is no such way: a mistake in the loader */
  go(to: VersionState, reason: string, data: Readonly<Record<string, unknown>> = {}): void {
    const from = this.#state
    if (!mayGo(from, to)) throw new Error(`Cannot go from ${from} to ${to} with ${subjectOf(this.version)}: a mistake in the loader`)
    const now = this.#clock.now()
    const durationMs = now - this.#enteredAt
    if (from !== 'absent') this.#durations[from] = (this.#durations[from] ?? 0) + durationMs
    this.#state = to
    this.#enteredAt = now
    this.since = this.#clock.wall()
    // Where the way through the gate ends, all of it is told.
    const isEnd = from === 'checking' || to === 'quarantined'
    this.#reporter.state(subjectOf(this.version), from, to, reason, { digest: this.version.digest, ...(from === 'absent' ? {} : { durationMs }), ...(isEnd ? { durations: this.durations } : {}), ...data })
  }
}
