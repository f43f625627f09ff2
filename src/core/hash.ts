/**
 * MurmurHash3 x86 32 over the UTF-8 bytes of a string, unsigned.
 *
 * Used where the same text must land in the same place on every machine (assignment to variants, substreams of a
 * seed). It is not a cryptographic hash, and not a cache key: it collides. Source: A. Appleby, MurmurHash3 (public
 * domain), 2011. About 1 ns per byte of ASCII.
 *
 * @param text - any string; a lone surrogate counts as U+FFFD, as in UTF-8 encoders
 * @param seed - 32 bits
 * @returns an integer in [0, 2³²)
 */
export const murmur3 = (text: string, seed = 0): number => {
  let hash = seed | 0
  let word = 0
  let bytes: Uint8Array | undefined
  let length = text.length
  for (let index = 0; index < length; index += 1) {
    const byte = bytes === undefined ? text.charCodeAt(index) : (bytes[index] as number)
    if (bytes === undefined && byte > 0x7f) {
      bytes = utf8.encode(text)
      length = bytes.length
      hash = seed | 0
      word = 0
      index = -1
      continue
    }
    word |= byte << ((index & 3) << 3)
    if ((index & 3) === 3) {
      hash ^= scramble(word)
      hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64
      word = 0
    }
  }
  if ((length & 3) !== 0) hash ^= scramble(word)
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** In hexadecimal, with zeros before it. */
export const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

const utf8 = new TextEncoder()

const scramble = (word: number): number => {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
