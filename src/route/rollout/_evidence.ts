/** What a process has counted for a rollout, what the others have, and what it comes to. */
import { OutriggerError } from '../../core/errors.js'
import { labelJoin, type LabelCounts, type LabelJoin } from '../../core/labels.js'
import type { PredictionRecord } from '../../core/record.js'
import { Experiment, type ExperimentState } from '../../experiment/experiment.js'
import { verdictText, type Verdict } from '../../experiment/verdict.js'
import { BurnRate, type BurnRateReading, type BurnRateState } from '../../policy/burn-rate.js'
import type { StoredState } from '../../store/state-store.js'
import { releaseOf, stepOf } from './_epochs.js'
import type { Ledger } from './ledger.js'
import type { CheckedPlan } from './plan.js'
import type { RolloutState } from './state.js'

/** Control first, as everywhere. */
export const arms = ['control', 'candidate'] as const

/** What one process has counted in one rollout. */
interface Counted {
  readonly rollout: string
  readonly release: number
  readonly plan: string
  readonly experiment: ExperimentState
  /** By epoch: units that the candidate served. */
  readonly stepUnits: readonly (readonly [epoch: number, units: number])[]
  readonly burn: BurnRateState | null
  readonly shadow: { readonly rows: number; readonly differs: boolean }
  /** Why this process has sent the candidate's units back by itself. */
  readonly proof: string | null
}

/** The first line of a ledger; those after it are what was counted since. */
type Snapshot = readonly ['rollout', release: number, plan: string, counted: Counted, waiting: readonly PredictionRecord[], labels: LabelCounts]

/** What all processes have counted together. */
export interface Gathered {
  readonly verdict: Verdict
  readonly text: string
  readonly stepUnits: number
  readonly burns: readonly BurnRateReading[]
  readonly shadowRows: number
  readonly shadowDiffers: boolean
  readonly processes: number
  /** Whose counts could not be added, and why. */
  readonly refused: readonly string[]
}

export interface EvidenceOptions {
  readonly name: string
  readonly process: string
  readonly plan: CheckedPlan
  readonly planDigest: string
  readonly ledger: Ledger | undefined
  readonly labels: { readonly max: number; readonly ttlMs: number }
  /** Of a step, the candidate's weight. */
  readonly weightOf: (step: number) => number
  /** The digest of the candidate's predictor now. */
  readonly served: () => string | undefined
  readonly tell: (message: string, error?: unknown) => void
}

const noLabels: LabelCounts = { joined: 0, duplicate: 0, unmatched: 0, expired: 0, pending: 0 }

/** A failure of the arm: also one that a fallback outside of it made good. */
const hasFailed = ({ outcome, rung }: PredictionRecord): boolean => outcome === 'error' || outcome === 'timeout' || (rung !== undefined && rung.index > 0)

/** The counts of one release in this process. */
export class ReleaseEvidence {
  readonly #options: EvidenceOptions
  #release = 0
  /** The digest that the candidate's answers carry. */
  #candidate: string | undefined
  #experiment: Experiment
  #burn: BurnRate | undefined
  #stepUnits = new Map<number, number>()
  #labels: LabelJoin<unknown>
  #waiting = new Map<string, PredictionRecord>()
  /** Counts of the join before the ledger's last snapshot, in a run before. */
  #labelsBefore: LabelCounts = noLabels
  readonly #hasLabels: boolean
  #isReplaying = false
  /** The ledger lacks something that was counted. */
  #isBehind = false
  /** Why the candidate is worse, from when on this process knows it: evidence for that is never taken back by what is still on its way. */
  proof: string | undefined

  constructor(options: EvidenceOptions) {
    this.#options = options
    this.#hasLabels = options.plan.evidence.metrics.some(({ fromLabel }) => fromLabel !== undefined)
    this.#experiment = this.#newExperiment()
    this.#labels = this.#newLabels()
  }

  get labels(): LabelCounts {
    const { joined, duplicate, unmatched, expired, pending } = this.#labels.counts
    const before = this.#labelsBefore
    return { joined: before.joined + joined, duplicate: before.duplicate + duplicate, unmatched: before.unmatched + unmatched, expired: before.expired + expired, pending }
  }

  /** The release that is counted. */
  get release(): number {
    return this.#release
  }

  #newExperiment(state?: ExperimentState): Experiment {
    return new Experiment({ ...this.#options.plan.evidence, name: this.#options.name, arms }, state)
  }

  #newLabels(): LabelJoin<unknown> {
    const join = labelJoin<unknown>(this.#options.labels)
    join.onJoined(({ record, label }) => {
      this.#waiting.delete(record.id)
      // Its line says what it came to.
      if (this.#isReplaying) return
      const values: Record<string, unknown> = {}
      for (const metric of this.#options.plan.evidence.metrics) values[metric.name] = this.#read(() => metric.fromLabel?.({ record, label }))
      const choice = this.#choiceOf(record)
      this.#write('joined', record.id, label.at, choice?.unit, choice?.unit === undefined ? {} : this.#observe({ unit: choice.unit, epoch: choice.epoch }, values))
    })
    return join
  }

  /** What a callback or a metric refuses is told, and counts nothing. */
  #read<T>(go: () => T): T | undefined {
    try {
      return go()
    } catch (error) {
      this.#options.tell('A value of the evidence could not be read', error)
      return undefined
    }
  }

  #choiceOf(record: PredictionRecord): PredictionRecord['variants'][number] | undefined {
    return record.variants.find(({ split }) => split === this.#options.name)
  }

  /** Counts values of a choice, each for itself, and gives those that counted. Once the unit came back in another epoch it was drawn anew, maybe into the other arm: what it did before says nothing about that. */
  #observe({ unit, epoch }: { readonly unit: number; readonly epoch: number }, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const counted: Record<string, unknown> = {}
    const draw = this.#read(() => this.#experiment.drawOf(unit))
    if (draw !== undefined && draw.epoch !== epoch) return counted
    for (const [metric, value] of Object.entries(values)) {
      if (value !== undefined && (this.#read(() => this.#experiment.observe(unit, { [metric]: value })) ?? 0) > 0) counted[metric] = value
    }
    return counted
  }

  /**
   * Begins a release, or goes on with it where the ledger or what was published before has its counts.
   *
   * @param published - what this process had published, if anything
   */
  open({ release, plan }: RolloutState, published: string | undefined): void {
    if (release === this.#release) return
    this.#release = release
    this.#candidate = this.#options.served()
    this.#start(undefined)
    const { ledger, tell, name } = this.#options
    const isOurs = (counted: Counted): boolean => counted.release === release && counted.plan === plan
    try {
      const [first, ...rest] = ledger?.lines ?? []
      const snapshot = first === undefined ? undefined : (JSON.parse(first) as Snapshot)
      if (snapshot?.[0] === 'rollout' && snapshot[1] === release && snapshot[2] === plan) {
        this.#isReplaying = true
        this.#start(snapshot[3])
        this.#labelsBefore = snapshot[5]
        for (const record of snapshot[4]) this.#wait(record)
        for (const line of rest) this.#replay(JSON.parse(line) as readonly unknown[])
        return
      }
    } catch (error) {
      this.#release = 0
      throw new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot go on with ${name} as its ledger must be one of this rollout: current value is damaged (${error instanceof Error ? error.message : String(error)})`, { reason: 'ledger', cause: error })
    } finally {
      this.#isReplaying = false
    }
    if (published !== undefined) {
      try {
        const counted = JSON.parse(published) as Counted
        if (isOurs(counted)) this.#start(counted)
      } catch (error) {
        tell('What this process had counted before could not be read, and is left out', error)
      }
    }
    this.#reset()
  }

  #start(counted: Counted | undefined): void {
    const { objective } = this.#options.plan
    this.#experiment = this.#newExperiment(counted?.experiment)
    this.#burn = objective === undefined ? undefined : new BurnRate(objective)
    const burn = counted?.burn ?? undefined
    if (burn !== undefined) this.#burn?.merge(burn)
    this.#stepUnits = new Map(counted?.stepUnits)
    this.#labels = this.#newLabels()
    this.#labelsBefore = noLabels
    this.#waiting = new Map()
    this.proof = counted?.proof ?? undefined
  }

  #replay(line: readonly unknown[]): void {
    const [kind, ...rest] = line
    if (kind === 'expose') this.#expose(...(rest as [number, string, number, number, boolean]))
    else if (kind === 'observe') this.#experiment.observe(rest[0] as number, rest[1] as Record<string, unknown>)
    else if (kind === 'wait') this.#wait(rest[0] as PredictionRecord)
    else if (kind === 'proof') this.proof = rest[0] as string
    else if (kind === 'joined') {
      const [id, at, unit, values] = rest as [string, number, number | null, Record<string, unknown>]
      this.#labels.label(id, undefined, at)
      if (unit !== null) this.#experiment.observe(unit, values)
    }
    else if (kind === 'burn' && this.#burn !== undefined) {
      this.#burn = new BurnRate(this.#options.plan.objective as NonNullable<CheckedPlan['objective']>)
      this.#burn.merge(rest[0] as BurnRateState)
    }
  }

  #write(...line: readonly unknown[]): void {
    const { ledger, tell } = this.#options
    if (ledger === undefined || this.#isReplaying) return
    try {
      ledger.append(JSON.stringify(line))
    } catch (error) {
      if (!this.#isBehind) tell('The ledger could not be written; a crash would lose what is counted until a look can start it anew', error)
      this.#isBehind = true
    }
  }

  #reset(): void {
    const { ledger, tell, planDigest, labels } = this.#options
    if (ledger === undefined) return
    const snapshot: Snapshot = ['rollout', this.#release, planDigest, this.#counted({ rows: 0, differs: false }), [...this.#waiting.values()].slice(-labels.max), { ...this.labels, pending: 0 }]
    try {
      ledger.reset(JSON.stringify(snapshot))
      this.#isBehind = false
    } catch (error) {
      if (!this.#isBehind) tell('The ledger could not be started anew', error)
      this.#isBehind = true
    }
  }

  #wait(record: PredictionRecord): void {
    this.#waiting.set(record.id, record)
    this.#labels.observer({ type: 'prediction', record })
    // The join forgets what is old; what is kept beside it must not be much more, and is thinned out rarely as the start of a map is slow to take away.
    const { max } = this.#options.labels
    if (this.#waiting.size > 2 * max + 1000) this.#waiting = new Map([...this.#waiting].slice(-max))
  }

  #expose(unit: number, arm: string, epoch: number, at: number, isKept: boolean): boolean {
    const weight = this.#options.weightOf(stepOf(epoch))
    const isNew = this.#experiment.expose(unit, arm, { epoch, at, weights: [1 - weight, weight], isKept })
    if (isNew && arm === arms[1]) this.#stepUnits.set(epoch, (this.#stepUnits.get(epoch) ?? 0) + 1)
    return isNew
  }

  /** Counts a settled call. Whether its values may have changed what the evidence says. */
  take(record: PredictionRecord): boolean {
    const { plan } = this.#options
    if (record.outcome === 'aborted' || record.outcome === 'rejected') return false
    const failed = hasFailed(record)
    this.#burn?.count(!failed, record.at)
    const choice = this.#choiceOf(record)
    if (choice === undefined || choice.unit === undefined || (choice.reason !== 'assigned' && choice.reason !== 'sticky')) return false
    const { unit, variant, epoch, reason } = choice
    // A late answer in a release before says nothing about this one. In the shadow nobody has a chance to get the candidate: nothing is compared, and no room is taken.
    if (releaseOf(epoch) !== this.#release || this.#options.weightOf(stepOf(epoch)) === 0) return false
    // Of another version, which was swapped in and is told at the next look.
    if (variant === arms[1] && record.source === 'model' && record.rung === undefined && record.identity.digest !== this.#candidate) {
      return false
    }
    const isKept = reason === 'sticky'
    if (this.#read(() => this.#expose(unit, variant, epoch, record.at, isKept)) === true) this.#write('expose', unit, variant, epoch, record.at, isKept)
    const values: Record<string, unknown> = {}
    for (const metric of plan.evidence.metrics) {
      values[metric.name] = metric.from !== undefined ? this.#read(() => metric.from?.(record)) : metric.kind === 'failures' ? failed : undefined
    }
    const counted = this.#observe({ unit, epoch }, values)
    const hasCounted = Object.keys(counted).length > 0
    if (hasCounted) this.#write('observe', unit, counted)
    if (this.#hasLabels && record.outcome === 'ok') {
      this.#write('wait', record)
      this.#wait(record)
    }
    return hasCounted
  }

  /** Tells the truth about a prediction. */
  label(id: string, value: unknown, at: number): void {
    this.#labels.label(id, value, at)
  }

  /**
   * Whether this process alone can prove that the candidate is worse, now or before.
   *
   * @param processes - among so many its level is divided
   */
  proves(at: number, processes: number): boolean {
    if (this.proof !== undefined) return true
    if (this.#experiment.decision({ at }) !== 'rollback') return false
    const { decision, reason } = dividedAmong(processes, this.#experiment.verdict({ at }))
    if (decision !== 'rollback') return false
    this.proof = reason
    this.#write('proof', reason)
    return true
  }

  /** Whether a look may find the candidate worse. */
  isAlarming(at: number): boolean {
    return this.#experiment.decision({ at }) === 'rollback'
  }

  #counted(shadow: Counted['shadow']): Counted {
    const { name, planDigest } = this.#options
    return { rollout: name, release: this.#release, plan: planDigest, experiment: this.#experiment.toJSON(), stepUnits: [...this.#stepUnits], burn: this.#burn?.toJSON() ?? null, shadow, proof: this.proof ?? null }
  }

  /** What the others add up. Housekeeping of the ledger comes with it. */
  published(shadow: Counted['shadow']): string {
    if (this.#burn !== undefined) this.#write('burn', this.#burn.toJSON())
    if (this.#options.ledger?.isLong === true || this.#isBehind) this.#reset()
    return JSON.stringify(this.#counted(shadow))
  }

  /** Adds up what this process and the others have counted. @param others - states of other processes as they were published, of any release */
  gather(others: readonly StoredState[], at: number, epoch: number, shadow: Counted['shadow']): Gathered {
    const mine = this.#counted(shadow)
    const parts: Counted[] = [mine]
    const refused: string[] = []
    for (const { name, text } of others) {
      try {
        if (text === undefined) throw new Error('it cannot be read')
        const counted = JSON.parse(text) as Counted
        // Of a rollout whose name begins like this one's, or of something else that is kept there.
        if (counted.rollout === this.#options.name && counted.release === this.#release && counted.plan === this.#options.planDigest) parts.push(counted)
      } catch {
        refused.push(`${name}: what it published is damaged`)
      }
    }
    const burn = this.#options.plan.objective === undefined ? undefined : new BurnRate(this.#options.plan.objective)
    const experiments: Experiment[] = []
    let stepUnits = 0
    let shadowRows = 0
    let shadowDiffers = false
    for (const [at, part] of parts.entries()) {
      try {
        experiments.push(at === 0 ? this.#experiment : this.#newExperiment(part.experiment))
        if (part.burn !== null) burn?.merge(part.burn)
        stepUnits += part.stepUnits.find(([number]) => number === epoch)?.[1] ?? 0
        shadowRows += part.shadow.rows
        shadowDiffers ||= part.shadow.differs
      } catch (error) {
        refused.push(error instanceof Error ? error.message : String(error))
      }
    }
    const verdict = experiments.length === 1 ? this.#experiment.verdict({ at, labels: this.labels }) : this.#together(experiments, at)
    return { verdict, text: verdictText(verdict), stepUnits, burns: burn?.read(at) ?? [], shadowRows, shadowDiffers, processes: experiments.length, refused }
  }

  /**
   * Where each unit is served by one process, counts and evidence add up. Else nothing may be added, as a unit that both have seen is no new draw; then each
   * process judges alone, with its level divided among them all.
   */
  #together(experiments: readonly Experiment[], at: number): Verdict {
    const sum = this.#newExperiment()
    try {
      for (const one of experiments) sum.merge(one === this.#experiment ? this.#newExperiment(one.toJSON()) : one)
      return sum.verdict({ at, labels: this.labels })
    } catch {
      const verdicts = experiments.map((one) => one.verdict({ at, labels: this.labels })).map((verdict) => dividedAmong(experiments.length, verdict))
      const first = (decision: Verdict['decision']): Verdict | undefined => verdicts.find((verdict) => verdict.decision === decision)
      return first('rollback') ?? first('promote') ?? (verdicts[0] as Verdict)
    }
  }
}

/** A verdict at its level divided by the number of processes (Bonferroni). */
const dividedAmong = (processes: number, verdict: Verdict): Verdict => {
  if (processes === 1) return verdict
  const holds = (evidence: { readonly eValue: number; readonly needed: number } | undefined): boolean => evidence !== undefined && evidence.eValue >= processes * evidence.needed
  const note = ` Units are served by several of ${processes} processes, so that each judges alone, at its part of the level: send a unit to one process for evidence that adds up.`
  if (verdict.decision === 'rollback' && !verdict.metrics.some(({ worse }) => holds(worse))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  if (verdict.decision === 'promote' && !verdict.metrics.every(({ role, pass }) => role !== 'primary' || holds(pass))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  return { ...verdict, reason: verdict.reason + note }
}
