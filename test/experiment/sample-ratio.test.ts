import { describe, expect, test } from 'vitest'
import { SampleRatio, type SampleRatioState } from '../../src/experiment/index.js'

const exposed = (list: readonly (readonly [arm: number, weights: readonly number[]])[], options = {}): SampleRatio => {
  const ratio = new SampleRatio({ arms: 3, ...options })
  for (const [arm, weights] of list) ratio.expose(arm, weights)
  return ratio
}
const early = [0.9, 0.05, 0.05]
const late = [0.5, 0.25, 0.25]
const list = Array.from({ length: 400 }, (_, at) => [at % 7 === 0 ? 1 : at % 5 === 0 ? 2 : 0, at % 3 === 0 ? early : late] as const)

test('SampleRatio pays nothing without a mismatch: the mean of the evidence over all arms is 1, over changes of weights', () => {
  const steps = [early, early, late, early, late]
  let mean = 0
  for (let code = 0; code < 3 ** steps.length; code++) {
    let probability = 1
    const ratio = exposed(
      steps.map((weights, at) => {
        const arm = Math.floor(code / 3 ** at) % 3
        probability *= weights[arm] as number
        return [arm, weights] as const
      }),
      { concentration: 3 },
    )
    mean += probability * ratio.evidence
  }
  expect(mean).toBeCloseTo(1, 12)
})

test('SampleRatio of merged counts is that of all exposures one by one', () => {
  const one = exposed(list.slice(0, 250))
  one.merge(exposed(list.slice(250)))
  const whole = exposed(list)
  expect(one.evidence / whole.evidence).toBeCloseTo(1, 8)
  expect(one.epochs).toEqual(whole.epochs)
  const restored = new SampleRatio(JSON.parse(JSON.stringify(exposed(list.slice(0, 100)))) as SampleRatioState)
  for (const [arm, weights] of list.slice(100)) restored.expose(arm, weights)
  expect(restored.evidence / whole.evidence).toBeCloseTo(1, 8)
  expect(restored.pValue / whole.pValue).toBeCloseTo(1, 8)
})

test('SampleRatio alarms at once of a unit in an arm of weight 0, and still does after a restart', () => {
  const ratio = new SampleRatio({ arms: 2 })
  ratio.expose(0, [1, 0])
  expect(ratio.isMismatch).toBe(false)
  ratio.expose(1, [1, 0])
  ratio.expose(1, [0.5, 0.5])
  for (const each of [ratio, new SampleRatio(JSON.parse(JSON.stringify(ratio)) as SampleRatioState)]) expect([each.isMismatch, each.evidence, each.pValue]).toEqual([true, Infinity, 0])
})

test('SampleRatio sums up the first weights when there are too many, and loses no evidence', () => {
  const many = Array.from({ length: 300 }, (_, at) => [at % 4 === 0 ? 1 : 0, [0.5 + Math.floor(at / 30) / 100, 0.5 - Math.floor(at / 30) / 100]] as const)
  const [all, few] = [64, 3].map((maxEpochs) => {
    const ratio = new SampleRatio({ arms: 2, maxEpochs })
    for (const [arm, weights] of many) ratio.expose(arm, weights)
    return ratio
  }) as [SampleRatio, SampleRatio]
  expect(few.epochs.length).toBe(3)
  expect(few.evidence).toBeCloseTo(all.evidence, 10)
  expect(new SampleRatio(few.toJSON()).evidence).toBeCloseTo(all.evidence, 10)
})

describe('refusals', () => {
  test.each([[3, late], [-1, late], [0.5, late], [NaN, late], [0, [0.5, 0.5]], [0, [0.5, 0.5, 0.5]], [0, [NaN, 0.5, 0.5]], [0, [1.5, -0.25, -0.25]], [0, undefined]])('SampleRatio refuses arm %j of %j', (arm, weights) => {
    const ratio = exposed([[0, late]])
    const before = JSON.stringify(ratio)
    expect(() => ratio.expose(arm, weights as number[])).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(JSON.stringify(ratio)).toBe(before)
  })

  test.each([{ arms: 1 }, { arms: 2.5 }, { alpha: 0 }, { concentration: 0 }, { maxEpochs: 0 }, { what: 1 }])('SampleRatio refuses the options %j', (options) => {
    expect(() => exposed([], options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  test.each([{ kind: 'x' }, { epochs: 3 }, { epochs: [null] }, { epochs: [{ weights: late, counts: [1, 2] }] }, { epochs: [{ weights: [1, 1, 1], counts: [1, 2, 3] }] }, { epochs: [{ weights: late, counts: [1, 2, -3] }] }, { logPast: 'x' }, { logPeak: -1 }])(
    'SampleRatio refuses a state with %j',
    (change) => {
      const state = { ...exposed([[0, late]]).toJSON(), ...change }
      expect(() => new SampleRatio(state as SampleRatioState)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
    },
  )

  test('SampleRatio does not merge with one of other arms or concentration', () => {
    for (const other of [new SampleRatio({ arms: 2 }), exposed([], { concentration: 5 })]) expect(() => exposed([]).merge(other)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  })
})
