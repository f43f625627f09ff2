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

// Functions of the output are given the output of the model, where they say what they want.
const timed = cached({ ttlMs: (output: number, row: Row) => output + row.x, tags: (row: Row, output: number) => [`${row.x} ${output}`], audit: { rate: 0.1, agree: (a: number, b: number) => a === b } })
expectTypeOf(pipe(model, timed)).toEqualTypeOf<Predictor<Row, number>>()
expectTypeOf(timed.counts.audit.disagreed).toEqualTypeOf<number>()
// A layer of wider outputs fits narrower ones.
expectTypeOf(pipe(model, cached<Row, number | string>({ ttlMs: (output) => (typeof output === 'number' ? 1 : 2) }))).toEqualTypeOf<Predictor<Row, number>>()
// @ts-expect-error the model gives no text
pipe(model, cached<Row, string>({ ttlMs: (output) => output.length }))

// What is forgotten by input is an input.
void keyed.invalidate({ input: { x: 1, y: 2 } })
// @ts-expect-error it is another input
void keyed.invalidate({ input: { x: 1 } })
// Without functions everything still infers.
expectTypeOf(pipe(model, cached({ ttlMs: 5, staleWhileRevalidateMs: 5, quantise: { x: 1 }, audit: { rate: 1 } }))).toEqualTypeOf<Predictor<Row, number>>()
