/** The runs that are in a loaded model: none starts once it ends, and its end waits for those under way. */
import { OutriggerError } from '../../core/errors.js'

export class Runs {
  readonly #model: string
  #count = 0
  #whenIdle: (() => void) | undefined
  #end: Promise<void> | undefined

  /** @param model - as messages call it */
  constructor(model: string) {
    this.#model = model
  }

  /** @throws `ERR_OUTRIGGER_CLOSED` after {@link Runs.end} */
  async during<T>(run: () => Promise<T>): Promise<T> {
    if (this.#end !== undefined) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot run ${this.#model} as it must not be disposed: current value is disposed`)
    this.#count += 1
    try {
      return await run()
    } finally {
      this.#count -= 1
      if (this.#count === 0) this.#whenIdle?.()
    }
  }

  /** Calls `free` once, after the last run. */
  end(free: () => void | Promise<void>): Promise<void> {
    return (this.#end ??= this.#free(free))
  }

  async #free(free: () => void | Promise<void>): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    await free()
  }
}
