/** The waiting, around the pure machine: follows the journal, looks from time to time, applies. */
import { createHash } from 'node:crypto'
import type { Clock, Timer } from '../../core/clock.js'
import { OutriggerError } from '../../core/errors.js'
import type { PredictionRecord } from '../../core/record.js'
import type { Journal } from '../../store/journal.js'
import type { StateStore } from '../../store/state-store.js'
import type { ShadowCounts } from '../shadow-counts.js'
import { epochOf } from './_epochs.js'
import { ReleaseEvidence } from './_evidence.js'
import { FollowedJournal } from './_followed-journal.js'
import type { Gathered } from './_gathered.js'
import { disown, Surroundings } from './_surroundings.js'
import type { Ledger } from './ledger.js'
import { nextMove, type RolloutMove } from './next-move.js'
import type { CheckedPlan } from './plan.js'
import type { ReleaseTarget, RolloutStatus } from './rollout.js'
import { isUnderWay, type ReleasedVersion, type RolloutEntry, type RolloutState } from './state.js'
import { rolloutText } from './text.js'

export interface RollingParts {
  readonly name: string
  readonly plan: CheckedPlan
  readonly journal: Journal
  readonly states: StateStore | undefined
  readonly processName: string
  /** Under which this process publishes. */
  readonly stateKey: string
  readonly ledger: Ledger | undefined
  readonly target: ReleaseTarget | undefined
  readonly labels: { readonly max: number; readonly ttlMs: number }
  readonly identityOf: (arm: 'control' | 'candidate') => ReleasedVersion
  readonly served: () => string | undefined
  readonly router: { setWeights(weights: { readonly control: number; readonly candidate: number }, options?: { readonly epoch?: number; readonly at?: number }): void; readonly epoch: { readonly number: number } }
  readonly shadow: { readonly counts: ShadowCounts; setRate(rate: number): void }
}

type Told = { readonly type: 'state'; readonly subject: string; readonly from: string; readonly to: string; readonly reason: string; readonly data?: Readonly<Record<string, unknown>> } | { readonly type: 'notice'; readonly message: string; readonly error?: unknown }

const manyDays = 90 * 86_400_000
/** A look that a store or a target keeps waiting for longer is given up, so that there is another. */
const patienceMs = 30_000
/** So long a look may go on when it is closed. */
const graceMs = 5000

const refused = (name: string, reason: string, what: string, more: Readonly<Record<string, unknown>> = {}): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot do this with the rollout ${name} as ${what}`, { reason, rollout: name, ...more })

export class Rolling {
  readonly follower: FollowedJournal
  readonly #parts: RollingParts
  readonly #evidence: ReleaseEvidence
  readonly #surroundings: Surroundings
  readonly #planDigest: string
  #clock!: Clock
  #emit!: (event: Told) => void
  #everyMs = 0
  #timer: Timer | undefined
  #isClosed = false
  /** Ends the look that is waited for. */
  #giveUp: ((why: Error) => void) | undefined
  #looking: Promise<RolloutStatus> | undefined
  #applying: Promise<unknown> | undefined
  #gathered: Gathered | undefined
  #waits: readonly string[] = []
  /** The release whose candidate the target of this process knows to be in quarantine. */
  #quarantined = 0

  constructor(parts: RollingParts) {
    this.#parts = parts
    const { name, plan, processName, ledger, labels, served } = parts
    const tell = (message: string, error?: unknown): void => this.#tell(message, error)
    this.follower = new FollowedJournal(parts.journal, name)
    // What may not change under a rollout: steps, levels and metrics. Callbacks are not part of it.
    this.#planDigest = createHash('sha256').update(JSON.stringify([plan.steps, plan.shadow ?? null, plan.promotion, plan.objective ?? null, plan.evidence])).digest('hex').slice(0, 16)
    this.#surroundings = new Surroundings(parts)
    this.#evidence = new ReleaseEvidence({ name, process: processName, plan, planDigest: this.#planDigest, ledger, labels, served, weightOf: (step) => this.#weightOf(step), tell })
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

  /** Whether this process has taken the candidate's units back before the journal says so. */
  get #isSentBack(): boolean {
    return this.#evidence.proof !== undefined && this.#evidence.release === this.follower.state.release
  }

  /** The share of units that the candidate serves. */
  get #weight(): number {
    const { state } = this.follower
    if (state.stage === 'promoted') return this.#parts.router.epoch.number >= epochOf(state, 'home') ? 0 : 1
    return state.stage === 'canary' && !this.#isSentBack ? this.#weightOf(state.step) : 0
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
        .catch((error: unknown) => !this.#isClosed && this.#tell('A look failed; what is served stays as it is', error))
        .finally(() => this.#later())
    }, this.#everyMs)
    this.#timer.unref()
  }

  /** Brings counts, weights and shadow to the state. */
  async #enter(): Promise<void> {
    const { states, stateKey, shadow, plan, name } = this.#parts
    for (let { state } = this.follower; isUnderWay(state) && state.release !== this.#evidence.release; { state } = this.follower) {
      if (state.plan !== this.#planDigest) throw refused(name, 'plan', `its plan must be the one it started with (abort it there, or start with this plan): current value is ${this.#planDigest}, which is not ${state.plan}`)
      const published = await states?.get(stateKey)
      if (state !== this.follower.state) continue
      this.#surroundings.begin()
      this.#gathered = undefined
      this.#evidence.open(state, published)
      // What a run before had counted may prove it: a crash came before the journal knew.
      if (states === undefined) this.#evidence.proves(this.#clock.wall(), 1)
    }
    const { state } = this.follower
    this.#setWeights(state.since)
    shadow.setRate(state.stage === 'shadow' ? (plan.shadow?.rate ?? 0) : 0)
    this.#quarantine(state)
  }

  #setWeights(at: number): void {
    const { router, identityOf } = this.#parts
    const { state } = this.follower
    // Once the control serves what was promoted, all units go home to it, and the candidate may be loaded with the next version before its `start`.
    const isHome = state.stage === 'promoted' && state.end?.isApplied === true && identityOf('control').digest === state.candidate?.digest
    const weight = isHome ? 0 : this.#weight
    const epoch = epochOf(state, isHome ? 'home' : this.#isSentBack ? 'sent-back' : undefined)
    if (epoch > router.epoch.number) router.setWeights({ control: 1 - weight, candidate: weight }, { epoch, at })
  }

  #quarantine({ release, end, candidate, control }: RolloutState): void {
    if (end?.quarantine !== true || this.#quarantined === release || candidate === undefined || control === undefined) return
    this.#quarantined = release
    const failed = (error: unknown): void => this.#tell('The target could not put the candidate into quarantine', error)
    try {
      disown(this.#parts.target?.quarantine?.({ candidate, control, by: end.by, reason: end.reason }), failed)
    } catch (error) {
      failed(error)
    }
  }

  readonly take = (record: PredictionRecord): void => {
    if (this.#isClosed || !isUnderWay(this.follower.state) || !this.#evidence.take(record)) return
    if (this.#isSentBack || !this.#evidence.isAlarming(record.at)) return
    const isAlone = this.#parts.states === undefined
    // The journal is written with the next look; nobody is sent to it until then.
    if (isAlone) this.#sendBack(record.at, 1)
    void this.#lookAnew().catch((error: unknown) => {
      this.#tell('A rollback could not be written to the journal; it is tried again', error)
      if (!isAlone) this.#sendBack(record.at, Math.max(1, this.#gathered?.processes ?? 1))
    })
  }

  #sendBack(at: number, processes: number): void {
    if (isUnderWay(this.follower.state) && this.#evidence.release === this.follower.state.release && this.#evidence.proves(at, processes)) this.#setWeights(at)
  }

  label(id: string, value: unknown, at: number): void {
    if (!this.#isClosed) this.#evidence.label(id, value, at)
  }

  #closed(): OutriggerError {
    return new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot look after the rollout ${this.#parts.name} as it is closed`)
  }

  tick(): Promise<RolloutStatus> {
    if (this.#isClosed) return Promise.reject(this.#closed())
    return (this.#looking ??= this.#patiently(this.#look()).finally(() => {
      this.#looking = undefined
    }))
  }

  async #patiently<T>(look: Promise<T>): Promise<T> {
    let timer: Timer | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        look.then(resolve, reject)
        this.#giveUp = reject
        timer = this.#clock.setTimeout(() => reject(refused(this.#parts.name, 'late', `a look must end within ${patienceMs} ms: current value is that its store or its target has not answered`)), patienceMs)
      })
    } finally {
      this.#giveUp = undefined
      if (timer !== undefined) this.#clock.clearTimeout(timer)
    }
  }

  async #look(): Promise<RolloutStatus> {
    await this.follower.follow()
    for (;;) {
      await this.#enter()
      const { state } = this.follower
      if (!isUnderWay(state)) {
        this.#waits = []
        await this.#apply(state)
        return this.status
      }
      const at = this.#clock.wall()
      const gathered = await this.#gather(state, at)
      // A person, or another look, was faster: what was gathered may be of another step.
      if (state !== this.follower.state) continue
      const move = nextMove(this.#parts.plan, state, this.#surroundings.seen(state, gathered, this.#evidence.proof), at)
      this.#waits = move.move === 'wait' ? move.for : []
      if (move.move === 'wait') return this.status
      const entry = entryOf(move, at, gathered.text)
      if (await this.follower.append(entry, state)) await this.#entered(state, entry)
    }
  }

  async #gather(state: RolloutState, at: number): Promise<Gathered> {
    const { states, name, stateKey } = this.#parts
    const { shadow } = this.#surroundings
    if (this.#isClosed) throw this.#closed()
    const published = this.#evidence.published(shadow)
    const others = []
    if (states !== undefined) {
      await states.put(stateKey, published, manyDays)
      for (const one of await states.list()) if (one.name.startsWith(`${name}.`) && one.name !== stateKey) others.push(one)
    }
    this.#gathered = this.#evidence.gather(others, at, epochOf(state), shadow)
    return this.#gathered
  }

  async #entered(before: RolloutState, entry: RolloutEntry): Promise<void> {
    const shown = ({ stage, step }: RolloutState): string => (stage === 'canary' ? `canary ${100 * this.#weightOf(step)} %` : stage)
    const { state } = this.follower
    await this.#enter()
    this.#emit({ type: 'state', subject: this.#parts.name, from: shown(before), to: shown(state), reason: 'reason' in entry ? entry.reason : entry.kind, data: { ...entry } })
  }

  /** Moves the target, once more if it is not known whether that was done. */
  async #apply(state: RolloutState): Promise<void> {
    const { end, candidate, control, stage } = state
    const { target } = this.#parts
    if (end === undefined || end.isApplied || candidate === undefined || control === undefined) return
    const { by, reason, quarantine } = end
    const move = async (): Promise<unknown> => (stage === 'promoted' ? await target?.promote({ candidate, control, by, reason }) : await target?.rollBack({ candidate, control, by, reason, quarantine }))
    // One that is slow is not asked again meanwhile.
    await (this.#applying ??= move().finally(() => {
      this.#applying = undefined
    }))
    await this.follower.append({ kind: 'applied', at: this.#clock.wall(), by: 'rollout' }, state)
  }

  async start(by: string, again: boolean): Promise<RolloutStatus> {
    const { name, identityOf, plan } = this.#parts
    const candidate = identityOf('candidate')
    const control = identityOf('control')
    return await this.#ask((state) => {
      if (isUnderWay(state)) {
        if (state.candidate?.digest !== candidate.digest) throw refused(name, 'busy', `the rollout of ${state.candidate?.version ?? 'another version'} must end first: current value is ${state.stage}`)
        return undefined
      }
      const at = this.#clock.wall()
      if (candidate.digest === control.digest) throw refused(name, 'same', `candidate and control must be different versions: current value is ${candidate.version} for both`)
      if (!again && state.quarantined.includes(candidate.digest)) throw refused(name, 'quarantined', `evidence spoke against this candidate before (start it with \`again\` if the cause is mended): current value is ${candidate.version}`, { digest: candidate.digest })
      if (at < state.lastRollback + plan.coolDownMs) throw refused(name, 'cooling', `it cools down after a rollback: current value is ${state.lastRollback + plan.coolDownMs - at} ms more`, { untilMs: state.lastRollback + plan.coolDownMs })
      if (state.end !== undefined && !state.end.isApplied) throw refused(name, 'not-applied', 'the end of the rollout before must be applied first (tick): current value is that it is not')
      return { kind: 'started', at, by, candidate, control, plan: this.#planDigest }
    })
  }

  async command(entry: (at: number) => RolloutEntry): Promise<RolloutStatus> {
    return await this.#ask((state) => {
      if (!isUnderWay(state)) throw refused(this.#parts.name, 'idle', `nothing is under way: current value is ${state.stage}`)
      const made = entry(this.#clock.wall())
      return made.kind === 'promoted' || made.kind === 'rolled-back' ? { ...made, ...(this.#gathered === undefined ? {} : { evidence: this.#gathered.text }) } : made
    })
  }

  /** Writes what a person asks for, and looks. */
  async #ask(decide: (state: RolloutState) => RolloutEntry | undefined): Promise<RolloutStatus> {
    if (this.#isClosed) throw this.#closed()
    let before = this.follower.state
    const entry = await this.follower.insist((state) => decide((before = state)))
    if (entry !== undefined) await this.#entered(before, entry)
    return await this.#lookAnew()
  }

  /** A look that is going on may have counted before what this one is for. */
  async #lookAnew(): Promise<RolloutStatus> {
    await this.#looking?.catch(() => {})
    return this.#isClosed ? this.status : await this.tick()
  }

  get status(): RolloutStatus {
    const gathered = this.#gathered
    return {
      ...this.follower.state,
      weight: this.#weight,
      waits: this.#waits,
      verdict: gathered?.verdict,
      shadow: this.#surroundings.shadowCounts,
      labels: this.#evidence.labels,
      processes: gathered?.processes ?? 1,
      refused: gathered?.refused ?? [],
    }
  }

  text(): string {
    return rolloutText({ name: this.#parts.name, plan: this.#parts.plan, state: this.follower.state, history: this.follower.history, waits: this.#waits, evidence: this.#gathered?.text })
  }

  async close(): Promise<void> {
    const { states, stateKey, ledger } = this.#parts
    this.#isClosed = true
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    const timer = this.#clock.setTimeout(() => this.#giveUp?.(this.#closed()), graceMs)
    await this.#looking?.catch(() => {})
    this.#clock.clearTimeout(timer)
    if (isUnderWay(this.follower.state) && this.#evidence.release === this.follower.state.release) {
      // What was counted since the last look, for the others and for the next run.
      const published = this.#evidence.published(this.#surroundings.shadow)
      if (states !== undefined) await this.#patiently(states.put(stateKey, published, manyDays)).catch((error: unknown) => this.#tell('The last counts could not be published', error))
    }
    ledger?.close()
  }
}

const entryOf = (move: Exclude<RolloutMove, { readonly move: 'wait' }>, at: number, evidence: string): RolloutEntry => {
  const by = 'rollout'
  if (move.move === 'advance') return { kind: 'advanced', at, by, to: move.to, reason: move.reason, evidence }
  if (move.move === 'promote') return { kind: 'promoted', at, by, reason: move.reason, cause: move.cause, evidence }
  return { kind: 'rolled-back', at, by, reason: move.reason, cause: move.cause, quarantine: move.quarantine, evidence }
}
