import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ExactSum, type ExactSumState } from '../../src/stats/exact-sum.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const nasty = fc.oneof(finite, fc.constantFrom(0, -0, Number.MIN_VALUE, -Number.MIN_VALUE, 2 ** -1022, Number.MAX_VALUE, -Number.MAX_VALUE, 1, 2 ** 53, 1e16, -1e16, 0.1), fc.integer())

/** An independent oracle: the sum as an integer in units of 2^-1074, taken from the decimal-free representation of each double. */
const units = (x: number): bigint => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  const bits = view.getBigUint64(0)
  const exponent = (bits >> 52n) & 2047n
  const mantissa = bits & ((1n << 52n) - 1n)
  const size = exponent === 0n ? mantissa : (mantissa | (1n << 52n)) << (exponent - 1n)
  return bits >> 63n === 1n ? -size : size
}
/** Whether a double is the nearest one to numerator / denominator, in units of 2^-1074, ties to even. */
const isNearest = (value: number, numerator: bigint, denominator = 1n): boolean => {
  const [low, high] = [neighbour(value, -1), neighbour(value, 1)]
  const twice = (x: number): bigint => 2n * denominator * units(x)
  const distance = (x: number): bigint => {
    const d = twice(x) - 2n * numerator
    return d < 0n ? -d : d
  }
  return (low === -Infinity || distance(value) <= distance(low)) && (high === Infinity || distance(value) <= distance(high))
}
const neighbour = (x: number, direction: 1 | -1): number => {
  if (x === 0) return direction * Number.MIN_VALUE
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(x > 0 ? direction : -direction))
  return view.getFloat64(0)
}

test('ExactSum.value and mean are the true ones, rounded once', () => {
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 60 }), (values) => {
      const sum = new ExactSum()
      for (const value of values) sum.add(value)
      const total = values.reduce((all, value) => all + units(value), 0n)
      if (Number.isFinite(sum.value)) expect(isNearest(sum.value, total)).toBe(true)
      else expect((total < 0n ? -total : total) >= units(Number.MAX_VALUE)).toBe(true)
      expect(isNearest(sum.mean, total, BigInt(values.length))).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('ExactSum rounds ties to even, over and under the range of doubles', () => {
  const sum = (...values: number[]): number => {
    const made = new ExactSum()
    made.addAll(values)
    return made.value
  }
  expect(sum(1, 2 ** -53)).toBe(1)
  expect(sum(1 + 2 ** -52, 2 ** -53)).toBe(1 + 2 ** -51)
  expect(sum(1, 2 ** -53, 2 ** -1074)).toBe(1 + 2 ** -52)
  expect(sum(Number.MAX_VALUE, Number.MAX_VALUE)).toBe(Infinity)
  expect(sum(-Number.MAX_VALUE, -Number.MAX_VALUE)).toBe(-Infinity)
  expect(sum(Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE)).toBe(Number.MAX_VALUE)
  expect(sum(Number.MIN_VALUE, Number.MIN_VALUE)).toBe(2 * Number.MIN_VALUE)
  expect(sum()).toBe(0)
  expect(new ExactSum().mean).toBeNaN()
  const big = new ExactSum()
  big.addAll([Number.MAX_VALUE, Number.MAX_VALUE])
  expect(big.mean).toBe(Number.MAX_VALUE)
})

test('ExactSum of parts, merged in any order, equals one pass to the byte; taking parts away leaves the rest', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(nasty, fc.nat(7)), { maxLength: 100 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (values, order) => {
      const whole = new ExactSum()
      whole.addAll(Float64Array.from(values, ([value]) => value))
      const parts = order.map((_, part) => {
        const sum = new ExactSum()
        for (const [value, of] of values) if (of === part) sum.add(value)
        return sum
      })
      const merged = new ExactSum()
      for (const part of order) merged.merge(new ExactSum(JSON.parse(JSON.stringify(parts[part]))))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      for (const part of order.slice(1)) merged.subtract(parts[part] as ExactSum)
      expect(JSON.stringify(merged)).toBe(JSON.stringify(parts[order[0] as number]))
    }),
    { numRuns: 150 },
  )
})

test('ExactSum carries in time: millions of summands of which every bit is set', () => {
  const value = 2 - 2 ** -52
  const values = new Float64Array(5_000_001).fill(value)
  const sum = new ExactSum()
  sum.addAll(values)
  for (let i = 0; i < 600_000; i++) sum.add(-value / 2 ** 20)
  expect(isNearest(sum.value, 5_000_001n * units(value) - 600_000n * units(value / 2 ** 20))).toBe(true)
  expect(sum.count).toBe(5_600_001)
})

test('ExactSum refuses what is not finite, parts that are none, and states that were changed', () => {
  const sum = new ExactSum()
  sum.add(0.5)
  const saved = JSON.stringify(sum)
  for (const bad of [NaN, Infinity, -Infinity]) {
    expect(() => sum.add(bad)).toThrow(code('INVALID_INPUT'))
    expect(() => sum.addAll([1, bad])).toThrow(code('INVALID_INPUT'))
  }
  const bigger = new ExactSum()
  bigger.addAll([1, 2])
  expect(() => sum.subtract(bigger)).toThrow(code('INVALID_INPUT'))
  expect(JSON.stringify(sum)).toBe(saved)
  const state = JSON.parse(saved) as ExactSumState
  for (const bad of [null, [], {}, { ...state, count: 2 }, { ...state, digits: '9' }, { ...state, exponent: 3 }, { ...state, version: 2 }, { ...state, sketch: 'ddsketch' }]) {
    expect(() => new ExactSum(bad as ExactSumState)).toThrow(code('PROFILE'))
  }
})
