/** Server-sent events: the same text to everybody who listens, when it is due. */
import type { Clock, Timer } from '../core/clock.js'

const encoder = new TextEncoder()

/** Sends to at most `most` listeners. Who reads too slowly misses some, and nothing is kept for them. */
export class LiveStream {
  readonly #everyMs: number
  readonly #most: number
  readonly #clock: Clock
  readonly #text: () => string
  readonly #listeners = new Set<ReadableStreamDefaultController<Uint8Array>>()
  #timer: Timer | undefined

  constructor(options: { readonly everyMs: number; readonly most: number; readonly clock: Clock; readonly text: () => string }) {
    this.#everyMs = options.everyMs
    this.#most = options.most
    this.#clock = options.clock
    this.#text = options.text
  }

  /** A stream that begins with what is there now; `undefined` if there are too many. */
  open(): ReadableStream<Uint8Array> | undefined {
    if (this.#listeners.size >= this.#most) return undefined
    let own: ReadableStreamDefaultController<Uint8Array>
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller
        this.#listeners.add(controller)
        controller.enqueue(encoder.encode(`retry: 3000\n${this.#event()}`))
        this.#schedule()
      },
      cancel: () => this.#leave(own),
    })
  }

  close(): void {
    for (const listener of this.#listeners) {
      this.#leave(listener)
      listener.close()
    }
  }

  /** JSON has no line break, so that it is one line of data. */
  #event(): string {
    return `data: ${this.#text()}\n\n`
  }

  #leave(listener: ReadableStreamDefaultController<Uint8Array>): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0 || this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #schedule(): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      let bytes: Uint8Array
      try {
        bytes = encoder.encode(this.#event())
      } catch (error) {
        // Whoever listens asks again, and is told.
        for (const listener of this.#listeners) listener.error(error)
        this.#listeners.clear()
        return
      }
      for (const listener of this.#listeners) if ((listener.desiredSize ?? 0) > 0) listener.enqueue(bytes)
      this.#schedule()
    }, this.#everyMs)
    this.#timer.unref()
  }
}
