/** What a process has counted for a rollout, what the others have, and what it comes to. */
import { OutriggerError } from '../../core/errors.js'
import { labelJoin, type LabelCounts, type LabelJoin } from '../../core/labels.js'
import type { PredictionRecord } from '../../core/record.js'
import { Experiment, type ExperimentState } from '../../experiment/experiment.js'
import { verdictText, type Verdict } from '../../experiment/verdict.js'
import { BurnRate, type BurnRateReading, type BurnRateState } from '../../policy/burn-rate.js'
import type { StoredState } from '../../store/state-store.js'
import type { Ledger } from './ledger.js'
import type { CheckedPlan } from './plan.js'
import type { RolloutState } from './state.js'

/** Control first, as everywhere. */
export const arms = ['control', 'candidate'] as const

/** What one process has counted in one rollout. */
interface Counted {
  readonly release: number
  readonly plan: string
  readonly experiment: ExperimentState
  /** By epoch: units that the candidate served. */
  readonly stepUnits: readonly (readonly [epoch: number, units: number])[]
  readonly burn: BurnRateState | null
  readonly shadow: { readonly rows: number; readonly differs: boolean }
}

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
  /** Of a step, the candidate's weight; the number of its epoch. */
  readonly weightOf: (epoch: number) => number
  /** The digest of the candidate's predictor now. */
  readonly served: () => string | undefined
  readonly tell: (message: string, error?: unknown) => void
}

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
  readonly #hasLabels: boolean
  #isReplaying = false

  constructor(options: EvidenceOptions) {
    this.#options = options
    this.#hasLabels = options.plan.evidence.metrics.some(({ fromLabel }) => fromLabel !== undefined)
    this.#experiment = this.#newExperiment()
    this.#labels = this.#newLabels()
  }

  get labels(): LabelCounts {
    return this.#labels.counts
  }

  #newExperiment(state?: ExperimentState): Experiment {
    return new Experiment({ ...this.#options.plan.evidence, name: this.#options.name, arms }, state)
  }

  #newLabels(): LabelJoin<unknown> {
    const join = labelJoin<unknown>(this.#options.labels)
    join.onJoined(({ record, label }) => {
      this.#waiting.delete(record.id)
      const unit = this.#unitOf(record)
      if (unit === undefined) return
      for (const metric of this.#options.plan.evidence.metrics) {
        const value = this.#read(() => metric.fromLabel?.({ record, label }))
        if (value !== undefined) this.#read(() => this.#experiment.observe(unit, { [metric.name]: value }))
      }
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

  #unitOf(record: PredictionRecord): number | undefined {
    return record.variants.find(({ split }) => split === this.#options.name)?.unit
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
    const { ledger, tell } = this.#options
    const [first, ...rest] = ledger?.lines ?? []
    const header = first === undefined ? undefined : (JSON.parse(first) as [string, number, string, Counted | null, readonly PredictionRecord[]])
    if (ledger !== undefined && header?.[0] === 'rollout' && header[1] === release && header[2] === plan) {
      this.#isReplaying = true
      try {
        if (header[3] !== null) this.#start(header[3])
        for (const record of header[4]) this.#wait(record)
        for (const line of rest) this.#replay(JSON.parse(line) as readonly unknown[])
      } catch (error) {
        throw new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot go on with ${this.#options.name} as its ledger must be one of this rollout: current value is damaged (${error instanceof Error ? error.message : String(error)})`, { reason: 'ledger', cause: error })
      } finally {
        this.#isReplaying = false
      }
      return
    }
    if (published !== undefined) {
      try {
        const counted = JSON.parse(published) as Counted
        if (counted.release === release && counted.plan === plan) this.#start(counted)
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
    this.#waiting = new Map()
  }

  #replay(line: readonly unknown[]): void {
    const [kind, ...rest] = line
    if (kind === 'expose') this.#expose(...(rest as [number, string, number, number, boolean]))
    else if (kind === 'observe') this.#experiment.observe(rest[0] as number, rest[1] as Record<string, unknown>)
    else if (kind === 'wait') this.#wait(rest[0] as PredictionRecord)
    else if (kind === 'label') this.#labels.label(...(rest as [string, unknown, number]))
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
      tell('The ledger could not be written; a crash would lose what is counted now', error)
    }
  }

  #reset(): void {
    const { ledger, tell, planDigest } = this.#options
    try {
      ledger?.reset(JSON.stringify(['rollout', this.#release, planDigest, this.#counted({ rows: 0, differs: false }), [...this.#waiting.values()]]))
    } catch (error) {
      tell('The ledger could not be started anew', error)
    }
  }

  #wait(record: PredictionRecord): void {
    this.#waiting.set(record.id, record)
    this.#labels.observer({ type: 'prediction', record })
    // The join forgets what is old; what is kept beside it must not be more.
    if (this.#waiting.size > this.#options.labels.max) this.#waiting.delete(this.#waiting.keys().next().value as string)
  }

  #expose(unit: number, arm: string, epoch: number, at: number, isKept: boolean): boolean {
    const weight = this.#options.weightOf(epoch)
    const isNew = this.#experiment.expose(unit, arm, { epoch, at, weights: [1 - weight, weight], isKept })
    if (isNew && arm === arms[1]) this.#stepUnits.set(epoch, (this.#stepUnits.get(epoch) ?? 0) + 1)
    return isNew
  }

  /** Counts a settled call. Whether its values may have changed what the evidence says. */
  take(record: PredictionRecord): boolean {
    const { plan, name } = this.#options
    if (record.outcome === 'aborted' || record.outcome === 'rejected') return false
    const failed = hasFailed(record)
    this.#burn?.count(!failed, record.at)
    const choice = record.variants.find(({ split }) => split === name)
    if (choice === undefined || choice.unit === undefined || (choice.reason !== 'assigned' && choice.reason !== 'sticky')) return false
    const { unit, variant, epoch, reason } = choice
    // In the shadow nobody has a chance to get the candidate: nothing is compared, and no room is taken.
    if (this.#options.weightOf(epoch) === 0) return false
    // Of another version, which was swapped in and is told at the next look.
    if (variant === arms[1] && record.source === 'model' && record.rung === undefined && record.identity.digest !== this.#candidate) {
      return false
    }
    const isKept = reason === 'sticky'
    if (this.#read(() => this.#expose(unit, variant, epoch, record.at, isKept)) === true) this.#write('expose', unit, variant, epoch, record.at, isKept)
    const values: Record<string, unknown> = {}
    for (const metric of plan.evidence.metrics) {
      const value = metric.from !== undefined ? this.#read(() => metric.from?.(record)) : metric.kind === 'failures' ? failed : undefined
      if (value !== undefined) values[metric.name] = value
    }
    const counted = this.#read(() => this.#experiment.observe(unit, values)) ?? 0
    if (counted > 0) this.#write('observe', unit, values)
    if (this.#hasLabels && record.outcome === 'ok') {
      this.#write('wait', record)
      this.#wait(record)
    }
    return counted > 0
  }

  /** Tells the truth about a prediction. */
  label(id: string, value: unknown, at: number): void {
    this.#write('label', id, value, at)
    this.#labels.label(id, value, at)
  }

  /** Of this process alone. */
  decision(at: number): Verdict['decision'] {
    return this.#experiment.decision({ at })
  }

  #counted(shadow: Counted['shadow']): Counted {
    return { release: this.#release, plan: this.#options.planDigest, experiment: this.#experiment.toJSON(), stepUnits: [...this.#stepUnits], burn: this.#burn?.toJSON() ?? null, shadow }
  }

  /** What the others add up. Housekeeping of the ledger comes with it. */
  published(shadow: Counted['shadow']): string {
    if (this.#burn !== undefined) this.#write('burn', this.#burn.toJSON())
    if (this.#options.ledger?.isLong === true) this.#reset()
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
        if (counted.release === this.#release && counted.plan === this.#options.planDigest) parts.push(counted)
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
  const holds = (evidence: { readonly eValue: number; readonly needed: number } | undefined): boolean => evidence !== undefined && evidence.eValue >= processes * evidence.needed
  const note = ` Units are served by several of ${processes} processes, so that each judges alone, at its part of the level: send a unit to one process for evidence that adds up.`
  if (verdict.decision === 'rollback' && !verdict.metrics.some(({ worse }) => holds(worse))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  if (verdict.decision === 'promote' && !verdict.metrics.every(({ role, pass }) => role !== 'primary' || holds(pass))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  return { ...verdict, reason: verdict.reason + note }
}
