import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { mapInput } from '../../../src/compose/map-input.js'
import { mapOutput } from '../../../src/compose/map-output.js'
import { pipe } from '../../../src/core/pipe.js'
import { predictor } from '../../../src/core/predictor.js'
import { functionEngine } from '../../../src/models/engines/function.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { modelStore, type ModelSource, type ModelStore } from '../../../src/models/store/model-store.js'
import type { fakeClock } from '../../../src/testing/fake-clock.js'
import { eventsOf, steps, storeOf, throughTheGate, turn } from './_loader-kit.js'
import { temporaryFolder } from '../temporary.js'

const numbered = (store: ModelSource, options: { readonly follow?: string | number; readonly clock?: ReturnType<typeof fakeClock>; readonly drainMs?: number } = {}): ModelLoader<number, string> =>
  modelLoader({ store, name: 'delay', load: (files) => (row: number) => `${files.text('number.json')}:${row}`, ...options })

const failure = async (promise: Promise<unknown>): Promise<{ code?: string; message: string; reason?: string; stage?: string; cause?: unknown }> =>
  await promise.then(() => ({ message: 'no error' }), (error: unknown) => error as never)

describe('modelLoader', () => {
  it('refuses calls until the first version is live, then serves it with its identity', async () => {
    const store = await storeOf(2)
    await store.setAlias('delay', 'champion', 1)
    const loader = numbered(store, { follow: 'champion' })
    const heard = eventsOf(loader)
    expect([loader.ready(), loader.identity.version, loader.describe()]).toEqual([false, '0', 'model-loader delay@champion (nothing live)'])
    expect(await failure(loader(1))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' })
    const [one, two] = await Promise.all([loader.whenReady(), loader.whenReady()])
    expect(one).toBe(two)
    expect(loader.ready()).toBe(true)
    expect(await loader(7)).toBe('1:7')
    expect(await loader.batch([1, 2])).toEqual(['1:1', '1:2'])
    const { record } = await loader.detailed(7)
    expect(record.identity).toEqual({ name: 'delay', version: '1', digest: (await store.resolve('delay@1')).digest })
    const [notice] = heard.splice(5, 1)
    expect(notice).toBe('Nothing was checked of delay@1 but its files: it has no golden predictions, and the loader has neither warm-up rows nor a check.')
    expect(heard).toEqual(steps('delay@1', ...throughTheGate, 'live'))
    expect(loader.describe()).toContain('model-loader delay@champion → delay@1')
    await loader.close()
    expect(heard.slice(7)).toEqual(['delay@1 draining', 'delay@1 disposed'])
    expect(await failure(loader(1))).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(await failure(loader.refresh())).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })

  it('follows an alias, stays with a number, and tries whenReady again after a failure', async () => {
    const store = modelStore({ path: await temporaryFolder() })
    const loader = numbered(store)
    expect(await failure(loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    for (const number of [1, 2, 3]) await store.publish({ name: 'delay', engine: 'function', files: { 'number.json': String(number) } })
    expect((await loader.whenReady()).version).toBe('3')
    await store.setAlias('delay', 'champion', 1)
    expect((await loader.use('champion')).version).toBe('1')
    await store.setAlias('delay', 'champion', 2)
    expect((await loader.refresh()).version).toBe('2')
    expect((await loader.use(1)).version).toBe('1')
    expect((await loader.refresh()).version).toBe('1')
    expect(await failure(loader.use(9))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    expect((await loader.refresh()).version).toBe('1')
    expect(loader.loaded.map(({ identity, state }) => [identity.version, state])).toEqual([['1', 'live']])
    await loader.close()
    expect(loader.loaded).toEqual([])
  })

  it('loads an unchanged version only once', async () => {
    const store = await storeOf(1)
    let loads = 0
    const loader = modelLoader({ store, name: 'delay', load: () => { loads += 1; return (row: number) => row } })
    await loader.whenReady()
    await Promise.all([loader.refresh(), loader.refresh(), loader.refresh(), loader.use(1)])
    expect(loads).toBe(1)
    await loader.close()
  })

  it('chooses the engine that the manifest names', async () => {
    const store = await storeOf(2, (version) => ({ engine: version === 1 ? 'double' : 'unknown' }))
    const loader = modelLoader({
      store,
      name: 'delay',
      follow: 1,
      engines: [functionEngine(() => (row: number) => row, { name: 'single' }), functionEngine(() => ({ predictBatch: (rows: readonly number[]) => rows.map((row) => 2 * row) }), { name: 'double' })],
    })
    await loader.whenReady()
    expect([await loader(4), await loader.batch([1, 2])]).toEqual([8, [2, 4]])
    const refused = await failure(loader.use(2))
    expect(refused).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'load' })
    expect(refused.reason).toContain('`unknown`')
    await loader.close()
  })

  it('builds pre- and post-processing from the version\'s own files, and the goldens go through it', async () => {
    const store = await storeOf(2, (version) => ({ files: { 'number.json': String(version), 'scale.json': version === 1 ? '10' : '11' }, golden: [{ input: { hour: 2 }, output: { late: 20 } }] }))
    const loader = modelLoader({
      store,
      name: 'delay',
      follow: 1,
      load: () => ({ predictBatch: (rows: readonly number[]) => rows.map((row) => row * 10) }),
      build: (engine, version) => {
        const scale = version.files.json('scale.json') as number
        return pipe(engine, mapInput((flight: { readonly hour: number }) => (flight.hour * scale) / 10), mapOutput((minutes: number) => ({ late: minutes })))
      },
    })
    await loader.whenReady()
    expect(await loader({ hour: 3 })).toEqual({ late: 30 })
    const { record } = await loader.detailed({ hour: 3 })
    expect(record.identity.version).toBe('1')
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'golden', reason: expect.stringContaining('golden prediction 0 differs: the output.late is 22 instead of 20') })
    expect(await loader({ hour: 3 })).toEqual({ late: 30 })
    await loader.close()
  })

  it('takes a predictor from `load`, and closes it with its version', async () => {
    const store = await storeOf(2)
    let closed = 0
    const loader = modelLoader({ store, name: 'delay', follow: 1, load: () => predictor({ predict: (row: number) => row, close: () => { closed += 1 } }) })
    await loader.whenReady()
    expect(await loader(1)).toBe(1)
    await loader.use(2)
    await turn()
    expect(closed).toBe(1)
    await loader.close()
    expect(closed).toBe(2)
  })

  const load = (): ((row: number) => number) => (row) => row
  const store: ModelSource = { resolve: async () => { throw new Error('never asked') }, open: async () => { throw new Error('never asked') } }
  it.each<[string, object]>([
    ['nothing', {}], ['no store', { name: 'delay', load }], ['a store that is none', { store: {}, name: 'delay', load }], ['a bad name', { store, name: '../x', load }], ['neither engines nor load', { store, name: 'delay' }],
    ['both', { store, name: 'delay', load, engines: [] }], ['a reference', { store, name: 'delay', load, follow: 'a@b' }], ['version 0', { store, name: 'delay', load, follow: 0 }],
    ['a negative drainMs', { store, name: 'delay', load, drainMs: -1 }], ['an unknown option', { store, name: 'delay', load, alias: 'x' }], ['engines that are no array', { store, name: 'delay', engines: 7 }],
  ])('refuses as options %s', (_, options) => {
    expect(() => modelLoader(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('infers its rows from the engine, and from `build`', () => {
    expectTypeOf(modelLoader({ store, name: 'm', load: () => async (row: number) => String(row) })).toEqualTypeOf<ModelLoader<number, string>>()
    expectTypeOf(modelLoader({ store, name: 'm', engines: [functionEngine(() => ({ predictBatch: (rows: readonly Date[]) => rows.map(Number) }))] })).toEqualTypeOf<ModelLoader<Date, number>>()
    const built = modelLoader({ store, name: 'm', load: () => (row: number) => row, build: (engine) => pipe(engine, mapInput((text: string) => text.length)) })
    expectTypeOf(built).toEqualTypeOf<ModelLoader<string, number>>()
    // @ts-expect-error -- a warm-up row is a row
    modelLoader({ store, name: 'm', load: () => (row: number) => row, warmup: ['x'], build: (engine) => engine })
  })
})

describe('modelLoader refuses, and the old version stays live', () => {
  const versions = async (): Promise<ModelStore> => await storeOf(2, () => ({ golden: [{ input: 2, output: 4 }] }))
  const cases: readonly [string, string, string, (row: number) => unknown][] = [
    ['a golden prediction that differs', 'golden', 'golden prediction 0 differs: the output is 5 instead of 4', (row) => row + 3],
    ['a golden prediction that fails', 'golden', 'golden prediction 0 failed: broken', () => { throw new Error('broken') }],
    ['NaN', 'golden', 'the output of golden prediction 0 is NaN', () => Number.NaN],
    ['an infinity', 'golden', 'is Infinity', () => [Infinity]],
    ['another type', 'golden', 'the output is "4" instead of 4', () => '4'],
  ]
  it.each(cases)('%s', async (_, stage, reason, bad) => {
    const loader = modelLoader({ store: await versions(), name: 'delay', follow: 1, load: (files): ((row: number) => unknown) => (files.text('number.json') === '1' ? (row: number) => 2 * row : bad) })
    const heard = eventsOf(loader)
    await loader.whenReady()
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage, reason: expect.stringContaining(reason), version: 2 })
    expect([loader.identity.version, await loader(4)]).toEqual(['1', 8])
    expect(heard.slice(7)).toEqual(steps('delay@2', 'discovered', 'verified', 'loading', 'warming', ...(heard.includes('delay@2 checking') ? ['checking'] : []), 'quarantined'))
    expect(loader.loaded).toHaveLength(1)
    await loader.close()
  })

  it('what fails while it is opened, loaded, built, warmed up or checked, and disposes it', async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    for (const number of [1, 2]) await store.publish({ name: 'delay', engine: 'function', files: { 'number.json': String(number) } })
    let fault = ''
    let disposed = 0
    const fail = (place: string): void => { if (fault === place) throw new Error(`no ${place}`) }
    const loader = modelLoader({
      store,
      name: 'delay',
      follow: 1,
      warmup: [1, 2, 3],
      load: () => {
        fail('load')
        return { predictBatch: (rows: readonly number[]) => { fail('warm-up'); return rows.map((row) => (fault === 'row' && row === 3 ? Number.NaN : row)) }, dispose: () => { disposed += 1 } }
      },
      build: (engine) => { fail('build'); return engine },
      check: async (candidate) => { fail('check'); expect(await candidate(5)).toBe(5) },
    })
    await loader.whenReady()
    for (const [place, stage, disposals] of [['load', 'load', 0], ['build', 'build', 1], ['warm-up', 'warm-up', 1], ['row', 'warm-up', 1], ['check', 'check', 1]] as const) {
      fault = place
      disposed = 0
      expect([place, await failure(loader.use(2))]).toEqual([place, expect.objectContaining({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage, reason: expect.stringContaining(place === 'row' ? 'warm-up row 2 is NaN' : `no ${place}`) })])
      expect([place, disposed]).toEqual([place, disposals])
      fault = ''
      expect([place, await loader(4)]).toEqual([place, 4])
    }
    await writeFile(join(path, 'blobs', `sha256-${(await store.resolve('delay@2')).manifest.files[0]?.sha256}`), '9')
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'open', cause: { code: 'ERR_OUTRIGGER_MODEL_CORRUPT' } })
    expect([loader.identity.version, await loader(4)]).toEqual(['1', 4])
    await loader.close()
  })

  it('a failing first version leaves nothing live, and says so', async () => {
    const loader = modelLoader({ store: await storeOf(1), name: 'delay', load: (): ((row: number) => number) => { throw new Error('broken') } })
    expect(await failure(loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
    expect([loader.ready(), loader.identity.version]).toEqual([false, '0'])
    await loader.close()
  })
})
