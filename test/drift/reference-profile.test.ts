import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checksumOf } from '../../src/drift/saved-json.js'
import { parseReferenceProfile } from '../../src/drift/parse-reference-profile.js'
import { outputFeature, referenceProfile, type FeatureProfile } from '../../src/drift/reference-profile.js'
import { DDSketch } from '../../src/stats/ddsketch.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const column = (values: readonly unknown[], options = {}): FeatureProfile => referenceProfile(values.map((x) => ({ x })), { minimumRows: 20, ...options }).features[0] as FeatureProfile
const total = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0)
const cellOf = (feature: FeatureProfile, value: number): number => (feature.kind === 'numeric' ? feature.edges.filter((edge) => edge < value).length : -1)
const special = (feature: FeatureProfile): number[] => [...feature.counts.slice(-5)]

describe('numeric cells', () => {
  test('hold about equally many rows, and no outlier squeezes them', () => {
    const random = seeded(1)
    const values = Array.from({ length: 6400 }, () => random.normal())
    const clean = column(values)
    const squeezed = column([...values, 1e6, -1e300])
    for (const feature of [clean, squeezed]) {
      const inner = [...feature.counts.slice(1, -6)]
      expect(inner.length).toBeGreaterThanOrEqual(60)
      expect(Math.max(...inner)).toBeLessThan(2.5 * (6400 / 64))
    }
  })

  test('give a heavy value a cell of its own, as wide as the rounding to a 32-bit float', () => {
    const random = seeded(2)
    const feature = column(Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? 0.1 : random.uniform())))
    const cell = cellOf(feature, 0.1)
    expect(feature.kind === 'numeric' && feature.points.get(cell)).toBe(0.1)
    expect(feature.counts[cell]).toBeGreaterThanOrEqual(1000)
    expect(cellOf(feature, Math.fround(0.1))).toBe(cell)
    expect(cellOf(feature, 0.101)).not.toBe(cell)
  })

  test('of a flag leave a cell between its values, where a mean filled in for a missing value shows', () => {
    const feature = column(Array.from({ length: 1000 }, (_, i) => i % 2))
    const cells = [-1, 0, 0.37, 1, 2].map((value) => cellOf(feature, value))
    expect(new Set(cells).size).toBe(5)
    expect([...feature.counts.slice(0, 5)]).toEqual([0, 500, 0, 500, 0])
  })

  test('hold every value that made them, whatever the values, and nothing below or above', () => {
    const value = fc.oneof(fc.double({ noNaN: true, min: -1.7e308, max: 1.7e308 }), fc.integer({ min: -3, max: 3 }), fc.constantFrom(0, -0, 5e-324, -5e-324, 1e308, -1e308, 1, 1 + Number.EPSILON))
    fc.assert(
      fc.property(fc.array(value, { minLength: 20, maxLength: 300 }), fc.integer({ min: 4, max: 64 }), (values, cells) => {
        const feature = column(values, { cells })
        if (feature.kind !== 'numeric') throw new Error('numeric')
        const own = feature.counts.slice(0, -5)
        expect(total(own)).toBe(values.length)
        expect([own[0], own[own.length - 1]]).toEqual([0, 0])
        expect(own.length).toBeLessThanOrEqual(2 * cells + 3)
        expect(feature.edges.every((edge, i) => Number.isFinite(edge) && (i === 0 || edge > (feature.edges[i - 1] as number)))).toBe(true)
        for (const [cell, point] of feature.points) expect(cellOf(feature, point)).toBe(cell)
      }),
    )
  })

  test('of a column without a finite value still count', () => {
    const feature = column(Array.from({ length: 30 }, () => NaN))
    expect(feature.kind).toBe('numeric')
    expect([...feature.counts]).toEqual([0, 0, 30, 0, 0, 0])
  })
})

test('missing, NaN, infinities and a wrong type are cells of their own', () => {
  const values = [...Array.from({ length: 40 }, (_, i) => i), null, undefined, NaN, NaN, NaN, Infinity, Infinity, Infinity, Infinity, -Infinity, 'x', {}, true]
  expect(special(column(values))).toEqual([2, 3, 4, 1, 3])
  const words = [...Array.from({ length: 40 }, (_, i) => `w${i % 3}`), null, NaN, Infinity, -Infinity, {}, 7n]
  expect(special(column(words))).toEqual([1, 1, 1, 1, 2])
})

test('an absent key is missing, also when every object inherits its name', () => {
  const rows = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? { constructor: i } : {}))
  const [feature] = referenceProfile(rows, { minimumRows: 20 }).features
  expect(special(feature as FeatureProfile)).toEqual([20, 0, 0, 0, 0])
})

describe('categories', () => {
  test('the frequent are named, the others seen, and the rest unseen', () => {
    const values = Array.from({ length: 300 }, (_, i) => (i < 200 ? `top${i % 2}` : `rare${i}`))
    const feature = column(values, { categories: 2 })
    if (feature.kind !== 'categorical') throw new Error('categorical')
    expect(feature.categories).toEqual(['top0', 'top1'])
    expect([...feature.counts.slice(0, 4)]).toEqual([100, 100, 100, 0])
    expect(feature.tail).toHaveLength(100)
    expect(feature.largestTailShare).toBe(1 / 300)
  })

  test('booleans and codes can be categories, and a code that should be a number can be forced', () => {
    expect(column(Array.from({ length: 40 }, (_, i) => i % 2 === 0))).toMatchObject({ kind: 'categorical', categories: ['false', 'true'], types: ['boolean'] })
    expect(column(Array.from({ length: 40 }, (_, i) => i % 4), { kinds: { x: 'categorical' } })).toMatchObject({ kind: 'categorical', types: ['number'] })
  })

  test('of a million different values take bounded memory', () => {
    const feature = column(Array.from({ length: 30_000 }, (_, i) => `id${i}`))
    if (feature.kind !== 'categorical') throw new Error('categorical')
    expect([feature.categories.length, feature.isTailComplete]).toEqual([100, false])
    expect(feature.tail.length).toBeLessThanOrEqual(10_000)
  })
})

describe('rows', () => {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ a: i, b: i % 2 === 0 ? 'even' : 'odd' }))

  test('as arrays of numbers give the same counts as records', () => {
    const records = referenceProfile(rows.map(({ a }) => ({ a, c: a / 2 })))
    expect(referenceProfile(rows.map(({ a }) => [a, a / 2]), { features: ['a', 'c'] }).checksum).toBe(records.checksum)
    expect(referenceProfile(rows.map(({ a }) => Float64Array.of(a, a / 2)), { features: ['a', 'c'] }).checksum).toBe(records.checksum)
  })

  test('beyond the sample are all counted when they can be read again, and sampled when they cannot', () => {
    const whole = referenceProfile(rows, { sampleRows: 1000 })
    const again = referenceProfile(new Set(rows), { sampleRows: 1000 })
    expect([whole.rows, again.rows]).toEqual([5000, 5000])
    expect(again.checksum).toBe(whole.checksum)
    function* once(): Generator<{ a: number; b: string }> {
      const reused = { a: 0, b: '' }
      for (const row of rows) yield Object.assign(reused, row)
    }
    const sampled = referenceProfile(once(), { sampleRows: 1000 })
    expect(sampled.rows).toBeGreaterThan(400)
    expect(sampled.rows).toBeLessThanOrEqual(1000)
    const [a, b] = sampled.features
    expect(total((a as FeatureProfile).counts)).toBe(sampled.rows)
    // The reused row was copied: both words are there, about equally.
    expect(Math.min(...(b as FeatureProfile).counts.slice(0, 2))).toBeGreaterThan(sampled.rows / 3)
  })

  test('of a periodic series are sampled from every phase', () => {
    const sampled = referenceProfile((function* () {
      for (let hour = 0; hour < 64_000; hour++) yield { hour: hour % 16 }
    })(), { sampleRows: 1000 })
    const counts = [...(sampled.features[0] as FeatureProfile).counts].filter((count) => count > 0)
    expect(counts).toHaveLength(16)
  })

  test('too few, none, or of a kind that cannot be counted are refused by code', () => {
    expect(() => referenceProfile(rows.slice(0, 99))).toThrow(code('TOO_FEW_ROWS'))
    expect(() => referenceProfile([])).toThrow(code('TOO_FEW_ROWS'))
    expect(() => column(Array.from({ length: 30 }, () => ({})))).toThrow(code('PROFILE'))
    expect(() => referenceProfile(rows.map(() => [1, 2]))).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows.map(() => [1, 2]), { features: ['a'] })).toThrow(code('INVALID_INPUT'))
    expect(() => referenceProfile(rows.map(() => 3) as unknown as object[], { features: ['a'] })).toThrow(code('INVALID_INPUT'))
    expect(() => referenceProfile(rows.map(() => ({})))).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile([Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [i, i])), ...rows])).toThrow(code('PROFILE'))
  })

  test('options that are misspelt or out of range are refused', () => {
    expect(() => referenceProfile(rows, { cels: 3 } as object)).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows, { cells: 1000 })).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows, { kinds: { z: 'numeric' } })).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows, { kinds: { a: 'text' as 'numeric' } })).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows, { features: ['a', 'a'] })).toThrow(code('INVALID_OPTION'))
    expect(() => referenceProfile(rows, { features: ['a', outputFeature] })).toThrow(code('INVALID_OPTION'))
  })
})

describe('the file', () => {
  const random = seeded(3)
  const profile = referenceProfile(
    Array.from({ length: 3000 }, (_, i) => ({ x: random.normal() * 10 ** (i % 30), zero: i % 3 === 0 ? -0 : random.uniform(), word: `w${i % 150}`, gone: null, mixed: i % 4 === 0 ? i : 'x' })),
    { output: (row) => row.zero },
  )
  const text = JSON.stringify(profile)

  test('round-trips exactly, also with other white space and order of keys', () => {
    const again = parseReferenceProfile(text)
    expect(JSON.stringify(again)).toBe(text)
    expect(again).toEqual(profile)
    const reversed = JSON.stringify(JSON.parse(text), (_, value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).reverse()) : value), 2)
    expect(reversed.indexOf('"checksum"')).toBeGreaterThan(reversed.indexOf('"features"'))
    expect(parseReferenceProfile(reversed)).toEqual(profile)
    expect(parseReferenceProfile(JSON.parse(text)).checksum).toBe(profile.checksum)
  })

  test('of any profile round-trips', () => {
    const value = fc.oneof(fc.double(), fc.string(), fc.boolean(), fc.constantFrom(null, undefined))
    fc.assert(
      fc.property(fc.array(fc.record({ a: value, b: fc.double(), ['__proto__']: fc.string() }), { minLength: 20, maxLength: 60 }), (rows) => {
        const made = referenceProfile(rows, { minimumRows: 20 })
        expect(parseReferenceProfile(JSON.stringify(made))).toEqual(made)
      }),
      { numRuns: 50 },
    )
  })

  test('is refused when cut anywhere or edited in any digit', () => {
    for (const at of [0, 1, 10, 200, text.length >> 1, text.length - 1]) expect(() => parseReferenceProfile(text.slice(0, at)), `cut at ${at}`).toThrow(code('PROFILE'))
    const digits = [...text.matchAll(/[1-8](?=[,\]}])/g)].map(({ index }) => index)
    for (let i = 0; i < digits.length; i += 40) {
      const at = digits[i] as number
      const edited = text.slice(0, at) + String(Number(text[at]) + 1) + text.slice(at + 1)
      // The last of seventeen digits may say nothing: the file is the same then.
      if (JSON.stringify(JSON.parse(edited)) === JSON.stringify(JSON.parse(text))) continue
      expect(() => parseReferenceProfile(edited), `edited at ${at}`).toThrow(code('PROFILE'))
    }
  })

  test('of another version, another format or none is refused, with what it is', () => {
    const file = JSON.parse(text)
    for (const version of [1, 3]) expect(() => parseReferenceProfile({ ...file, version })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE', message: expect.stringContaining(`reads version 2: current value is ${version}`) as string }))
    for (const other of ['null', '[]', '3', '{}', '{"format":"outrigger-live-profile"}', 'x']) expect(() => parseReferenceProfile(other)).toThrow(code('PROFILE'))
  })

  test('is a few kilobytes for each feature', () => {
    expect(text.length / profile.features.length).toBeLessThan(4096)
  })
})

describe('moments of the reference', () => {
  test('are those of its finite values', () => {
    const values = [1, 2, 3, 4, NaN, Infinity, 10, -7, 'x', null, 2.5]
    const feature = column([...values, ...values, ...values], { kinds: { x: 'numeric' } })
    const finite = values.filter((value): value is number => Number.isFinite(value))
    const mean = finite.reduce((a, b) => a + b) / finite.length
    const squares = 3 * finite.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    expect(feature.moments).toMatchObject({ count: 21, beyond: 0 })
    expect(feature.moments?.mean).toBeCloseTo(mean, 14)
    expect(feature.moments?.variance).toBeCloseTo(squares / 20, 12)
    expect([feature.min, feature.max]).toEqual([-7, 10])
  })

  test('of a category are none, and of a column without numbers NaN', () => {
    expect(column(Array.from({ length: 30 }, (_, i) => `c${i % 3}`)).moments).toBeUndefined()
    const empty = column(Array.from({ length: 30 }, () => NaN))
    expect([empty.moments?.count, empty.moments?.mean, empty.min, empty.max]).toEqual([0, NaN, NaN, NaN])
  })
})

describe('the sketch of a numeric feature', () => {
  const random = seeded(5)
  const values = Array.from({ length: 20_000 }, (_, i) => (i === 78 ? 1e20 : (random.uniform() < 0.3 ? -1 : 1) * Math.exp(2 * random.normal())))
  const rows = values.map((x, i) => ({ x: i % 10 === 0 ? null : i % 11 === 0 ? NaN : x, word: `w${i % 3}`, half: x / 2 }))
  const profile = referenceProfile(rows, { features: ['x', 'word'], label: ({ half }) => half, sampleRows: 1000 })
  const [x, word, label] = profile.features as unknown as [FeatureProfile, FeatureProfile, FeatureProfile]
  const finite = Float64Array.from(rows.flatMap(({ x }) => (x === null || Number.isNaN(x) ? [] : [x]))).sort()

  test('tells quantiles of all its finite values within 2 %, far out as well, and beside an outlier', () => {
    expect(x.sketch?.count).toBe(finite.length)
    for (const p of [0, 0.0005, 0.01, 0.25, 0.5, 0.9, 0.99, 0.9995, 1]) {
      const exact = finite[Math.floor(p * (finite.length - 1))] as number
      expect(Math.abs((x.sketch?.quantile(p) as number) - exact), `p ${p}`).toBeLessThanOrEqual(0.02 * Math.abs(exact) * (1 + 1e-12))
    }
    expect(x.sketch?.max).toBe(1e20)
    expect([x.sketch?.min, x.sketch?.max]).toEqual([x.min, x.max])
    expect(label.sketch?.quantile(0.5)).toBeGreaterThan(0)
    expect(word.sketch).toBeUndefined()
  })

  test('holds what a sketch of the values holds, whatever way they came', () => {
    const own = new DDSketch({ relativeAccuracy: 0.02 })
    for (const value of finite) own.add(value)
    expect(x.sketch?.toJSON()).toEqual(own.toJSON())
    expect(referenceProfile([...rows].reverse(), { features: ['x', 'word'], sampleRows: 20_000 }).features[0]?.sketch?.toJSON()).toEqual(own.toJSON())
  })

  test('round-trips exactly, and goes on in another sketch', () => {
    const again = parseReferenceProfile(JSON.stringify(profile))
    expect(again.features.map(({ sketch }) => sketch?.toJSON())).toEqual(profile.features.map(({ sketch }) => sketch?.toJSON()))
    expect(again.checksum).toBe(profile.checksum)
    const both = new DDSketch({ relativeAccuracy: 0.02 })
    both.merge(x.sketch as DDSketch)
    both.merge(again.features[0]?.sketch as DDSketch)
    expect([both.count, both.quantile(0.99)]).toEqual([2 * finite.length, x.sketch?.quantile(0.99)])
  })

  test('is missing in a profile from before there were any, which reads as it was', () => {
    const { checksum, ...content } = JSON.parse(JSON.stringify(profile)) as { checksum: string; features: { sketch?: unknown }[] }
    for (const feature of content.features) delete feature.sketch
    const older = { ...content, checksum: checksumOf(content) }
    const read = parseReferenceProfile(older)
    expect(read.checksum).toBe(older.checksum)
    expect(read.checksum).not.toBe(checksum)
    expect(JSON.parse(JSON.stringify(read))).toEqual(older)
    expect(read.features[0]).toMatchObject({ sketch: undefined, moments: x.moments, counts: x.counts })
  })

  test('of other values, or none, is refused in a file', () => {
    const file = JSON.parse(JSON.stringify(profile)) as { features: { sketch?: unknown }[] }
    const few = new DDSketch({ relativeAccuracy: 0.02 })
    few.add(1)
    for (const sketch of [null, 3, {}, [], few.toJSON(), { ...x.sketch?.toJSON(), zeros: 1 }, { relativeAccuracy: 0.01 }]) {
      const { checksum: _, ...content } = { checksum: '', ...file, features: [{ ...file.features[0], sketch }, ...file.features.slice(1)] }
      expect(() => parseReferenceProfile({ ...content, checksum: checksumOf(content) }), JSON.stringify(sketch)).toThrow(code('PROFILE'))
    }
  })
})

describe('labels, scores and pairs', () => {
  const rows = Array.from({ length: 600 }, (_, i) => ({ origin: ['ATL', 'ORD', 'LAX'][i % 3], dest: i % 50 === 0 ? 'JFK' : ['SFO', 'SEA'][i % 2], km: i % 97 }))
  const options = { label: ({ km }: { km: number }) => (km > 40 ? 'late' : 'ok'), score: ({ km }: { km: number }) => km / 97, output: ({ km }: { km: number }) => km > 45, pairs: [['origin', 'dest'], ['km', 'origin']] as const }
  const profile = referenceProfile(rows, options)

  test('are features with a role of their own, and round-trip', () => {
    expect(profile.features.map(({ name, role, kind }) => `${name} ${role} ${kind}`)).toEqual([
      'origin input categorical', 'dest input categorical', 'km input numeric', '@output output categorical', '@label label categorical', '@score score numeric',
      'origin × dest pair categorical', 'km × origin pair categorical',
    ])
    expect(parseReferenceProfile(JSON.stringify(profile))).toEqual(profile)
  })

  test('of which pairs count every combination of the two', () => {
    const pair = profile.features[6] as FeatureProfile & { kind: 'categorical' }
    const truth = new Map<string, number>()
    for (const { origin, dest } of rows) truth.set(`${origin} × ${dest}`, (truth.get(`${origin} × ${dest}`) ?? 0) + 1)
    expect(new Map(pair.categories.map((name, cell) => [name, pair.counts[cell]]))).toEqual(truth)
    expect(total(profile.features[7]!.counts)).toBe(600)
    const limited = referenceProfile(rows, { ...options, categories: 2 }).features[6] as typeof pair
    expect(limited.categories).toHaveLength(2)
    expect(total(limited.counts)).toBe(600)
    expect(limited.counts[limited.categories.length + 1]).toBe(0)
  })

  test('of which pairs must be two features that there are', () => {
    for (const pairs of [[['origin', 'nowhere']], [['km', 'km']], [['km']], 'km', [['@output', 'km']]]) {
      expect(() => referenceProfile(rows, { pairs: pairs as never })).toThrow(code('INVALID_OPTION'))
    }
    expect(() => referenceProfile(rows.map((row) => ({ ...row, '@label': 1 })))).toThrow(code('INVALID_OPTION'))
  })
})
