/** `pipe`: the model first, then what is put around it, innermost to outermost. */
import { requiredFunction } from './options.js'
import { orderWarnings } from './order-warnings.js'
import { claim, predictorOver, stageOf, type Model, type Predictor } from './predictor.js'
import type { ModelFunction, ModelObject } from './model.js'
import type { AnyStage } from './stage.js'

/** Puts a layer of any types around a predictor; the overloads of {@link pipe} say which types. */
type Wrap<A, B> = (inner: A) => B

/**
 * Strings a model and layers together: the model first, then what is put around it, innermost to outermost.
 *
 * It is the order in which types flow: each layer sees what the one before it takes and gives, without annotations.
 * The result owns what `pipe` made from a function or an object, and every layer; a predictor passed in is borrowed
 * (see `owned`). An order that hurts is told once as a process warning with a code.
 *
 * @example
 * ```ts
 * import { fallback, pipe, timeout } from 'outrigger'
 * const slow = (x: number): Promise<number> => new Promise(() => {})
 * const predict = pipe(slow, timeout({ ms: 10 }), fallback(() => 'no idea'))
 * assert.equal(await predict(1), 'no idea')
 * ```
 */
export function pipe<I, O>(model: Predictor<I, O>): Predictor<I, O>
export function pipe<I, O, P1>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>): P1
export function pipe<I, O, P1, P2>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>): P2
export function pipe<I, O, P1, P2, P3>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>): P3
export function pipe<I, O, P1, P2, P3, P4>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>): P4
export function pipe<I, O, P1, P2, P3, P4, P5>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>): P5
export function pipe<I, O, P1, P2, P3, P4, P5, P6>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>): P6
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>): P7
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7, P8>(model: Predictor<I, O>, l1: Wrap<Predictor<I, O>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>, l8: Wrap<P7, P8>): P8
export function pipe<I, O>(model: ModelFunction<I, O>): Predictor<I, Awaited<O>>
export function pipe<I, O, P1>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>): P1
export function pipe<I, O, P1, P2>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>): P2
export function pipe<I, O, P1, P2, P3>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>): P3
export function pipe<I, O, P1, P2, P3, P4>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>): P4
export function pipe<I, O, P1, P2, P3, P4, P5>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>): P5
export function pipe<I, O, P1, P2, P3, P4, P5, P6>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>): P6
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>): P7
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7, P8>(model: ModelFunction<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>, l8: Wrap<P7, P8>): P8
export function pipe<I, O>(model: ModelObject<I, O>): Predictor<I, Awaited<O>>
export function pipe<I, O, P1>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>): P1
export function pipe<I, O, P1, P2>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>): P2
export function pipe<I, O, P1, P2, P3>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>): P3
export function pipe<I, O, P1, P2, P3, P4>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>): P4
export function pipe<I, O, P1, P2, P3, P4, P5>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>): P5
export function pipe<I, O, P1, P2, P3, P4, P5, P6>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>): P6
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>): P7
export function pipe<I, O, P1, P2, P3, P4, P5, P6, P7, P8>(model: ModelObject<I, O>, l1: Wrap<Predictor<I, Awaited<O>>, P1>, l2: Wrap<P1, P2>, l3: Wrap<P2, P3>, l4: Wrap<P3, P4>, l5: Wrap<P4, P5>, l6: Wrap<P5, P6>, l7: Wrap<P6, P7>, l8: Wrap<P7, P8>): P8
// oxlint-disable-next-line no-explicit-any -- The overloads above are its type; this one is seen by nobody.
export function pipe(model: any, ...layers: any[]): any {
  const { stage, closers } = claim(model as Model<unknown, unknown>)
  let current: Predictor<unknown, unknown> = predictorOver(stage, [])
  const closing = [...closers]
  const inside = stagesAround(undefined, stage) as AnyStage[]
  const stages = [...inside]
  layers.forEach((wrap, index) => {
    requiredFunction('a pipe', `layer ${index + 1}`, wrap)
    const outer = (wrap as Wrap<Predictor<unknown, unknown>, Predictor<unknown, unknown>>)(current)
    const added = stagesAround(stageOf(current), stageOf(outer))
    // A layer that does not stand around what it was given has made a predictor of its own.
    if (added === undefined) closing.unshift((options) => outer.close(options))
    else for (const one of added) closing.unshift(() => one.close())
    stages.push(...(added ?? [stageOf(outer)]))
    current = outer
  })
  // What was wrong inside of a borrowed predictor was told when that was made.
  const known = new Set(orderWarnings(inside).map(({ message }) => message))
  for (const { message, code } of orderWarnings(stages)) if (!known.has(message)) process.emitWarning(message, { type: 'OutriggerWarning', code })
  return predictorOver(stageOf(current), closing)
}

/**
 * The stages from `outer` inwards to `inner`, which is left out, innermost first: none for a layer that is the
 * identity, several for one that is made of layers. `undefined` when `inner` does not stand inside.
 */
const stagesAround = (inner: AnyStage | undefined, outer: AnyStage): AnyStage[] | undefined => {
  const stages: AnyStage[] = []
  for (let stage: AnyStage | undefined = outer; stage !== undefined; stage = stage.branches.find(({ label }) => label === '')?.stage) {
    if (stage === inner) return stages
    stages.unshift(stage)
  }
  return inner === undefined ? stages : undefined
}
