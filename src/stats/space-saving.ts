import { numberOption, optionsObject } from '../core/options.js'
import { isCount, opened, refusedInput, refusedState, sealed, type SketchState } from './_sketch-state.js'

/** Options of {@link SpaceSaving}. */
export interface SpaceSavingOptions {
  /** How many keys are counted at a time; every key with more than a share of 1 / capacity is among them. 2 to 100 000. @default 256 */
  readonly capacity?: number
}

/** A key that is counted: its true count is at least `count − error` and at most `count`. */
export interface HeavyHitter {
  readonly key: string
  readonly count: number
  readonly error: number
}

/** The state of a {@link SpaceSaving} as plain data; entries are [key, count, error]. */
export interface SpaceSavingState extends SketchState {
  readonly capacity: number
  readonly total: number
  readonly entries: readonly (readonly [string, number, number])[]
}

interface Entry {
  readonly key: string
  count: number
  error: number
  /** Its place in the heap. */
  at: number
}

const owner = 'a SpaceSaving'
const byRank = (x: Entry, y: Entry): number => y.count - x.count || (x.key < y.key ? -1 : 1)

/**
 * The most frequent keys of a stream, with bounds, in a fixed number of counters.
 *
 * A key without a counter takes over the smallest one, n, with count n + 1 and error n. So a count is never too low, and too high by at most
 * its `error`, which is at most total / capacity; every key with more than that share is there. As long as there are at most `capacity` keys, all is exact.
 *
 * `merge` adds counter to counter; a key that one side lacks gets that side's smallest count, as error too; the largest stay. The bounds hold
 * for the union. It is symmetric, but three parts may give other (valid) bounds in another order. O(log capacity) per key.
 *
 * It misleads where nothing is frequent: then it lists what came last, with errors as large as the counts. Look at `count − error`.
 *
 * Source: Metwally, Agrawal and El Abbadi, ICDT (2005); Agarwal and others, Mergeable summaries, PODS (2012); Cafaro, Pulimeno and Tempesta (2016) for merging.
 *
 * @example
 * ```ts
 * import { SpaceSaving } from 'outrigger/stats'
 * const airports = new SpaceSaving({ capacity: 10 })
 * for (let i = 0; i < 1000; i++) airports.add(i % 2 === 0 ? 'ATL' : `X${i}`)
 * const [most] = airports.top(1)
 * assert.equal(most?.key, 'ATL')
 * assert.ok(most.count - most.error <= 500 && most.count >= 500)
 * ```
 */
export class SpaceSaving {
  readonly capacity: number
  #entries = new Map<string, Entry>()
  /** A heap by count, the smallest first. */
  #heap: Entry[] = []
  #total = 0

  /**
   * @param options - or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
   * @throws ERR_OUTRIGGER_PROFILE for a state that is none, or was changed
   */
  constructor(options: SpaceSavingOptions | SpaceSavingState = {}) {
    const isState = typeof options === 'object' && options !== null && 'sketch' in options
    const state = isState ? opened('space-saving', owner, options) : {}
    if (!isState) optionsObject(owner, options, ['capacity'])
    this.capacity = numberOption(owner, 'capacity', options.capacity ?? 256, { min: 2, max: 100_000, integer: true })
    if (isState) this.#restore(state)
  }

  /** How many keys were added, repetitions included. */
  get total(): number {
    return this.#total
  }

  /** No key that is not listed was added more often than this; 0 while all keys have a counter. */
  get unlisted(): number {
    return this.#heap.length < this.capacity ? 0 : (this.#heap[0] as Entry).count
  }

  /**
   * Counts a key.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is no text. Nothing changes then.
   */
  add(key: string): void {
    if (typeof key !== 'string') throw refusedInput(`add to ${owner}`, 'a key must be a string', key)
    this.#total += 1
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      entry.count += 1
      this.#sink(entry.at)
      return
    }
    if (this.#heap.length < this.capacity) {
      const at = this.#heap.length
      const made = { key, count: 1, error: 0, at }
      this.#heap.push(made)
      this.#entries.set(key, made)
      this.#rise(at)
      return
    }
    const smallest = this.#heap[0] as Entry
    this.#entries.delete(smallest.key)
    const taken = { key, count: smallest.count + 1, error: smallest.count, at: 0 }
    this.#heap[0] = taken
    this.#entries.set(key, taken)
    this.#sink(0)
  }

  /** Adds all that another one has counted. This one keeps its capacity. */
  merge(other: SpaceSaving): void {
    const [mine, theirs] = [this.unlisted, other.unlisted]
    const joined: Entry[] = []
    for (const { key, count, error } of this.#heap) {
      const entry = other.#entries.get(key)
      joined.push({ key, count: count + (entry?.count ?? theirs), error: error + (entry?.error ?? theirs), at: 0 })
    }
    for (const { key, count, error } of other.#heap) if (!this.#entries.has(key)) joined.push({ key, count: count + mine, error: error + mine, at: 0 })
    this.#total += other.#total
    this.#fill(joined.sort(byRank).slice(0, this.capacity))
  }

  /** The most frequent keys, by their upper bounds. @param limit - at most so many; all without */
  top(limit: number = Infinity): HeavyHitter[] {
    return [...this.#heap].sort(byRank).slice(0, limit).map(({ key, count, error }) => ({ key, count, error }))
  }

  /** The state. */
  toJSON(): SpaceSavingState {
    return sealed('space-saving', { capacity: this.capacity, total: this.#total, entries: this.top().map(({ key, count, error }) => [key, count, error] as const) })
  }

  /** Entries with the most frequent first are a heap when turned around. */
  #fill(ranked: readonly Entry[]): void {
    this.#heap = [...ranked].reverse()
    this.#heap.forEach((entry, at) => (entry.at = at))
    this.#entries = new Map(ranked.map((entry) => [entry.key, entry]))
  }

  #swap(one: number, two: number): void {
    const heap = this.#heap
    const [first, second] = [heap[one] as Entry, heap[two] as Entry]
    heap[one] = second
    heap[two] = first
    first.at = two
    second.at = one
  }

  #rise(from: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((this.#heap[parent] as Entry).count <= (this.#heap[at] as Entry).count) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(from: number): void {
    const heap = this.#heap
    let at = from
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && (heap[child] as Entry).count < (heap[least] as Entry).count) least = child
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #restore({ total, entries }: Readonly<Record<string, unknown>>): void {
    if (!isCount(total)) throw refusedState(owner, '`total` must be a count', total)
    if (!Array.isArray(entries) || entries.length > this.capacity) throw refusedState(owner, `\`entries\` must be at most ${this.capacity}`, entries)
    const read = entries.map((entry: unknown): Entry => {
      const [key, count, error] = Array.isArray(entry) ? (entry as unknown[]) : []
      if (typeof key !== 'string' || !isCount(count) || !isCount(error) || error > count) throw refusedState(owner, 'an entry must be a key, a count and an error', entry)
      return { key, count, error, at: 0 }
    })
    this.#fill(read.sort(byRank))
    if (this.#entries.size !== read.length) throw refusedState(owner, 'its keys must differ', entries.length)
    this.#total = total
  }
}
