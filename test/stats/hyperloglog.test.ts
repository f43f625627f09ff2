import fc from 'fast-check'
import { expect, test } from 'vitest'
import { murmur3 } from '../../src/core/hash.js'
import { HyperLogLog, type HyperLogLogState } from '../../src/stats/hyperloglog.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })

test('HyperLogLog.estimate has no bias and the standard error it states, from one value to many times its registers', () => {
  const runs = 60
  for (const [precision, sizes] of [[8, [1, 10, 100, 256, 700, 3000]], [11, [50, 2000, 8000]]] as const) {
    const error = 1.04 / Math.sqrt(2 ** precision)
    const relative = sizes.map((): number[] => [])
    for (let run = 0; run < runs; run++) {
      const sketch = new HyperLogLog({ precision })
      let added = 0
      sizes.forEach((size, index) => {
        while (added < size) sketch.add(`${run}:${added++}`)
        relative[index]!.push(sketch.estimate / size - 1)
      })
    }
    for (const errors of relative) {
      const mean = errors.reduce((a, b) => a + b, 0) / runs
      const rms = Math.sqrt(errors.reduce((a, b) => a + b * b, 0) / runs)
      // Three standard errors of a mean, and of a root mean square, over the runs.
      expect(Math.abs(mean)).toBeLessThan((3 * error) / Math.sqrt(runs))
      expect(rms).toBeLessThan(error * (1 + 3 / Math.sqrt(2 * runs)))
    }
  }
})

test('HyperLogLog counts few values almost exactly', () => {
  const sketch = new HyperLogLog()
  expect(sketch.estimate).toBe(0)
  for (let value = 1; value <= 40; value++) {
    for (let again = 0; again < 3; again++) sketch.add(value)
    expect(Math.round(sketch.estimate)).toBeGreaterThanOrEqual(value - 1)
    expect(Math.round(sketch.estimate)).toBeLessThanOrEqual(value + 1)
  }
})

test('HyperLogLog goes on in the second hash where the first has no bit left', () => {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const seconds = new Set<string>()
  for (let value = 0; seconds.size < 3; value++) {
    if (murmur3(String(value), 0x9747b28c) << 18 !== 0) continue
    const sketch = new HyperLogLog({ precision: 18 })
    sketch.add(value)
    const rank = Math.max(...[...new Set(sketch.toJSON().registers)].map((digit) => digits.indexOf(digit)))
    expect(rank).toBe(14 + Math.clz32(murmur3(String(value), 0x1b873593)) + 1)
    seconds.add(String(rank))
  }
})

test('HyperLogLog of parts, merged in any order, equals one pass to the byte', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(fc.string(), fc.integer(), fc.boolean()), fc.nat(3)), { maxLength: 300 }), fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), fc.constantFrom(4, 9), (values, order, precision) => {
      const whole = new HyperLogLog({ precision })
      const parts = order.map(() => new HyperLogLog({ precision }))
      for (const [value, part] of values) for (const sketch of [whole, parts[part]!]) sketch.add(value)
      const merged = new HyperLogLog({ precision })
      for (const part of order) merged.merge(new HyperLogLog(JSON.parse(JSON.stringify(parts[part])) as HyperLogLogState))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      expect(merged.estimate).toBe(whole.estimate)
    }),
    { numRuns: 60 },
  )
})

test('HyperLogLog refuses another precision and states that were changed', () => {
  const sketch = new HyperLogLog({ precision: 4 })
  sketch.add('a')
  expect(() => sketch.merge(new HyperLogLog({ precision: 5 }))).toThrow(code('INVALID_INPUT'))
  for (const precision of [3, 19, 4.5]) expect(() => new HyperLogLog({ precision })).toThrow(code('INVALID_OPTION'))
  const state = sketch.toJSON()
  for (const bad of [{ ...state, registers: `${state.registers.slice(1)}A` }, { ...state, registers: 'A' }, { ...state, precision: 5 }]) expect(() => new HyperLogLog(bad)).toThrow(code('PROFILE'))
})
