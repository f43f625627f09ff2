import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { memoryStickyStore, redisStickyStore, type StickyStore } from '../../src/route/sticky-store.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

const day = 86_400_000

/** What every sticky store does. @param pass - lets so much time pass for it */
const conforms = (make: () => StickyStore, pass: (ms: number) => Promise<void>): void => {
  it('gives the text that came first, whatever is in it, and tells keys apart', async () => {
    const store = make()
    const text = '["canary",0.1,3,1]\u0000 é 🛶 "'
    expect(await store.claim('split:é', text, day)).toBe(text)
    expect(await store.claim('split:é', 'second', day)).toBe(text)
    expect(await store.claim('split:É', 'third', day)).toBe('third')
  })

  it('gives all who claim at once the same', async () => {
    const store = make()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => store.claim('one', `text ${i}`, day)))
    expect(new Set(answers).size).toBe(1)
  })

  it('forgets what was not claimed in time, and keeps what was', async () => {
    const store = make()
    await store.claim('short', 'first', 60)
    await store.claim('renewed', 'first', 60)
    await store.claim('renewed', 'second', day)
    await pass(60)
    expect([await store.claim('short', 'again', day), await store.claim('renewed', 'again', day)]).toEqual(['again', 'first'])
  })
}

describe('memoryStickyStore', () => {
  const clock = fakeClock()
  conforms(() => memoryStickyStore({ clock }), async (ms) => void (await clock.advance(ms)))

  it('is bounded: of many, those that were claimed last are known', async () => {
    const store = memoryStickyStore({ clock, max: 100 })
    for (let i = 0; i < 1000; i += 1) await store.claim(`k${i}`, 'first', day)
    expect(await store.claim('k0', 'again', day)).toBe('again')
    expect(await store.claim('k999', 'again', day)).toBe('first')
    expect(() => memoryStickyStore({ max: 0 })).toThrow(/`max`/)
  })
})

describe.runIf(hasRedis())('redisStickyStore against a real server', () => {
  const clients = redisClients()
  let made = 0
  const wait = async (ms: number): Promise<void> => {
    // By the server's clock, which is this machine's: until a key of the same life is gone.
    const key = `probe${made++}`
    await clients.ioredis().set(key, 'x', 'PX', ms)
    const until = systemClock.now() + 10_000
    while ((await clients.ioredis().exists(key)) === 1 && systemClock.now() < until) await new Promise((resolve) => systemClock.setImmediate(() => resolve(undefined)))
  }
  describe('by ioredis', () => {
    conforms(() => redisStickyStore({ client: clients.ioredis(), prefix: `s${made++}` }), wait)
  })
  describe('by node-redis', () => {
    conforms(() => redisStickyStore({ client: clients['node-redis'](), prefix: `s${made++}` }), wait)
  })
})
