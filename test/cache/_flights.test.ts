import { AsyncLocalStorage } from 'node:async_hooks'
import { pipe, predictor, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { fateOf, recordsOf, rig } from '../resilience/_rig.js'

describe('coalescing', () => {
  test('cached asks the model once for many callers at the same time', async () => {
    const { model, inner } = rig()
    const cache = cached<number>()
    const predict = pipe(inner, cache)
    const answers = Array.from({ length: 100 }, () => predict(1))
    ;(await model.next()).answer(5)
    expect(await Promise.all(answers)).toEqual(new Array(100).fill(5))
    expect([model.arrivals.length, cache.counts]).toEqual([1, expect.objectContaining({ hits: 0, misses: 1, coalesced: 99, entries: 1 })])
  })

  test('cached marks those who waited, and links them to the work they shared', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached())
    const records = recordsOf(predict)
    const answers = [predict(1), predict(1)]
    const arrival = await model.next()
    arrival.answer(5)
    await Promise.all(answers)
    const shared = (arrival.call as { id: string }).id
    expect(records.map(({ source, attempts, links }) => [source, attempts, links])).toEqual([
      ['model', 1, [shared]],
      ['coalesced', 0, [shared]],
    ])
    expect(new Set([shared, ...records.map(({ id }) => id)]).size).toBe(3)
  })

  test('cached gives a failure to everybody who waits for it, and to nobody after', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached())
    const error = new Error('down')
    const fates = [fateOf(predict(1)), fateOf(predict(1)), fateOf(predict.batch([1]))]
    const arrival = await model.next()
    arrival.fail(error)
    await new Promise((resolve) => setImmediate(resolve))
    expect(fates.slice(0, 2).map((fate) => fate.error)).toEqual([error, error])
    expect(fates[2]).toMatchObject({ code: 'ERR_OUTRIGGER_BATCH', error: { cause: error } })
    const next = predict(1)
    ;(await model.next()).answer(5)
    expect(await next).toBe(5)
  })

  test('cached never aborts work because other answers push it out', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, cached({ max: 3 }))
    const fates = Array.from({ length: 6 }, (_, call) => fateOf(predict(call)))
    await clock.settle()
    expect(model.arrivals.map(({ call }) => call.signal.aborted)).toEqual(new Array(6).fill(false))
    for (const arrival of [...model.arrivals].reverse()) arrival.answer(arrival.input)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('leaving', () => {
  const three = async (): Promise<{ rig: ReturnType<typeof rig>; cache: ReturnType<typeof cached<number>>; predict: ReturnType<typeof pipe<number, number>>; leaving: AbortController[]; fates: ReturnType<typeof fateOf<number>>[] }> => {
    const parts = rig()
    const cache = cached<number>()
    const predict = pipe(parts.inner, cache)
    const leaving = [1, 2, 3].map(() => new AbortController())
    const fates = leaving.map(({ signal }) => fateOf(predict(1, { signal })))
    await parts.clock.settle()
    return { rig: parts, cache, predict, leaving, fates }
  }

  test('cached rejects a waiter who leaves at once, and disturbs nobody else, not even when he came first', async () => {
    const { rig: { clock, model }, leaving, fates } = await three()
    leaving[0]?.abort()
    leaving[2]?.abort()
    await clock.settle()
    expect([fates.map(({ code, state }) => code ?? state), model.arrivals[0]?.call.signal.aborted]).toEqual([['ERR_OUTRIGGER_ABORTED', 'pending', 'ERR_OUTRIGGER_ABORTED'], false])
    model.arrivals[0]?.answer(5)
    await clock.settle()
    expect([fates[1]?.value, model.arrivals.length]).toEqual([5, 1])
  })

  test('cached aborts the work when the last waiter leaves; who comes after that starts anew', async () => {
    const { rig: { clock, model }, cache, predict, leaving, fates } = await three()
    for (const controller of leaving) controller.abort()
    await clock.settle()
    expect([fates.map(({ code }) => code), model.arrivals[0]?.call.signal.aborted]).toEqual([new Array(3).fill('ERR_OUTRIGGER_ABORTED'), true])
    const fresh = fateOf(predict(1))
    await clock.settle()
    expect([model.arrivals.length, model.arrivals[1]?.call.signal.aborted]).toEqual([2, false])
    // What was abandoned ends late, and is neither given to the new caller nor kept.
    model.arrivals[0]?.answer(-1)
    await clock.settle()
    expect([fresh.state, cache.counts.entries]).toEqual(['pending', 0])
    model.arrivals[1]?.answer(5)
    await clock.settle()
    expect([fresh.value, await predict(1)]).toEqual([5, 5])
  })

  test('cached does not count those who leave after the answer', async () => {
    const { rig: { clock, model }, leaving, fates } = await three()
    model.arrivals[0]?.answer(5)
    await clock.settle()
    for (const controller of leaving) controller.abort()
    await clock.settle()
    expect([fates.map(({ value }) => value), model.arrivals[0]?.call.signal.aborted]).toEqual([[5, 5, 5], false])
  })

  test('cached never aborts work that has succeeded, at whatever instant its last waiter leaves', async () => {
    const found = new Set<number>()
    for (let turns = 0; turns < 20; turns += 1) {
      const { rig: { clock, model }, cache, leaving } = await three()
      model.arrivals[0]?.answer(5)
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      const kept = cache.counts.entries
      for (const controller of leaving) controller.abort()
      await clock.settle()
      if (kept === 1) expect(model.arrivals[0]?.call.signal.aborted, `after ${turns} turns`).toBe(false)
      found.add(kept)
    }
    expect(found).toEqual(new Set([0, 1]))
  })

  test('cached lets a timeout around it reject one caller while the others wait on', async () => {
    const { clock, model, inner } = rig()
    const shared = pipe(inner, cached())
    const [hasty, patient] = [fateOf(pipe(shared, timeout({ ms: 100 }))(1)), fateOf(shared(1))]
    await clock.advance(100)
    expect([hasty.code, patient.state, model.arrivals[0]?.call.signal.aborted]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 'pending', false])
    model.arrivals[0]?.answer(5)
    await clock.settle()
    expect(patient.value).toBe(5)
  })

  test('cached lets go at once of what a caller who leaves holds farther out', async () => {
    const { clock, model, inner } = rig()
    const shared = pipe(inner, cached())
    const bounded = pipe(shared, bulkhead({ concurrency: 1 }))
    const stays = fateOf(shared(1))
    const leaving = new AbortController()
    fateOf(bounded(1, { signal: leaving.signal }))
    leaving.abort()
    await clock.settle()
    const admitted = fateOf(bounded(1))
    await clock.settle()
    model.arrivals[0]?.answer(5)
    await clock.settle()
    expect([stays.value, admitted.value, model.arrivals.length]).toEqual([5, 5, 1])
  })

  test('cached gives shared work the latest deadline of its waiters', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, cached())
    for (const timeoutMs of [100, 300, 200]) fateOf(predict(1, { timeoutMs }))
    await clock.settle()
    expect(model.arrivals[0]?.call.deadline).toBe(300)
    fateOf(predict(1))
    await clock.settle()
    expect(model.arrivals[0]?.call.deadline).toBe(Infinity)
  })

  test("cached passes no caller's signal, key owner or deadline on but its own", async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, cached())
    const leaving = new AbortController()
    fateOf(predict(1, { signal: leaving.signal, key: 'user 1', id: 'first' }))
    fateOf(predict(1))
    await clock.settle()
    const { signal, id } = (model.arrivals[0] as (typeof model.arrivals)[0]).call as { signal: AbortSignal; id: string }
    leaving.abort()
    expect([signal === leaving.signal, signal.aborted, id === 'first']).toEqual([false, false, false])
  })
})

describe('async context', () => {
  const storage = new AsyncLocalStorage<string>()

  test('cached keeps the context of every caller, and runs shared work in none of them', async () => {
    const clock = fakeClock()
    const seen: (string | undefined)[] = []
    const model = async (x: number): Promise<number> => {
      seen.push(storage.getStore())
      await clock.settle()
      seen.push(storage.getStore())
      return x
    }
    const predict = pipe(predictor(model, { clock }), cached())
    const callers = ['a', 'b', 'c'].map((name) =>
      storage.run(name, async () => {
        await predict(1)
        const single = storage.getStore()
        await predict.batch([2, 3])
        return [single, storage.getStore()]
      }),
    )
    expect(await Promise.all(callers)).toEqual([['a', 'a'], ['b', 'b'], ['c', 'c']])
    expect(new Set(seen)).toEqual(new Set([undefined]))
  })

  test('cached that is made while a request is served does not keep the context of that request', async () => {
    const seen: (string | undefined)[] = []
    const predict = storage.run('the request that came first', () => pipe((x: number) => (seen.push(storage.getStore()), x), cached()))
    await storage.run('another request', () => predict(1))
    expect(seen).toEqual([undefined])
  })
})
