/** What every streaming detector keeps to. */
import { describe, expect, test } from 'vitest'
import { adwin, cusum, ddm, eddm, hddmA, hddmW, kswin, numericEDetector, pageHinkley, rateEDetector } from '../../../src/drift/index.js'
import type { DetectorState, StreamDetector } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'
import { indicesOf, signalsOf } from './_goldens.js'

type Make = (options: object) => StreamDetector
const all: readonly (readonly [kind: string, make: Make, options: object, wrong: object, badValue: number])[] = [
  ['adwin', adwin, { delta: 0.01, clock: 7, maxBuckets: 4 }, { delta: 0 }, Infinity],
  ['cusum', cusum as Make, { target: 0.2, standardDeviation: 0.4, slack: 0.2, direction: 'both' }, { target: 0, threshold: -1 }, NaN],
  ['ddm', ddm, { warmStart: 20 }, { driftThreshold: 1 }, 0.5],
  ['eddm', eddm, { warmStart: 20 }, { alpha: 0.5 }, 2],
  ['hddmA', hddmA, { twoSidedTest: true }, { warningConfidence: 0.0001 }, -0.1],
  ['hddmW', hddmW, { twoSidedTest: true, lambda: 0.1 }, { lambda: 0 }, 1.1],
  ['kswin', kswin, { windowSize: 70, statSize: 20, seed: 3 }, { windowSize: 50 }, NaN],
  ['numericEDetector', numericEDetector as Make, { run: 2000, reference: Array.from({ length: 500 }, (_, i) => (i % 5 === 0 ? 1 : i % 7 === 0 ? 0.5 : 0)) }, { reference: [1, 2, 3], order: 25 }, Infinity],
  ['rateEDetector', rateEDetector as Make, { events: 20, rows: 100, direction: 'both', run: 2000 }, { events: 5, rows: 2 }, 1.5],
  ['pageHinkley', pageHinkley, { threshold: 8, direction: 'both' }, { direction: 'sideways' }, -Infinity],
]

const bits = (() => {
  const random = seeded(11)
  return Array.from({ length: 3000 }, (_, index) => Number(random.uniform() < ([0.2, 0.6, 0.1][Math.floor(index / 1000)] as number)))
})()
const copyOf = (state: DetectorState): DetectorState => JSON.parse(JSON.stringify(state)) as DetectorState

describe.each(all)('%s', (kind, make, options, wrong, badValue) => {
  test('goes on from a saved state as if it had never stopped', () => {
    const whole = signalsOf(make(options), bits)
    expect(indicesOf(whole).drifts.length).toBeGreaterThan(0)
    let detector = make(options)
    bits.forEach((value, index) => {
      if (index % 13 === 0) {
        const { state } = detector
        detector = make({ state: copyOf(state) })
        expect(detector.state).toEqual(state)
        expect(detector.signal).toBe(state.signal)
      }
      expect(detector.update(value), `value ${index}`).toBe(whole[index])
    })
  })

  test('leaves a state as it was when it goes on', () => {
    const first = make(options)
    signalsOf(first, bits.slice(0, 500))
    const state = first.state
    const before = copyOf(state)
    signalsOf(make({ state }), bits.slice(500))
    signalsOf(first, bits.slice(500))
    expect(state).toEqual(before)
  })

  test('starts afresh after a drift, and by reset', () => {
    const detector = make(options)
    const empty = detector.state
    let at = 0
    while (detector.update(bits[at] as number) !== 'drift') at += 1
    const after = bits.slice(at + 1)
    const found = signalsOf(detector, after)
    expect(found).toEqual(signalsOf(make(options), after))
    detector.reset()
    expect(detector.state).toEqual(empty)
    expect(detector.signal).toBe('stable')
  })

  test('reads a state whose keys are in another order, and options that agree', () => {
    const detector = make(options)
    signalsOf(detector, bits.slice(0, 700))
    const turned = Object.fromEntries(
      Object.entries(copyOf(detector.state))
        .reverse()
        .map(([key, value]) => [key, typeof value === 'object' ? Object.fromEntries(Object.entries(value).reverse()) : value]),
    )
    const again = make({ ...options, state: turned })
    expect(signalsOf(again, bits.slice(700))).toEqual(signalsOf(detector, bits.slice(700)))
  })

  test('refuses states that are damaged, of another detector or version, and options against the state', () => {
    const detector = make(options)
    signalsOf(detector, bits.slice(0, 700))
    const { state } = detector
    const name = Object.keys(state.memory)[0] as string
    const other = all.find(([otherKind]) => otherKind !== kind)!
    const damaged: unknown[] = [
      null, 'text', [], {},
      { ...state, version: 2 },
      { ...state, signal: state.signal === 'stable' ? 'warning' : 'stable' },
      { ...state, options: { ...state.options, extra: 1 } },
      { ...state, memory: { ...state.memory, [name]: 12345 } },
      { ...state, memory: {} },
      { ...state, memory: undefined },
      { ...state, checksum: state.checksum + 1 },
      other[1](other[2]).state,
    ]
    for (const bad of damaged) expect(() => make({ state: bad }), JSON.stringify(bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
    const [option, value] = Object.entries(state.options).at(-1)!
    expect(() => make({ state, [option]: typeof value === 'number' ? value / 2 : 'down' })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  test('refuses wrong options, and values that it does not take', () => {
    for (const bad of [wrong, { ...options, misspelt: 1 }, null]) expect(() => make(bad as object), JSON.stringify(bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    const detector = make(options)
    signalsOf(detector, bits.slice(0, 50))
    const before = detector.state
    for (const bad of [badValue, NaN, '1', null]) expect(() => detector.update(bad as number), String(bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(detector.state).toEqual(before)
  })
})

test('cusum and the e-detectors refuse to be made without what they compare with', () => {
  expect(() => rateEDetector({ rows: 5 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  expect(() => numericEDetector({})).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  expect(() => cusum({})).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})
