import fc from 'fast-check'
import { pipe, RowFailure } from 'outrigger'
import { cached } from 'outrigger/cache'
import { describe, expect, test } from 'vitest'
import { fateOf, rig } from '../resilience/_rig.js'

describe('partial hits', () => {
  test('cached sends only the misses on, once each, as one batch, and puts every row in its place', async () => {
    const { model, inner } = rig({ batches: true })
    const cache = cached<number>()
    const predict = pipe(inner, cache)
    model.answers((x) => x * 10)
    await predict.batch([1, 2])
    expect(await predict.batch([3, 1, 4, 3, 2, 4, 1])).toEqual([30, 10, 40, 30, 20, 40, 10])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2], [3, 4]])
    expect(cache.counts).toMatchObject({ hits: 3, misses: 4, coalesced: 2, entries: 4 })
    expect(await predict.batch([4, 3, 2, 1])).toEqual([40, 30, 20, 10])
    expect(model.arrivals).toHaveLength(2)
  })

  test('cached says of each row where it came from', async () => {
    const { model, inner } = rig({ batches: true })
    const predict = pipe(inner, cached<number>())
    model.answers((x) => x)
    await predict(1)
    const rows = await predict.detailedBatch([1, 2, 2])
    expect(rows.map(({ record }) => [record.source, record.attempts, record.links.length])).toEqual([['cache', 0, 0], ['model', 1, 1], ['coalesced', 0, 1]])
    expect(rows[1]?.record.links).toEqual(rows[2]?.record.links)
  })

  test('cached does not ask again for rows that are under way elsewhere, in calls or in batches', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, cached<number>())
    const [single, first, second] = [fateOf(predict(1)), fateOf(predict.batch([1, 2, 3])), fateOf(predict.batch([3, 4, 2]))]
    const after = fateOf(predict(4))
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1], [2, 3], [4]])
    model.answers((x) => x)
    for (const arrival of model.arrivals) arrival.answer(...arrival.inputs.map((x) => x * 10))
    await clock.settle()
    expect([single, first, second, after].map(({ value }) => value)).toEqual([10, [10, 20, 30], [30, 40, 20], 40])
  })

  test('cached keeps the rows that succeeded, and not those that failed', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const cache = cached<number>()
    const predict = pipe(inner, cache)
    const batch = predict.detailedBatch([1, 2, 2])
    ;(await model.next()).answer(10, new RowFailure(new Error('row')))
    expect((await batch).map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([10, 'row', 'row'])
    expect(cache.counts.entries).toBe(1)
    const again = predict.batch([1, 2])
    const arrival = await model.next()
    expect(arrival.inputs).toEqual([2])
    arrival.answer(20)
    expect(await again).toEqual([10, 20])
  })

  test('cached fails every row of a run that fails, and only those', async () => {
    const { model, inner } = rig({ batches: true })
    const predict = pipe(inner, cached<number>())
    model.answers((x) => x)
    await predict(1)
    model.fails(new Error('down'))
    expect((await predict.detailedBatch([1, 2, 3])).map(({ ok }) => ok)).toEqual([true, false, false])
    model.answers(() => 5)
    model.hangs()
    const wrong = predict.detailedBatch([7, 8])
    ;(await model.next()).answer(1)
    model.arrivals.at(-1)?.answer(1)
    expect((await wrong).map((row) => !row.ok && (row.error as { code?: string }).code)).toContain('ERR_OUTRIGGER_ROW_COUNT')
  })

  test('cached asks no model for an empty batch, or one of hits only', async () => {
    const { model, inner } = rig({ batches: true })
    const predict = pipe(inner, cached<number>())
    model.answers((x) => x)
    await predict(1)
    expect([await predict.batch([]), await predict.batch([1, 1])]).toEqual([[], [1, 1]])
    expect(model.arrivals).toHaveLength(1)
  })
})

describe('leaving', () => {
  test('cached aborts a run when the last row is not wanted any more, and not before', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, cached<number>())
    const [one, other] = [new AbortController(), new AbortController()]
    const batch = fateOf(predict.detailedBatch([1, 2], { signals: [one.signal, other.signal] }))
    const waiter = fateOf(predict(1))
    await clock.settle()
    const { signal } = (model.arrivals[0] as (typeof model.arrivals)[0]).call
    one.abort()
    other.abort()
    await clock.settle()
    expect([batch.value?.map(({ ok }) => ok), signal.aborted]).toEqual([[false, false], false])
    model.arrivals[0]?.answer(10, 20)
    await clock.settle()
    expect([waiter.value, signal.aborted]).toEqual([10, false])

    const leaving = new AbortController()
    fateOf(predict.batch([3, 4], { signal: leaving.signal }))
    await clock.settle()
    const second = (model.arrivals[1] as (typeof model.arrivals)[0]).call.signal
    leaving.abort()
    await clock.settle()
    expect(second.aborted).toBe(true)
  })
})

test('cached equals the bare model, row by row, for any calls and batches', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.nat(5), fc.array(fc.nat(5), { maxLength: 6 })), { maxLength: 15 }), fc.integer({ min: 1, max: 4 }), async (calls, max) => {
      const { model, inner } = rig({ batches: true })
      model.answers((x) => x * x)
      const predict = pipe(inner, cached<number>({ max }))
      const answers = await Promise.all(calls.map((call) => (typeof call === 'number' ? predict(call) : predict.batch(call))))
      expect(answers).toEqual(calls.map((call) => (typeof call === 'number' ? call * call : call.map((x) => x * x))))
      for (const { inputs } of model.arrivals) expect(new Set(inputs).size).toBe(inputs.length)
    }),
    { seed: 7 },
  )
})
