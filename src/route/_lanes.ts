/**
 * Two independent points of a unit in one pass over it: whether it is in an experiment, and which variant it has.
 *
 * Each is MurmurHash3 x86 32 of the UTF-8 bytes of `prefix + unit`, under a seed of its own (a lone surrogate counts as U+FFFD), so that any
 * implementation gives the same numbers. What the prefix leaves of the hash is kept, and only the unit is read. A. Appleby, MurmurHash3, 2011.
 */

/** The seed of the points that say which variant. */
export const armSeed = 0x6f757472
/** The seed of the points that say whether at all. */
export const exposureSeed = 0x65787073
/** The seed of the points that say which experiment of a namespace. */
export const namespaceSeed = 0x6e616d65
/** The seed of the points that say whether a shadow sees a unit. */
export const sampleSeed = 0x73686164

/** Points are 32-bit patterns in signed numbers, which V8 keeps without allocating; compare them as `>>> 0`. */
export class Lanes {
  exposure = 0
  arm = 0
  readonly #arm: number
  readonly #exposure: number
  /** Bytes of the prefix that are no whole block yet, and how many bits they have. */
  readonly #word: number
  readonly #bits: number
  readonly #bytes: number

  constructor(prefix: string, seed: number = armSeed) {
    const bytes = new TextEncoder().encode(prefix)
    let arm = seed
    let exposure = exposureSeed
    const whole = bytes.length & ~3
    const block = (from: number, to: number): number => {
      let word = 0
      for (let index = from; index < to; index += 1) word |= (bytes[index] as number) << ((index - from) * 8)
      return word
    }
    for (let index = 0; index < whole; index += 4) {
      const word = block(index, index + 4)
      arm = mixed(arm, word)
      exposure = mixed(exposure, word)
    }
    this.#arm = arm
    this.#exposure = exposure
    this.#word = block(whole, bytes.length)
    this.#bits = (bytes.length & 3) * 8
    this.#bytes = bytes.length
  }

  /** Reads the unit and leaves its points in `exposure` and `arm`. About 1.5 ns a character for ASCII. */
  read(unit: string): void {
    let arm = this.#arm
    let exposure = this.#exposure
    let word = this.#word
    let bits = this.#bits
    let bytes = this.#bytes
    const length = unit.length
    let index = 0
    const quads = length & ~3
    for (; index < quads; index += 4) {
      const a = unit.charCodeAt(index)
      const b = unit.charCodeAt(index + 1)
      const c = unit.charCodeAt(index + 2)
      const d = unit.charCodeAt(index + 3)
      if ((a | b | c | d) > 127) break
      const four = a | (b << 8) | (c << 16) | (d << 24)
      const scrambledWord = scrambled(bits === 0 ? four : word | (four << bits))
      word = bits === 0 ? 0 : four >>> (32 - bits)
      arm = rotated(arm ^ scrambledWord)
      exposure = rotated(exposure ^ scrambledWord)
    }
    bytes += index
    for (; index < length; index += 1) {
      let code = unit.charCodeAt(index)
      let encoded = code
      let size = 1
      if (code > 127) {
        if (code < 0x800) {
          encoded = 0xc0 | (code >> 6) | ((0x80 | (code & 63)) << 8)
          size = 2
        } else {
          const low = code >= 0xd800 && code < 0xdc00 && index + 1 < length ? unit.charCodeAt(index + 1) : 0
          if (low >= 0xdc00 && low < 0xe000) {
            index += 1
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
            encoded = 0xf0 | (code >> 18) | ((0x80 | ((code >> 12) & 63)) << 8) | ((0x80 | ((code >> 6) & 63)) << 16) | ((0x80 | (code & 63)) << 24)
            size = 4
          } else {
            if (code >= 0xd800 && code < 0xe000) code = 0xfffd
            encoded = 0xe0 | (code >> 12) | ((0x80 | ((code >> 6) & 63)) << 8) | ((0x80 | (code & 63)) << 16)
            size = 3
          }
        }
      }
      bytes += size
      const joined = word | (encoded << bits)
      const filled = bits + 8 * size
      if (filled < 32) {
        word = joined
        bits = filled
        continue
      }
      const scrambledWord = scrambled(joined)
      arm = rotated(arm ^ scrambledWord)
      exposure = rotated(exposure ^ scrambledWord)
      word = bits === 0 ? 0 : encoded >>> (32 - bits)
      bits = filled - 32
    }
    if (bits !== 0) {
      const rest = scrambled(word)
      arm ^= rest
      exposure ^= rest
    }
    this.arm = finished(arm ^ bytes)
    this.exposure = finished(exposure ^ bytes)
  }

  /** Both points of the unit that was read last, as one number of 53 bits. */
  get unit(): number {
    return (this.exposure >>> 0) * 2097152 + (this.arm >>> 11)
  }
}

const scrambled = (word: number): number => {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

const rotated = (hash: number): number => (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0

const mixed = (hash: number, word: number): number => rotated(hash ^ scrambled(word))

const finished = (hash: number): number => {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
