/** With a hash that gives everything the same number, answers must stay right: hits are verified by their bytes. */
import { pipe, predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { expect, test, vi } from 'vitest'

vi.mock('../../src/cache/_word-hash.js', () => ({
  mixBytes: (hash: { a: number; b: number }) => {
    hash.a = 1
    hash.b = 1
  },
}))

const rows = Array.from({ length: 20 }, (_, index) => new Float32Array(100).fill(index % 10))

test('cached gives no answer of another input when all hashes collide, in calls, in batches, and while work is under way', async () => {
  const clock = fakeClock()
  const model = mockModel<Float32Array, number>({ clock, batches: true })
  const cache = cached<Float32Array>({ ttlMs: 10, staleWhileRevalidateMs: 1000, staleIfErrorMs: 1000 })
  const predict = pipe(predictor(model, { clock }), cache)
  model.delays(5, (row) => row[0] as number)
  const expected = rows.map((row) => row[0])
  const together = Promise.all(rows.map((row) => predict(row)))
  const batch = predict.batch(rows)
  await clock.advance(5)
  expect([await together, await batch]).toEqual([expected, expected])
  model.answers((row) => row[0] as number)
  for (let round = 0; round < 3; round += 1) {
    for (const row of rows) expect(await predict(row)).toBe(row[0])
    expect(await predict.batch(rows)).toEqual(expected)
    await clock.advance(20)
    await cache.idle()
  }
  // It really was that bad: they push each other out. And one who asks twice in a row does hit.
  await predict(rows[3] as Float32Array)
  await cache.idle()
  const before = cache.counts.hits
  await predict(rows[3] as Float32Array)
  expect([cache.counts.entries, cache.counts.hits - before]).toEqual([1, 1])
  model.fails(new Error('down'))
  await clock.advance(1500)
  for (const row of rows.slice(4, 9)) await expect(predict(row)).rejects.toThrow('down')
})
