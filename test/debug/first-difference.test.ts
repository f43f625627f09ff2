import { pipe, predictor, type PredictionRecord } from 'outrigger'
import { cached } from 'outrigger/cache'
import { checkpoint, explain } from 'outrigger/debug'
import { declared, defineSchema } from 'outrigger/schema'
import { expect, it } from 'vitest'
import { differencesOf, limitsOf } from '../../src/debug/difference.js'
import { firstDifference } from '../../src/debug/first-difference.js'

const way = (...values: number[]): Pick<PredictionRecord, 'checkpoints' | 'output'> => ({ checkpoints: values.map((a) => ({ name: 'model', side: 'output', value: { a } }) as never), output: undefined })
const exact = limitsOf('a test')

it('firstDifference pairs each pass of a place once, in order', () => {
  expect(firstDifference(way(1, 2), way(1, 2), exact)).toBeUndefined()
  expect(firstDifference(way(1, 2), way(1, 3), exact)).toMatchObject({ at: 'model', after: 'model (output)', differences: [{ path: 'a', recorded: 2, now: 3 }] })
  // What only one of them passed is left out.
  expect(firstDifference(way(1), way(1, 2), exact)).toBeUndefined()
  expect(firstDifference(way(1, 2), way(1), exact)).toBeUndefined()
})

it('differencesOf goes to the tolerance and no further', () => {
  const beyond = (a: number, b: number, tolerance: Parameters<typeof limitsOf>[1]): number => differencesOf({ a }, { a: b }, limitsOf('a test', tolerance)).length
  expect([beyond(10, 10.25, { absolute: 0.25 }), beyond(10, 10.3, { absolute: 0.25 }), beyond(10, 10.49, { absolute: 0.25 })]).toEqual([0, 1, 1])
  expect([beyond(100, 101, { relative: 0.01 }), beyond(100, 101.1, { relative: 0.01 })]).toEqual([0, 1])
})

it('explain asks the batch again without the rows that a cache answered', async () => {
  interface Row {
    readonly km: number
  }
  const [input, output] = [defineSchema({ km: { type: 'number' } }), defineSchema({ y: { type: 'number' } })]
  const leaning = () => predictor({ predictBatch: (rows: readonly Row[]) => rows.map(({ km }) => ({ y: km + rows.length / 1000 })) }, { version: '3' })
  const served = pipe(leaning(), checkpoint('model', { output }), cached(), declared({ input, output }))
  await served({ km: 1 })
  const records = (await served.detailedBatch([{ km: 1 }, { km: 2 }, { km: 3 }], { ids: ['a', 'b', 'c'] })).map(({ record }) => record)
  expect(records.map(({ source }) => source)).toEqual(['cache', 'model', 'model'])
  const explanation = await explain('b', { source: records, predictor: pipe(leaning(), checkpoint('model', { output }), declared({ input, output })) })
  expect(explanation.first).toMatchObject({ stage: 'batch companions', says: expect.stringContaining('the recorded one') })
})
