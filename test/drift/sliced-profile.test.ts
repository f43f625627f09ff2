import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { SlicedProfile, type SlicedProfileState } from '../../src/drift/sliced-profile.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const random = seeded(21)
const reference = referenceProfile(
  Array.from({ length: 600 }, (_, i) => ({ x: random.normal(), word: `w${i % 7}` })),
  { output: (row) => row.x },
)
const options = { sliceMs: 10, slices: 4, segments: ['fixed'], maximumSegments: 3 }
const value = fc.oneof(fc.double(), fc.double({ min: -3, max: 3 }), fc.constantFrom(null, 'w1', 'w9', true, NaN))
const event = fc.record({ row: fc.record({ x: value, word: value }), at: fc.integer({ min: -5, max: 75 }), segment: fc.constantFrom(undefined, 'fixed', 'a', 'b', 'c', 'd', 'e'), output: value, worker: fc.nat(7) })
type Event = { readonly row: object; readonly at: number; readonly segment: string | undefined; readonly output: unknown }
const put = (profile: SlicedProfile, { row, at, segment, output }: Event): void => {
  const place = segment === undefined ? { at } : { at, segment }
  profile.count(row, place)
  profile.countOutput(output as number, place)
}

test('SlicedProfile of eight workers, merged in any order and from their states, equals one pass in any order to the byte', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), fc.nat(), (events, order, turn) => {
      const whole = new SlicedProfile(reference, options)
      // Outputs follow their rows, so a row that is late has a late output; the order of the pairs is free.
      for (const one of [...events.slice(turn % (events.length + 1)), ...events.slice(0, turn % (events.length + 1))]) put(whole, one)
      const workers = order.map(() => new SlicedProfile(reference, options))
      for (const one of events) put(workers[one.worker] as SlicedProfile, one)
      const merged = new SlicedProfile(reference, options)
      for (const worker of order) merged.merge(new SlicedProfile(reference, JSON.parse(JSON.stringify(workers[worker])) as SlicedProfileState))
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      // And in a tree.
      const [left, right] = [new SlicedProfile(reference, options), new SlicedProfile(reference, options)]
      order.forEach((worker, i) => (i % 2 === 0 ? left : right).merge(workers[worker] as SlicedProfile))
      right.merge(left)
      expect(JSON.stringify(right)).toBe(JSON.stringify(whole))
      expect(whole.window().rows + whole.expired).toBe(events.length)
      // They go on after a merge, in whatever slice and segment was at hand.
      const late = new SlicedProfile(reference, options)
      const last = events.at(-1)
      if (last === undefined) return
      for (const profile of [whole, right, merged]) put(profile, last)
      for (const segment of ['f', 'g', 'h', 'i']) put(late, { ...last, segment })
      for (const profile of [whole, right, merged]) profile.merge(late)
      for (const profile of [whole, right, merged]) put(profile, last)
      expect(JSON.stringify(merged)).toBe(JSON.stringify(whole))
      expect(JSON.stringify(right)).toBe(JSON.stringify(whole))
      expect(whole.window().rows + whole.expired).toBe(events.length + 6)
    }),
    { numRuns: 120 },
  )
})

test('SlicedProfile.window is the live profile of the rows in it, by time and by segment', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), fc.integer({ min: -20, max: 90 }), fc.integer({ min: 0, max: 60 }), (events, from, width) => {
      const sliced = new SlicedProfile(reference, { ...options, maximumSegments: 10 })
      for (const one of events) put(sliced, one)
      const newest = Math.max(...events.map(({ at }) => Math.floor(at / 10)))
      for (const segment of [undefined, null, 'fixed', 'a', 'never']) {
        const live = new LiveProfile(reference)
        let [min, max] = [NaN, NaN]
        for (const one of events) {
          const slice = Math.floor(one.at / 10)
          if (slice <= newest - 4 || slice * 10 >= from + width || slice * 10 + 10 <= from) continue
          if (segment !== undefined && (one.segment ?? null) !== segment) continue
          live.count(one.row)
          live.countOutput(one.output as number)
          const { x } = one.row as { x: unknown }
          if (!Number.isFinite(x)) continue
          min = Number.isNaN(min) ? (x as number) : Math.min(min, x as number)
          max = Number.isNaN(max) ? (x as number) : Math.max(max, x as number)
        }
        const window = { from, to: from + width, ...(segment === undefined ? {} : { segment }) }
        expect(JSON.stringify(sliced.window(window))).toBe(JSON.stringify(live))
        expect(sliced.extremes(0, window)).toEqual({ min: min + 0, max: max + 0 })
      }
    }),
    { numRuns: 60 },
  )
})

test('SlicedProfile lets slices go, counts what comes too late, and not its outputs', () => {
  const live = new SlicedProfile(reference, { sliceMs: 10, slices: 2 })
  live.count({ x: 1 }, { at: 5 })
  live.count({ x: 1 }, { at: 15 })
  expect([live.window().rows, live.late, live.expired]).toEqual([2, 0, 0])
  live.count({ x: 1 }, { at: 25 })
  live.count({ x: 1 }, { at: 9 })
  live.countOutput(1, { at: 9 })
  expect([live.window().rows, live.late, live.expired]).toEqual([2, 1, 2])
  expect(live.window().cells(2).reduce((a, b) => a + b, 0)).toBe(0)
  live.advance(35)
  expect([live.window().rows, live.window({ from: 20, to: 30 }).rows, live.expired]).toEqual([1, 1, 3])
  live.advance(30)
  live.advance(1e6)
  expect([live.window().rows, live.expired, live.bytes]).toEqual([0, 4, 0])
})

test('SlicedProfile has at most so many segments: the named ones and those that win by hash; the others are one', () => {
  const live = new SlicedProfile(reference, { segments: ['ATL', 'ORD'], maximumSegments: 5 })
  for (let i = 0; i < 400; i++) live.count({ x: i }, { at: i, segment: i % 10 === 0 ? 'ATL' : `s${i % 37}` })
  expect(live.segments).toHaveLength(5)
  expect(live.segments).toEqual(expect.arrayContaining(['ATL', 'ORD']))
  expect(live.window({ segment: 'ATL' }).rows).toBe(40)
  expect(live.window({ segment: 'ORD' }).rows).toBe(0)
  const own = live.segments.reduce((rows, segment) => rows + live.window({ segment }).rows, 0)
  expect(live.window({ segment: null }).rows).toBe(400 - own)
  const lost = Array.from({ length: 37 }, (_, i) => `s${i}`).find((segment) => !live.segments.includes(segment)) as string
  expect(() => live.window({ segment: lost })).toThrow(code('INVALID_INPUT'))
  const none = new SlicedProfile(reference, { maximumSegments: 0 })
  none.count({ x: 1 }, { at: 1, segment: 'ATL' })
  expect([none.segments, none.window({ segment: null }).rows]).toEqual([[], 1])
})

test('SlicedProfile takes 1 KB per numeric feature and slice, and no more however many rows come', () => {
  const wide = referenceProfile(Array.from({ length: 1000 }, () => Float64Array.from({ length: 20 }, () => random.normal())), { features: Array.from({ length: 20 }, (_, i) => `f${i}`) })
  const live = new SlicedProfile(wide, { sliceMs: 1, slices: 24 })
  for (let i = 0; i < 2000; i++) live.count(Float64Array.from({ length: 20 }, () => random.normal()), { at: i })
  expect(live.bytes / (20 * 24)).toBeLessThan(1024)
})

test('SlicedProfile refuses what is no row or no time, and counts nothing of it', () => {
  const live = new SlicedProfile(reference, options)
  const empty = JSON.stringify(live)
  for (const at of [NaN, Infinity, 'now', undefined, 1e300]) expect(() => live.count({ x: 1 }, { at: at as number })).toThrow(code('INVALID_INPUT'))
  for (const row of [null, 3, [1]]) expect(() => live.count(row as object, { at: 1 })).toThrow(code('INVALID_INPUT'))
  expect(JSON.stringify(live)).toBe(empty)
  for (const bad of [{ sliceMs: 0 }, { slices: 0 }, { maximumSegments: -1 }, { segments: ['a', 'b'], maximumSegments: 1 }, { segments: 'a' }, { slice: 3 }]) {
    expect(() => new SlicedProfile(reference, bad as object)).toThrow(code('INVALID_OPTION'))
  }
  expect(() => new SlicedProfile({} as never)).toThrow(code('INVALID_OPTION'))
})

test('SlicedProfile refuses states and profiles of another reference, other options, or changed ones', () => {
  const other = referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i, word: 'a' })))
  const live = new SlicedProfile(reference, options)
  live.count({ x: 1, word: 'w1' }, { at: 3, segment: 'a' })
  const saved = JSON.stringify(live)
  const state = JSON.parse(saved) as SlicedProfileState
  expect(JSON.stringify(new SlicedProfile(reference, state))).toBe(saved)
  expect(() => new SlicedProfile(other, state)).toThrow(code('PROFILE'))
  expect(() => live.merge(new SlicedProfile(other, options))).toThrow(code('PROFILE'))
  expect(() => live.merge(live)).toThrow(code('INVALID_INPUT'))
  for (const change of [{ sliceMs: 20 }, { slices: 5 }, { segments: [] }, { maximumSegments: 4 }]) expect(() => live.merge(new SlicedProfile(reference, { ...options, ...change }))).toThrow(code('PROFILE'))
  const changes: object[] = [{ version: 2 }, { expired: 1 }, { newest: 1 }, { named: [] }, { parts: [] }, { parts: [{ ...state.parts[0], rows: 2 }] }, { format: 'outrigger-live-profile' }]
  for (const change of changes) expect(() => new SlicedProfile(reference, { ...state, ...change } as SlicedProfileState)).toThrow(code('PROFILE'))
  expect(JSON.stringify(live)).toBe(saved)
})

test('SlicedProfile takes −0 for 0 among extremes, as its JSON does', () => {
  const sliced = new SlicedProfile(reference, options)
  sliced.count({ x: -0, word: 'w1' }, { at: 0 })
  expect(sliced.extremes(0)).toEqual({ min: 0, max: 0 })
  expect(new SlicedProfile(reference, JSON.parse(JSON.stringify(sliced)) as SlicedProfileState).extremes(0)).toEqual(sliced.extremes(0))
})
