import type { OutcomeWindow } from './breaker-window.js'

const BUCKETS = 10

/**
 * The calls of the last `ms` milliseconds, for a breaker: a ring of ten buckets of a tenth each, so that it looks back
 * on between nine and ten tenths. Pure: it is told the time and sets no timer. A clock that steps back counts on in the
 * bucket it had reached; one that jumps by the window or more, to either side, starts anew. Exported as four numbers
 * per bucket: its age in buckets, calls, failures, slow calls.
 */
export class TimeWindow implements OutcomeWindow {
  calls = 0
  failures = 0
  slow = 0
  readonly #bucketMs: number
  readonly #counts = new Float64Array(3 * BUCKETS)
  /** The number of the newest bucket since the origin of the clock. */
  #newest = 0

  constructor(ms: number) {
    this.#bucketMs = ms / BUCKETS
  }

  add(failed: boolean, slow: boolean, now: () => number): void {
    this.#goTo(now())
    this.#tally(0, 1, Number(failed), Number(slow))
  }

  /** Adds to a bucket that is `age` buckets old, and to the sums. */
  #tally(age: number, calls: number, failures: number, slow: number): void {
    const at = this.#at(age)
    const counts = this.#counts
    ;(counts[at] as number) += calls
    ;(counts[at + 1] as number) += failures
    ;(counts[at + 2] as number) += slow
    this.calls += calls
    this.failures += failures
    this.slow += slow
  }

  #at(age: number): number {
    return 3 * ((((this.#newest - age) % BUCKETS) + BUCKETS) % BUCKETS)
  }

  #goTo(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs)
    if (Math.abs(bucket - this.#newest) >= BUCKETS) {
      this.clear()
      this.#newest = bucket
    }
    while (this.#newest < bucket) {
      this.#newest += 1
      const [calls, failures, slow] = this.#bucket(0)
      this.#tally(0, -calls, -failures, -slow)
    }
  }

  #bucket(age: number): [number, number, number] {
    const at = this.#at(age)
    return [...this.#counts.subarray(at, at + 3)] as [number, number, number]
  }

  clear(): void {
    this.calls = this.failures = this.slow = 0
    this.#counts.fill(0)
  }

  export(now: number): number[] {
    this.#goTo(now)
    const saved: number[] = []
    for (let age = BUCKETS - 1; age >= 0; age -= 1) {
      const counts = this.#bucket(age)
      if (counts[0] > 0) saved.push(age, ...counts)
    }
    return saved
  }

  restore(saved: readonly number[], now: number): void {
    this.#goTo(now)
    for (let index = 0; index + 3 < saved.length; index += 4) {
      const [age, calls, failures, slow] = saved.slice(index, index + 4) as [number, number, number, number]
      if (age < BUCKETS) this.#tally(age, calls, failures, slow)
    }
  }
}
