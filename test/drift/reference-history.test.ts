import { expect, test } from 'vitest'
import { driftMonitor, driftVerdict, type InputDriftMonitor, LiveProfile, parseReferenceHistory, referenceHistory, referenceProfile } from '../../src/drift/index.js'
import { checksumOf } from '../../src/drift/saved-json.js'
import { pipe } from '../../src/core/pipe.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const hourMs = 3_600_000
const monday = Date.UTC(2026, 0, 5)

interface Row {
  readonly x: number | null
  readonly at: number
}

/** Hours of `perHour` rows: by day around 0, by night around 2, and all of an hour off by `jitter` standard deviations together. */
const hoursOf = (seed: number, count: number, { from = monday, perHour = 50, jitter = 0 } = {}): Row[] => {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, hour) => {
    const at = from + hour * hourMs
    const isNight = new Date(at).getUTCHours() < 12
    const off = jitter * random.normal()
    return Array.from({ length: perHour }, (): Row => ({ x: random.normal() + off + (isNight ? 2 : 0), at }))
  }).flat()
}
const options = { at: ({ at }: Row) => at, windowRows: 300 }
const rows = hoursOf(1, 24 * 28)
const reference = referenceProfile(rows, { features: ['x'] })
const seasonal = referenceHistory(reference, rows, { ...options, season: 'hour-of-day' })
const counted = (some: readonly Row[]): LiveProfile => {
  const live = new LiveProfile(reference)
  for (const row of some) live.count(row)
  return live
}
const seasonsOf = (some: readonly Row[]): Map<string, number> => {
  const found = new Map<string, number>()
  for (const { at } of some) found.set(seasonal.seasonOf(at), (found.get(seasonal.seasonOf(at)) ?? 0) + 1)
  return found
}

test('referenceHistory: a night is drift against all of the reference, and none against its nights', () => {
  const night = hoursOf(2, 6, { from: monday + 30 * 24 * hourMs })
  expect(driftVerdict(reference, counted(night)).state).toBe('drifted')
  expect(driftVerdict(reference, counted(night), { history: seasonal, seasonRows: seasonsOf(night) }).state).toBe('ok')
  // The same values by day are.
  const day = night.map(({ x, at }) => ({ x, at: at + 12 * hourMs }))
  expect(driftVerdict(reference, counted(day), { history: seasonal, seasonRows: seasonsOf(day) }).state).toBe('drifted')
})

test('referenceHistory: a window over several seasons is compared with their mixture', () => {
  const dawn = hoursOf(3, 6, { from: monday + (30 * 24 + 9) * hourMs })
  expect(seasonsOf(dawn).size).toBe(6)
  const mixed = { history: seasonal, seasonRows: seasonsOf(dawn) }
  expect(driftVerdict(reference, counted(dawn), mixed).features[0]?.pValue).toBeGreaterThan(0.01)
  const all = dawn.map(({ x, at }, index) => ({ x: index % 6 === 0 ? null : x, at }))
  expect(driftVerdict(reference, counted(all), mixed).features[0]?.findings[0]?.kind).toBe('missing')
})

test('referenceHistory tells the seasons of the week apart, in UTC', () => {
  const of = (season: 'hour-of-day' | 'day-of-week' | 'hour-of-week', at: number): string => referenceHistory(reference, rows, { ...options, season }).seasonOf(at)
  expect([of('hour-of-day', monday), of('hour-of-day', monday + 25.5 * hourMs)]).toEqual(['hour 0', 'hour 1'])
  expect([of('day-of-week', monday), of('day-of-week', monday + 6.9 * 24 * hourMs)]).toEqual(['day 0', 'day 6'])
  expect([of('hour-of-week', monday), of('hour-of-week', monday + 25.5 * hourMs), of('hour-of-week', monday - 1)]).toEqual(['hour 0', 'hour 25', 'hour 167'])
  expect(of('day-of-week', -1)).toBe('day 2')
})

test('referenceHistory: the same rows give the same history, and a file gives it back', () => {
  const again = parseReferenceHistory(reference, JSON.stringify(seasonal), { season: 'hour-of-day' })
  expect(again.toJSON()).toEqual(seasonal.toJSON())
  expect(referenceHistory(reference, rows, { ...options, season: 'hour-of-day' }).toJSON()).toEqual(seasonal.toJSON())
  expect(again.seasonOf(monday)).toBe('hour 0')
})

test('referenceHistory refuses rows out of order, too few windows, too many seasons, wrong options and files that do not fit', () => {
  expect(() => referenceHistory(reference, [...rows].reverse(), options)).toThrow(code('INVALID_INPUT'))
  expect(() => referenceHistory(reference, rows.slice(0, 2999), options)).toThrow(code('TOO_FEW_ROWS'))
  expect(() => referenceHistory(reference, rows, { ...options, season: (at) => String(at) })).toThrow(code('TOO_FEW_ROWS'))
  expect(() => referenceHistory(reference, hoursOf(1, 1200), { ...options, season: (at) => String(at) })).toThrow(code('PROFILE'))
  for (const bad of [{ at: 3 }, { windowRows: 5 }, { season: 'moon' }, { other: 1 }]) expect(() => referenceHistory(reference, rows, { ...options, ...bad } as never), JSON.stringify(bad)).toThrow(code('INVALID_OPTION'))
  const file = JSON.stringify(seasonal)
  const other = referenceProfile(hoursOf(9, 30), { features: ['x'] })
  const resealed = (change: (content: Record<string, unknown>) => object): string => {
    const { checksum: _, ...content } = JSON.parse(file) as Record<string, unknown>
    const changed = change(content)
    return JSON.stringify({ ...changed, checksum: checksumOf(changed) })
  }
  const hollow = [resealed((content) => ({ ...content, spreads: [] })), resealed((content) => ({ ...content, spreads: [{ cells: { mean: -1, freedom: 1, windows: 1 }, ranks: null, special: [] }] })), resealed((content) => ({ ...content, seasons: [['a']] })), resealed((content) => ({ ...content, windowRows: 'many' }))]
  expect(parseReferenceHistory(reference, resealed((content) => content)).windows).toBe(seasonal.windows)
  for (const bad of [...hollow, file.slice(0, -5), file.replace('"windows":', '"window":'), '{}', 'null', file.replace('"version":1', '"version":2')]) expect(() => parseReferenceHistory(reference, bad), bad.slice(0, 50)).toThrow(code('PROFILE'))
  expect(() => parseReferenceHistory(other, file)).toThrow(code('PROFILE'))
  expect(() => driftVerdict(other, new LiveProfile(other), { history: seasonal })).toThrow(code('PROFILE'))
  expect(() => driftMonitor({ reference, windowRows: 500, history: seasonal })).toThrow(code('INVALID_OPTION'))
  expect(() => driftMonitor({ reference: other, windowRows: 300, history: seasonal })).toThrow(code('INVALID_OPTION'))
})

test('driftMonitor compares each row with its season, by the clock, also after a restart', async () => {
  const clock = fakeClock({ wallMs: monday + 30 * 24 * hourMs })
  const made = (history: boolean): InputDriftMonitor<Row> => driftMonitor({ reference, windowRows: 300, alpha: 0.001, clock, features: ({ x }: Row) => ({ x }), ...(history ? { history: seasonal } : {}) })
  const [with_, without] = [made(true), made(false)]
  const model = (row: Row): number => row.x ?? 0
  const stacks = [pipe(model, with_), pipe(model, without)]
  let wasDrifted = false
  for (let hour = 0; hour < 24; hour++) {
    for (const stack of stacks) await stack.batch(hoursOf(50 + hour, 1, { from: clock.wall() }))
    wasDrifted ||= without.state === 'drifted'
    expect(with_.state, `hour ${hour}`).not.toBe('drifted')
    await clock.advance(hourMs)
  }
  expect(wasDrifted).toBe(true)
  // Half a window of night before the restart, half of it after.
  for (let hour = 0; hour < 3; hour++) await stacks[0]?.batch(hoursOf(80 + hour, 1, { from: clock.wall() }))
  const restarted = made(true)
  restarted.restore(JSON.parse(JSON.stringify(with_.export())) as never)
  expect(restarted.verdict()).toEqual(with_.verdict())
  const stack = pipe(model, restarted)
  for (let hour = 0; hour < 3; hour++) await stack.batch(hoursOf(90 + hour, 1, { from: clock.wall() }))
  expect(restarted.state).toBe('ok')
})

test('referenceHistory judges a feature that its rows did not hold as if there were no history', () => {
  const withOutput = referenceProfile(rows, { features: ['x'], output: ({ x }) => x ?? 0 })
  const history = referenceHistory(withOutput, rows, options)
  expect(parseReferenceHistory(withOutput, JSON.stringify(history)).toJSON()).toEqual(history.toJSON())
  const live = new LiveProfile(withOutput)
  const random = seeded(12)
  for (const row of rows.slice(0, 600)) {
    live.count(row)
    live.countOutput(3 + random.normal())
  }
  const verdict = (given: object): unknown => driftVerdict(withOutput, live, given).features.find(({ role }) => role === 'output')
  expect(verdict({ history, seasonRows: new Map([['', 600]]) })).toMatchObject({ state: 'drifted', pValue: (verdict({}) as { readonly pValue: number }).pValue })
})

test('referenceHistory keeps fewer windows where their counts would take too much memory', () => {
  const wide = Array.from({ length: 3800 }, (_, index) => Float64Array.from({ length: 120 }, (_entry, feature) => (index * (2 * feature + 7)) % 3797))
  const profile = referenceProfile(wide, { cells: 256, features: Array.from({ length: 120 }, (_, feature) => `f${feature}`) })
  // 120 features of 3 KB, windows over two seasons: 190 windows would take 140 MB.
  const history = referenceHistory(profile, wide, { at: (_, index) => index * 1000, windowRows: 20, season: (at) => String(Math.floor(at / 10_000) % 2) })
  expect(history.windows).toBeGreaterThanOrEqual(40)
  expect(history.windows).toBeLessThan(150)
}, 30_000)

test('referenceHistory learns how a feature varies from the windows that hold it only', () => {
  const random = seeded(21)
  // Every other window has no value at all; in the others all rows are off together.
  const some = Array.from({ length: 40 }, (_, window) => {
    const off = 0.5 * random.normal()
    return Array.from({ length: 300 }, (): Row => ({ x: window % 2 === 0 ? null : random.normal() + off, at: monday + window * hourMs }))
  }).flat()
  const gappy = referenceProfile(some, { features: ['x'] })
  const spreads = (given: readonly Row[]): { readonly ranks: { readonly windows: number; readonly mean: number } } => {
    const { spreads: [first] } = JSON.parse(JSON.stringify(referenceHistory(gappy, given, options))) as { spreads: [ReturnType<typeof spreads>] }
    return first
  }
  const [all, held] = [spreads(some), spreads(some.filter(({ x }) => x !== null))]
  expect(all.ranks.windows).toBe(20)
  expect(all.ranks.mean).toBeGreaterThan(5)
  expect(all.ranks.mean).toBeCloseTo(held.ranks.mean, 10)
})

test('referenceHistory learns how outputs and scores vary, where it is told them', () => {
  const full = referenceProfile(rows, { features: ['x'], output: ({ x }) => x ?? 0, score: ({ x }) => Math.abs(x ?? 0) })
  const spreads = (given: object): boolean[] => (JSON.parse(JSON.stringify(referenceHistory(full, rows, { ...options, ...given }))) as { spreads: { cells: unknown }[] }).spreads.map(({ cells }) => cells !== null)
  expect(spreads({})).toEqual([true, false, false])
  expect(spreads({ output: ({ x }: Row) => x, score: ({ x }: Row) => Math.abs(x ?? 0) })).toEqual([true, true, true])
})
