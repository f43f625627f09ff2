import { describe, expect, it } from 'vitest'
import { modelLoader } from '../../../src/models/loader/model-loader.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore, type ModelStore } from '../../../src/models/store/model-store.js'
import { FakeSource, heardOf, settle } from './_loader-kit.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'

const load = (): ((row: number) => number) => (row) => row
const published = async (versions: number): Promise<ModelStore> => {
  const store = modelStore({ depot: memoryDepot() })
  for (let version = 1; version <= versions; version += 1) await store.publish({ name: 'delay', engine: 'function', files: { 'x.json': String(version) } })
  return store
}

describe('modelLoader follows', () => {
  it('the highest version of a range, and a digest', async () => {
    const store = await published(5)
    const loader = modelLoader({ store, name: 'delay', follow: '2..4', load })
    expect((await loader.whenReady()).version).toBe('4')
    const { digest } = await store.resolve('delay@2')
    expect((await loader.use(digest)).version).toBe('2')
    await loader.close()
    for (const follow of ['a b', '../x', 'x@y']) expect(() => modelLoader({ store, name: 'delay', follow, load })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('modelLoader ends what it asked of a source', () => {
  it.each(['resolve', 'open'] as const)('%s, when its time is over', async (place) => {
    const source = new FakeSource()
    source.publish()
    const clock = fakeClock()
    let signal: AbortSignal | undefined
    const original = source[place].bind(source) as (...given: unknown[]) => Promise<never>
    source[place] = (async (reference: never, options: { readonly signal?: AbortSignal } = {}) => {
      signal = options.signal
      await new Promise(() => {})
      return await original(reference)
    }) as never
    const loader = modelLoader({ store: source, name: 'delay', clock, retries: 0, loadTimeoutMs: 1_000, load })
    const failed = loader.whenReady().catch((error: unknown) => error)
    await settle(clock)
    expect(signal?.aborted).toBe(false)
    await clock.advance(1_000)
    await failed
    expect(signal?.aborted).toBe(true)
    await loader.close()
  })
})

describe('modelLoader with `hold`', () => {
  it('keeps what it serves from being removed, until it is gone', async () => {
    const store = await published(2)
    const loader = modelLoader({ store, name: 'delay', follow: 1, hold: true, load })
    await loader.whenReady()
    await expect(store.removeVersion('delay', 1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_IN_USE' })
    await loader.use(2)
    await expect.poll(() => loader.loaded.length, { interval: 1 }).toBe(1)
    await expect.poll(async () => await store.removeVersion('delay', 1).then(() => 'removed', (error: { code: string }) => error.code), { interval: 5 }).toBe('removed')
    await loader.close()
    await store.removeVersion('delay', 2)
  })

  it('serves all the same when the store takes no hold, and says so', async () => {
    const store = await published(1)
    store.hold = async () => { throw new Error('read-only') }
    const loader = modelLoader({ store, name: 'delay', hold: true, load })
    const { notices } = heardOf(loader)
    await loader.whenReady()
    expect(notices[0]).toMatchObject({ message: 'The store could not be told that delay@1 is in use.', error: { message: 'read-only' } })
    await loader.close()
    expect(() => modelLoader({ store: new FakeSource(), name: 'delay', hold: true, load })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
