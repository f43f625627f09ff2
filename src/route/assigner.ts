import type { VariantChoice } from '../core/call-notes.js'
import { systemClock, type Clock } from '../core/clock.js'
import { InvalidOptionError, OptionRangeError, OutriggerError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { Arms } from './_arms.js'
import { Lanes } from './_lanes.js'
import type { ExperimentNamespace } from './experiment-namespace.js'

/** Weights that hold from a time on. */
export interface Epoch {
  /** Counted from 1. */
  readonly number: number
  /** When it began, in milliseconds since 1970. */
  readonly since: number
}

/** Testers: variant → units, or a function of the unit. They have their variant whatever its weight. */
export type Forced<Name extends string> = { readonly [K in Name]?: readonly string[] } | ((unit: string) => Name | undefined)

/** Options of {@link assigner}. */
export interface AssignerOptions<Name extends string> {
  /** Separates experiments: give each one its own. */
  readonly name: string
  /** Variant → share of the units in the experiment, in [0, 1] with sum 1. The first one is the control. */
  readonly weights: Readonly<Record<Name, number>>
  /** The share of units that are in the experiment; the others have the control by `default`. @default 1 */
  readonly exposure?: number
  /** Where experiments exclude each other; its range for `name` goes before `exposure`. @default none */
  readonly namespace?: ExperimentNamespace
  /** @default nobody */
  readonly forced?: Forced<NoInfer<Name>>
  /** The number of the first epoch: after a restart, the one that was reached. @default 1 */
  readonly epoch?: number
  /** @default the machine's */
  readonly clock?: Clock
}

/** How a change of weights is counted. */
export interface EpochOptions {
  /** A new share of units that are in the experiment. @default as it is */
  readonly exposure?: number
  /** The number of the epoch that opens, above the current one, so that all processes of a fleet count alike. @default the next one */
  readonly epoch?: number
  /** When it opened, in milliseconds since 1970. @default now */
  readonly at?: number
}

/** Says which variant a unit has. */
export interface Assigner<Name extends string> {
  readonly name: string
  readonly weights: Readonly<Record<Name, number>>
  readonly exposure: number
  readonly epoch: Epoch
  /** The variant of a unit. The object is shared by all units that get the same: it is frozen, and nothing is allocated. */
  choose(unit: string): VariantChoice & { readonly variant: Name }
  /** Which unit it was, as 53 bits of a hash under this name. */
  unitHash(unit: string): number
  /** Opens an epoch with new weights. The same weights and exposure again change nothing. */
  setWeights(weights: Readonly<Record<Name, number>>, options?: EpochOptions): void
}

const owner = 'an assigner'

/**
 * Says which variant a unit has: by hash, the same in every process, without a model around it. {@link split} has one inside.
 *
 * One pass over `name:unit` gives two independent points in [0, 2³²), MurmurHash3 x86 32 of its UTF-8 bytes under two seeds: the exposure point
 * (seed 0x65787073) says whether the unit is in the experiment, the arm point (seed 0x6f757472) which variant it has; see `layOut`. So exposure grows
 * without anybody changing the variant, and a variant grows at the control's cost only. Forced variants come first.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when weights do not sum to 1; nothing is rescaled. `choose` throws `ERR_OUTRIGGER_UNROUTABLE` for a unit that is no string
 * @example
 * ```ts
 * import { assigner } from 'outrigger/route'
 * const price = assigner({ name: 'price-2', weights: { control: 0.5, lower: 0.5 }, exposure: 0.2, forced: { lower: ['qa-1'] } })
 * assert.equal(price.choose('qa-1').reason, 'forced')
 * const { variant, reason } = price.choose('user-17')
 * price.setWeights({ control: 0.5, lower: 0.5 }, { exposure: 1 })
 * if (reason === 'assigned') assert.equal(price.choose('user-17').variant, variant)
 * assert.equal(price.epoch.number, 2)
 * ```
 */
export const assigner = <const Name extends string>(options: AssignerOptions<Name>): Assigner<Name> => {
  optionsObject(owner, options, ['name', 'weights', 'exposure', 'namespace', 'forced', 'epoch', 'clock'])
  const clock = options.clock === undefined ? systemClock : membersOption(owner, 'clock', options.clock, ['wall'])
  const weights = new Weights<VariantChoice>({ ...options, forced: options.forced as Forced<string> | undefined, owner, names: Object.keys(options.weights ?? {}), wall: () => clock.wall() }, (choice) => choice)
  return {
    name: weights.name,
    get weights() {
      return weights.current as Readonly<Record<Name, number>>
    },
    get exposure() {
      return weights.exposure
    },
    get epoch() {
      return weights.epoch
    },
    choose: (unit) => {
      // What is no text has no points: all such units would have the same variant.
      if (typeof unit !== 'string') throw new OutriggerError('ERR_OUTRIGGER_UNROUTABLE', `Cannot choose a variant of \`${weights.name}\` as a unit must be a string: current value is of type ${typeof unit}`)
      return weights.choose(unit) as VariantChoice & { readonly variant: Name }
    },
    unitHash: (unit) => weights.unitHash(unit),
    setWeights: (next, how) => void weights.set(next, how),
  }
}

/** The weights of a split or an assigner, as they change, and what a unit gets under them. */
export class Weights<Slot> {
  readonly name: string
  readonly names: readonly string[]
  current: Readonly<Record<string, number>> = {}
  exposure = 1
  epoch: Epoch
  arms!: Arms<Slot>
  readonly #owner: string
  readonly #lanes: Lanes
  readonly #namespace: ExperimentNamespace | undefined
  readonly #listed: ReadonlyMap<string, number> | undefined
  readonly #force: ((unit: string) => string | undefined) | undefined
  readonly #wall: () => number
  readonly #make: (choice: VariantChoice, variant: number) => Slot

  constructor(
    options: { readonly [K in 'exposure' | 'namespace' | 'forced' | 'epoch']?: AssignerOptions<string>[K] | undefined } & {
      readonly owner: string
      readonly name: string
      readonly weights: Readonly<Record<string, number>>
      readonly names: readonly string[]
      readonly wall: () => number
    },
    make: (choice: VariantChoice, variant: number) => Slot,
  ) {
    const { names, namespace, forced } = options
    this.#owner = options.owner
    this.name = stringOption(options.owner, 'name', options.name)
    this.names = names
    this.#lanes = new Lanes(`${this.name}:`)
    this.#namespace = namespace === undefined ? undefined : membersOption(options.owner, 'namespace', namespace, ['includes'])
    if (namespace !== undefined && !Object.hasOwn(namespace.ranges ?? {}, this.name)) {
      throw new InvalidOptionError(`Cannot create ${options.owner} as its \`namespace\` must have a range for \`${this.name}\`: current value has ${Object.keys(namespace.ranges ?? {}).join(', ')}`)
    }
    if (typeof forced === 'function') this.#force = forced
    else if (forced !== undefined) this.#listed = this.#lists(forced)
    this.#wall = options.wall
    this.#make = make
    const number = numberOption(options.owner, 'epoch', options.epoch ?? 1, { min: 1, integer: true })
    this.epoch = { number: number - 1, since: Number.NaN }
    this.set(options.weights, { exposure: options.exposure ?? 1, epoch: number })
  }

  #lists(forced: Readonly<Record<string, readonly string[] | undefined>>): Map<string, number> {
    const owner = `the forced variants of ${this.#owner}`
    optionsObject(owner, forced, this.names)
    const listed = new Map<string, number>()
    for (const [variant, units] of Object.entries(forced)) {
      if (units !== undefined && !Array.isArray(units)) throw new InvalidOptionError(`Cannot create ${owner} as \`${variant}\` must be a list of units: current value is of type ${typeof units}`)
      for (const unit of units ?? []) {
        if (listed.has(stringOption(owner, variant, unit))) throw new InvalidOptionError(`Cannot create ${owner} as a unit must be forced once: current value has ${JSON.stringify(unit)} twice`)
        listed.set(unit, this.names.indexOf(variant))
      }
    }
    return listed
  }

  /** Opens an epoch; `false` if nothing changes. */
  set(next: Readonly<Record<string, number>>, options: EpochOptions = {}): boolean {
    const { names } = this
    const owner = `the weights of ${this.#owner}`
    optionsObject(owner, next, names)
    optionsObject(`the epoch of ${this.#owner}`, options, ['exposure', 'epoch', 'at'])
    for (const name of names) if (next[name] === undefined) throw new InvalidOptionError(`Cannot weigh ${this.#owner} as every variant needs a weight: current value of \`${name}\` is undefined`)
    const exposure = numberOption(this.#owner, 'exposure', options.exposure ?? this.exposure, { min: 0, max: 1 })
    const number = numberOption(this.#owner, 'epoch', options.epoch ?? this.epoch.number + 1, { min: 1, integer: true })
    if ((options.epoch === undefined || options.epoch === this.epoch.number) && exposure === this.exposure && names.every((name) => next[name] === this.current[name])) return false
    if (number <= this.epoch.number) throw new OptionRangeError(`Cannot open an epoch of \`${this.name}\` as it must come after the current one, ${this.epoch.number}: current value is ${number}`)
    const since = numberOption(this.#owner, 'at', options.at ?? this.#wall())
    const epoch = Object.freeze({ number, since })
    this.arms = new Arms({ name: this.name, names, weights: names.map((name) => next[name] as number), exposure, epoch, namespace: this.#namespace, lanes: this.#lanes }, this.#make)
    this.current = Object.freeze({ ...next })
    this.exposure = exposure
    this.epoch = epoch
    return true
  }

  /** The slot of a tester, or `undefined`. */
  forced(unit: string): Slot | undefined {
    if (this.#listed !== undefined) {
      const variant = this.#listed.get(unit)
      return variant === undefined ? undefined : this.arms.forced[variant]
    }
    if (this.#force === undefined) return undefined
    const name = this.#force(unit)
    if (name === undefined) return undefined
    const variant = this.names.indexOf(name)
    if (variant < 0) throw new InvalidOptionError(`Cannot force a variant of \`${this.name}\` as it must be one of ${this.names.join(', ')}: current value is ${JSON.stringify(name)}`)
    return this.arms.forced[variant]
  }

  choose(unit: string): Slot {
    if (this.#listed !== undefined || this.#force !== undefined) {
      const forced = this.forced(unit)
      if (forced !== undefined) return forced
    }
    return this.arms.of(unit)
  }

  unitHash(unit: string): number {
    this.#lanes.read(unit)
    return this.#lanes.unit
  }
}
