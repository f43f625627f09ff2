import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { fleetProfile, joinFleet } from '../../src/drift/profile-fleet.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { SlicedProfile } from '../../src/drift/sliced-profile.js'
import { fileStateStore } from '../../src/store/file-state-store.js'
import { redisStateStore } from '../../src/store/redis-state-store.js'
import { memoryStateStore, type StateStore } from '../../src/store/state-store.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'
import { seeded } from './_seeded.js'

const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const random = seeded(31)
const reference = referenceProfile(Array.from({ length: 600 }, (_, i) => ({ x: random.normal(), word: `w${i % 7}` })))
const options = { sliceMs: 100, slices: 5, segments: ['w1'], maximumSegments: 3 }
const rows = Array.from({ length: 900 }, (_, i) => ({ row: { x: random.normal() * (i % 50 === 0 ? 1e6 : 1), word: `w${i % 9}` }, at: Math.floor(i / 2) }))

const fleets = (make: () => StateStore): void => {
  it('eight workers, of which one crashes twice, are read as one to the byte', async () => {
    const store = make()
    const whole = new SlicedProfile(reference, options)
    for (const { row, at } of rows) whole.count(row, { at, segment: row.word })
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        let profile = new SlicedProfile(reference, options)
        let member = await joinFleet({ store, worker: `web-${worker}`, profile, keepForMs: 1e6 })
        for (const [index, { row, at }] of rows.entries()) {
          if (index % 8 !== worker) continue
          profile.count(row, { at, segment: row.word })
          if (index % 5 === 0) await member.publish()
          // A crash after a publish: the next run takes over what is there.
          if (worker === 3 && (index === 203 || index === 603)) {
            await member.publish()
            profile = new SlicedProfile(reference, options)
            member = await joinFleet({ store, worker: `web-${worker}`, profile, keepForMs: 1e6 })
            expect(member.restoredRows).toBeGreaterThan(20)
          }
        }
        await member.publish()
      }),
    )
    for (let again = 0; again < 2; again++) {
      const { profile, workers, refused } = await fleetProfile(store, reference, options)
      expect(JSON.stringify(profile)).toBe(JSON.stringify(whole))
      expect([workers.length, refused]).toEqual([8, []])
    }
  })
}

describe('joinFleet and fleetProfile in memory', () => {
  fleets(() => memoryStateStore())
})
describe('joinFleet and fleetProfile in files', () => {
  const root = mkdtempSync(join(tmpdir(), 'outrigger-fleet-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  fleets(() => fileStateStore({ directory: mkdtempSync(join(root, 'd-')) }))
})
describe.runIf(hasRedis())('joinFleet and fleetProfile on a real Redis', () => {
  let server: RedisServer
  let client: Redis
  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.port, server.host)
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })
  fleets(() => redisStateStore({ client, prefix: '{fleet}' }))
})

test('fleetProfile counts a worker that crashed until its time is over, and one that left no more', async () => {
  const clock = fakeClock()
  const store = memoryStateStore(clock)
  const read = async (): Promise<number> => (await fleetProfile(store, reference, options)).profile.window().rows
  const members = []
  for (const worker of ['crashed', 'well', 'leaving']) {
    const profile = new SlicedProfile(reference, options)
    profile.count({ x: 1 }, { at: 1 })
    members.push(await joinFleet({ store, worker, profile }))
    await members.at(-1)!.publish()
  }
  expect(await read()).toBe(3)
  await members[2]!.leave()
  expect(await read()).toBe(2)
  await clock.advance(499)
  await members[1]!.publish()
  expect(await read()).toBe(2)
  await clock.advance(1)
  expect(await read()).toBe(1)
})

test('fleetProfile and joinFleet tell what they cannot add: another reference, other options, damage', async () => {
  const store = memoryStateStore()
  const other = referenceProfile(Array.from({ length: 200 }, (_, i) => ({ x: i })))
  await (await joinFleet({ store, worker: 'old-model', profile: new SlicedProfile(other, options) })).publish()
  await (await joinFleet({ store, worker: 'other-slices', profile: new SlicedProfile(reference, { ...options, slices: 9 }) })).publish()
  await (await joinFleet({ store, worker: 'well', profile: new SlicedProfile(reference, options) })).publish()
  const texts = ['', '{}', 'null', '[]', '{"format":"x"}', JSON.stringify(new SlicedProfile(reference, options)).replace('"expired":0', '"expired":1')]
  for (const [index, text] of texts.entries()) await store.put(`damaged-${index}`, text, 1e6)
  const { workers, refused } = await fleetProfile(store, reference, options)
  expect(workers).toEqual(['well'])
  expect(refused.map(({ worker }) => worker)).toEqual([...texts.map((_, i) => `damaged-${i}`), 'old-model', 'other-slices'])
  for (const { error } of refused) expect(error).toEqual(code('PROFILE'))
  const member = await joinFleet({ store, worker: 'old-model', profile: new SlicedProfile(reference, options) })
  expect(member.refused).toEqual(code('PROFILE'))
  await member.publish()
  expect((await fleetProfile(store, reference, options)).workers).toEqual(['old-model', 'well'])
})

test('fleetProfile counts the others where a file cannot be read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-fleet-'))
  const publish = async (worker: string, kept: StateStore): Promise<void> => {
    const profile = new SlicedProfile(reference, options)
    const member = await joinFleet({ store: kept, worker, profile })
    profile.count({ km: 7 }, { at: 0 })
    await member.publish()
  }
  await publish('well', fileStateStore({ directory }))
  const maxBytes = readFileSync(join(directory, readdirSync(directory)[0] as string)).length
  const store = fileStateStore({ directory, maxBytes })
  await store.put('swollen', 'x'.repeat(maxBytes), 1e6)
  const { profile, workers, refused } = await fleetProfile(store, reference, options)
  expect([profile.window().rows, workers, refused]).toEqual([1, ['well'], [{ worker: 'swollen', error: code('STORE_FAILED') }]])
  const odd: StateStore = { ...store, list: async () => [{ name: 'odd', text: undefined }] }
  expect((await fleetProfile(odd, reference, options)).refused).toEqual([{ worker: 'odd', error: code('STORE_FAILED') }])
  rmSync(directory, { recursive: true })
})

test('joinFleet writes in turn: what was counted last stays, whichever write is slow, and nothing comes back after leaving', async () => {
  const inner = memoryStateStore()
  const held: (() => void)[] = []
  const slow: StateStore = { ...inner, put: async (...put) => { await new Promise<void>((resolve) => held.push(resolve)); await inner.put(...put) } }
  const turn = async (): Promise<void> => { for (let tick = 0; tick < 20; tick++) await Promise.resolve() }
  const profile = new SlicedProfile(reference, options)
  const member = await joinFleet({ store: slow, worker: 'a', profile })
  const read = async (): Promise<number> => (await fleetProfile(inner, reference, options)).profile.window().rows
  const first = member.publish()
  await turn()
  profile.count({ x: 1 }, { at: 1 })
  const [second, third] = [member.publish(), member.publish()]
  await turn()
  expect(held).toHaveLength(1)
  held[0]!()
  await first
  await turn()
  held[1]!()
  await Promise.all([second, third])
  expect([await read(), held.length]).toEqual([1, 2])
  const fourth = member.publish()
  const left = member.leave()
  await turn()
  held[2]!()
  await Promise.all([fourth, left])
  expect(await inner.list()).toEqual([])
})

test('joinFleet goes on after a write that failed, and takes a profile once', async () => {
  const inner = memoryStateStore()
  let isDown = true
  const fails = async (): Promise<never> => { throw new Error('down') }
  const store: StateStore = { ...inner, get: (name) => (isDown ? fails() : inner.get(name)), put: (...put) => (isDown ? fails() : inner.put(...put)) }
  const profile = new SlicedProfile(reference, options)
  profile.count({ x: 1 }, { at: 1 })
  await expect(joinFleet({ store, worker: 'a', profile })).rejects.toThrow('down')
  isDown = false
  const member = await joinFleet({ store, worker: 'a', profile })
  isDown = true
  await expect(member.publish()).rejects.toThrow('down')
  isDown = false
  await member.publish()
  await expect(joinFleet({ store, worker: 'a', profile })).rejects.toThrow(code('INVALID_OPTION'))
  expect((await fleetProfile(store, reference, options)).profile.window().rows).toBe(1)
})

test('joinFleet refuses what is no store, no name and no profile', async () => {
  const good = { store: memoryStateStore(), worker: 'a', profile: new SlicedProfile(reference) }
  for (const bad of [{ store: {} }, { worker: 'a/b' }, { worker: undefined }, { profile: {} }, { keepForMs: 0 }, { every: 3 }]) {
    await expect(joinFleet({ ...good, ...bad } as never)).rejects.toThrow(code('INVALID_OPTION'))
  }
})
