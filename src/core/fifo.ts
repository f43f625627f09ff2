/** A queue on an array: O(1) at both ends, amortised. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined // so that it can be freed
    this.#head += 1
    if (this.#head > 1024 && this.#head > this.#items.length / 2) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** All in turn, the first one first. */
  values(): T[] {
    return this.#items.slice(this.#head) as T[]
  }

  /** Drops the others. */
  keep(isKept: (item: T) => boolean): void {
    this.#items = this.values().filter(isKept)
    this.#head = 0
  }
}
