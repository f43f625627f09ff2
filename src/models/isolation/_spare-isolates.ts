/**
 * Isolates without a model: workers whose model was disposed, for the next version, and the process that stands by.
 *
 * A swap of versions takes a worker that waits here, so that it starts none: starting one costs a tenth of a second of a
 * core, which the calls of that moment would notice.
 */
import type { Clock, Timer } from '../../core/clock.js'
import type { Isolate } from './_isolate.js'
import type { IsolateSource } from './_pool.js'
import type { EngineSource } from './_protocol.js'

/** An idle worker that nobody has taken for so long ends. */
export const keepMs = 30_000

export interface SpareSettings {
  start(): Isolate
  /** How they make the engine. */
  source(): EngineSource
  /** So many that come back are kept. */
  readonly keep: number
  readonly standby: boolean
  readonly clock: Clock
}

export class SpareIsolates implements IsolateSource {
  readonly #settings: SpareSettings
  readonly #spares = new Map<Isolate, Timer | undefined>()
  #standby: Isolate | undefined
  #users = 0

  constructor(settings: SpareSettings) {
    this.#settings = settings
  }

  take(): Isolate {
    const spare = this.#standby ?? this.#spares.keys().next().value
    if (spare === undefined) return this.#start()
    this.#forget(spare)
    return spare
  }

  giveBack(isolate: Isolate): boolean {
    const { keep, clock } = this.#settings
    if (this.#spares.size >= keep) return false
    this.#watch(isolate)
    const timer = clock.setTimeout(() => this.#end(isolate), keepMs)
    timer.unref()
    this.#spares.set(isolate, timer)
    return true
  }

  /** A model needs isolates, and may need them again. */
  enter(): void {
    this.#users += 1
  }

  /** The model is gone. With the last one the process that stands by ends too. */
  leave(): void {
    this.#users -= 1
    if (this.#users === 0 && this.#standby !== undefined) this.#end(this.#standby)
  }

  /** Starts the process that stands by, if it is wanted and not there. */
  replenish(): void {
    if (!this.#settings.standby || this.#standby !== undefined || this.#users === 0) return
    this.#standby = this.#start()
    this.#watch(this.#standby)
  }

  #start(): Isolate {
    const source = this.#settings.source()
    const isolate = this.#settings.start()
    isolate.send({ type: 'init', source })
    return isolate
  }

  #watch(isolate: Isolate): void {
    isolate.hold(false)
    // It has no model whose observers could be told: the next one hears why, if it does not start.
    isolate.listener = { onMessage: () => {}, onOutput: (_stream, text) => void process.stderr.write(text), onEnd: () => this.#forget(isolate) }
  }

  #forget(isolate: Isolate): void {
    const timer = this.#spares.get(isolate)
    if (timer !== undefined) this.#settings.clock.clearTimeout(timer)
    this.#spares.delete(isolate)
    if (this.#standby === isolate) this.#standby = undefined
  }

  #end(isolate: Isolate): void {
    this.#forget(isolate)
    isolate.send({ type: 'end' })
  }
}
