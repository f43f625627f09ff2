import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HedgeSwitch } from '../../src/resilience/_hedge-switch.js'

const made = (): { readonly gate: HedgeSwitch; readonly said: string[] } => {
  const said: string[] = []
  return { gate: new HedgeSwitch((reason) => said.push(reason)), said }
}
/** Calls until it admits one again. */
const rest = (gate: HedgeSwitch): number => {
  let calls = 1
  while (!gate.admits()) calls += 1
  return calls
}

describe('HedgeSwitch', () => {
  test('turns off when more than half of the time passes before the promise, after twenty calls', () => {
    const { gate, said } = made()
    for (let call = 0; call < 19; call += 1) gate.answered(9, 10)
    expect(gate.isOn).toBe(true)
    gate.answered(9, 10)
    expect([gate.isOn, said]).toEqual([false, ['the model computes on this thread']])
  })

  test('stays on for a model that only begins on this thread, and on a clock that stands still', () => {
    const { gate } = made()
    for (let call = 0; call < 1000; call += 1) gate.answered(1, 10)
    for (let call = 0; call < 1000; call += 1) gate.answered(0, 0)
    expect(gate.isOn).toBe(true)
  })

  test('turns off when fewer than one hedge in ten answers first, and judges the late ones', () => {
    const { gate, said } = made()
    for (let hedge = 0; hedge < 100; hedge += 1) gate.decided(hedge % 5 === 0)
    expect(gate.isOn).toBe(true)
    for (let hedge = 0; hedge < 40 && gate.isOn; hedge += 1) gate.decided(false)
    expect([gate.isOn, said]).toEqual([false, ['hedges did not answer earlier']])
  })

  test('tries again after 1000 calls, then after twice as many each time, up to 64 000, and from 1000 after it was worth it', () => {
    const { gate, said } = made()
    const rests: number[] = []
    for (let round = 0; round < 8; round += 1) {
      for (let call = 0; gate.isOn; call += 1) gate.answered(1, 1)
      rests.push(rest(gate))
    }
    expect(rests).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000])
    expect(said.at(-1)).toBe('it tries again')
    for (let hedge = 0; hedge < 20; hedge += 1) gate.decided(true)
    for (let hedge = 0; gate.isOn; hedge += 1) gate.decided(false)
    expect(rest(gate)).toBe(1000)
  })

  test('turns off and on in turn, whatever happens, and hears nothing while it is off', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.boolean(), fc.tuple(fc.nat(10), fc.nat(10))), { maxLength: 400 }), (steps) => {
        const { gate, said } = made()
        for (const step of steps) {
          const before = said.length
          const wasOn = gate.isOn
          if (typeof step === 'boolean') gate.decided(step)
          else gate.answered(Math.min(...step), Math.max(...step))
          if (!wasOn) expect(said.length).toBe(before)
          if (!gate.isOn && step === true) gate.admits()
        }
        said.forEach((reason, index) => expect(reason === 'it tries again').toBe(index % 2 === 1))
      }),
      { seed: 7 },
    )
  })
})
