import { seededRandom } from 'outrigger/core'
import { memoryDepot, modelLoader, modelPool, modelStore, type LoaderOptions, type ModelLoader, type ModelStore } from 'outrigger/models'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'
import { eventsOf, turn } from './_loader-kit.js'

/** Stores so many models of so many bytes, `m0@1`…; each answers with its own number. */
const manyModels = async (count: number, bytes: number): Promise<ModelStore> => {
  const store = modelStore({ depot: memoryDepot() })
  for (let index = 0; index < count; index += 1) {
    await store.publish({ name: `m${index}`, engine: 'function', files: { weights: new Uint8Array(bytes).fill(index) }, golden: [{ input: 0, output: index }] })
  }
  return store
}

/** Counts what is really in memory, and whether anything was used after it was disposed. */
const memory = () => {
  const held = { bytes: 0, peak: 0, loads: 0 }
  const load: NonNullable<Parameters<typeof modelLoader<number, number>>[0]['load']> = (files) => {
    const weights = files.bytes('weights')
    held.bytes += weights.length
    held.peak = Math.max(held.peak, held.bytes)
    held.loads += 1
    let isGone = false
    return {
      predict: async (input: number) => {
        await turn()
        if (isGone) throw new Error('met a disposed model')
        return input + (weights[0] as number)
      },
      dispose: () => {
        isGone = true
        held.bytes -= weights.length
      },
    }
  }
  return { held, load }
}

const closeAll = async (loaders: readonly ModelLoader<number, number>[]): Promise<void> => {
  for (const loader of loaders) await loader.close()
}

describe('modelPool', () => {
  it('serves 50 models through room for 5 under 16 clients, and never holds more', async () => {
    const store = await manyModels(50, 1000)
    const pool = modelPool({ maxBytes: 5000 })
    const { held, load } = memory()
    const loaders = Array.from({ length: 50 }, (_, index) => modelLoader({ store, name: `m${index}`, load, pool, retryDelayMs: 1 }))
    const random = seededRandom('pool')
    let answers = 0
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (let call = 0; call < 60; call += 1) {
        // Few models are asked for often, as in life.
        const index = Math.floor(50 * random.next() ** 4)
        expect(await loaders[index]?.(call)).toBe(call + index)
        answers += 1
      }
    }))
    expect(answers).toBe(960)
    expect(held.peak).toBeLessThanOrEqual(5000)
    expect(pool.bytes).toBe(held.bytes)
    expect(held.loads).toBeGreaterThan(50)
    await closeAll(loaders)
    expect([held.bytes, pool.bytes, pool.models]).toEqual([0, 0, []])
  }, 30_000)

  it('takes the room of the least recently used, and keeps what was used since', async () => {
    const store = await manyModels(3, 1000)
    const pool = modelPool({ maxBytes: 2000 })
    const { load } = memory()
    const [a, b, c] = [0, 1, 2].map((index) => modelLoader({ store, name: `m${index}`, load, pool })) as [ModelLoader<number, number>, ModelLoader<number, number>, ModelLoader<number, number>]
    await a(0)
    await b(0)
    await a(0)
    const heard = eventsOf(b)
    await c(0)
    expect(pool.models.map(({ subject }) => subject)).toEqual(['m0@1', 'm2@1'])
    expect(heard).toEqual(['m1@1 draining', 'm1@1 disposed'])
    expect([b.ready(), b.loaded]).toEqual([true, []]) // the next call loads it
    expect(await b(1)).toBe(2)
    await closeAll([a, b, c])
  })

  it('does not dispose a model that a call holds; the newcomer waits for that call', async () => {
    const store = await manyModels(2, 1000)
    const pool = modelPool({ maxBytes: 1000 })
    let leave = (): void => {}
    const disposed: string[] = []
    const load = (name: string) => () => ({
      predict: (input: number) => (name === 'm0' && input === 7 ? new Promise<number>((resolve) => { leave = () => resolve(70) }) : name === 'm0' ? input : input + 1),
      dispose: () => void disposed.push(name),
    })
    const a = modelLoader({ store, name: 'm0', load: load('m0'), pool })
    const b = modelLoader({ store, name: 'm1', load: load('m1'), pool })
    await a(0)
    const held = a(7)
    const other = b(1)
    for (let turns = 0; turns < 50; turns += 1) await turn()
    expect([disposed, pool.bytes]).toEqual([[], 1000])
    leave()
    expect([await held, await other]).toEqual([70, 2])
    expect(disposed).toEqual(['m0'])
    await closeAll([a, b])
  })

  it('lets previous versions that are kept warm go before any live one', async () => {
    const store = await manyModels(2, 1000)
    await store.publish({ name: 'm0', engine: 'function', files: { weights: new Uint8Array(1000) } })
    const pool = modelPool({ maxBytes: 2000 })
    const { load } = memory()
    const a = modelLoader({ store, name: 'm0', follow: 1, load, pool, keepWarm: 1 })
    const b = modelLoader({ store, name: 'm1', load, pool })
    await a.whenReady()
    await a.use(2)
    expect(pool.models.map(({ subject, isLive }) => [subject, isLive])).toEqual([['m0@1', false], ['m0@2', true]])
    await b(0)
    expect(pool.models.map(({ subject }) => subject)).toEqual(['m0@2', 'm1@1'])
    await closeAll([a, b])
  })

  it('swaps in the place of the live version where the budget holds only one, and comes back if the new one fails', async () => {
    const store = await manyModels(1, 1000)
    await store.publish({ name: 'm0', engine: 'function', files: { weights: new Uint8Array(1000).fill(9) }, golden: [{ input: 0, output: 1 }] }) // does not answer so
    await store.publish({ name: 'm0', engine: 'function', files: { weights: new Uint8Array(1000).fill(5) }, golden: [{ input: 0, output: 5 }] })
    const pool = modelPool({ maxBytes: 1500 })
    const { held, load } = memory()
    const a = modelLoader({ store, name: 'm0', follow: 1, load, pool })
    await a.whenReady()
    await expect(a.use(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
    expect([a.identity.version, await a(1), held.peak]).toEqual(['1', 1, 1000])
    await a.use(3)
    expect([await a(1), held.peak, pool.bytes]).toEqual([6, 1000, 1000])
    await a.close()
  })

  it('refuses what never fits, and says when nothing can go now', async () => {
    const store = await manyModels(2, 1000)
    await store.publish({ name: 'large', engine: 'function', files: { weights: new Uint8Array(3000) } })
    const clock = fakeClock()
    const pool = modelPool({ maxBytes: 1000, clock, maxWaitMs: 5000 })
    const load: LoaderOptions<number, number> & { readonly load: () => (input: number) => Promise<number> } = { store, name: 'm0', pool, clock, retries: 0, load: () => () => new Promise(() => {}), warmup: [], unavailable: 'fail', drainMs: 60_000 }
    const large = modelLoader({ ...load, name: 'large' })
    await expect(large.whenReady()).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', reason: 'it needs about 3000 bytes, and the pool has 1000' })
    await store.publish({ name: 'plain', engine: 'function', files: { weights: new Uint8Array(1000) } })
    const stuck = modelLoader({ ...load, name: 'plain' })
    await stuck.whenReady()
    void stuck(1).catch(() => {})
    const b = modelLoader({ ...load, name: 'm1', load: () => async (input: number) => input + 1 })
    const asked = b.whenReady().catch((error: unknown) => error)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    await clock.advance(5000)
    expect(await asked).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', cause: { code: 'ERR_OUTRIGGER_MEMORY_BUDGET', usedBytes: 1000 } })
    await closeAll([large, b])
    const closed = stuck.close().catch((error: unknown) => error)
    await clock.advance(60_000)
    expect(await closed).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSE_TIMEOUT' })
    expect(pool.bytes).toBe(0)
  })

  it('corrects the estimate when an engine has measured more, and lets others go for it', async () => {
    const store = await manyModels(2, 1000)
    const pool = modelPool({ maxBytes: 2500 })
    const load = (bytes: number) => () => ({ predict: (input: number) => input, describe: () => ({ bytes }) })
    const options = { store, pool, warmup: [], check: () => {} } as const
    await store.publish({ name: 'small', engine: 'function', files: { weights: new Uint8Array(500) } })
    await store.publish({ name: 'grows', engine: 'function', files: { weights: new Uint8Array(500) } })
    const a = modelLoader({ ...options, name: 'small', load: load(800) })
    const b = modelLoader({ ...options, name: 'grows', load: load(2000) })
    await a(1)
    expect(pool.bytes).toBe(800)
    await b(1)
    await turn()
    expect([pool.bytes, pool.models.map(({ subject, bytes }) => [subject, bytes])]).toEqual([2000, [['grows@1', 2000]]])
    await closeAll([a, b])
  })

  it('refuses what is not a pool', () => {
    expect(() => modelLoader({ store: modelStore({ depot: memoryDepot() }), name: 'm', load: () => () => 1, pool: {} as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => modelPool({ maxBytes: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
