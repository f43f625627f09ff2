import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, retry, seededRandom, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import type { PredictionRecord, Predictor } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'

/** The records of a predictor from now on. */
const listen = (predict: Predictor<never, unknown>): PredictionRecord[] => {
  const records: PredictionRecord[] = []
  predict.observe((event) => event.type === 'prediction' && records.push(event.record))
  return records
}
const setup = () => {
  const clock = fakeClock({ wallMs: 1_000_000 })
  const model = mockModel<number, number>({ clock })
  return { clock, model, base: predictor(model, { name: 'delay', version: '3', digest: 'abc', clock, random: seededRandom(1) }) }
}

describe('PredictionRecord', () => {
  it('of an answer says everything, and is frozen', async () => {
    const { clock, model, base } = setup()
    model.delays(30, (x) => x)
    const answer = base.detailed(1, { id: 'trip', key: 'user', tags: { team: 'a' } })
    await clock.advance(30)
    const { output, record } = await answer
    expect(output).toBe(1)
    expect(record).toEqual({
      v: 1, id: 'trip', at: 1_000_030, identity: { name: 'delay', version: '3', digest: 'abc' }, outcome: 'ok', source: 'model', error: undefined, attempts: 1, rung: undefined, marks: [], variants: [],
      durations: { totalMs: 30, modelMs: 30, queueMs: undefined }, batch: undefined, isShadow: false, trace: undefined, tags: { team: 'a' }, links: [], schema: undefined, checkpoints: [], input: undefined, output: undefined,
    })
    for (const part of [record, record.durations, record.variants, record.marks, record.links]) expect(Object.isFrozen(part)).toBe(true)
  })

  it('of a failure names the error and its code, and no source', async () => {
    const { model, base } = setup()
    const records = listen(base)
    model.fails(Object.assign(new TypeError('secret input'), { code: 'E_DOWN' }))
    await base(1).catch(() => {})
    model.fails('text')
    await base(1).catch(() => {})
    expect(records).toMatchObject([
      { outcome: 'error', source: undefined, error: { name: 'TypeError', code: 'E_DOWN' }, attempts: 1 },
      { outcome: 'error', error: { name: 'ModelError', code: 'ERR_OUTRIGGER_MODEL_FAILED' } },
    ])
    expect(JSON.stringify(records)).not.toContain('secret')
  })

  it('of a timeout, a rejection and an abort says so', async () => {
    const { clock, model, base } = setup()
    const predict = pipe(base, timeout({ ms: 50 }), circuitBreaker({ minimumCalls: 1, windowSize: 1 }))
    const records = listen(predict)
    const controller = new AbortController()
    const aborted = predict(1, { signal: controller.signal }).catch(() => {})
    await model.next()
    await clock.advance(5)
    controller.abort()
    await aborted
    const late = predict(2).catch(() => {})
    await clock.advance(50)
    await late
    await predict(3).catch(() => {})
    expect(records).toMatchObject([
      { outcome: 'aborted', source: undefined, error: { code: 'ERR_OUTRIGGER_ABORTED' }, durations: { totalMs: 5 } },
      { outcome: 'timeout', error: { code: 'ERR_OUTRIGGER_TIMEOUT' }, attempts: 1, durations: { totalMs: 50 } },
      { outcome: 'rejected', error: { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' }, attempts: 0 },
    ])
  })

  it('of a caller\'s own limit says timeout', async () => {
    const { clock, base } = setup()
    const records = listen(base)
    const answer = base(1, { timeoutMs: 20 }).catch(() => {})
    await clock.advance(20)
    await answer
    expect(records).toMatchObject([{ outcome: 'timeout', durations: { totalMs: 20 }, attempts: 1 }])
  })

  it('of a cache says cache, and of shared work coalesced with a link to it', async () => {
    const { clock, model, base } = setup()
    const predict = pipe(base, cached())
    const records = listen(predict)
    const answers = [predict(1), predict(1)]
    ;(await model.next()).answer(10)
    await Promise.all(answers)
    await predict(1)
    await clock.settle()
    expect(records.map(({ source, attempts }) => [source, attempts])).toEqual([['model', 1], ['coalesced', 0], ['cache', 0]])
    const [own, coalesced] = records as [PredictionRecord, PredictionRecord]
    expect(coalesced.links).toEqual(own.links)
    expect([coalesced.links.length, new Set(records.map(({ id }) => id)).size]).toEqual([1, 3])
  })

  it('of a fallback names the rung and the model that answered; of a failed one the model it was bound to', async () => {
    const { model, base } = setup()
    model.fails(new Error('down'))
    const rule = predictor((x: number) => x * 100, { name: 'rule', version: '7' })
    const predict = pipe(base, fallback({ use: () => { throw new Error('too') }, name: 'broken' }, { use: rule, name: 'constant' }))
    const { record } = await predict.detailed(1)
    expect(record).toMatchObject({ outcome: 'ok', source: 'fallback', rung: { index: 2, name: 'constant' }, identity: { name: 'rule', version: '7' } })
    const failing = pipe(base, fallback(() => { throw new Error('too') }))
    const records = listen(failing)
    await failing(1).catch(() => {})
    expect(records).toMatchObject([{ outcome: 'error', source: undefined, rung: undefined, identity: { name: 'delay', version: '3' }, error: { code: 'ERR_OUTRIGGER_FALLBACK_EXHAUSTED' } }])
  })

  it('of a retried call counts the attempts', async () => {
    const { model, base } = setup()
    const predict = pipe(base, retry({ retries: 3, minDelayMs: 0 }))
    const answer = predict.detailed(1)
    ;(await model.next()).fail(new Error('once'))
    ;(await model.next()).answer(1)
    expect((await answer).record.attempts).toBe(2)
  })

  it('of a call that queued says for how long', async () => {
    const { clock, model, base } = setup()
    model.delays(40, (x) => x)
    const predict = pipe(base, bulkhead({ concurrency: 1, queue: 1 }))
    const answers = [predict.detailed(1), predict.detailed(2)]
    await clock.advance(80)
    const records = (await Promise.all(answers)).map(({ record }) => record.durations)
    expect(records).toEqual([{ totalMs: 40, modelMs: 40, queueMs: undefined }, { totalMs: 80, modelMs: 40, queueMs: 40 }])
  })

  it('of rows of one run share the batch\'s id; each has its own place and outcome', async () => {
    const { base, model } = setup()
    model.answers((x) => {
      if (x === 2) throw new Error('row')
      return x
    })
    const records = listen(base)
    await base.batch([1, 2, 3]).catch(() => {})
    expect(records.map(({ outcome, batch }) => [outcome, batch?.size, batch?.index])).toEqual([['ok', 3, 0], ['error', 3, 1], ['ok', 3, 2]])
    expect(new Set(records.map(({ batch }) => batch?.id)).size).toBe(1)
    expect(new Set(records.map(({ id }) => id)).size).toBe(3)
  })

  it('is made for a layer that needs it, without an observer, and a watcher that throws disturbs nobody', async () => {
    const { base, model } = setup()
    model.answers(1)
    const seen: PredictionRecord[] = []
    const notices: unknown[] = []
    const watching = pipe(base, layer<number, number>('watch', {
      one: (next, input, call) => {
        ;(call.note().watchers ??= []).push(() => { throw new Error('watcher') }, (record) => seen.push(record))
        return next(input, call)
      },
    }))
    watching.observe((event) => event.type === 'notice' && notices.push(event.error))
    const records = listen(watching)
    expect(await watching(1)).toBe(1)
    expect(seen).toEqual(records)
    expect(notices).toEqual([new Error('watcher')])
  })

  it('ids are UUIDs of version 7 that repeat by the seed, and the caller\'s own where one is given', async () => {
    const run = async (): Promise<string[]> => {
      const { base, model } = setup()
      model.answers(1)
      return [(await base.detailed(1)).record.id, (await base.detailed(1, { id: 'mine' })).record.id, (await base.detailed(1)).record.id]
    }
    const [first, second] = [await run(), await run()]
    expect(first).toEqual(second)
    expect(first[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    expect(first[1]).toBe('mine')
  })
})
