/** Simulated experiments: sticky users who come back, ramps, a base rate that swings by the day, and a look after every event. */
import { Experiment, type ExperimentOptions } from '../../src/experiment/experiment.js'
import type { Decision } from '../../src/experiment/verdict.js'
import type { Metric } from '../../src/experiment/metrics/metric.js'
import { seeded } from '../drift/_seeded.js'

export type Random = ReturnType<typeof seeded>

export interface ExperimentTraffic {
  readonly metric: Metric
  /** The value of a visit: of a user with a trait in [0, 1], at a time whose base rate is multiplied by `swing`. */
  readonly value: (visit: { readonly random: Random; readonly isCandidate: boolean; readonly trait: number; readonly swing: number }) => unknown
  readonly visits: number
  /** Users who come back; `Infinity` for a new one at each visit. */
  readonly users: number
  /** The candidate's share, by part of the run. */
  readonly ramp: readonly number[]
  /** Visits between two looks. @default 1 */
  readonly every?: number
  readonly options?: Partial<ExperimentOptions>
}

export interface ExperimentRun {
  readonly decision: Decision
  readonly visits: number
  readonly isMismatch: boolean
}

/** One experiment, until it decides. */
export const runExperiment = ({ metric, value, visits, users, ramp, every = 1, options }: ExperimentTraffic, seed: number): ExperimentRun => {
  const random = seeded(seed * 7919 + 3)
  const experiment = new Experiment({ name: 'simulated', metrics: [metric], ...options })
  const places = new Map<number, readonly [place: number, trait: number]>()
  for (let visit = 0; visit < visits; visit++) {
    const step = Math.floor((visit / visits) * ramp.length)
    const share = ramp[step] as number
    // A few users come often.
    const unit = users === Infinity ? visit : Math.floor(users * random.uniform() ** 2)
    let known = places.get(unit)
    if (known === undefined) {
      known = [random.uniform(), random.uniform()]
      if (users !== Infinity) places.set(unit, known)
    }
    const [place, trait] = known
    const isCandidate = place < share
    experiment.expose(unit, isCandidate ? 'candidate' : 'control', { at: visit, epoch: step + 1, weights: [1 - share, share] })
    experiment.observe(unit, { [metric.name]: value({ random, isCandidate, trait, swing: 1 + 0.5 * Math.sin((visit / visits) * 30) }) })
    if (visit % every !== 0) continue
    const decision = experiment.decision({ at: visit })
    if (decision !== 'continue') return { decision, visits: visit, isMismatch: experiment.verdict({ at: visit }).sampleRatio.isMismatch }
  }
  return { decision: experiment.decision({ at: visits }), visits, isMismatch: experiment.verdict({ at: visits }).sampleRatio.isMismatch }
}

/** Many: the shares of decisions, and the median visits of those that decided. */
export const runExperiments = (runs: number, traffic: ExperimentTraffic): { readonly promoted: number; readonly rolledBack: number; readonly mismatched: number; readonly median: number } => {
  const all = Array.from({ length: runs }, (_, seed) => runExperiment(traffic, seed + 1))
  const share = (is: (run: ExperimentRun) => boolean): number => all.filter(is).length / runs
  const stopped = all.filter(({ decision }) => decision !== 'continue').map((run) => run.visits).sort((a, b) => a - b)
  return { promoted: share(({ decision }) => decision === 'promote'), rolledBack: share(({ decision }) => decision === 'rollback'), mismatched: share(({ isMismatch }) => isMismatch), median: stopped[stopped.length >> 1] ?? NaN }
}
