/** What a breaker looks back on: the last so many calls. Pure. */

/** Counts of the calls that are looked at. Every operation is O(1), memory is fixed. */
export interface OutcomeWindow {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** `now` is read by windows of time only. */
  add(failed: boolean, slow: boolean, now: () => number): void
  clear(): void
  /** As plain numbers, oldest first. */
  export(now: number): number[]
  restore(saved: readonly number[], now: number): void
}

/** Makes the windows of the breakers of a layer. */
export interface WindowKind {
  /** As it stands in descriptions and snapshots: `100 calls`, `10000 ms`. */
  readonly name: string
  /** The most calls that it can hold. */
  readonly most: number
  create(): OutcomeWindow
}

/** The last `size` calls: a ring of one byte each. Exported as a number per call: 1 for a failure, plus 2 for a slow call. */
export class CallWindow implements OutcomeWindow {
  calls = 0
  failures = 0
  slow = 0
  readonly #ring: Uint8Array
  #position = 0

  constructor(size: number) {
    this.#ring = new Uint8Array(size)
  }

  add(failed: boolean, slow: boolean): void {
    this.#push((failed ? 1 : 0) + (slow ? 2 : 0))
  }

  #push(bits: number): void {
    const ring = this.#ring
    const oldest = this.calls < ring.length ? 0 : (ring[this.#position] as number)
    if (this.calls < ring.length) this.calls += 1
    this.failures += (bits & 1) - (oldest & 1)
    this.slow += (bits >> 1) - (oldest >> 1)
    ring[this.#position] = bits
    this.#position = this.#position + 1 === ring.length ? 0 : this.#position + 1
  }

  clear(): void {
    this.calls = this.failures = this.slow = this.#position = 0
  }

  export(): number[] {
    const ring = this.#ring
    return Array.from({ length: this.calls }, (_, index) => ring[(this.#position - this.calls + index + ring.length) % ring.length] as number)
  }

  restore(saved: readonly number[]): void {
    for (const bits of saved) this.#push(bits & 3)
  }
}
