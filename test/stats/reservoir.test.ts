import fc from 'fast-check'
import { expect, test } from 'vitest'
import { murmur3 } from '../../src/core/hash.js'
import { chiSquareSurvival } from '../../src/stats/chi-square.js'
import { Reservoir, type ReservoirState } from '../../src/stats/reservoir.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })

test('Reservoir draws every row equally often', () => {
  const [rows, size, runs] = [40, 10, 2000]
  const drawn = new Float64Array(rows)
  for (let seed = 0; seed < runs; seed++) {
    const sample = new Reservoir<number>({ size, seed })
    for (let row = 0; row < rows; row++) sample.add(row, row)
    for (const { item } of sample.items()) drawn[item]!++
  }
  const expected = (runs * size) / rows
  // Drawn without replacement: the variance of a count is smaller by (rows − size) / (rows − 1).
  const statistic = drawn.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) * ((rows - 1) / (rows - size))
  expect(chiSquareSurvival(statistic, rows - 1)).toBeGreaterThan(1e-3)
})

test('Reservoir of parts, merged in any order, equals one pass to the byte; an id is one item', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(7)), { maxLength: 150 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), fc.integer({ min: 1, max: 30 }), (rows, order, size) => {
      const make = (): Reservoir<string> => new Reservoir({ size, seed: 7 })
      const whole = make()
      const parts = order.map(make)
      for (const [id, part] of rows) for (const sample of [whole, parts[part]!]) sample.add(id, `row ${id}`)
      const merged = make()
      for (const part of order) merged.merge(new Reservoir<string>(JSON.parse(JSON.stringify(parts[part])) as ReservoirState<string>))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      const ids = merged.items().map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length).toBe(Math.min(size, new Set(rows.map(([id]) => id)).size))
    }),
    { numRuns: 150 },
  )
})

test('Reservoir refuses another size or seed, and states that were changed', () => {
  const sample = new Reservoir<number>({ size: 3 })
  for (let row = 0; row < 9; row++) sample.add(row, row)
  expect(() => sample.merge(new Reservoir({ size: 4 }))).toThrow(code('INVALID_INPUT'))
  expect(() => sample.merge(new Reservoir({ size: 3, seed: 1 }))).toThrow(code('INVALID_INPUT'))
  const state = sample.toJSON()
  for (const bad of [{ ...state, entries: [] }, { ...state, added: 3 }, { ...state, seed: 2 }]) expect(() => new Reservoir(bad)).toThrow(code('PROFILE'))
  for (const bad of [{}, { size: 0 }, { size: 2, seed: -1 }, { size: 2, k: 1 }]) expect(() => new Reservoir(bad as { size: number })).toThrow(code('INVALID_OPTION'))
})

test('Reservoir decides between ids of one first hash by the second', () => {
  // Found by search: equal in the first hash, and the one that is later in the alphabet has the smaller second.
  for (const [one, other] of [['row 34405', 'row 60759'], ['row 107466', 'row 35795'], ['row 183969', 'row 34248'], ['row 240384', 'row 79487'], ['row 142494', 'row 265766']] as const) {
    expect(murmur3(one, 0)).toBe(murmur3(other, 0))
    for (const order of [[one, other], [other, one]]) {
      const sample = new Reservoir<string>({ size: 1 })
      for (const id of order) sample.add(id, id)
      expect(sample.items()).toEqual([{ id: other, item: other }])
    }
  }
})
