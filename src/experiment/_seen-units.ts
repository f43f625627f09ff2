import { murmur3 } from '../core/hash.js'
import { refusedState } from './_state.js'

/** 53 bits of a unit's key. Other seeds than those of assignments, so that a collision says nothing about the arm. */
export const unitHash = (unit: string | number): number => {
  const text = String(unit)
  return murmur3(text, 0x5eed0001) * 2 ** 21 + (murmur3(text, 0x5eed0002) >>> 11)
}

const probes = 4

/**
 * A Bloom filter of unit hashes: says "seen" of every unit that was added, and by mistake of some that were not.
 *
 * Source: Bloom, Communications of the ACM 13 (1970); Kirsch and Mitzenmacher (2008), for probes from two hashes.
 */
export class UnitFilter {
  readonly #bytes: Uint8Array
  #set = 0

  /**
   * @param bits - a power of two, at least 8
   * @param saved - what `toJSON` gave
   */
  constructor(bits: number, saved?: unknown) {
    this.#bytes = new Uint8Array(bits / 8)
    if (saved === undefined) return
    const bytes = typeof saved === 'string' ? Buffer.from(saved, 'base64') : undefined
    if (bytes?.length !== bits / 8) throw refusedState('seen units', `their filter must be ${bits / 8} bytes in base64`, saved)
    this.#bytes.set(bytes)
    this.#count()
  }

  /** Adds a hash; whether it was new. */
  add(hash: number): boolean {
    const mask = this.#bytes.length * 8 - 1
    const step = (hash % 2 ** 21) | 1
    let isNew = false
    for (let probe = 0, bit = Math.floor(hash / 2 ** 21); probe < probes; probe++, bit += step) {
      const at = (bit & mask) >>> 3
      const flag = 1 << (bit & 7)
      if (((this.#bytes[at] as number) & flag) !== 0) continue
      this.#bytes[at] = (this.#bytes[at] as number) | flag
      this.#set++
      isNew = true
    }
    return isNew
  }

  /** Adds all of another one of the same size. */
  merge(other: UnitFilter): void {
    for (let at = 0; at < this.#bytes.length; at++) this.#bytes[at] = (this.#bytes[at] as number) | (other.#bytes[at] as number)
    this.#count()
  }

  /** The chance that a new unit is taken for one that was seen. */
  get falseShare(): number {
    return (this.#set / (this.#bytes.length * 8)) ** probes
  }

  /** The bytes in base64. */
  toJSON(): string {
    return Buffer.from(this.#bytes).toString('base64')
  }

  #count(): void {
    this.#set = 0
    for (let byte of this.#bytes) for (; byte !== 0; byte &= byte - 1) this.#set++
  }
}
