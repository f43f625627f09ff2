import { expect, test } from 'vitest'
import { pipe } from '../../src/core/pipe.js'
import { predictor, type Predictor } from '../../src/core/predictor.js'
import type { PredictorEvent } from '../../src/core/events.js'
import { driftMonitor, type DriftMonitor, type DriftMonitorState } from '../../src/drift/drift-monitor.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { timeout } from '../../src/resilience/timeout.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { mockModel } from '../../src/testing/mock-model.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })

interface Trip {
  readonly km: number
  readonly city: string
}
const random = seeded(21)
const trip = (): Trip => ({ km: 100 + 50 * random.normal(), city: ['Oslo', 'Rome', 'Bonn'][random.index([0.5, 0.3, 0.2])] as string })
const reference = referenceProfile(Array.from({ length: 4000 }, trip))
const withOutput = referenceProfile(Array.from({ length: 4000 }, trip), { output: ({ km }) => km / 60 })
const hours = ({ km }: Trip): { readonly hours: number } => ({ hours: km / 60 })
const trips = (count: number): Trip[] => Array.from({ length: count }, trip)
const far = (count: number): Trip[] => trips(count).map(({ km, city }) => ({ km: km + 60, city }))
const heard = <I, O>(stack: Predictor<I, O>): PredictorEvent[] => {
  const events: PredictorEvent[] = []
  stack.observe((event) => events.push(event), { predictions: false })
  return events
}

test('driftMonitor counts each input, single or in a batch, and changes no answer', async () => {
  const drift = driftMonitor({ reference })
  const predict = pipe(hours, drift, timeout({ ms: 1000 }))
  const rows = trips(300)
  const plain = new LiveProfile(reference)
  for (const row of rows) plain.count(row)
  expect(await predict(rows[0] as Trip)).toEqual(hours(rows[0] as Trip))
  expect(await predict.batch(rows.slice(1))).toEqual(rows.slice(1).map(hours))
  expect(drift.live().toJSON()).toEqual(plain.toJSON())
  expect(drift.verdict()).toMatchObject({ state: 'ok', rows: 300 })
  expect(predict.describe()).toContain('drift-monitor drift: 2 features, windows of 10000 rows')
})

test('driftMonitor counts what then fails, and throws what the model threw', async () => {
  const drift = driftMonitor({ reference: withOutput, output: (answer: { hours: number }) => answer.hours })
  const model = mockModel<Trip, { hours: number }>({ batches: true }).fails(new Error('down'))
  const predict = pipe(predictor<Trip, { hours: number }>(model), drift)
  await expect(predict(trip())).rejects.toThrow('down')
  const rows = await predict.detailedBatch(trips(3))
  expect(rows.map(({ ok }) => ok)).toEqual([false, false, false])
  const [km, , output] = drift.verdict().features.toSorted((a, b) => (a.role < b.role ? -1 : a.role > b.role ? 1 : a.feature < b.feature ? 1 : -1))
  expect([km?.rows, output?.rows]).toEqual([4, 0])
})

test('driftMonitor counts outputs that came, in both forms', async () => {
  const drift = driftMonitor({ reference: withOutput, output: (answer: { hours: number }) => answer.hours })
  const predict = pipe((row: Trip) => hours(row), drift)
  await predict(trip())
  await predict.batch(trips(400).map((row) => ({ ...row, km: row.km })))
  expect(drift.verdict().features.find(({ role }) => role === 'output')).toMatchObject({ rows: 401, state: 'ok' })
})

test('driftMonitor watches how sure the model was beside what it said, in both forms', async () => {
  const withScore = referenceProfile(Array.from({ length: 4000 }, trip), { output: ({ km }) => (km > 60 ? 'far' : 'near'), score: ({ km }) => 0.7 + (km % 30) / 100 })
  const said = (unsure: number) => ({ km }: Trip): { is: string; confidence: number } => ({ is: km > 60 ? 'far' : 'near', confidence: 0.7 + (km % 30) / 100 - unsure })
  const watched = async (unsure: number): Promise<(string | number)[][]> => {
    const drift = driftMonitor({ reference: withScore, output: (answer: { is: string; confidence: number }) => answer.is, score: (answer) => answer.confidence })
    const predict = pipe(said(unsure), drift)
    for (const row of trips(10)) await predict(row)
    await predict.batch(trips(400))
    return drift.verdict().features.filter(({ role }) => role === 'output' || role === 'score').map(({ feature, rows, state }) => [feature, rows, state]).sort()
  }
  expect(await watched(0)).toEqual([['@output', 410, 'ok'], ['@score', 410, 'ok']])
  expect(await watched(0.1)).toEqual([['@output', 410, 'ok'], ['@score', 410, 'drifted']])
  // Also where nothing else of an output is watched, and without harm to the call where it throws.
  const scoreOnly = referenceProfile(Array.from({ length: 4000 }, trip), { score: ({ km }) => km / 100 })
  const drift = driftMonitor({ reference: scoreOnly, score: (answer: { confidence: number | null }) => answer.confidence!.valueOf() })
  const predict = pipe(({ km }: Trip): { confidence: number | null } => ({ confidence: km > 0 ? km / 100 : null }), drift)
  await predict({ ...trip(), km: 50 })
  expect(await predict({ ...trip(), km: -1 })).toEqual({ confidence: null })
  expect([drift.uncounted, drift.verdict().features.find(({ role }) => role === 'score')?.rows]).toEqual([1, 1])
})

test('driftMonitor takes features out of an input', async () => {
  const drift = driftMonitor({ reference, features: (input: string) => JSON.parse(input) as Trip })
  const predict = pipe((input: string) => input.length, drift)
  await predict.batch(trips(250).map((row) => JSON.stringify(row)))
  expect(drift.verdict().state).toBe('ok')
})

test('driftMonitor judges each full window and tells when drift is raised and cleared', async () => {
  const clock = fakeClock()
  const drift = driftMonitor({ reference, windowRows: 500, name: 'trips' })
  const predict = pipe(predictor(hours, { clock }), drift)
  const events = heard(predict)
  expect(drift.state).toBe('too-few-rows')
  await predict.batch(trips(499))
  expect(drift.state).toBe('too-few-rows')
  await predict(trip())
  expect([drift.state, events]).toEqual(['ok', []])
  await predict.batch(far(500))
  expect(drift.state).toBe('drifted')
  await predict.batch(far(500))
  await predict.batch(trips(500))
  expect(drift.state).toBe('ok')
  expect(events).toMatchObject([
    { type: 'state', layer: 'drift-monitor', subject: 'trips', from: 'ok', to: 'drifted', at: clock.wall(), data: { rows: 500, features: [{ feature: 'km', findings: [{ kind: 'above-range' }, { kind: 'shifted', direction: 'higher' }] }] } },
    { type: 'state', subject: 'trips', from: 'drifted', to: 'ok', data: { rows: 500, features: [] } },
  ])
  expect(events[0]?.type === 'state' && events[0].reason).toMatch(/^km: .*higher/)
})

test('driftMonitor slides over the windows that it keeps, by exact counts', async () => {
  const drift = driftMonitor({ reference, windowRows: 300, keep: 2 })
  const predict = pipe(hours, drift)
  const rows = trips(1550)
  await predict.batch(rows)
  // Five full windows of which two are kept, and 50 rows of the next.
  const kept = new LiveProfile(reference)
  for (const row of rows.slice(900)) kept.count(row)
  expect(drift.live().toJSON()).toEqual(kept.toJSON())
  expect(drift.export().windows).toHaveLength(3)
})

test('driftMonitor with an infinite window is judged only when asked, and reset starts afresh', async () => {
  const drift = driftMonitor({ reference, windowRows: Infinity })
  const predict = pipe(hours, drift)
  const events = heard(predict)
  await predict.batch(far(1000))
  expect([drift.state, drift.verdict().state, events.length]).toEqual(['too-few-rows', 'drifted', 0])
  drift.reset()
  expect(drift.verdict()).toMatchObject({ state: 'too-few-rows', rows: 0 })
})

test('driftMonitor that is reset while drift is raised clears it', async () => {
  const drift = driftMonitor({ reference, windowRows: 300 })
  const predict = pipe(hours, drift)
  const events = heard(predict)
  await predict.batch(far(300))
  drift.reset()
  expect(events.map((event) => event.type === 'state' && event.to)).toEqual(['drifted', 'too-few-rows'])
})

test('driftMonitor never fails a call when features cannot be taken out: one notice for a window', async () => {
  const drift = driftMonitor({
    reference,
    windowRows: 300,
    features: (row: Trip) => {
      if (row.city === 'Atlantis') throw new Error('no such city')
      return row
    },
  })
  const predict = pipe(hours, drift)
  const events = heard(predict)
  const lost = { km: 1, city: 'Atlantis' }
  expect(await predict(lost)).toEqual(hours(lost))
  expect(await predict.batch([lost, ...trips(2), lost])).toHaveLength(4)
  expect(events).toMatchObject([{ type: 'notice', layer: 'drift-monitor', error: new Error('no such city') }])
  expect([drift.uncounted, drift.live().rows]).toEqual([3, 2])
  await predict.batch(trips(298))
  await predict(lost)
  expect(events.filter(({ type }) => type === 'notice')).toHaveLength(2)
})

test('driftMonitor of inputs that are no records leaves them out, with a notice', async () => {
  const drift = driftMonitor({ reference })
  const predict = pipe((x: number) => x, drift)
  const events = heard(predict)
  expect(await predict(3)).toBe(3)
  expect(events).toMatchObject([{ type: 'notice', error: { code: 'ERR_OUTRIGGER_INVALID_INPUT' } }])
})

test('driftMonitor leaves a throwing output function out as well', async () => {
  const drift = driftMonitor({
    reference: withOutput,
    output: (_: { readonly hours: number }): number => {
      throw new Error('no output')
    },
  })
  const predict = pipe(hours, drift)
  expect(await predict(trip())).toHaveProperty('hours')
  expect(drift.uncounted).toBe(1)
})

test('driftMonitor goes on from an exported state, and refuses one that does not fit', async () => {
  const clock = fakeClock()
  const first = driftMonitor({ reference, windowRows: 300, keep: 2, clock })
  await pipe(hours, first).batch(far(1000))
  await clock.advance(1000)
  const saved = JSON.parse(JSON.stringify(first.export())) as DriftMonitorState
  const second = driftMonitor({ reference, windowRows: 300, keep: 2, clock })
  second.restore(saved)
  expect(second.export()).toEqual(first.export())
  expect([second.state, second.verdict()]).toEqual(['drifted', first.verdict()])
  const before = second.export()
  for (const bad of [null, {}, { ...saved, version: 9 }, { ...saved, state: 'odd' }, { ...saved, windows: [{}] }, { ...saved, windows: [{ ...saved.windows[0], seasons: [['a', -1]] }] }, { ...saved, pages: { ...saved.pages, drifted: 0.5 } }, { ...saved, pages: undefined }]) expect(() => second.restore(bad as DriftMonitorState)).toThrow(code('PROFILE'))
  expect(() => driftMonitor({ reference: withOutput }).restore(saved)).toThrow(code('PROFILE'))
  expect(second.export()).toEqual(before)
})

test('driftMonitor tells nobody after its stack is closed, and holds on to no host', async () => {
  const drift = driftMonitor({ reference, windowRows: 300 })
  const [one, two] = [pipe(hours, drift), pipe(hours, drift)]
  const [first, second] = [heard(one), heard(two)]
  await one.close()
  await two.batch(far(300))
  expect([first.length, second.length]).toEqual([0, 1])
})

test('driftMonitor refuses wrong options when it is made', () => {
  for (const options of [{ windowRows: 100 }, { windowRows: 300.5 }, { keep: 0 }, { name: '' }, { features: 3 }, { output: () => 1 }, { score: () => 1 }, { score: 3 }, { alpha: 2 }, { window: 3 }, { reference: {} }, { confirm: 0 }, { calm: 1.5 }, { coolDownMs: -1 }, { falsePages: { atMost: 0, days: 30 } }, { falsePages: { atMost: 1 } }, { history: {} }, { clock: {} }]) {
    expect(() => driftMonitor({ reference, ...options } as never), `${Object.keys(options)[0]}`).toThrow(code('INVALID_OPTION'))
  }
})

test('driftMonitor raises drift when it is confirmed, clears it when it is calm, and not again before it has cooled down', async () => {
  const clock = fakeClock()
  const drift = driftMonitor({ reference, windowRows: 300, confirm: 2, calm: 2, coolDownMs: 10_000, clock })
  const stack = pipe(hours, drift)
  const states: string[] = []
  for (const what of 'dddccdcdcdddccdd') {
    await clock.advance(1000)
    await stack.batch((what === 'd' ? far : trips)(300))
    states.push(drift.state === 'drifted' ? 'D' : '-')
  }
  // Raised by the second d, cleared by the second c in a row; d c d is not confirmed; confirmed in second 11, but raised again only 10 s after second 2; too hot at the end.
  expect(states.join('')).toBe('-DDD-------DD---')
})

test('driftMonitor spends `alpha` by time, so that false pages are as many as are allowed', async () => {
  const clock = fakeClock()
  const events: PredictorEvent[][] = []
  // One in ten days: a window of an hour has a level of 1 / 240 instead of 5 %.
  const made = (options: object): DriftMonitor => driftMonitor({ reference, windowRows: 300, tolerance: 0, clock, ...options })
  const [each, spent, none] = [made({}), made({ falsePages: { atMost: 1, days: 10 } }), made({ falsePages: { atMost: 1, days: 10 } })]
  const stacks = [each, spent].map((drift) => pipe(hours, drift))
  stacks.forEach((stack) => events.push(heard(stack)))
  for (let hour = 0; hour < 480; hour++) {
    await clock.advance(3_600_000)
    const rows = trips(300)
    for (const stack of stacks) await stack.batch(rows)
  }
  const raised = events.map((list) => list.filter((event) => event.type === 'state' && event.to === 'drifted').length)
  expect(raised[0]).toBeGreaterThan(6)
  expect(raised[1]).toBeLessThanOrEqual(5)
  // Windows that take no time have no level: however far off, nothing is raised.
  await pipe(hours, none).batch(far(3000))
  expect(none.state).toBe('ok')
})
