import type { VariantChoice } from '../../core/call-notes.js'
import { InvalidOptionError } from '../../core/errors.js'
import type { Label, LabelJoin } from '../../core/labels.js'
import { functionOption, membersOption, numberOption, optionsObject } from '../../core/options.js'
import type { PredictionRecord } from '../../core/record.js'
import { Moments, type MomentsState } from '../../stats/moments.js'
import type { Epoch, EpochOptions } from '../assigner.js'
import { countOf, savedMoments } from '../saved.js'
import type { ArmStatistics, BanditPolicy } from './bandit-policy.js'

/** Whose weights a bandit sets: a {@link split}, or an {@link assigner}. */
export interface Weighed<Name extends string> {
  readonly name: string
  readonly weights: Readonly<Record<Name, number>>
  readonly epoch: Epoch
  setWeights(weights: Readonly<Record<Name, number>>, options?: EpochOptions): void
}

/** Options of {@link bandit}. */
export interface BanditOptions<Name extends string, L> {
  readonly split: Weighed<Name>
  /** `thompson()`, `epsilonGreedy()`, `upperConfidenceBound()` or one of yours. */
  readonly policy: BanditPolicy
  /** The join of predictions and late labels: its `max` and `ttlMs` bound what waits. @default none: call `reward` */
  readonly labels?: LabelJoin<L>
  /** What a label is worth; `undefined` for nothing to learn. @default the label, where it is a number; 1 and 0 where it is a boolean */
  readonly reward?: (label: Label<L>, record: PredictionRecord) => number | undefined
  /** Weights change after so many rewards: 1 for each one, `Infinity` for by hand. @default 1000 */
  readonly every?: number
  /** And not before each arm has so many. @default 100 */
  readonly minimum?: number
  /** The least share of each arm, in [0.01, 1 / arms]. @default 0.01 */
  readonly floor?: number
  /** What `state()` gave before a restart. */
  readonly state?: BanditState
}

/** What a bandit knows, as plain data. */
export interface BanditState {
  readonly v: 1
  readonly split: string
  readonly policy: string
  readonly arms: Readonly<Record<string, MomentsState>>
  readonly weights: Readonly<Record<string, number>>
  readonly epoch: number
  /** Rewards since the last update. */
  readonly pending: number
}

/** What became of rewards. */
export interface BanditCounts {
  readonly rewards: number
  /** Of testers, of units outside of the experiment, and without a value. */
  readonly ignored: number
  /** That the policy cannot learn from: NaN, or outside of [0, 1] for beta. Or `reward` threw. */
  readonly refused: number
  readonly updates: number
}

/** A bandit at work. */
export interface Bandit<Name extends string> {
  readonly arms: Readonly<Record<Name, ArmStatistics>>
  readonly counts: BanditCounts
  /** Tells a reward by hand. */
  reward(variant: Name, value: number): void
  /** Weighs the arms by what is known now, and opens an epoch if that changes anything. It waits for `minimum`. Gives the weights. */
  update(): Readonly<Record<Name, number>>
  state(): BanditState
  /** The weights and what they come from, as a text for a ticket. */
  text(): string
  /** Stops to learn; the weights stay, for an A/B test from here on. */
  close(): void
}

const owner = 'a bandit'

/**
 * Lets rewards set the weights of a split: more units go to the arm that earns more, none gets less than the floor.
 *
 * A unit's arm is still chosen by hash under the weights of its epoch, so that the propensity in each record is exact: w = f + (1 − K f) × share of the policy, for a floor f and K arms. A reward counts for
 * the arm that its prediction was given, however late it comes and whatever the weights are by then; only choices that are `assigned`, `sticky` or `external` count.
 *
 * It is for earning while learning. To know how much better an arm is, use a test at fixed weights: means under weights that follow the results are biased, the loser's downwards.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`, also for a state of another split or policy
 * @example
 * ```ts
 * import { bandit, split, thompson } from 'outrigger/route'
 * const router = split({ variants: { a: (x: number) => x, b: (x: number) => x }, weights: { a: 0.5, b: 0.5 } })
 * const learner = bandit({ split: router, policy: thompson(), every: 200 })
 * for (let i = 0; i < 100; i += 1) {
 *   learner.reward('a', i % 10 === 0 ? 1 : 0)
 *   learner.reward('b', i % 2)
 * }
 * assert.ok(router.weights.b > 0.98)
 * assert.equal(router.epoch.number, 2)
 * ```
 */
export const bandit = <Name extends string, L = unknown>(options: BanditOptions<Name, L>): Bandit<Name> => {
  optionsObject(owner, options, ['split', 'policy', 'labels', 'reward', 'every', 'minimum', 'floor', 'state'])
  const split = membersOption(owner, 'split', options.split, ['setWeights'])
  const policy = membersOption(owner, 'policy', options.policy, ['accepts', 'shares'])
  const names = Object.keys(split.weights) as Name[]
  const floor = numberOption(owner, 'floor', options.floor ?? 0.01, { min: 0.01, max: 1 / names.length })
  const every = numberOption(owner, 'every', options.every ?? 1000, { min: 1, integer: true, infinite: true })
  const minimum = numberOption(owner, 'minimum', options.minimum ?? 100, { min: 0, integer: true })
  const worth = functionOption(owner, 'reward', options.reward) ?? valueOf
  const { state } = options
  const byName = <T>(values: readonly T[]): Record<Name, T> => Object.fromEntries(names.map((name, index) => [name, values[index]])) as Record<Name, T>
  if (state !== undefined) refuseOther(state, split.name, policy.name, names)
  const known = new Map<string, Moments>(names.map((name) => [name, new Moments(state?.arms[name])]))
  const arms = (): ArmStatistics[] => names.map((name) => (known.get(name) as Moments).toJSON())
  let pending = state?.pending ?? 0
  const counts = { rewards: 0, ignored: 0, refused: 0, updates: 0 }
  const { number } = split.epoch
  // A split that began with the number that was reached has other weights under it: what the bandit knew opens the next one.
  if (state !== undefined && state.epoch >= number) split.setWeights(state.weights as Record<Name, number>, state.epoch > number ? { epoch: state.epoch } : {})

  const update = (): Readonly<Record<Name, number>> => {
    const seen = arms()
    if (seen.some(({ count }) => count < minimum)) return split.weights
    pending = 0
    const weights = shares(policy, seen).map((share) => floor + (1 - names.length * floor) * share)
    // Sums of shares are 1 up to rounding, and weights that do not sum to 1 are refused.
    const sum = weights.reduce((total, weight) => total + weight, 0)
    split.setWeights(byName(weights.map((weight) => weight / sum)))
    counts.updates += 1
    return split.weights
  }
  const reward = (variant: string, value: number): void => {
    const moments = known.get(variant)
    if (moments === undefined) throw new InvalidOptionError(`Cannot reward an arm as it must be one of ${names.join(', ')}: current value is ${JSON.stringify(variant)}`)
    if (typeof value !== 'number' || !policy.accepts(value)) {
      counts.refused += 1
      return
    }
    moments.push(value)
    counts.rewards += 1
    pending += 1
    if (pending >= every) update()
  }
  const labels = options.labels === undefined ? undefined : membersOption(owner, 'labels', options.labels, ['onJoined'])
  const stop = labels?.onJoined(({ record, label }) => {
    const choice = record.variants.find((one) => one.split === split.name)
    if (choice === undefined) return
    let value: number | undefined
    try {
      value = isCounted(choice) && known.has(choice.variant) ? worth(label, record) : undefined
    } catch (error) {
      counts.refused += 1
      throw error
    }
    if (value === undefined) counts.ignored += 1
    else reward(choice.variant, value)
  })
  return {
    get arms() {
      return byName(arms())
    },
    get counts() {
      return { ...counts }
    },
    reward,
    update,
    state: () => ({ v: 1, split: split.name, policy: policy.name, arms: byName(arms()), weights: split.weights, epoch: split.epoch.number, pending }),
    text: () =>
      [
        `${split.name} by ${policy.name}, epoch ${split.epoch.number}: ${Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(', ')}`,
        ...arms().map(({ count, mean }, index) => `- ${names[index]}: ${short(100 * split.weights[names[index] as Name])} %, mean ${short(mean)} of ${count} rewards`),
      ].join('\n'),
    close: () => stop?.(),
  }
}

const isCounted = ({ reason }: VariantChoice): boolean => reason !== 'forced' && reason !== 'default'

const short = (value: number): number => Number(value.toPrecision(3))

const valueOf = ({ value }: Label<unknown>): number | undefined => (typeof value === 'boolean' ? Number(value) : (value as number | undefined))

/** The shares of a policy, or a coded error: one of the user's may be wrong. */
const shares = (policy: BanditPolicy, arms: readonly ArmStatistics[]): number[] => {
  const found = policy.shares(arms)
  const sum = found.reduce((total, share) => total + share, 0)
  if (found.length !== arms.length || !found.every((share) => share >= 0) || Math.abs(sum - 1) > 1e-6) throw new InvalidOptionError(`Cannot weigh the arms as the shares of a policy must be one for each arm with sum 1: current value is [${found.join(', ')}]`)
  return found
}

const refuseOther = (state: BanditState, split: string, policy: string, names: readonly string[]): void => {
  const isSame = (): boolean => {
    for (const name of names) savedMoments(state.arms[name] as MomentsState)
    return state.v === 1 && state.split === split && state.policy === policy && names.length === Object.keys(state.arms).length && countOf(state.pending) >= 0 && countOf(state.epoch) > 0
  }
  try {
    if (isSame()) return
  } catch {
    // It is none.
  }
  throw new InvalidOptionError(`Cannot create ${owner} as its \`state\` must be one of split ${split} by ${policy} with arms ${names.join(', ')}: current value is ${String(JSON.stringify(state)).slice(0, 200)}`)
}
