import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchPredictionError, circuitBreaker, fallback, layer, pipe, predictor, retry, RowFailure, seededRandom, timeout } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import type { ModelObject, NeutralLayer, PredictionRecord, Predictor } from 'outrigger'
import { observed } from 'outrigger/observe'
import { fakeClock, mockModel } from 'outrigger/testing'
import { swappable } from '../../src/testing/_swappable.js'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Layers that change no answer of a model that always says the same of the same input. */
const neutrals: Record<string, () => NeutralLayer> = {
  timeout: () => timeout({ ms: 1000 }),
  timeoutPerRow: () => timeout({ ms: 1000, msPerRow: 5 }),
  retry: () => retry({ retries: 1, minDelayMs: 0 }),
  breaker: () => circuitBreaker({ minimumCalls: 100, windowSize: 100 }),
  bulkhead: () => bulkhead({ concurrency: 1, queue: 100 }),
  cached: () => cached() as NeutralLayer,
  observed: () => observed(),
  onlyOne: () => layer<never, never>('only one', { one: async (next, input, call) => await next(input, call) }) as unknown as NeutralLayer,
  onlyOneLate: () => layer<never, never>('only one, sometimes late', {
    one: async (next, input, call) => {
      if ((input as unknown as number) % 2 === 0) await tick()
      return await next(input, call)
    },
  }) as unknown as NeutralLayer,
  synchronous: () => layer<never, never>('synchronous', { one: (next, input, call) => next(input, call) }) as unknown as NeutralLayer,
  both: () => layer<never, never>('both', { one: async (next, input, call) => await next(input, call), many: async (next, inputs, batch) => await next(inputs, batch) }) as unknown as NeutralLayer,
  halves: () => layer<never, never>('in halves', {
    one: async (next, input, call) => await next(input, call),
    many: async (next, inputs, batch) => {
      const middle = inputs.length >> 1
      const indices = inputs.map((_, index) => index)
      const parts = [indices.slice(0, middle), indices.slice(middle)]
      const rows = await Promise.all(parts.map((part) => next(part.map((index) => inputs[index] as never), batch.pick(part))))
      return rows.flat()
    },
  }) as unknown as NeutralLayer,
}

const answerOf = (x: number): string => {
  if (x % 5 === 3) throw new RangeError(`no answer for ${x}`)
  return `answer ${x}`
}
const models: Record<string, () => ModelObject<number, string>> = {
  rowByRow: () => ({ predict: async (x) => answerOf(x) }),
  batches: () => ({
    predictBatch: (rows) => rows.map((x) => {
      try {
        return answerOf(x)
      } catch (error) {
        return new RowFailure(error)
      }
    }),
  }),
}

const told = (results: readonly ({ ok: true; output: unknown } | { ok: false; error: unknown })[]): unknown[] => results.map((result) => (result.ok ? result.output : String(result.error)))

describe('Predictor.batch', () => {
  it('equals the single form row by row, in order, through any stack, also where rows fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(neutrals)), { maxLength: 6 }),
        fc.constantFrom(...Object.keys(models)),
        fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 12 }),
        fc.boolean(),
        async (names, model, inputs, isObserved) => {
          const stack = (): Predictor<number, string> => {
            const clock = fakeClock()
            const made = names.reduce((inner, name) => (neutrals[name] as () => NeutralLayer)()(inner), predictor(models[model]!(), { clock, random: seededRandom(1) }))
            if (isObserved) made.observe(() => {})
            return made
          }
          const predict = stack()
          const singles = await Promise.all(inputs.map(async (input) => {
            try {
              return await predict(input)
            } catch (error) {
              return String(error)
            }
          }))
          const batched = stack()
          expect(told(await batched.detailedBatch(inputs))).toEqual(singles)
          const fails = inputs.some((input) => input % 5 === 3)
          const whole = await batched.batch(inputs).catch((error: unknown) => error)
          if (fails) expect(told((whole as BatchPredictionError).results)).toEqual(singles)
          else expect(whole).toEqual(singles)
        },
      ),
      { numRuns: 150, seed: 11 },
    )
  })

  it('of nothing asks nothing, through any stack', async () => {
    for (const batches of [false, true]) {
      const model = mockModel<number, number>({ batches })
      const predict = Object.values(neutrals).reduce((inner, make) => make()(inner), predictor(model))
      expect(await predict.batch([])).toEqual([])
      expect(await predict.detailedBatch([])).toEqual([])
      expect(model.arrivals).toHaveLength(0)
    }
  })

  it('throws one error that holds every row\'s outcome when rows failed, with the first one as cause', async () => {
    const predict = predictor(models['rowByRow']!())
    const error = (await predict.batch([1, 3, 8]).catch((thrown: unknown) => thrown)) as BatchPredictionError
    expect(error).toBeInstanceOf(BatchPredictionError)
    expect(error).toMatchObject({ name: 'BatchPredictionError', code: 'ERR_OUTRIGGER_BATCH', failed: 2, cause: new RangeError('no answer for 3') })
    expect(told(error.results)).toEqual(['answer 1', 'RangeError: no answer for 3', 'RangeError: no answer for 8'])
  })

  it('one failing row does not lose the rest, in a model with batches, in a layer of one form, in mapInput and in mapOutput', async () => {
    const fails = (x: number): number => {
      if (x === 2) throw new Error('row 2')
      return x
    }
    const stacks: Predictor<number, number>[] = [
      predictor(async (x: number) => fails(x)),
      pipe((x: number) => x, layer('fails', { one: async (next, input, call) => fails(await next(input, call)) })),
      pipe({ predictBatch: (rows: readonly number[]) => [...rows] }, layer('fails early', { one: (next, input, call) => next(fails(input), call) })),
      pipe({ predictBatch: (rows: readonly number[]) => [...rows] }, mapInput(fails)),
      pipe({ predictBatch: (rows: readonly number[]) => [...rows] }, mapOutput(fails)),
      pipe(swappable<number, number>({ one: (x) => x }).predictor, mapInput(fails)),
    ]
    for (const predict of stacks) {
      expect(told(await predict.detailedBatch([1, 2, 3]))).toEqual([1, 'Error: row 2', 3])
      await expect(predict(2)).rejects.toThrow('row 2')
    }
  })

  it('a layer whose bind throws for a row fails that row alone', async () => {
    const predict = pipe((x: number) => x, layer<number, number>('strict', {
      one: async (next, input, call) => await next(input, call),
      bind: (_call, input) => {
        if (input === 2) throw new Error('row 2')
      },
    }))
    await expect(predict(2)).rejects.toThrow('row 2')
    const results = await predict.detailedBatch([1, 2, 3])
    expect(told(results)).toEqual([1, 'Error: row 2', 3])
    expect(results[1]?.record.outcome).toBe('error')
    await predict.close()
  })

  it('a layer that gives back another number of rows fails every row with the counts', async () => {
    const predict = pipe((x: number) => x, layer<number, number>('loses', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch)).slice(1) }))
    for (const result of await predict.detailedBatch([1, 2])) expect(result.ok ? undefined : result.error).toMatchObject({ code: 'ERR_OUTRIGGER_ROW_COUNT', expected: 2 })
  })

  it('a layer whose many throws, synchronously or not, fails every row', async () => {
    for (const many of [() => { throw new Error('many') }, async () => { throw new Error('many') }]) {
      const predict = pipe((x: number) => x, layer<number, number>('throws', { one: (next, input, call) => next(input, call), many }))
      expect(told(await predict.detailedBatch([1, 2]))).toEqual(['Error: many', 'Error: many'])
    }
  })

  it('gives each row its own key and id', async () => {
    const seen: unknown[] = []
    const predict = pipe(predictor((x: number, call) => {
      seen.push([call.key, call.id])
      return x
    }), timeout({ ms: 100 }), layer('one', { one: (next, input, call) => next(input, call) }))
    const results = await predict.detailedBatch([1, 2], { keys: ['a', undefined], ids: ['first', 'second'], tags: { team: 'x' } })
    expect(seen).toEqual([['a', 'first'], [undefined, 'second']])
    expect(results.map(({ record }) => [record.id, record.batch?.index, record.batch?.size, record.tags])).toEqual([['first', 0, 2, { team: 'x' }], ['second', 1, 2, { team: 'x' }]])
    expect(results[0]?.record.batch?.id).toBe(results[1]?.record.batch?.id)
  })

  it('gives each row its own signal: one that fires fails its row, and the others go on', async () => {
    const model = mockModel<number, number>()
    const predict = pipe(model, layer('one', { one: (next, input, call) => next(input, call) }))
    const leaver = new AbortController()
    const answer = predict.detailedBatch([1, 2], { signals: [leaver.signal, undefined] })
    const [first, second] = [await model.next(), await model.next()]
    leaver.abort()
    expect([first.call.signal.aborted, second.call.signal.aborted]).toEqual([true, false])
    second.answer(20)
    first.fail(new Error('stopped'))
    const results = await answer
    expect(results.map(({ record }) => record.outcome)).toEqual(['aborted', 'ok'])
    expect(told(results)[1]).toBe(20)
  })

  it('a row that is aborted before the run leaves it, and the run goes on without', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x * 10)
    const results = await predictor(model).detailedBatch([1, 2, 3], { signals: [undefined, AbortSignal.abort(), undefined] })
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 3]])
  })

  it('the signal of a run fires when the last of its rows is given up', async () => {
    const model = mockModel<number, number>({ batches: true })
    const [a, b] = [new AbortController(), new AbortController()]
    const answer = predictor(model).detailedBatch([1, 2], { signals: [a.signal, b.signal] })
    const arrival = await model.next()
    const { signal } = arrival.call
    a.abort()
    expect(signal.aborted).toBe(false)
    b.abort()
    expect(signal.aborted).toBe(true)
    expect((await answer).map(({ record }) => record.outcome)).toEqual(['aborted', 'aborted'])
    arrival.answer(1, 2)
  })

  it('the shared signal and timeoutMs give up all rows at once', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ batches: true })
    const predict = predictor(model, { clock })
    const controller = new AbortController()
    const aborted = predict.detailedBatch([1, 2], { signal: controller.signal })
    const late = predict.detailedBatch([3], { timeoutMs: 30 })
    const [first, second] = [await model.next(), await model.next()]
    expect(second.call.deadline).toBe(30)
    controller.abort()
    expect((await aborted).map(({ record }) => record.outcome)).toEqual(['aborted', 'aborted'])
    expect(first.call.signal.aborted).toBe(true)
    await clock.advance(30)
    expect((await late)[0]?.record.outcome).toBe('timeout')
    expect(clock.pending).toBe(0)
  })

  it.each([['keys', ['a']], ['ids', ['a', 'b', 'c']], ['signals', []]])('refuses %s that do not fit the rows', async (name, value) => {
    const model = mockModel<number, number>().answers(1)
    await expect(predictor(model).batch([1, 2], { [name]: value })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    expect(model.arrivals).toHaveLength(0)
  })

  it('refuses inputs that are no array', async () => {
    await expect(predictor((x: number) => x).batch(7 as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })

  it('what a layer throws that is no Error is the same coded error in a batch as in a single call', async () => {
    const predict = pipe((x: number) => x, layer<number, number>('rude', { one: async () => { throw 'rude' } }))
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_FAILED', cause: 'rude' })
    const [result] = await predict.detailedBatch([1])
    expect(result?.ok === false && result.error).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_FAILED', cause: 'rude' })
    expect(result?.record.error).toEqual({ name: 'ModelError', code: 'ERR_OUTRIGGER_MODEL_FAILED' })
  })

  it('fallback answers only the rows that failed, and the records say which', async () => {
    const rule = mockModel<number, string>({ batches: true }).answers((x) => `rule ${x}`)
    const predict = pipe(models['batches']!(), fallback(rule))
    const results = await predict.detailedBatch([1, 3, 4, 8])
    expect(told(results)).toEqual(['answer 1', 'rule 3', 'answer 4', 'rule 8'])
    expect(rule.arrivals.map(({ inputs }) => inputs)).toEqual([[3, 8]])
    expect(results.map(({ record }: { record: PredictionRecord }) => record.source)).toEqual(['model', 'fallback', 'model', 'fallback'])
  })
})
