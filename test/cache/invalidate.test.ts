import { pipe, predictor } from 'outrigger'
import { cached, type CachedLayer, type CachedOptions } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { eventsOf, fateOf, rig } from '../resilience/_rig.js'

const tagged = (options: CachedOptions<number, number> = {}, batches = false) => {
  const parts = rig({ batches })
  const cache: CachedLayer<number, number> = cached<number, number>({ tags: (x) => (x % 2 === 0 ? ['even', `x${x}`] : [`x${x}`]), ...options })
  return { ...parts, cache, predict: pipe(parts.inner, cache) }
}

describe('invalidate', () => {
  test('cached forgets an input, a tag, a version, or everything, and nothing else', async () => {
    for (const [what, left] of [
      [{ input: 2 }, [1, 3, 4]],
      [{ tag: 'even' }, [1, 3]],
      [{ tag: 'x3' }, [1, 2, 4]],
      [{ tag: 'none' }, [1, 2, 3, 4]],
      [{ version: '0' }, []],
      [{ version: 'another' }, [1, 2, 3, 4]],
    ] as const) {
      const { model, cache, predict } = tagged()
      model.answers((x) => x * 10)
      await predict.batch([1, 2, 3, 4])
      await cache.invalidate(what)
      const rows = await predict.detailedBatch([1, 2, 3, 4])
      expect(rows.flatMap((row, index) => (row.record.source === 'cache' ? [index + 1] : [])), JSON.stringify(what)).toEqual(left)
    }
  })

  test('cached forgets an input in every version', async () => {
    const models = swappable<number, string>({ 1: () => 'one', 2: () => 'two' })
    const cache = cached<number, string>({ staleIfErrorMs: 1000 })
    const predict = pipe(models.predictor, cache)
    await predict(7)
    models.swap('2')
    await predict(7)
    expect(cache.counts.entries).toBe(2)
    await cache.invalidate({ input: 7 })
    expect(cache.counts.entries).toBe(0)
    await predict(7)
    await cache.invalidate({ version: 'digest of 1' })
    expect(cache.counts.entries).toBe(1)
    await cache.invalidate({ version: '2' })
    expect(cache.counts.entries).toBe(0)
  })

  for (const [what, invalidation] of [['input', { input: 2 }], ['tag', { tag: 'even' }], ['version', { version: '0' }], ['everything', undefined]] as const) {
    test(`cached does not put back, nor give to who comes later, what was under way when ${what} was forgotten`, async () => {
      const { model, clock, cache, predict } = tagged()
      const [early, other] = [fateOf(predict(2)), fateOf(predict(1))]
      await clock.settle()
      await (invalidation === undefined ? cache.clear() : cache.invalidate(invalidation))
      const late = fateOf(predict.batch([2, 2]))
      await clock.settle()
      expect(model.arrivals.map(({ input }) => input)).toEqual([2, 1, 2])
      // The late one answers first, and the early one must not take its place.
      model.arrivals[2]?.answer(22)
      await clock.settle()
      model.arrivals[0]?.answer(21)
      model.arrivals[1]?.answer(11)
      await clock.settle()
      expect([early.value, other.value, late.value, await predict(2)]).toEqual([21, 11, [22, 22], 22])
      // What has nothing to do with it is kept, as far as that can be known.
      const { source } = await Promise.race([predict.detailed(1).then(({ record }) => record), (async () => (await clock.settle(), { source: 'asked' }))()])
      expect(source).toBe(what === 'input' || what === 'tag' ? 'cache' : 'asked')
    })
  }

  test('cached does not put back what a refresh brings that was under way, and gives no old answer for an error after it', async () => {
    const { model, clock, cache, predict } = tagged({ ttlMs: 10, staleWhileRevalidateMs: 1000, staleIfErrorMs: 1000 })
    model.answers(1)
    await predict(2)
    await clock.advance(11)
    model.hangs()
    await predict(2)
    await clock.settle()
    await cache.invalidate({ tag: 'even' })
    model.arrivals[1]?.answer(2)
    await cache.idle()
    expect(cache.counts.entries).toBe(0)
    model.fails(new Error('down'))
    await expect(predict(2)).rejects.toThrow('down')
  })

  test('cached checks what is to be forgotten', async () => {
    const cache = cached()
    for (const what of [{}, { input: 1, tag: 'x' }, { tag: '' }, { tag: 1 }, { version: 2 }, { key: 1 }, undefined, 'all']) {
      await expect(cache.invalidate(what as never), String(what)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    }
  })

  for (const [what, options] of [
    ['tags that throw', { tags: () => { throw new Error('mine') } }],
    ['tags that are none', { tags: () => 'x' as never }],
    ['too many tags', { tags: () => Array.from({ length: 17 }, String) }],
    ['a tag that is too long', { tags: () => ['x'.repeat(257)] }],
    ['a ttl that throws', { ttlMs: () => { throw new Error('mine') } }],
    ['a ttl that is NaN', { ttlMs: () => Number.NaN }],
    ['a ttl that is negative', { ttlMs: () => -1 }],
    ['a ttl that is no number', { ttlMs: () => '5' as never }],
  ] as const) {
    test(`cached gives the answer, keeps nothing, counts it and tells observers for ${what}`, async () => {
      const { model, cache, predict } = tagged(options)
      const { notices } = eventsOf(predict)
      model.answers(5)
      expect([await predict(1), await predict.batch([1])]).toEqual([5, [5]])
      expect([model.arrivals.length, cache.counts.unkept, cache.counts.entries, notices.length]).toEqual([2, 2, 0, 2])
    })
  }

  test('cached takes the time to live from the output and the input; 0 keeps nothing', async () => {
    const { model, clock, cache, predict } = tagged({ ttlMs: (output, input) => (input === 3 ? 0 : output) })
    model.answers((x) => x * 100)
    await predict.batch([1, 2, 3])
    expect([cache.counts.entries, cache.counts.unkept]).toEqual([2, 0])
    await clock.advance(150)
    expect((await predict.detailedBatch([1, 2, 3])).map(({ record }) => record.source)).toEqual(['model', 'cache', 'model'])
  })

  test('cached forgets tags that left with their answers', async () => {
    const clock = fakeClock()
    const cache = cached<number, number>({ max: 10, tags: (x) => [`t${x % 3}`] })
    const predict = pipe(predictor((x: number) => x, { clock }), cache)
    for (let x = 0; x < 1000; x += 1) await predict(x)
    for (const tag of ['t0', 't1', 't2']) await cache.invalidate({ tag })
    expect(cache.counts).toMatchObject({ entries: 0, evictions: 990 })
  })
})

describe('warm', () => {
  const entries = async function* (): AsyncGenerator<{ input: number; output: unknown }> {
    for (let input = 0; input < 600; input += 1) yield { input, output: input === 5 ? () => 1 : input * 10 }
  }

  test('cached keeps what a job computed, for the version that serves', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock, batches: true }).answers(-1)
    const cache = cached<number, number>({ ttlMs: 1000 })
    const predict = pipe(predictor(model, { clock, name: 'm', version: '4' }), cache)
    expect(await cache.warm(entries(), { version: '4' })).toEqual({ kept: 599, skipped: 1 })
    expect(await predict.batch([0, 1, 599, 5])).toEqual([0, 10, 5990, -1])
    expect([model.arrivals.length, cache.counts.hits]).toEqual([1, 3])
    await clock.advance(1001)
    expect(await predict(1)).toBe(-1)
    await expect(cache.warm([{ input: 1, output: 1 }], { version: '3' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })

  test('cached warms the version that is live, by number or digest, and gives its lease back', async () => {
    const models = swappable<number, string>({ 1: () => 'one', 2: () => 'two' })
    const cache = cached<number, string>()
    const predict = pipe(models.predictor, cache)
    models.swap('2')
    expect(await cache.warm([{ input: 7, output: 'warm' }], { version: 'digest of 2' })).toEqual({ kept: 1, skipped: 0 })
    expect([await predict(7), models.leases('2')]).toEqual(['warm', 0])
    models.swap('1')
    expect(await predict(7)).toBe('one')
    await expect(cache.warm([], { versions: '1' } as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})
