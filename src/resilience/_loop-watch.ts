/** Asks a monitor of the event loop now and then, only while calls pass. */
import type { LayerHost } from '../core/layer.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import { eventLoopMonitor, type EventLoopMonitor } from './event-loop.js'

/** How late the event loop may be. */
export interface EventLoopOptions {
  /** There is too much when what is ready waits longer than this on average, in milliseconds. */
  readonly maxDelayMs: number
  /** @default the event loop of this thread */
  readonly monitor?: EventLoopMonitor
}

const everyMs = 250

export class LoopWatch {
  readonly maxDelayMs: number
  /** As of the last look, in milliseconds. */
  delayMs = 0
  readonly #given: EventLoopMonitor | undefined
  #own: EventLoopMonitor | undefined
  #lookedAt = -Infinity

  constructor(owner: string, options: EventLoopOptions) {
    optionsObject(`the event loop of ${owner}`, options, ['maxDelayMs', 'monitor'])
    this.maxDelayMs = numberOption(owner, 'maxDelayMs', options.maxDelayMs, { min: 0, exclusive: true })
    this.#given = options.monitor === undefined ? undefined : membersOption(owner, 'monitor', options.monitor, ['delayMs', 'close'])
  }

  /** Whether it looked, and the loop was late. */
  look(now: number, host: LayerHost): boolean {
    // Several predictors may share it, on clocks of their own.
    if (Math.abs(now - this.#lookedAt) < everyMs) return false
    this.#lookedAt = now
    try {
      this.delayMs = (this.#given ?? (this.#own ??= eventLoopMonitor())).delayMs()
    } catch (error) {
      this.delayMs = 0
      host.emit({ type: 'notice', message: 'The monitor of the event loop threw; its word is left out.', error })
    }
    return this.delayMs > this.maxDelayMs
  }

  /** Ends a monitor of its own; one that was given is its owner's. */
  close(): void {
    this.#own?.close()
    this.#own = undefined
  }
}
