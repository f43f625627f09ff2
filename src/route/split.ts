import type { AnyModel, InputOf, OutputOf } from '../core/any-model.js'
import type { BatchCall } from '../core/batch-call.js'
import type { VariantChoice } from '../core/call-notes.js'
import type { Binding, Call } from '../core/call.js'
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { EventHub } from '../core/events.js'
import { functionOption, optionsObject, stringOption } from '../core/options.js'
import { claim, predictorOver, type Claim, type Predictor } from '../core/predictor.js'
import { pick, RowFailure, type Row } from '../core/rows.js'
import { saysAnew, type Stage } from '../core/stage.js'
import { Weights, type Epoch, type EpochOptions, type Forced } from './assigner.js'
import type { ExperimentNamespace } from './experiment-namespace.js'
import { forcedVariant } from './forced-variants.js'
import { StickyChoices, type StickyCounts, type StickyOptions } from './_sticky-choices.js'

/** Any model, as a variant. */
export type Variant = AnyModel

/** What all variants take. */
export type VariantInput<V> = InputOf<V>

/** What any variant gives. */
export type VariantOutput<V> = OutputOf<V>

/** A variant that somebody else chose. */
export interface Assigned<Name extends string> {
  readonly variant: Name
  /** The probability with which the unit got it, if known. @default its weight if `weights` are given, else NaN */
  readonly propensity?: number
  /** @default 'external' */
  readonly reason?: VariantChoice['reason']
}

/** Takes the variant from elsewhere, synchronously: a flag system, a field of the input, a tag of the call. `undefined` is the control, by `default`. */
export type Assignment<I, Name extends string> = (input: I, call: Call) => Name | Assigned<Name> | undefined

/** Options of {@link split} that both kinds have. */
export interface SplitBaseOptions<V extends Readonly<Record<string, Variant>>> {
  /** The arms. The first one is the control. */
  readonly variants: V
  /** Separates experiments: give each one its own. @default 'split' */
  readonly name?: string
  /** The unit that sticks to its arm, when the call has no `key`. */
  readonly by?: (input: VariantInput<V[keyof V]>) => string
  /** Testers, who have their variant whatever its weight: variant → units, or a function of the unit. */
  readonly forced?: Forced<Extract<keyof V, string>>
  /** The number of the first epoch: after a restart, the one that was reached. @default 1 */
  readonly epoch?: number
}

/** Options of {@link split} by hash. */
export interface HashSplitOptions<V extends Readonly<Record<string, Variant>>> extends SplitBaseOptions<V> {
  /** The share of units of each arm, in [0, 1] with sum 1. */
  readonly weights: { readonly [K in keyof V]: number }
  /** The share of units that are in the experiment at all; the others have the control by `default`. @default 1 */
  readonly exposure?: number
  /** Where experiments exclude each other. @default none */
  readonly namespace?: ExperimentNamespace
  /** Keeps units in the variant that they had, whatever the weights become: in a store, with a limit of time. @default none */
  readonly sticky?: StickyOptions
  readonly assignment?: undefined
}

/** Options of {@link split} by a function. */
export interface AssignedSplitOptions<V extends Readonly<Record<string, Variant>>> extends SplitBaseOptions<V> {
  /** Says the variant of a call. One that throws or names no variant gives the control by `default`, and a notice. */
  readonly assignment: Assignment<VariantInput<V[keyof V]>, Extract<keyof V, string>>
  /** The shares that the other system was told, to state propensities. @default unknown */
  readonly weights?: { readonly [K in keyof V]: number }
  readonly exposure?: undefined
  readonly namespace?: undefined
  readonly sticky?: undefined
}

/** Options of {@link split}. */
export type SplitOptions<V extends Readonly<Record<string, Variant>>> = HashSplitOptions<V> | AssignedSplitOptions<V>

/** The predictor, and the handle of its weights. */
export interface SplitPredictor<I, O, Name extends string> extends Predictor<I, O> {
  readonly name: string
  readonly weights: Readonly<Record<Name, number>>
  /** The share of units that are in the experiment. */
  readonly exposure: number
  /** The weights that hold, by number and time. */
  readonly epoch: Epoch
  /** Opens an epoch with new weights, for calls from now on; calls in flight stay where they are. The same weights and exposure again change nothing. */
  setWeights(weights: Readonly<Record<Name, number>>, options?: EpochOptions): void
  /** What became of claims, where it is `sticky`. */
  readonly sticky: StickyCounts | undefined
  /** Asks the store of `sticky` for units that will come, at a log-in say, so that their first call need not wait. Never rejects. */
  prime(units: readonly string[]): Promise<void>
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
 * gets the same arm in every process; see {@link assigner}. When an arm grows nobody leaves it, and a weight of 0 sends everybody but
 * testers back to the control (see `layOut` for the exact promise). The choice is made at the entry and stays, whatever happens to the
 * weights meanwhile. It is in `record.variants`, with reason, propensity and epoch. Or an `assignment` function says the arm.
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
  optionsObject('a split', options, ['variants', 'weights', 'name', 'by', 'exposure', 'namespace', 'forced', 'epoch', 'sticky', 'assignment'])
  const name = stringOption('a split', 'name', options.name ?? 'split')
  const by = functionOption('a split', 'by', options.by)
  const assignment = functionOption('a split', 'assignment', options.assignment)
  optionsObject('the variants of a split', options.variants, Object.keys(options.variants ?? {}))
  const names = Object.keys(options.variants)
  if (names.length < 2) throw new InvalidOptionError(`Cannot create a split as it needs at least two variants: current value has ${names.length}`)
  if (assignment !== undefined && (options.exposure ?? options.namespace ?? options.sticky) !== undefined) throw new InvalidOptionError('Cannot create a split as `assignment` decides alone: current value has `exposure`, `namespace` or `sticky` beside it')
  const arms: Arm[] = []
  for (const arm of names) arms.push({ name: arm, claim: claim(options.variants[arm] as never, {}, arms[0]?.claim.stage.runtime) })
  const control = (arms[0] as Arm).claim.stage as Stage<I, O>
  const { runtime } = control
  const events = new EventHub()
  const tell = (message: string, error?: unknown): void => events.emit({ type: 'notice', layer: 'split', message: `${message} (${name})`, error, at: runtime.clock.wall() })

  const owner = {}
  let unbound = 0
  // One binding serves every call of an arm, a reason and an epoch: it holds nothing that has to be given back.
  const bindingOf = (choice: VariantChoice, variant: number): ArmBinding => {
    const arm = arms[variant] as Arm
    return {
      owner,
      arm,
      get identity() {
        return arm.claim.stage.identity
      },
      choice,
      retain: nothing,
      release: nothing,
    }
  }
  const { forced } = options
  const weights = new Weights<ArmBinding>(
    {
      owner: 'a split',
      name,
      names,
      // Nobody is sent by them where an assignment says the arm.
      weights: options.weights ?? Object.fromEntries(names.map((arm, index) => [arm, index === 0 ? 1 : 0])),
      forced:
        typeof forced !== 'function'
          ? (forced as Forced<string> | undefined)
          : (unit: string): string | undefined => {
              try {
                const variant = forced(unit)
                if (variant === undefined || names.includes(variant)) return variant
                tell(`\`forced\` named no variant: ${JSON.stringify(variant)}`)
              } catch (error) {
                tell('`forced` threw', error)
              }
              return undefined
            },
      wall: () => runtime.clock.wall(),
      exposure: options.exposure,
      namespace: options.namespace,
      epoch: options.epoch,
    },
    bindingOf,
  )
  const sticky = options.sticky === undefined ? undefined : new StickyChoices(options.sticky, runtime.clock)
  const keptBindings = new WeakMap<VariantChoice, ArmBinding>()
  /** What the hash gives a unit, or what was kept of it before, if it has a weight still. */
  const kept = (unit: string, hashed: ArmBinding, choices: StickyChoices): ArmBinding => {
    const choice = choices.get(unit)
    if (choice === undefined || (choice.variant === hashed.choice.variant && choice.epoch === hashed.choice.epoch)) return hashed
    if (!((weights.current[choice.variant] ?? 0) > 0)) {
      choices.counts.outdated += 1
      return hashed
    }
    let binding = keptBindings.get(choice)
    if (binding === undefined) keptBindings.set(choice, (binding = bindingOf(choice, names.indexOf(choice.variant))))
    return binding
  }
  /** The claim that a unit has to wait for, or `undefined`. */
  const claimOf = (choices: StickyChoices, unit: string): (() => Promise<void>) | undefined => {
    const { choice } = weights.choose(unit)
    return choice.reason !== 'assigned' || choices.get(unit) !== undefined ? undefined : () => choices.claim(unit, `${name}:${weights.unitHash(unit).toString(36)}`, choice)
  }
  const prime = async (units: readonly string[]): Promise<void> => {
    for (let from = 0; sticky !== undefined && from < units.length; from += sticky.concurrency) {
      await Promise.all(units.slice(from, from + sticky.concurrency).map((unit) => claimOf(sticky, unit)?.()))
    }
  }
  let areStated = options.weights !== undefined
  const shown = (): string => names.map((arm) => `${arm} ${percent(weights.current[arm] as number)}`).join(', ') + (weights.exposure === 1 ? '' : ` of ${percent(weights.exposure)}`)
  const setWeights = (next: Readonly<Record<string, number>>, how?: EpochOptions): void => {
    const from = shown()
    if (!weights.set(next, how)) return
    areStated = true
    const { number, since } = weights.epoch
    events.emit({ type: 'state', layer: 'split', subject: name, from, to: shown(), reason: `epoch ${number}`, at: since, data: { epoch: number, weights: weights.current, exposure: weights.exposure } })
  }

  const assigned = (say: NonNullable<typeof assignment>, input: I, call: Call): ArmBinding => {
    try {
      const said: unknown = say(input, call)
      if (said === undefined) return weights.arms.default
      const { variant, propensity, reason = 'external' } = (typeof said === 'string' ? { variant: said } : said) as Assigned<string>
      const at = names.indexOf(variant)
      if (at < 0) tell(`\`assignment\` named no variant: ${said instanceof Promise ? 'it must be synchronous' : JSON.stringify(variant)}`)
      else {
        const choice = { ...(weights.arms.assigned[at] as ArmBinding).choice, reason }
        return bindingOf({ ...choice, propensity: propensity ?? (areStated ? choice.propensity : Number.NaN) }, at)
      }
    } catch (error) {
      tell('`assignment` threw', error)
    }
    return weights.arms.default
  }
  const unitOf = (call: Call, input: I): string | undefined => {
    const unit: unknown = call.key ?? (by === undefined || input === undefined ? undefined : by(input))
    if (typeof unit === 'string') return unit
    if (assignment !== undefined) return undefined
    throw new OutriggerError('ERR_OUTRIGGER_UNROUTABLE', `Cannot choose a variant of \`${name}\` as the call has no \`key\` and there is no \`by\` that gives one: current value is of type ${typeof unit}`)
  }
  /** The units of calls that are not bound yet, and have one. */
  const unitsOf = (calls: readonly Call[], inputs: readonly I[]): string[] =>
    calls.flatMap((call, index) => {
      if (call.boundBy(owner) !== undefined) return []
      try {
        return [unitOf(call, inputs[index] as I) as string]
      } catch {
        // Said when the call is bound.
        return []
      }
    })
  /** The arm that a replay has asked for. */
  const askedArm = (call: Call): ArmBinding | undefined => {
    const variant = forcedVariant(call, name)
    return variant === undefined ? undefined : weights.arms.forced[names.indexOf(variant)]
  }
  const choose = (call: Call, input: I): ArmBinding => {
    const asked = askedArm(call)
    const unit = asked === undefined ? unitOf(call, input) : call.key
    const hashed = asked ?? (assignment === undefined ? weights.choose(unit as string) : undefined)
    const binding =
      hashed !== undefined ? (sticky === undefined || hashed.choice.reason !== 'assigned' ? hashed : kept(unit as string, hashed, sticky)) : ((unit === undefined ? undefined : weights.forced(unit)) ?? assigned(assignment as NonNullable<typeof assignment>, input, call))
    call.bindTo(binding)
    if (call.startedAt !== undefined) (call.note().variants ??= []).push(unit === undefined ? binding.choice : { ...binding.choice, unit: weights.unitHash(unit) })
    binding.arm.claim.stage.bind?.(call, input)
    return binding
  }
  const armOf = (call: Call, input: I): Arm => (call.boundBy<ArmBinding>(owner) ?? choose(call, input)).arm

  const many = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const rows = new Array<Row<O>>(inputs.length)
    const groups = new Map<Arm, number[]>()
    if (sticky !== undefined) await prime(unitsOf(batch.rows as readonly Call[], inputs))
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

  const forwards = arms.map((arm) => arm.claim.stage.events.forwardTo(events))
  const stageFor = (call: Call): Stage<I, O> => (call.boundBy<ArmBinding>(owner)?.arm.claim.stage ?? control) as Stage<I, O>
  const stage: Stage<I, O> = {
    kind: 'split',
    describe: () => (assignment === undefined ? `split ${name}: ${shown()}` : `split ${name}: by assignment${areStated ? `, ${shown()}` : ''}`),
    branches: arms.map((arm) => ({ label: arm.name, stage: arm.claim.stage })),
    traits: {},
    runtime,
    events,
    schema: control.schema,
    needsRecord: arms.some((arm) => arm.claim.stage.needsRecord),
    get identity() {
      return control.identity
    },
    one: async (input, call) => {
      if (sticky !== undefined && call.boundBy(owner) === undefined) await prime(unitsOf([call], [input]))
      return (await armOf(call, input).claim.stage.one(input, call)) as O
    },
    many,
    bindsByInput: by !== undefined || assignment !== undefined || arms.some((arm) => arm.claim.stage.bindsByInput),
    bind: (call, input) => {
      const isAsked = askedArm(call) !== undefined
      // A map outside has not made the input yet.
      if (assignment !== undefined && input === undefined && !isAsked) return
      try {
        // Not known here yet: the call is bound when the store has answered, as it travels.
        if (sticky !== undefined && !isAsked && claimOf(sticky, unitOf(call, input) as string) !== undefined) return
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
    ready: () => arms.every((arm) => (areStated && weights.current[arm.name] === 0) || arm.claim.stage.ready()),
    close: () => {
      for (const stop of forwards) stop()
    },
  }
  const armStages = arms.map((arm) => arm.claim.stage)
  if (armStages.some(saysAnew)) Object.defineProperty(stage, 'needsRecord', { get: () => armStages.some((arm) => arm.needsRecord) })
  const router = predictorOver(stage, [() => stage.close(), ...arms.flatMap((arm) => arm.claim.closers)])
  // `name` is a read-only property of functions, so that it can only be defined.
  Object.defineProperty(router, 'name', { value: name, enumerable: true })
  Object.defineProperty(router, 'weights', { get: () => weights.current, enumerable: true })
  Object.defineProperty(router, 'exposure', { get: () => weights.exposure, enumerable: true })
  Object.defineProperty(router, 'epoch', { get: () => weights.epoch, enumerable: true })
  Object.defineProperty(router, 'sticky', { get: () => sticky && { ...sticky.counts }, enumerable: true })
  return Object.assign(router, { setWeights, prime }) as SplitPredictor<I, O, Extract<keyof V, string>>
}

const nothing = (): void => {}

const percent = (share: number): string => `${Number((share * 100).toPrecision(6))} %`
