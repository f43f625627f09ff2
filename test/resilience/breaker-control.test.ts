import { circuitBreaker, fallback, pipe, predictor } from 'outrigger'
import { answerChecks, breakerControl, timeWindow, type CircuitBreakerSnapshot } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { eventsOf, fateOf, rig } from './_rig.js'

const down = new Error('down')
const quick = { minimumCalls: 2, windowSize: 4, openForMs: 1000, jitter: 0 }
const open = { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' }

describe('breakerControl', () => {
  test('trip opens it for the open time, and it probes as always', async () => {
    const { clock, model, inner } = rig()
    const control = breakerControl()
    const breaker = circuitBreaker({ ...quick, control })
    const predict = pipe(inner, breaker)
    const { states } = eventsOf(predict)
    model.answers(1)
    await predict(1)
    control.trip('PSI of `hour` is 0.4')
    await expect(predict(1)).rejects.toMatchObject({ ...open, retryAfterMs: 1000 })
    await clock.advance(1000)
    expect([await predict(1), breaker.state]).toEqual([1, 'closed'])
    expect(states.map(({ to, reason }) => [to, reason])[0]).toEqual(['open', 'PSI of `hour` is 0.4'])
  })

  test('trip drops calls in flight: what they say is of another time', async () => {
    const { model, inner } = rig()
    const control = breakerControl()
    const breaker = circuitBreaker({ ...quick, control })
    const predict = pipe(inner, breaker)
    const late = fateOf(predict(1))
    const arrival = await model.next()
    control.trip('drift')
    arrival.answer(7)
    await expect.poll(() => late.value).toBe(7)
    expect([breaker.state, breaker.failureRate]).toEqual(['open', 0])
  })

  test('isolate rejects until the last of those who asked for it has ended it, and ending twice ends once', async () => {
    const { clock, model, inner } = rig()
    const control = breakerControl()
    const breaker = circuitBreaker({ ...quick, control })
    const predict = pipe(inner, breaker)
    const { states } = eventsOf(predict)
    model.answers(1)
    const ends = [control.isolate('maintenance'), control.isolate('drift')]
    await clock.advance(1e9)
    await expect(predict(1)).rejects.toMatchObject(open)
    ends[0]?.()
    ends[0]?.()
    await expect(predict(1)).rejects.toMatchObject(open)
    expect(breaker.state).toBe('isolated')
    ends[1]?.()
    expect([breaker.state, await predict(1), breaker.state]).toEqual(['half-open', 1, 'closed'])
    expect(states.map(({ from, to, reason }) => `${from} → ${to}: ${reason}`)).toEqual(['closed → isolated: maintenance', 'isolated → half-open: its isolation ended', 'half-open → closed: the probe succeeded'])
  })

  test('isolate before the breaker has seen a call, and for versions that come later, holds too', async () => {
    const { model, inner } = rig()
    const control = breakerControl()
    const predict = pipe(inner, circuitBreaker({ ...quick, control, scope: (input: number) => String(input) }))
    model.answers(1)
    await predict(1)
    const end = control.isolate('by hand')
    for (const input of [1, 2]) await expect(predict(input)).rejects.toMatchObject(open)
    end()
    for (const input of [1, 2]) expect(await predict(input)).toBe(1)
  })

  test('metricsOnly rejects nothing, passes bad answers on, and counts how often it would have opened', async () => {
    const { clock, model, inner } = rig()
    const control = breakerControl({ metricsOnly: true })
    const breaker = circuitBreaker({ ...quick, control, isBadAnswer: answerChecks() })
    const predict = pipe(inner, breaker)
    const { states } = eventsOf(predict)
    model.fails(down)
    for (let call = 0; call < 100; call += 1) {
      await expect(predict(call)).rejects.toBe(down)
      await clock.advance(50)
    }
    model.answers(Number.NaN)
    expect(await predict(1)).toBeNaN()
    expect(await predict.batch([1])).toEqual([Number.NaN])
    // At 50, 1050, 2050, 3050 and 4050 ms.
    expect([breaker.state, control.wouldHaveOpened]).toEqual(['metrics-only', 5])
    expect(states.at(-1)?.reason).toMatch(/^it would have opened, as /)
    control.metricsOnly = false
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    for (let call = 0; call < 2; call += 1) await expect(predict(call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER' })
    await expect(predict(1)).rejects.toMatchObject(open)
    control.metricsOnly = true
    expect([breaker.state, await predict(1)]).toEqual(['metrics-only', Number.NaN])
  })

  test('reset closes it', async () => {
    const { model, inner } = rig()
    const control = breakerControl()
    const breaker = circuitBreaker({ ...quick, control })
    const predict = pipe(inner, breaker)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(call).catch(() => {})
    expect(breaker.state).toBe('open')
    control.reset()
    model.answers(1)
    expect([breaker.state, await predict(1)]).toEqual(['closed', 1])
  })

  test('cannot be given to two breakers, and has no other options', () => {
    const control = breakerControl()
    circuitBreaker({ control })
    const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    expect(() => circuitBreaker({ control })).toThrow(refused)
    expect(() => breakerControl({ metrics: true } as never)).toThrow(refused)
  })
})

describe('export and restore', () => {
  test('a breaker is restored in another process, and reports that it was', async () => {
    const { clock, model, inner } = rig()
    const control = breakerControl()
    const broken = pipe(inner, circuitBreaker({ ...quick, control }))
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await broken(call).catch(() => {})
    await clock.advance(400)
    const saved = JSON.parse(JSON.stringify(control.export())) as CircuitBreakerSnapshot
    expect(saved).toEqual({ format: 1, scopes: { '': { state: 'open', openLeftMs: 600, openings: 1, kind: '4 calls', window: [1, 1] } } })

    const next = breakerControl()
    const second = circuitBreaker({ ...quick, control: next })
    const later = fakeClock()
    const predict = pipe(predictor((x: number) => x, { clock: later }), second)
    const { states } = eventsOf(predict)
    next.restore(saved)
    expect([second.state, second.failureRate, states.map(({ reason }) => reason)]).toEqual(['open', 1, ['it was restored']])
    await expect(predict(1)).rejects.toMatchObject({ retryAfterMs: 600 })
    await later.advance(600)
    expect([await predict(1), second.state]).toEqual([1, 'closed'])
  })

  test('scopes are restored each, also into a window of time', async () => {
    const { clock, model, inner } = rig()
    const made = (): { control: ReturnType<typeof breakerControl>; predict: (input: number) => Promise<number> } => {
      const control = breakerControl()
      return { control, predict: pipe(inner, circuitBreaker({ minimumCalls: 3, window: timeWindow({ ms: 10_000 }), control, scope: (input: number) => `s${input}` }), fallback(() => -1)) }
    }
    const [first, second] = [made(), made()]
    model.fails(down)
    for (const input of [1, 1, 1, 2, 2]) await first.predict(input)
    await clock.advance(3000)
    second.control.restore(JSON.parse(JSON.stringify(first.control.export())) as CircuitBreakerSnapshot)
    expect([...second.control.scopes]).toEqual([['s1', 'open'], ['s2', 'closed']])
    await second.predict(2)
    expect(second.control.scopes.get('s2')).toBe('open')
  })

  test('what is no snapshot is refused, and changes nothing', () => {
    const control = breakerControl()
    const breaker = circuitBreaker({ ...quick, control })
    const sound = { state: 'open', openLeftMs: 5, openings: 1, kind: '4 calls', window: [1] }
    for (const garbage of [undefined, null, 7, {}, { format: 2, scopes: {} }, { format: 1 }, { format: 1, scopes: { '': null } }, ...[{ state: 'ajar' }, { openLeftMs: -1 }, { openLeftMs: Number.NaN }, { openings: '1' }, { window: 'x' }, { window: [-1] }].map((wrong) => ({ format: 1, scopes: { a: sound, b: { ...sound, ...wrong } } }))]) {
      expect(() => control.restore(garbage as never), JSON.stringify(garbage)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
    expect([breaker.state, [...control.scopes.keys()]]).toEqual(['closed', ['']])
  })
})
