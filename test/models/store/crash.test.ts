import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { signManifest } from '../../../src/models/manifest/signature.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore, type ModelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
import type { FileSystem } from '../../../src/store/file-system.js'
import { failingFileSystem } from './_failing-file-system.js'
import { memoryFileSystem, type MemoryFileSystem } from './_memory-file-system.js'
import { temporaryFolder } from '../temporary.js'

const second: PublishOptions = { name: 'delay', version: 2, engine: 'function', files: { 'a.txt': 'second', 'b.txt': 'shared', 'c.bin': new Uint8Array(3_000).fill(7) } }
/** What the audit trail says happened. */
const linesOf = async (store: ModelStore): Promise<string[]> => {
  const lines: string[] = []
  for await (const line of store.audit()) lines.push(line.ok ? `${'alias' in line.change ? line.change.alias : line.change.version} ${line.change.kind} ${JSON.stringify(line.change.to)}` : line.key)
  return lines.map((line) => line.replace(/[0-9a-f]{64}/, 'digest')).sort()
}
const digest = async (store: ModelStore, reference: string): Promise<string> =>
  await store.open(reference).then((opened) => opened.digest, (error: unknown) => String((error as { code?: unknown }).code))

const path = '/store'

/** The steps of one undisturbed change, by a store that has just been opened. */
const countSteps = async (base: FileSystem, change: (store: ModelStore) => Promise<unknown>): Promise<number> => {
  const fileSystem = failingFileSystem(Infinity, false, base)
  await change(modelStore({ path, fileSystem }))
  return fileSystem.steps.length
}

/** Three versions, and an alias that was moved from the first to the second. */
const prepared = async (): Promise<MemoryFileSystem> => {
  const base = memoryFileSystem()
  const healthy = modelStore({ path, fileSystem: base })
  await healthy.publish({ ...second, version: 1, files: { 'b.txt': 'shared', 'own.txt': 'first' } })
  await healthy.publish(second)
  await healthy.publish({ ...second, version: 3, files: { 'b.txt': 'shared', 'own.txt': 'third' } })
  for (const version of [1, 2]) await healthy.setAlias('delay', 'champion', version)
  return base
}

describe.each([['a failure', false], ['a crash', true]])('%s at any step', (_, crash) => {
  it('of publish leaves no version or a whole one, harms no other, and publishing again works', async () => {
    const first = { ...second, version: 1, files: { 'b.txt': 'shared' } }
    const original = memoryFileSystem()
    const { digest: firstDigest } = await modelStore({ path, fileSystem: original }).publish(first)
    const steps = await countSteps(original.copy(), (store) => store.publish(second))
    expect(steps).toBeGreaterThan(30)
    const seen = new Set<string>()
    for (let failAt = 0; failAt < steps; failAt += 1) {
      const base = original.copy()
      const healthy = modelStore({ path, fileSystem: base })
      const failing = failingFileSystem(failAt, crash, base)
      const outcome = await modelStore({ path, fileSystem: failing }).publish(second).then(() => 'published', () => 'failed')
      const where = `${failAt}: ${failing.steps[failAt]?.replace(path, '')}`

      expect([where, await digest(healthy, 'delay@1')]).toEqual([where, firstDigest])
      const found = await digest(healthy, 'delay@2')
      const listed = (await healthy.list()).map((entry) => `${entry.version}:${entry.ok}`)
      if (found === 'ERR_OUTRIGGER_MODEL_NOT_FOUND') {
        seen.add('none')
        expect([where, outcome, listed]).toEqual([where, 'failed', ['1:true']])
        expect((await healthy.resolve('delay@latest')).version).toBe(1)
        await healthy.publish(second)
        expect([where, await digest(healthy, 'delay@2')]).toEqual([where, (await healthy.resolve('delay@2')).digest])
      } else {
        seen.add('whole')
        expect([where, found, listed]).toEqual([where, (await healthy.resolve('delay@2')).digest, ['1:true', '2:true']])
      }
    }
    expect([...seen].sort()).toEqual(['none', 'whole'])
  })

  const { privateKey } = generateKeyPairSync('ed25519')
  const archive = (async (): Promise<Uint8Array> => {
    const other = modelStore({ depot: memoryDepot() })
    await other.publish({ ...second, version: 4, files: { 'b.txt': 'shared', 'new.txt': 'fourth' } })
    const file = join(await temporaryFolder(), 'x.tar')
    await other.export('delay@4', file)
    return await readFile(file)
  })()
  const changes: Record<string, (store: ModelStore) => Promise<unknown>> = {
    setAlias: (store) => store.setAlias('delay', 'champion', 1),
    rollback: (store) => store.rollback('delay', 'champion', { expect: 2 }),
    removeAlias: (store) => store.removeAlias('delay', 'champion'),
    tag: (store) => store.tag('delay', 2, { stage: 'live' }),
    addSignature: async (store) => store.addSignature('delay', 2, signManifest(await store.resolve('delay@2'), privateKey)),
    removeVersion: (store) => store.removeVersion('delay', 1),
    gc: (store) => store.gc({ keep: { specific: [1] }, graceMs: 0 }),
    import: async (store) => store.import(Readable.from([await archive])),
    hold: async (store) => (await store.hold('delay@2')).release(),
  }

  it.each(Object.keys(changes))('of %s leaves it done with its line or undone without one, nothing damaged, and doing it again works', async (name) => {
    const change = changes[name] as (store: ModelStore) => Promise<unknown>
    const original = await prepared()
    const undisturbed = original.copy()
    const after = modelStore({ path, fileSystem: undisturbed })
    const before = await linesOf(after)
    const steps = await countSteps(undisturbed, change)
    const done = await linesOf(after)
    expect(done.length).toBe(before.length + (name === 'hold' ? 0 : 1))
    for (let failAt = 0; failAt < steps; failAt += 1) {
      const base = original.copy()
      const healthy = modelStore({ path, fileSystem: base })
      const failing = failingFileSystem(failAt, crash, base)
      await change(modelStore({ path, fileSystem: failing })).catch(() => {})
      const where = `${failAt}: ${failing.steps[failAt]?.replace(path, '')}`
      const lines = await linesOf(healthy)
      expect([where, [before, done]]).toEqual([where, expect.toSatisfy(([, ...rest]: string[][]) => [before, ...rest].some((allowed) => JSON.stringify(allowed) === JSON.stringify(lines)))])
      const report = await healthy.verify()
      expect([where, report.faults.filter(({ isHarmful }) => isHarmful)]).toEqual([where, []])
      await change(healthy).catch((error: unknown) => {
        // It is done already.
        if (!['ERR_OUTRIGGER_MODEL_NOT_FOUND', 'ERR_OUTRIGGER_ALIAS_CONFLICT'].includes((error as { code: string }).code) || JSON.stringify(lines) !== JSON.stringify(done)) throw error
      })
      expect([where, await linesOf(healthy)]).toEqual([where, done])
      expect((await healthy.verify()).ok).toBe(true)
    }
  })
})

describe('the last step', () => {
  it('of publish that changes what a poller sees is the link of the manifest, after everything is flushed', async () => {
    const fileSystem = failingFileSystem(Infinity, false, memoryFileSystem())
    await modelStore({ path, fileSystem }).publish(second)
    const link = fileSystem.steps.findIndex((step) => step === `link ${join(path, 'models/delay/versions/2/1.json')}`)
    const before = fileSystem.steps.slice(0, link)
    const written = before.filter((step) => step.startsWith('write ') && !step.includes('/holds/')).map((step) => step.slice(6))
    for (const file of new Set(written)) {
      expect(before.lastIndexOf(`sync ${file}`)).toBeGreaterThan(before.lastIndexOf(`write ${file}`))
    }
    const lastRename = before.findLastIndex((step) => step.startsWith('rename '))
    expect(before.lastIndexOf(`sync ${join(path, 'blobs')}`)).toBeGreaterThan(lastRename)
    expect(fileSystem.steps.slice(link).filter((step) => /^(write|rename|mkdir) /.test(step))).toEqual([])
    expect(fileSystem.steps.slice(link)).toContain(`sync ${join(path, 'models/delay/versions/2')}`)
  })

  it('of setAlias comes after the version is durable, which its publisher may not have seen to yet', async () => {
    const base = memoryFileSystem()
    await modelStore({ path, fileSystem: base }).publish(second)
    const fileSystem = failingFileSystem(Infinity, false, base)
    await modelStore({ path, fileSystem }).setAlias('delay', 'champion', 2)
    const flushed = fileSystem.steps.indexOf(`sync ${join(path, 'models/delay/versions/2')}`)
    expect(flushed).toBeGreaterThan(-1)
    expect(flushed).toBeLessThan(fileSystem.steps.findIndex((step) => step.startsWith('link ') && step.includes('/aliases/')))
  })
})
