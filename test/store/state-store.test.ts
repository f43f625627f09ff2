import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { fileStateStore } from '../../src/store/file-state-store.js'
import { postgresStateStore } from '../../src/store/postgres-state-store.js'
import { redisStateStore } from '../../src/store/redis-state-store.js'
import { memoryStateStore, type StateStore } from '../../src/store/state-store.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { stateStoreConformance, type StateStoreConformanceOptions } from '../../src/testing/state-store-conformance.js'
import { hasPostgres, startPostgres, type PostgresServer } from '../_servers/postgres.js'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const day = 86_400_000

const conforms = (make: () => StateStore, options: StateStoreConformanceOptions): void => {
  it.each(stateStoreConformance(make, options).map((check) => [check.name, check.run] as const))('%s', async (_, run) => await run())

  it('refuses with codes', async () => {
    await expect(make().put('a b', 'x', day)).rejects.toThrow(code('INVALID_OPTION'))
    await expect(make().put('a', 'x', 1e14)).rejects.toThrow(code('INVALID_OPTION'))
  })
}

describe('memoryStateStore', () => {
  const clock = fakeClock()
  conforms(() => memoryStateStore(clock), { pass: (ms) => clock.advance(ms) })
})

describe('fileStateStore', () => {
  const root = mkdtempSync(join(tmpdir(), 'outrigger-states-'))
  const clock = fakeClock()
  const directory = (): string => mkdtempSync(join(root, 'd-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const directories = new WeakMap<StateStore, string>()
  const opened = (path: string): StateStore => {
    const store = fileStateStore({ directory: path, clock })
    directories.set(store, path)
    return store
  }
  conforms(() => opened(directory()), { pass: (ms) => clock.advance(ms), again: (store) => opened(directories.get(store) as string) })

  it('removes what is old, reads no link and nothing too large, and passes over files of others', async () => {
    const path = directory()
    const store = fileStateStore({ directory: path, clock, maxBytes: 100 })
    await store.put('old', 'x', 10)
    await store.put('good', 'y', day)
    writeFileSync(join(path, '.tmp-half'), 'half')
    await clock.advance(10)
    expect(await store.list()).toEqual([{ name: 'good', text: 'y' }])
    expect(readdirSync(path).sort()).toEqual(['.tmp-half', '676f6f64.state'])
    writeFileSync(join(path, 'terraform.state'), 'of somebody else')
    for (const damaged of ['', 'half', 'no time\nx']) {
      writeFileSync(join(path, '676f6f64.state'), damaged)
      expect([await store.get('good'), await store.list()]).toEqual([damaged, [{ name: 'good', text: damaged }]])
    }
    expect(readdirSync(path)).toContain('terraform.state')
    await store.put('large', 'x'.repeat(101), day)
    symlinkSync('/etc/hostname', join(path, '6c696e6b.state'))
    mkdirSync(join(path, '646972.state'))
    expect(await store.list()).toEqual([
      { name: 'dir', text: undefined, error: code('STORE_FAILED') },
      { name: 'good', text: 'no time\nx' },
      { name: 'large', text: undefined, error: code('STORE_FAILED') },
      { name: 'link', text: undefined, error: expect.objectContaining({ code: 'ERR_OUTRIGGER_STORE_FAILED', message: expect.stringContaining('ELOOP') as string }) as unknown },
    ])
    await expect(store.get('link')).rejects.toThrow(/ELOOP/)
    await expect(store.get('large')).rejects.toThrow(code('STORE_FAILED'))
    await store.remove('large')
    expect((await store.list()).map(({ name }) => name)).toEqual(['dir', 'good', 'link'])
  })

  it('sweeps what a writer left that crashed long ago, and nothing of one that still writes', async () => {
    const path = directory()
    const store = fileStateStore({ directory: path, clock })
    for (const [name, agoMs] of [['.tmp-young', day - 1000], ['.tmp-old', day + 1000]] as const) {
      writeFileSync(join(path, name), 'half')
      utimesSync(join(path, name), (clock.wall() - agoMs) / 1000, (clock.wall() - agoMs) / 1000)
    }
    expect(await store.list()).toEqual([])
    expect(readdirSync(path)).toEqual(['.tmp-young'])
  })
})

describe.runIf(hasRedis())('redisStateStore against a real server', () => {
  const clients = redisClients()
  let made = 0
  const numbers = new WeakMap<StateStore, number>()
  const on = (client: 'ioredis' | 'node-redis', number: number): StateStore => {
    const store = redisStateStore({ client: clients[client](), prefix: `{s${number}}` })
    numbers.set(store, number)
    return store
  }
  /** By the server's clock, until the name is gone or ten seconds are over. */
  const gone = async (store: StateStore): Promise<void> => {
    const until = systemClock.now() + 10_000
    while ((await store.get('short')) !== undefined && systemClock.now() < until) await new Promise((resolve) => systemClock.setImmediate(() => resolve(undefined)))
  }
  describe('by ioredis', () => {
    conforms(() => on('ioredis', made++), { again: (store) => on('node-redis', numbers.get(store) as number) })
  })
  describe('by node-redis', () => {
    conforms(() => on('node-redis', made++), { again: (store) => on('ioredis', numbers.get(store) as number) })
  })

  it('leaves no key behind when all have expired', async () => {
    const store = redisStateStore({ client: clients.ioredis(), prefix: '{gone}' })
    await store.put('short', 'x', 40)
    await gone(store)
    const until = systemClock.now() + 10_000
    while ((await clients.ioredis().keys('{gone}*')).length > 0 && systemClock.now() < until) await new Promise((resolve) => systemClock.setImmediate(() => resolve(undefined)))
    expect(await clients.ioredis().keys('{gone}*')).toEqual([])
  })
})

describe.runIf(hasPostgres())('postgresStateStore against a real server', () => {
  let server: PostgresServer
  let made = 0
  const tables = new WeakMap<StateStore, string>()
  const on = (table: string): StateStore => {
    const store = postgresStateStore({ client: server.pool, table })
    tables.set(store, table)
    return store
  }
  beforeAll(async () => void (server = await startPostgres()), 30_000)
  afterAll(async () => await server.stop())
  conforms(() => on(`states_${made++}`), { again: (store) => on(tables.get(store) as string) })

  it('whoever writes removes the rows that are over', async () => {
    const store = on('sweeping')
    await store.put('short', 'x', 1)
    const until = systemClock.now() + 10_000
    while ((await store.get('short')) !== undefined && systemClock.now() < until);
    await store.put('other', 'y', day)
    expect((await server.pool.query('select name from sweeping')).rows).toEqual([{ name: 'other' }])
  })
})
