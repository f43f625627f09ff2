import { describe, expect, it } from 'vitest'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import type { EngineMembers } from '../../../src/models/engines/engine.js'
import type { GoldenPrediction } from '../../../src/models/manifest/manifest.js'
import { FakeSource, heardOf } from './_loader-kit.js'

type Model = { predict?(row: number): unknown; predictBatch?(rows: readonly number[]): unknown[] } & EngineMembers

const loading = (model: Model, golden: readonly GoldenPrediction[] = [], options: Partial<ModelLoaderOptions<number, unknown>> = {}): ModelLoader<number, unknown> => {
  const source = new FakeSource()
  source.publish('1', golden.length === 0 ? {} : { golden })
  return modelLoader({ store: source, name: 'delay', load: () => model as never, ...options } as ModelLoaderOptions<number, unknown>)
}

/** A model that doubles, and says how it was asked. */
const counting = (members: EngineMembers = {}): Model & { readonly asked: number[][]; readonly sizes: number[] } => {
  const asked: number[][] = []
  return {
    ...members,
    asked,
    get sizes() { return asked.map((rows) => rows.length) },
    predict: (row) => { asked.push([row]); return 2 * row },
    predictBatch: (rows) => { asked.push([...rows]); return rows.map((row) => 2 * row) },
  }
}

const failure = async (promise: Promise<unknown>): Promise<unknown> => await promise.then(() => 'no error', (error: unknown) => error)
const golden = (...inputs: readonly number[]): GoldenPrediction[] => inputs.map((input) => ({ input, output: 2 * input, tolerance: 1e-4 }))

describe('the gate warms up', () => {
  it('with batches of 1, 8 and 32, each of which sees every row, and says so when it is ready', async () => {
    const model = counting()
    const loader = loading(model, [], { warmup: [1, 2, 3] })
    const { states } = heardOf(loader)
    await loader.whenReady()
    expect(model.sizes).toEqual([1, 1, 1, 8, 32])
    expect(model.asked.slice(0, 4)).toEqual([[1], [2], [3], [1, 2, 3, 1, 2, 3, 1, 2]])
    expect(states.find(({ to }) => to === 'warming')?.reason).toBe('3 rows in sizes of 1, 8, 32')
    expect(states.find(({ to }) => to === 'ready')?.data).toMatchObject({
      gate: { warmUp: { rows: 3, sizes: [1, 8, 32], runs: 5 }, golden: { rows: 0 }, isChecked: false },
      durations: { discovered: expect.any(Number), verified: expect.any(Number), loading: expect.any(Number), warming: expect.any(Number), checking: expect.any(Number) },
    })
    await loader.close()
  })

  it.each<[string, Model & { readonly sizes?: readonly number[] }, object, number[]]>([
    ['a model that gains nothing by batches', counting({ describe: () => ({ batchable: false }) }), { warmup: [1] }, [1]],
    ['a model with a fixed batch size', counting({ describe: () => ({ batchable: true, batchSize: 4 }) }), { warmup: [1] }, [4]],
    ['sizes that were chosen', counting(), { warmup: { rows: [1], sizes: [2, 16] } }, [2, 16]],
    ['several runs of each', counting(), { warmup: { rows: [1, 2], sizes: [1, 4], runs: 3 } }, [1, 1, 1, 4, 4, 4]],
    ['no rows', counting(), { warmup: [] }, []],
  ])('%s', async (_, model, options, sizes) => {
    const loader = loading(model, [], options)
    await loader.whenReady()
    expect(model.sizes).toEqual(sizes)
    await loader.close()
  })

  it('with the inputs of the golden predictions where no rows are given', async () => {
    const model = counting()
    const loader = loading(model, golden(5, 6), { warmup: { sizes: [2] } })
    await loader.whenReady()
    expect(model.asked).toEqual([[5, 6], [5], [6], [5, 6]])
    await loader.close()
  })

  it('a model that is a function has no batches to warm up', async () => {
    let calls = 0
    const source = new FakeSource()
    source.publish()
    const loader = modelLoader({ store: source, name: 'delay', warmup: [1, 2], load: () => (row: number) => { calls += 1; return row } })
    await loader.whenReady()
    expect(calls).toBe(2)
    await loader.close()
  })

  it.each([[{ rows: 7 }], [{ sizes: [0] }], [{ sizes: [1.5] }], [{ sizes: 'x' }], [{ runs: 0 }], [{ row: [] }]])('refuses as options %j', (warmup) => {
    expect(() => loading(counting(), [], { warmup: warmup as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('the gate says exactly what it refused', () => {
  const first = golden(1, 2, 3)

  it.each<[string, Model, object, object]>([
    ['an output that differs', { predict: (row) => (row === 2 ? 4.5 : 2 * row) }, {}, { stage: 'golden', reason: 'golden prediction 1 differs: the output is 4.5 instead of 4 (tolerance 0.0001)', row: 1, form: 'single', path: '', expected: 4, actual: 4.5, tolerance: 1e-4 }],
    ['one that differs only in a batch', { predict: (row) => 2 * row, predictBatch: (rows) => rows.map((row, index) => 2 * row + index) }, {}, { stage: 'golden', reason: 'golden prediction 1 differs in a batch of 3: the output is 5 instead of 4 (tolerance 0.0001)', row: 1, form: 'batch', batchSize: 3, expected: 4, actual: 5 }],
    ['a NaN in a larger batch', { predict: (row) => 2 * row, predictBatch: (rows) => rows.map((row) => (rows.length > 8 ? Number.NaN : 2 * row)) }, {}, { stage: 'golden', reason: 'the output of golden prediction 0 is NaN', row: 0, form: 'batch', batchSize: 32, path: '', actual: Number.NaN }],
    ['a NaN deep inside', { predict: () => ({ scores: [1, Number.NaN] }) }, { warmup: [9] }, { stage: 'warm-up', reason: 'the output.scores[1] of warm-up row 0 is NaN', row: 0, form: 'single', path: '.scores[1]', actual: Number.NaN }],
    ['a row that fails in a batch', { predict: (row) => 2 * row, predictBatch: () => { throw new Error('no') } }, { warmup: [9] }, { stage: 'warm-up', reason: 'warm-up row 0 failed in a batch of 8: no', row: 0, form: 'batch', batchSize: 8, cause: { message: 'no' } }],
    ['a check', { predict: (row) => 2 * row }, { check: () => { throw new Error('worse than before') } }, { stage: 'check', reason: 'the check failed: worse than before', cause: { message: 'worse than before' } }],
  ])('%s', async (_, model, options, expected) => {
    const loader = loading(model, first, options)
    const { states } = heardOf(loader)
    expect(await failure(loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', ...expected })
    const { cause: _cause, reason, ...fields } = expected as { cause?: unknown; reason: string }
    expect(states.at(-1)).toMatchObject({ to: 'quarantined', reason, data: fields })
    await loader.close()
  })

  it('a version without golden predictions, where they are required, before anything is read', async () => {
    const source = new FakeSource()
    source.publish()
    const loader = modelLoader({ store: source, name: 'delay', requireGolden: true, load: () => (row: number) => row })
    expect(await failure(loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'golden', reason: 'it has no golden predictions, and the loader requires some' })
    expect(source.asked).toEqual(['resolve delay@latest'])
    source.publish('2', { golden: golden(0) })
    expect((await loader.refresh()).version).toBe('2')
    await loader.close()
  })

  it('an unknown engine, before anything is read', async () => {
    const source = new FakeSource()
    source.publish('1', { engine: 'abacus' })
    const loader = modelLoader({ store: source, name: 'delay', engines: [{ name: 'tfjs', load: async () => (row: number) => row }] })
    expect(await failure(loader.whenReady())).toMatchObject({ stage: 'load', reason: 'no engine of the loader is called `abacus` (there are: tfjs)', cause: { code: 'ERR_OUTRIGGER_ENGINE_UNKNOWN', engine: 'abacus' } })
    expect(source.asked).toEqual(['resolve delay@latest'])
    await loader.close()
  })
})

describe('the gate holds golden predictions', () => {
  it('each alone, and all in batches of at most 32', async () => {
    const model = counting()
    const loader = loading(model, golden(...Array.from({ length: 70 }, (_, index) => index)), { warmup: [] })
    await loader.whenReady()
    expect(model.sizes).toEqual([...Array.from({ length: 70 }, () => 1), 32, 32, 6])
    await loader.close()
  })

  it('says when there was nothing to check, and only then', async () => {
    const notices = async (goldens: readonly GoldenPrediction[], options: object): Promise<number> => {
      const loader = loading(counting(), goldens, options)
      const heard = heardOf(loader)
      await loader.whenReady()
      await loader.close()
      return heard.notices.length
    }
    expect(await Promise.all([notices([], {}), notices(golden(1), {}), notices(golden(1), { warmup: [] }), notices([], { warmup: [1] }), notices([], { check: () => {} })])).toEqual([1, 0, 0, 0, 0])
  })

  it('lets the event loop turn between runs', async () => {
    let turns = 0
    const model = counting()
    const loader = loading(model, golden(1, 2, 3, 4))
    const before = turns
    const count = (): void => { turns += 1; if (turns < 1_000) setImmediate(count) }
    setImmediate(count)
    await loader.whenReady()
    expect(turns - before).toBeGreaterThanOrEqual(model.sizes.length - 1)
    turns = 1_000
    await loader.close()
  })
})
