import { pipe, type Predictor } from 'outrigger'
import { microBatched, type MicroBatchState } from 'outrigger/batch'
import { describe, expectTypeOf, test } from 'vitest'

interface Flight {
  readonly from: string
  readonly km: number
}
const model = { predictBatch: async (rows: readonly Flight[]): Promise<number[]> => rows.map(({ km }) => km) }

describe('types', () => {
  test('microBatched keeps the types of what it stands around', () => {
    expectTypeOf(pipe(model, microBatched())).toEqualTypeOf<Predictor<Flight, number>>()
    expectTypeOf(pipe(model, microBatched({ objectiveMs: 50, maxSize: 64 }))).toEqualTypeOf<Predictor<Flight, number>>()
    expectTypeOf(pipe(model, microBatched({ fixedSize: 8, pad: 'repeat' }))).toEqualTypeOf<Predictor<Flight, number>>()
  })

  test('microBatched takes the input of its functions from the model', () => {
    const predict = pipe(model, microBatched({ fairBy: (flight) => flight.from, groupBy: (flight) => flight.from }))
    expectTypeOf(predict).toEqualTypeOf<Predictor<Flight, number>>()
    expectTypeOf(pipe(model, microBatched<Flight>({ fixedSize: 2, pad: ([first]) => first as Flight }))).toEqualTypeOf<Predictor<Flight, number>>()
  })

  test('microBatched gives its state', () => {
    expectTypeOf(microBatched().state).toEqualTypeOf<MicroBatchState>()
    expectTypeOf(microBatched<Flight>({ fairBy: ({ from }) => from }).state.mode).toEqualTypeOf<'batching' | 'direct'>()
  })
})
