/** What the processes of a rollout have counted, added up. */
import type { LabelCounts } from '../../core/labels.js'
import type { Experiment, ExperimentState } from '../../experiment/experiment.js'
import { verdictText, type Verdict } from '../../experiment/verdict.js'
import { BurnRate, type BurnRateOptions, type BurnRateReading, type BurnRateState } from '../../policy/burn-rate.js'
import type { StoredState } from '../../store/state-store.js'
import type { ShadowRows } from './next-move.js'

export const noRows: ShadowRows = { compared: 0, agreed: 0, failed: 0 }

/** What one process has counted in one rollout. */
export interface Counted {
  readonly rollout: string
  readonly release: number
  readonly plan: string
  readonly experiment: ExperimentState
  /** By epoch: units that the candidate served. */
  readonly stepUnits: readonly (readonly [epoch: number, units: number])[]
  readonly burn: BurnRateState | null
  readonly shadow: ShadowRows
  /** Why this process has sent the candidate's units back by itself. */
  readonly proof: string | null
}

/** What all processes have counted together. */
export interface Gathered {
  readonly verdict: Verdict
  readonly text: string
  readonly stepUnits: number
  readonly burns: readonly BurnRateReading[]
  readonly shadow: ShadowRows
  readonly processes: number
  /** Whose counts could not be added, and why. */
  readonly refused: readonly string[]
}

/** What this process knows for it. */
export interface AddingUp {
  readonly mine: Counted
  /** The live one that `mine` is of. */
  readonly experiment: Experiment
  readonly newExperiment: (state?: ExperimentState) => Experiment
  readonly objective: BurnRateOptions | undefined
  readonly labels: LabelCounts
  readonly epoch: number
  readonly at: number
}

/** Adds up what this process and the others have counted. @param others - states of other processes as they were published, of any release */
export const addedUp = ({ mine, experiment, newExperiment, objective, labels, epoch, at }: AddingUp, others: readonly StoredState[]): Gathered => {
  const refused: string[] = []
  const burn = objective === undefined ? undefined : new BurnRate(objective)
  const experiments: Experiment[] = []
  let stepUnits = 0
  let shadow: ShadowRows = noRows
  const add = (part: Counted): void => {
    experiments.push(part === mine ? experiment : newExperiment(part.experiment))
    if (part.burn !== null) burn?.merge(part.burn)
    stepUnits += part.stepUnits.find(([number]) => number === epoch)?.[1] ?? 0
    const { compared, agreed, failed } = part.shadow
    shadow = { compared: shadow.compared + compared, agreed: shadow.agreed + agreed, failed: shadow.failed + failed }
  }
  add(mine)
  for (const { name, text } of others) {
    try {
      if (text === undefined) throw new Error('it cannot be read')
      const part = JSON.parse(text) as Counted
      // Else of a rollout whose name begins like this one's, or of something else that is kept there.
      if (part.rollout === mine.rollout && part.release === mine.release && part.plan === mine.plan) add(part)
    } catch (error) {
      refused.push(`${name}: what it published is damaged (${error instanceof Error ? error.message : String(error)})`)
    }
  }
  const verdict = together(experiments, newExperiment, { at, labels })
  return { verdict, text: verdictText(verdict), stepUnits, burns: burn?.read(at) ?? [], shadow, processes: experiments.length, refused }
}

/**
 * Where each unit is served by one process, counts and evidence add up. Else nothing may be added, as a unit that both have seen is no new draw; then each
 * process judges alone, with its level divided among them all.
 */
const together = (experiments: readonly Experiment[], newExperiment: (state?: ExperimentState) => Experiment, look: { readonly at: number; readonly labels: LabelCounts }): Verdict => {
  const [first, ...others] = experiments as [Experiment, ...Experiment[]]
  if (others.length === 0) return first.verdict(look)
  const sum = newExperiment(first.toJSON())
  try {
    for (const other of others) sum.merge(other)
    return sum.verdict(look)
  } catch {
    const verdicts = experiments.map((one) => dividedAmong(experiments.length, one.verdict(look)))
    const decided = (decision: Verdict['decision']): Verdict | undefined => verdicts.find((verdict) => verdict.decision === decision)
    return decided('rollback') ?? decided('promote') ?? (verdicts[0] as Verdict)
  }
}

/** A verdict at its level divided by the number of processes (Bonferroni). */
export const dividedAmong = (processes: number, verdict: Verdict): Verdict => {
  if (processes === 1) return verdict
  const holds = (evidence: { readonly eValue: number; readonly needed: number } | undefined): boolean => evidence !== undefined && evidence.eValue >= processes * evidence.needed
  const note = ` Units are served by several of ${processes} processes, so that each judges alone, at its part of the level: send a unit to one process for evidence that adds up.`
  if (verdict.decision === 'rollback' && !verdict.metrics.some(({ worse }) => holds(worse))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  if (verdict.decision === 'promote' && !verdict.metrics.every(({ role, pass }) => role !== 'primary' || holds(pass))) return { ...verdict, decision: 'continue', reason: `There is not enough evidence yet.${note}` }
  return { ...verdict, reason: verdict.reason + note }
}
