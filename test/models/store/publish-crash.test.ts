import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { modelStore, type ModelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
import { failingFileSystem } from './_failing-file-system.js'
import { temporaryFolder } from '../temporary.js'

const second: PublishOptions = { name: 'delay', version: 2, engine: 'function', files: { 'a.txt': 'second', 'b.txt': 'shared', 'c.bin': new Uint8Array(3_000).fill(7) } }
const digest = async (store: ModelStore, reference: string): Promise<string> =>
  await store.open(reference).then((opened) => opened.digest, (error: unknown) => String((error as { code?: unknown }).code))

/** The steps of one undisturbed publish and one alias move, each by a store that has just been opened. */
const countSteps = async (): Promise<{ publish: number; alias: number }> => {
  const path = await temporaryFolder()
  await modelStore({ path }).publish({ ...second, version: 1, files: { 'b.txt': 'shared' } })
  const [publishing, moving] = [failingFileSystem(Infinity, false), failingFileSystem(Infinity, false)]
  await modelStore({ path, fileSystem: publishing }).publish(second)
  await modelStore({ path, fileSystem: moving }).setAlias('delay', 'champion', 2)
  return { publish: publishing.steps.length, alias: moving.steps.length }
}

describe.each([['a failure', false], ['a crash', true]])('%s at any step', (_, crash) => {
  it('of publish leaves no version or a whole one, harms no other, and publishing again works', async () => {
    const { publish } = await countSteps()
    expect(publish).toBeGreaterThan(30)
    const seen = new Set<string>()
    for (let failAt = 0; failAt < publish; failAt += 1) {
      const path = await temporaryFolder()
      const healthy = modelStore({ path })
      const first = await healthy.publish({ ...second, version: 1, files: { 'b.txt': 'shared' } })
      const failing = failingFileSystem(failAt, crash)
      const outcome = await modelStore({ path, fileSystem: failing }).publish(second).then(() => 'published', () => 'failed')
      const where = `${failAt}: ${failing.steps[failAt]?.replace(path, '')}`

      expect([where, await digest(healthy, 'delay@1')]).toEqual([where, first.digest])
      const found = await digest(healthy, 'delay@2')
      const listed = (await healthy.list()).map((entry) => `${entry.version}:${entry.ok}`)
      if (found === 'ERR_OUTRIGGER_MODEL_NOT_FOUND') {
        seen.add('none')
        expect([where, outcome]).toEqual([where, 'failed'])
        expect([where, listed]).toEqual([where, ['1:true']])
        expect((await healthy.resolve('delay@latest')).version).toBe(1)
        await healthy.publish(second)
        expect([where, await digest(healthy, 'delay@2')]).toEqual([where, (await healthy.resolve('delay@2')).digest])
      } else {
        seen.add('whole')
        expect([where, found]).toEqual([where, (await healthy.resolve('delay@2')).digest])
        expect([where, listed]).toEqual([where, ['1:true', '2:true']])
      }
    }
    expect([...seen].sort()).toEqual(['none', 'whole'])
  }, 60_000)

  it('of setAlias leaves the alias where it was or where it should be', async () => {
    const { alias } = await countSteps()
    for (let failAt = 0; failAt < alias; failAt += 1) {
      const path = await temporaryFolder()
      const healthy = modelStore({ path })
      await healthy.publish({ ...second, version: 1 })
      await healthy.publish(second)
      await healthy.setAlias('delay', 'champion', 1)
      await modelStore({ path, fileSystem: failingFileSystem(failAt, crash) }).setAlias('delay', 'champion', 2, { expect: 1 }).catch(() => {})
      expect([1, 2]).toContain((await healthy.resolve('delay@champion')).version)
      await healthy.setAlias('delay', 'champion', 2)
      expect((await healthy.resolve('delay@champion')).version).toBe(2)
    }
  }, 60_000)
})

describe('the last step', () => {
  it('of publish that changes what a poller sees is the link of the manifest, after everything is flushed', async () => {
    const path = await temporaryFolder()
    const fileSystem = failingFileSystem(Infinity, false)
    await modelStore({ path, fileSystem }).publish(second)
    const link = fileSystem.steps.findIndex((step) => step === `link ${join(path, 'models/delay/versions/2/manifest.json')}`)
    const before = fileSystem.steps.slice(0, link)
    const written = before.filter((step) => step.startsWith('write ')).map((step) => step.slice(6))
    for (const file of new Set(written)) {
      expect(before.lastIndexOf(`sync ${file}`)).toBeGreaterThan(before.lastIndexOf(`write ${file}`))
    }
    const lastRename = before.findLastIndex((step) => step.startsWith('rename '))
    expect(before.lastIndexOf(`sync ${join(path, 'blobs')}`)).toBeGreaterThan(lastRename)
    expect(fileSystem.steps.slice(link).filter((step) => /^(write|rename|mkdir) /.test(step))).toEqual([])
    expect(fileSystem.steps.slice(link)).toContain(`sync ${join(path, 'models/delay/versions/2')}`)
  })

  it('of setAlias comes after the version is durable, which its publisher may not have seen to yet', async () => {
    const path = await temporaryFolder()
    await modelStore({ path }).publish(second)
    const fileSystem = failingFileSystem(Infinity, false)
    await modelStore({ path, fileSystem }).setAlias('delay', 'champion', 2)
    const flushed = fileSystem.steps.indexOf(`sync ${join(path, 'models/delay/versions/2')}`)
    expect(flushed).toBeGreaterThan(-1)
    expect(flushed).toBeLessThan(fileSystem.steps.findIndex((step) => step.startsWith('link ')))
  })
})
