import { fallback, pipe, timeout, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { expectTypeOf } from 'vitest'

interface Row {
  readonly x: number
  readonly y: number
}
const model = async (row: Row): Promise<number> => row.x

// Without a key it fits any input, also when it is made before, for its handle.
const cache = cached({ max: 3 })
expectTypeOf(pipe(model, cache, timeout({ ms: 1 }))).toEqualTypeOf<Predictor<Row, number>>()
expectTypeOf(pipe(model, cached())).toEqualTypeOf<Predictor<Row, number>>()
expectTypeOf(cache.counts.hits).toEqualTypeOf<number>()

// The key function is given the row of the model, without an annotation.
expectTypeOf(pipe(model, timeout({ ms: 1 }), cached({ key: ({ x }) => [x] }), fallback(() => 'none' as const))).toEqualTypeOf<Predictor<Row, number | 'none'>>()
const keyed = cached<Row>({ key: (row) => row.x })
expectTypeOf(pipe(model, keyed)).toEqualTypeOf<Predictor<Row, number>>()

// @ts-expect-error the row has no such field
pipe(model, cached({ key: (row) => row.z }))
// @ts-expect-error the key is of another row
pipe(model, cached<{ z: number }>({ key: (row) => row.z }))
