import { describe, expect, it } from 'vitest'
import { bytesAt, code, keysOf, kit, overwrite, publishMany } from './_store-kit.js'

const pointsTo = async (store: ReturnType<typeof kit>['store']): Promise<number | string> =>
  await store.resolve('delay@champion').then(({ version }) => version, (error: { code: string }) => error.code)

describe('rollback', () => {
  it('goes back to where the alias pointed, two in a row two back, and no further', async () => {
    const { store } = kit()
    await publishMany(store, 4)
    for (const version of [1, 2, 3]) await store.setAlias('delay', 'champion', version)
    expect(await store.aliases('delay')).toMatchObject([{ version: 3, previous: 2, rollbackTo: 2 }])
    expect(await store.rollback('delay', 'champion', { expect: 3, by: 'ann', reason: 'late' })).toMatchObject({ version: 2, previous: 3, rollbackTo: 1, revision: 4, by: 'ann', reason: 'late' })
    expect(await pointsTo(store)).toBe(2)
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 1, previous: 2, rollbackTo: null })
    expect(await code(store.rollback('delay', 'champion'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    expect(await pointsTo(store)).toBe(1)
  })

  it('after a roll forward leads back to where that began', async () => {
    const { store } = kit()
    await publishMany(store, 4)
    for (const version of [1, 2, 3]) await store.setAlias('delay', 'champion', version)
    await store.rollback('delay', 'champion') // 2
    await store.setAlias('delay', 'champion', 4)
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 2 })
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 1 })
    await store.setAlias('delay', 'champion', 3)
    expect(await store.aliases('delay')).toMatchObject([{ version: 3, rollbackTo: 1 }])
  })

  it('is refused if the alias has moved on, if it was never set, or if the version is removed', async () => {
    const { store } = kit()
    await publishMany(store, 3)
    expect(await code(store.rollback('delay', 'champion'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    for (const version of [1, 2]) await store.setAlias('delay', 'champion', version)
    await expect(store.rollback('delay', 'champion', { expect: 1 })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ALIAS_CONFLICT', expected: 1, actual: 2 })
    await store.removeVersion('delay', 1)
    await expect(store.rollback('delay', 'champion')).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND', message: expect.stringContaining('removed') as string })
    expect(await pointsTo(store)).toBe(2)
  })

  it('of concurrent rollbacks each takes one step, and with `expect` one is taken in all', async () => {
    const { store } = kit()
    await publishMany(store, 6)
    for (const version of [1, 2, 3, 4, 5, 6]) await store.setAlias('delay', 'champion', version)
    await Promise.all([1, 2, 3].map(() => store.rollback('delay', 'champion')))
    expect(await pointsTo(store)).toBe(3)
    const outcomes = await Promise.all([1, 2, 3].map(() => code(store.rollback('delay', 'champion', { expect: 3 }))))
    expect(outcomes.sort()).toEqual(['ERR_OUTRIGGER_ALIAS_CONFLICT', 'ERR_OUTRIGGER_ALIAS_CONFLICT', 'no error'])
    expect(await pointsTo(store)).toBe(2)
  })

  it('works when an older line is damaged, and then ends there', async () => {
    const { store, depot } = kit()
    await publishMany(store, 3)
    for (const version of [1, 2, 3]) await store.setAlias('delay', 'champion', version)
    await overwrite(depot, 'models/delay/aliases/champion/2.json', '{}')
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 2, rollbackTo: null })
  })

  it('does not follow an alias whose version was replaced by another of the same number', async () => {
    const { store, depot } = kit()
    await publishMany(store, 2)
    for (const version of [1, 2]) await store.setAlias('delay', 'champion', version)
    const other = kit()
    await other.store.publish({ name: 'delay', engine: 'other', files: {} })
    for (const key of await keysOf(other.depot, 'blobs/')) await overwrite(depot, key, await bytesAt(other.depot, key))
    await overwrite(depot, 'models/delay/versions/1/1.json', await bytesAt(other.depot, 'models/delay/versions/1/1.json'))
    expect(await store.resolve('delay@1')).toMatchObject({ manifest: { engine: 'other' } })
    expect(await code(store.rollback('delay', 'champion'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })
})

describe('removeAlias', () => {
  it('takes the alias away; a rollback brings it back, a new one starts afresh', async () => {
    const { store } = kit()
    await publishMany(store, 3)
    for (const version of [1, 2]) await store.setAlias('delay', 'champion', version)
    expect(await code(store.removeAlias('delay', 'champion', { expect: 1 }))).toBe('ERR_OUTRIGGER_ALIAS_CONFLICT')
    await store.removeAlias('delay', 'champion', { expect: 2 })
    expect([await pointsTo(store), await store.aliases('delay')]).toEqual(['ERR_OUTRIGGER_MODEL_NOT_FOUND', []])
    await store.removeAlias('delay', 'champion') // it is gone already
    expect(await store.rollback('delay', 'champion')).toMatchObject({ version: 2, previous: null, rollbackTo: 1 })
    await store.removeAlias('delay', 'champion')
    expect(await store.setAlias('delay', 'champion', 3, { expect: null })).toMatchObject({ version: 3, rollbackTo: null, revision: 6 })
    expect(await code(store.removeAlias('delay', 'candidate'))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
  })

  it('is the repair of a damaged alias, like setting it anew', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    await store.setAlias('delay', 'champion', 1)
    await overwrite(depot, 'models/delay/aliases/champion/1.json', '{}')
    expect(await pointsTo(store)).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await code(store.removeAlias('delay', 'champion', { expect: 1 }))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await store.removeAlias('delay', 'champion')
    expect(await pointsTo(store)).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
  })
})

describe('names', () => {
  it('may not differ by case alone, nor be devices of Windows', async () => {
    const { store } = kit()
    await publishMany(store, 1)
    await store.setAlias('delay', 'champion', 1)
    for (const promise of [
      () => store.publish({ name: 'Delay', engine: 'function', files: {} }),
      () => store.setAlias('delay', 'Champion', 1),
      () => store.publish({ name: 'con', engine: 'function', files: {} }),
      () => store.publish({ name: 'NUL.v2', engine: 'function', files: {} }),
      () => store.setAlias('delay', 'lpt1', 1),
      () => store.setAlias('delay', '1..2', 1),
    ]) expect(await code(promise())).toBe('ERR_OUTRIGGER_INVALID_OPTION')
    await store.publish({ name: 'console', engine: 'function', files: {} })
  })
})
