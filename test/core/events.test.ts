import diagnosticsChannel from 'node:diagnostics_channel'
import { afterEach, describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor } from 'outrigger'
import { labelJoin } from 'outrigger/core'
import type { PredictorEvent } from 'outrigger'
import { fakeClock } from 'outrigger/testing'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const subscriptions: [string, (message: unknown) => void][] = []
const subscribe = (name: string, listener: (message: unknown) => void): void => {
  diagnosticsChannel.subscribe(name, listener)
  subscriptions.push([name, listener])
}
afterEach(() => {
  for (const [name, listener] of subscriptions.splice(0)) diagnosticsChannel.unsubscribe(name, listener)
})
const warningsWhile = async (work: () => Promise<unknown>): Promise<(Error & { code?: string })[]> => {
  const warnings: Error[] = []
  const hear = (warning: Error): void => void warnings.push(warning)
  process.on('warning', hear)
  await work()
  await tick()
  process.off('warning', hear)
  return warnings
}
const failing = (): Promise<number> => Promise.reject(new Error('down'))

describe('Predictor.observe', () => {
  it('tells every settled call, row by row, until it is stopped', async () => {
    const events: PredictorEvent[] = []
    const predict = predictor((x: number) => x, { clock: fakeClock({ wallMs: 5000 }) })
    const stop = predict.observe((event) => void events.push(event))
    await predict(1, { id: 'single' })
    await predict.batch([1, 2], { ids: ['a', 'b'] })
    await predict.detailed(3, { id: 'detailed' })
    stop()
    stop()
    await predict(4)
    expect(events.map((event) => event.type === 'prediction' && event.record.id)).toEqual(['single', 'a', 'b', 'detailed'])
    expect(events[0]?.type === 'prediction' && events[0].record.at).toBe(5000)
  })

  it('the same function may observe twice and leave once', async () => {
    let heard = 0
    const observer = (): void => void (heard += 1)
    const predict = predictor((x: number) => x)
    const stop = predict.observe(observer)
    predict.observe(observer)
    await predict(1)
    stop()
    await predict(1)
    expect(heard).toBe(3)
  })

  it('events of layers travel outwards, through borrowed predictors and rungs; records belong to the predictor that was called', async () => {
    const clock = fakeClock({ wallMs: 7 })
    const heard: [string, PredictorEvent][] = []
    const inner = pipe(predictor(failing, { clock, name: 'delay' }), circuitBreaker({ minimumCalls: 1, windowSize: 1 }))
    const rung = pipe((_: unknown) => 1, layer<unknown, number>('rung', ({ emit }) => ({ one: async (next, input, call) => (emit({ type: 'notice', message: 'asked' }), await next(input, call)) })))
    const outer = pipe(inner, fallback(rung))
    inner.observe((event) => void heard.push(['inner', event]))
    outer.observe((event) => void heard.push(['outer', event]))
    expect(await outer(undefined as never)).toBe(1)
    expect(heard.map(([who, event]) => [who, event.type === 'prediction' ? 'prediction' : event.layer])).toEqual([['inner', 'circuit-breaker'], ['outer', 'circuit-breaker'], ['outer', 'rung'], ['outer', 'prediction']])
    expect(heard[0]?.[1]).toMatchObject({ type: 'state', subject: 'delay', from: 'closed', to: 'open', at: 7 })
  })

  it('an event is heard once, though several ways lead from its layer to who observes', async () => {
    const shared = pipe(failing, circuitBreaker({ consecutiveFailures: 1 }))
    const outer = pipe(shared, fallback(shared), fallback({ use: shared, name: 'once more' }), fallback(() => 0))
    const changes: string[] = []
    outer.observe((event) => void (event.type === 'state' && changes.push(event.to)))
    await outer(undefined)
    expect(changes).toEqual(['open'])
  })

  it('a stack that is closed hears no more of a predictor that it borrowed', async () => {
    const heard: string[] = []
    const inner = pipe((x: number) => x, layer<number, number>('speaks', ({ emit }) => ({ one: (next, input, call) => (emit({ type: 'notice', message: 'asked' }), next(input, call)) })))
    const outer = pipe(inner, fallback(() => 1))
    inner.observe(() => heard.push('inner'), { predictions: false })
    outer.observe(() => heard.push('outer'), { predictions: false })
    await inner(1)
    await outer.close()
    await inner(1)
    expect(heard).toEqual(['inner', 'outer', 'inner'])
  })

  it('predictions: false leaves the records out, not the events', async () => {
    const heard: string[] = []
    const predict = pipe(failing, circuitBreaker({ minimumCalls: 1, windowSize: 1 }))
    predict.observe((event) => void heard.push(event.type), { predictions: false })
    await predict(undefined as never).catch(() => {})
    expect(heard).toEqual(['state'])
  })

  it('an observer that throws disturbs neither the call nor the others, and is reported to those', async () => {
    const heard: PredictorEvent[] = []
    const predict = predictor((x: number) => x)
    let asked = 0
    predict.observe(() => { asked += 1; throw new Error('observer') })
    predict.observe((event) => void heard.push(event))
    const warnings = await warningsWhile(async () => expect(await predict(1)).toBe(1))
    expect(heard.map(({ type }) => type).sort()).toEqual(['notice', 'prediction'])
    expect(heard.find(({ type }) => type === 'notice')).toMatchObject({ layer: 'observer', error: new Error('observer') })
    expect([warnings.length, asked]).toEqual([0, 1])
  })

  it('an asynchronous observer that rejects is reported too, and ends no process', async () => {
    const heard: PredictorEvent[] = []
    const predict = predictor((x: number) => x)
    predict.observe(async () => { throw new Error('observer') })
    predict.observe((event) => void heard.push(event), { predictions: false })
    expect(await predict(1)).toBe(1)
    await tick()
    expect(heard).toMatchObject([{ type: 'notice', layer: 'observer', error: new Error('observer') }])
  })

  it('a throwing observer that is the only one becomes a process warning with a code', async () => {
    const predict = predictor((x: number) => x)
    predict.observe(() => { throw new Error('alone') })
    const warnings = await warningsWhile(async () => {
      await predict(1)
      await predict.batch([1])
    })
    expect(warnings.map(({ message }) => message)).toContain('alone')
  })

  it('observers that all throw, also on each other\'s notice, disturb nobody', async () => {
    const predict = predictor((x: number) => x)
    predict.observe(() => { throw new Error('a') })
    predict.observe(() => { throw 'b' })
    const warnings = await warningsWhile(async () => expect(await predict(1)).toBe(1))
    expect(warnings.length).toBeGreaterThan(0)
  })

  it('works with a clock whose methods need their object', async () => {
    class OwnClock {
      readonly #fake = fakeClock({ wallMs: 9 })
      now(): number { return this.#fake.now() }
      wall(): number { return this.#fake.wall() }
      setTimeout(callback: () => void, ms: number) { return this.#fake.setTimeout(callback, ms) }
      clearTimeout(timer: never): void { this.#fake.clearTimeout(timer) }
      setImmediate(callback: () => void): void { this.#fake.setImmediate(callback) }
    }
    const heard: PredictorEvent[] = []
    const predict = predictor((x: number) => x, { clock: new OwnClock() })
    predict.observe(() => { throw new Error('observer') })
    predict.observe((event) => void heard.push(event))
    expect(await predict(1)).toBe(1)
    expect(heard.find(({ type }) => type === 'notice')).toMatchObject({ at: 9 })
  })

  it.each([[undefined], [null], ['console.log'], [{}]])('refuses an observer that is %s', (wrong) => {
    expect(() => predictor((x: number) => x).observe(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('refuses an option that does not exist', () => {
    expect(() => predictor((x: number) => x).observe(() => {}, { prediction: false } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('channels', () => {
  it('carry the same events of every predictor on node:diagnostics_channel, once each', async () => {
    const heard: [string, unknown][] = []
    for (const name of ['prediction', 'state', 'notice', 'label']) subscribe(`outrigger:${name}`, (message) => heard.push([name, message]))
    const events: unknown[] = []
    const predict = pipe(pipe(failing, circuitBreaker({ minimumCalls: 1, windowSize: 1 })), fallback(() => 1))
    predict.observe((event) => void events.push(event))
    await predict(undefined as never)
    labelJoin<number>().label('id', 1, 2)
    expect(heard.map(([name]) => name)).toEqual(['state', 'prediction', 'label'])
    expect(heard.slice(0, 2).map(([, message]) => message)).toEqual(events)
    expect(heard[2]?.[1]).toEqual({ id: 'id', value: 1, at: 2 })
  })

  it('a subscriber alone is enough for records to be made, and its end ends that', async () => {
    const clock = fakeClock()
    const predict = predictor((x: number) => x, { clock })
    const seen: unknown[] = []
    subscribe('outrigger:prediction', (message) => seen.push(message))
    await predict(1)
    expect([seen.length, clock.reads > 0]).toEqual([1, true])
    const [[name, listener]] = subscriptions.splice(0) as [[string, () => void]]
    diagnosticsChannel.unsubscribe(name, listener)
    const { reads } = clock
    await predict(1)
    expect([seen.length, clock.reads]).toEqual([1, reads])
  })

  it('hear of an observer that threw, instead of the process', async () => {
    const seen: unknown[] = []
    subscribe('outrigger:notice', (message) => seen.push(message))
    const predict = predictor((x: number) => x)
    predict.observe(() => { throw new Error('observer') })
    expect(await warningsWhile(async () => await predict(1))).toHaveLength(0)
    expect(seen).toMatchObject([{ type: 'notice', layer: 'observer' }])
  })
})
