import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { fileStateStore } from '../../src/store/file-state-store.js'
import { redisStateStore } from '../../src/store/redis-state-store.js'
import { memoryStateStore, type StateStore } from '../../src/store/state-store.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const day = 86_400_000

/** What every store does. @param pass - lets so much time pass for it */
const conforms = (make: () => StateStore, pass: (store: StateStore, ms: number) => Promise<void>): void => {
  it('keeps the last text of each name, whatever is in it, and lists them by name', async () => {
    const store = make()
    expect([await store.get('a'), await store.list()]).toEqual([undefined, []])
    const text = `{"ü":"\u2028\n😀"}${'x'.repeat(300_000)}`
    await store.put('web-2', 'first', day)
    await store.put('Web-2', 'of another case', day)
    await store.put('a.b_c', text, day)
    await store.put('web-2', 'second', day)
    expect(await store.get('a.b_c')).toBe(text)
    expect((await store.list()).map(({ name, text: of }) => [name, of.length])).toEqual([['Web-2', 15], ['a.b_c', text.length], ['web-2', 6]])
    await store.remove('a.b_c')
    await store.remove('a.b_c')
    expect([await store.get('a.b_c'), (await store.list()).length]).toEqual([undefined, 2])
  })

  it('keeps many writers apart', async () => {
    const store = make()
    await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(`w${i}`, `text ${i}`, day)))
    expect((await store.list()).map(({ name, text }) => `${name} ${text}`).sort()).toEqual(Array.from({ length: 40 }, (_, i) => `w${i} text ${i}`).sort())
  })

  it('forgets what was not written again in time', async () => {
    const store = make()
    await store.put('short', 'x', 60)
    await store.put('long', 'y', day)
    await pass(store, 60)
    expect(await store.get('short')).toBeUndefined()
    expect(await store.list()).toEqual([{ name: 'long', text: 'y' }])
    await store.put('short', 'z', day)
    expect(await store.get('short')).toBe('z')
  })

  it('refuses names that are none', async () => {
    const store = make()
    for (const name of ['', 'a/b', '..:', 'a b', 'ü', 'x'.repeat(101)]) {
      for (const asked of [store.put(name, 'x', day), store.get(name), store.remove(name)]) await expect(asked).rejects.toThrow(code('INVALID_OPTION'))
    }
  })
}

describe('memoryStateStore', () => {
  const clock = fakeClock()
  conforms(() => memoryStateStore(clock), async (_, ms) => void (await clock.advance(ms)))
})

describe('fileStateStore', () => {
  const root = mkdtempSync(join(tmpdir(), 'outrigger-states-'))
  const clock = fakeClock()
  const directory = (): string => mkdtempSync(join(root, 'd-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  conforms(() => fileStateStore({ directory: directory(), clock }), async (_, ms) => void (await clock.advance(ms)))

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
    await expect(store.list()).rejects.toThrow(code('STORE_FAILED'))
    await store.remove('large')
    symlinkSync('/etc/hostname', join(path, '6c696e6b.state'))
    await expect(store.get('link')).rejects.toThrow(/ELOOP/)
  })
})

describe.runIf(hasRedis())('redisStateStore against a real server', () => {
  const clients = redisClients()
  let made = 0
  /** By the server's clock, until the name is gone or ten seconds are over. */
  const gone = async (store: StateStore): Promise<void> => {
    const until = systemClock.now() + 10_000
    while ((await store.get('short')) !== undefined && systemClock.now() < until) await new Promise((resolve) => systemClock.setImmediate(() => resolve(undefined)))
  }
  describe('by ioredis', () => {
    conforms(() => redisStateStore({ client: clients.ioredis(), prefix: `{s${made++}}` }), gone)
  })
  describe('by node-redis', () => {
    conforms(() => redisStateStore({ client: clients['node-redis'](), prefix: `{s${made++}}` }), gone)
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
