import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signManifest } from '../../../src/models/manifest/signature.js'
import { modelStore, type AuditLine, type ModelStore } from '../../../src/models/store/model-store.js'
import { bytesAt, code, keysOf, kit, overwrite, publishMany, version } from './_store-kit.js'

const trail = async (store: ModelStore, name?: string): Promise<AuditLine[]> => {
  const lines: AuditLine[] = []
  for await (const line of store.audit(name)) lines.push(line)
  return lines
}
const show = (line: AuditLine): string => {
  if (!line.ok) return `damaged ${line.key}`
  const { change } = line
  return `${change.name} ${'alias' in change ? change.alias : change.version}#${change.revision} ${change.kind} ${JSON.stringify(change.from)} -> ${JSON.stringify(change.to)} by ${change.by} (${change.reason})`
}

describe('audit', () => {
  it('has a line for every change, with who, when, what, from, to and why', async () => {
    const { store, clock } = kit({ by: 'ci' })
    const { privateKey } = generateKeyPairSync('ed25519')
    const steps = [
      () => store.publish(version({ by: 'ann', reason: 'first' })),
      () => store.publish(version({ files: { a: '2' } })),
      () => store.setAlias('delay', 'champion', 1),
      () => store.tag('delay', 2, { stage: 'live', owner: 'ann' }),
      () => store.tag('delay', 2, { stage: null }, { by: 'bob', reason: 'oops' }),
      async () => store.addSignature('delay', 2, signManifest(await store.resolve('delay@2'), privateKey)),
      () => store.setAlias('delay', 'champion', 2, { reason: 'AUC 0.84' }),
      () => store.rollback('delay', 'champion', { by: 'bob' }),
      () => store.removeAlias('delay', 'champion'),
      () => store.removeVersion('delay', 2, { reason: 'law' }),
    ]
    for (const step of steps) {
      await step()
      await clock.advance(1000)
    }
    const digests = (await trail(store)).flatMap((line) => (line.ok && line.change.kind === 'published' ? [line.change.to] : []))
    const signed = (await trail(store)).flatMap((line) => (line.ok && line.change.kind === 'signed' ? [line.change.to] : []))
    expect((await trail(store)).map(show)).toEqual([
      `delay 1#1 published null -> "${digests[0]}" by ann (first)`,
      `delay 2#1 published null -> "${digests[1]}" by ci (null)`,
      'delay champion#1 alias-set null -> 1 by ci (null)',
      'delay 2#2 tagged {"owner":null,"stage":null} -> {"owner":"ann","stage":"live"} by ci (null)',
      'delay 2#3 tagged {"stage":"live"} -> {"stage":null} by bob (oops)',
      `delay 2#4 signed null -> "${signed[0]}" by ci (null)`,
      'delay champion#2 alias-set 1 -> 2 by ci (AUC 0.84)',
      'delay champion#3 alias-rolled-back 2 -> 1 by bob (null)',
      'delay champion#4 alias-removed 1 -> null by ci (null)',
      `delay 2#5 removed "${digests[1]}" -> null by ci (law)`,
    ])
    const [first] = await trail(store)
    expect(first).toEqual({ ok: true, change: { kind: 'published', name: 'delay', version: 1, revision: 1, from: null, to: digests[0], at: '2001-02-01T00:00:00.000Z', by: 'ann', reason: 'first' } })
  })

  it('is of one model or of all, and what a refused change would have been is not in it', async () => {
    const { store, clock } = kit()
    await publishMany(store, 1, 'zeta')
    await clock.advance(1)
    await publishMany(store, 2, 'alpha')
    await code(store.setAlias('alpha', 'champion', 1, { expect: 2 }))
    await code(store.publish(version({ name: 'alpha', version: 1 })))
    expect((await trail(store)).map((line) => (line.ok ? line.change.name : ''))).toEqual(['zeta', 'alpha', 'alpha'])
    expect((await trail(store, 'alpha')).length).toBe(2)
    expect(await trail(store, 'none')).toEqual([])
    expect(() => store.audit('../x')).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('reports damaged and missing lines in their place', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    for (const value of ['a', 'b', 'c', 'd', 'e']) await store.tag('delay', 1, { value })
    await overwrite(depot, 'models/delay/versions/1/2.json', '{}')
    await depot.remove('models/delay/versions/1/4.json')
    await depot.remove('models/delay/versions/1/5.json')
    expect((await trail(store)).map((line) => (line.ok ? line.change.revision : `${line.key.slice(-6)}${(line.error as Error).message.split('current value is')[1]}`))).toEqual([
      1, '2.json 2 bytes of something else', 3, '4.json missing, like all before revision 6', 6,
    ])
  })

  it('keeps the order of a log whose clock went back', async () => {
    const { depot, store } = kit()
    await publishMany(store, 1)
    const earlier = modelStore({ depot, clock: { ...kit().clock, wall: () => Date.UTC(1999, 1, 1) } })
    await earlier.tag('delay', 1, { a: '1' })
    await store.tag('delay', 1, { a: '2' })
    expect((await trail(store)).map((line) => line.ok && line.change.revision)).toEqual([1, 2, 3])
  })

  it('refuses a line that was put into another log', async () => {
    const { store, depot } = kit()
    await publishMany(store, 2)
    for (const [from, to] of [['versions/1/1', 'versions/2/1'], ['versions/1/1', 'versions/1/2'], ['versions/1/1', 'aliases/champion/1']]) {
      await overwrite(depot, `models/delay/${to}.json`, await bytesAt(depot, `models/delay/${from}.json`))
    }
    expect((await trail(store)).map((line) => line.ok)).toEqual([false, false, true, false]) // when a first line was written, nobody knows any more
    expect(await keysOf(depot, 'models/')).toHaveLength(4)
  })

  it.each([[{ by: '' }], [{ by: 7 }], [{ by: 'x'.repeat(257) }], [{ reason: 'x'.repeat(2001) }]])('%j is no attribution', async (options) => {
    const { store } = kit()
    await publishMany(store, 1)
    for (const promise of [() => store.publish(version(options as never)), () => store.setAlias('delay', 'champion', 1, options as never), () => store.tag('delay', 1, {}, options as never), () => store.removeVersion('delay', 1, options as never), () => store.gc(options as never)]) {
      expect(await code(promise())).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    }
    expect(await trail(store)).toHaveLength(1)
  })
})
