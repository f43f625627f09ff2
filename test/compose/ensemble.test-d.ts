import { expectTypeOf } from 'vitest'
import { fallback, owned, pipe, predictor, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { cascade, ensemble, type EnsemblePredictor } from 'outrigger/compose'

interface Row {
  readonly x: number
}
const forest = (row: Row): number => row.x
const net = predictor(async (row: { readonly x: number; readonly y: number }) => row.x + row.y)
const object = { predictBatch: (rows: readonly Row[]) => rows.map(() => 0.5) }

// The input is what all members take; an average of numbers is a number.
expectTypeOf(ensemble({ forest, net, object })).toEqualTypeOf<EnsemblePredictor<Row & { readonly x: number; readonly y: number }, number>>()
expectTypeOf(ensemble({ one: () => 1 as const, two: () => 2 as const }, { minimum: 1 })).toEqualTypeOf<EnsemblePredictor<unknown, number>>()
expectTypeOf(await ensemble({ forest: (_: Row) => new Float32Array(2), net: async (_: Row) => new Float32Array(2) })({ x: 1 })).toEqualTypeOf<Float32Array<ArrayBuffer>>()
expectTypeOf(await ensemble({ forest: (_: Row) => ({ dog: 0.5, cat: 0.5 }) }, { combine: 'average' })({ x: 1 })).toEqualTypeOf<{ dog: number; cat: number }>()

// A vote is one of the labels.
expectTypeOf(await ensemble({ a: (_: Row) => 'cat' as 'cat' | 'dog', b: (_: Row) => 'bird' as const }, { combine: 'vote' })({ x: 1 })).toEqualTypeOf<'cat' | 'dog' | 'bird'>()

// A function sees what the members take and give.
const median = ensemble({ forest, net }, {
  minimum: 1,
  weights: { forest: 1, net: 2 },
  combine: (answers, input) => {
    expectTypeOf(answers[0]!.output).toEqualTypeOf<number>()
    expectTypeOf(input.y).toEqualTypeOf<number>()
    return Promise.resolve(`${answers.length}`)
  },
})
expectTypeOf(await median({ x: 1, y: 2 })).toEqualTypeOf<string>()
expectTypeOf(pipe(owned(ensemble({ forest, object })), cached(), fallback((row) => ({ rule: row.x })))).toEqualTypeOf<Predictor<Row, number | { rule: number }>>()

// @ts-expect-error -- a weight is missing
ensemble({ forest, object }, { weights: { forest: 1 } })
// @ts-expect-error -- labels have no average
ensemble({ a: () => 'cat', b: () => 'dog' })
// @ts-expect-error -- vectors cannot be voted for
ensemble({ a: () => [1], b: () => [2] }, { combine: 'vote' })

// ---- cascade

const large = async (row: { readonly y: string }): Promise<string> => row.y
const both = cascade(forest, large, {
  isUnsure: (output, input) => {
    expectTypeOf(output).toEqualTypeOf<number>()
    expectTypeOf(input.y).toEqualTypeOf<string>()
    return output < 1
  },
})
const typed: Predictor<Row & { readonly y: string }, number | string> = both
expectTypeOf(await typed({ x: 1, y: '' })).toEqualTypeOf<number | string>()
expectTypeOf(both.escalationRate).toEqualTypeOf<number>()
expectTypeOf(await pipe(owned(cascade(forest, object, { minimumConfidence: 0.9 })), cached())({ x: 1 })).toEqualTypeOf<number>()
// @ts-expect-error -- the cheap model gives no such field
cascade(forest, large, { isUnsure: (output) => output.score < 1 })
