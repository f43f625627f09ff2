/** What the calls of a short time had to say about a limit. */

/** Runs are told apart by the power of two of their rows, up to 2²³ and more. */
const classes = 24

/** The class of a run of so many rows. */
export const classOf = (rows: number): number => Math.min(classes - 1, 31 - Math.clz32(Math.max(1, rows)))

export class SampleWindow {
  startedAt = 0
  samples = 0
  /** Calls that ran into a limit of time, or were told to stay away. */
  drops = 0
  /** The most that was in flight when a call ended. */
  inFlight = 0
  /** Whether something apart from latency says that there is too much. */
  isPressed = false
  readonly sums: Float64Array = new Float64Array(classes)
  readonly counts: Uint32Array = new Uint32Array(classes)
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  add(rows: number, elapsedMs: number, inFlight: number): void {
    const index = classOf(rows)
    this.sums[index]! += elapsedMs
    this.counts[index]! += 1
    this.samples += 1
    this.saw(inFlight)
  }

  saw(inFlight: number): void {
    if (inFlight > this.inFlight) this.inFlight = inFlight
  }

  /** Whether it has lasted long enough, and has seen enough to judge; after four times as long, ten calls are enough. */
  isOver(now: number, wanted = 10): boolean {
    const elapsedMs = now - this.startedAt
    return elapsedMs >= this.#ms && this.samples + this.drops >= (elapsedMs >= 4 * this.#ms ? 10 : wanted)
  }

  begin(now: number): void {
    this.startedAt = now
    this.samples = this.drops = this.inFlight = 0
    this.isPressed = false
    this.sums.fill(0)
    this.counts.fill(0)
  }
}
