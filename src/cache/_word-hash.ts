/** A fast hash of bytes, for finding candidates. It collides: whoever uses it compares the bytes as well. */

/** 64 bits in two halves, each an int32. */
export interface Halves {
  a: number
  b: number
}

/**
 * Mixes bytes into a hash: four lanes of one 32-bit word each, every step of which is a bijection of the lane, so that
 * a change of one word always changes the lanes; the finaliser is MurmurHash3's. About 0.6 µs for 3 kB.
 */
export const mixBytes = (hash: Halves, bytes: Uint8Array): void => {
  const { length } = bytes
  const words = wordsOf(bytes)
  const count = length >>> 2
  let a = hash.a ^ length
  let b = hash.b
  let c = Math.imul(hash.a, 0x85ebca6b) | 0
  let d = Math.imul(hash.b, 0xc2b2ae35) | 0
  let index = 0
  for (; index + 3 < count; index += 4) {
    a = Math.imul(a ^ (words[index] as number), 0x9e3779b1)
    b = Math.imul(b ^ (words[index + 1] as number), 0x85ebca77)
    c = Math.imul(c ^ (words[index + 2] as number), 0xc2b2ae3d)
    d = Math.imul(d ^ (words[index + 3] as number), 0x27d4eb2f)
    a ^= a >>> 15
    b ^= b >>> 13
    c ^= c >>> 14
    d ^= d >>> 16
  }
  for (; index < count; index += 1) {
    a = Math.imul(a ^ (words[index] as number), 0x9e3779b1)
    a ^= a >>> 15
  }
  for (let byte = count << 2; byte < length; byte += 1) {
    b = Math.imul(b ^ (bytes[byte] as number), 0x85ebca77)
    b ^= b >>> 13
  }
  hash.a = finish(a ^ ((c << 7) | (c >>> 25)))
  hash.b = finish(b ^ ((d << 11) | (d >>> 21)) ^ Math.imul(hash.a, 0x9e3779b1))
}

/** Used by one hash at a time. */
const scratch = new Int32Array(4096)
const scratchBytes = new Uint8Array(scratch.buffer)

/** The bytes as words, at the beginning of an array. A copy of a few kB takes no longer than making a view, and leaves nothing behind; it is aligned as well. */
const wordsOf = (bytes: Uint8Array): Int32Array => {
  if (bytes.length <= scratchBytes.length) {
    scratchBytes.set(bytes)
    return scratch
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Int32Array(aligned.buffer, aligned.byteOffset, bytes.length >>> 2)
}

const finish = (word: number): number => {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
