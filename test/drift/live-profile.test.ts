import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LiveProfile, type LiveProfileState } from '../../src/drift/live-profile.js'
import { parseReferenceProfile } from '../../src/drift/parse-reference-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { ExactSum } from '../../src/stats/exact-sum.js'
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
  const tampered: unknown[] = [null, [], { ...state, version: 1 }, { ...state, version: 3 }, { ...state, sums: undefined }, { ...state, sums: state.sums.map(() => 0.5) }, { ...state, rows: -1 }, { ...state, counts: state.counts.slice(1) }, { ...state, counts: state.counts.map(() => 0.5) }, { ...state, counts: 'x' }]
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

test('LiveProfile.moments are the true ones, around any offset, in whatever order and parts the rows came', () => {
  const made = seeded(11)
  for (const [offset, scale] of [[0, 1], [1.7e12, 1000], [-5, 1e-9], [1e-300, 1e-301], [3, 0]] as const) {
    const values = Array.from({ length: 800 }, () => offset + scale * made.normal())
    const base = referenceProfile(values.map((x) => ({ x })), { kinds: { x: 'numeric' } })
    // Some far out, none beyond.
    const live = [...values.slice(0, 300).map((x) => x + scale), offset + 1e6 * scale, offset - 1e6 * scale]
    const sum = new ExactSum()
    for (const x of live) sum.add(x)
    const mean = sum.mean
    const squares = new ExactSum()
    for (const x of live) squares.add((x - mean) ** 2)
    const [whole, first, second] = [new LiveProfile(base), new LiveProfile(base), new LiveProfile(base)]
    for (const x of live) whole.count({ x })
    live.toReversed().forEach((x, i) => (i % 3 === 0 ? first : second).count({ x }))
    second.merge(first)
    expect(JSON.stringify(second)).toBe(JSON.stringify(whole))
    const moments = whole.moments(0)
    expect(moments).toEqual(second.moments(0))
    expect(moments?.count).toBe(302)
    expect(Math.abs((moments?.mean as number) - mean)).toBeLessThanOrEqual(2 ** -50 * (Math.abs(mean) + scale))
    const variance = squares.value / 301
    expect(Math.abs((moments?.variance as number) - variance)).toBeLessThanOrEqual(1e-9 * variance)
    expect(second.moments(0)).toEqual(new LiveProfile(base, JSON.parse(JSON.stringify(second))).moments(0))
  }
})

test('LiveProfile counts what is absurdly far out as beyond, and its moments stay those of the others', () => {
  const live = new LiveProfile(reference)
  for (const x of [0.5, 1e300, -1e300, 1.5, Number.MAX_VALUE, NaN, Infinity]) live.count({ x })
  expect(live.moments(0)).toMatchObject({ count: 2, beyond: 3, mean: 1, variance: 0.5 })
  expect(live.moments(1)).toBeUndefined()
})

test('LiveProfile.moments of a value that got stuck have no spread', () => {
  for (const stuck of [0, 0.1, 1 / 3, 7.7, -123.456, 1e6 + 0.1]) {
    const live = new LiveProfile(reference)
    for (let i = 0; i < 1000; i++) live.count({ x: stuck })
    expect(live.moments(0)).toMatchObject({ count: 1000, variance: 0, standardDeviation: 0 })
    expect(Math.abs((live.moments(0)?.mean as number) - stuck)).toBeLessThanOrEqual(2 ** -50 * Math.max(1, Math.abs(stuck)))
  }
})

test('LiveProfile puts every value into the cell between whose edges it lies, whatever the edges', () => {
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.double({ min: -10, max: 10, noNaN: true }), fc.integer({ min: -4, max: 4 }), fc.constantFrom(0, -0, 5e-324, 1e308, -1e308))
  fc.assert(
    fc.property(fc.array(value, { minLength: 20, maxLength: 400 }), fc.array(value, { minLength: 1, maxLength: 30 }), fc.constantFrom(4, 64, 256), (values, others, cells) => {
      const base = referenceProfile(values.map((x) => ({ x })), { minimumRows: 20, cells })
      const feature = base.features[0]!
      if (feature.kind !== 'numeric') throw new Error('numeric')
      for (const x of [...values.slice(0, 20), ...others, ...feature.edges.slice(0, 20)]) {
        const live = new LiveProfile(base)
        live.count({ x })
        expect(live.cells(0).indexOf(1)).toBe(feature.edges.filter((edge) => edge < x).length)
      }
    }),
    { numRuns: 60 },
  )
})

test('LiveProfile counts labels, scores and pairs beside the row', () => {
  const base = referenceProfile(Array.from({ length: 400 }, (_, i) => ({ from: `a${i % 3}`, km: i % 50 })), { label: (row) => row.km > 25, score: (row) => row.km / 50, pairs: [['from', 'km']] })
  const [from, km, label, score, pair] = [0, 1, 2, 3, 4]
  const live = new LiveProfile(base)
  live.count({ from: 'a1', km: 3 })
  live.count({ from: 'new', km: null })
  live.countLabel(true)
  live.countScore(0.4)
  live.countOutput(1)
  expect([from, km, label, score, pair].map((feature) => live.cells(feature).reduce((a, b) => a + b, 0))).toEqual([2, 2, 1, 1, 2])
  const cells = base.features[pair]!
  if (cells.kind !== 'categorical') throw new Error('categorical')
  expect(live.cells(pair)[cells.categories.findIndex((name) => name.startsWith('a1 × ≤'))]).toBe(1)
  // A pair that the reference never saw.
  expect(live.cells(pair)[cells.categories.length + 1]).toBe(1)
})

test('LiveProfile.countColumns counts as count does, row by row', () => {
  const twin = referenceProfile(Array.from({ length: 300 }, (_, i) => ({ x: i % 37, flag: i % 2 === 0, word: `w${i % 7}` })), { output: (row) => row.x, pairs: [['flag', 'word']] })
  fc.assert(
    fc.property(fc.array(fc.record({ x: fc.oneof(fc.double(), fc.double({ min: -9, max: 9 })), flag: value, word: value, '@output': fc.double() }), { minLength: 1, maxLength: 60 }), (rows) => {
      for (const base of [reference, twin]) {
        const [byRow, byColumn] = [new LiveProfile(base), new LiveProfile(base)]
        for (const features of rows) {
          byRow.count(features)
          byRow.countOutput(features['@output'])
        }
        byColumn.countColumns({ x: Float64Array.from(rows, ({ x }) => x), flag: rows.map(({ flag }) => flag), word: rows.map(({ word }) => word), '@output': rows.map((features) => features['@output']) })
        expect(JSON.stringify(byColumn)).toBe(JSON.stringify(byRow))
      }
    }),
    { numRuns: 60 },
  )
})

test('LiveProfile.countColumns takes a feature without a column as missing, and refuses columns of different lengths', () => {
  const live = new LiveProfile(reference)
  live.countColumns({ x: Float32Array.of(1, NaN, Infinity), other: [1, 2, 3] })
  expect(live.rows).toBe(3)
  expect([...live.cells(0).slice(-5)]).toEqual([0, 1, 1, 0, 0])
  expect(live.cells(1).at(-5)).toBe(3)
  const saved = JSON.stringify(live)
  for (const bad of [{}, { x: [1], word: ['a', 'b'] }, { x: 3 }, { x: null }]) expect(() => live.countColumns(bad as never)).toThrow(code('INVALID_INPUT'))
  expect(JSON.stringify(live)).toBe(saved)
})

test('LiveProfile sums a hundred million values of one row of a day without a rounding', () => {
  const base = referenceProfile(Array.from({ length: 400 }, (_, i) => ({ x: 1 + (i % 100) / 100 })))
  const live = new LiveProfile(base)
  const column = new Float64Array(1_000_000).fill(1 + 1 / 3)
  live.countColumns({ x: column })
  const state = live.toJSON()
  // A state as of 2^20 such parts, added up by doubling.
  for (let step = 0; step < 20; step++) live.merge(live)
  expect(live.rows).toBe(2 ** 20 * 1_000_000)
  const moments = live.moments(0)
  expect(moments?.mean).toBe(new LiveProfile(base, state).moments(0)?.mean)
  expect(moments?.variance).toBe(0)
})
