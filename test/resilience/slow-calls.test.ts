import { circuitBreaker, pipe, predictor, seededRandom, type Predictor } from 'outrigger'
import { breakerControl, slowCalls, type SlowCallsOptions } from 'outrigger/resilience'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { eventsOf } from './_rig.js'

interface Timed {
  readonly clock: FakeClock
  readonly predict: Predictor<number, number>
  readonly state: () => string
  readonly control: ReturnType<typeof breakerControl>
  /** The time that a run takes: some for the run, some for each row. */
  speed: { perRun: number; perRow: number }
  /** Calls one after another, until the breaker is no longer closed; gives how many. */
  calls(count: number): Promise<number>
  batches(count: number, rows: number): Promise<number>
}

const timed = (options: SlowCallsOptions = {}): Timed => {
  const clock = fakeClock()
  const speed = { perRun: 9, perRow: 1 }
  const model = {
    predictBatch: async (rows: readonly number[]): Promise<number[]> => {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, speed.perRun + speed.perRow * rows.length))
      return [...rows]
    },
  }
  const control = breakerControl()
  const breaker = circuitBreaker({ slow: slowCalls(options), openForMs: 60_000, jitter: 0, ramp: [1], rampCalls: 50, control })
  const predict = pipe(predictor(model, { clock, random: seededRandom(7) }), breaker)
  const repeat = async (count: number, ask: () => Promise<unknown>): Promise<number> => {
    let done = 0
    while (done < count && breaker.state === 'closed') {
      const answer = ask()
      await clock.advance(5000)
      await answer
      done += 1
    }
    return done
  }
  return { clock, predict, control, state: () => breaker.state, speed, calls: (count) => repeat(count, () => predict(1)), batches: (count, rows) => repeat(count, () => predict.batch(new Array<number>(rows).fill(1))) }
}

describe('slowCalls', () => {
  test('opens when calls become slow against what the model itself took before, and says so', async () => {
    const { speed, predict, calls, state } = timed()
    const { states } = eventsOf(predict)
    await calls(30)
    speed.perRun = 99
    // 100 ms is nothing to a limit of a second; it is ten times the median of 10 ms. 30 good calls are in the window.
    const asked = await calls(200)
    expect([state(), asked > 30, asked < 70, states[0]?.reason]).toEqual(['open', true, true, `${asked} of the last ${asked + 30} calls were slow`])
  })

  test('bears a model that is slow by nature, and one that varies', async () => {
    const { speed, calls, state } = timed()
    speed.perRun = 2000
    await calls(100)
    expect(state()).toBe('closed')
    const varying = timed()
    for (let round = 0; round < 60; round += 1) {
      varying.speed.perRun = round % 3 === 0 ? 100 : 9
      await varying.calls(3)
    }
    // A third of the calls is slow, which is not half.
    expect(varying.state()).toBe('closed')
  })

  test('does not take a batch for slow because it is one, and knows a slow one', async () => {
    const { speed, calls, batches, state } = timed()
    await calls(30)
    await batches(30, 200)
    expect(state()).toBe('closed')
    await batches(100, 1500)
    expect(state()).toBe('closed')
    speed.perRow = 5
    await batches(200, 200)
    expect(state()).toBe('open')
  })

  test('judges nothing below its least time', async () => {
    const { speed, calls, state } = timed({ minimumMs: 1000 })
    await calls(30)
    speed.perRun = 900
    await calls(200)
    expect(state()).toBe('closed')
  })

  test('does not learn the outage: what was slow before it opened is slow after', async () => {
    const { clock, speed, predict, calls, state } = timed()
    await calls(30)
    speed.perRun = 99
    await calls(200)
    // A slow probe has failed.
    for (let probe = 0; probe < 3; probe += 1) {
      await clock.advance(600_000)
      const answer = predict(1)
      await clock.advance(5000)
      expect([await answer, state()]).toEqual([1, 'open'])
    }
    speed.perRun = 9
    await clock.advance(600_000)
    const back = async (): Promise<void> => {
      for (let call = 0; call < 51; call += 1) {
        const answer = predict(1)
        await clock.advance(5000)
        await answer
      }
    }
    await back()
    expect(state()).toBe('closed')
    speed.perRun = 99
    await calls(200)
    expect(state()).toBe('open')
  })

  test('does not learn on the way back, when there is less to do than on other days', async () => {
    const { clock, speed, predict, control, calls, state } = timed()
    await calls(30)
    control.trip('by hand')
    await clock.advance(60_000)
    // 25 ms is not slow against 10 ms. Learned from 51 such calls, 35 ms would not be either.
    speed.perRun = 24
    for (let call = 0; call < 51; call += 1) {
      const answer = predict(1)
      await clock.advance(5000)
      await answer
    }
    expect(state()).toBe('closed')
    speed.perRun = 34
    await calls(200)
    expect(state()).toBe('open')
  })

  test('learns anew after a reset', async () => {
    const { speed, control, calls, state } = timed()
    await calls(30)
    speed.perRun = 99
    await calls(200)
    control.reset('another machine')
    await calls(200)
    expect(state()).toBe('closed')
  })

  test('reads the clock twice a call, and not at all without it', async () => {
    for (const [slow, reads] of [[slowCalls(), 20], [undefined, 0]] as const) {
      const clock = fakeClock()
      const predict = pipe(predictor((x: number) => x, { clock }), circuitBreaker(slow === undefined ? {} : { slow }))
      for (let call = 0; call < 10; call += 1) await predict(call)
      expect(clock.reads).toBe(reads)
    }
  })

  test('refuses options that make no sense', () => {
    for (const options of [{ factor: 0.5 }, { minimumMs: -1 }, { rate: 0 }, { rate: 2 }, { ms: 5 }]) expect(() => slowCalls(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
