import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { driftVerdict } from '../../src/drift/drift-verdict.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile, type ReferenceProfile } from '../../src/drift/reference-profile.js'
import { rootCause, type RootCauseReport } from '../../src/drift/root-cause.js'
import { SlicedProfile } from '../../src/drift/sliced-profile.js'
import { gTest } from '../../src/stats/g-test.js'
import { seeded } from './_seeded.js'

interface Flight {
  readonly origin: string
  readonly km: number | null
  readonly minutes: number
  readonly plane: string
  readonly late: boolean
}
const airports = ['ATL', 'DFW', 'LAX', 'ORD', 'SEA']

interface Draw {
  readonly rows: number
  readonly seed: number
  readonly shares?: readonly number[]
  readonly lateAt?: (origin: string) => number
  readonly kmOf?: (km: number, random: ReturnType<typeof seeded>, origin: string) => number | null
  readonly slower?: number
}

const draw = ({ rows, seed, shares = [0.3, 0.2, 0.2, 0.2, 0.1], lateAt = () => 0.2, kmOf = (km) => km, slower = 0 }: Draw): Flight[] => {
  const random = seeded(seed)
  return Array.from({ length: rows }, () => {
    const at = random.index(shares)
    const origin = airports[at] as string
    // Each airport has routes of its own length.
    const km = 500 + 300 * at + 200 * random.normal() + slower
    return { origin, km: kmOf(km, random, origin), minutes: 30 + km / 12 + 3 * random.normal(), plane: `B${random.index([0.5, 0.3, 0.2])}`, late: random.uniform() < lateAt(origin) }
  })
}

const count = (reference: ReferenceProfile, rows: readonly Flight[]): LiveProfile => {
  const live = new LiveProfile(reference)
  for (const row of rows) {
    live.count(row)
    live.countLabel(row.late)
  }
  return live
}
const byOrigin = (reference: ReferenceProfile, rows: readonly Flight[], order: readonly string[] = airports): Map<string | null, LiveProfile> =>
  new Map(order.map((origin) => [origin, count(reference, rows.filter((row) => row.origin === origin))]))

const before = draw({ rows: 10_000, seed: 1 })
const reference = referenceProfile(before, { features: ['km', 'minutes', 'plane'], label: ({ late }) => late })
const origins = byOrigin(reference, before)
const explain = (now: readonly Flight[], options: Parameters<typeof rootCause>[2] = {}): RootCauseReport =>
  rootCause(reference, count(reference, now), { segments: { origin: { before: origins, after: byOrigin(reference, now) } }, ...options })

describe('rootCause finds what was planted:', () => {
  test('nothing in rows like the reference', () => {
    expect(explain(draw({ rows: 5000, seed: 2 })).causes).toEqual([])
  })

  test('one segment whose label changed', () => {
    const { causes, features } = explain(draw({ rows: 5000, seed: 3, lateAt: (origin) => (origin === 'LAX' ? 0.5 : 0.2) }))
    expect(causes[0]).toMatchObject({ kind: 'segment', by: 'origin', segment: 'LAX', feature: '@label', cell: '"true"' })
    expect(causes[0]!.share).toBeGreaterThan(0.9)
    expect(causes[0]!.text).toMatch(/^origin LAX: @label "true" [12]\d.* % → [45]\d.* %, \d+ % of the divergence of @label within origin$/)
    expect(causes.filter(({ kind }) => kind === 'segment')).toHaveLength(1)
    expect(causes.filter(({ kind }) => kind === 'mix')).toEqual([])
    expect(features[0]?.feature).toBe('@label')
  })

  test('a column that went missing everywhere, told once and not for each segment', () => {
    const { causes } = explain(draw({ rows: 5000, seed: 4, kmOf: (km, random) => (random.uniform() < 0.1 ? null : km) }))
    expect(causes[0]).toMatchObject({ kind: 'cell', feature: 'km', cell: 'missing', before: 0 })
    expect(causes[0]!.after).toBeCloseTo(0.1, 1)
    expect(causes.filter(({ kind }) => kind !== 'cell')).toEqual([])
  })

  test('a column that went missing in one segment', () => {
    const { causes } = explain(draw({ rows: 5000, seed: 5, kmOf: (km, random, origin) => (origin === 'SEA' && random.uniform() < 0.5 ? null : km) }))
    expect(causes[0]).toMatchObject({ kind: 'segment', segment: 'SEA', feature: 'km', cell: 'missing' })
    expect(causes.slice(1).every((cause) => cause.kind === 'cell' && cause.feature === 'km')).toBe(true)
  })

  test('another mix of segments, with the features that changed by it alone', () => {
    const { causes } = explain(draw({ rows: 5000, seed: 6, shares: [0.1, 0.2, 0.2, 0.2, 0.3] }))
    expect(causes.map(({ kind }) => kind)).toEqual(['mix', 'mix'])
    expect(causes.map((cause) => cause.kind === 'mix' && cause.segment).sort()).toEqual(['ATL', 'SEA'])
    expect([...causes[0]!.with].sort()).toEqual(['km', 'minutes'])
    expect(causes.find((cause) => cause.kind === 'mix' && cause.segment === 'SEA')!.text).toMatch(/^origin SEA: (9|10).* % → (29|30).* % of the rows, \d\d % of the change of the mix of origin$/)
  })

  test('a segment that was not there', () => {
    const few = before.filter(({ origin }) => origin !== 'SEA')
    const profile = referenceProfile(few, { features: ['plane'] })
    const now = draw({ rows: 3000, seed: 7 })
    const sides = (rows: readonly Flight[]): Map<string | null, LiveProfile> => new Map([...byOrigin(profile, rows)].filter(([, live]) => live.rows > 0))
    const { causes } = rootCause(profile, count(profile, now), { segments: { origin: { before: sides(few), after: sides(now) } } })
    expect(causes[0]).toMatchObject({ kind: 'mix', segment: 'SEA', before: 0 })
  })

  test('two features that go together, as one', () => {
    const now = draw({ rows: 5000, seed: 8, slower: 250 })
    const alone = explain(now)
    expect(new Set(alone.causes.map((cause) => cause.kind === 'cell' && cause.feature))).toEqual(new Set(['km', 'minutes']))
    const { causes, groups } = explain(now, { rows: before })
    expect(groups).toEqual([['km', 'minutes']])
    expect(causes.length).toBeGreaterThan(0)
    expect(new Set(causes.map((cause) => cause.kind === 'cell' && [cause.feature, ...cause.with].sort().join()))).toEqual(new Set(['km,minutes']))
    expect(new Set(causes.map((cause) => cause.kind === 'cell' && cause.feature)).size).toBe(1)
  })

  test('a category that is new, in a feature and in its pair, as one', () => {
    const profile = referenceProfile(before, { features: ['plane', 'origin'], pairs: [['plane', 'origin']] })
    const { causes } = rootCause(profile, count(profile, draw({ rows: 4000, seed: 9 }).map((row) => (row.plane === 'B2' ? { ...row, plane: 'A380' } : row))))
    expect(new Set(causes.map((cause) => cause.kind === 'cell' && [cause.feature, ...cause.with].sort().join()))).toEqual(new Set(['plane,plane × origin']))
  })

  test('values out of range, on either side', () => {
    const cellOf = (value: number): unknown => {
      const { causes } = explain(draw({ rows: 5000, seed: 10, kmOf: (km, random) => (random.uniform() < 0.05 ? value : km) }))
      return causes[0]?.kind === 'cell' && `${causes[0].feature} ${causes[0].cell}`
    }
    expect(cellOf(-5000)).toMatch(/^km below -?\d+/)
    expect(cellOf(50_000)).toMatch(/^km above \d+/)
  })

  test('the unseen category, in the words of its cell', () => {
    const { causes } = explain(draw({ rows: 5000, seed: 9 }).map((row) => (row.plane === 'B2' ? { ...row, plane: 'A380' } : row)))
    expect(causes.map((cause) => cause.kind === 'cell' && cause.cell).sort()).toEqual(['"B2"', 'rare and new categories'])
  })
})

describe('rootCause splits without a rest:', () => {
  const near = (x: number, y: number): void => expect(Math.abs(x - y)).toBeLessThanOrEqual(1e-12 * Math.max(1e-3, Math.abs(x), Math.abs(y)))
  const total = (parts: readonly { readonly bits: number }[]): number => parts.reduce((sum, { bits }) => sum + bits, 0)
  const rowOf = fc.record({ x: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.constantFrom(null, NaN, 1e9)), c: fc.constantFrom('a', 'b', 'c', 'zz', null), s: fc.constantFrom('p', 'q', 'r', 't') })
  const plain = referenceProfile(Array.from({ length: 300 }, (_, i) => ({ x: i % 25, c: ['a', 'b', 'c'][i % 3] })))
  const segment = (rows: readonly { readonly s: string }[], names: readonly string[]): Map<string | null, LiveProfile> =>
    new Map(names.map((name) => {
      const live = new LiveProfile(plain)
      for (const row of rows) if (row.s === name) live.count(row)
      return [name, live]
    }))
  const all = (rows: readonly object[]): LiveProfile => {
    const live = new LiveProfile(plain)
    for (const row of rows) live.count(row)
    return live
  }

  test('cells sum to the feature, segments and mix to the joint divergence, shares to 1', () => {
    fc.assert(
      fc.property(fc.array(rowOf, { minLength: 1, maxLength: 300 }), fc.array(rowOf, { minLength: 1, maxLength: 200 }), (was, is) => {
        const names = ['p', 'q', 'r', 't']
        const sides = { before: segment(was, names), after: segment(is, names) }
        const report = rootCause(plain, all(is), { segments: { s: sides } })
        for (const split of report.features) {
          near(total(split.cells), split.bits)
          const [by] = split.bySegment
          near(total(by!.parts), by!.within)
          near(by!.mix + by!.within, by!.bits)
          near(by!.mix, report.mixes[0]!.bits)
          near(total(report.mixes[0]!.parts), report.mixes[0]!.bits)
          for (const parts of [split.cells, by!.parts, report.mixes[0]!.parts]) {
            expect(parts.every(({ bits }) => bits >= 0)).toBe(true)
            const shares = parts.reduce((sum, { share }) => sum + share, 0)
            if (total(parts) > 0) near(shares, 1)
            else expect(shares).toBe(0)
          }
        }
        // The joint divergence, computed for itself over the values: here each value is a cell of its own.
        const key = (row: { readonly s: string; readonly c: string | null }): string => `${row.s} ${row.c}`
        const keys = [...new Set([...was, ...is].map(key))]
        const joint = gTest(keys.map((k) => was.filter((row) => key(row) === k).length), keys.map((k) => is.filter((row) => key(row) === k).length), { minimumExpected: 0 })
        near(report.features.find(({ feature }) => feature === 'c')!.bySegment[0]!.bits, joint.statistic / (2 * Math.LN2 * (was.length + is.length)))
      }),
      { numRuns: 60, seed: 11 },
    )
  })

  test('with the degrees of freedom as what chance shows', () => {
    const split = rootCause(reference, count(reference, draw({ rows: 5000, seed: 19 }))).features.find(({ feature }) => feature === 'plane')!
    expect(split.chance * 2 * 15_000 * Math.LN2).toBeCloseTo(2, 9)
    near(split.cells.reduce((sum, { chance }) => sum + chance, 0), split.chance)
  })

  test('whatever the order of the segments, byte for byte', () => {
    const now = draw({ rows: 2000, seed: 12, lateAt: (origin) => (origin === 'ATL' ? 0.4 : 0.2), shares: [0.2, 0.2, 0.2, 0.2, 0.2] })
    const live = count(reference, now)
    const text = (order: readonly string[]): string => JSON.stringify(rootCause(reference, live, { segments: { origin: { before: byOrigin(reference, before, order), after: byOrigin(reference, now, [...order].reverse()) } } }))
    const straight = text(airports)
    fc.assert(fc.property(fc.shuffledSubarray(airports, { minLength: 5 }), (order) => {
      expect(text(order)).toBe(straight)
    }), { numRuns: 4, seed: 13 })
  })

  test('with the effect and the p-value of driftVerdict for each feature', () => {
    const live = count(reference, draw({ rows: 3000, seed: 14, slower: 100 }))
    const verdict = driftVerdict(reference, live)
    for (const split of rootCause(reference, live).features) {
      const { effect, pValue } = verdict.features.find(({ feature }) => feature === split.feature)!
      expect([split.effect, split.pValue]).toEqual([effect.value, pValue])
    }
  })

  test('of sliced profiles as of maps', () => {
    const now = draw({ rows: 3000, seed: 15, lateAt: (origin) => (origin === 'ORD' ? 0.5 : 0.2) })
    const sliced = (rows: readonly Flight[]): SlicedProfile => {
      const profile = new SlicedProfile(reference, { segments: airports })
      for (const row of rows) {
        profile.count(row, { at: 0, segment: row.origin })
        profile.countLabel(row.late, { at: 0, segment: row.origin })
      }
      return profile
    }
    const live = count(reference, now)
    const maps = rootCause(reference, live, { segments: { origin: { before: origins, after: byOrigin(reference, now) } } })
    const slices = rootCause(reference, live, { segments: { origin: { before: sliced(before), after: sliced(now) } } })
    expect(slices.causes).toEqual(maps.causes)
    expect(slices.causes[0]).toMatchObject({ segment: 'ORD' })
  })
})

describe('rootCause bounds what it tells:', () => {
  const now = draw({ rows: 5000, seed: 16, slower: 400, shares: [0.1, 0.1, 0.2, 0.3, 0.3], lateAt: () => 0.5 })

  test('at most `top` causes, those that rank first', () => {
    const { causes } = explain(now)
    expect(causes.length).toBeGreaterThan(3)
    expect(explain(now, { top: 3 }).causes).toEqual(causes.slice(0, 3))
    expect(explain(now, { top: 0 }).causes).toEqual([])
  })

  test('the chosen features alone', () => {
    const { causes, features } = explain(now, { features: ['@label'] })
    expect(features.map(({ feature }) => feature)).toEqual(['@label'])
    expect(causes.every((cause) => cause.kind === 'mix' || cause.feature === '@label')).toBe(true)
    expect(causes.some((cause) => cause.kind === 'cell')).toBe(true)
  })

  test('nothing below the tolerance, however many rows prove it', () => {
    expect(explain(now, { tolerance: 1 }).causes).toEqual([])
  })

  test('one segment that holds all rows is no cause beside the feature', () => {
    const slow = draw({ rows: 3000, seed: 18, slower: 300 })
    const { causes, features } = rootCause(reference, count(reference, slow), { segments: { all: { before: new Map([['one', count(reference, before)]]), after: new Map([['one', count(reference, slow)]]) } } })
    expect(new Set(causes.map(({ kind }) => kind))).toEqual(new Set(['cell']))
    expect(features[0]!.bySegment[0]!.parts[0]!.lift).toBe(1)
  })

  test('segments with few rows are split and not tested', () => {
    const { features, causes } = explain(draw({ rows: 300, seed: 17, lateAt: (origin) => (origin === 'SEA' ? 1 : 0.2) }), { minimumRows: 100 })
    const sea = features.find(({ feature }) => feature === '@label')!.bySegment[0]!.parts.find(({ segment }) => segment === 'SEA')!
    expect(sea.bits).toBeGreaterThan(0)
    expect(sea.adjustedPValue).toBeNaN()
    expect(causes.some((cause) => cause.kind === 'segment')).toBe(false)
  })

  test('no live rows: no cause, and nothing throws', () => {
    const empty = new LiveProfile(reference)
    const report = rootCause(reference, empty, { segments: { origin: { before: origins, after: new Map() } } })
    expect(report.causes).toEqual([])
    expect(report.features.every(({ bits, pValue }) => bits === 0 && Number.isNaN(pValue))).toBe(true)
  })
})

describe('rootCause refuses', () => {
  const live = new LiveProfile(reference)
  const other = referenceProfile(before.slice(0, 500), { features: ['km'] })
  const code = (run: () => unknown): unknown => {
    try {
      run()
    } catch (error) {
      return (error as { code?: unknown }).code
    }
    return 'none'
  }
  test.each<[string, string, () => unknown]>([
    ['counts of another reference', 'ERR_OUTRIGGER_PROFILE', () => rootCause(reference, new LiveProfile(other))],
    ['segments of another reference', 'ERR_OUTRIGGER_PROFILE', () => rootCause(reference, live, { segments: { origin: { before: new SlicedProfile(other), after: origins } } })],
    ['a segment of another reference', 'ERR_OUTRIGGER_PROFILE', () => rootCause(reference, live, { segments: { origin: { before: origins, after: new Map([['ATL', new LiveProfile(other)]]) } } })],
    ['segments that are no counts', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { segments: { origin: { before: origins, after: {} as never } } })],
    ['a period that is not there', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { segments: { origin: { before: origins } as never } })],
    ['segments that are null', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { segments: null as never })],
    ['a segment that is told apart in one period only', 'ERR_OUTRIGGER_INVALID_INPUT', () => rootCause(reference, live, { segments: { origin: { before: origins, after: new Map([[null, count(reference, before.slice(0, 300))]]) } } })],
    ['a profile that is none', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause({} as never, live)],
    ['counts that are none', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, {} as never)],
    ['rows that are none', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { rows: 5 as never })],
    ['features that it has not', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { features: ['km', 'miles'] })],
    ['a row that is none', 'ERR_OUTRIGGER_INVALID_INPUT', () => rootCause(reference, live, { rows: [5 as never] })],
    ['an unknown option', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { segment: {} } as never)],
    ['an alpha out of range', 'ERR_OUTRIGGER_INVALID_OPTION', () => rootCause(reference, live, { alpha: 0.9 })],
  ])('%s', (_, expected, run) => expect(code(run)).toBe(expected))
})

test('rootCause refuses segments in a list, and has no lift that JSON would lose', () => {
  const reference = referenceProfile(draw({ rows: 4000, seed: 1 }))
  expect(() => rootCause(reference, count(reference, draw({ rows: 100, seed: 2 })), { segments: [] as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  // Only ATL changes; the rows of the others are the same ones.
  const before = draw({ rows: 4000, seed: 3 })
  const after = before.map((row) => (row.origin === 'ATL' ? { ...row, km: null } : row))
  const by = (rows: readonly Flight[]): Map<string, LiveProfile> => new Map(airports.map((airport) => [airport, count(reference, rows.filter(({ origin }) => origin === airport))]))
  const { features } = rootCause(reference, count(reference, after), { segments: { origin: { before: by(before), after: by(after) } } })
  const lifts = features.flatMap(({ bySegment }) => bySegment.flatMap(({ parts }) => parts.map(({ lift }) => lift)))
  expect(lifts.every(Number.isFinite)).toBe(true)
  expect(Math.max(...lifts)).toBe(1000)
})
