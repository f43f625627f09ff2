/** Whether a server answers, told when it changes. */
import type { Clock } from '../../core/clock.js'
import { messageOf } from './_source-errors.js'
import { EventHub, type Observer } from '../../core/events.js'

export class Reachability {
  readonly #layer: string
  readonly #subject: string
  readonly #clock: Clock
  readonly #events = new EventHub()
  #isOffline = false

  constructor(layer: string, subject: string, clock: Clock) {
    this.#layer = layer
    this.#subject = subject
    this.#clock = clock
  }

  observe(observer: Observer): () => void {
    return this.#events.observe(observer, false)
  }

  /** It answered. */
  reached(): void {
    if (!this.#isOffline) return
    this.#isOffline = false
    this.#emit('offline', 'online', 'the server answers again')
  }

  /** It did not. `known`: whether what it said last is used in its place. */
  failed(error: unknown, known: boolean): void {
    if (this.#isOffline) return
    this.#isOffline = true
    this.#emit('online', 'offline', known ? `${messageOf(error)}; what it said last is used` : messageOf(error), { error })
  }

  cacheFailed(error: unknown): void {
    this.#events.emit({ type: 'notice', layer: this.#layer, message: 'The cache of a source could not be used.', error, at: this.#clock.wall() })
  }

  #emit(from: string, to: string, reason: string, data: Readonly<Record<string, unknown>> = {}): void {
    this.#events.emit({ type: 'state', layer: this.#layer, subject: this.#subject, from, to, reason, at: this.#clock.wall(), data })
  }
}
