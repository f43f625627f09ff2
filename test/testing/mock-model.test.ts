import { describe, expect, it } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'

describe('mockModel', () => {
  it('is held from both sides: the test sees what arrived and says what is answered', async () => {
    const model = mockModel<string, number>()
    const predict = predictor(model)
    const answers = [predict('a', { key: 'k' }), predict('b')]
    const first = await model.next()
    const second = await model.next()
    expect([first.input, first.inputs, first.isBatch, 'key' in first.call && first.call.key]).toEqual(['a', ['a'], false, 'k'])
    second.answer(2)
    first.fail(new Error('no'))
    expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(model.arrivals.map(({ input }) => input)).toEqual(['a', 'b'])
  })

  it('next waits for what has not arrived yet, in the order of asking', async () => {
    const model = mockModel<number, number>()
    const waiting = [model.next(), model.next()]
    const predict = predictor(model)
    void predict(1)
    void predict(2)
    expect((await Promise.all(waiting)).map(({ input }) => input)).toEqual([1, 2])
  })

  it('with batches, a run arrives as one, and is answered by one output per row', async () => {
    const model = mockModel<number, number>({ batches: true })
    const answer = predictor(model).batch([1, 2])
    const run = await model.next()
    expect([run.isBatch, run.inputs]).toEqual([true, [1, 2]])
    run.answer(10, 20)
    expect(await answer).toEqual([10, 20])
    expect(mockModel<number, number>().predictBatch).toBeUndefined()
  })

  it('answers, fails, delays or hangs from now on', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock })
    const predict = predictor(model, { clock })
    model.answers((x) => x + 1)
    expect(await predict(1)).toBe(2)
    model.answers(7)
    expect(await predict(1)).toBe(7)
    model.answers(() => { throw new Error('in the answer') })
    await expect(predict(1)).rejects.toThrow('in the answer')
    model.fails(new Error('down'))
    await expect(predict(1)).rejects.toThrow('down')
    model.delays(50, (x) => x * 2)
    let late: number | undefined
    void predict(4).then((output) => (late = output))
    await clock.advance(49)
    expect(late).toBeUndefined()
    await clock.advance(1)
    expect(late).toBe(8)
    model.hangs()
    void predict(5)
    await clock.advance(1_000_000)
    expect([model.arrivals.length, clock.pending]).toEqual([6, 0])
  })

  it('counts how often it was closed', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model)
    await predict.close()
    await predict.close()
    expect(model.closed).toBe(1)
  })
})
