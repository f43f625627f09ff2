/** Takes alerts to one sink, one after the other, and never keeps anybody waiting. */
import type { Clock } from '../../core/clock.js'
import type { AlertMessage, AlertSink } from './alert-message.js'

const maxWaiting = 100
/** A sink that does not answer for so long must not keep later alerts back. */
const longestMs = 5 * 60_000

/** What became of the alerts of a sink. */
export interface DeliveryCounts {
  readonly sent: number
  readonly failed: number
  /** Left out, as too many waited. */
  readonly dropped: number
  readonly waiting: number
}

export class Delivery {
  readonly #sink: AlertSink
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  readonly #closing = new AbortController()
  readonly #waiting: AlertMessage[] = []
  #running: Promise<void> | undefined
  #sent = 0
  #failed = 0
  #dropped = 0

  constructor(sink: AlertSink, clock: Clock, onFailure: (error: unknown) => void) {
    this.#sink = sink
    this.#clock = clock
    this.#onFailure = onFailure
  }

  get counts(): DeliveryCounts {
    return { sent: this.#sent, failed: this.#failed, dropped: this.#dropped, waiting: this.#waiting.length }
  }

  send(message: AlertMessage): void {
    this.#waiting.push(message)
    if (this.#waiting.length > maxWaiting) {
      this.#waiting.shift()
      this.#dropped += 1
    }
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  /** When all have been taken there. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Ends what is under way. */
  abort(): void {
    this.#dropped += this.#waiting.splice(0).length
    this.#closing.abort()
  }

  async #run(): Promise<void> {
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      try {
        await this.#take(message)
        this.#sent += 1
      } catch (error) {
        this.#failed += 1
        this.#onFailure(error)
      }
    }
  }

  async #take(message: AlertMessage): Promise<void> {
    const clock = this.#clock
    const controller = new AbortController()
    const { signal } = this.#closing
    const end = (): void => controller.abort(signal.reason)
    const timer = clock.setTimeout(() => controller.abort(new Error(`Cannot wait for a sink of alerts any longer: current value is ${longestMs} ms`)), longestMs)
    timer.unref()
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
    try {
      const isAborted = new Promise<never>((_, reject) => {
        if (controller.signal.aborted) reject(controller.signal.reason as Error)
        else controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error), { once: true })
      })
      isAborted.catch(() => {})
      // In a turn of its own, as a sink may work before its first `await`.
      await Promise.race([Promise.resolve().then(() => this.#sink(message, controller.signal)), isAborted])
    } finally {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
  }
}
