import { pipe, predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'

const set = async () => {
  const clock = fakeClock()
  const model = mockModel<number, number>({ clock, batches: true }).answers((x) => x * 10)
  const cache = cached<number>({ max: 100 })
  const predict = pipe(predictor(model, { clock }), cache)
  const online = Array.from({ length: 100 }, (_, x) => x)
  await predict.batch(online)
  return { model, cache, predict, online, asked: () => model.arrivals.flatMap(({ inputs }) => inputs) }
}
const job = { workload: 'batch' } as const

describe('scoring jobs', () => {
  test('cached lets a job push out nothing that online callers use, in whatever order it comes', async () => {
    const { predict, online, cache, asked } = await set()
    for (let part = 0; part < 20; part += 1) await predict.batch(Array.from({ length: 500 }, (_, x) => 1000 + part * 500 + x), job)
    for (let x = 0; x < 200; x += 1) await predict(50_000 + x, job)
    expect(cache.counts.entries).toBe(105)
    const before = asked().length
    expect(await predict.batch(online)).toEqual(online.map((x) => x * 10))
    expect(asked()).toHaveLength(before)
  })

  test('cached answers a job from what online callers left, without making it look used', async () => {
    const { predict, asked } = await set()
    const before = asked().length
    expect(await predict.batch([0, 1, 2], job)).toEqual([0, 10, 20])
    expect([await predict(3, job), asked().length]).toEqual([30, before])
    // 0 is still the oldest.
    await predict(1000)
    await predict(0)
    expect(asked().slice(before)).toEqual([1000, 0])
  })

  test('cached keeps for good what a job computed and an online caller uses', async () => {
    const { predict, asked } = await set()
    await predict.batch([7000, 7001], job)
    expect(await predict(7000)).toBe(70_000)
    const before = asked().length
    await predict.batch(Array.from({ length: 500 }, (_, x) => 8000 + x), job)
    await predict(7000)
    expect(asked()).toHaveLength(before + 500)
    await predict(7001)
    expect(asked()).toHaveLength(before + 501)
  })

  test('cached keeps for online callers what a job began and one of them waited for', async () => {
    const { predict, model, cache } = await set()
    model.hangs()
    const [mine, theirs] = [predict(9000, job), predict(9000)]
    model.arrivals.at(-1)?.answer(9)
    expect([await mine, await theirs]).toEqual([9, 9])
    model.answers(0)
    await predict.batch(Array.from({ length: 500 }, (_, x) => 8000 + x), job)
    expect([await predict(9000), cache.counts.coalesced]).toEqual([9, 1])
  })
})
