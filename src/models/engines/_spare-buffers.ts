/** The buffers of runs that have ended, for the next ones: to get a new one of 100 kB takes longer than to fill it. */
import type { Data } from './_elements.js'

/** Below, a new one costs little; above, a model would hold on to too much. */
const leastBytes = 16 * 2 ** 10
const mostBytes = 4 * 2 ** 20

type View = Exclude<Data, string[]>

/** One spare buffer per input. */
export class SpareBuffers {
  readonly #own = new WeakSet<ArrayBufferLike>()
  readonly #spares: (View | undefined)[] = []

  /** An array of this length, with whatever is in it. */
  take(input: number, length: number, make: (length: number) => Data): Data {
    const spare = this.#spares[input]
    if (spare !== undefined && spare.length >= length) {
      this.#spares[input] = undefined
      return spare.subarray(0, length)
    }
    const made = make(length)
    if (ArrayBuffer.isView(made) && made.byteLength >= leastBytes && made.byteLength <= mostBytes) this.#own.add(made.buffer)
    return made
  }

  /** Takes back what nobody uses any more; what came from elsewhere is left alone. */
  give(input: number, data: Data): void {
    if (!ArrayBuffer.isView(data) || !this.#own.has(data.buffer)) return
    const whole = new (data.constructor as new (buffer: ArrayBufferLike) => View)(data.buffer)
    if (!((this.#spares[input]?.length ?? 0) > whole.length)) this.#spares[input] = whole
  }
}
