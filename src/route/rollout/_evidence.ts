/** What a process has counted for a rollout, what the others have, and what it comes to. */
import { OutriggerError } from '../../core/errors.js'
import { labelJoin, type LabelCounts, type LabelJoin } from '../../core/labels.js'
import type { PredictionRecord } from '../../core/record.js'
import { Draw } from '../../experiment/draw.js'
import { Experiment, type ExperimentState } from '../../experiment/experiment.js'
import { isFailed } from '../../experiment/metrics/failure-metric.js'
import { BurnRate, type BurnRateState } from '../../policy/burn-rate.js'
import type { StoredState } from '../../store/state-store.js'
import { releaseOf, stepOf } from './_epochs.js'
import { addedUp, dividedAmong, noRows, type Counted, type Gathered } from './_gathered.js'
import type { Ledger } from './ledger.js'
import type { CheckedPlan } from './plan.js'
import type { RolloutState } from './state.js'

/** Control first, as everywhere. */
export const arms = ['control', 'candidate'] as const

/** A prediction that waits for its label, and the draw by which its unit had its arm: `undefined` if nothing is learnt from it. */
interface Waiting {
  readonly record: PredictionRecord
  readonly draw: Draw | undefined
}

/** The first line of a ledger; those after it are what was counted since. */
type Snapshot = readonly ['rollout', release: number, plan: string, counted: Counted, waiting: readonly (readonly [PredictionRecord, Draw | null])[], labels: LabelCounts]

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
  #waiting = new Map<string, Waiting>()
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
      const draw = this.#waiting.get(record.id)?.draw
      this.#waiting.delete(record.id)
      // Its line says what it came to.
      if (this.#isReplaying) return
      const values: Record<string, unknown> = {}
      for (const metric of this.#options.plan.evidence.metrics) values[metric.name] = this.#read(() => metric.fromLabel?.({ record, label }))
      this.#write('joined', record.id, label.at, this.#observe(record, draw, values))
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

  /** The draw that a choice was made by; `undefined` where the unit has come back in another epoch, and was drawn anew. */
  #drawOf({ unit, epoch, variant, reason }: PredictionRecord['variants'][number]): Draw | undefined {
    const draw = unit === undefined ? undefined : this.#experiment.drawOf(unit)
    return draw !== undefined && (draw.epoch === epoch || reason === 'sticky') && draw.isCandidate === (variant === arms[1]) ? draw : undefined
  }

  /** Counts values by the draw of their unit, each for itself, and gives those that counted. */
  #observe(record: PredictionRecord, draw: Draw | undefined, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const counted: Record<string, unknown> = {}
    const unit = this.#choiceOf(record)?.unit
    if (draw === undefined || unit === undefined) return counted
    for (const [metric, value] of Object.entries(values)) {
      if (value !== undefined && (this.#read(() => this.#experiment.observe(unit, { [metric]: value }, { draw })) ?? 0) > 0) counted[metric] = value
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
        this.#restoreWaiting(snapshot[4])
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

  /** What counted by a draw is noted on it, so that predictions of one draw, and the unit itself, must have the same object. */
  #restoreWaiting(waiting: Snapshot[4]): void {
    const draws = new Map<string, Draw>()
    for (const [record, saved] of waiting) {
      if (saved === null) {
        this.#wait(record, undefined)
        continue
      }
      const { unit, isCandidate, chance, share, epoch, seen } = saved
      const current = this.#experiment.drawOf(this.#choiceOf(record)?.unit as number)
      const key = `${unit} ${epoch}`
      const draw = current?.epoch === epoch ? current : (draws.get(key) ?? new Draw(unit, isCandidate, chance, share, epoch, seen))
      draws.set(key, draw)
      this.#wait(record, draw)
    }
  }

  #replay(line: readonly unknown[]): void {
    const [kind, ...rest] = line
    if (kind === 'expose') this.#expose(...(rest as [number, string, number, number, boolean]))
    else if (kind === 'observe') this.#experiment.observe(rest[0] as number, rest[1] as Record<string, unknown>)
    else if (kind === 'wait') {
      const record = rest[0] as PredictionRecord
      const choice = this.#choiceOf(record)
      this.#wait(record, choice === undefined ? undefined : this.#drawOf(choice))
    }
    else if (kind === 'proof') this.proof = rest[0] as string
    else if (kind === 'joined') {
      const [id, at, values] = rest as [string, number, Record<string, unknown>]
      const waiting = this.#waiting.get(id)
      if (waiting !== undefined) this.#observe(waiting.record, waiting.draw, values)
      this.#labels.label(id, undefined, at)
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
    const snapshot: Snapshot = ['rollout', this.#release, planDigest, this.#counted(noRows), [...this.#waiting.values()].slice(-labels.max).map(({ record, draw }) => [record, draw ?? null] as const), { ...this.labels, pending: 0 }]
    try {
      ledger.reset(JSON.stringify(snapshot))
      this.#isBehind = false
    } catch (error) {
      if (!this.#isBehind) tell('The ledger could not be started anew', error)
      this.#isBehind = true
    }
  }

  #wait(record: PredictionRecord, draw: Draw | undefined): void {
    this.#waiting.set(record.id, { record, draw })
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
    const isOver = record.outcome !== 'aborted' && record.outcome !== 'rejected'
    if (isOver) this.#burn?.count(!isFailed(record), record.at)
    const choice = this.#choiceOf(record)
    if (choice === undefined || choice.unit === undefined || (choice.reason !== 'assigned' && choice.reason !== 'sticky')) return false
    const { unit, variant, epoch, reason } = choice
    // A late answer in a release before says nothing about this one. In the shadow nobody has a chance to get the candidate: nothing is compared, and no room is taken.
    if (releaseOf(epoch) !== this.#release || this.#options.weightOf(stepOf(epoch)) === 0) return false
    // Of another version, which was swapped in and is told at the next look.
    if (variant === arms[1] && record.source === 'model' && record.rung === undefined && record.identity.digest !== this.#candidate) return false
    // However the call ended: who leaves because an arm is slow has had that arm.
    const isKept = reason === 'sticky'
    if (this.#read(() => this.#expose(unit, variant, epoch, record.at, isKept)) === true) this.#write('expose', unit, variant, epoch, record.at, isKept)
    if (!isOver) return false
    const draw = this.#drawOf(choice)
    const values: Record<string, unknown> = {}
    for (const metric of plan.evidence.metrics) values[metric.name] = this.#read(() => metric.from?.(record))
    const counted = this.#observe(record, draw, values)
    const hasCounted = Object.keys(counted).length > 0
    if (hasCounted) this.#write('observe', unit, counted)
    if (this.#hasLabels && record.outcome === 'ok') {
      this.#write('wait', record)
      this.#wait(record, draw)
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
    return addedUp({ mine: this.#counted(shadow), experiment: this.#experiment, newExperiment: (state) => this.#newExperiment(state), objective: this.#options.plan.objective, labels: this.labels, epoch, at }, others)
  }
}
