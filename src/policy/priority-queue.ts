/** A bounded line by priority, in which nobody waits for ever. Pure: it reads no clock. */

/** What can stand in the line. The line writes the place. */
export interface Waiting {
  place: number
}

/**
 * A bounded line: higher priority first, by arrival within a priority; when it is full the last one leaves for a newcomer who ranks before it.
 *
 * **Aging without a clock.** The place of a newcomer is fixed when it comes: the number of its arrival, less a head start for each level of
 * priority. So a level overtakes those who came up to a head start before, and no others: whoever waits is overtaken by a bounded number of
 * later ones, and nothing has to be sorted again. The head start is eight times the length of the line, so that priorities are strict among
 * those who wait as long as the line moves. Every arrival counts, also one that is turned away.
 *
 * Taking the first, adding at the end and giving up the last are O(1); adding in between and leaving walk over those in between, at most `length`.
 *
 * @example
 * ```ts
 * import { PriorityQueue } from 'outrigger/policy'
 * const line = new PriorityQueue<{ name: string; place: number }>(2)
 * line.add({ name: 'low', place: 0 }, -1)
 * line.add({ name: 'normal', place: 0 }, 0)
 * assert.equal(line.add({ name: 'high', place: 0 }, 1)?.name, 'low') // leaves for a higher one
 * assert.deepEqual([line.shift()?.name, line.shift()?.name], ['high', 'normal'])
 * ```
 */
export class PriorityQueue<T extends Waiting> {
  readonly #line: T[] = []
  readonly #length: number
  #arrivals = 0

  /** @param length - so many can wait; at least 0 */
  constructor(length: number) {
    this.#length = length
  }

  /** How many wait. */
  get size(): number {
    return this.#line.length
  }

  /** Whose turn is next. */
  get first(): T | undefined {
    return this.#line[0]
  }

  /** Whether a newcomer of this priority would be let in. One who would not counts as an arrival. */
  admits(priority: number): boolean {
    const { length } = this.#line
    const isIn = length < this.#length || (length > 0 && this.#placeOf(priority) < (this.#line[length - 1] as T).place)
    if (!isIn) this.#arrivals += 1
    return isIn
  }

  /** Adds a newcomer. Gives who has to leave for it: nobody, the last of the line, or the newcomer itself. */
  add(item: T, priority: number): T | undefined {
    const line = this.#line
    item.place = this.#placeOf(priority)
    this.#arrivals += 1
    let at = line.length
    while (at > 0 && (line[at - 1] as T).place > item.place) at -= 1
    line.splice(at, 0, item)
    return line.length > this.#length ? line.pop() : undefined
  }

  /** Takes the first. */
  shift(): T | undefined {
    return this.#line.shift()
  }

  /** Takes one out who leaves. Gives whether it was there. */
  remove(item: T): boolean {
    const at = this.#line.indexOf(item)
    if (at >= 0) this.#line.splice(at, 1)
    return at >= 0
  }

  #placeOf(priority: number): number {
    // What is no number ranks as 0; beyond a hundred levels there is nothing to tell apart.
    return this.#arrivals - 8 * (this.#length + 1) * Math.max(-100, Math.min(100, priority || 0))
  }
}
