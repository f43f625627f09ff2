import { describe, expect, it } from 'vitest'
import { fallback, layer, owned, pipe, predictor, ready, retry, shutdown, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import type { NeutralLayer, Predictor } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'

const closing = (log: string[], name: string): NeutralLayer => layer<never, never>(name, { one: (next, input, call) => next(input, call), close: () => void log.push(name) }) as unknown as NeutralLayer

describe('Predictor.close', () => {
  it('closes what it owns once, outermost first, and gives every caller the same end', async () => {
    const log: string[] = []
    const model = { predict: (x: number) => x, close: () => void log.push('model') }
    const predict = pipe(model, closing(log, 'inner'), closing(log, 'outer'))
    await Promise.all([predict.close(), predict.close()])
    await predict[Symbol.asyncDispose]()
    expect(log).toEqual(['outer', 'inner', 'model'])
  })

  it('refuses later calls of every form with ERR_OUTRIGGER_CLOSED, and is not ready', async () => {
    const model = mockModel<number, number>().answers(1)
    const predict = pipe(model, timeout({ ms: 10 }))
    expect(predict.ready()).toBe(true)
    await predict.close()
    for (const answer of [predict(1), predict.detailed(1), predict.batch([1]), predict.detailedBatch([1]), predict.batch([])]) await expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(model.arrivals).toHaveLength(0)
    expect([predict.ready(), ready([predict])]).toEqual([false, false])
  })

  it('refuses calls from the moment it is asked to close', async () => {
    const model = mockModel<number, number>()
    const predict = predictor(model)
    const answer = predict(1)
    const closed = predict.close()
    await expect(predict(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(model.closed).toBe(0)
    ;(await model.next()).answer(10)
    expect(await answer).toBe(10)
    await closed
    expect(model.closed).toBe(1)
  })

  it('waits for calls and batches in flight, also for those that their callers have left', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const predict = predictor(model, { clock })
    const controller = new AbortController()
    const left = predict(1, { signal: controller.signal })
    const batch = predict.batch([2])
    controller.abort()
    await expect(left).rejects.toThrow()
    const closed = predict.close({ deadlineMs: 100 })
    ;(await model.next()).answer(1)
    await clock.advance(50)
    expect(model.closed).toBe(0)
    ;(await model.next()).answer(2)
    expect(await batch).toEqual([2])
    await closed
    expect([model.closed, clock.pending]).toEqual([1, 0])
  })

  it('at the deadline closes all the same, and says how many calls were left', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const predict = pipe(predictor(model, { clock }), bulkhead({ concurrency: 5 }))
    const outer = pipe(owned(predict))
    void outer(1)
    void outer.batch([2, 3])
    const closed = expect(outer.close({ deadlineMs: 100 })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSE_TIMEOUT', inFlight: 2, deadlineMs: 100 })
    await clock.advance(99)
    expect(clock.pending).toBe(1)
    await clock.advance(1)
    await closed
    expect(predict.ready()).toBe(false)
  })

  it('calls that are still in flight at the deadline keep their timeout', async () => {
    const clock = fakeClock()
    const predict = pipe(predictor(mockModel<number, number>(), { clock }), timeout({ ms: 500 }))
    const answer = expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT' })
    const closed = expect(predict.close({ deadlineMs: 100 })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSE_TIMEOUT' })
    await clock.advance(100)
    await closed
    await clock.advance(400)
    await answer
    expect(clock.holding).toBe(0)
  })

  it('gives what it owns what is left of the deadline, not another one', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>()
    const inner = predictor(model, { clock })
    const outer = pipe(owned(inner), timeout({ ms: 1000 }))
    void inner(1)
    const viaOuter = outer(2).catch(() => {})
    const closed = outer.close({ deadlineMs: 100 })
    const outcome = expect(closed).rejects.toThrow()
    await clock.advance(100)
    await clock.advance(1)
    await outcome
    await clock.advance(1000)
    await viaOuter
  })

  it('borrows a predictor that is passed in, and closes one that is handed over', async () => {
    const model = mockModel<number, number>().answers(1)
    const inner = predictor(model)
    await pipe(inner, timeout({ ms: 10 })).close()
    await timeout({ ms: 10 })(inner).close()
    await pipe(inner).close()
    expect([await inner(1), model.closed]).toEqual([1, 0])
    await pipe(owned(inner), timeout({ ms: 10 })).close()
    await expect(inner(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(model.closed).toBe(1)
  })

  it('a layer that is the identity closes nothing', async () => {
    const model = mockModel<number, number>().answers(1)
    const inner = predictor(model)
    const maybe: NeutralLayer = (given) => given
    await pipe(inner, maybe).close()
    expect([await inner(1), model.closed]).toEqual([1, 0])
    const log: string[] = []
    await pipe({ predict: (x: number) => x, close: () => void log.push('model') }, maybe, closing(log, 'layer'), maybe).close()
    expect(log).toEqual(['layer', 'model'])
  })

  it('a layer that is made of layers is closed whole, outermost first, and what it stands around is not closed twice', async () => {
    const log: string[] = []
    const rule = mockModel<number, number>().answers(2)
    const house = (inner: Predictor<number, number>): Predictor<number, number> => closing(log, 'b')(fallback(rule)(closing(log, 'a')(inner)))
    const inner = predictor({ predict: (x: number) => x, close: () => void log.push('model') })
    await pipe(inner, house, closing(log, 'c')).close()
    expect(log).toEqual(['c', 'b', 'a'])
    expect(rule.closed).toBe(1)
    await inner.close()
    expect(log).toEqual(['c', 'b', 'a', 'model'])
  })

  it('a closer that throws keeps no other from closing; one error comes as it is, several together', async () => {
    const log: string[] = []
    const bad = (name: string): NeutralLayer => layer<never, never>(name, { one: (next, input, call) => next(input, call), close: () => { throw new Error(name) } }) as unknown as NeutralLayer
    const model = { predict: (x: number) => x, close: () => void log.push('model') }
    await expect(pipe(model, bad('one')).close()).rejects.toThrow('one')
    await expect(pipe(model, bad('one'), bad('two')).close()).rejects.toMatchObject({ errors: [new Error('two'), new Error('one')] })
    expect(log).toEqual(['model', 'model'])
  })

  it.each([[Number.NaN], [-1], ['soon']])('refuses a deadline of %s', async (deadlineMs) => {
    await expect((async () => await predictor((x: number) => x).close({ deadlineMs: deadlineMs as number }))()).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })

  it('is what `await using` calls', async () => {
    const model = mockModel<number, number>().answers(1)
    const predict = predictor(model)
    expect(typeof predict[Symbol.asyncDispose]).toBe('function')
    await predict[Symbol.asyncDispose]()
    expect(model.closed).toBe(1)
  })
})

describe('shutdown', () => {
  it('closes in the order given, one after the other', async () => {
    const log: string[] = []
    const models = ['a', 'b', 'c'].map((name) => predictor({ predict: (x: number) => x, close: async () => {
      log.push(`${name} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      log.push(`${name} ends`)
    } }))
    await shutdown(models)
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  it('shares one deadline: what one leaves over the next one has', async () => {
    const clock = fakeClock()
    const [first, second] = [mockModel<number, number>(), mockModel<number, number>()]
    const predictors = [first, second].map((model) => predictor(model, { clock }))
    const answers = predictors.map((predict) => predict(1))
    const down = shutdown(predictors, { deadlineMs: 100, clock })
    await clock.advance(60)
    ;(await first.next()).answer(1)
    await answers[0]
    await clock.advance(39)
    expect(second.closed).toBe(0)
    const outcome = expect(down).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSE_TIMEOUT', inFlight: 1 })
    await clock.advance(1)
    await outcome
    expect([first.closed, second.closed]).toEqual([1, 1])
  })

  it('closes every one, whatever the others did, and throws all errors', async () => {
    const log: string[] = []
    const failing = (name: string) => predictor({ predict: (x: number) => x, close: () => { throw new Error(name) } })
    const fine = predictor({ predict: (x: number) => x, close: () => void log.push('fine') })
    await expect(shutdown([failing('a'), fine])).rejects.toThrow('a')
    await expect(shutdown([failing('b'), failing('c')])).rejects.toBeInstanceOf(AggregateError)
    expect(log).toEqual(['fine'])
  })

  it('refuses options that do not exist or make no sense', async () => {
    await expect(shutdown([], { deadline: 5 } as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    await expect(shutdown([], { deadlineMs: Number.NaN })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('ready', () => {
  it('asks every layer', () => {
    let isReady = false
    const predict = pipe((x: number) => x, layer<number, number>('warm', { one: (next, input, call) => next(input, call), ready: () => isReady }), retry({ retries: 1 }))
    expect([predict.ready(), ready([]), ready([predict])]).toEqual([false, true, false])
    isReady = true
    expect(predict.ready()).toBe(true)
  })
})
