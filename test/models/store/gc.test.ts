import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { modelStore } from '../../../src/models/store/model-store.js'
import { failingFileSystem } from './_failing-file-system.js'
import { memoryFileSystem } from './_memory-file-system.js'
import { filesBelow, temporaryFolder } from '../temporary.js'
import { bytesAt, code, keysOf, kit, overwrite, publishMany, version } from './_store-kit.js'

const day = 86_400_000

describe('gc', () => {
  it('of a store that needs everything removes nothing', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 3)
    await publishMany(store, 2, 'other')
    const before = await keysOf(depot)
    await clock.advance(10 * day)
    expect(await store.gc()).toEqual({ dryRun: false, versions: [], files: [], leftovers: [], bytes: 0 })
    expect(await keysOf(depot)).toEqual(before)
  })

  it('frees the files of removed versions after the grace, and keeps those that another version shares', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 2)
    await clock.advance(10 * day)
    await store.removeVersion('delay', 1)
    expect((await store.gc()).files).toEqual([]) // who had found it may still be opening it
    await clock.advance(day)
    const blobs = await keysOf(depot, 'blobs/')
    const { files, bytes } = await store.gc()
    expect(files).toHaveLength(2) // its own file and its manifest
    expect(bytes).toBe(files.reduce((sum, file) => sum + file.bytes, 0))
    expect(await keysOf(depot, 'blobs/')).toEqual(blobs.filter((key) => !files.some((file) => file.key === key)))
    expect((await store.open('delay@2')).files.text('shared.txt')).toBe('shared')
    expect((await store.verify()).faults).toEqual([])
  })

  it('frees what a publish left that did not end, after the grace', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 1)
    await code(modelStore({ clock, depot: { names: (prefix) => depot.names(prefix), list: (prefix) => depot.list(prefix), read: (key, use) => depot.read(key, use), writeBlob: (key, blob, chunks) => depot.writeBlob(key, blob, chunks), remove: (key) => depot.remove(key),
      create: async (key, bytes) => { if (key.startsWith('models/')) throw new Error('crash'); return await depot.create(key, bytes) } } }).publish(version({ files: { a: 'never seen' } })))
    expect(await keysOf(depot, 'blobs/')).toHaveLength(5)
    await clock.advance(day - 1)
    expect((await store.gc()).files).toEqual([])
    await clock.advance(1)
    expect((await store.gc({ dryRun: true })).files).toHaveLength(2)
    expect(await keysOf(depot, 'blobs/')).toHaveLength(5)
    expect((await store.gc()).files).toHaveLength(2)
  })

  it('removes versions by policy: never what an alias points to or would roll back to, nor what is in grace', async () => {
    const { store, clock } = kit()
    await publishMany(store, 8)
    for (const number of [1, 2, 3]) await store.setAlias('delay', 'champion', number)
    await store.setAlias('delay', 'candidate', 5)
    expect((await store.gc({ keep: { latest: 2 } })).versions).toEqual([])
    await clock.advance(day)
    await store.publish(version({ files: { a: 'new' } })) // 9, which counts among the latest
    const rehearsal = await store.gc({ keep: { latest: 2 }, dryRun: true })
    expect(await store.versions('delay')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    const report = await store.gc({ keep: { latest: 2 }, by: 'cron', reason: 'retention' })
    expect(report).toMatchObject({ dryRun: false, versions: rehearsal.versions })
    expect(await store.versions('delay')).toEqual([2, 3, 5, 8, 9])
    await expect(store.resolve('delay@4')).rejects.toMatchObject({ message: expect.stringContaining('by cron (retention)') as string })
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 2 })
  })

  it('takes a policy for each model, and needs no version removed to be safe', async () => {
    const { store } = kit()
    await publishMany(store, 3)
    await publishMany(store, 3, 'other')
    const report = await store.gc({ keep: (name) => (name === 'delay' ? { latest: 1 } : 'all'), graceMs: 0 })
    expect(report.versions).toEqual([{ name: 'delay', version: 1 }, { name: 'delay', version: 2 }])
    expect(report.files).toHaveLength(4)
    expect((await store.verify()).faults).toEqual([])
  })

  it('a rehearsal without grace says what would be freed', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    const before = await keysOf(depot)
    const rehearsal = await store.gc({ keep: { latest: 1 }, graceMs: 0, dryRun: true })
    expect(await keysOf(depot)).toEqual(before)
    const { files, versions, bytes } = await store.gc({ keep: { latest: 1 }, graceMs: 0 })
    expect(rehearsal).toMatchObject({ dryRun: true, files, versions, bytes })
  })

  it('removes no file while it is not known what a version needs', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    const [line, digest] = ['models/delay/versions/2/1.json', (await store.resolve('delay@2')).digest]
    await store.removeVersion('delay', 1)
    const blobs = await keysOf(depot, 'blobs/')
    for (const key of [line, `blobs/sha256-${digest}`]) {
      const bytes = await bytesAt(depot, key)
      await overwrite(depot, key, bytes.map((byte, index) => (index === 9 ? byte ^ 1 : byte)))
      await expect(store.gc({ graceMs: 0 })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT', message: expect.stringContaining('delay@2') as string })
      await depot.remove(key)
      if (key !== line) expect(await code(store.gc({ graceMs: 0 }))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
      await overwrite(depot, key, bytes)
    }
    expect(await keysOf(depot, 'blobs/')).toEqual(blobs)
    await overwrite(depot, line, 'rubbish')
    await store.removeVersion('delay', 2) // cannot be restored
    expect((await store.gc({ graceMs: 0 })).files).toHaveLength(4)
    expect((await store.open('delay@3')).files.text('shared.txt')).toBe('shared')
  })

  it('leaves alone what is not its own', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 1)
    for (const key of ['blobs/readme.txt', 'blobs/sha256-short', 'notes/x.txt', 'models/delay/index.json', 'holds/odd.json']) await depot.create(key, new Uint8Array(3))
    const before = await keysOf(depot)
    await clock.advance(10 * day)
    await store.gc({ graceMs: 0 })
    expect(await keysOf(depot)).toEqual(before)
  })

  it('removes more than a batch, and reads no version twice', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    for (let index = 0; index < 2500; index += 1) await depot.create(`blobs/sha256-${String(index).padStart(64, '0')}`, new Uint8Array(1))
    const { files } = await store.gc({ graceMs: 0 })
    expect(files).toHaveLength(2500)
    expect((await store.verify()).faults).toEqual([])
  })

  it('of a directory clears temporary files that nobody touches, by the clock of the disk', async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    await publishMany(store, 1)
    for (const [name, minutesAgo] of [['blobs/.tmp-old', 11], ['models/delay/versions/1/.tmp-old', 20], ['blobs/.tmp-new', 1]] as const) {
      await writeFile(join(path, name), 'left')
      const at = Date.now() / 1000 - minutesAgo * 60
      await utimes(join(path, name), at, at)
    }
    expect((await store.gc()).leftovers).toEqual([]) // a day of grace
    const report = await store.gc({ graceMs: 0 })
    expect([report.leftovers.toSorted(), report.bytes]).toEqual([['blobs/.tmp-old', 'models/delay/versions/1/.tmp-old'], 8])
    expect((await filesBelow(path)).filter((file) => file.includes('.tmp-'))).toEqual(['blobs/.tmp-new'])
    expect((await store.open('delay@1')).version).toBe(1)
  })

  it('makes durable that a version is removed, which who removed it may not have seen to yet, before it removes a file', async () => {
    const base = memoryFileSystem()
    const healthy = modelStore({ path: '/store', fileSystem: base })
    await publishMany(healthy, 2)
    await healthy.removeVersion('delay', 1)
    const fileSystem = failingFileSystem(Infinity, false, base)
    expect((await modelStore({ path: '/store', fileSystem }).gc({ graceMs: 0 })).files).toHaveLength(2)
    const flushed = fileSystem.steps.indexOf('sync /store/models/delay/versions/1')
    expect(flushed).toBeGreaterThan(-1)
    expect(flushed).toBeLessThan(fileSystem.steps.findIndex((step) => step.startsWith('unlink /store/blobs/sha256-')))
  })

  it('beside another collection that removes the same, neither fails', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { store, depot, clock } = kit()
      await publishMany(store, 5)
      const reports = await Promise.all([1, 2, 3].map(() => modelStore({ depot, clock }).gc({ keep: { latest: 1 }, graceMs: 0 })))
      expect(reports.flatMap(({ versions }) => versions.map((found) => found.version)).sort()).toEqual([1, 2, 3, 4])
      expect((await store.verify()).ok).toBe(true)
    }
  })

  it('an open that meets a version being removed says so', async () => {
    const { store } = kit()
    await publishMany(store, 2)
    const found = await store.resolve('delay@1')
    await store.removeVersion('delay', 1)
    await store.gc({ graceMs: 0 })
    await expect(store.open(found)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND', message: expect.stringContaining('removed') as string })
  })

  it.each([[{ keep: 'some' }], [{ graceMs: -1 }], [{ dryRun: 1 }], [{ older: 1 }]])('refuses %j', async (options) => {
    expect(await code(kit().store.gc(options as never))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  })
})
