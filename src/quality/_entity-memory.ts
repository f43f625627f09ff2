/** What is remembered of one entity. */
export interface EntityMemory {
  /** The highest value of the monotone field. */
  highest: number
  /** Last good values by field. */
  readonly last: Map<string, unknown>
}

/** Memories by entity, at most so many; the one that was not asked for longest is forgotten. */
export class EntityMemories {
  readonly #maximum: number
  readonly #memories = new Map<string, EntityMemory>()

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** The memory of an entity, as yet empty for a new one. */
  of(entity: string): EntityMemory {
    const known = this.#memories.get(entity)
    if (known !== undefined) {
      if (this.#memories.size > 1) {
        this.#memories.delete(entity)
        this.#memories.set(entity, known)
      }
      return known
    }
    const memory: EntityMemory = { highest: -Infinity, last: new Map() }
    this.#memories.set(entity, memory)
    if (this.#memories.size > this.#maximum) this.#memories.delete(this.#memories.keys().next().value as string)
    return memory
  }
}
