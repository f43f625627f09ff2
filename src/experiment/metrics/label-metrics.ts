import { numberOption } from '../../core/options.js'
import { refusedInput } from '../state-fields.js'
import { MeanStatistics } from './_mean-statistics.js'
import { metricBase, type Metric, type MetricOptions } from './metric.js'

/** A probability that a model gave, and what turned out to be true. */
export interface ScoredLabel {
  /** The probability of `true`, in [0, 1]. */
  readonly score: number
  readonly label: boolean | 0 | 1
}

/** Options of metrics of late labels. */
export type LabelMetricOptions = Omit<MetricOptions<ScoredLabel>, 'better'>

/** Options of {@link logLossMetric}. */
export interface LogLossMetricOptions extends LabelMetricOptions {
  /** Scores are moved into [clip, 1 − clip], so that one certain and wrong answer is not infinitely bad. @default 0.001 */
  readonly clip?: number
}

/** The score and the label as 0 or 1, or a coded error. */
export const readScored = (name: string, value: unknown): { readonly score: number; readonly label: 0 | 1 } => {
  const { score, label } = (value ?? {}) as Partial<ScoredLabel>
  if (!(typeof score === 'number' && score >= 0 && score <= 1) || !(label === true || label === false || label === 0 || label === 1)) {
    throw refusedInput(`count a value of ${name}`, 'it must be { score, label }, the score in [0, 1] and the label true or false', JSON.stringify(value))
  }
  return { score, label: label ? 1 : 0 }
}

/**
 * The log loss of a classifier against late labels, −ln of the probability it gave to what came true; lower is better.
 *
 * A unit counts with its first labelled prediction. Exact at every look, as scores are clipped. For labels that come days later see `observeExperiment`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { logLossMetric } from 'outrigger/experiment'
 * assert.equal(logLossMetric({ name: 'log loss', margin: 0.01 }).better, 'lower')
 * ```
 */
export const logLossMetric = (options: LogLossMetricOptions): Metric => {
  const owner = 'a log loss metric'
  const base = metricBase(owner, options, ['clip'], { better: 'lower' })
  const clip = numberOption(owner, 'clip', options.clip ?? 0.001, { min: 1e-9, max: 0.1 })
  const read = (value: unknown): number => {
    const { score, label } = readScored(base.name, value)
    return -Math.log(Math.min(1 - clip, Math.max(clip, label === 1 ? score : 1 - score)))
  }
  return { ...base, kind: 'log-loss', takesAll: false, start: (state) => new MeanStatistics({ owner: base.name, read, range: [0, -Math.log(clip)] }, state) }
}

/**
 * The Brier score of a classifier against late labels, the squared distance of the probability from the truth; lower is better.
 *
 * A unit counts with its first labelled prediction. Exact at every look.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { brierMetric } from 'outrigger/experiment'
 * assert.equal(brierMetric({ name: 'brier' }).kind, 'brier')
 * ```
 */
export const brierMetric = (options: LabelMetricOptions): Metric => {
  const base = metricBase('a Brier metric', options, [], { better: 'lower' })
  const read = (value: unknown): number => {
    const { score, label } = readScored(base.name, value)
    return (score - label) ** 2
  }
  return { ...base, kind: 'brier', takesAll: false, start: (state) => new MeanStatistics({ owner: base.name, read, range: [0, 1] }, state) }
}
