import { AsyncLocalStorage } from 'node:async_hooks'
import { circuitBreaker, fallback, OutriggerError, pipe, predictor, seededRandom, type Predictor } from 'outrigger'
import { breakerControl, goldenProbe, type BreakerControl } from 'outrigger/resilience'
import { fakeClock, mockModel, type FakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { eventsOf, recordsOf, rig, type Rig } from './_rig.js'

const down = new Error('down')
const isGolden = ({ input }: { readonly input: number }): boolean => input === 21

const opened = async (accept: (output: number) => boolean = (output) => output === 42, more: { readonly probes?: number; readonly ramp?: readonly number[] } = {}): Promise<Rig<number> & { predict: Predictor<number, number>; control: BreakerControl; state: () => string }> => {
  const parts = rig()
  const control = breakerControl()
  const breaker = circuitBreaker<number, number>({ consecutiveFailures: 2, openForMs: 1000, probeTimeoutMs: 400, jitter: 0, control, probe: goldenProbe({ input: 21, accept }), ...more })
  const predict = pipe(parts.inner, breaker, fallback(() => -1))
  parts.model.fails(down)
  for (let call = 0; call < 2; call += 1) await predict(call)
  for (let call = 0; call < 2; call += 1) await parts.model.next()
  return { ...parts, predict, control, state: () => breaker.state }
}

describe('goldenProbe', () => {
  test('puts no caller at risk: every caller gets the fallback until the golden input was answered well', async () => {
    const { clock, model, predict, state } = await opened()
    model.hangs()
    const records = recordsOf(predict)
    await clock.advance(1000)
    for (let call = 0; call < 50; call += 1) expect(await predict(call)).toBe(-1)
    expect([state(), model.arrivals.slice(2).map(({ input }) => input)]).toEqual(['half-open', [21]])
    model.arrivals[2]?.answer(42)
    await clock.settle()
    expect(state()).toBe('closed')
    // The probe is nobody's prediction.
    expect(records).toHaveLength(50)
  })

  test('recovers without traffic, and its timers keep no process alive', async () => {
    const { clock, model, state } = await opened()
    expect([clock.pending, clock.holding]).toEqual([1, 0])
    model.answers(42)
    await clock.advance(1000)
    expect([state(), clock.pending]).toEqual(['closed', 0])
  })

  test('opens again for twice the time on a wrong answer, a failure, and an `accept` that throws, which is a notice', async () => {
    const wrong = await opened()
    wrong.model.answers(43)
    await wrong.clock.advance(1000)
    expect(wrong.state()).toBe('open')
    await wrong.clock.advance(1999)
    expect(wrong.model.arrivals.filter(isGolden)).toHaveLength(1)
    wrong.model.answers(42)
    await wrong.clock.advance(1)
    expect(wrong.state()).toBe('closed')

    const failing = await opened()
    await failing.clock.advance(1000)
    expect([failing.state(), failing.model.arrivals.filter(isGolden).length]).toEqual(['open', 1])

    const broken = await opened(() => {
      throw new Error('accept is broken')
    })
    const { notices } = eventsOf(broken.predict)
    broken.model.answers(42)
    await broken.clock.advance(1000)
    expect([broken.state(), notices]).toEqual(['open', ['`accept` of the probe threw; the answer is taken for wrong.']])
  })

  test('is aborted after `probeTimeoutMs`, and counts as failed', async () => {
    const { clock, model, state } = await opened()
    model.hangs()
    await clock.advance(1000)
    const probe = model.arrivals.at(-1)
    expect([state(), probe?.call.deadline]).toEqual(['half-open', 1400])
    await clock.advance(399)
    expect([state(), probe?.call.signal.aborted]).toEqual(['half-open', false])
    await clock.advance(1)
    expect([state(), probe?.call.signal.aborted]).toEqual(['open', true])
    probe?.answer(42)
    await clock.settle()
    expect(state()).toBe('open')
  })

  test('that is rejected farther in says nothing, and is repeated a second later', async () => {
    const { clock, model, state } = await opened()
    model.fails(new OutriggerError('ERR_OUTRIGGER_BULKHEAD_FULL', 'full'))
    await clock.advance(1000)
    await clock.advance(999)
    expect([state(), model.arrivals.filter(isGolden).length]).toEqual(['half-open', 1])
    model.answers(42)
    await clock.advance(1)
    expect(state()).toBe('closed')
  })

  test('runs as often as `probes` says, and leaves the ramp to callers', async () => {
    const { clock, model, predict, state } = await opened(undefined, { probes: 3, ramp: [1] })
    model.answers(42)
    await clock.advance(1000)
    expect([model.arrivals.filter(isGolden).length, state()]).toEqual([3, 'half-open'])
    for (let call = 0; call < 10; call += 1) expect(await predict(call)).toBe(42)
    expect([model.arrivals.filter(isGolden).length, state()]).toEqual([3, 'closed'])
  })

  test('runs in nobody’s async context', async () => {
    const storage = new AsyncLocalStorage<string>()
    const clock = fakeClock()
    const seen: unknown[] = []
    let isDown = true
    const model = async (input: number): Promise<number> => {
      seen.push([input, storage.getStore()])
      if (isDown) throw down
      return input * 2
    }
    const predict = pipe(predictor(model, { clock, random: seededRandom(7) }), circuitBreaker<number, number>({ consecutiveFailures: 1, openForMs: 1000, probe: goldenProbe({ input: 21, accept: (output: number) => output === 42 }) }), fallback(() => -1))
    await storage.run('the request that opened it', () => predict(1))
    isDown = false
    await clock.advance(1000)
    expect(seen).toEqual([[1, 'the request that opened it'], [21, undefined]])
  })

  test('stops when the predictor closes: no timer is left, and a probe under way is aborted', async () => {
    for (const runs of [false, true]) {
      const clock: FakeClock = fakeClock()
      const model = mockModel<number, number>({ clock }).fails(down)
      const predict = pipe(predictor(model, { clock }), circuitBreaker<number, number>({ consecutiveFailures: 1, openForMs: 1000, jitter: 0, probe: goldenProbe({ input: 21, accept: () => true }) }))
      await predict(1).catch(() => {})
      model.hangs()
      if (runs) await clock.advance(1000)
      await predict.close()
      expect([runs, clock.pending, model.arrivals.at(-1)?.call.signal.aborted]).toEqual([runs, 0, runs])
    }
  })

  test('probes after a trip, and after an isolation, and after a restore', async () => {
    const { clock, model, control, state } = await opened()
    model.answers(42)
    await clock.advance(1000)
    control.trip('drift')
    await clock.advance(2000)
    expect([model.arrivals.filter(isGolden).length, state()]).toEqual([2, 'closed'])
    const end = control.isolate('by hand')
    await clock.advance(100_000)
    expect([model.arrivals.filter(isGolden).length, state()]).toEqual([2, 'isolated'])
    end()
    await clock.advance(0)
    expect([model.arrivals.filter(isGolden).length, state()]).toEqual([3, 'closed'])
    const saved = control.export()
    control.trip('drift')
    control.restore({ ...saved, scopes: { '': { ...saved.scopes['']!, state: 'open', openLeftMs: 50 } } })
    await clock.advance(10_000)
    expect(state()).toBe('closed')
  })

  test('refuses options that make no sense', () => {
    const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    expect(() => goldenProbe({ input: 1 } as never)).toThrow(refused)
    expect(() => goldenProbe({ input: 1, accept: 1 } as never)).toThrow(refused)
    expect(() => pipe((x: number) => x, circuitBreaker<number, number>({ scope: (input) => String(input), probe: goldenProbe({ input: 1, accept: () => true }) }))).toThrow(refused)
  })
})

test('goldenProbe sets no timer that is longer than a timer can be, which would fire at once and again and again', async () => {
  const clock = fakeClock()
  const delays: number[] = []
  const noting = { ...clock, setTimeout: (callback: () => void, ms: number) => (delays.push(ms), clock.setTimeout(callback, ms)) }
  const control = breakerControl()
  const predict = pipe(
    predictor((x: number) => x, { clock: noting }),
    circuitBreaker<number, number>({ openForMs: 2 ** 40, jitter: 0, control, probe: goldenProbe({ input: 1, accept: () => true }) }),
  )
  control.trip('a long maintenance')
  await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
  expect(delays).toEqual([2 ** 31 - 1])
  await predict.close()
})
