import { pipe, predictor } from 'outrigger'
import { adaptiveConcurrency, loadShedding } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { deferred } from './_rig.js'

const monitors = vi.hoisted(() => ({ running: 0, made: 0 }))
vi.mock('node:perf_hooks', async (original) => ({
  ...(await original<object>()),
  monitorEventLoopDelay: () => ({
    mean: NaN,
    stddev: NaN,
    enable: () => ((monitors.running += 1), (monitors.made += 1)),
    disable: () => void (monitors.running -= 1),
    reset: () => {},
  }),
}))
afterEach(() => Object.assign(monitors, { running: 0, made: 0 }))

for (const [name, make] of [
  ['adaptiveConcurrency', () => adaptiveConcurrency({ eventLoop: { maxDelayMs: 50 } })],
  ['loadShedding', () => loadShedding({ eventLoop: { maxDelayMs: 50 } })],
] as const) {
  test(`${name} measures the event loop from the first call on, once for all predictors, until the last is closed`, async () => {
    const clock = fakeClock()
    const layer = make()
    const [one, other] = [0, 1].map((x) => pipe(predictor(() => x, { clock }), layer)) as [ReturnType<typeof predictor<number, number>>, ReturnType<typeof predictor<number, number>>]
    expect(monitors).toEqual({ running: 0, made: 0 })
    for (let call = 0; call < 3; call += 1) {
      await one(1)
      await other(1)
      await clock.advance(1000)
    }
    expect(monitors).toEqual({ running: 1, made: 1 })
    await one.close()
    expect(monitors.running).toBe(1)
    await other.close()
    expect(monitors).toEqual({ running: 0, made: 1 })
  })
}

test('adaptiveConcurrency does not begin to measure anew for a call that settles after the end', async () => {
  const clock = fakeClock()
  const { promise, resolve } = deferred<number>()
  const predict = pipe(predictor(() => promise, { clock }), adaptiveConcurrency({ eventLoop: { maxDelayMs: 50 } }))
  const answer = predict(1)
  const closed = predict.close({ deadlineMs: 10 }).catch((error: { code: string }) => error.code)
  await clock.advance(10)
  expect(await closed).toBe('ERR_OUTRIGGER_CLOSE_TIMEOUT')
  resolve(7)
  expect([await answer, monitors.running]).toEqual([7, 0])
})

test('loadShedding goes on looking at the event loop for a predictor whose clock is behind that of another one', async () => {
  let looks = 0
  const layer = loadShedding({ eventLoop: { maxDelayMs: 50, monitor: { delayMs: () => ((looks += 1), 0), close: () => {} } } })
  const ahead = fakeClock()
  await ahead.advance(3_600_000)
  await pipe(predictor((x: number) => x, { clock: ahead }), layer)(1)
  const behind = fakeClock()
  const predict = pipe(predictor((x: number) => x, { clock: behind }), layer)
  for (let call = 0; call < 3; call += 1) {
    await predict(1)
    await behind.advance(300)
  }
  expect(looks).toBe(4)
})
