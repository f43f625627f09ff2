import { pipe } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { describe, expect, test } from 'vitest'
import { fateOf, rig } from '../resilience/_rig.js'

describe('gathering', () => {
  test('microBatched lets calls that come together travel as one batch, and gives each its own row', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched())
    const fates = [1, 2, 3].map((x) => fateOf(predict(x)))
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2, 3]])
    model.arrivals[0]?.answer(10, 20, 30)
    await clock.settle()
    expect(fates.map(({ value }) => value)).toEqual([10, 20, 30])
  })

  test('microBatched lets calls gather while a run goes on, and sets no timer', async () => {
    const { clock, model, inner } = rig({ batches: true })
    const predict = pipe(inner, microBatched({ maxSize: 3 }))
    for (const x of [0, 1, 2, 3, 4]) {
      fateOf(predict(x))
      await clock.settle()
    }
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[0]])
    model.arrivals[0]?.answer(0)
    await clock.settle()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[0], [1, 2, 3]])
    expect(clock.timersSet).toBe(0)
  })
})
