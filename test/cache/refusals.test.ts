import { OutriggerError, pipe } from 'outrigger'
import { cached } from 'outrigger/cache'
import { describe, expect, test } from 'vitest'
import { fateOf, recordsOf, rig } from '../resilience/_rig.js'

const invalid = (): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'Cannot predict as the row is too long', { length: 7, cause: new Error('inner') })

describe('refusals', () => {
  test('cached repeats the refusal of an input for its time, in calls and batches, and asks no model', async () => {
    const { model, clock, inner } = rig({ batches: true })
    const cache = cached<number>({ negativeTtlMs: 100 })
    const predict = pipe(inner, cache)
    const records = recordsOf(predict)
    model.fails(invalid())
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    model.answers(5)
    const again = await predict(1).catch((error: unknown) => error)
    expect(again).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT', name: 'InvalidInputError', message: 'Cannot predict as the row is too long', length: 7 })
    expect((await predict.detailedBatch([1, 2])).map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual(['ERR_OUTRIGGER_INVALID_INPUT', 5])
    expect([model.arrivals.length, cache.counts.negative, cache.counts.hits]).toEqual([2, 2, 0])
    expect(records.map(({ outcome, attempts, cache: note }) => [outcome, attempts, note?.status])).toEqual([['error', 1, 'miss'], ['error', 0, 'refused'], ['error', 0, 'refused'], ['ok', 1, 'miss']])
    await clock.advance(101)
    expect(await predict(1)).toBe(5)
  })

  test('cached gives every caller an error of his own', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached({ negativeTtlMs: 100 }))
    model.fails(invalid())
    await predict(1).catch(() => {})
    const errors = await Promise.all([1, 2].map(() => predict(1).catch((error: unknown) => error as Error)))
    expect(errors[0]).not.toBe(errors[1])
    ;(errors[0] as Error).message = 'spoilt'
    await expect(predict(1)).rejects.toThrow('too long')
  })

  for (const [what, error] of [
    ['an error of the model', new Error('down')],
    ['a timeout', new OutriggerError('ERR_OUTRIGGER_TIMEOUT', 'late')],
    ['an open circuit', new OutriggerError('ERR_OUTRIGGER_CIRCUIT_OPEN', 'open')],
    ['a rate limit', new OutriggerError('ERR_OUTRIGGER_RATE_LIMITED', 'no')],
    ['an abort', new OutriggerError('ERR_OUTRIGGER_ABORTED', 'left')],
  ] as const) {
    test(`cached never keeps ${what}, whatever \`refusals\` says of what passes by itself`, async () => {
      const { model, inner } = rig()
      const greedy = error.message === 'down' ? {} : { refusals: () => true }
      const predict = pipe(inner, cached({ negativeTtlMs: 100, ...greedy }))
      model.fails(error)
      await expect(predict(1)).rejects.toBe(error)
      model.answers(5)
      expect([await predict(1), model.arrivals.length]).toEqual([5, 2])
    })
  }

  test('cached keeps no refusal of a run that failed as a whole: its other rows were not to blame', async () => {
    const asked: number[][] = []
    const model = (rows: readonly number[]): number[] => {
      asked.push([...rows])
      if (rows.includes(13)) throw invalid()
      return rows.map((x) => 2 * x)
    }
    const predict = pipe({ predictBatch: model }, cached({ negativeTtlMs: 60_000 }))
    expect((await predict.detailedBatch([1, 13, 2])).map(({ ok }) => ok)).toEqual([false, false, false])
    expect([await predict(1), await predict(2)]).toEqual([2, 4])
    await predict(13).catch(() => {})
    await expect(predict(13)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    expect(asked).toEqual([[1, 13, 2], [1], [2], [13]])
  })

  test('cached keeps no refusal without a time for it', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached({ ttlMs: 1000, staleIfErrorMs: 1000 }))
    model.fails(invalid())
    await predict(1).catch(() => {})
    model.answers(5)
    expect(await predict(1)).toBe(5)
  })

  test('cached keeps the errors that `refusals` names, with their names and fields', async () => {
    class TooFar extends RangeError {
      override readonly name = 'TooFar'
      readonly km = 9000
      readonly model = () => 1
    }
    const { model, inner } = rig()
    const predict = pipe(inner, cached({ negativeTtlMs: 100, refusals: (error) => error instanceof TooFar }))
    model.fails(new TooFar('9000 km'))
    await predict(1).catch(() => {})
    const again: unknown = await predict(1).catch((error: unknown) => error)
    expect(again).toMatchObject({ name: 'TooFar', message: '9000 km', km: 9000 })
    expect([again instanceof Error, 'model' in (again as object), model.arrivals.length]).toEqual([true, false, 1])
  })

  test('cached lets a refusal take the place of an old answer, and never gives a refusal past its time', async () => {
    const { model, clock, inner } = rig()
    const predict = pipe(inner, cached({ ttlMs: 10, negativeTtlMs: 100, staleIfErrorMs: 10_000, staleWhileRevalidateMs: 1 }))
    model.answers(5)
    await predict(1)
    await clock.advance(50)
    model.fails(invalid())
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    await clock.advance(101)
    model.fails(new Error('down'))
    await expect(predict(1)).rejects.toThrow('down')
  })

  test('cached tells observers of a `refusals` that throws, and keeps nothing', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached({ negativeTtlMs: 100, refusals: () => { throw new Error('mine') } }))
    const notices: string[] = []
    predict.observe((event) => void (event.type === 'notice' && notices.push(event.message)), { predictions: false })
    model.fails(invalid())
    const fates = [fateOf(predict(1)), fateOf(predict(1))]
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
    expect([fates.map(({ code }) => code), notices]).toEqual([new Array(2).fill('ERR_OUTRIGGER_INVALID_INPUT'), ['A refusal is not kept, as `refusals` threw.']])
  })
})
