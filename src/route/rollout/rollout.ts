import { createHash } from 'node:crypto'
import type { Clock, Timer } from '../../core/clock.js'
import type { ModelIdentity } from '../../core/identity.js'
import { OutriggerError } from '../../core/errors.js'
import { applyLayer } from '../../core/layer.js'
import type { LabelCounts } from '../../core/labels.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import { isPredictor, owned, predictor, type Model, type Predictor } from '../../core/predictor.js'
import type { PredictionRecord } from '../../core/record.js'
import type { Call } from '../../core/call.js'
import type { Verdict } from '../../experiment/verdict.js'
import { memoryJournal, type Journal } from '../../store/journal.js'
import { stateName, type StateStore } from '../../store/state-store.js'
import type { ShadowOptions } from '../shadow-options.js'
import type { ShadowCounts } from '../shadow-counts.js'
import { shadow } from '../shadow.js'
import { split } from '../split.js'
import { ReleaseEvidence, type Gathered } from './_evidence.js'
import { FollowedJournal } from './_followed-journal.js'
import type { Ledger } from './ledger.js'
import { nextMove, type RolloutEvidence, type RolloutMove } from './next-move.js'
import { checkedPlan, type CheckedPlan, type GuardAnswer, type RolloutPlan } from './plan.js'
import { isUnderWay, type ReleasedVersion, type RolloutEntry, type RolloutState } from './state.js'
import { rolloutText } from './text.js'

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
  /** Whether the shadow's counts are good enough. @default at least 99 % agree, and the candidate fails for at most 1 % */
  readonly shadowAgrees?: (counts: ShadowCounts) => boolean
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
const manyDays = 90 * 86_400_000

const versionOf = ({ name, version, digest }: ModelIdentity): ReleasedVersion => ({ name, version, digest: digest ?? version })

const refused = (name: string, reason: string, what: string, more: Readonly<Record<string, unknown>> = {}): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot do this with the rollout ${name} as ${what}`, { reason, rollout: name, ...more })

const answerOf = (check: () => GuardAnswer): { readonly status: 'ok' | 'bad' | 'unknown'; readonly why: string } => {
  try {
    const answer = check()
    if (typeof answer === 'string' && ['ok', 'bad', 'unknown'].includes(answer)) return { status: answer, why: 'no reason given' }
    if (typeof answer === 'object' && ['ok', 'bad', 'unknown'].includes(answer?.status)) return { status: answer.status, why: answer.why }
    return { status: 'unknown', why: `it answered ${JSON.stringify(answer)}` }
  } catch (error) {
    return { status: 'unknown', why: `it threw ${error instanceof Error ? error.message : String(error)}` }
  }
}

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
  optionsObject(owner, options, ['name', 'control', 'candidate', 'by', 'plan', 'versionOf', 'journal', 'states', 'process', 'ledger', 'target', 'shadow', 'shadowAgrees', 'everyMs', 'labels'])
  const name = stateName(owner, options.name)
  const plan = checkedPlan(options.plan)
  const journal = membersOption(owner, 'journal', options.journal ?? memoryJournal(), ['read', 'append'])
  const states = options.states === undefined ? undefined : membersOption(owner, 'states', options.states, ['put', 'get', 'list', 'remove'])
  const processName = states === undefined ? 'only' : stringOption(owner, 'process', options.process)
  const ledger = options.ledger === undefined ? undefined : membersOption(owner, 'ledger', options.ledger, ['append', 'reset'])
  const target = options.target === undefined ? undefined : membersOption(owner, 'target', options.target, ['promote', 'rollBack'])
  const everyMs = numberOption(owner, 'everyMs', options.everyMs ?? 5000, { min: 0 })
  const shadowAgrees = functionOption(owner, 'shadowAgrees', options.shadowAgrees) ?? ((counts: ShadowCounts) => counts.agreed >= 0.99 * counts.compared && counts.failed <= 0.01 * (counts.compared + counts.failed))
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

  const rolling = new Rolling({ name, plan, journal, states, processName, ledger, target, shadowAgrees, labels: { max: numberOption(owner, 'labels.max', max, { min: 1, integer: true }), ttlMs: numberOption(owner, 'labels.ttlMs', ttlMs, { min: 0, exclusive: true, infinite: true }) }, identityOf, served: () => candidate.identity.digest, router, shadow: shadowLayer })
  const outer = applyLayer<I, O>(owned(router as unknown as Predictor<I, O>), 'rollout', ({ clock, emit }) => {
    rolling.attach(clock, everyMs, (event) => emit(event as never))
    const watch = (call: Call): void => void (call.note().watchers ??= []).push(rolling.take)
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

interface Parts {
  readonly name: string
  readonly plan: CheckedPlan
  readonly journal: Journal
  readonly states: StateStore | undefined
  readonly processName: string
  readonly ledger: Ledger | undefined
  readonly target: ReleaseTarget | undefined
  readonly shadowAgrees: (counts: ShadowCounts) => boolean
  readonly labels: { readonly max: number; readonly ttlMs: number }
  readonly identityOf: (arm: 'control' | 'candidate') => ReleasedVersion
  readonly served: () => string | undefined
  readonly router: { setWeights(weights: { readonly control: number; readonly candidate: number }, options?: { readonly epoch?: number; readonly at?: number }): void; readonly epoch: { readonly number: number } }
  readonly shadow: { readonly counts: ShadowCounts; setRate(rate: number): void }
}

type Told = { readonly type: 'state'; readonly subject: string; readonly from: string; readonly to: string; readonly reason: string; readonly data?: Readonly<Record<string, unknown>> } | { readonly type: 'notice'; readonly message: string; readonly error?: unknown }

/** So many epochs belong to a release, at most: a number says which release and step. */
const epochsPerRelease = 1000

/** The waiting, around the pure machine: follows the journal, looks from time to time, applies. */
class Rolling {
  readonly follower: FollowedJournal
  readonly #parts: Parts
  readonly #evidence: ReleaseEvidence
  readonly #planDigest: string
  #clock!: Clock
  #emit!: (event: Told) => void
  #everyMs = 0
  #timer: Timer | undefined
  #isClosed = false
  #looking: Promise<RolloutStatus> | undefined
  #gathered: Gathered | undefined
  #waits: readonly string[] = []
  /** Counts of the shadow when this release began: those before are of another candidate. */
  #shadowBase = { compared: 0, agreed: 0, failed: 0 }
  /** The release whose candidate the target of this process knows to be in quarantine. */
  #quarantined = 0
  /** The release whose candidate this process has sent back before the journal said so. */
  #sentBack = 0

  constructor(parts: Parts) {
    this.#parts = parts
    const { name, plan } = parts
    this.follower = new FollowedJournal(parts.journal, name)
    // What may not change under a rollout: steps, levels and metrics. Callbacks are not part of it.
    this.#planDigest = createHash('sha256').update(JSON.stringify([plan.steps, plan.shadow ?? null, plan.promotion, plan.objective ?? null, plan.evidence])).digest('hex').slice(0, 16)
    this.#evidence = new ReleaseEvidence({
      name,
      process: parts.processName,
      plan,
      planDigest: this.#planDigest,
      ledger: parts.ledger,
      labels: parts.labels,
      served: parts.served,
      weightOf: (epoch) => this.#weightOf((epoch % epochsPerRelease) - 2),
      tell: (message, error) => this.#tell(message, error),
    })
  }

  attach(clock: Clock, everyMs: number, emit: (event: Told) => void): void {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#emit = emit
  }

  #tell(message: string, error?: unknown): void {
    this.#emit({ type: 'notice', message: `${message} (${this.#parts.name})`, error })
  }

  /** The candidate's weight in a step; −1 is the shadow. */
  #weightOf(step: number): number {
    return this.#parts.plan.steps[step]?.weight ?? 0
  }

  /** The share of units that the candidate serves. */
  #servedWeight({ stage, step, release }: RolloutState): number {
    if (stage === 'promoted') return this.#parts.router.epoch.number >= (release + 1) * epochsPerRelease ? 0 : 1
    return stage === 'canary' && this.#sentBack !== release ? this.#weightOf(step) : 0
  }

  get #stateKey(): string {
    return `${this.#parts.name}.${this.#parts.processName}`
  }

  /** Where the journal says it is, before the first call. */
  async open(): Promise<void> {
    await this.follower.follow()
    await this.#enter()
    if (this.#everyMs > 0) this.#later()
  }

  #later(): void {
    if (this.#isClosed) return
    this.#timer = this.#clock.setTimeout(() => {
      void this.tick()
        .catch((error: unknown) => this.#tell('A look failed; what is served stays as it is', error))
        .finally(() => this.#later())
    }, this.#everyMs)
    this.#timer.unref()
  }

  /** Brings weights, shadow and counts to the state. */
  async #enter(): Promise<void> {
    const { state } = this.follower
    const { router, shadow, plan, states } = this.#parts
    if (isUnderWay(state)) {
      if (state.plan !== this.#planDigest) throw refused(this.#parts.name, 'plan', `its plan must be the one it started with (abort it there, or start with this plan): current value is ${this.#planDigest}, which is not ${state.plan}`)
      this.#evidence.open(state, await states?.get(this.#stateKey))
    }
    // Once the control serves what was promoted, all units go home to it, and the candidate may be loaded with the next version before its `start`.
    const isHome = state.stage === 'promoted' && state.end?.isApplied === true && this.#parts.identityOf('control').digest === state.candidate?.digest
    const weight = isHome ? 0 : this.#servedWeight(state)
    const number = state.release * epochsPerRelease + (state.stage === 'shadow' ? 1 : state.stage === 'canary' ? state.step + 2 : epochsPerRelease - (isHome ? 0 : 1))
    if (number > router.epoch.number) router.setWeights({ control: 1 - weight, candidate: weight }, { epoch: number, at: state.since })
    const { end, candidate, control } = state
    if (end?.quarantine === true && this.#quarantined !== state.release && candidate !== undefined && control !== undefined) {
      this.#quarantined = state.release
      try {
        this.#parts.target?.quarantine?.({ candidate, control, by: end.by, reason: end.reason })
      } catch (error) {
        this.#tell('The target could not put the candidate into quarantine', error)
      }
    }
    const rate = state.stage === 'shadow' ? (plan.shadow?.rate ?? 0) : 0
    shadow.setRate(rate)
  }

  readonly take = (record: PredictionRecord): void => {
    const { state } = this.follower
    if (!isUnderWay(state)) return
    if (!this.#evidence.take(record)) return
    if (this.#evidence.decision(record.at) !== 'rollback' || this.#sentBack === state.release) return
    if (this.#parts.states === undefined) {
      // The journal is written with the next look; nobody is sent to it until then.
      this.#sentBack = state.release
      this.#parts.router.setWeights({ control: 1, candidate: 0 }, { epoch: state.release * epochsPerRelease + epochsPerRelease - 2, at: record.at })
    }
    void this.tick().catch((error: unknown) => this.#tell('A rollback could not be written to the journal; it is tried again', error))
  }

  label(id: string, value: unknown, at: number): void {
    this.#evidence.label(id, value, at)
  }

  tick(): Promise<RolloutStatus> {
    return (this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    }))
  }

  async #look(): Promise<RolloutStatus> {
    await this.follower.follow()
    for (;;) {
      await this.#enter()
      const { state } = this.follower
      if (!isUnderWay(state)) {
        this.#waits = []
        await this.#apply()
        return this.status
      }
      const at = this.#clock.wall()
      const gathered = await this.#gather(state, at)
      const move = nextMove(this.#parts.plan, state, this.#seen(state, gathered), at)
      this.#waits = move.move === 'wait' ? move.for : []
      if (move.move === 'wait') return this.status
      await this.#append(entryOf(move, at, gathered.text))
    }
  }

  async #gather(state: RolloutState, at: number): Promise<Gathered> {
    const { states, name } = this.#parts
    const shadow = this.#shadowState()
    const others = []
    if (states !== undefined) {
      await states.put(this.#stateKey, this.#evidence.published(shadow), manyDays)
      for (const one of await states.list()) if (one.name.startsWith(`${name}.`) && one.name !== this.#stateKey) others.push(one)
    } else this.#evidence.published(shadow)
    const epoch = state.release * epochsPerRelease + state.step + 2
    this.#gathered = this.#evidence.gather(others, at, epoch, shadow)
    return this.#gathered
  }

  #shadowCounts(): ShadowCounts {
    const counts = this.#parts.shadow.counts
    return { ...counts, compared: counts.compared - this.#shadowBase.compared, agreed: counts.agreed - this.#shadowBase.agreed, failed: counts.failed - this.#shadowBase.failed }
  }

  #shadowState(): { readonly rows: number; readonly differs: boolean } {
    const counts = this.#shadowCounts()
    return { rows: counts.compared, differs: counts.compared + counts.failed > 0 && !this.#parts.shadowAgrees(counts) }
  }

  #seen(state: RolloutState, gathered: Gathered): RolloutEvidence {
    const { plan, identityOf } = this.#parts
    const now = identityOf('candidate')
    const was = identityOf('control')
    const foreign =
      state.candidate?.digest !== now.digest
        ? `the candidate that it started with (${state.candidate?.version ?? '?'}): current value is ${now.version}`
        : state.control?.digest !== was.digest
          ? `the control that it started with (${state.control?.version ?? '?'}): current value is ${was.version}`
          : gathered.refused.length > 0
            ? `counts of all processes (${gathered.refused.join('; ')})`
            : undefined
    const shadow = this.#shadowState()
    return {
      decision: gathered.verdict.decision,
      reason: gathered.verdict.reason,
      isMismatch: gathered.verdict.sampleRatio.isMismatch,
      stepUnits: gathered.stepUnits,
      shadowRows: gathered.shadowRows,
      shadow: gathered.shadowDiffers || shadow.differs ? 'differs' : gathered.shadowRows > 0 ? 'agrees' : 'insufficient',
      guards: plan.guards.map(({ name, check, then = 'wait' }) => ({ name, then, ...answerOf(check) })),
      burns: gathered.burns,
      foreign,
    }
  }

  async #append(entry: RolloutEntry): Promise<void> {
    const before = this.follower.state
    if (!(await this.follower.append(entry))) return
    await this.#entered(before, entry)
  }

  async #entered(before: RolloutState, entry: RolloutEntry): Promise<void> {
    const shown = ({ stage, step }: RolloutState): string => (stage === 'canary' ? `canary ${100 * this.#weightOf(step)} %` : stage)
    const { state } = this.follower
    await this.#enter()
    this.#emit({ type: 'state', subject: this.#parts.name, from: shown(before), to: shown(state), reason: 'reason' in entry ? entry.reason : entry.kind, data: { ...entry } })
  }

  /** Moves the target, once more if it is not known whether that was done. */
  async #apply(): Promise<void> {
    const { end, candidate, control, stage } = this.follower.state
    const { target } = this.#parts
    if (end === undefined || end.isApplied || candidate === undefined || control === undefined) return
    const { by, reason, quarantine } = end
    if (stage === 'promoted') await target?.promote({ candidate, control, by, reason })
    else await target?.rollBack({ candidate, control, by, reason, quarantine })
    await this.follower.append({ kind: 'applied', at: this.#clock.wall(), by: 'rollout' })
  }

  async start(by: string, again: boolean): Promise<RolloutStatus> {
    const { name, identityOf, plan } = this.#parts
    const candidate = identityOf('candidate')
    const control = identityOf('control')
    let isGoingOn = false
    const before = this.follower.state
    await this.follower
      .insist((state) => {
        if (isUnderWay(state)) {
          if (state.candidate?.digest !== candidate.digest) throw refused(name, 'busy', `the rollout of ${state.candidate?.version ?? 'another version'} must end first: current value is ${state.stage}`)
          isGoingOn = true
          throw refused(name, 'under-way', 'it is under way')
        }
        const at = this.#clock.wall()
        if (candidate.digest === control.digest) throw refused(name, 'same', `candidate and control must be different versions: current value is ${candidate.version} for both`)
        if (!again && state.quarantined.includes(candidate.digest)) throw refused(name, 'quarantined', `evidence spoke against this candidate before (start it with \`again\` if the cause is mended): current value is ${candidate.version}`, { digest: candidate.digest })
        if (at < state.lastRollback + plan.coolDownMs) throw refused(name, 'cooling', `it cools down after a rollback: current value is ${state.lastRollback + plan.coolDownMs - at} ms more`, { untilMs: state.lastRollback + plan.coolDownMs })
        if (state.end !== undefined && !state.end.isApplied) throw refused(name, 'not-applied', 'the end of the rollout before must be applied first (tick): current value is that it is not')
        const { compared, agreed, failed } = this.#parts.shadow.counts
        this.#shadowBase = { compared, agreed, failed }
        return { kind: 'started', at, by, candidate, control, plan: this.#planDigest }
      })
      .catch((error: unknown) => {
        if (!isGoingOn) throw error
      })
    if (!isGoingOn) await this.#entered(before, this.follower.history.at(-1) as RolloutEntry)
    return await this.tick()
  }

  async command(entry: (at: number) => RolloutEntry): Promise<RolloutStatus> {
    const before = this.follower.state
    await this.follower.insist((state) => {
      if (!isUnderWay(state)) throw refused(this.#parts.name, 'idle', `nothing is under way: current value is ${state.stage}`)
      const made = entry(this.#clock.wall())
      return made.kind === 'promoted' || made.kind === 'rolled-back' ? { ...made, ...(this.#gathered === undefined ? {} : { evidence: this.#gathered.text }) } : made
    })
    await this.#entered(before, this.follower.history.at(-1) as RolloutEntry)
    return await this.tick()
  }

  get status(): RolloutStatus {
    const { state } = this.follower
    const gathered = this.#gathered
    return {
      ...state,
      weight: this.#servedWeight(state),
      waits: this.#waits,
      verdict: gathered?.verdict,
      shadow: this.#shadowCounts(),
      labels: this.#evidence.labels,
      processes: gathered?.processes ?? 1,
      refused: gathered?.refused ?? [],
    }
  }

  text(): string {
    return rolloutText({ name: this.#parts.name, plan: this.#parts.plan, state: this.follower.state, history: this.follower.history, waits: this.#waits, evidence: this.#gathered?.text })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    await this.#looking?.catch(() => {})
    // What was counted since the last look, for the others and for the next run.
    if (this.#parts.states !== undefined && isUnderWay(this.follower.state)) {
      await this.#parts.states.put(this.#stateKey, this.#evidence.published(this.#shadowState()), manyDays).catch((error: unknown) => this.#tell('The last counts could not be published', error))
    }
    this.#parts.ledger?.close()
  }
}

const entryOf = (move: Exclude<RolloutMove, { readonly move: 'wait' }>, at: number, evidence: string): RolloutEntry => {
  const by = 'rollout'
  if (move.move === 'advance') return { kind: 'advanced', at, by, to: move.to, reason: move.reason, evidence }
  if (move.move === 'promote') return { kind: 'promoted', at, by, reason: move.reason, cause: move.cause, evidence }
  return { kind: 'rolled-back', at, by, reason: move.reason, cause: move.cause, quarantine: move.quarantine, evidence }
}
