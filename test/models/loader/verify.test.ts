import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { NoticeEvent } from '../../../src/core/events.js'
import type { ModelSignature } from '../../../src/models/manifest/manifest.js'
import { signManifest } from '../../../src/models/manifest/signature.js'
import { trustPolicy } from '../../../src/models/manifest/trust.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import type { ModelVersion } from '../../../src/models/store/model-store.js'
import { FakeSource, heardOf } from './_loader-kit.js'

const loaderOf = (source: FakeSource, options: Partial<ModelLoaderOptions<number, string>> = {}): ModelLoader<number, string> =>
  modelLoader({ store: source, name: 'delay', load: (files) => (row: number) => `${files.text('content')}:${row}`, ...options } as ModelLoaderOptions<number, string>)

const failure = async (promise: Promise<unknown>): Promise<unknown> => await promise.then(() => 'no error', (error: unknown) => error)

describe('trust', () => {
  const keys = generateKeyPairSync('ed25519')
  const signed = (source: FakeSource, version: ModelVersion): void => {
    source.versions[version.version - 1] = { ...version, signatures: [signManifest(version.manifest, keys.privateKey)] }
  }

  it('is asked before anything of a version is read, and fails closed', async () => {
    const source = new FakeSource()
    signed(source, source.publish())
    source.publish()
    const loader = loaderOf(source, { follow: 1, trust: { require: 'signature', keys: [keys.publicKey] } })
    const { states } = heardOf(loader)
    await loader.whenReady()
    expect(states.find(({ to }) => to === 'verified')).toMatchObject({ reason: 'it is signed, and its files are what its manifest says', data: { signedBy: [expect.stringMatching(/^[0-9a-f]{64}$/)] } })
    source.asked.length = 0
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'trust', cause: { code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED', reason: 'unsigned' } })
    expect([source.asked, loader.identity.version, loader.quarantined.length]).toEqual([['resolve delay@2'], '1', 1])
    await loader.close()
  })

  it('takes a policy that was made once for many loaders', async () => {
    const source = new FakeSource()
    source.publish()
    const policy = trustPolicy({ require: 'digest', digests: ['0'.repeat(64)] })
    const loader = loaderOf(source, { trust: policy })
    expect(await failure(loader.whenReady())).toMatchObject({ stage: 'trust', cause: { reason: 'digest-not-listed' } })
    await loader.close()
    for (const trust of [{ require: 'signature' }, { require: 'nothing' }, 'digest', null]) expect(() => loaderOf(source, { trust: trust as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('holds the digest of a source against its manifest without being asked to', async () => {
    const source = new FakeSource()
    const version = source.publish()
    source.versions[0] = { ...version, digest: '0'.repeat(64) }
    const loader = loaderOf(source)
    expect(await failure(loader.whenReady())).toMatchObject({ stage: 'trust', cause: { reason: 'digest-mismatch' } })
    await loader.close()
  })

  it('the manifest that was trusted is the one that is loaded by, whatever is opened', async () => {
    const source = new FakeSource()
    source.publish('1')
    source.publish('2')
    const original = source.open.bind(source)
    source.open = async () => await original(source.versions[1]!)
    const loader = loaderOf(source, { follow: 1, load: (_, { version, digest }) => () => `${version} ${digest}` })
    await loader.whenReady()
    expect(await loader(1)).toBe(`1 ${source.versions[0]?.digest}`)
    await loader.close()
  })
})

describe('compatibility', () => {
  const signature = (width: number): ModelSignature => ({ inputs: [{ name: 'x', dtype: 'float32', shape: [null, width] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }] })
  const published = (): FakeSource => {
    const source = new FakeSource()
    for (const width of [4, 5, 4]) source.publish(String(width), { signature: signature(width) })
    source.publish('none')
    return source
  }

  it('refuses a version that would not serve the callers of the live one, before it is read', async () => {
    const source = published()
    const loader = loaderOf(source, { follow: 1 })
    await loader.whenReady()
    source.asked.length = 0
    const fault = 'input `x` must have the shape [any, 4], but has [any, 5]'
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'compatibility', reason: `callers of version 1 would not be served: ${fault}`, faults: [fault] })
    expect(source.asked).toEqual(['resolve delay@2'])
    expect((await loader.use(3)).version).toBe('3')
    expect(await failure(loader.use(4))).toMatchObject({ stage: 'compatibility', faults: ['it has no signature'] })
    await loader.close()
  })

  it('never stands in the way back', async () => {
    const loader = loaderOf(published(), { follow: 2 })
    await loader.whenReady()
    expect((await loader.use(1)).version).toBe('1')
    await loader.close()
  })

  it.each<[string, object]>([['it is off', { compatibility: 'off' }], ['`build` is what callers see', { build: (engine: unknown) => engine }]])('is not asked where %s', async (_, options) => {
    const loader = loaderOf(published(), { follow: 1, ...options })
    await loader.whenReady()
    for (const version of [2, 3, 4]) expect((await loader.use(version)).version).toBe(String(version))
    await loader.close()
  })

  it('is asked with `build` too, if one says so; and of the version before while nothing is live', async () => {
    const loader = loaderOf(published(), { follow: 1, compatibility: 'callers', build: (engine: unknown) => engine } as never)
    await loader.whenReady()
    await loader.unload()
    expect(await failure(loader.use(2))).toMatchObject({ stage: 'compatibility' })
    expect(loader.identity.version).toBe('1') // it is back
    await loader.close()
    expect(() => loaderOf(published(), { compatibility: 'strict' as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('what happens to a loaded model beside its calls', () => {
  it('is heard by those who observe the loader, until it is gone', async () => {
    const source = new FakeSource()
    source.publish()
    source.publish()
    const listeners = new Set<(event: NoticeEvent) => void>()
    const loader = modelLoader({ store: source, name: 'delay', follow: 1, load: () => ({ predict: (row: number) => row, observe: (listener: (event: NoticeEvent) => void) => { listeners.add(listener); return () => void listeners.delete(listener) } }) })
    const { notices } = heardOf(loader)
    await loader.whenReady()
    const event: NoticeEvent = { type: 'notice', layer: 'isolated', message: 'Its worker crashed.', at: 0 }
    for (const listener of listeners) listener(event)
    expect(notices.at(-1)).toEqual(event)
    await loader.use(2)
    expect(listeners.size).toBe(1)
    await loader.close()
    expect(listeners.size).toBe(0)
  })
})
