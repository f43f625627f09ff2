import type { ModelIdentity } from '../../core/identity.js'
import { applyLayer } from '../../core/layer.js'
import type { LabelCounts } from '../../core/labels.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import { isPredictor, owned, predictor, type Model, type Predictor } from '../../core/predictor.js'
import type { Call } from '../../core/call.js'
import type { Verdict } from '../../experiment/verdict.js'
import { memoryJournal, type Journal } from '../../store/journal.js'
import { stateName, type StateStore } from '../../store/state-store.js'
import type { ShadowOptions } from '../shadow-options.js'
import type { ShadowCounts } from '../shadow-counts.js'
import { shadow } from '../shadow.js'
import { split } from '../split.js'
import { Rolling } from './_rolling.js'
import type { Ledger } from './ledger.js'
import { checkedPlan, type RolloutPlan } from './plan.js'
import type { ReleasedVersion, RolloutState } from './state.js'

/** What moves when a rollout ends: an alias of a registry, a flag, a deployment. Asked once or more; the second time must change nothing. */
export interface ReleaseTarget {
  promote(change: ReleaseChange): Promise<unknown> | unknown
  rollBack(change: ReleaseChange & { readonly quarantine: boolean }): Promise<unknown> | unknown
  /** Keeps this process from using the candidate again. Asked in every process, and after a restart, unlike the others, which one process is asked. */
  quarantine?(change: ReleaseChange): unknown
}

/** What was decided, for the target. */
export interface ReleaseChange {
  readonly candidate: ReleasedVersion
  readonly control: ReleasedVersion
  readonly by: string
  readonly reason: string
}

/** Options of {@link rollout}. */
export interface RolloutOptions<I, O> {
  /** The name of its journal, and the salt of its assignment: the same for all releases of a model. Letters, digits, dots, dashes, underscores. */
  readonly name: string
  /** What serves now. Predictors are borrowed, functions and objects owned. */
  readonly control: Model<I, O>
  readonly candidate: Model<I, O>
  /** The unit that sticks to its arm, when the call has no `key`. */
  readonly by?: (input: I) => string
  readonly plan: RolloutPlan
  /** Who the candidate and the control are, if their predictors do not say so by a digest. @default their identities */
  readonly versionOf?: (arm: 'control' | 'candidate') => ModelIdentity
  /** Where decisions are kept, and what all processes agree by. @default memory: a restart forgets */
  readonly journal?: Journal
  /** Where the processes leave their counts for each other, for these states only. @default none: this process is the only one */
  readonly states?: StateStore
  /** Which process this is: the same after a restart, and nobody else's at the same time. Needed with `states`. */
  readonly process?: string
  /** Where this process keeps its counts, so that a crash loses none. @default with `states`, what was published last; else nothing */
  readonly ledger?: Ledger
  /** What moves in the end. @default nothing */
  readonly target?: ReleaseTarget
  /** How the candidate runs in the shadow. */
  readonly shadow?: Omit<ShadowOptions<I, O, O>, 'rate' | 'name'>
  /** It looks so often by itself, in milliseconds; 0 for never, then call `tick`. @default 5000 */
  readonly everyMs?: number
  /** Predictions that wait for labels. @default 100_000, for ever */
  readonly labels?: { readonly max?: number; readonly ttlMs?: number }
}

/** Where a rollout stands. */
export interface RolloutStatus extends RolloutState {
  /** The candidate's share of units. After a promotion 1, until the control serves the same version; then 0. */
  readonly weight: number
  /** What it waits for. */
  readonly waits: readonly string[]
  readonly verdict: Verdict | undefined
  readonly shadow: ShadowCounts
  readonly labels: LabelCounts
  /** How many processes' counts are in the verdict; and whose could not be added. */
  readonly processes: number
  readonly refused: readonly string[]
}

/** Who asks, and why. */
export interface RolloutCommand {
  readonly by: string
  readonly reason: string
}

/** A predictor that releases its candidate by evidence. */
export interface Rollout<I, O> extends Predictor<I, O> {
  /**
   * Starts a rollout of the candidate, or goes on with it if it is under way.
   *
   * @throws `ERR_OUTRIGGER_ROLLOUT` with `reason`: `busy` with another candidate, `cooling` down, `quarantined` (unless `again`), `same` version as the control
   */
  start(command: { readonly by: string; readonly again?: boolean }): Promise<RolloutStatus>
  /** Waits where it is, until `resume`; dangers still roll it back. */
  hold(command: RolloutCommand): Promise<RolloutStatus>
  resume(command: RolloutCommand): Promise<RolloutStatus>
  /** Says yes to the end of this step, where the plan asks for it. */
  approve(command: RolloutCommand): Promise<RolloutStatus>
  /** Rolls back now. @param command - `quarantine`: whether the candidate is at fault */
  abort(command: RolloutCommand & { readonly quarantine?: boolean }): Promise<RolloutStatus>
  /** Promotes now, whatever the evidence. */
  promote(command: RolloutCommand): Promise<RolloutStatus>
  /** Looks, and does what is due. Concurrent calls share one look. */
  tick(): Promise<RolloutStatus>
  /** Tells the truth about a prediction, for metrics with `fromLabel`. */
  label(id: string, value: unknown, at: number): void
  readonly status: RolloutStatus
  /** Where it stands and why, with the numbers, as a text for a ticket. */
  text(): string
}

const owner = 'a rollout'
const versionOf = ({ name, version, digest }: ModelIdentity): ReleasedVersion => ({ name, version, digest: digest ?? version })

/**
 * Releases a candidate by evidence: shadow, canary steps, promotion, or a rollback; a split that moves itself.
 *
 * Each look reads the journal, adds up what all processes have counted, and asks `nextMove`. What it decides is one entry of the journal: after a
 * restart, and in every process, the rollout is where the journal says. In one process a rollback takes effect with the failure that proves it, before the
 * journal is written; others follow at their next look. While the store cannot be reached, the weights stay, and a danger that this process sees
 * alone still sends its units back.
 *
 * Put `timeout`, `circuitBreaker` and `fallback` outside: an answer that a fallback gave counts as a failure of the arm. It must be closed.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; rejects with `ERR_OUTRIGGER_ROLLOUT` (`journal`, `ledger`, `plan`) if what is kept cannot be gone on with, or with what the store does
 * @example
 * ```ts
 * import { failureMetric } from 'outrigger/experiment'
 * import { rollout } from 'outrigger/route'
 * const release = await rollout({
 *   name: 'delay',
 *   control: () => 1,
 *   candidate: (): number => { throw new Error('broken') },
 *   plan: { steps: [{ weight: 0.2, minUnits: 100 }], evidence: { metrics: [failureMetric()] }, promotion: 'unless-worse' },
 *   versionOf: (arm) => ({ name: 'delay', version: arm === 'control' ? '1' : '2', digest: arm }),
 * })
 * await release.start({ by: 'ann' })
 * for (let i = 0; i < 100; i++) await release(i, { key: `user-${i}` }).catch(() => {})
 * assert.equal((await release.tick()).stage, 'rolled-back')
 * assert.match(release.text(), /failures/)
 * await release.close()
 * ```
 */
export const rollout = async <I, O>(options: RolloutOptions<I, O>): Promise<Rollout<I, O>> => {
  optionsObject(owner, options, ['name', 'control', 'candidate', 'by', 'plan', 'versionOf', 'journal', 'states', 'process', 'ledger', 'target', 'shadow', 'everyMs', 'labels'])
  const name = stateName(owner, options.name)
  const plan = checkedPlan(options.plan)
  const journal = membersOption(owner, 'journal', options.journal ?? memoryJournal(), ['read', 'append'])
  const states = options.states === undefined ? undefined : membersOption(owner, 'states', options.states, ['put', 'get', 'list', 'remove'])
  const processName = states === undefined ? 'only' : stringOption(owner, 'process', options.process)
  const stateKey = stateName(owner, `${name}.${processName}`)
  const ledger = options.ledger === undefined ? undefined : membersOption(owner, 'ledger', options.ledger, ['append', 'reset'])
  const target = options.target === undefined ? undefined : membersOption(owner, 'target', options.target, ['promote', 'rollBack'])
  const everyMs = numberOption(owner, 'everyMs', options.everyMs ?? 5000, { min: 0, max: 2 ** 31 - 1 })
  functionOption(owner, 'versionOf', options.versionOf)
  const { max = 100_000, ttlMs = Infinity } = options.labels ?? {}

  const asPredictor = (model: Model<I, O>): Predictor<I, O> => (isPredictor(model) ? (model as Predictor<I, O>) : owned(predictor(model) as Predictor<I, O>))
  const control = asPredictor(options.control)
  const candidate = asPredictor(options.candidate)
  const identityOf = (arm: 'control' | 'candidate'): ReleasedVersion => versionOf(options.versionOf?.(arm) ?? (arm === 'control' ? control : candidate).identity)
  const shadowLayer = shadow<I, O, O>(candidate as never, { ...options.shadow, rate: 0, name: `${name}.shadow` })
  const router = split({
    name,
    variants: { control: owned(shadowLayer(control)), candidate },
    weights: { control: 1, candidate: 0 },
    ...(options.by === undefined ? {} : { by: options.by as never }),
  }) as unknown as ReturnType<typeof split<{ control: Predictor<I, O>; candidate: Predictor<I, O> }>>

  const rolling = new Rolling({ name, plan, journal, states, processName, stateKey, ledger, target, labels: { max: numberOption(owner, 'labels.max', max, { min: 1, integer: true }), ttlMs: numberOption(owner, 'labels.ttlMs', ttlMs, { min: 0, exclusive: true, infinite: true }) }, identityOf, served: () => candidate.identity.digest, router, shadow: shadowLayer })
  const outer = applyLayer<I, O>(owned(router as unknown as Predictor<I, O>), 'rollout', ({ clock, emit }) => {
    rolling.attach(clock, everyMs, (event) => emit(event as never))
    const watch = (call: Call): void => {
      const watchers = (call.note().watchers ??= [])
      // A call comes more than once where a retry is outside.
      if (!watchers.includes(rolling.take)) watchers.push(rolling.take)
    }
    return {
      trusted: true,
      needsRecord: true,
      describe: () => `rollout ${name}: ${rolling.follower.state.stage}`,
      one: (next, input, call) => {
        watch(call)
        return next(input, call)
      },
      many: (next, inputs, batch) => {
        for (const call of batch.rows) watch(call)
        return next(inputs, batch)
      },
      close: () => rolling.close(),
    }
  })
  try {
    await rolling.open()
  } catch (error) {
    await outer.close()
    throw error
  }
  Object.defineProperty(outer, 'status', { get: () => rolling.status, enumerable: true })
  const command = (kind: 'held' | 'resumed' | 'approved') => (given: RolloutCommand) => rolling.command((at) => ({ kind, at, ...said(given) }))
  return Object.assign(outer, {
    start: (given: { readonly by: string; readonly again?: boolean }) => rolling.start(stringOption('a command of a rollout', 'by', given?.by), given.again === true),
    hold: command('held'),
    resume: command('resumed'),
    approve: command('approved'),
    abort: (given: RolloutCommand & { readonly quarantine?: boolean }) => rolling.command((at) => ({ kind: 'rolled-back', at, ...said(given), cause: 'person', quarantine: given.quarantine === true })),
    promote: (given: RolloutCommand) => rolling.command((at) => ({ kind: 'promoted', at, ...said(given), cause: 'person' })),
    tick: () => rolling.tick(),
    label: (id: string, value: unknown, at: number) => rolling.label(id, value, at),
    text: () => rolling.text(),
  }) as Rollout<I, O>
}

const said = ({ by, reason }: RolloutCommand): { readonly by: string; readonly reason: string } => ({
  by: stringOption('a command of a rollout', 'by', by),
  reason: stringOption('a command of a rollout', 'reason', reason),
})
