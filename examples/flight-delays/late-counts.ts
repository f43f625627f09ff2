/** Late and all flights, by key, losing weight with time. */
export class LateCounts {
  readonly #late: Float64Array
  readonly #all: Float64Array

  constructor(keys: number) {
    this.#late = new Float64Array(keys)
    this.#all = new Float64Array(keys)
  }

  add(key: number, late: number): void {
    this.#late[key]! += late
    this.#all[key]! += 1
  }

  decay(factor: number): void {
    for (let key = 0; key < this.#all.length; key += 1) {
      this.#late[key]! *= factor
      this.#all[key]! *= factor
    }
  }

  /** The rate, drawn towards `prior` as by `weight` flights. */
  rate(key: number, prior: number, weight: number): number {
    return (this.#late[key]! + weight * prior) / (this.#all[key]! + weight)
  }
}
