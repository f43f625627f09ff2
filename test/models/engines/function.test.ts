import { predictor } from 'outrigger'
import { functionEngine, memoryDepot, modelLoader, modelStore, type EngineModel } from 'outrigger/models'
import { describe, expect, it } from 'vitest'

/** Serves what `load` makes of the factor in a file. */
const serving = async (load: (factor: number) => EngineModel<number, number> | Promise<EngineModel<number, number>>) => {
  const store = modelStore({ depot: memoryDepot() })
  await store.publish({ name: 'times', engine: 'function', files: { 'factor.json': '3' }, golden: [{ input: 2, output: 6 }] })
  const predict = modelLoader({ store, name: 'times', engines: [functionEngine((files) => load(files.json('factor.json') as number))] })
  await predict.whenReady()
  return predict
}

describe('functionEngine takes', () => {
  it.each([
    ['a function', (factor: number) => (x: number) => factor * x],
    ['an async function, made asynchronously', async (factor: number) => async (x: number) => Promise.resolve(factor * x)],
    ['an object that predicts a row', (factor: number) => ({ predict: async (x: number) => factor * x })],
    ['an object that predicts batches', (factor: number) => ({ predictBatch: async (rows: readonly number[]) => rows.map((x) => factor * x) })],
    ['a predictor', (factor: number) => predictor((x: number) => factor * x)],
  ])('%s', async (_, load) => {
    const predict = await serving(load)
    expect([await predict(2), await predict.batch([1, 2, 3])]).toEqual([6, [3, 6, 9]])
    await predict.close()
  })

  it.each(['dispose', 'close'])('what ends by `%s`, called once', async (end) => {
    let ended = 0
    const predict = await serving((factor) => ({ predict: (x: number) => factor * x, [end]: () => void (ended += 1) }))
    await predict(1)
    expect(ended).toBe(0)
    await predict.close()
    await predict.close()
    expect(ended).toBe(1)
  })

  it('no name that is none, and no load that is no function', () => {
    expect(() => functionEngine(() => (x: number) => x, { name: '' })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => functionEngine(7 as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(functionEngine(() => (x: number) => x, { name: 'rules' }).name).toBe('rules')
  })
})
