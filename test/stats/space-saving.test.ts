import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpaceSaving, type SpaceSavingState } from '../../src/stats/space-saving.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const truthOf = (keys: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}
const holds = (sketch: SpaceSaving, truth: ReadonlyMap<string, number>): void => {
  const total = [...truth.values()].reduce((a, b) => a + b, 0)
  const listed = new Set<string>()
  expect(sketch.total).toBe(total)
  for (const { key, count, error } of sketch.top()) {
    listed.add(key)
    const times = truth.get(key) ?? 0
    expect(times).toBeLessThanOrEqual(count)
    expect(times).toBeGreaterThanOrEqual(count - error)
    expect(error).toBeLessThanOrEqual(total / sketch.capacity)
  }
  for (const [key, times] of truth) {
    if (listed.has(key)) continue
    expect(times).toBeLessThanOrEqual(sketch.unlisted)
    expect(times).toBeLessThanOrEqual(total / sketch.capacity)
  }
}
// Small numbers are frequent, so that some keys are heavy.
const keys = fc.array(fc.oneof(fc.nat(3), fc.nat(60)).map((n) => `k${n}`), { maxLength: 400 })

test('SpaceSaving bounds every key, listed or not', () => {
  fc.assert(
    fc.property(keys, fc.constantFrom(2, 5, 20, 100), (stream, capacity) => {
      const sketch = new SpaceSaving({ capacity })
      for (const key of stream) sketch.add(key)
      holds(sketch, truthOf(stream))
    }),
    { numRuns: 200 },
  )
})

test('SpaceSaving keeps its bounds through merges, in any order, and goes on after them', () => {
  fc.assert(
    fc.property(fc.array(keys, { minLength: 1, maxLength: 5 }), keys, fc.constantFrom(2, 5, 20), (streams, after, capacity) => {
      const merged = new SpaceSaving({ capacity })
      for (const stream of streams) {
        const part = new SpaceSaving({ capacity })
        for (const key of stream) part.add(key)
        merged.merge(new SpaceSaving(JSON.parse(JSON.stringify(part)) as SpaceSavingState))
      }
      holds(merged, truthOf(streams.flat()))
      for (const key of after) merged.add(key)
      holds(merged, truthOf([...streams.flat(), ...after]))
    }),
    { numRuns: 200 },
  )
})

test('SpaceSaving is exact, and its merge too, while all keys have a counter', () => {
  const [first, second] = [new SpaceSaving({ capacity: 4 }), new SpaceSaving({ capacity: 4 })]
  for (const key of ['a', 'b', 'a', 'c']) first.add(key)
  for (const key of ['a', 'd']) second.add(key)
  first.merge(second)
  expect(first.top()).toEqual([{ key: 'a', count: 3, error: 0 }, { key: 'b', count: 1, error: 0 }, { key: 'c', count: 1, error: 0 }, { key: 'd', count: 1, error: 0 }])
  expect(first.top(1)).toHaveLength(1)
})

test('SpaceSaving round-trips to the byte, and refuses states that were changed', () => {
  const sketch = new SpaceSaving({ capacity: 3 })
  for (let i = 0; i < 50; i++) sketch.add(`k${(i * i) % 7}`)
  const saved = JSON.stringify(sketch)
  expect(JSON.stringify(new SpaceSaving(JSON.parse(saved) as SpaceSavingState))).toBe(saved)
  const state = sketch.toJSON()
  for (const bad of [{ ...state, total: 1 }, { ...state, entries: [] }, { ...state, capacity: 4 }]) expect(() => new SpaceSaving(bad)).toThrow(code('PROFILE'))
  for (const bad of [{ capacity: 1 }, { size: 2 }]) expect(() => new SpaceSaving(bad as object)).toThrow(code('INVALID_OPTION'))
})

test('SpaceSaving refuses keys that are no text, which its state could not be restored with', () => {
  const sketch = new SpaceSaving()
  for (const bad of [3, undefined, null]) expect(() => sketch.add(bad as unknown as string)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  expect(sketch.total).toBe(0)
})
