import { expectTypeOf } from 'vitest'
import { fallback, owned, pipe, predictor, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { split } from 'outrigger/route'

const canary = predictor(async (x: { readonly b: number }) => x.b)
const router = split({
  variants: { control: (_: { readonly a: number }) => 'old' as string, canary, third: { predictBatch: (rows: readonly { readonly a: number }[]) => rows.map(() => true as boolean) } },
  weights: { control: 0.5, canary: 0.25, third: 0.25 },
  by: (input) => `${input.a}-${input.b}`,
})
// The input is what all variants take, the output what any of them gives.
const typed: Predictor<{ readonly a: number; readonly b: number }, string | number | boolean> = router
expectTypeOf(await typed({ a: 1, b: 2 })).toEqualTypeOf<string | number | boolean>()
expectTypeOf(router.setWeights).parameter(0).toEqualTypeOf<Readonly<Record<'control' | 'canary' | 'third', number>>>()
const stack = pipe(owned(router), cached(), fallback((input) => ({ rule: input.a })))
expectTypeOf(await stack({ a: 1, b: 2 })).toEqualTypeOf<string | number | boolean | { rule: number }>()
// @ts-expect-error -- every variant needs a weight
split({ variants: { control: (x: number) => x, canary: (x: number) => x }, weights: { control: 1 } })
// @ts-expect-error -- a weight without a variant
router.setWeights({ control: 1, canary: 0, third: 0, fourth: 0 })
// An assignment says the arm: no weights are needed, and it names arms only.
const assigned = split({ variants: { control: (x: number) => x, canary: (_: number) => 'new' as string }, assignment: (input, call) => (input > 1 && call.key === 'a' ? 'canary' : undefined) })
expectTypeOf(await assigned(1)).toEqualTypeOf<string | number>()
// @ts-expect-error -- no such arm
split({ variants: { control: (x: number) => x, canary: (x: number) => x }, assignment: () => 'other' })
// @ts-expect-error -- the assignment decides alone
split({ variants: { control: (x: number) => x, canary: (x: number) => x }, assignment: () => 'canary', exposure: 0.5 })
// @ts-expect-error -- no such arm to force
split({ variants: { control: (x: number) => x, canary: (x: number) => x }, weights: { control: 1, canary: 0 }, forced: { other: ['u'] } })
split({ variants: { control: (x: number) => x, canary: (x: number) => x }, weights: { control: 1, canary: 0 }, exposure: 0.5, forced: (unit) => (unit === 'qa' ? 'canary' : undefined) })
