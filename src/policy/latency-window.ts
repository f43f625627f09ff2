/** What latencies were lately, in a fixed space. Pure: it is told latencies, and it knows no clock. */

/** Steps per doubling: a bucket is 9 % wide, and values within it are told apart by interpolation. */
const perOctave = 8
/** The first bucket holds everything below 2^lowest ms, about 16 µs; the last one everything above 2^24 ms, about 4.7 hours. */
const lowest = -6
const buckets = (24 - lowest) * perOctave

/**
 * The latencies of the last calls, for quantiles: a histogram with buckets of equal ratio that forgets.
 *
 * A latency x goes to bucket ⌊8 · log₂(x / 2⁻⁶)⌋, so that a quantile is right to 9 %, and better by interpolation. When the
 * window holds twice `size` latencies all counts are halved: what is told weighs the last `size` to 2 · `size` of them,
 * older ones ever less. `record` costs O(1), a quantile O(buckets) and only once in 32nds of the window; memory is 2 KB.
 *
 * It misleads when latencies change faster than `size` calls take, and when those of calls that were given up are left
 * out: tell it what they had taken by then, if that is above the quantile that is asked for, and the quantile stays right.
 * Idea: G. Tene's HdrHistogram (2014), with halving in the place of its interval logs.
 *
 * @example
 * ```ts
 * import { LatencyWindow } from 'outrigger/policy'
 * const window = new LatencyWindow()
 * for (let call = 1; call <= 1000; call += 1) window.record(call / 10)
 * const p95 = window.quantile(0.95)
 * assert.ok(p95 > 95 / 1.05 && p95 < 95 * 1.05)
 * ```
 */
export class LatencyWindow {
  readonly #counts = new Float64Array(buckets)
  readonly #size: number
  #count = 0
  #recorded = 0
  /** The quantile that was asked for last, and when. */
  #share = Number.NaN
  #answer = 0
  #answeredAt = 0

  /** @param size - half of what it remembers at most, at least 1 */
  constructor(size = 1000) {
    this.#size = size
  }

  /** How many latencies it holds, old ones in part. */
  get count(): number {
    return this.#count
  }

  /** Takes a latency in milliseconds. One that is negative or no number is none. */
  record(ms: number): void {
    if (!(ms >= 0)) return
    const bucket = Math.max(0, Math.min(buckets - 1, Math.floor((Math.log2(ms) - lowest) * perOctave)))
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#count += 1
    this.#recorded += 1
    if (this.#count < 2 * this.#size) return
    this.#count /= 2
    for (let index = 0; index < buckets; index += 1) this.#counts[index] = (this.#counts[index] as number) / 2
  }

  /** The latency below which this share of the calls was, in milliseconds; 0 when it holds none. It may be as old as a 32nd of the window. */
  quantile(share: number): number {
    if (share !== this.#share || (this.#recorded - this.#answeredAt) * 32 >= this.#count) {
      this.#share = share
      this.#answer = this.#compute(share)
      this.#answeredAt = this.#recorded
    }
    return this.#answer
  }

  #compute(share: number): number {
    let left = share * this.#count
    let answer = 0
    for (let bucket = 0; bucket < buckets; bucket += 1) {
      const here = this.#counts[bucket] as number
      if (here === 0) continue
      answer = 2 ** (lowest + (bucket + Math.min(1, Math.max(0, left) / here)) / perOctave)
      if (left <= here) break
      left -= here
    }
    return answer
  }
}
