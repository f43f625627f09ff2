import { pipe, predictor } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'

const parse = (text: string): number => {
  const value = Number(text)
  if (Number.isNaN(value)) throw new Error(`not a number: ${text}`)
  return value
}

describe('mapInput', () => {
  for (const [how, map] of [
    ['synchronous', parse],
    ['asynchronous', async (text: string) => parse(text)],
  ] as const) {
    test(`mapInput with a ${how} function gives the model what it takes, for a call and for a batch`, async () => {
      const model = mockModel<number, number>({ batches: true }).answers((x) => x * 10)
      const predict = pipe(model, mapInput(map))
      expect(await predict('2')).toBe(20)
      expect(await predict.batch(['1', '2', '3'])).toEqual([10, 20, 30])
      expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[2], [1, 2, 3]])
    })

    test(`mapInput with a ${how} function fails a row alone that cannot be mapped, and the others travel as one batch`, async () => {
      const model = mockModel<number, number>({ batches: true }).answers((x) => x * 10)
      const predict = pipe(model, mapInput(map))
      expect((await predict.detailedBatch(['1', 'x', '3'])).map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([10, 'not a number: x', 30])
      expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 3]])
      await expect(predict('x')).rejects.toThrow('not a number: x')
      expect((await predict.detailedBatch(['x', 'y'])).map(({ ok }) => ok)).toEqual([false, false])
      expect(model.arrivals).toHaveLength(1)
    })
  }

  test('mapInput does not start the model for a caller who left while the input was mapped', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>().answers(1)
    let mapped: (value: number) => void = () => {}
    const predict = pipe(predictor(model, { clock }), mapInput((_: string) => new Promise<number>((resolve) => (mapped = resolve))))
    const leaving = new AbortController()
    const answer = predict('1', { signal: leaving.signal })
    await clock.settle()
    leaving.abort()
    mapped(1)
    await expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    await clock.settle()
    expect(model.arrivals).toHaveLength(0)
  })

  test('mapInput refuses what is no function', () => {
    expect(() => mapInput(5 as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('mapOutput', () => {
  test('mapOutput gives the caller what it makes of the answer, for a call and for a batch, in one run', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x)
    const predict = pipe(model, mapOutput(async (x) => `${x} min`))
    expect([await predict(1), await predict.batch([1, 2])]).toEqual(['1 min', ['1 min', '2 min']])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1], [1, 2]])
  })

  test('mapOutput fails a row alone whose answer cannot be mapped, and passes failures on as they are', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x)
    const predict = pipe(model, mapOutput((x) => parse(x < 0 ? 'negative' : `${x}`)))
    expect((await predict.detailedBatch([1, -1, 2])).map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([1, 'not a number: negative', 2])
    const down = new Error('down')
    model.fails(down)
    await expect(predict(1)).rejects.toBe(down)
  })

  test('mapOutput refuses what is no function', () => {
    expect(() => mapOutput(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
