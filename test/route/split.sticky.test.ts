import { describe, expect, test } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { experimentNamespace, memoryStickyStore, split, type StickyStore } from 'outrigger/route'
import { fakeClock } from 'outrigger/testing'

const keys = (count: number): string[] => Array.from({ length: count }, (_, unit) => `unit-${unit}`)
const day = 86_400_000

const processOf = (store: StickyStore, weights: { control: number; canary: number }, more: object = {}, clock = fakeClock()) => {
  const router = split({
    variants: { control: predictor((_: number) => 'control', { clock }), canary: (_: number) => 'canary' },
    weights,
    sticky: { store, ttlMs: 10 * day, ...more },
  })
  const all = async (units: readonly string[]) => (await router.detailedBatch(units.map(() => 1), { keys: units })).map((row) => ({ output: row.ok && row.output, choice: row.record.variants[0]! }))
  return { router, all, clock }
}

describe('split, sticky', () => {
  test('split keeps units in their variant as it shrinks, with the reason, propensity and epoch of then, here and in another process', async () => {
    const store = memoryStickyStore()
    const one = processOf(store, { control: 0.5, canary: 0.5 })
    const units = keys(60)
    const before = await one.all(units)
    expect(new Set(before.map(({ choice }) => choice.reason))).toEqual(new Set(['assigned']))
    one.router.setWeights({ control: 0.9, canary: 0.1 })
    const other = processOf(store, { control: 0.9, canary: 0.1 }, {}, fakeClock())
    other.router.setWeights({ control: 0.89, canary: 0.11 }, { epoch: 5 })
    for (const here of [one, other]) {
      const after = await here.all(units)
      after.forEach(({ output, choice }, index) => {
        expect(output).toBe(before[index]!.output)
        expect(choice).toMatchObject({ variant: output, reason: 'sticky', propensity: 0.5, epoch: 1 })
      })
    }
    expect(one.router.sticky).toEqual({ claimed: 60, kept: 0, failed: 0, late: 0, skipped: 0, outdated: 0 })
    expect(other.router.sticky).toMatchObject({ claimed: 60, kept: 60 })
    // New units are assigned by the new weights.
    const late = await one.all(keys(400).slice(60))
    expect(late.every(({ choice }) => choice.reason === 'assigned' && choice.epoch === 2)).toBe(true)
  })

  test('split: a kill sends kept units back too, counts them, and they return with the weight', async () => {
    const one = processOf(memoryStickyStore(), { control: 0.5, canary: 0.5 })
    const before = await one.all(keys(30))
    one.router.setWeights({ control: 1, canary: 0 })
    expect(new Set((await one.all(keys(30))).map(({ output }) => output))).toEqual(new Set(['control']))
    expect(one.router.sticky!.outdated).toBe(before.filter(({ output }) => output === 'canary').length)
    one.router.setWeights({ control: 0.99, canary: 0.01 })
    expect((await one.all(keys(30))).map(({ output }) => output)).toEqual(before.map(({ output }) => output))
  })

  test('split asks the store for no tester and nobody outside of the experiment, and once for a unit that comes often', async () => {
    const asked: string[] = []
    const memory = memoryStickyStore()
    const store: StickyStore = { claim: (key, text, ttlMs) => (asked.push(key), memory.claim(key, text, ttlMs)) }
    const router = split({
      name: 'x',
      variants: { control: (_: number) => 0, canary: (_: number) => 1 },
      weights: { control: 0.5, canary: 0.5 },
      namespace: experimentNamespace({ name: 'n', ranges: { x: [0, 0.5] } }),
      forced: { canary: ['qa'] },
      sticky: { store },
    })
    const units = [...keys(40), ...keys(40), 'qa']
    const rows = await router.detailedBatch(units.map(() => 1), { keys: units })
    const inside = new Set(rows.flatMap(({ record }, index) => (record.variants[0]!.reason === 'assigned' ? [units[index]] : [])))
    expect(asked.length).toBe(inside.size)
    expect(inside.size).toBeLessThan(40)
    // Keys of units do not leave the process, only hashes of them.
    for (const key of asked) expect(key).toMatch(/^x:[0-9a-z]{8,11}$/)
    await router(1, { key: [...inside][0] })
    expect(asked.length).toBe(inside.size)
  })

  test.each<[string, () => Promise<string>, 'failed' | 'late']>([
    ['rejects', () => Promise.reject(new Error('down')), 'failed'],
    ['rejects with nothing', () => Promise.reject(undefined as never), 'failed'],
    ['throws', () => { throw new Error('down') }, 'failed'],
    ['gives what is no text', () => Promise.resolve(undefined as never), 'failed'],
    ['gives what is no choice', () => Promise.resolve('["canary",7]'), 'failed'],
    ['gives a propensity that is none', () => Promise.resolve('["canary",7,1,0]'), 'failed'],
    ['never answers', () => new Promise(() => {}), 'late'],
  ])('split: a store that %s costs a bounded time and a count, never a prediction; after three it is let be', async (_, claim, counted) => {
    let asked = 0
    const { router, clock } = processOf({ claim: () => ((asked += 1), claim()) }, { control: 0.5, canary: 0.5 }, { timeoutMs: 20 })
    const plain = split({ variants: { control: (_x: number) => 'control', canary: (_x: number) => 'canary' }, weights: { control: 0.5, canary: 0.5 } })
    for (const key of keys(5)) {
      const answer = router(1, { key })
      await clock.advance(20)
      expect(await answer).toBe(await plain(1, { key }))
    }
    expect([asked, router.sticky]).toEqual([3, { claimed: 0, kept: 0, failed: 0, late: 0, outdated: 0, skipped: 2, [counted]: 3 }])
    await clock.advance(1000)
    // One says whether it is back; it is not asked by all at once.
    const answers = ['later', 'too', 'three'].map((key) => router(1, { key }))
    await clock.advance(20)
    await Promise.all(answers)
    expect([asked, router.sticky!.skipped]).toEqual([4, 4])
  })

  test('split: a store that fails now and then is not let be, and one that is back is asked by all', async () => {
    let fails = true
    const { router, clock } = processOf({ claim: (_, text) => (fails ? Promise.reject(new Error('down')) : Promise.resolve(text)) }, { control: 0.5, canary: 0.5 })
    for (let visit = 0; visit < 9; visit += 1) {
      fails = visit % 3 < 2
      await router(1, { key: `u${visit}` })
    }
    expect(router.sticky).toMatchObject({ failed: 6, claimed: 3, skipped: 0 })
    fails = true
    for (const key of keys(3)) await router(1, { key })
    fails = false
    await clock.advance(1000)
    await router(1, { key: 'probe' })
    await router.batch([1, 1, 1], { keys: ['a', 'b', 'c'] })
    expect(router.sticky!.claimed).toBe(7)
  })

  test('split: a kept variant that does not exist any more leaves the unit to the hash, and is counted', async () => {
    const { router } = processOf({ claim: () => Promise.resolve('["gone",0.5,1,0]') }, { control: 0.5, canary: 0.5 })
    const plain = split({ variants: { control: (_x: number) => 'control', canary: (_x: number) => 'canary' }, weights: { control: 0.5, canary: 0.5 } })
    for (const key of keys(5)) expect(await router(1, { key })).toBe(await plain(1, { key }))
    expect(router.sticky).toMatchObject({ claimed: 5, outdated: 5 })
  })

  test('split remembers `max` units, of which one that comes often is not asked for again', async () => {
    const asked: string[] = []
    const { router } = processOf({ claim: (key, text) => (asked.push(key), Promise.resolve(text)) }, { control: 0.5, canary: 0.5 }, { max: 8 })
    for (const key of keys(40)) {
      await router(1, { key })
      await router(1, { key: 'regular' })
    }
    expect(asked.length).toBe(41)
    await router(1, { key: 'unit-0' })
    expect(asked.length).toBe(42)
  })

  test('split: an answer that comes too late for its call is known to the next', async () => {
    let give: (text: string) => void = () => {}
    const { router, clock } = processOf({ claim: () => new Promise((resolve) => (give = resolve)) }, { control: 1, canary: 0 }, { timeoutMs: 20 })
    router.setWeights({ control: 0.999, canary: 0.001 })
    const first = router(1, { key: 'u' })
    await clock.advance(20)
    expect(await first).toBe('control')
    give('["canary",0.5,1,0]')
    await clock.advance(0)
    expect(await router(1, { key: 'u' })).toBe('canary')
  })

  test('split: calls of a unit at once share a claim; beyond `concurrency` the hash decides', async () => {
    const waiting: (() => void)[] = []
    const { router } = processOf({ claim: (_, text) => new Promise((resolve) => waiting.push(() => resolve(text))) }, { control: 0.5, canary: 0.5 }, { concurrency: 2 })
    const answers = ['a', 'a', 'b', 'c'].map((key) => router(1, { key }))
    await Promise.resolve()
    expect(await answers[3]).toMatch(/control|canary/)
    expect([waiting.length, router.sticky!.skipped]).toEqual([2, 1])
    for (const go of waiting) go()
    await Promise.all(answers)
    // A batch waits in turns instead.
    const batch = router.batch([1, 1, 1, 1, 1], { keys: ['d', 'e', 'f', 'g', 'h'] })
    for (let turn = 0; turn < 50; turn += 1) {
      await Promise.resolve()
      for (const go of waiting.splice(0)) go()
    }
    expect(await batch).toHaveLength(5)
    expect(router.sticky).toMatchObject({ claimed: 7, skipped: 1 })
  })

  test('split claims again after half of the time, so that a unit that comes is kept', async () => {
    const clock = fakeClock()
    const { router } = processOf(memoryStickyStore({ clock }), { control: 0.5, canary: 0.5 }, { ttlMs: 1000 }, clock)
    const before = await router.batch(keys(20).map(() => 1), { keys: keys(20) })
    router.setWeights({ control: 0.99, canary: 0.01 })
    for (let visit = 0; visit < 5; visit += 1) {
      await clock.advance(600)
      expect(await router.batch(keys(20).map(() => 1), { keys: keys(20) })).toEqual(before)
    }
    expect(router.sticky!.claimed).toBe(120)
    await clock.advance(1001)
    expect(await router.batch(keys(20).map(() => 1), { keys: keys(20) })).not.toEqual(before)
  })

  test('split primes units before they come, so that they are bound at the entry and a cache is hit', async () => {
    const { router } = processOf(memoryStickyStore(), { control: 0.5, canary: 0.5 })
    const cache = cached<number>()
    const predict = pipe(router, cache)
    await router.prime(keys(10))
    for (const key of keys(10)) await predict(1, { key })
    expect(cache.counts.misses).toBe(2)
    // One that is not primed is no hit, and none is kept for another.
    await predict(1, { key: 'new' })
    expect(cache.counts.misses).toBe(3)
    await predict(1, { key: 'new' })
    expect(cache.counts.misses).toBe(3)
  })

  test('split rejects a call without a unit, sticky or not, and in a batch only that row', async () => {
    const { router } = processOf(memoryStickyStore(), { control: 0.5, canary: 0.5 })
    await expect(router(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNROUTABLE' })
    expect((await router.detailedBatch([1, 1], { keys: ['a', undefined] })).map((row) => row.ok)).toEqual([true, false])
  })

  test.each([{ store: {} }, { ttlMs: 0 }, { timeoutMs: 0 }, { max: 1 }, { concurrency: 0 }, { lru: true }])('split refuses sticky %j', (wrong) => {
    expect(() => processOf(memoryStickyStore(), { control: 1, canary: 0 }, wrong)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
