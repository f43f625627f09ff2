/** How a loader tells what it does: state events of versions, and notices. */
import type { Clock } from '../../core/clock.js'
import type { EventHub, NoticeEvent, StateEvent } from '../../core/events.js'
import type { ModelVersion } from '../store/model-store.js'

const layer = 'model-loader'

/** `name@version`: what events call a version. */
export const subjectOf = (version: Pick<ModelVersion, 'name' | 'version'>): string => `${version.name}@${version.version}`

export class Reporter {
  readonly #events: EventHub
  readonly #clock: Clock

  constructor(events: EventHub, clock: Clock) {
    this.#events = events
    this.#clock = clock
  }

  state(subject: string, from: string, to: string, reason: string, data: Readonly<Record<string, unknown>>): void {
    this.#events.emit({ type: 'state', layer, subject, from, to, reason, at: this.#clock.wall(), data })
  }

  /** Somebody else's. */
  pass(event: StateEvent | NoticeEvent): void {
    this.#events.emit(event)
  }

  notice(message: string, error?: unknown, data?: Readonly<Record<string, unknown>>): void {
    this.#events.emit({ type: 'notice', layer, message, at: this.#clock.wall(), ...(error === undefined ? {} : { error }), ...(data === undefined ? {} : { data }) })
  }
}
