import { isCount } from './_sketch-state.js'

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const high = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** The cubic that stands for log₂(1 + s) on [0, 1): 0 at 0, 1 at 1, and nowhere flatter in ln(1 + s) than 10/7. */
const [a, b, c] = [6 / 35, -3 / 5, 10 / 7]
const cubic = (s: number): number => ((a * s + b) * s + c) * s

/** The s of which `cubic(s)` is this. */
const inverseCubic = (y: number): number => {
  let [from, to] = [0, 1]
  for (let step = 0; step < 60; step++) {
    const middle = (from + to) / 2
    if (cubic(middle) < y) from = middle
    else to = middle
  }
  return to
}

/** Counts of positive numbers by logarithmic bucket; at most so many, the smallest sharing the lowest. */
export class LogBuckets {
  /** Buckets per octave. */
  readonly #perOctave: number
  readonly #max: number
  #counts = new Float64Array(0)
  /** The number of the bucket that `#counts[0]` is. */
  #from = 0
  /** Of the highest bucket that has a value. */
  #top = -Infinity
  total = 0

  constructor(relativeAccuracy: number, maxBuckets: number) {
    this.#perOctave = 0.7 / Math.log1p((2 * relativeAccuracy) / (1 - relativeAccuracy))
    this.#max = maxBuckets
  }

  add(value: number): void {
    double[0] = value
    const word = words[high] as number
    words[high] = (word & 0xfffff) | 0x3ff00000
    const s = (double[0] as number) - 1
    this.#count(Math.ceil(((word >>> 20) - 1023 + cubic(s)) * this.#perOctave), 1)
  }

  merge(other: LogBuckets): void {
    // From above: the range is settled first.
    for (let index = other.#counts.length - 1; index >= 0; index--) {
      const count = other.#counts[index] as number
      if (count > 0) this.#count(other.#from + index, count)
    }
  }

  /** The middle of the bucket that holds the value of this rank. */
  valueAt(rank: number): number {
    let rest = rank
    let index = 0
    while (index < this.#counts.length - 1 && rest >= (this.#counts[index] as number)) rest -= this.#counts[index++] as number
    const [lower, upper] = [this.#edge(this.#from + index - 1), this.#edge(this.#from + index)]
    // The point of which both ends are off by the same share. The upper end itself may be out of range.
    const ratio = (lower.head / upper.head) * 2 ** (lower.octave - upper.octave)
    return lower.head * 2 ** lower.octave * (2 / (1 + ratio))
  }

  toJSON(): { from: number; counts: number[] } {
    let [first, end] = [0, this.#counts.length]
    while (first < end && this.#counts[first] === 0) first += 1
    while (end > first && this.#counts[end - 1] === 0) end -= 1
    return first === end ? { from: 0, counts: [] } : { from: this.#from + first, counts: [...this.#counts.subarray(first, end)] }
  }

  /** Whether the JSON value was a state; it is this one then. */
  restore(state: unknown): boolean {
    const { from, counts } = (typeof state === 'object' && state !== null ? state : {}) as { from?: unknown; counts?: unknown }
    if (!Number.isSafeInteger(from) || !Array.isArray(counts) || counts.length > this.#max || !counts.every(isCount)) return false
    for (let index = counts.length - 1; index >= 0; index--) if ((counts[index] as number) > 0) this.#count((from as number) + index, counts[index] as number)
    return true
  }

  #count(bucket: number, times: number): void {
    if (bucket > this.#top) this.#raise(bucket)
    let index = bucket - this.#from
    if (index < 0) index = this.#lower(bucket)
    this.#counts[index] = (this.#counts[index] as number) + times
    this.total += times
  }

  /** The upper end of a bucket: head · 2^octave. */
  #edge(bucket: number): { readonly head: number; readonly octave: number } {
    const y = bucket / this.#perOctave
    const octave = Math.floor(y)
    return { head: 1 + inverseCubic(y - octave), octave }
  }

  /** Makes a bucket the highest; what then lies too far below is collapsed: the array is never longer than `#max`. */
  #raise(bucket: number): void {
    const isFirst = this.#top === -Infinity
    this.#top = bucket
    if (isFirst) this.#resize(bucket, bucket)
    else if (bucket >= this.#from + this.#counts.length) this.#resize(this.#from, bucket)
  }

  /** Makes room down to a bucket, as far as there may be; the index that counts it. */
  #lower(bucket: number): number {
    const lowest = this.#top - this.#max + 1
    if (this.#from > lowest) this.#resize(Math.max(lowest, bucket), this.#from + this.#counts.length - 1)
    return Math.max(0, bucket - this.#from)
  }

  /** Buckets from `from` to `to` and some more, of which `#max` may lie below the top one. */
  #resize(from: number, to: number): void {
    const lowest = this.#top - this.#max + 1
    const start = Math.max(lowest, from - 32)
    const end = Math.max(this.#top, Math.min(to + 32, start + this.#max - 1))
    const counts = new Float64Array(end - start + 1)
    for (let index = 0; index < this.#counts.length; index++) {
      const count = this.#counts[index] as number
      if (count === 0) continue
      const target = Math.max(0, this.#from + index - start)
      counts[target] = (counts[target] as number) + count
    }
    this.#counts = counts
    this.#from = start
  }
}
