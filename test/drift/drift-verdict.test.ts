import { describe, expect, test } from 'vitest'
import { driftVerdict, type DriftVerdict, type FeatureVerdict } from '../../src/drift/drift-verdict.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })

interface Trip {
  readonly km: number
  readonly late: number
  readonly city: string
}
const random = seeded(12)
const cities = ['Oslo', 'Rome', 'Bonn', 'Lyon', 'Cork']
const trip = (): Trip => ({ km: Math.exp(6 + 0.8 * random.normal()), late: 5 * random.normal(), city: cities[random.index([0.4, 0.3, 0.15, 0.1, 0.05])] as string })
const reference = referenceProfile(Array.from({ length: 5000 }, trip))
const judge = (rows: readonly object[], options = {}): DriftVerdict => {
  const live = new LiveProfile(reference)
  for (const row of rows) live.count(row)
  return driftVerdict(reference, live, options)
}
const sample = Array.from({ length: 2000 }, trip)
const changed = (change: (row: Trip, index: number) => object): { feature: FeatureVerdict; verdict: DriftVerdict } => {
  const verdict = judge(sample.map(change))
  const [feature] = verdict.features
  return { feature: feature as FeatureVerdict, verdict }
}
const kinds = (feature: FeatureVerdict): string[] => feature.findings.map(({ kind }) => kind)

test('driftVerdict of unchanged data is ok, with an effect near 0 and nothing found', () => {
  const verdict = judge(sample)
  expect(verdict).toMatchObject({ state: 'ok', rows: 2000, referenceRows: 5000, alpha: 0.05, tolerance: 0.05 })
  for (const { state, effect, findings } of verdict.features) {
    expect(state).toBe('ok')
    expect(effect.value).toBeLessThan(0.05)
    expect(findings).toEqual([])
  }
})

test('driftVerdict says too-few-rows, not ok, below the minimum, and how many it needs', () => {
  for (const rows of [[], sample.slice(0, 199)]) {
    const verdict = judge(rows)
    expect(verdict).toMatchObject({ state: 'too-few-rows', rowsNeeded: 200 })
    expect(verdict.features.map(({ state }) => state)).toEqual(['too-few-rows', 'too-few-rows', 'too-few-rows'])
    expect(verdict.features[0]?.pValue).toBeNaN()
  }
  expect(judge(sample.slice(0, 200)).state).toBe('ok')
})

describe('driftVerdict names what changed', () => {
  test('a shift by a quarter of a standard deviation is found in 2000 rows', () => {
    const { feature, verdict } = changed((row) => ({ ...row, late: row.late + 5 * 0.25 }))
    expect(verdict.state).toBe('drifted')
    expect(feature).toMatchObject({ feature: 'late', state: 'drifted' })
    expect(feature.effect.value).toBeGreaterThan(0.08)
    expect(feature.findings).toMatchObject([{ kind: 'shifted', direction: 'higher' }])
    expect(verdict.features.slice(1).map(({ state }) => state)).toEqual(['ok', 'ok'])
  })

  test('a wider spread has no direction', () => {
    const { feature } = changed((row) => ({ ...row, late: row.late * 1.5 }))
    expect(feature.feature).toBe('late')
    expect(kinds(feature)).toContain('reshaped')
  })

  test('another unit is a scale, not a shift, up or down', () => {
    for (const [factor, found] of [[1000, 1000], [0.001, 0.001], [1 / 1.609344, 1 / 1.609344], [60, 60]] as const) {
      const { feature } = changed((row) => ({ ...row, km: row.km * factor }))
      expect(feature.feature).toBe('km')
      expect(kinds(feature)).toEqual(['scaled'])
      expect(feature.findings[0]?.factor).toBeCloseTo(found, 10)
    }
    const { feature } = changed((row) => ({ ...row, late: row.late * 1000 }))
    expect(feature.findings).toMatchObject([{ kind: 'scaled', factor: 1000 }])
  })

  test('a large shift is no scale', () => {
    const { feature } = changed((row) => ({ ...row, late: row.late + 1000 }))
    expect(kinds(feature)).toEqual(['above-range'])
  })

  test('nulls are missing values, and nothing else', () => {
    const { feature, verdict } = changed((row, index) => (index % 20 === 0 ? { ...row, late: null } : row))
    expect(feature).toMatchObject({ feature: 'late', missing: { before: 0, after: 0.05 } })
    expect(kinds(feature)).toEqual(['missing'])
    expect(feature.moved[0]).toEqual({ cell: 'missing', before: 0, after: 0.05 })
    expect(verdict.features.filter(({ state }) => state === 'drifted')).toHaveLength(1)
  })

  test('a feature that is not sent any more is missing in every row', () => {
    const { feature } = changed(({ km, city }) => ({ km, city, delay: 3 }))
    expect(feature).toMatchObject({ feature: 'late', findings: [{ kind: 'missing', after: 1 }] })
    expect(feature.findings[0]?.text).toContain('renamed')
    expect(feature.effect.value).toBeCloseTo(1, 3)
  })

  test('NaN, infinities and strings in the place of numbers are told apart', () => {
    expect(kinds(changed((row, i) => ({ ...row, km: i % 25 === 0 ? NaN : row.km })).feature)).toEqual(['not-a-number'])
    expect(kinds(changed((row, i) => ({ ...row, km: i % 25 === 0 ? -Infinity : row.km })).feature)).toEqual(['infinite'])
    expect(kinds(changed((row) => ({ ...row, km: String(row.km) })).feature)).toEqual(['wrong-type'])
    expect(kinds(changed((row) => ({ ...row, city: 7 })).feature)).toEqual(['wrong-type'])
  })

  test('one percent of a new category is found and named', () => {
    const { feature } = changed((row, i) => (i % 100 === 0 ? { ...row, city: 'Nice' } : row))
    expect(feature.feature).toBe('city')
    expect(feature.findings).toMatchObject([{ kind: 'new-category', before: 0, after: 0.01 }])
  })

  test('a renamed category is told with the one that is gone', () => {
    const { feature } = changed((row) => ({ ...row, city: row.city === 'Bonn' ? 'BONN' : row.city }))
    expect(feature.findings[0]).toMatchObject({ kind: 'renamed-category', category: 'Bonn' })
    expect(feature.moved.map(({ cell }) => cell).slice(0, 2).sort()).toEqual(['"Bonn"', 'rare and new categories'])
  })

  test('other shares of known categories are a mix', () => {
    const { feature } = changed((row, i) => ({ ...row, city: i % 5 === 0 ? 'Cork' : row.city }))
    expect(kinds(feature)).toEqual(['mix-changed'])
    expect(feature.moved[0]?.cell).toBe('"Cork"')
  })

  test('a value that got stuck shows in the cell that holds it', () => {
    const { feature } = changed((row, i) => ({ ...row, late: i % 8 === 0 ? 0.5 : row.late }))
    expect(feature.feature).toBe('late')
    const [low, high] = (feature.moved[0]?.cell ?? '').split(' to ').map(Number) as [number, number]
    expect(low).toBeLessThan(0.5)
    expect(high).toBeGreaterThan(0.5)
  })
})

test('one outlier changes no verdict, whatever its size, and hides no drift', () => {
  for (const outlier of [1e6, -1e6, 1e300, Infinity, NaN, null, 'x']) {
    const calm = judge([...sample.slice(1), { ...sample[0], late: outlier }])
    expect(calm.state).toBe('ok')
    const shifted = judge([...sample.slice(1).map((row) => ({ ...row, late: row.late + 2 })), { ...sample[0], late: outlier }])
    expect(shifted.features.map(({ feature, state }) => `${feature} ${state}`)[0]).toBe('late drifted')
  }
})

test('one unseen category in a thousand rows is no drift', () => {
  const verdict = judge([...sample.slice(0, 999), { ...sample[0], city: 'Nice' }])
  expect(verdict.features.find(({ feature }) => feature === 'city')).toMatchObject({ state: 'ok' })
  expect(verdict.features.find(({ feature }) => feature === 'city')?.pValue).toBeGreaterThan(0.05)
})

test('a feature of which every value is new every time is no drift', () => {
  const made = referenceProfile(Array.from({ length: 2000 }, (_, i) => ({ id: `a${i}` })))
  const live = new LiveProfile(made)
  for (let i = 0; i < 1000; i++) live.count({ id: `b${i}` })
  expect(driftVerdict(made, live).state).toBe('ok')
})

test('a significant hair below the tolerance is ok, and a tolerance of 0 alarms on it', () => {
  const made = referenceProfile(Array.from({ length: 100_000 }, (_, i) => ({ flag: i % 2 === 0 })))
  const live = new LiveProfile(made)
  for (let i = 0; i < 100_000; i++) live.count({ flag: i % 2 === 0 || i % 50 === 1 })
  const [hair] = driftVerdict(made, live).features
  expect(hair?.adjustedPValue).toBeLessThan(1e-4)
  expect(hair?.state).toBe('ok')
  expect(driftVerdict(made, live, { tolerance: 0 }).state).toBe('drifted')
})

test('outputs are judged like inputs, by their own number of rows', () => {
  const made = referenceProfile(sample, { output: ({ km }) => km / 1000 })
  const live = new LiveProfile(made)
  for (const row of sample) live.count(row)
  for (const { km } of sample.slice(0, 150)) live.countOutput(km)
  const output = (): FeatureVerdict | undefined => driftVerdict(made, live).features.find(({ role }) => role === 'output')
  expect(output()).toMatchObject({ feature: '@output', state: 'too-few-rows', rows: 150 })
  for (const { km } of sample) live.countOutput(km)
  expect(output()).toMatchObject({ state: 'drifted', findings: [{ kind: 'scaled', factor: 1000 }] })
})

test('ranks the drifted first, by effect, and gives Holm-adjusted p-values', () => {
  const verdict = judge(sample.map((row) => ({ ...row, late: row.late + 10, km: null })))
  expect(verdict.features.map(({ feature }) => feature)).toEqual(['km', 'late', 'city'])
  for (const { pValue, adjustedPValue } of verdict.features) expect(adjustedPValue).toBeGreaterThanOrEqual(pValue)
})

test('counts of another reference and wrong options are refused', () => {
  const other = referenceProfile(sample.map(({ km }) => ({ km })))
  expect(() => driftVerdict(other, new LiveProfile(reference))).toThrow(code('PROFILE'))
  for (const options of [{ alpha: 0 }, { alpha: 0.6 }, { tolerance: -1 }, { minimumRows: 5 }, { top: 1.5 }, { tolerence: 1 } as object]) {
    expect(() => judge(sample.slice(0, 1), options)).toThrow(code('INVALID_OPTION'))
  }
  expect(() => driftVerdict(reference, {} as never)).toThrow(code('INVALID_OPTION'))
})
