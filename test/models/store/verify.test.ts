import { link, mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { modelStore, type ModelStore } from '../../../src/models/store/model-store.js'
import { temporaryFolder } from '../temporary.js'
import { bytesAt, keysOf, kit, overwrite, publishMany } from './_store-kit.js'

const faultsOf = async (store: ModelStore, name?: string): Promise<string[]> =>
  (await store.verify(name)).faults.map(({ code, isHarmful, key, of }) => `${code}${isHarmful ? '!' : ''} ${key.replace(/sha256-([0-9a-f]{4})[0-9a-f]+/, '$1')} of ${of}`)

describe('verify', () => {
  it('finds nothing wrong in a healthy store, and reads everything', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    await store.tag('delay', 1, { a: 'b' })
    for (const number of [1, 2]) await store.setAlias('delay', 'champion', number)
    await store.removeAlias('delay', 'champion')
    await store.removeVersion('delay', 3)
    await store.gc({ graceMs: 0 })
    let bytes = 0
    for await (const entry of depot.list('blobs/')) bytes += entry.bytes
    expect(await store.verify()).toEqual({ ok: true, faults: [], versions: 2, bytes })
    expect(await kit().store.verify()).toEqual({ ok: true, faults: [], versions: 0, bytes: 0 })
  })

  it('has a code for each fault, and changes nothing', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 6)
    await store.setAlias('delay', 'champion', 2)
    await store.setAlias('delay', 'candidate', 6)
    await store.tag('delay', 6, { a: 'b' })
    const at = async (number: number): Promise<{ digest: string; own: string }> => {
      const { digest, manifest } = await store.resolve(`delay@${number}`)
      return { digest: `blobs/sha256-${digest}`, own: `blobs/sha256-${manifest.files[0]?.sha256}` }
    }
    const [one, two, three, four] = [await at(1), await at(2), await at(3), await at(4)]
    const flip = async (key: string): Promise<void> => overwrite(depot, key, (await bytesAt(depot, key)).map((byte, index) => (index === 3 ? byte ^ 4 : byte)))
    await flip(one.own)
    await depot.remove(two.own)
    await flip(three.digest)
    await depot.remove(four.digest)
    await overwrite(depot, 'models/delay/versions/5/1.json', 'rubbish')
    await depot.remove('models/delay/versions/6/1.json') // its second line is whole
    await overwrite(depot, 'models/delay/aliases/candidate/1.json', 'rubbish')
    await depot.create(`blobs/sha256-${'a'.repeat(64)}`, new Uint8Array(3))
    await depot.create('readme.txt', new Uint8Array(3))
    await depot.create(`holds/${clock.wall() - 1}-dead.json`, new Uint8Array(3))
    await depot.create('models/delay/index.json', new Uint8Array(3))
    const before = await keysOf(depot)
    const short = (key: string): string => key.replace(/sha256-([0-9a-f]{4})[0-9a-f]+/, '$1')
    const own5 = (await keysOf(depot, 'blobs/')).length
    expect(own5).toBeGreaterThan(0)
    expect((await faultsOf(store)).filter((fault) => !fault.startsWith('unreferenced')).sort()).toEqual([
      `damaged-blob! ${short(one.own)} of delay@1`,
      `damaged-blob! ${short(three.digest)} of delay@3`,
      'damaged-line! models/delay/aliases/candidate/1.json of delay@candidate',
      'damaged-line! models/delay/versions/5/1.json of delay@5',
      `leftover holds/${clock.wall() - 1}-dead.json of null`,
      `missing-blob! ${short(two.own)} of delay@2`,
      `missing-blob! ${short(four.digest)} of delay@4`,
      'missing-line! models/delay/versions/6/1.json of delay@6',
      'foreign-file readme.txt of null',
    ].sort())
    expect((await faultsOf(store)).filter((fault) => fault.startsWith('unreferenced')).length).toBe(1 + 1 + 1 + 2) // the stray one, the own ones of 3 and 4, and what 5 had
    expect((await store.verify()).ok).toBe(false)
    expect(await keysOf(depot)).toEqual(before)
  })

  it('an alias is dangling if its version is removed, gone or another one', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    for (const number of [1, 2, 3]) await store.setAlias('delay', `to${number}`, number)
    await depot.remove('models/delay/versions/1/1.json')
    await overwrite(depot, 'models/delay/versions/2/2.json', await bytesAt(depot, 'models/delay/versions/2/1.json'))
    const other = kit()
    await publishMany(other.store, 2)
    await other.store.publish({ name: 'delay', engine: 'other', files: {} })
    for (const key of await keysOf(other.depot, 'blobs/')) await overwrite(depot, key, await bytesAt(other.depot, key))
    await overwrite(depot, 'models/delay/versions/3/1.json', await bytesAt(other.depot, 'models/delay/versions/3/1.json'))
    expect((await faultsOf(store, 'delay')).sort()).toEqual([
      'damaged-line! models/delay/versions/2/2.json of delay@2',
      'dangling-alias! models/delay/aliases/to1/1.json of delay@to1',
      'dangling-alias! models/delay/aliases/to3/1.json of delay@to3',
    ])
  })

  it('a shared file that is damaged is a fault of each version, and is read once', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    const shared = `blobs/sha256-${(await store.resolve('delay@1')).manifest.files[1]?.sha256}`
    await overwrite(depot, shared, 'shaRed')
    expect((await store.verify()).faults.map(({ code, of }) => [code, of])).toEqual([1, 2, 3].map((number) => ['damaged-blob', `delay@${number}`]))
  })

  it('of one model looks at no other', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    await publishMany(store, 1, 'other')
    await overwrite(depot, 'models/other/versions/1/1.json', '{}')
    expect(await store.verify('delay')).toMatchObject({ ok: true, versions: 1 })
    expect(await store.verify('other')).toMatchObject({ ok: false, versions: 0 })
  })

  it('of a directory reports temporary files, links and foreign files', async () => {
    const path = await temporaryFolder()
    const store = modelStore({ path })
    await publishMany(store, 2)
    await publishMany(store, 1, 'other')
    await writeFile(join(path, 'blobs/.tmp-1'), 'left')
    await mkdir(join(path, 'models/delay/versions/9'))
    await writeFile(join(path, 'models/delay/versions/9/notes.txt'), 'x')
    await rename(join(path, 'models/other'), join(path, 'elsewhere'))
    await symlink(join(path, 'elsewhere'), join(path, 'models/other'))
    await rename(join(path, 'models/delay/versions/2/1.json'), join(path, 'moved'))
    await symlink(join(path, 'moved'), join(path, 'models/delay/versions/2/1.json'))
    expect((await faultsOf(store)).filter((fault) => !fault.startsWith('unreferenced')).sort()).toEqual([
      'damaged-line! models/delay/versions/2/1.json of delay@2',
      'foreign-file elsewhere/versions/1/1.json of null',
      'foreign-file models/delay/versions/9/notes.txt of null',
      'foreign-file moved of null',
      'foreign-file! models/other of null',
      'leftover blobs/.tmp-1 of null',
    ].sort())
    expect((await store.verify('other')).ok).toBe(false)
    await unlink(join(path, 'models/other'))
    await rename(join(path, 'elsewhere'), join(path, 'models/other'))
    await unlink(join(path, 'models/delay/versions/2/1.json'))
    await link(join(path, 'moved'), join(path, 'models/delay/versions/2/1.json'))
    expect((await store.verify()).ok).toBe(true)
  })
})
