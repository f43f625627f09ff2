import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signManifest } from '../../../src/models/manifest/signature.js'
import { checkTrust, trustPolicy } from '../../../src/models/manifest/trust.js'
import type { ModelDepot } from '../../../src/models/store/depot.js'
import { modelStore } from '../../../src/models/store/model-store.js'
import { bytesAt, code, keysOf, kit, overwrite, publishMany, version } from './_store-kit.js'

describe('versions and ranges', () => {
  it('are selected by policy, without what is removed, and with what is damaged', async () => {
    const { store, depot } = kit()
    await publishMany(store, 6)
    await store.removeVersion('delay', 5)
    expect(await store.versions('delay')).toEqual([1, 2, 3, 4, 6])
    expect(await store.versions('delay', { latest: 2 })).toEqual([4, 6])
    expect(await store.versions('delay', { specific: [6, 5, 1] })).toEqual([1, 6])
    expect(await store.versions('delay', { from: 2, to: 5 })).toEqual([2, 3, 4])
    expect(await store.versions('other')).toEqual([])
    await overwrite(depot, 'models/delay/versions/6/1.json', '{}')
    expect(await store.versions('delay', { latest: 1 })).toEqual([6])
    expect(await code(store.versions('delay', { latest: 0 }))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  })

  it.each([['delay@2..4', 4], ['delay@..3', 3], ['delay@3..', 6], ['delay@5..5', 'ERR_OUTRIGGER_MODEL_NOT_FOUND'], ['delay@7..', 'ERR_OUTRIGGER_MODEL_NOT_FOUND'], ['delay@..', 'ERR_OUTRIGGER_INVALID_OPTION']])('%s is %s', async (reference, expected) => {
    const { store } = kit()
    await publishMany(store, 6)
    await store.removeVersion('delay', 5)
    expect(await store.resolve(reference).then((found) => found.version, (error: { code: string }) => error.code)).toBe(expected)
  })

  it.each(['delay@latest', 'delay@1..3', 'delay@champion'])('%s is followed again if what it led to is removed in between', async (reference) => {
    const { store, depot } = kit()
    await publishMany(store, 2)
    await store.setAlias('delay', 'champion', 2)
    let looks = 0
    const slow: ModelDepot = {
      names: (prefix) => depot.names(prefix), list: (prefix) => depot.list(prefix), create: (key, bytes) => depot.create(key, bytes), writeBlob: (key, blob, chunks) => depot.writeBlob(key, blob, chunks), remove: (key) => depot.remove(key),
      read: async (key, use) => {
        const found = await depot.read(key, use)
        // After the first look at what the reference leads to.
        if (looks === 0 && (key.includes('/aliases/') || (reference !== 'delay@champion' && key.includes('/versions/2/')))) {
          looks += 1
          await store.setAlias('delay', 'champion', 1)
          await store.removeVersion('delay', 2)
        }
        return found
      },
    }
    expect((await modelStore({ depot: slow }).resolve(reference)).version).toBe(1)
    expect(looks).toBe(1)
  })

  it('a range and latest do not pass over a damaged version', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    await overwrite(depot, 'models/delay/versions/3/1.json', '{}')
    for (const reference of ['delay@latest', 'delay@1..3']) expect(await code(store.resolve(reference))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })
})

describe('tag', () => {
  it('sets and removes key-values of a version, in the version and in the list', async () => {
    const { store } = kit()
    await store.publish(version({ tags: { stage: 'candidate', owner: 'ann' } }))
    expect(await store.tag('delay', 1, { stage: 'live', owner: null, ticket: 'ML-7' })).toMatchObject({ tags: { stage: 'live', ticket: 'ML-7' } })
    expect((await store.resolve('delay@1')).tags).toEqual({ stage: 'live', ticket: 'ML-7' })
    expect(await store.list()).toMatchObject([{ ok: true, tags: { stage: 'live', ticket: 'ML-7' } }])
    await store.tag('delay', 1, { __proto__: null, constructor: 'x' } as never)
    expect((await store.resolve('delay@1')).tags).toEqual({ constructor: 'x', stage: 'live', ticket: 'ML-7' })
  })

  it('changes no digest, and writes no line where nothing changes', async () => {
    const { store, depot } = kit()
    const { digest } = await store.publish(version({ tags: { stage: 'candidate' } }))
    const { digest: after } = await store.tag('delay', 1, { stage: 'candidate', other: null })
    expect([after, await keysOf(depot, 'models/')]).toEqual([digest, ['models/delay/versions/1/1.json']])
  })

  it('loses no change of concurrent ones', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    await Promise.all(Array.from({ length: 12 }, (_, index) => modelStore({ depot }).tag('delay', 1, { [`key ${index}`]: String(index), shared: String(index) })))
    expect(Object.keys((await store.resolve('delay@1')).tags ?? {})).toHaveLength(13)
  })

  it('refuses what is no tag, more than a line holds, and a version that is not there', async () => {
    const { store } = kit()
    await publishMany(store, 1)
    for (const tags of [{ '': 'x' }, { a: 1 }, { a: undefined }, [], null, { ['x'.repeat(129)]: '' }, JSON.parse('{"__proto__":"x"}')] as never[]) {
      expect([JSON.stringify(tags), await code(store.tag('delay', 1, tags))]).toEqual([JSON.stringify(tags), 'ERR_OUTRIGGER_INVALID_OPTION'])
    }
    expect(await code(store.publish(version({ tags: { a: null } as never })))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    expect(await code(store.tag('delay', 1, { a: 'x'.repeat(300_000) }))).toBe('ERR_OUTRIGGER_MODEL_TOO_LARGE')
    expect(await code(store.tag('delay', 2, { a: 'x' }))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    expect(await code(store.tag('delay', 1, { a: 'x' }, { because: 'x' } as never))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    expect((await store.resolve('delay@1')).tags).toEqual({})
  })

  it('refuses every flipped bit of its line', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    await store.tag('delay', 1, { stage: 'live' }, { by: 'ann', reason: 'AUC' })
    const key = 'models/delay/versions/1/2.json'
    const bytes = await bytesAt(depot, key)
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      await overwrite(depot, key, flipped)
      expect([bit, await code(store.resolve('delay@1'))]).toEqual([bit, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
    }
  })
})

describe('signatures', () => {
  const [release, second] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]

  it('are there before the version is visible, and more can be added', async () => {
    const { store, depot } = kit()
    await store.publish(version({ sign: (manifest) => signManifest(manifest, release.privateKey) }))
    expect(await keysOf(depot, 'models/')).toEqual(['models/delay/versions/1/1.json']) // one file: there is no moment without
    const policy = trustPolicy({ require: 'signature', keys: [release.publicKey] })
    const both = trustPolicy({ require: 'signature', keys: [release.publicKey, second.publicKey], threshold: 2 })
    const published = await store.resolve('delay@1')
    expect(checkTrust(published, policy).signedBy).toEqual(policy.keyIds)
    expect(() => checkTrust(published, both)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED' }))
    await store.addSignature('delay', 1, signManifest(published, second.privateKey))
    await store.addSignature('delay', 1, signManifest(published, second.privateKey)) // it is there already
    const opened = await store.open('delay@1')
    expect(checkTrust(opened, both).signedBy).toEqual(both.keyIds)
    expect(opened.signatures).toHaveLength(2)
    expect(await keysOf(depot, 'models/')).toHaveLength(2)
  })

  it('are made over the number that the version gets, also when two publishers race', async () => {
    const { store } = kit()
    const policy = trustPolicy({ require: 'signature', keys: [release.publicKey] })
    const published = await Promise.all([1, 2, 3].map((racer) => store.publish(version({ files: { a: String(racer) }, sign: async (manifest) => signManifest(manifest, release.privateKey) }))))
    for (const found of published) expect(checkTrust(await store.resolve(found.digest), policy).signedBy).toHaveLength(1)
  })

  it('are refused if they are none, and the version is not published then', async () => {
    const { store, depot } = kit()
    const good = signManifest((await kit().store.publish(version())).manifest, release.privateKey)
    for (const bad of [null, {}, { ...good, keyId: 'x' }, { ...good, algorithm: 'rsa' }, { ...good, signature: 'x' }, { ...good, more: 1 }] as never[]) {
      expect(await code(store.publish(version({ sign: () => bad })))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    }
    expect(await code(store.publish(version({ sign: () => { throw Object.assign(new Error('no key'), { code: 'MINE' }) } })))).toBe('MINE')
    expect(await keysOf(depot)).toEqual([])
    expect(await code(store.addSignature('delay', 1, good))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
  })
})

describe('removeVersion', () => {
  it('leaves a tombstone: resolve says so, the number is not used again', async () => {
    const { store } = kit({ by: 'ci' })
    await publishMany(store, 2)
    const { digest } = await store.resolve('delay@2')
    await store.removeVersion('delay', 2, { reason: 'trained on test data' })
    for (const reference of ['delay@2', digest]) {
      await expect(store.resolve(reference)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND', message: expect.stringContaining('removed at 2001-02-01T00:00:00.000Z by ci (trained on test data)') as string })
    }
    expect(await store.resolve('delay@latest')).toMatchObject({ version: 1 })
    expect((await store.list()).map((entry) => entry.version)).toEqual([1])
    expect(await store.publish(version())).toMatchObject({ version: 3 })
    expect(await code(store.publish(version({ version: 2 })))).toBe('ERR_OUTRIGGER_MODEL_EXISTS')
    for (const act of [() => store.removeVersion('delay', 2), () => store.tag('delay', 2, { a: 'x' }), () => store.setAlias('delay', 'champion', 2), () => store.removeVersion('delay', 9)]) {
      expect(await code(act())).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    }
  })

  it('is refused while an alias points there, whatever it points to later', async () => {
    const { store } = kit()
    await publishMany(store, 2)
    await store.setAlias('delay', 'champion', 1)
    await expect(store.removeVersion('delay', 1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_IN_USE', message: expect.stringContaining('champion') as string })
    await store.setAlias('delay', 'champion', 2)
    await store.removeVersion('delay', 1)
    expect(await code(store.resolve('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
  })

  it('heals a store from a version whose line is damaged', async () => {
    const { store, depot } = kit()
    await publishMany(store, 2)
    await overwrite(depot, 'models/delay/versions/2/1.json', 'rubbish')
    expect(await code(store.resolve('delay@latest'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await store.removeVersion('delay', 2)
    expect(await store.resolve('delay@latest')).toMatchObject({ version: 1 })
  })

  it('does not race with a move of an alias to that version: one of the two is refused', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { store, clock } = kit()
      await publishMany(store, 1)
      const both = Promise.all([code(store.removeVersion('delay', 1)), code(store.setAlias('delay', 'champion', 1))])
      for (let step = 0; step < 10; step += 1) await clock.advance(50) // who waits for the other looks again
      const [removed, moved] = await both
      expect([removed, moved].filter((outcome) => outcome === 'no error')).toHaveLength(1)
      expect((await store.verify()).faults).toEqual([])
    }
  })
})

describe('limits', () => {
  const limits = { maxManifestBytes: 1000, maxFileBytes: 100, maxVersionBytes: 150 }

  it('of files, versions and manifests are refused at publish, before anything is written', async () => {
    const { store, depot } = kit({ limits })
    await store.publish(version({ files: { a: 'x'.repeat(100), b: 'x'.repeat(50) } }))
    const before = await keysOf(depot)
    for (const change of [{ files: { a: 'x'.repeat(101) } }, { files: { a: 'x'.repeat(100), b: 'x'.repeat(51) } }, { metadata: { note: 'x'.repeat(1000) } }]) {
      expect(await code(store.publish(version(change)))).toBe('ERR_OUTRIGGER_MODEL_TOO_LARGE')
    }
    expect(await keysOf(depot)).toEqual(before)
  })

  it('are refused when opened, before anything is read', async () => {
    const { store, depot } = kit()
    await store.publish(version({ files: { a: 'x'.repeat(101) } }))
    await store.publish(version({ files: { a: 'x'.repeat(90), b: 'x'.repeat(90) } }))
    await store.publish(version({ metadata: { note: 'x'.repeat(1000) } }))
    const reads: string[] = []
    const counting = modelStore({
      limits,
      depot: { names: (prefix) => depot.names(prefix), list: (prefix) => depot.list(prefix), create: async () => false, writeBlob: async () => {}, remove: async () => {},
        read: async (key, use) => await depot.read(key, async (reader) => await use({ bytes: reader.bytes, read: async (into) => { reads.push(key); return await reader.read(into) } })) },
    })
    const manifests = (await store.list()).map((entry) => (entry.ok ? `blobs/sha256-${entry.digest}` : ''))
    for (const reference of ['delay@1', 'delay@2', 'delay@3']) expect(await code(counting.open(reference))).toBe('ERR_OUTRIGGER_MODEL_TOO_LARGE')
    expect(reads.filter((key) => key.startsWith('blobs/') && !manifests.slice(0, 2).includes(key))).toEqual([])
  })

  it.each([[{ maxFileBytes: 0 }], [{ maxFileBytes: 1.5 }], [{ maxBytes: 1 }]])('%j are refused themselves', (bad) => {
    expect(() => kit({ limits: bad as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
