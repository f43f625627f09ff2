/** Randomness and ids, the only place that makes them. Everything else takes a {@link Random}. */
import { hex, murmur3 } from './hash.js'

/** A source of pseudo-random numbers that can be seeded and split. */
export interface Random {
  /** A number in [0, 1), with 32 random bits. */
  next(): number
  /** An integer in [0, below). */
  integer(below: number): number
  /** A stream of its own for a purpose: what one consumer draws does not shift what another one sees. */
  substream(name: string): Random
}

/**
 * A generator with a 128-bit state: sfc32 of C. Doty-Humphrey (PractRand, 2010).
 *
 * The same seed gives the same numbers on every machine. Not for secrets.
 *
 * @param seed - any text or number
 * @example
 * ```ts
 * import { seededRandom } from 'outrigger'
 * assert.equal(seededRandom(7).next(), seededRandom(7).next())
 * assert.notEqual(seededRandom(7).substream('a').next(), seededRandom(7).substream('b').next())
 * ```
 */
export const seededRandom = (seed: number | string): Random => {
  const name = String(seed)
  let a = murmur3(name, 1)
  let b = murmur3(name, 2)
  let c = murmur3(name, 3)
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 4294967296
  }
  for (let warmUp = 0; warmUp < 12; warmUp += 1) next()
  return {
    next,
    integer: (below) => Math.floor(next() * below),
    substream: (purpose) => seededRandom(`${name}/${purpose}`),
  }
}

const taken = new WeakMap<Random, Map<string, number>>()

/**
 * A substream that nobody else has: the first one to ask for a purpose gets that substream, the second one
 * `purpose#2`, and so on, so that two layers of a kind do not draw the same numbers.
 */
export const ownStream = (random: Random, purpose: string): Random => {
  const counts = taken.get(random) ?? new Map<string, number>()
  taken.set(random, counts)
  const count = (counts.get(purpose) ?? 0) + 1
  counts.set(purpose, count)
  return random.substream(count === 1 ? purpose : `${purpose}#${count}`)
}

/** A stream seeded by the operating system. The global `crypto` is loaded at first use; importing it costs 2 ms. */
export const systemRandom = (): Random => seededRandom(globalThis.crypto.getRandomValues(new Uint32Array(4)).join('-'))

/**
 * A UUID of version 7 (RFC 9562, section 5.7): 48 bits of wall-clock milliseconds, then random bits, so that ids sort
 * by time.
 */
export const uuid7 = (wallMs: number, random: Random): string => {
  const time = hex(Math.floor(wallMs), 12)
  const a = random.integer(0x1000)
  const b = random.integer(0x4000) | 0x8000
  const c = random.integer(0x10000)
  const d = random.integer(0x100000000)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(a, 3)}-${hex(b, 4)}-${hex(c, 4)}${hex(d, 8)}`
}
