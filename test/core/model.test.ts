import { describe, expect, it } from 'vitest'
import { isOutriggerError, pipe, predictor, RowFailure } from 'outrigger'
import type { BatchPredictionError, ModelFunction, ModelObject, Predictor } from 'outrigger'

const caught = async (work: Promise<unknown>): Promise<Error & { code?: string; cause?: unknown }> => {
  const error = await work.then(() => new Error('It did not reject.'), (thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

/** The same model as a single call and as a row of a batch. */
const bothWays = async <I>(predict: Predictor<I, unknown>, input: I): Promise<(Error & { code?: string; cause?: unknown })[]> => {
  const single = await caught(predict(input))
  const batch = (await caught(predict.batch([input]))) as BatchPredictionError
  const result = batch.results[0] as { ok: false; error: Error }
  expect(result.ok).toBe(false)
  return [single, result.error]
}

describe('modelStage', () => {
  it('a model that throws synchronously rejects with its error', async () => {
    for (const error of await bothWays(predictor((): number => { throw new Error('sync') }), 1)) expect(error.message).toBe('sync')
  })

  it('a model that throws synchronously rejects inside of a stack and while it is observed', async () => {
    const predict = pipe((): number => { throw new Error('sync') })
    expect((await caught(predict.detailed(1 as never))).message).toBe('sync')
  })

  it('a model that returns a plain value or a custom thenable answers', async () => {
    const thenable: ModelFunction<number, number> = (x) => ({ then: (resolve: (value: number) => void) => resolve(x + 1) }) as PromiseLike<number>
    for (const model of [(x: number) => x + 1, thenable]) {
      const predict = predictor(model)
      expect(await predict(1)).toBe(2)
      expect((await predict.detailed(1)).output).toBe(2)
      expect(await predict.batch([1, 2])).toEqual([2, 3])
    }
  })

  it('a custom thenable that rejects, or whose then throws, rejects the call', async () => {
    const rejecting = predictor((_: number) => ({ then: (_resolve: unknown, reject: (error: unknown) => void) => reject(new Error('no')) }) as unknown as PromiseLike<number>)
    const throwing = predictor((_: number) => ({ then: () => { throw new Error('no') } }) as unknown as PromiseLike<number>)
    for (const predict of [rejecting, throwing]) for (const error of await bothWays(predict, 1)) expect(error.message).toBe('no')
  })

  it.each([['a string', 'down'], ['undefined', undefined], ['null', null], ['an object', { reason: 1 }]])('a model that rejects with %s gets a coded error with the thing as cause', async (_, thrown) => {
    const models: (ModelFunction<number, number> | ModelObject<number, number>)[] = [
      async () => { throw thrown },
      () => { throw thrown },
      { predictBatch: async () => { throw thrown } },
      { predictBatch: (rows) => rows.map(() => new RowFailure(thrown)) },
    ]
    for (const model of models) {
      for (const error of await bothWays(predictor(model as ModelFunction<number, number>), 1)) {
        expect(error.code).toBe('ERR_OUTRIGGER_MODEL_FAILED')
        expect(error.cause).toBe(thrown)
        expect(error.message).not.toContain('down')
      }
    }
  })

  it.each([['too few', [1]], ['too many', [1, 2, 3]], ['not an array', 7], ['nothing', undefined], ['a string of the right length', 'ab']])('predictBatch that gives back %s fails every row with the counts', async (_, outputs) => {
    const predict = predictor({ predictBatch: () => outputs as number[] })
    const results = await predict.detailedBatch([1, 2])
    for (const result of results) expect(!result.ok && isOutriggerError(result.error) && result.error.code).toBe('ERR_OUTRIGGER_ROW_COUNT')
    expect(results[0]?.record.outcome).toBe('error')
  })

  it('predictBatch may give a typed array, a promise or a thenable of rows', async () => {
    const rows = (inputs: readonly number[]): Float32Array => Float32Array.from(inputs)
    expect(await predictor({ predictBatch: rows }).batch([1, 2])).toEqual([1, 2])
    expect(await predictor({ predictBatch: async (inputs: readonly number[]) => rows(inputs) }).batch([1, 2])).toEqual([1, 2])
    const thenable = { predictBatch: (inputs: readonly number[]) => ({ then: (resolve: (value: number[]) => void) => resolve([...inputs]) }) as PromiseLike<number[]> }
    expect(await predictor(thenable).batch([1, 2])).toEqual([1, 2])
  })

  it('predictBatch keeps its own array: what callers and layers do to theirs changes nothing', async () => {
    const own: readonly (number | RowFailure)[] = Object.freeze([1, new RowFailure(new Error('row'))])
    const predict = predictor({ predictBatch: (_: readonly string[]) => own })
    const results = await predict.detailedBatch(['a', 'b'])
    expect(results.map(({ ok }) => ok)).toEqual([true, false])
    const constant = [1, 2]
    const answers = await predictor({ predictBatch: (_: readonly string[]) => constant }).batch(['a', 'b'])
    answers[0] = 99
    expect(constant).toEqual([1, 2])
  })

  it('a model with only predictBatch answers single calls, and its row failure rejects them', async () => {
    const predict = predictor({ predictBatch: (rows: readonly number[]) => rows.map((x) => (x < 0 ? new RowFailure(new RangeError('negative')) : x * 2)) })
    expect(await predict(4)).toBe(8)
    expect(await caught(predict(-1))).toBeInstanceOf(RangeError)
  })

  it('a model with both forms gets singles by predict and batches by predictBatch, with its own this', async () => {
    class Model {
      readonly log: string[] = []
      predict(x: number): number {
        this.log.push('one')
        return x
      }
      predictBatch(rows: readonly number[]): number[] {
        this.log.push(`many ${rows.length}`)
        return [...rows]
      }
    }
    const model = new Model()
    const predict = predictor(model)
    await predict(1)
    await predict.batch([1, 2, 3])
    expect(model.log).toEqual(['one', 'many 3'])
  })

  it('a model that is neither, or whose predict is no function, is refused with a code', () => {
    for (const wrong of [{}, { foo: 1 }, null, undefined, 7, 'model', { predict: 1 }, { predictBatch: 'x' }]) {
      expect(() => predictor(wrong as never)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

it('an error that throws when it is looked at fails its row as any other, also where calls are observed', async () => {
  const hostile = new Proxy(new Error('inner'), { get: () => { throw new Error('hostile') } })
  const predict = predictor({ predictBatch: (): never => { throw hostile } })
  predict.observe(() => {})
  const [row] = await predict.detailedBatch([1])
  expect(row).toMatchObject({ ok: false, error: { code: 'ERR_OUTRIGGER_MODEL_FAILED' } })
  await expect(predict.detailed(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_FAILED' })
})
