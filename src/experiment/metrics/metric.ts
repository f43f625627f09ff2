/** What a metric of an experiment is: its part in the verdict, and the statistics it keeps. */
import type { LabelledRecord } from '../../core/labels.js'
import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { PredictionRecord } from '../../core/record.js'
import type { Draw } from '../draw.js'

/** What one arm has shown. */
export interface ArmSummary {
  readonly units: number
  /** In the unit of the metric; `undefined` while nothing is known. */
  readonly value: number | undefined
}

/** The statistics of one metric: additive, bounded, without a clock. The difference is always candidate less control. */
export interface MetricStatistics {
  /** Takes a value in; whether it counted. @throws `ERR_OUTRIGGER_INVALID_INPUT` for a value that is none of this metric; nothing changes then */
  add(draw: Draw, value: unknown, unit: string | number): boolean
  readonly arms: readonly [control: ArmSummary, candidate: ArmSummary]
  /** The difference, from units that were drawn with the same chance only; `undefined` while there is none. */
  readonly estimate: number | undefined
  /** The natural logarithm of the e-value against "the difference is at most `bound`". */
  above(bound: number): number
  /** The natural logarithm of the e-value against "the difference is at least `bound`". */
  below(bound: number): number
  /** (estimate − bound) / standard error, for a single look at a fixed horizon; `NaN` where there is none. */
  z(bound: number): number
  /** The largest difference there can be, if there is one. */
  readonly limit: number | undefined
  /** What a person should know besides. */
  readonly note?: string | undefined
  /** Adds the statistics of another process, which served other units. */
  merge(other: MetricStatistics): void
  /** As plain data for `Metric.start`; without what is remembered of single units, it can be merged and read only. */
  state(withUnits: boolean): unknown
}

/** One metric. Made by `rateMetric`, `meanMetric` and the others; a custom one is any object like this. */
export interface Metric {
  readonly name: string
  readonly kind: string
  /** `primary`: evidence for promotion, and against. `guardrail`: only evidence for a rollback. */
  readonly role: 'primary' | 'guardrail'
  readonly better: 'higher' | 'lower'
  /** See {@link MetricOptions}. */
  readonly margin: number
  readonly weight: number
  /** Whether a unit's later values are wanted too, not only its first. */
  readonly takesAll: boolean
  readonly from?: ((record: PredictionRecord) => unknown) | undefined
  readonly fromLabel?: ((labelled: LabelledRecord<unknown>) => unknown) | undefined
  /** Empty statistics, or those of a state, each field of which is checked. */
  start(state?: unknown): MetricStatistics
}

/** Options that all metrics have. `V` is what a value is. */
export interface MetricOptions<V> {
  /** What verdicts call it, and the key of its values. */
  readonly name: string
  /** @default 'primary'; 'guardrail' for failures and latency */
  readonly role?: 'primary' | 'guardrail'
  /** Which direction is good. */
  readonly better?: 'higher' | 'lower'
  /**
   * How much worse is still accepted, in the metric's own unit. With 0 a primary metric must be better (superiority); above 0 it must not be worse by
   * as much (non-inferiority); below 0 it must be better by at least so much. A rollback needs evidence that it is worse by more than `margin`, at least 0. @default 0
   */
  readonly margin?: number
  /** Its part of the level for rollbacks, relative to the other metrics. @default 1 */
  readonly weight?: number
  /** Reads the value off a record, for `observeExperiment`; `undefined` if it has none. */
  readonly from?: (record: PredictionRecord) => V | undefined
  /** Reads the value off a prediction that met its label; for `observeExperiment`. */
  readonly fromLabel?: (labelled: LabelledRecord<unknown>) => V | undefined
}

export const metricOptionNames = ['name', 'role', 'better', 'margin', 'weight', 'from', 'fromLabel'] as const

/** The checked common part of a metric. */
export const metricBase = <V>(
  owner: string,
  options: MetricOptions<V>,
  known: readonly string[],
  defaults: { readonly role?: 'primary' | 'guardrail'; readonly better?: 'higher' | 'lower' } = {},
): Omit<Metric, 'kind' | 'takesAll' | 'start'> => {
  optionsObject(owner, options, [...metricOptionNames, ...known])
  const { role = defaults.role ?? 'primary', better = defaults.better, margin = 0, weight = 1 } = options
  if (role !== 'primary' && role !== 'guardrail') throw new InvalidOptionError(`Cannot create ${owner} as \`role\` must be "primary" or "guardrail": current value is ${String(role)}`)
  if (better !== 'higher' && better !== 'lower') throw new InvalidOptionError(`Cannot create ${owner} as \`better\` must be "higher" or "lower": current value is ${String(better)}`)
  return {
    name: stringOption(owner, 'name', options.name),
    role,
    better,
    margin: numberOption(owner, 'margin', margin),
    weight: numberOption(owner, 'weight', weight, { min: 0, exclusive: true }),
    from: functionOption(owner, 'from', options.from),
    fromLabel: functionOption(owner, 'fromLabel', options.fromLabel),
  }
}
