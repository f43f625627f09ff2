import { describe, expect, it } from 'vitest'
import { modelStore } from '../../../src/models/store/model-store.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { code, keysOf, kit, publishMany } from './_store-kit.js'

const minute = 60_000

describe('hold', () => {
  it('keeps a version from being removed until it is released', async () => {
    const { store, depot } = kit()
    await publishMany(store, 2)
    const hold = await store.hold('delay@1', { by: 'scorer 7' })
    expect(hold.version).toMatchObject({ version: 1 })
    await expect(store.removeVersion('delay', 1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_IN_USE', message: expect.stringContaining('scorer 7') as string })
    expect((await store.gc({ keep: { latest: 1 }, graceMs: 0 })).versions).toEqual([])
    await hold.release()
    await hold.release()
    expect(await keysOf(depot, 'holds/')).toEqual([])
    expect((await store.gc({ keep: { latest: 1 }, graceMs: 0 })).versions).toEqual([{ name: 'delay', version: 1 }])
  })

  it('renews itself while the process lives, and leaves nothing behind', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 1)
    const hold = await store.hold('delay@1', { ttlMs: minute })
    for (let minutes = 0; minutes < 30; minutes += 1) await clock.advance(minute)
    expect(await code(store.removeVersion('delay', 1))).toBe('ERR_OUTRIGGER_MODEL_IN_USE')
    expect((await keysOf(depot, 'holds/')).length).toBeLessThanOrEqual(2)
    await hold[Symbol.asyncDispose]()
    expect(await keysOf(depot, 'holds/')).toEqual([])
    expect(clock.holding).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('ends by its time when the process has died, and gc clears what it left', async () => {
    const { depot, clock } = kit()
    const dead = { ...clock, wall: () => clock.wall(), setTimeout: () => ({ ref: () => undefined, unref: () => undefined }) }
    const dying = modelStore({ depot, clock: dead })
    await publishMany(dying, 2)
    await dying.hold('delay@1', { ttlMs: 10 * minute })
    const store = modelStore({ depot, clock })
    await clock.advance(10 * minute)
    expect(await code(store.removeVersion('delay', 1))).toBe('ERR_OUTRIGGER_MODEL_IN_USE') // clocks may be a little apart
    await clock.advance(minute)
    await store.removeVersion('delay', 1)
    expect((await store.gc({ dryRun: true })).leftovers).toHaveLength(1)
    expect(await keysOf(depot, 'holds/')).toHaveLength(1)
    expect((await store.gc()).leftovers).toHaveLength(1)
    expect(await keysOf(depot, 'holds/')).toEqual([])
  })

  it('says when it cannot renew, tries again, and is good again', async () => {
    const { clock } = kit()
    const depot = memoryDepot({ clock })
    let fails = false
    const store = modelStore({ clock, depot: Object.assign(Object.create(depot) as typeof depot, {
      names: depot.names.bind(depot), list: depot.list.bind(depot), read: depot.read.bind(depot), writeBlob: depot.writeBlob.bind(depot), remove: depot.remove.bind(depot),
      create: async (key: string, bytes: Uint8Array) => { if (fails) throw new Error('disk'); return await depot.create(key, bytes) },
    }) })
    await publishMany(store, 1)
    const hold = await store.hold('delay@1', { ttlMs: minute })
    fails = true
    await clock.advance(20_000)
    expect(hold.error).toMatchObject({ message: 'disk' })
    fails = false
    await clock.advance(20_000)
    expect(hold.error).toBeUndefined()
    await hold.release()
  })

  it('of an alias is of the version that it pointed to', async () => {
    const { store } = kit()
    await publishMany(store, 2)
    await store.setAlias('delay', 'champion', 1)
    const hold = await store.hold('delay@champion')
    await store.setAlias('delay', 'champion', 2)
    expect(await code(store.removeVersion('delay', 1))).toBe('ERR_OUTRIGGER_MODEL_IN_USE')
    await hold.release()
  })

  it('an unreadable one counts for everything, until its time is over', async () => {
    const { store, depot, clock } = kit()
    await publishMany(store, 2)
    await depot.create(`holds/${clock.wall() + minute}-torn.json`, new Uint8Array())
    expect(await code(store.removeVersion('delay', 1))).toBe('ERR_OUTRIGGER_MODEL_IN_USE')
    await clock.advance(2 * minute)
    await store.removeVersion('delay', 1)
  })

  it('of nothing is refused, and so are silly times', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    expect(await code(store.hold('delay@2'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    for (const ttlMs of [0, 999, 4_000_000, Number.NaN]) expect(await code(store.hold('delay@1', { ttlMs }))).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    expect(await keysOf(depot, 'holds/')).toEqual([])
  })
})
