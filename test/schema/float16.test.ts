import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/core/random.js'
import { fromFloat16, toFloat16 } from '../../src/schema/float16.js'

const all = Array.from({ length: 65_536 }, (_, bits) => bits)
const isNaNBits = (bits: number): boolean => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0

describe('float16', () => {
  it('goes there and back for every of its 65 536 patterns; every NaN is one', () => {
    const wrong = all.filter((bits) => toFloat16(fromFloat16(bits)) !== (isNaNBits(bits) ? 0x7e00 : bits))
    expect(wrong).toEqual([])
  })

  it('is what IEEE 754 says of some', () => {
    const known: readonly (readonly [number, number])[] = [[0x0000, 0], [0x8000, -0], [0x0001, 2 ** -24], [0x03ff, 1023 * 2 ** -24], [0x0400, 2 ** -14], [0x3555, 0.333251953125], [0x3c00, 1], [0x3c01, 1 + 2 ** -10], [0xc000, -2], [0x7bff, 65_504], [0x7c00, Infinity], [0xfc00, -Infinity], [0x7e01, Number.NaN]]
    for (const [bits, value] of known) expect(fromFloat16(bits)).toBe(value)
  })

  it('rounds to the nearest, and half-way to even, between every two neighbours', () => {
    // Of positive numbers the patterns stand in the order of the numbers, so the neighbour is the next.
    const finite = all.filter((bits) => bits < 0x7c00)
    const wrong = finite.filter((bits) => {
      const low = fromFloat16(bits)
      const high = bits === 0x7bff ? 65_536 : fromFloat16(bits + 1)
      const middle = low + (high - low) / 2 // exact in a double
      const step = middle * Number.EPSILON
      const even = bits % 2 === 0 ? bits : bits + 1
      return [toFloat16(middle - step) !== bits, toFloat16(middle + step) !== bits + 1, toFloat16(middle) !== even, toFloat16(-middle) !== (even | 0x8000)].includes(true)
    })
    expect(wrong).toEqual([])
  })

  it('is as Float16Array has it, where there is one (Node 24)', () => {
    const { Float16Array } = globalThis as { Float16Array?: new (length: number) => Float32Array }
    if (Float16Array === undefined) return
    const [value, random] = [new Float16Array(1), seededRandom(1)]
    const bits = new Uint16Array(value.buffer)
    for (let index = 0; index < 100_000; index += 1) {
      const exact = (random.next() - 0.5) * 2 ** (random.next() * 50 - 30)
      value[0] = exact
      expect(toFloat16(exact)).toBe(bits[0])
      expect(fromFloat16(bits[0] as number)).toBe(value[0])
    }
  })
})
