import { murmur3 } from '../core/hash.js'
import { numberOption, optionsObject } from '../core/options.js'
import { isCount, opened, refusedInput, refusedState, sealed, type SketchState } from './_sketch-state.js'

/** Options of {@link Reservoir}. */
export interface ReservoirOptions {
  /** How many items are kept; 1 to 1 000 000. */
  readonly size: number
  /** Another seed, another sample; 32 bits. @default 0 */
  readonly seed?: number
}

/** An item that was drawn, and the id it was added under. */
export interface Drawn<T> {
  readonly id: string
  readonly item: T
}

/** The state of a {@link Reservoir} as plain data. */
export interface ReservoirState<T> extends SketchState {
  readonly size: number
  readonly seed: number
  readonly added: number
  readonly entries: readonly (readonly [string, T])[]
}

interface Entry<T> extends Drawn<T> {
  readonly first: number
  readonly second: number
}

const owner = 'a reservoir'
/** By 64 bits of hash, then by id: no two ids are equal. */
const compare = (x: Omit<Entry<unknown>, 'item'>, y: Omit<Entry<unknown>, 'item'>): number => x.first - y.first || x.second - y.second || (x.id < y.id ? -1 : x.id > y.id ? 1 : 0)

/**
 * A uniform random sample of a stream of unknown length that merges exactly.
 *
 * Each id is hashed with the seed; the `size` items with the smallest hashes are the sample (bottom-k). Which they are depends on the ids and
 * the seed alone: parts merged in any order are the sample of the whole, to the byte. An id that comes again, also from
 * another worker, is one item (the first that was added here stays). So an id must say which item it is: a prediction id, a row number with its file.
 *
 * Where ids are no secrets, who chooses them can choose what is sampled. One or two hashes per item, and O(log size) for those that get in.
 *
 * Source: Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC (2007).
 *
 * @example
 * ```ts
 * import { Reservoir } from 'outrigger/stats'
 * const [first, second] = [new Reservoir<number>({ size: 10 }), new Reservoir<number>({ size: 10 })]
 * for (let row = 0; row < 1000; row++) (row % 3 === 0 ? first : second).add(row, row / 10)
 * first.merge(second)
 * assert.equal(first.items().length, 10)
 * assert.equal(first.added, 1000)
 * ```
 */
export class Reservoir<T> {
  readonly size: number
  readonly seed: number
  /** A heap, the one that leaves next first. */
  #heap: Entry<T>[] = []
  #ids = new Set<string>()
  #added = 0

  /**
   * @param options - or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
   * @throws ERR_OUTRIGGER_PROFILE for a state that is none, or was changed
   */
  constructor(options: ReservoirOptions | ReservoirState<T>) {
    const isState = typeof options === 'object' && options !== null && 'sketch' in options
    const state = isState ? opened('reservoir', owner, options) : {}
    if (!isState) optionsObject(owner, options, ['size', 'seed'])
    this.size = numberOption(owner, 'size', options.size, { min: 1, max: 1_000_000, integer: true })
    this.seed = numberOption(owner, 'seed', options.seed ?? 0, { min: 0, max: 2 ** 32 - 1, integer: true })
    if (isState) this.#restore(state)
  }

  /** How many items were added, repeated ids included. */
  get added(): number {
    return this.#added
  }

  /** Draws, or not. @param id - says which item it is */
  add(id: string | number, item: T): void {
    this.#added += 1
    this.#offer(String(id), item)
  }

  /**
   * Makes this the sample of what both have seen.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if its size or seed is another
   */
  merge(other: Reservoir<T>): void {
    if (other.size !== this.size || other.seed !== this.seed) throw refusedInput('merge two reservoirs', `both must have size ${this.size} and seed ${this.seed}`, `${other.size} and ${other.seed}`)
    for (const { id, item } of other.#heap) this.#offer(id, item)
    this.#added += other.#added
  }

  /** The sample, in an order that says nothing. */
  items(): Drawn<T>[] {
    return [...this.#heap].sort(compare).map(({ id, item }) => ({ id, item }))
  }

  /** The state; items must be JSON themselves. */
  toJSON(): ReservoirState<T> {
    return sealed('reservoir', { size: this.size, seed: this.seed, added: this.#added, entries: this.items().map(({ id, item }) => [id, item] as const) })
  }

  #offer(id: string, item: T): void {
    const heap = this.#heap
    const first = murmur3(id, this.seed)
    const largest = heap.length === this.size ? heap[0] : undefined
    if (largest !== undefined && first > largest.first) return
    const entry = { id, item, first, second: murmur3(id, this.seed ^ 0x5bd1e995) }
    if (this.#ids.has(id) || (largest !== undefined && compare(entry, largest) > 0)) return
    this.#ids.add(id)
    if (largest === undefined) {
      heap.push(entry)
      this.#rise()
    } else {
      this.#ids.delete(largest.id)
      heap[0] = entry
      this.#sink()
    }
  }

  #rise(): void {
    const heap = this.#heap
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (compare(heap[parent] as Entry<T>, heap[at] as Entry<T>) >= 0) return
      ;[heap[parent], heap[at]] = [heap[at] as Entry<T>, heap[parent] as Entry<T>]
      at = parent
    }
  }

  #sink(): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let largest = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && compare(heap[child] as Entry<T>, heap[largest] as Entry<T>) > 0) largest = child
      if (largest === at) return
      ;[heap[largest], heap[at]] = [heap[at] as Entry<T>, heap[largest] as Entry<T>]
      at = largest
    }
  }

  #restore({ added, entries }: Readonly<Record<string, unknown>>): void {
    if (!isCount(added)) throw refusedState(owner, '`added` must be a count', added)
    if (!Array.isArray(entries) || entries.length > this.size) throw refusedState(owner, `\`entries\` must be at most ${this.size}`, entries)
    for (const entry of entries as unknown[]) {
      if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') throw refusedState(owner, 'an entry must be an id and an item', entry)
      this.#offer(entry[0], entry[1] as T)
    }
    this.#added = added
  }
}
