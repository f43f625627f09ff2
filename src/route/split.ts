import type { AnyModel, InputOf, OutputOf } from '../core/any-model.js'
import type { BatchCall, Binding, Call, VariantChoice } from '../core/call.js'
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { EventHub } from '../core/events.js'
import { functionOption, optionsObject, stringOption } from '../core/options.js'
import { claim, predictorOver, type Claim, type Predictor } from '../core/predictor.js'
import { pick, RowFailure, type Row } from '../core/rows.js'
import { saysAnew, type Stage } from '../core/stage.js'
import { assign, layOut } from './assignment.js'

/** Any model, as a variant. */
export type Variant = AnyModel

/** What all variants take. */
export type VariantInput<V> = InputOf<V>

/** What any variant gives. */
export type VariantOutput<V> = OutputOf<V>

/** Options of {@link split}. */
export interface SplitOptions<V extends Readonly<Record<string, Variant>>> {
  /** The arms. The first one is the control. */
  readonly variants: V
  /** The share of units of each arm, in [0, 1] with sum 1. */
  readonly weights: { readonly [K in keyof V]: number }
  /** Separates experiments: give each one its own. @default 'split' */
  readonly name?: string
  /** The unit that sticks to its arm, when the call has no `key`. */
  readonly by?: (input: VariantInput<V[keyof V]>) => string
}

/** The predictor, and the handle of its weights. */
export interface SplitPredictor<I, O, Name extends string> extends Predictor<I, O> {
  readonly weights: Readonly<Record<Name, number>>
  /** Changes the weights for calls from now on; calls in flight stay where they are. */
  setWeights(weights: Readonly<Record<Name, number>>): void
}

interface Arm {
  readonly name: string
  readonly claim: Claim<unknown, unknown>
}

interface ArmBinding extends Binding {
  readonly arm: Arm
  readonly choice: VariantChoice
}

/**
 * Sends each unit to one of several models: an A/B test, a canary.
 *
 * The arm follows from the unit (the call's `key`, else `by(input)`), the name and the weights alone: the same unit
 * gets the same arm in every process. When an arm grows nobody leaves it, and a weight of 0 sends everybody back to
 * the control (see `layOut` for the exact promise). The choice is made at the entry and stays, whatever happens to the
 * weights meanwhile. It is in `record.variants`, with its propensity.
 *
 * A batch is split by arm and put back in order. Give it to `pipe` like any model; wrap it in `owned` to have `pipe`
 * close it. It owns arms made from functions and objects.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when weights and variants differ in their names, or do not sum to 1; a call
 * without a unit rejects with `ERR_OUTRIGGER_UNROUTABLE`
 * @example
 * ```ts
 * import { split } from 'outrigger/route'
 * const predict = split({
 *   variants: { control: (x: number) => 'old', canary: (x: number) => 'new' },
 *   weights: { control: 0.9, canary: 0.1 },
 * })
 * const first = await predict(1, { key: 'user-17' })
 * assert.equal(await predict(2, { key: 'user-17' }), first)
 * predict.setWeights({ control: 0, canary: 1 })
 * assert.equal(await predict(3, { key: 'user-17' }), 'new')
 * ```
 */
export const split = <const V extends Readonly<Record<string, Variant>>>(
  options: SplitOptions<V>,
): SplitPredictor<VariantInput<V[keyof V]>, VariantOutput<V[keyof V]>, Extract<keyof V, string>> => {
  type I = VariantInput<V[keyof V]>
  type O = VariantOutput<V[keyof V]>
  optionsObject('a split', options, ['variants', 'weights', 'name', 'by'])
  const name = stringOption('a split', 'name', options.name ?? 'split')
  const by = functionOption('a split', 'by', options.by)
  optionsObject('the variants of a split', options.variants, Object.keys(options.variants ?? {}))
  const names = Object.keys(options.variants)
  if (names.length < 2) throw new InvalidOptionError(`Cannot create a split as it needs at least two variants: current value has ${names.length}`)
  const arms: Arm[] = []
  for (const arm of names) arms.push({ name: arm, claim: claim(options.variants[arm] as never, {}, arms[0]?.claim.stage.runtime) })
  const control = (arms[0] as Arm).claim.stage as Stage<I, O>
  const { runtime } = control

  const owner = {}
  let weights: Readonly<Record<string, number>> = {}
  let bindings: readonly ArmBinding[] = []
  let stretches: ReturnType<typeof layOut> = []
  let unbound = 0
  const setWeights = (next: Readonly<Record<string, number>>): void => {
    optionsObject('the weights of a split', next, names)
    for (const arm of names) if (next[arm] === undefined) throw new InvalidOptionError(`Cannot weigh a split as every variant needs a weight: current value of \`${arm}\` is undefined`)
    stretches = layOut(names.map((arm) => next[arm] as number))
    weights = Object.freeze({ ...next })
    // One binding per arm serves every call: it holds nothing that has to be given back.
    bindings = arms.map((arm) => ({
      owner,
      arm,
      get identity() {
        return arm.claim.stage.identity
      },
      choice: Object.freeze({ split: name, variant: arm.name, reason: 'assigned' as const, propensity: next[arm.name] as number }),
      retain: nothing,
      release: nothing,
    }))
  }
  setWeights(options.weights)

  const choose = (call: Call, input: I): ArmBinding => {
    const unit = call.key ?? (by === undefined || input === undefined ? undefined : by(input))
    if (typeof unit !== 'string') throw new OutriggerError('ERR_OUTRIGGER_UNROUTABLE', `Cannot choose a variant of \`${name}\` as the call has no \`key\` and there is no \`by\` that gives one: current value is of type ${typeof unit}`)
    const binding = bindings[assign(stretches, name, unit)] as ArmBinding
    call.bindTo(binding)
    if (call.startedAt !== undefined) (call.note().variants ??= []).push(binding.choice)
    binding.arm.claim.stage.bind?.(call, input)
    return binding
  }
  const armOf = (call: Call, input: I): Arm => (call.boundBy<ArmBinding>(owner) ?? choose(call, input)).arm

  const many = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const rows = new Array<Row<O>>(inputs.length)
    const groups = new Map<Arm, number[]>()
    inputs.forEach((input, index) => {
      try {
        const arm = armOf(batch.rows[index] as Call, input)
        const group = groups.get(arm)
        if (group === undefined) groups.set(arm, [index])
        else group.push(index)
      } catch (error) {
        rows[index] = new RowFailure(error)
      }
    })
    await Promise.all(
      [...groups].map(async ([arm, indices]) => {
        const outputs = await arm.claim.stage.many(pick(inputs, indices), batch.pick(indices))
        indices.forEach((index, position) => (rows[index] = outputs[position] as Row<O>))
      }),
    )
    return rows
  }

  const events = new EventHub()
  const forwards = arms.map((arm) => arm.claim.stage.events.forwardTo(events))
  const stageFor = (call: Call): Stage<I, O> => (call.boundBy<ArmBinding>(owner)?.arm.claim.stage ?? control) as Stage<I, O>
  const stage: Stage<I, O> = {
    kind: 'split',
    describe: () => `split ${name}: ${names.map((arm) => `${arm} ${Number(((weights[arm] as number) * 100).toPrecision(6))} %`).join(', ')}`,
    branches: arms.map((arm) => ({ label: arm.name, stage: arm.claim.stage })),
    traits: {},
    runtime,
    events,
    schema: control.schema,
    needsRecord: arms.some((arm) => arm.claim.stage.needsRecord),
    get identity() {
      return control.identity
    },
    one: async (input, call) => (await armOf(call, input).claim.stage.one(input, call)) as O,
    many,
    bindsByInput: by !== undefined || arms.some((arm) => arm.claim.stage.bindsByInput),
    bind: (call, input) => {
      try {
        armOf(call, input)
      } catch {
        // Said when the call travels: there it fails its own row only.
      }
    },
    served: (call) => stageFor(call).served(call),
    scope: (call) => {
      const arm = call.boundBy<ArmBinding>(owner)?.arm
      // Its arm is not known yet, so that no other call may share what is kept for it.
      if (arm === undefined) return `${name}?${(unbound += 1)}`
      return `${name}=${arm.name}:${arm.claim.stage.scope(call)}`
    },
    // An arm that nobody is sent to need not be ready.
    ready: () => arms.every((arm) => weights[arm.name] === 0 || arm.claim.stage.ready()),
    close: () => {
      for (const stop of forwards) stop()
    },
  }
  const armStages = arms.map((arm) => arm.claim.stage)
  if (armStages.some(saysAnew)) Object.defineProperty(stage, 'needsRecord', { get: () => armStages.some((arm) => arm.needsRecord) })
  const router = predictorOver(stage, [() => stage.close(), ...arms.flatMap((arm) => arm.claim.closers)])
  Object.defineProperty(router, 'weights', { get: () => weights, enumerable: true })
  return Object.assign(router, { setWeights }) as SplitPredictor<I, O, Extract<keyof V, string>>
}

const nothing = (): void => {}
