import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorEstimator } from '../../../src/drift/estimation/error-estimator.js'
import { labelTracker, type LabelTrackerOptions, type LabelTrackerState } from '../../../src/drift/estimation/label-tracker.js'
import { performanceEstimator } from '../../../src/drift/estimation/performance-estimator.js'
import { sealed } from '../../../src/drift/estimation/_saved.js'
import { seeded } from '../_seeded.js'

const day = 86_400_000
const random = seeded(1)
const estimator = performanceEstimator({
  reference: Array.from({ length: 2000 }, () => {
    const score = random.uniform()
    return { score, label: random.uniform() < score }
  }),
  maps: 20,
})
const withCode = (code: string) => expect.objectContaining({ code: `ERR_OUTRIGGER_${code}` }) as Error
const make = (options: Partial<LabelTrackerOptions<number, number | boolean, unknown, never>> = {}) => labelTracker({ estimator, windows: 3, maximumPending: 1000, ...(options as object) })
const reopen = (tracker: { toJSON(): LabelTrackerState }) => labelTracker({ estimator, state: JSON.parse(JSON.stringify(tracker)) as LabelTrackerState })

describe('labelTracker', () => {
  test('each window has what a window of its own would have, whatever order labels come in, and across restarts', () => {
    const event = fc.record({ dayOf: fc.nat(2), score: fc.double({ min: 0, max: 1, noNaN: true }), label: fc.boolean(), isLabelled: fc.boolean(), after: fc.nat(1000) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.nat(60), (events, restart) => {
        let tracker = make()
        const own = [0, 1, 2].map(() => estimator.window())
        const labelled = events.map((one, id) => ({ ...one, id: `id-${id}` }))
        labelled.forEach(({ id, score, dayOf }, index) => {
          if (index === restart) tracker = reopen(tracker)
          tracker.count(id, score, dayOf * day + index)
          own[dayOf]!.count(score)
        })
        // Days that had fewer rows than the tracker's oldest allowed: none, as three are open.
        for (const { id, score, dayOf, label } of labelled.filter(({ isLabelled }) => isLabelled).sort((a, b) => a.after - b.after)) {
          if (label) tracker = reopen(tracker)
          expect(tracker.label(id, label)).toBe(true)
          own[dayOf]!.label(score, label)
        }
        const open = tracker.toJSON().open
        expect(open.map(([slot, window]) => [slot, JSON.stringify(window)])).toEqual(own.flatMap((window, slot) => (window.size.rows === 0 ? [] : [[slot, JSON.stringify(window)]])))
        expect(tracker.counts).toEqual({ joined: labelled.filter(({ isLabelled }) => isLabelled).length, late: 0, duplicate: 0, expired: 0, unmatched: 0, pending: labelled.filter(({ isLabelled }) => !isLabelled).length })
      }),
      { numRuns: 60, seed: 3 },
    )
  })

  test('an estimate stays as it was, and its correction follows the labels', () => {
    const tracker = make()
    for (let row = 0; row < 300; row++) tracker.count(`a${row}`, (row % 10) / 10 + 0.05, 5 * day)
    const plain = tracker.window(5 * day)!
    expect(plain).toMatchObject({ from: 5 * day, to: 6 * day, rows: 300, labels: 0, estimate: { state: 'ok' }, corrected: { state: 'too-few-labels' } })
    for (let row = 0; row < 300; row++) tracker.label(`a${row}`, row % 10 < 5)
    const corrected = tracker.window(5 * day + 7, { blocks: 4 })!
    expect(corrected.estimate).toEqual(plain.estimate)
    expect(corrected.corrected).toMatchObject({ state: 'ok', labels: 300, accuracy: { value: 0, low: 0, high: 0 } })
    expect([tracker.window(4 * day), tracker.windows().length]).toEqual([undefined, 1])
  })

  test('windows leave with what waits in them; what comes for them is late or unmatched', () => {
    const tracker = make()
    for (const [id, at] of [['a', 0], ['b', day - 1], ['c', day], ['d', 2 * day]] as const) tracker.count(id, 0.5, at)
    tracker.label('a', 1)
    expect(tracker.windows().map(({ from, rows, labels }) => [from / day, rows, labels])).toEqual([[0, 2, 1], [1, 1, 0], [2, 1, 0]])
    tracker.count('e', 0.5, 3 * day)
    expect(tracker.windows().map(({ from }) => from / day)).toEqual([1, 2, 3])
    expect(tracker.counts).toEqual({ joined: 1, late: 0, duplicate: 0, expired: 1, unmatched: 0, pending: 3 })
    expect([tracker.label('b', 1), tracker.label('a', 1), tracker.label('c', 1)]).toEqual([false, false, true])
    tracker.count('f', 0.5, day - 1)
    tracker.count('g', 0.5, day)
    expect(tracker.counts).toEqual({ joined: 2, late: 1, duplicate: 1, expired: 1, unmatched: 1, pending: 3 })
    tracker.count('h', 0.5, 900 * day)
    expect([tracker.windows().length, tracker.counts.expired, tracker.counts.pending]).toEqual([1, 4, 1])
  })

  test('of more predictions than may wait, those that wait longest are given up, and an id that comes again takes the place of the one before', () => {
    const tracker = make({ maximumPending: 10 })
    for (let row = 0; row < 5000; row++) {
      tracker.count(`r${row}`, 0.5, 0)
      if (row % 2 === 0) tracker.label(`r${row}`, 1)
    }
    expect(tracker.counts).toEqual({ joined: 2500, late: 0, duplicate: 0, expired: 2490, unmatched: 0, pending: 10 })
    expect([tracker.label('r4979', 1), tracker.label('r4981', 1), tracker.label('r4998', 1), tracker.label('r2', 1)]).toEqual([false, true, false, false])
    expect(tracker.counts).toMatchObject({ joined: 2501, duplicate: 1, unmatched: 2, pending: 9 })
    const state = tracker.toJSON()
    expect(state.done.flat().length).toBeLessThanOrEqual(20)
    expect(state.done.flat().length).toBeGreaterThanOrEqual(10)
    tracker.count('r4983', 0.5, 0)
    expect(tracker.counts).toMatchObject({ expired: 2491, pending: 9 })
    // It waits at the end of the queue now.
    for (let row = 0; row < 9; row++) tracker.count(`s${row}`, 0.5, 0)
    expect([tracker.label('r4983', 1), tracker.label('r4999', 1)]).toEqual([true, false])
  })

  test('it follows a regression, with its features', () => {
    const rows = (seed: number, noise: number) => {
      const own = seeded(seed)
      return Array.from({ length: 600 }, () => {
        const city = own.uniform() < 0.5 ? 'Oslo' : 'Rome'
        const prediction = 10 * own.uniform()
        return { prediction, features: { city }, label: prediction + noise * (city === 'Oslo' ? 3 : 1) * own.normal() }
      })
    }
    const errors = errorEstimator({ reference: rows(1, 1) })
    let tracker = labelTracker({ estimator: errors, windowMs: 1000, windows: 2 })
    const today = rows(2, 2)
    today.forEach(({ label: _, ...row }, id) => tracker.count(String(id), row, 0))
    tracker = labelTracker({ estimator: errors, state: JSON.parse(JSON.stringify(tracker)) as LabelTrackerState })
    today.forEach(({ label }, id) => tracker.label(String(id), label))
    const { estimate, corrected } = tracker.window(0)!
    expect(corrected.meanAbsoluteError.value).toBeCloseTo(today.reduce((sum, { prediction, label }) => sum + Math.abs(label - prediction), 0) / 600, 10)
    expect(estimate.meanAbsoluteError.high).toBeLessThan(corrected.meanAbsoluteError.value)
  })

  test('it refuses what it cannot use, and counts nothing of it', () => {
    const tracker = make()
    const before = JSON.stringify(tracker)
    for (const [id, score, at] of [['', 0.5, 0], [7, 0.5, 0], ['a', NaN, 0], ['a', 'x', 0], ['a', 0.5, NaN], ['a', 0.5, undefined]] as [string, number, number][]) expect(() => tracker.count(id, score, at)).toThrow(withCode('INVALID_INPUT'))
    expect(JSON.stringify(tracker)).toBe(before)
    tracker.count('a', 0.5, 0)
    expect(() => tracker.label('a', 7)).toThrow(withCode('INVALID_INPUT'))
    expect(() => tracker.label(null as never, 1)).toThrow(withCode('INVALID_INPUT'))
    expect([tracker.counts.pending, tracker.label('a', 1)]).toEqual([1, true])
    for (const bad of [{}, { estimator: {} }, { estimator, windowMs: 0 }, { estimator, windows: 0 }, { estimator, windows: 1.5 }, { estimator, maximumPending: 0 }, { estimator, typo: 1 }, { estimator, windows: 3, state: tracker.toJSON() }]) expect(() => labelTracker(bad as never)).toThrow(withCode('INVALID_OPTION'))
  })

  test('a saved tracker that was edited, cut, or is of another estimator is refused', () => {
    const tracker = make()
    for (let row = 0; row < 40; row++) tracker.count(`r${row}`, row / 40, day * (row % 4))
    for (let row = 20; row < 40; row++) tracker.label(`r${row}`, 1)
    const { checksum: _, ...content } = tracker.toJSON()
    const [first] = content.open
    const [waiting] = content.pending
    for (const edit of [
      { options: null }, { options: {} }, { options: { ...content.options, windows: 0 } }, { options: { ...content.options, windows: 2 } }, { options: { ...content.options, maximumPending: 3 } },
      { newest: 1.5 }, { newest: null }, { newest: 2 }, { newest: undefined },
      { open: null }, { open: [first, first] }, { open: [[3]] }, { open: content.open.slice(1) }, { open: content.open.map(([slot]) => [slot, {}]) }, { open: content.open.map(([slot]) => [slot, null]) },
      { pending: null }, { pending: [waiting, waiting] }, { pending: [[1, 2, 3]] }, { pending: [['x', 99, 0.5]] }, { pending: [['x', 3, null]] }, { pending: [...content.pending, ...Array.from({ length: 9 }, (__, id) => [`new-${id}`, 3, 0.5])] },
      { done: null }, { done: [[]] }, { done: [[1], []] }, { done: [['a', 'a'], []] },
      { counts: null }, { counts: {} }, { counts: { ...content.counts, late: -1 } }, { counts: { ...content.counts, more: 1 } },
    ]) expect(() => labelTracker({ estimator, state: sealed({ ...content, ...edit }) as unknown as LabelTrackerState }), JSON.stringify(edit).slice(0, 90)).toThrow(withCode('PROFILE'))
    for (const state of [null, 'x', {}, { ...tracker.toJSON(), newest: 2 }, { ...tracker.toJSON(), version: 2 }]) expect(() => labelTracker({ estimator, state: state as unknown as LabelTrackerState })).toThrow(withCode('PROFILE'))
    const other = performanceEstimator({ reference: Array.from({ length: 200 }, (__, row) => ({ score: (row % 10) / 10, label: row % 3 === 0 })), maps: 20 })
    expect(() => labelTracker({ estimator: other, state: tracker.toJSON() })).toThrow(withCode('PROFILE'))
  })
})
