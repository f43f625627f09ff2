import { describe, expect, it } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { fakeClock, faults, mockModel } from 'outrigger/testing'

const outcomes = async (seed: number, error: number, count: number): Promise<boolean[]> => {
  const predict = pipe((x: number) => x, faults({ seed, error }))
  return (await Promise.allSettled(Array.from({ length: count }, (_, index) => predict(index)))).map(({ status }) => status === 'rejected')
}

describe('faults', () => {
  it('strikes at its rate, and the same calls for the same seed', async () => {
    const struck = await outcomes(1, 0.3, 4000)
    const share = struck.filter(Boolean).length / struck.length
    expect(Math.abs(share - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / struck.length))
    expect(await outcomes(1, 0.3, 200)).toEqual(struck.slice(0, 200))
    expect(await outcomes(2, 0.3, 200)).not.toEqual(struck.slice(0, 200))
  })

  it('fails with a code, without asking the model, and counts', async () => {
    const model = mockModel<number, number>().answers(1)
    const layer = faults({ error: 1 })
    const predict = pipe(model, layer)
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INJECTED', name: 'InjectedFaultError' })
    const results = await predict.detailedBatch([1, 2])
    expect(results.map(({ ok }) => ok)).toEqual([false, false])
    expect([model.arrivals.length, layer.struck.error]).toEqual([0, 2])
  })

  it('fails rows of a batch alone', async () => {
    const layer = faults({ rowError: 0.5, seed: 4 })
    const results = await pipe((x: number) => x, layer).detailedBatch(Array.from({ length: 100 }, (_, index) => index))
    const failed = results.filter(({ ok }) => !ok).length
    expect(failed).toBe(layer.struck.rowError)
    expect(failed).toBeGreaterThan(20)
    expect(failed).toBeLessThan(80)
  })

  it('makes a call late on the clock of the stack', async () => {
    const clock = fakeClock()
    const predict = pipe(predictor((x: number) => x, { clock }), faults({ latency: 1, latencyMs: 30 }))
    let answers = 0
    void predict(1).then(() => (answers += 1))
    void predict.batch([1, 2]).then(() => (answers += 1))
    await clock.advance(29)
    expect(answers).toBe(0)
    await clock.advance(1)
    expect(answers).toBe(2)
  })

  it('lies: numbers become NaN, and outputs lose their shape, without changing what the model gave', async () => {
    const given = { p: 0.5, list: [1, 2], floats: Float32Array.of(1, 2), name: 'x' }
    expect(await pipe((_: number) => given, faults({ nan: 1 }))(1)).toEqual({ p: Number.NaN, list: [Number.NaN, Number.NaN], floats: Float32Array.of(Number.NaN, Number.NaN), name: 'x' })
    expect(await pipe((_: number) => given.list, faults({ wrongShape: 1 }))(1)).toEqual([1])
    expect(await pipe((_: number) => given.floats, faults({ wrongShape: 1 }))(1)).toEqual(Float32Array.of(1))
    expect(await pipe((_: number) => 7, faults({ wrongShape: 1 })).batch([1])).toEqual([[7]])
    expect(given).toEqual({ p: 0.5, list: [1, 2], floats: Float32Array.of(1, 2), name: 'x' })
  })

  it('changes its rates while it runs; those not named stay', async () => {
    const layer = faults({ error: 1 })
    const predict = pipe((x: number) => x, layer)
    await expect(predict(1)).rejects.toThrow()
    layer.set({ error: 0 })
    expect(await predict(1)).toBe(1)
    layer.set({ nan: 1 })
    expect(await predict(1)).toBeNaN()
    expect(() => layer.set({ error: 2 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => layer.set({ eror: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
