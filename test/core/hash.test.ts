import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { murmur3 } from 'outrigger/core'

/** MurmurHash3_x86_32 over bytes, block by block, as SMHasher's C++ does it; independent of the one under test. */
const reference = (bytes: Uint8Array, seed: number): number => {
  const multiply = (a: number, b: number): number => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) & 0xffffffffn)
  const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = Math.floor(bytes.length / 4)
  let h = seed >>> 0
  for (let block = 0; block < blocks; block += 1) {
    const k = multiply(rotate(multiply(view.getUint32(block * 4, true), 0xcc9e2d51), 15), 0x1b873593)
    h = (multiply(rotate((h ^ k) >>> 0, 13), 5) + 0xe6546b64) >>> 0
  }
  let k = 0
  for (let index = bytes.length - 1; index >= blocks * 4; index -= 1) k = ((k << 8) | (bytes[index] as number)) >>> 0
  if (bytes.length % 4 !== 0) h = (h ^ multiply(rotate(multiply(k, 0xcc9e2d51), 15), 0x1b873593)) >>> 0
  h = (h ^ bytes.length) >>> 0
  h = multiply(h ^ (h >>> 16), 0x85ebca6b)
  h = multiply(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

describe('murmur3', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
  ])('of %j with seed %i is the published value', (text, seed, expected) => {
    expect(murmur3(text, seed)).toBe(expected)
  })

  it('hashes the UTF-8 bytes of any text, by an independent reference', () => {
    for (const text of ['ππππππππ', 'é', 'Zürich–Genève', '東京', '🛶', 'a🛶b', '\u0000', 'x\u{10ffff}']) expect(murmur3(text, 5)).toBe(reference(new TextEncoder().encode(text), 5))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 0xffffffff }), (text, seed) => { expect(murmur3(text, seed)).toBe(reference(new TextEncoder().encode(text), seed)) }), { seed: 4, numRuns: 500 })
  })

  it('takes a lone surrogate for U+FFFD, as encoders do', () => {
    for (const text of ['\ud800', 'a\udc00b', '\ud800\ud800', '\udc00\ud800']) expect(murmur3(text)).toBe(reference(new TextEncoder().encode(text), 0))
  })
})
