import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import { isPredictor, owned, pipe, predictor, timeout } from 'outrigger'

describe('predictor', () => {
  it('takes its name from the function, and says what it is told', () => {
    const delay = (x: number): number => x
    expect(predictor(delay).identity).toEqual({ name: 'delay', version: '0', digest: undefined })
    expect(predictor({ predict: delay }).identity.name).toBe('model')
    expect(predictor((() => (x: number) => x)()).identity.name).toBe('model')
    expect(predictor(delay, { name: 'n', version: '3', digest: 'd' }).identity).toEqual({ name: 'n', version: '3', digest: 'd' })
  })

  it('gives a predictor back as it is', () => {
    const made = predictor((x: number) => x)
    expect(predictor(made)).toBe(made)
    const piped = pipe(made, timeout({ ms: 1 }))
    expect(predictor(piped)).toBe(piped)
  })

  it('an error of another realm, as Jest makes them, is an error and passes as it is', async () => {
    const foreign = vm.runInNewContext('Object.assign(new TypeError("foreign"), { code: "E_FAR" })') as Error
    expect(foreign instanceof Error).toBe(false)
    const predict = predictor((_: number): Promise<number> => Promise.reject(foreign))
    await expect(predict(1)).rejects.toBe(foreign)
    const [result] = await predict.detailedBatch([1])
    expect(result).toMatchObject({ ok: false, error: foreign, record: { error: { name: 'TypeError', code: 'E_FAR' } } })
  })
})

describe('isPredictor', () => {
  it('knows predictors from models', () => {
    expect([predictor((x: number) => x), pipe((x: number) => x), owned(predictor((x: number) => x))].map(isPredictor)).toEqual([true, true, true])
    expect([undefined, null, 5, 'x', {}, (x: number) => x, { predict: (x: number) => x }].map(isPredictor)).toEqual(new Array(7).fill(false))
  })
})

describe('owned', () => {
  it('refuses what is no predictor', () => {
    expect(() => owned(((x: number) => x) as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('predicts as before', async () => {
    const predict = owned(predictor((x: number) => x + 1))
    expect([await predict(1), await predict.batch([2])]).toEqual([2, [3]])
  })
})
