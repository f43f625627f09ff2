import { link, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore, type ModelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
import { nodeFileSystem } from '../../../src/store/file-system.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'
import { snapshotFileSystem } from './_snapshot-file-system.js'
import { filesBelow, temporaryFolder } from '../temporary.js'

const clock = fakeClock({ wallMs: Date.UTC(2001, 1, 1) })
const version = (change: Partial<PublishOptions> = {}): PublishOptions =>
  ({ name: 'delay', engine: 'function', files: { 'a.json': '[1]', 'weights/w.bin': new Uint8Array([1, 2, 3]) }, ...change })
const stored = async (change: Partial<PublishOptions> = {}): Promise<{ path: string; store: ModelStore }> => {
  const path = await temporaryFolder()
  const store = modelStore({ path, clock })
  await store.publish(version(change))
  return { path, store }
}
const code = async (promise: Promise<unknown>): Promise<string> =>
  await promise.then(() => 'no error', (error: unknown) => String((error as { code?: unknown }).code ?? error))

describe('modelStore', () => {
  it('gives back what was published, by number, alias, latest and digest', async () => {
    const source = join(await temporaryFolder(), 'large.bin')
    const large = new Uint8Array(2_500_000).map((_, index) => index % 251)
    await writeFile(source, large)
    const { store } = await stored()
    const second = await store.publish(version({
      files: { 'large.bin': { from: source }, 'empty.txt': '' },
      golden: [{ input: new Float32Array([1, 0.5]), output: { late: true } }],
      signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }], outputs: [] },
      lineage: { commit: 'abc' },
      metadata: { note: undefined, rows: 3 },
    }))
    expect(second).toMatchObject({ name: 'delay', version: 2, manifest: { created: '2001-02-01T00:00:00.000Z', lineage: { commit: 'abc' }, metadata: { rows: 3 } } })
    expect(second.manifest.golden).toEqual([{ input: [1, 0.5], output: { late: true }, tolerance: 1e-4 }])
    await store.setAlias('delay', 'champion', 2)

    for (const reference of ['delay@2', 'delay@champion', 'delay@latest', second.digest, `delay@sha256:${second.digest}`]) {
      const opened = await store.open(reference)
      expect(opened).toMatchObject({ version: 2, digest: second.digest })
      expect(opened.files.paths).toEqual(['large.bin', 'empty.txt'])
      expect(Buffer.compare(opened.files.bytes('large.bin'), large)).toBe(0) // toEqual takes seconds for so many elements
      expect(opened.files.bytes('empty.txt')).toHaveLength(0)
    }
    expect((await store.open('delay@1')).files.json('a.json')).toEqual([1])
    expect((await store.list()).map((entry) => [entry.name, entry.version, entry.ok])).toEqual([['delay', 1, true], ['delay', 2, true]])
  })

  it('keeps equal files once, and leaves no temporary file', async () => {
    const { path, store } = await stored()
    await store.publish(version({ name: 'other' }))
    const files = await filesBelow(path)
    expect(files.filter((file) => file.startsWith('blobs/'))).toHaveLength(4) // two files, two manifests
    expect(files.filter((file) => file.includes('.tmp-'))).toEqual([])
  })

  it('publishes a number once, and of two publishers racing for it one wins', async () => {
    const { path, store } = await stored()
    expect(await code(store.publish(version({ version: 1 })))).toBe('ERR_OUTRIGGER_MODEL_EXISTS')
    for (let round = 2; round < 12; round += 1) {
      const racers = Array.from({ length: 4 }, (_, racer) => modelStore({ path }).publish(version({ version: round, files: { 'a.txt': `${round} by ${racer}` } })))
      const outcomes = await Promise.allSettled(racers)
      const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(winners).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_EXISTS' })
      expect((await store.open(`delay@${round}`)).digest).toBe(winners[0]?.digest)
    }
  })

  it('gives publishers without a number a number each', async () => {
    const path = await temporaryFolder()
    const published = await Promise.all(Array.from({ length: 8 }, (_, index) => modelStore({ path }).publish(version({ files: { 'a.txt': String(index) } }))))
    expect(published.map((found) => found.version).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('finds nothing in an empty folder, and no version, alias or digest that is not there', async () => {
    const empty = modelStore({ path: join(await temporaryFolder(), 'not', 'yet') })
    expect(await empty.list()).toEqual([])
    expect(await code(empty.resolve('delay@latest'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    expect(await empty.publish(version())).toMatchObject({ version: 1 })
    const { store } = await stored()
    const aFile = (await store.resolve('delay@1')).manifest.files[0]?.sha256 as string
    for (const reference of ['delay@2', 'delay@champion', 'other@latest', 'ab'.repeat(32), aFile]) {
      expect([reference, await code(store.resolve(reference))]).toEqual([reference, 'ERR_OUTRIGGER_MODEL_NOT_FOUND'])
    }
    expect(await code(store.setAlias('delay', 'champion', 2))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
  })

  it.each([
    [{ name: '../evil' }], [{ name: '' }], [{ version: 0 }], [{ version: 1.5 }], [{ engine: '' }],
    [{ files: { '../a': 'x' } }], [{ files: { '/a': 'x' } }], [{ files: { 'a/../../b': 'x' } }], [{ files: { a: 7 as never } }],
    [{ golden: [{ input: 1, output: Number.NaN }] }], [{ golden: [{ input: 1 } as never] }], [{ lineage: { at: new Date(0) } }], [{ surprise: 1 } as never],
  ])('publish refuses %j before it writes anything', async (change) => {
    const path = await temporaryFolder()
    expect(await code(modelStore({ path }).publish(version(change)))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    expect(await filesBelow(path)).toEqual([])
  })
})

describe('modelStore integrity', () => {
  it('refuses every single flipped bit of a small version and of its alias', async () => {
    const { path, store } = await stored({ golden: [{ input: [1], output: 2 }], lineage: { commit: 'abc' } })
    await store.setAlias('delay', 'champion', 1)
    const files = new Map<string, Uint8Array>()
    for (const file of await filesBelow(path)) files.set(join(path, file), await readFile(join(path, file)))
    const copy = modelStore({ path, fileSystem: snapshotFileSystem(files) }) // in memory: some 9 000 loads
    expect(await code(copy.open('delay@champion'))).toBe('no error')
    let flips = 0
    for (const [file, bytes] of files) {
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flip = (): void => { bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7)) }
        flip()
        const found = await code(copy.open('delay@champion'))
        if (found !== 'ERR_OUTRIGGER_MODEL_CORRUPT') expect([file, bit, found]).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
        flip()
        flips += 1
      }
    }
    expect(flips).toBeGreaterThan(9_000)
    expect(await code(copy.open('delay@champion'))).toBe('no error')
  }, 20_000)

  it('refuses every truncation, a longer file and a missing one', async () => {
    const { path } = await stored()
    const files = new Map<string, Uint8Array>()
    for (const file of await filesBelow(path)) files.set(join(path, file), await readFile(join(path, file)))
    const copy = modelStore({ path, fileSystem: snapshotFileSystem(files) })
    for (const [file, whole] of [...files]) {
      for (let length = 0; length < whole.length; length += 1) {
        files.set(file, whole.subarray(0, length))
        expect([file, length, await code(copy.open('delay@1'))]).toEqual([file, length, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
      }
      files.set(file, Buffer.concat([whole, Buffer.from([0])]))
      expect(await code(copy.open('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
      files.delete(file)
      expect(await code(copy.open('delay@1'))).toBe(file.endsWith('1.json') ? 'ERR_OUTRIGGER_MODEL_NOT_FOUND' : 'ERR_OUTRIGGER_MODEL_CORRUPT')
      files.set(file, whole)
    }
    expect(await code(copy.open('delay@1'))).toBe('no error')
  })

  it('refuses swapped files, swapped manifests and a version under another number', async () => {
    const { path, store } = await stored({ files: { a: 'one', b: 'two' } })
    await store.publish(version({ files: { a: 'six' } }))
    const blobs = (await store.resolve('delay@1')).manifest.files.map((file) => join(path, 'blobs', `sha256-${file.sha256}`))
    const swap = async (one: string, two: string): Promise<void> => {
      await rename(one, `${one}.x`)
      await rename(two, one)
      await rename(`${one}.x`, two)
    }
    await swap(blobs[0] as string, blobs[1] as string)
    expect(await code(store.open('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await swap(blobs[0] as string, blobs[1] as string)
    const manifests = [1, 2].map((number) => join(path, 'models/delay/versions', String(number), '1.json'))
    await swap(manifests[0] as string, manifests[1] as string)
    expect(await code(store.open('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await swap(manifests[0] as string, manifests[1] as string)
    await mkdir(join(path, 'models/delay/versions/7'))
    await link(manifests[0] as string, join(path, 'models/delay/versions/7/1.json'))
    expect(await code(store.open('delay@latest'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect((await store.list('delay')).map((entry) => entry.ok)).toEqual([true, true, false])
  })

  it('refuses symbolic links: a file, a manifest, a version, a model, the blobs; and does not publish through one', async () => {
    const { path, store } = await stored()
    const elsewhere = await temporaryFolder()
    const blob = `blobs/sha256-${(await store.resolve('delay@1')).manifest.files[0]?.sha256}`
    for (const part of [blob, 'models/delay/versions/1/1.json', 'models/delay/versions/1', 'models/delay', 'models', 'blobs']) {
      const moved = join(elsewhere, 'moved')
      await rename(join(path, part), moved)
      await symlink(moved, join(path, part))
      expect([part, await code(store.open('delay@1'))]).toEqual([part, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
      if (part === 'models/delay') expect(await code(store.publish(version({ version: 2 })))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
      await unlink(join(path, part))
      await rename(moved, join(path, part))
    }
    expect(await code(store.open('delay@1'))).toBe('no error')
  })

  it('a root that is itself a link is fine: the user named it', async () => {
    const { path } = await stored()
    const link = join(await temporaryFolder(), 'link')
    await symlink(path, link)
    expect(await modelStore({ path: link }).open('delay@1')).toMatchObject({ version: 1 })
  })

  it('open refuses a version whose manifest was changed in memory', async () => {
    const { store } = await stored()
    const found = await store.resolve('delay@1')
    expect(await code(store.open({ ...found, manifest: { ...found.manifest, engine: 'other' } }))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })

  it('publish replaces a damaged blob by what it should have been', async () => {
    const { path, store } = await stored()
    const blob = join(path, 'blobs', `sha256-${(await store.resolve('delay@1')).manifest.files[0]?.sha256}`)
    await writeFile(blob, 'xxx')
    expect(await code(store.open('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await store.publish(version({ version: 2 }))
    expect(await code(store.open('delay@1'))).toBe('no error')
  })

  it('lists the healthy versions beside a damaged one', async () => {
    const { path, store } = await stored()
    await store.publish(version({ name: 'zeta' }))
    await writeFile(join(path, 'models/delay/versions/1/1.json'), '{}')
    expect((await store.list()).map((entry) => [entry.name, entry.ok])).toEqual([['delay', false], ['zeta', true]])
    await rm(join(path, 'models/delay/versions/1/1.json'))
    expect((await store.list()).map((entry) => entry.name)).toEqual(['zeta'])
  })
})

describe('modelStore aliases', () => {
  it('move by compare-and-swap, and remember where they came from', async () => {
    const { store } = await stored()
    await store.publish(version())
    expect(await store.setAlias('delay', 'champion', 1, { expect: null })).toMatchObject({ version: 1, revision: 1, previous: null, moved: '2001-02-01T00:00:00.000Z' })
    expect(await code(store.setAlias('delay', 'champion', 2, { expect: null }))).toBe('ERR_OUTRIGGER_ALIAS_CONFLICT')
    expect(await code(store.setAlias('delay', 'champion', 1, { expect: 2 }))).toBe('ERR_OUTRIGGER_ALIAS_CONFLICT')
    expect(await store.setAlias('delay', 'champion', 2, { expect: 1 })).toMatchObject({ version: 2, revision: 2, previous: 1 })
    expect(await store.setAlias('delay', 'champion', 2)).toMatchObject({ revision: 2 }) // it is there already
    await store.setAlias('delay', 'candidate', 1)
    expect((await store.aliases('delay')).map(({ alias, version: target }) => [alias, target])).toEqual([['candidate', 1], ['champion', 2]])
    for (const alias of ['latest', '3', '../x', '', 'ab'.repeat(32)]) expect(await code(store.setAlias('delay', alias, 1))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  })

  it('of concurrent movers exactly one wins each step, and no move is lost', async () => {
    const { path, store } = await stored()
    for (let more = 0; more < 4; more += 1) await store.publish(version({ files: { a: String(more) } }))
    await store.setAlias('delay', 'champion', 1)
    let current = 1
    for (let round = 0; round < 6; round += 1) {
      const targets = [1, 2, 3, 4, 5].filter((target) => target !== current)
      const outcomes = await Promise.allSettled(targets.map((target) => modelStore({ path }).setAlias('delay', 'champion', target, { expect: current })))
      const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(won).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_OUTRIGGER_ALIAS_CONFLICT' })
      expect(won[0]).toMatchObject({ previous: current, revision: round + 2 })
      current = won[0]?.version as number
      expect((await store.resolve('delay@champion')).version).toBe(current)
    }
  })

  it('movers without expect all come through, one after the other', async () => {
    const { path, store } = await stored()
    await store.publish(version({ files: { a: '2' } }))
    const moves = await Promise.all(Array.from({ length: 10 }, (_, index) => modelStore({ path }).setAlias('delay', 'champion', 1 + (index % 2))))
    const [last] = await store.aliases('delay')
    expect(last?.revision).toBe(Math.max(...moves.map((move) => move.revision)))
    expect((await store.resolve('delay@champion')).version).toBe(last?.version)
  })

  it('refuse to resolve when damaged, and can be set anew', async () => {
    const { path, store } = await stored()
    await store.setAlias('delay', 'champion', 1)
    await writeFile(join(path, 'models/delay/aliases/champion/1.json'), '{}')
    expect(await code(store.resolve('delay@champion'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await code(store.setAlias('delay', 'champion', 1, { expect: 1 }))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await store.setAlias('delay', 'champion', 1)
    expect(await store.resolve('delay@champion')).toMatchObject({ version: 1 })
  })
})

describe('modelStore options', () => {
  it.each([[{}], [{ path: '' }], [{ path: 'x', folder: 'y' }], [undefined], [{ depot: {} }], [{ path: 'x', depot: memoryDepot() }]])('refuses %j', (options) => {
    expect(() => modelStore(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('takes a depot: the same store in memory', async () => {
    const depot = memoryDepot()
    const store = modelStore({ depot, clock })
    const published = await store.publish(version())
    await store.setAlias('delay', 'champion', 1)
    expect(await modelStore({ depot }).open('delay@champion')).toMatchObject({ digest: published.digest })
    expect(published.digest).toBe((await (await stored()).store.resolve('delay@1')).digest)
    expect(await code(store.publish(version({ version: 1 })))).toBe('ERR_OUTRIGGER_MODEL_EXISTS')
    expect((await store.list()).map((entry) => entry.ok)).toEqual([true])
  })

  it('takes a file system', async () => {
    const path = await temporaryFolder()
    const links: string[] = []
    await modelStore({ path, fileSystem: { ...nodeFileSystem, link: async (from, to) => { links.push(to); await nodeFileSystem.link(from, to) } } }).publish(version())
    expect(links.filter((link) => !link.includes('/holds/'))).toEqual([join(path, 'models/delay/versions/1/1.json')])
  })
})
