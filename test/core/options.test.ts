import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, retry, shutdown, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { labelJoin } from 'outrigger/core'
import { cached } from 'outrigger/cache'
import { mapInput, mapOutput } from 'outrigger/compose'
import { shadow, split } from 'outrigger/route'
import { faults } from 'outrigger/testing'
import { functionOption, numberOption, optionsObject, stringOption } from '../../src/core/options.js'

const refused = expect.objectContaining({ name: 'InvalidOptionError', code: 'ERR_OUTRIGGER_INVALID_OPTION' })
const f = (x: number): number => x
const any = (value: unknown): never => value as never

describe('options of layers', () => {
  const wrong: [string, () => unknown][] = [
    ['timeout without options', () => timeout(any(undefined))],
    ['timeout of 0', () => timeout({ ms: 0 })],
    ['timeout of NaN', () => timeout({ ms: Number.NaN })],
    ['timeout of a string', () => timeout({ ms: any('5') })],
    ['timeout with an unknown option', () => timeout(any({ ms: 5, mss: 6 }))],
    ['retry of -1', () => retry({ retries: -1 })],
    ['retry of 1.5', () => retry({ retries: 1.5 })],
    ['retry with a filter that is no function', () => retry({ retries: 1, retryIf: any(true) })],
    ['circuitBreaker with a rate of 0', () => circuitBreaker({ failureRate: 0 })],
    ['circuitBreaker with a rate of 2', () => circuitBreaker({ failureRate: 2 })],
    ['circuitBreaker with an unknown option', () => circuitBreaker(any({ treshold: 1 }))],
    ['bulkhead of NaN', () => bulkhead({ concurrency: Number.NaN })],
    ['bulkhead with a negative queue', () => bulkhead({ concurrency: 1, queue: -1 })],
    ['cached of 0', () => cached({ max: 0 })],
    ['cached with a negative ttl', () => cached({ ttlMs: -1 })],
    ['cached with an unknown option', () => cached(any({ ttl: 5 }))],
    ['fallback without a rung', () => fallback(any(undefined))],
    ['mapInput of no function', () => mapInput(any({}))],
    ['mapInput of nothing', () => mapInput(any(undefined))],
    ['mapOutput of nothing', () => mapOutput(any(undefined))],
    ['shadow with a rate of -0.1', () => shadow(f, { rate: -0.1 })],
    ['split of weights that do not sum to 1', () => split({ variants: { a: f, b: f }, weights: { a: 1, b: 1 } })],
    ['faults with a rate of 1.1', () => faults({ error: 1.1 })],
    ['labelJoin with an unknown option', () => labelJoin(any({ size: 5 }))],
    ['layer without a name', () => layer('', { one: (next, input, call) => next(input, call) })],
    ['layer without one', () => layer('x', any({}))],
    ['layer with a many that is no function', () => layer('x', any({ one: f, many: 5 }))],
    ['layer whose function gives no definition', () => pipe(f, layer('x', any(() => undefined)))],
    ['predictor with an unknown option', () => predictor(f, any({ nam: 'x' }))],
    ['predictor with an empty name', () => predictor(f, { name: '' })],
    ['predictor with a version that is a number', () => predictor(f, { version: any(3) })],
    ['predictor with half a clock', () => predictor(f, { clock: any({ now: () => 0 }) })],
    ['predictor with half a random', () => predictor(f, { random: any({ next: () => 0 }) })],
  ]
  it.each(wrong)('%s is refused at construction', (_, make) => {
    expect(make).toThrow(refused)
  })

  it('shutdown refuses what is no option', async () => {
    await expect(shutdown([], any(5))).rejects.toEqual(refused)
  })
})

describe('numberOption', () => {
  const check = (value: unknown, range = {}): number => numberOption('a thing', 'size', value, range)

  it('gives the number back when it is in its range', () => {
    expect([check(0), check(-5), check(1.5, { min: 1, max: 2 }), check(Infinity, { infinite: true }), check(2, { min: 2, integer: true })]).toEqual([0, -5, 1.5, Infinity, 2])
  })

  it('says the name, the constraint and the value, as a TypeError or a RangeError', () => {
    expect(() => check('7')).toThrow(TypeError)
    expect(() => check(Number.NaN)).toThrow('Cannot create a thing as `size` must be a number: current value is NaN')
    expect(() => check(0, { min: 0, exclusive: true })).toThrow(RangeError)
    expect(() => check(3, { min: 0, max: 2 })).toThrow('Cannot create a thing as `size` must be a number of at least 0 and at most 2: current value is 3')
    expect(() => check(1.5, { integer: true, min: 1 })).toThrow('Cannot create a thing as `size` must be an integer of at least 1: current value is 1.5')
    expect(() => check(Infinity)).toThrow(refused)
    expect(() => check(-Infinity, { infinite: true, min: 0 })).toThrow(refused)
  })
})

describe('optionsObject, functionOption, stringOption', () => {
  it('name what they refuse, and what there is', () => {
    expect(() => optionsObject('a thing', { colour: 'red' }, ['color', 'size'])).toThrow('Cannot create a thing as it has no option `colour` (it has color, size): current value is "red"')
    for (const value of [null, undefined, 5, 'x']) expect(() => optionsObject('a thing', value, [])).toThrow(refused)
    expect(() => functionOption('a thing', 'f', [1, 2])).toThrow('current value is an array of 2')
    expect(functionOption('a thing', 'f', undefined)).toBeUndefined()
    expect(() => stringOption('a thing', 's', '')).toThrow(refused)
    expect(stringOption('a thing', 's', 'x')).toBe('x')
  })
})
