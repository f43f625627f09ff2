/** What an experiment has found, as data and as a text for a ticket. */
import type { LabelCounts } from '../core/labels.js'
import type { ArmSummary } from './metrics/metric.js'

/**
 * `promote`: every primary metric passes. `rollback`: one metric is worse by evidence. `continue`: not known yet, also while there are no data.
 * `insufficient`: still not known at the deadline.
 */
export type Decision = 'promote' | 'rollback' | 'continue' | 'insufficient'

/** What one metric says. */
export interface MetricVerdict {
  readonly name: string
  readonly kind: string
  readonly role: 'primary' | 'guardrail'
  readonly better: 'higher' | 'lower'
  readonly margin: number
  /** A guardrail never says `promote`. */
  readonly decision: 'promote' | 'rollback' | 'continue'
  /** Candidate less control, in the metric's unit; `undefined` while there is none. */
  readonly estimate: number | undefined
  /** Around it. Each end holds at all looks together with probability 1 − alpha. An end may be infinite. */
  readonly interval: readonly [lower: number, upper: number] | undefined
  /** By arm: the units that have a value, and their mean (of all epochs together: compare by `estimate`). */
  readonly arms: Readonly<Record<string, ArmSummary>>
  /** The e-value that it is good enough, against the one that is needed; without for guardrails. At a fixed horizon, 1 / p. */
  readonly pass: Evidence | undefined
  /** The e-value that it is worse, against the one that is needed. */
  readonly worse: Evidence
  readonly note: string | undefined
}

/** An e-value: how many times more likely the data are if it is so. `Infinity` is possible. */
export interface Evidence {
  readonly eValue: number
  readonly needed: number
}

/** The state of an experiment at a time. */
export interface Verdict {
  readonly experiment: string
  /** When it was asked for. */
  readonly at: number
  readonly decision: Decision
  /** One sentence for a person. */
  readonly reason: string
  readonly metrics: readonly MetricVerdict[]
  readonly sampleRatio: { readonly isMismatch: boolean; readonly pValue: number }
  /** By arm: units, once per epoch. */
  readonly exposures: Readonly<Record<string, number>>
  /** What did not count: units beyond `maxUnits`; exposures to both arms of an epoch; values of units that were not exposed. */
  readonly uncounted: { readonly full: number; readonly crossed: number; readonly unexposed: number }
  /** What became of labels, if the verdict was asked with their counts. `pending` are censored: nobody knows yet. */
  readonly labels: LabelCounts | undefined
}

const number = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : value > 0 ? '∞' : '−∞')
const signed = (value: number): string => (value > 0 ? `+${number(value)}` : number(value))
const evidence = ({ eValue, needed }: Evidence): string => `${number(eValue)} of ${number(needed)}`

/**
 * The verdict as a short text: the decision, why, and the numbers that made it.
 *
 * @example
 * ```ts
 * import { Experiment, rateMetric, verdictText } from 'outrigger/experiment'
 * const experiment = new Experiment({ name: 'delay-2', metrics: [rateMetric({ name: 'on time', better: 'higher' })] })
 * assert.match(verdictText(experiment.verdict({ at: 0 })), /^delay-2: continue/)
 * ```
 */
export const verdictText = (verdict: Verdict): string => {
  const { sampleRatio, uncounted, labels } = verdict
  const lines = [`${verdict.experiment}: ${verdict.decision}`, `${verdict.reason}`]
  lines.push(
    `exposures: ${Object.entries(verdict.exposures).map(([arm, units]) => `${arm} ${units}`).join(', ')}; sample ratio ${sampleRatio.isMismatch ? 'MISMATCH' : 'fine'} (p = ${number(sampleRatio.pValue)})`,
  )
  for (const metric of verdict.metrics) {
    const parts: string[] = []
    if (metric.estimate !== undefined) parts.push(`difference ${signed(metric.estimate)}${metric.interval === undefined ? '' : ` [${metric.interval.map(signed).join(', ')}]`}`)
    if (metric.note !== undefined) parts.push(metric.note)
    if (metric.pass !== undefined) parts.push(`evidence to pass ${evidence(metric.pass)}`)
    parts.push(`evidence of worse ${evidence(metric.worse)}`)
    const arms = Object.entries(metric.arms).map(([arm, { units, value }]) => `${arm} ${value === undefined ? '' : `${number(value)} of `}${units} units`)
    lines.push(`- ${metric.name} (${metric.role}, ${metric.better} is better${metric.margin === 0 ? '' : `, margin ${number(metric.margin)}`}): ${metric.decision}; ${parts.join('; ')}; ${arms.join(', ')}`)
  }
  const lost = Object.entries(uncounted).filter(([, count]) => count > 0)
  if (lost.length > 0) lines.push(`not counted: ${lost.map(([why, count]) => `${count} ${why}`).join(', ')}`)
  if (labels !== undefined) lines.push(`labels: ${labels.joined} joined, ${labels.pending} pending (censored), ${labels.expired} expired, ${labels.unmatched} unmatched, ${labels.duplicate} duplicate`)
  return lines.join('\n')
}
