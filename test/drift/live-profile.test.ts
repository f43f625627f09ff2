import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LiveProfile, type LiveProfileState } from '../../src/drift/live-profile.js'
import { parseReferenceProfile } from '../../src/drift/parse-reference-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const random = seeded(5)
const reference = referenceProfile(
  Array.from({ length: 1000 }, (_, i) => ({ x: random.normal(), flag: i % 3 === 0, word: `w${i % 7}` })),
  { output: (row) => row.x },
)
const value = fc.oneof(fc.double(), fc.integer({ min: -3, max: 3 }), fc.constantFrom(null, undefined, 'w1', 'w9', true, false, NaN, {}))
const row = fc.record({ x: value, flag: value, word: value }, { requiredKeys: [] })

test('LiveProfile of parts, merged in any order, equals one pass to the byte', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(row, fc.nat(7), value), { maxLength: 200 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (rows, order) => {
      const whole = new LiveProfile(reference)
      const workers = order.map(() => new LiveProfile(reference))
      for (const [features, worker, output] of rows) {
        for (const profile of [whole, workers[worker] as LiveProfile]) {
          profile.count(features)
          profile.countOutput(output as number)
        }
      }
      const merged = new LiveProfile(reference)
      for (const worker of order) merged.merge(new LiveProfile(reference, JSON.parse(JSON.stringify(workers[worker]))))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      // Taking all but one away leaves that one.
      for (const worker of order.slice(1)) merged.subtract(workers[worker] as LiveProfile)
      expect(JSON.stringify(merged)).toBe(JSON.stringify(workers[order[0] as number]))
    }),
    { numRuns: 60 },
  )
})

test('LiveProfile counts every row in exactly one cell of every feature', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 50 }), (rows) => {
      const live = new LiveProfile(reference)
      for (const features of rows) live.count(features)
      for (let feature = 0; feature < 3; feature++) expect(live.cells(feature).reduce((a, b) => a + b, 0)).toBe(rows.length)
      expect(live.cells(3).reduce((a, b) => a + b, 0)).toBe(0)
    }),
  )
})

test('LiveProfile puts a training row where the reference has it', () => {
  const rows = Array.from({ length: 500 }, (_, i) => ({ x: i % 90 === 0 ? NaN : seeded(i).normal(), word: i % 11 === 0 ? null : `w${i % 130}` }))
  const made = referenceProfile(rows)
  const live = new LiveProfile(parseReferenceProfile(JSON.stringify(made)))
  for (const features of rows) live.count(features)
  made.features.forEach((feature, index) => {
    expect([...live.cells(index)]).toEqual([...feature.counts])
    expect([...live.magnitudes(index)]).toEqual([...feature.magnitudes])
  })
})

test('LiveProfile counts nothing of a row that throws on the way', () => {
  const live = new LiveProfile(reference)
  const empty = JSON.stringify(live)
  const trap = {
    x: 1,
    get word(): string {
      throw new Error('no')
    },
  }
  expect(() => live.count(trap)).toThrow('no')
  for (const bad of [null, undefined, 3, 'row', [1, 2]]) expect(() => live.count(bad as object)).toThrow(code('INVALID_INPUT'))
  expect(JSON.stringify(live)).toBe(empty)
})

test('LiveProfile refuses another reference, a part that is none, and a state that was tampered with', () => {
  const other = referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i })))
  const live = new LiveProfile(reference)
  live.count({ x: 1 })
  const state = live.toJSON()
  expect(() => live.merge(new LiveProfile(other))).toThrow(code('PROFILE'))
  expect(() => new LiveProfile(other, state)).toThrow(code('PROFILE'))
  // Of the same shape, but from other rows.
  const twin = parseReferenceProfile(JSON.stringify(referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i + 1 })))))
  expect(() => new LiveProfile(twin, new LiveProfile(other).toJSON())).toThrow(code('PROFILE'))
  const bigger = new LiveProfile(reference)
  bigger.count({ x: 50 })
  expect(() => live.subtract(bigger)).toThrow(code('PROFILE'))
  expect(live.toJSON()).toEqual(state)
  const tampered: unknown[] = [null, [], { ...state, version: 2 }, { ...state, rows: -1 }, { ...state, counts: state.counts.slice(1) }, { ...state, counts: state.counts.map(() => 0.5) }, { ...state, counts: 'x' }]
  for (const bad of tampered) expect(() => new LiveProfile(reference, bad as LiveProfileState)).toThrow(code('PROFILE'))
  expect(() => new LiveProfile({} as never)).toThrow(code('INVALID_OPTION'))
})

test('LiveProfile takes no more memory with more rows, and reset empties it', () => {
  const live = new LiveProfile(reference)
  const size = live.toJSON().counts.length
  for (let i = 0; i < 5000; i++) live.count({ x: i, word: `new${i}`, flag: i })
  expect(live.toJSON().counts).toHaveLength(size)
  live.reset()
  expect(live.toJSON()).toEqual(new LiveProfile(reference).toJSON())
})
